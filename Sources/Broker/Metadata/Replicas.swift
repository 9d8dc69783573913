import Base
import Cluster
import Logging
import Model
import Storage
import Synchronization

/// Holds this broker's replicas: creates their logs, makes them leader or follower, configures and deletes them, as the controller
/// says (Kafka: the part of ReplicaManager that obeys LeaderAndIsr and StopReplica).
///
/// Its methods wait for the disk, so they are called on the control lane, never on an event loop.
package final class Replicas: Sendable {
  let directories: LogDirectories
  private let brokerID: BrokerID
  private let log: Logger
  private let nowMs: @Sendable () -> Int64
  /// Milliseconds of the monotonic clock by which replicas lag.
  private let uptimeMs: @Sendable () -> Int64
  /// The replicas on this broker, by topic and partition number.
  private let hosted = Mutex(HostedReplicas())
  private let directoryFailed = Hook<@Sendable (LogDirectory, DiskError) -> Void>({ _, _ in })

  private let deleted = Hook<@Sendable (_ delayMs: Int64) -> Void>({ _ in })
  private let roleChanged = Hook<RoleChanged>({ _, _ in })

  /// What this broker is to a partition.
  enum Role: Equatable {
    case leader(LeaderEpoch)
    /// The leader is -1 where there is none.
    case follower(of: BrokerID, LeaderEpoch)
    /// The replica has stopped.
    case none
  }

  typealias RoleChanged = @Sendable (Partition, Role) -> Void

  /// The traffic of replicas that were here.
  let pastTraffic = PastTraffic()

  /// The brokers that are alive; nil before that is known.
  private let alive = Mutex<Set<BrokerID>?>(nil)
  private let advanced = Hook<@Sendable (Partition.Advanced, Partition) -> Void>({ _, _ in })

  init(
    _ directories: LogDirectories, brokerID: BrokerID, log: Logger, nowMs: @escaping @Sendable () -> Int64,
    uptimeMs: @escaping @Sendable () -> Int64
  ) {
    self.directories = directories
    self.brokerID = brokerID
    self.log = log
    self.nowMs = nowMs
    self.uptimeMs = uptimeMs
  }

  /// Sets the function to call with a log directory in which a log could not be created because the directory has failed.
  func whenDirectoryFails(_ body: @escaping @Sendable (LogDirectory, DiskError) -> Void) {
    directoryFailed.set(body)
  }

  /// Sets the function to call when this broker has become leader or follower of a partition, perhaps again, or has stopped its replica.
  func whenRolesChange(_ body: @escaping RoleChanged) { roleChanged.set(body) }

  /// Sets the function that wakes the waiters, and asks for the change of the ISR, that an election or a broker's coming or going brings.
  func whenReplicationAdvances(_ body: @escaping @Sendable (Partition.Advanced, Partition) -> Void) {
    advanced.set(body)
  }

  /// Sets the function to call when partitions were deleted, with the time until their files may be removed.
  func whenDeleted(_ body: @escaping @Sendable (_ delayMs: Int64) -> Void) {
    deleted.set(body)
  }

  /// Adds partitions whose logs were opened at the start.
  func adopt(_ opened: [TopicPartition: Partition]) {
    hosted.withLock { hosted in
      for (name, partition) in opened { hosted.put(partition, as: name) }
    }
  }

  /// Makes each partition leader or follower, as its state says, and creates the logs that are missing.
  ///
  /// - Parameters:
  ///   - outcomes: receives, for each topic that is new here, nil when all its logs were created, and otherwise the reason. After
  ///     a failure the logs that were created stay, for the controller to stop. A failure for a topic that is not new is
  ///     logged; the next start creates the log.
  ///   - placement: how many partitions each log directory has, by which new logs are placed; nil before the first.
  ///   - config: returns the configuration of a topic's logs.
  /// - Returns: the topics that have a partition here now which they had not before.
  func lead(
    _ states: [Controller.ReplicaState], _ outcomes: inout [String: String?],
    _ placement: inout LogDirectories.Placement?, config: (String) -> LogConfig
  ) -> Set<String> {
    var new: Set<String> = []
    var configs: [String: LogConfig] = [:]
    for state in states {
      let topic = state.name.topic
      if state.isNew, outcomes[topic] == nil { outcomes[topic] = .some(nil) }
      // The first failure of a topic is its outcome: descriptors that have run out need not be tried for each partition.
      if outcomes[topic].flatMap({ $0 }) != nil { continue }
      if let open = partition(state.name), open.topicID == state.topicID {
        become(state.partition, open)
        continue
      }
      let logConfig = configs[topic] ?? config(topic)
      configs[topic] = logConfig
      let made: Partition
      do {
        made = try make(state, logConfig, &placement)
      } catch {
        log.error("a partition has no log", metadata: ["partition": "\(state.name)", "error": "\(error)"])
        if state.isNew {
          outcomes[topic] = "\(state.name): \(error)"
          continue
        }
        made = Partition(
          state.name, topicID: state.topicID, log: nil, directory: nil, brokerID: brokerID,
          replicas: state.partition.replicas, leaderEpoch: state.partition.leaderEpoch)
      }
      become(state.partition, made)
      hosted.withLock { $0.put(made, as: state.name) }
      new.insert(topic)
    }
    return new
  }

  /// Makes `partition` leader or follower in the epoch of `state`; a state that it has already changes nothing.
  private func become(_ state: PartitionDescription, _ partition: Partition) {
    // Of an election before the last that this broker has heard of.
    #if DEBUG
    let obeysAny = PlantedFault.obeysOldOrders.isPlanted
    #else
    let obeysAny = false
    #endif
    guard obeysAny || state.leaderEpoch >= partition.leaderEpoch else { return }
    guard state.leader == brokerID else {
      for waiter in partition.follow(leaderEpoch: state.leaderEpoch) { waiter.wake(.released) }
      roleChanged.call(partition, .follower(of: state.leader, state.leaderEpoch))
      return
    }
    let now = uptimeMs()
    let leadership = Replication.Leadership(
      leaderEpoch: state.leaderEpoch, partitionEpoch: state.partitionEpoch, replicas: state.replicas,
      inSync: state.inSyncReplicas)
    let leading = partition.advance { $0.lead(leadership, nowMs: now) }
    roleChanged.call(partition, .leader(state.leaderEpoch))
    advanced.call(leading, partition)
    if let alive = alive.withLock({ $0 }), !alive.isSuperset(of: state.replicas) { take(alive, in: partition) }
  }

  private func make(
    _ state: Controller.ReplicaState, _ config: LogConfig, _ placement: inout LogDirectories.Placement?
  ) throws -> Partition {
    // A directory of that name holds records of another topic: they must not appear in this one, and are not ours to delete.
    if let stale = directories.holding(state.name), let kept = try stale.setAside(state.name, nowMs: nowMs()) {
      log.warning(
        "a partition of no known topic is set aside", metadata: ["partition": "\(state.name)", "kept": "\(kept)"])
    }
    let made = try directories.create(
      state.name, topicID: state.topicID, config: config, nowMs: nowMs(), &placement,
      failed: { directory, cause in directoryFailed.call(directory, cause) })
    return Partition(
      state.name, topicID: state.topicID, log: made.log, directory: made.directory, brokerID: brokerID,
      replicas: state.partition.replicas, leaderEpoch: state.partition.leaderEpoch)
  }

  /// Takes in which brokers are alive: the high watermarks of partitions led here do not wait for followers that are gone.
  func take(alive: Set<BrokerID>) {
    let hasChanged = self.alive.withLock { known in
      defer { known = alive }
      return known != alive
    }
    guard hasChanged else { return }
    for partition in all { take(alive, in: partition) }
  }

  private func take(_ alive: Set<BrokerID>, in partition: Partition) {
    let raised = partition.advance { replication in
      var raised = Replication.Steps.none
      for id in replication.followerIDs {
        let steps = replication.broker(id, isAlive: alive.contains(id))
        raised.highWatermark = steps.highWatermark ?? raised.highWatermark
      }
      return raised
    }
    advanced.call(raised, partition)
  }

  /// The replicas on this broker, in the order of their names; also those that no image shows (yet).
  var all: [Partition] { hosted.withLock { $0.inOrder() } }

  /// Returns whether any partition of a topic is on this broker.
  func hasReplicas(of topic: String) -> Bool { hosted.withLock { $0[topic] != nil } }

  func partition(_ name: TopicPartition) -> Partition? { hosted.withLock { $0[name.topic]?[name.partition] } }

  /// Returns a `Partition` for each partition number of the topic; where this broker has no replica, one without a log.
  func partitions(of topic: TopicDescription) -> [Partition] {
    let hosted = hosted.withLock { $0[topic.name] ?? [:] }
    return topic.partitions.indices.map { partition($0, of: topic, hosted) }
  }

  /// Returns the `Partition`s of a topic of which some have changed, given those before.
  func partitions(of topic: TopicDescription, changed: [Int32], before: [Partition]) -> [Partition] {
    let hosted = hosted.withLock { $0[topic.name] ?? [:] }
    var partitions = before
    for index in changed.map({ Int($0) }) where partitions.indices.contains(index) {
      partitions[index] = partition(index, of: topic, hosted)
    }
    return partitions
  }

  private func partition(_ index: Int, of topic: TopicDescription, _ hosted: [Int32: Partition]) -> Partition {
    if let partition = hosted[Int32(index)], partition.topicID == topic.id { return partition }
    let state = topic.partitions[index]
    return Partition(
      TopicPartition(topic.name, Int32(index)), topicID: topic.id, log: nil, directory: nil,
      brokerID: brokerID, replicas: state.replicas, leaderEpoch: state.leaderEpoch)
  }

  /// Sets the configuration of a topic's open logs, effective from the next append.
  func configure(_ topic: String, _ config: LogConfig) {
    for partition in hosted.withLock({ $0[topic] ?? [:] }).values { partition.configure(config) }
  }

  /// Drops deleted partitions from the checkpoints of the directories: a start takes a partition whose records are
  /// checkpointed, and whose files are nowhere, for one that was removed by hand.
  func forget(_ partitions: [TopicPartition]) {
    for directory in directories.online {
      do { try directory.forget(partitions) } catch {
        log.error(
          "a checkpoint still names deleted partitions",
          metadata: ["directory": "\(directory.path)", "error": "\(error)"])
      }
    }
  }

  /// Ends the leadership of a replica, and its following of another, while its log stays (a broker that is about to stop).
  private func standStill(_ partition: Partition) {
    for waiter in partition.follow(leaderEpoch: partition.leaderEpoch) { waiter.wake(.released) }
    roleChanged.call(partition, .none)
  }

  /// Stops replicas: wakes the waiters parked in them, and renames the directories of those that are deleted.
  ///
  /// - Returns: the topics whose files may not all have been renamed.
  func stop(_ replicas: [Controller.StoppedReplica], deleteDelayMs: (String) -> Int64) -> Set<String> {
    var left: Set<String> = []
    var renamed: [(directory: LogDirectory, topics: Set<String>)] = []
    var delayMs = Int64.max
    for replica in replicas {
      guard replica.isDeleted else {
        if let partition = partition(replica.name) { standStill(partition) }
        continue
      }
      let partition = hosted.withLock { $0.remove(replica.name) }
      for waiter in partition?.retire(deleted: true) ?? [] { waiter.wake(.released) }
      if let partition { pastTraffic.add(partition.traffic, of: replica.name.topic) }
      if let partition { roleChanged.call(partition, .none) }
      guard let directory = partition?.directory ?? directories.holding(replica.name) else {
        // Its files may be in a directory that cannot be used now.
        if !directories.areAllUsable { left.insert(replica.name.topic) }
        continue
      }
      guard directory.failure == nil else {
        left.insert(replica.name.topic)
        continue
      }
      do {
        let delay = deleteDelayMs(replica.name.topic)
        try directory.delete(replica.name, delayMs: delay, nowMs: nowMs(), syncing: false)
        delayMs = min(delayMs, delay)
        if let index = renamed.firstIndex(where: { $0.directory === directory }) {
          renamed[index].topics.insert(replica.name.topic)
        } else {
          renamed.append((directory, [replica.name.topic]))
        }
      } catch {
        left.insert(replica.name.topic)
        log.error("a deleted partition stays", metadata: ["partition": "\(replica.name)", "error": "\(error)"])
      }
    }
    for (directory, topics) in renamed {
      do { try directory.syncNames() } catch {
        left.formUnion(topics)
        log.error(
          "deleted partitions may come back", metadata: ["directory": "\(directory.path)", "error": "\(error)"])
      }
    }
    if !renamed.isEmpty { deleted.call(delayMs) }
    return left
  }
}
