package import Cluster
package import Coordination
package import Model
import Synchronization

/// The cluster as the z-node tree has it, kept in memory: topics, their partitions and configurations, and who this broker
/// is in it.
///
/// Every change is decided, made in the tree in one `multi`, and only then seen here. So a topic is never half made: what a
/// crash can leave behind is a topic without its logs, which are made at the next start, and a deleted topic with logs,
/// which stays marked until `finishDelete`. Changes go one at a time; calls may come from any thread.
package final class TopicRegistry: Sendable {
  package let brokerID: BrokerID
  package let clusterID: String
  package let controllerEpoch: Int32
  let tree: any ZNodeTree
  let nowMs: @Sendable () -> Int64
  let state: Mutex<State>

  struct State {
    var config: Config
    var topics: [String: TopicDescription]
    /// Names as metrics write them, with the topics that have them.
    var metricNames: [String: String]
    var random: any RandomNumberGenerator & Sendable
    /// Where the next topic's first partition goes among the brokers.
    var nextStart = 0
  }

  /// What this broker's directories say it was before (`meta.properties`); nil where they say nothing.
  package struct Identity: Sendable {
    package var brokerID: BrokerID?
    package var clusterID: String?
    package init(brokerID: BrokerID? = nil, clusterID: String? = nil) {
      self.brokerID = brokerID
      self.clusterID = clusterID
    }
  }

  /// Reads the tree, makes what is missing of its roots, and takes the lead: this broker becomes controller, and leader of
  /// every partition it has a replica of, in a new leader epoch.
  ///
  /// - Parameters:
  ///   - nowMs: milliseconds since 1970.
  ///   - random: makes the cluster's id and the topics'.
  package init(
    tree: any ZNodeTree, config: Config, before: Identity, nowMs: @escaping @Sendable () -> Int64,
    random: any RandomNumberGenerator & Sendable
  ) throws(RegistryError) {
    var random = random
    do {
      var start = RegistryStart(tree: tree, brokerID: -1)
      start.makeRoots()
      clusterID = try start.clusterID(before: before.clusterID) { UUID128.random(using: &random).description }
      brokerID = try Self.brokerID(config, before: before.brokerID, &start)
      controllerEpoch = try start.becomeController(nowMs: nowMs())
      let topics = try start.topics(controllerEpoch: controllerEpoch)
      let config = try start.dynamicConfig(over: config)
      try tree.multi(start.operations)
      state = Mutex(
        State(
          config: config, topics: Dictionary(uniqueKeysWithValues: topics.map { ($0.name, $0) }),
          metricNames: Dictionary(topics.map { (TopicName.metricName($0.name), $0.name) }) { first, _ in first },
          random: random))
      self.tree = tree
      self.nowMs = nowMs
    } catch let error as RegistryError {
      throw error
    } catch {
      throw RegistryError("the z-node tree: \(error)")
    }
  }

  private static func brokerID(
    _ config: Config, before: BrokerID?, _ start: inout RegistryStart
  ) throws -> BrokerID {
    let id: BrokerID
    if config.brokerID >= 0 {
      id = config.brokerID
      if let before, before != id {
        throw RegistryError("broker.id is \(id), but the log directories are those of broker \(before)")
      }
    } else if let before {
      id = before
    } else if config.brokerIDGenerationEnable {
      id = try start.generateBrokerID(above: config.reservedBrokerMaxID)
    } else {
      throw RegistryError("broker.id is not set, and broker.id.generation.enable is false")
    }
    start.brokerID = id
    return id
  }

  /// Shows this broker in `/brokers/ids`, once it can be reached.
  package func announce(_ endpoints: [BrokerZNode.Endpoint]) throws(RegistryError) {
    let rack = config.rack
    let node = BrokerZNode(id: brokerID, endpoints: endpoints, rack: rack, timestampMs: nowMs())
    do { try tree.create(BrokerZNode.path(brokerID), node.data, mode: .ephemeral) } catch {
      throw RegistryError("\(error)")
    }
  }

  // MARK: What there is

  /// As configured now, dynamic values included.
  package var config: Config { state.withLock { $0.config } }

  /// The topics that are not being deleted, in the order of their names.
  package var topics: [TopicDescription] {
    state.withLock { $0.topics.values.filter { !$0.isBeingDeleted } }.sorted { $0.name < $1.name }
  }

  /// Nil also for a topic that is being deleted.
  package func topic(_ name: String) -> TopicDescription? {
    state.withLock { $0.topics[name] }.flatMap { $0.isBeingDeleted ? nil : $0 }
  }

  /// Topics that were deleted and not finished when the broker stopped: their logs are to go, then `finishDelete`.
  package var unfinishedDeletions: [TopicDescription] {
    state.withLock { $0.topics.values.filter(\.isBeingDeleted) }.sorted { $0.name < $1.name }
  }

  // MARK: Changes

  /// Makes a topic.
  ///
  /// - Parameters:
  ///   - configs: a nil value is refused, as Kafka refuses it.
  ///   - validateOnly: answers as if, and changes nothing; the answer's id is then zero.
  package func create(
    _ topic: NewTopic, configs: [(name: String, value: String?)] = [], validateOnly: Bool = false
  ) throws(Refusal) -> TopicDescription {
    try state.withLock { state throws(Refusal) in
      let replicas = try decisions(state).create(
        topic, existing: { state.topics[$0]?.shape }, colliding: { state.metricNames[TopicName.metricName($0)] },
        start: state.nextStart)
      let overrides = try TopicConfig.checked(configs)
      var description = TopicDescription(
        name: topic.name, id: .zero, partitions: replicas.map { elected($0) }, overrides: overrides,
        isBeingDeleted: false)
      if validateOnly { return description }
      description.id = UUID128.random(using: &state.random)
      try write(
        [
          .create(path: ConfigZNode.path(.topic(topic.name)), data: Self.data(overrides, of: topic.name)),
          .create(path: TopicZNode.path(topic.name), data: Self.data(description)),
          .create(path: PartitionStateZNode.partitionsPath(topic.name), data: []),
        ] + partitionNodes(of: description, from: 0))
      state.topics[topic.name] = description
      state.metricNames[TopicName.metricName(topic.name)] = topic.name
      state.nextStart += 1
      return description
    }
  }

  /// Adds partitions to a topic, up to `count`; the answer is the topic as it then is.
  package func addPartitions(
    _ name: String, to count: Int32, assignments: [[BrokerID]]?, validateOnly: Bool = false
  ) throws(Refusal) -> TopicDescription {
    try state.withLock { state throws(Refusal) in
      let added = try decisions(state).grow(
        name, to: count, assignments: assignments, existing: state.topics[name]?.shape)
      guard var description = state.topics[name] else { throw Self.unknown(name) }
      let before = description.partitions.count
      description.partitions += added.map { elected($0) }
      if validateOnly { return description }
      try write(
        [.set(path: TopicZNode.path(name), data: Self.data(description))]
          + partitionNodes(of: description, from: before))
      state.topics[name] = description
      return description
    }
  }

  /// Marks a topic as deleted: it is no longer there for anyone, and stays deleted through a crash. When its logs are
  /// gone, `finishDelete` makes its name free.
  package func beginDelete(_ name: String) throws(Refusal) -> TopicDescription {
    try state.withLock { state throws(Refusal) in
      guard state.config.deleteTopics else {
        throw Refusal(.topicDeletionDisabled, "Topic deletion is disabled.")
      }
      guard var description = state.topics[name], !description.isBeingDeleted else { throw Self.unknown(name) }
      try write([.create(path: DeleteTopicZNode.path(name), data: [])])
      description.isBeingDeleted = true
      state.topics[name] = description
      return description
    }
  }

  package func finishDelete(_ name: String) throws(Refusal) {
    try state.withLock { state throws(Refusal) in
      guard let description = state.topics[name], description.isBeingDeleted else { return }
      var operations: [ZNodeOperation] = []
      for partition in 0..<Int32(description.partitions.count) {
        operations.append(.delete(path: PartitionStateZNode.path(name, partition)))
        operations.append(.delete(path: PartitionStateZNode.partitionPath(name, partition)))
      }
      operations.append(.delete(path: PartitionStateZNode.partitionsPath(name)))
      operations.append(.delete(path: TopicZNode.path(name)))
      let config = ConfigZNode.path(.topic(name))
      if exists(config) { operations.append(.delete(path: config)) }
      operations.append(.delete(path: DeleteTopicZNode.path(name)))
      try write(operations)
      state.topics[name] = nil
      state.metricNames[TopicName.metricName(name)] = nil
    }
  }

  /// The next block of producer ids, this broker's alone.
  package func nextProducerIDBlock() throws(Refusal) -> Range<Int64> {
    try state.withLock { _ throws(Refusal) in
      do {
        let node = try tree.get(ProducerIDBlockZNode.path)
        let last = node.data.isEmpty ? nil : try ProducerIDBlockZNode(data: node.data).ids
        guard let block = ProducerIDBlocks.block(after: last) else {
          throw Refusal(.unknownServerError, "all producer ids are used up")
        }
        let data = ProducerIDBlockZNode(brokerID: brokerID, ids: block).data
        try tree.set(ProducerIDBlockZNode.path, data, version: node.stat.version)
        return block.lowerBound..<block.upperBound + 1
      } catch let refusal as Refusal {
        throw refusal
      } catch {
        throw Refusal(.unknownServerError, "\(error)")
      }
    }
  }
}

