import Cluster
import Coordination
import Model

/// What a starting broker reads from the tree, and gathers to write to it in one `multi`: one flush, however many topics.
struct RegistryStart {
  let tree: any ZNodeTree
  var brokerID: BrokerID
  private(set) var operations: [ZNodeOperation] = []
  /// Whether other brokers may change the tree meanwhile.
  let isShared: Bool
  /// The partitions without a state: a controller has ended in the midst of a change that takes several requests.
  private(set) var stateless: [(name: TopicPartition, replicas: [BrokerID])] = []

  /// The zxids at which the partitions' states were written last.
  private(set) var writtenAt: [TopicPartition: Int64] = [:]

  init(tree: any ZNodeTree, brokerID: BrokerID, isShared: Bool = false) {
    self.tree = tree
    self.brokerID = brokerID
    self.isShared = isShared
  }

  mutating func makeRoots() throws(ZNodeError) {
    let roots = ZNodeRoots.persistent
    for (path, node) in zip(roots, try tree.get(all: roots)) where node == nil {
      operations.append(.create(path: path, data: []))
    }
    if try !isThere(FeatureZNode.path) { operations.append(.create(path: FeatureZNode.path, data: FeatureZNode.data)) }
  }

  /// The tree's id; a new one where neither the tree nor the log directories have one. A tree without an id is empty, so
  /// directories that have one were made under another tree, which knows what is in them.
  mutating func clusterID(before: String?, new: () -> String) throws -> String {
    if let node = try tree.find(ClusterIDZNode.path) {
      let id = try ClusterIDZNode(data: node.data).id
      if let before, before != id {
        throw RegistryError("the z-node tree is of cluster \(id), but the log directories are of cluster \(before)")
      }
      return id
    }
    if let before {
      throw RegistryError(
        "the z-node tree is empty, but the log directories are of cluster \(before): put the right znodes.journal back, or give empty log.dirs for a new broker"
      )
    }
    let id = new()
    operations.append(.create(path: ClusterIDZNode.path, data: ClusterIDZNode(id: id).data))
    return id
  }

  /// A number no broker had. Written at once, and so used up, even if this start comes to nothing.
  mutating func generateBrokerID(above reserved: BrokerID) throws -> BrokerID {
    try tree.multi(operations)
    operations = []
    let sequence = try tree.get(BrokerSequenceZNode.path).stat.version
    guard sequence >= 0, sequence < BrokerID.max, reserved <= BrokerID.max - sequence - 1 else {
      throw RegistryError(
        "no broker number is left above reserved.broker.max.id=\(reserved) after \(sequence) that were generated: set it lower, or set broker.id"
      )
    }
    return reserved + (try tree.set(BrokerSequenceZNode.path, [])).version
  }

  /// Returns the controller's epoch, and the version that the node with it has from now on.
  mutating func becomeController(nowMs: Int64) throws -> (epoch: Int32, version: Int32) {
    let node = try tree.find(ControllerEpochZNode.path)
    let before = try node.map { try ControllerEpochZNode.epoch(data: $0.data) } ?? 0
    guard before < .max else { throw RegistryError("\(ControllerEpochZNode.path): no epoch is left after \(before)") }
    let epoch = before + 1
    let controller = ControllerZNode(brokerID: brokerID, timestampMs: nowMs)
    operations.append(.create(path: ControllerZNode.path, data: controller.data, mode: .ephemeral))
    guard let node else {
      operations.append(.create(path: ControllerEpochZNode.path, data: ControllerEpochZNode.data(epoch)))
      return (epoch, 0)
    }
    operations.append(
      .set(path: ControllerEpochZNode.path, data: ControllerEpochZNode.data(epoch), version: node.stat.version))
    return (epoch, node.stat.version &+ 1)
  }

  /// Everything a controller knows of the tree.
  ///
  /// - Parameter ofAllBrokers: whether the dynamic values of every broker are read, and not this broker's alone.
  mutating func cluster(ofAllBrokers: Bool = false) throws -> ClusterState {
    var cluster = ClusterState()
    for topic in try topics() { cluster.topics[topic.name] = topic }
    if let node = try tree.find(ConfigZNode.path(.brokerDefault)) {
      cluster.brokerValues.defaults = try ConfigZNode(.brokerDefault, data: node.data).values
      cluster.brokerValues.hasDefaultsNode = true
    }
    let brokers = ofAllBrokers ? try configuredBrokers() : [brokerID]
    for id in brokers {
      guard let node = try tree.find(ConfigZNode.path(.broker(id))) else { continue }
      cluster.brokerValues.own[id] = try ConfigZNode(.broker(id), data: node.data).values
      cluster.brokerValues.hasOwnNode.insert(id)
    }
    for kind in ["users", "clients"] where try isThere("/config/\(kind)") {
      for name in try tree.children(of: "/config/\(kind)") {
        let entity = ConfigZNode.Entity.client("\(kind)/\(name)")
        guard let node = try tree.find(ConfigZNode.path(entity)), !node.data.isEmpty,
          let read = try? ConfigZNode(entity, data: node.data)
        else { continue }
        cluster.clientValues["\(kind)/\(name)"] = read.values
      }
    }
    if try isThere(ConfigChangeZNode.parent) {
      for name in try tree.children(of: ConfigChangeZNode.parent) {
        let path = "\(ConfigChangeZNode.parent)/\(name)"
        guard let stat = try tree.exists(path) else { continue }
        cluster.configNotifications.append(.init(path: path, createdMs: stat.ctime))
      }
    }
    if let node = try tree.find(ProducerIDBlockZNode.path) {
      cluster.producerIDs = node.data.isEmpty ? nil : try ProducerIDBlockZNode(data: node.data).ids
      cluster.producerIDsVersion = node.stat.version
    }
    return cluster
  }

