import Cluster
import Logging
import Model
import Storage
import Synchronization

/// This broker's replicas: makes their logs, gives them their settings, and removes them, as the controller says.
///
/// Its work waits for the disk, so it is done on the control lane, one piece at a time, and never on an event loop.
package final class Replicas: Sendable {
  let directories: LogDirectories
  private let brokerID: BrokerID
  private let log: Logger
  private let nowMs: @Sendable () -> Int64
  /// The replicas on this broker, by topic and partition number.
  private let hosted = Mutex<[String: [Int32: Partition]]>([:])
  private let directoryFailed = Mutex<@Sendable (LogDirectory, DiskError) -> Void>({ _, _ in })

  init(_ directories: LogDirectories, brokerID: BrokerID, log: Logger, nowMs: @escaping @Sendable () -> Int64) {
    self.directories = directories
    self.brokerID = brokerID
    self.log = log
    self.nowMs = nowMs
  }

  /// Calls `body` with each log directory in which a log cannot be made because the directory cannot be used.
  func whenDirectoryFails(_ body: @escaping @Sendable (LogDirectory, DiskError) -> Void) {
    directoryFailed.withLock { $0 = body }
  }

  /// Takes over partitions whose logs were opened at the start.
  func adopt(_ opened: [TopicPartition: Partition]) {
    hosted.withLock { hosted in
      for (name, partition) in opened { hosted[name.topic, default: [:]][name.partition] = partition }
    }
  }

  /// Leads or follows the partitions as their states say, and makes the logs that are not there.
  ///
  /// - Parameters:
  ///   - outcomes: gets for each topic that is new here nil when all its logs are made, else why not. What is made of it stays,
  ///     for the controller to stop. The logs of other topics are missing after a failure too; it is logged, and the next
  ///     start makes them.
  ///   - placement: where new logs go; nil for the first.
  ///   - config: of a topic's logs.
  func lead(
    _ states: [Controller.ReplicaState], _ outcomes: inout [String: String?],
    _ placement: inout LogDirectories.Placement?, config: (String) -> LogConfig
  ) {
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
      hosted.withLock { $0[topic, default: [:]][state.name.partition] = made }
    }
  }

  /// Leader or follower in the state's epoch. What the partition knows already changes nothing.
  private func become(_ state: PartitionDescription, _ partition: Partition) {
    guard state.leader == brokerID else {
      for waiter in partition.follow(leaderEpoch: state.leaderEpoch) { waiter.wake(.released) }
      return
    }
    let now = nowMs()
    let leadership = Replication.Leadership(
      leaderEpoch: state.leaderEpoch, partitionEpoch: state.partitionEpoch, replicas: state.replicas,
      inSync: state.inSyncReplicas)
    for waiter in partition.advance({ $0.lead(leadership, nowMs: now) }).woken { waiter.wake(.satisfied) }
  }

  private func make(
    _ state: Controller.ReplicaState, _ config: LogConfig, _ placement: inout LogDirectories.Placement?
  ) throws -> Partition {
    // Files of that name from another topic must not come back to life, and are nobody's to remove.
    if let stale = directories.holding(state.name), let kept = try stale.setAside(state.name, nowMs: nowMs()) {
      log.warning(
        "a partition of no known topic is set aside", metadata: ["partition": "\(state.name)", "kept": "\(kept)"])
    }
    let made = try directories.create(
      state.name, topicID: state.topicID, config: config, nowMs: nowMs(), &placement,
      failed: { directory, cause in directoryFailed.withLock { failed in failed }(directory, cause) })
    return Partition(
      state.name, topicID: state.topicID, log: made.log, directory: made.directory, brokerID: brokerID,
      replicas: state.partition.replicas, leaderEpoch: state.partition.leaderEpoch)
  }

  func partition(_ name: TopicPartition) -> Partition? { hosted.withLock { $0[name.topic]?[name.partition] } }

  /// The topic's partitions by number; where this broker has no replica, one without a log.
  func partitions(of topic: TopicDescription) -> [Partition] {
    let hosted = hosted.withLock { $0[topic.name] ?? [:] }
    return topic.partitions.enumerated().map { index, state in
      if let partition = hosted[Int32(index)], partition.topicID == topic.id { return partition }
      return Partition(
        TopicPartition(topic.name, Int32(index)), topicID: topic.id, log: nil, directory: nil,
        brokerID: brokerID, replicas: state.replicas, leaderEpoch: state.leaderEpoch)
    }
  }

  /// Gives the open logs of a topic other settings; they hold from the next append.
  func configure(_ topic: String, _ config: LogConfig) {
    for partition in hosted.withLock({ $0[topic] ?? [:] }).values { partition.configure(config) }
  }

  /// Stops replicas: releases the requests that wait on them, and renames the directories of those that are deleted.
  ///
  /// - Returns: the topics of which files may be left.
  func stop(_ replicas: [Controller.StoppedReplica], deleteDelayMs: (String) -> Int64) -> Set<String> {
    var left: Set<String> = []
    var renamed: [(directory: LogDirectory, topics: Set<String>)] = []
    for replica in replicas {
      let partition = hosted.withLock { hosted in
        let partition = hosted[replica.name.topic]?.removeValue(forKey: replica.name.partition)
        if hosted[replica.name.topic]?.isEmpty == true { hosted[replica.name.topic] = nil }
        return partition
      }
      for waiter in partition?.retire(deleted: replica.isDeleted) ?? [] { waiter.wake(.released) }
      guard replica.isDeleted else { continue }
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
        try directory.delete(replica.name, delayMs: deleteDelayMs(replica.name.topic), nowMs: nowMs(), syncing: false)
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
    return left
  }
}