extension TopicRegistry {
  private func decisions(_ state: State) -> TopicDecisions {
    TopicDecisions(
      brokers: [brokerID], partitionCountDefault: state.config.numPartitions,
      replicationFactorDefault: state.config.defaultReplicationFactor)
  }

  /// A new partition: its first replica leads, and all are in sync.
  private func elected(_ replicas: [BrokerID]) -> PartitionDescription {
    PartitionDescription(replicas: replicas, leader: replicas.first ?? -1, leaderEpoch: 0, inSyncReplicas: replicas)
  }

  private func partitionNodes(of topic: TopicDescription, from first: Int) -> [ZNodeOperation] {
    (first..<topic.partitions.count).flatMap { index -> [ZNodeOperation] in
      let partition = topic.partitions[index]
      let state = PartitionStateZNode(
        leader: partition.leader, leaderEpoch: partition.leaderEpoch, controllerEpoch: controllerEpoch,
        inSyncReplicas: partition.inSyncReplicas)
      return [
        .create(path: PartitionStateZNode.partitionPath(topic.name, Int32(index)), data: []),
        .create(path: PartitionStateZNode.path(topic.name, Int32(index)), data: state.data),
      ]
    }
  }

  private static func data(_ topic: TopicDescription) -> [UInt8] {
    TopicZNode(name: topic.name, id: topic.id, replicas: topic.partitions.map(\.replicas)).data
  }

  static func data(_ overrides: [String: String], of topic: String) -> [UInt8] {
    ConfigZNode(.topic(topic), values: overrides).data
  }

  func write(_ operations: [ZNodeOperation]) throws(Refusal) {
    do { try tree.multi(operations) } catch {
      throw Refusal(.unknownServerError, "the z-node tree was not changed: \(error)")
    }
  }

  func exists(_ path: String) -> Bool {
    do { return try tree.exists(path) != nil } catch { return false }
  }

  static func unknown(_ topic: String) -> Refusal {
    Refusal(.unknownTopicOrPartition, "The topic '\(topic)' does not exist.")
  }
}