  /// The brokers that have a node of dynamic values.
  private func configuredBrokers() throws -> [BrokerID] {
    try tree.children(of: "/config/brokers").compactMap { BrokerID($0) }
  }

  /// In three bulk reads, however many topics there are: a read for each would be a round trip each.
  private mutating func topics() throws -> [TopicDescription] {
    guard try isThere(TopicZNode.parent) else { return [] }
    let deleted = try isThere(DeleteTopicZNode.parent) ? Set(try tree.children(of: DeleteTopicZNode.parent)) : []
    let listed = try tree.children(of: TopicZNode.parent)
    let nodes = try nodes(listed.map { TopicZNode.path($0) })
    // One that is not there any more has been deleted since it was listed.
    let topics = try zip(listed, nodes).compactMap { name, node in
      try node.map { try TopicZNode(name: name, data: $0.data) }
    }
    let configs = try tree.get(all: topics.map { ConfigZNode.path(.topic($0.name)) })
    var states = try self.nodes(
      topics.flatMap { topic in topic.replicas.indices.map { PartitionStateZNode.path(topic.name, Int32($0)) } })[...]
    stateless = []
    writtenAt = [:]
    var described: [TopicDescription] = []
    for (topic, config) in zip(topics, configs) {
      described.append(
        TopicDescription(
          name: topic.name, id: topic.id, partitions: try partitions(of: topic, states.prefix(topic.replicas.count)),
          overrides: try config.map { try ConfigZNode(.topic(topic.name), data: $0.data).values } ?? [:],
          hasConfigNode: config != nil, isBeingDeleted: deleted.contains(topic.name)))
      states = states.dropFirst(topic.replicas.count)
    }
    return described
  }

  /// - Parameter states: the nodes of the partitions' states, in the order of their numbers.
  private mutating func partitions(
    of topic: TopicZNode, _ states: ArraySlice<ZNode?>
  ) throws -> [PartitionDescription] {
    var described: [PartitionDescription] = []
    for (index, (replicas, node)) in zip(topic.replicas, states).enumerated() {
      let number = Int32(index)
      var description: PartitionDescription
      if let node {
        let state = try PartitionStateZNode(topic.name, number, data: node.data)
        description = PartitionDescription(
          replicas: replicas, leader: state.leader, leaderEpoch: state.leaderEpoch,
          inSyncReplicas: state.inSyncReplicas, partitionEpoch: node.stat.version)
        description.isRecovering = state.isRecovering
        if isShared { writtenAt[TopicPartition(topic.name, number)] = node.stat.mzxid }
      } else {
        // As the state is that completes it.
        description = PartitionDescription(
          replicas: replicas, leader: replicas.first ?? -1, leaderEpoch: 0, inSyncReplicas: replicas)
        stateless.append((TopicPartition(topic.name, number), replicas))
      }
      description.addingReplicas = topic.addingReplicas[number] ?? []
      description.removingReplicas = topic.removingReplicas[number] ?? []
      described.append(description)
    }
    return described
  }

  /// What makes the states that are missing, in the tree as `cluster` has read it.
  func completion(controllerEpoch: Int32) throws(ZNodeError) -> [TreeOperation] {
    let parents = Set(stateless.map(\.name.topic)).sorted().map { PartitionStateZNode.partitionsPath($0) }
    let paths = parents + stateless.map { PartitionStateZNode.partitionPath($0.name.topic, $0.name.partition) }
    var operations: [TreeOperation] = []
    for (path, node) in zip(paths, try tree.get(all: paths)) where node == nil {
      operations.append(.create(path: path, data: []))
    }
    return operations
      + stateless.map { name, replicas in
        .create(
          path: PartitionStateZNode.path(name.topic, name.partition),
          data: PartitionStateZNode(
            leader: replicas.first ?? -1, leaderEpoch: 0, controllerEpoch: controllerEpoch, inSyncReplicas: replicas
          ).data)
      }
  }

  /// Reads nodes, which must be there where nobody else changes the tree.
  private func nodes(_ paths: [String]) throws(ZNodeError) -> [ZNode?] {
    let found = try tree.get(all: paths)
    guard isShared else {
      for (path, node) in zip(paths, found) where node == nil { throw ZNodeError(.noNode, path) }
      return found
    }
    return found
  }

  private func isThere(_ path: String) throws(ZNodeError) -> Bool { try tree.exists(path) != nil }
}
