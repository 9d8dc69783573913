import Cluster
import Coordination
import Model

/// What a starting broker reads from the tree, and gathers to write to it in one `multi`: one flush, however many topics.
struct RegistryStart {
  let tree: any ZNodeTree
  var brokerID: BrokerID
  private(set) var operations: [ZNodeOperation] = []

  init(tree: any ZNodeTree, brokerID: BrokerID) {
    self.tree = tree
    self.brokerID = brokerID
  }

  mutating func makeRoots() {
    for path in ZNodeRoots.persistent where !isThere(path) { operations.append(.create(path: path, data: [])) }
    if !isThere(FeatureZNode.path) { operations.append(.create(path: FeatureZNode.path, data: FeatureZNode.data)) }
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

  mutating func becomeController(nowMs: Int64) throws -> Int32 {
    let node = try tree.find(ControllerEpochZNode.path)
    let epoch = try node.map { try ControllerEpochZNode.epoch(data: $0.data) + 1 } ?? 1
    let controller = ControllerZNode(brokerID: brokerID, timestampMs: nowMs)
    operations.append(.create(path: ControllerZNode.path, data: controller.data, mode: .ephemeral))
    if let node {
      operations.append(
        .set(path: ControllerEpochZNode.path, data: ControllerEpochZNode.data(epoch), version: node.stat.version))
    } else {
      operations.append(.create(path: ControllerEpochZNode.path, data: ControllerEpochZNode.data(epoch)))
    }
    return epoch
  }

  /// Every topic; the partitions this broker can lead it now leads, in a new leader epoch.
  mutating func topics(controllerEpoch: Int32) throws -> [TopicDescription] {
    guard isThere(TopicZNode.parent) else { return [] }
    let deleted = isThere(DeleteTopicZNode.parent) ? Set(try tree.children(of: DeleteTopicZNode.parent)) : []
    return try tree.children(of: TopicZNode.parent).map { name in
      let topic = try TopicZNode(name: name, data: try tree.get(TopicZNode.path(name)).data)
      let config = try tree.find(ConfigZNode.path(.topic(name)))
      var description = TopicDescription(
        name: name, id: topic.id, partitions: [],
        overrides: try config.map { try ConfigZNode(.topic(name), data: $0.data).values } ?? [:],
        isBeingDeleted: deleted.contains(name))
      for (index, replicas) in topic.replicas.enumerated() {
        let path = PartitionStateZNode.path(name, Int32(index))
        let node = try tree.get(path)
        var state = try PartitionStateZNode(name, Int32(index), data: node.data)
        if !description.isBeingDeleted, elect(&state, replicas, controllerEpoch) {
          operations.append(.set(path: path, data: state.data, version: node.stat.version))
        }
        description.partitions.append(
          PartitionDescription(
            replicas: replicas, leader: state.leader, leaderEpoch: state.leaderEpoch,
            inSyncReplicas: state.inSyncReplicas))
      }
      return description
    }
  }

  /// Alone, this broker leads what it was in sync with; a partition it has no replica of has no leader.
  private func elect(
    _ state: inout PartitionStateZNode, _ replicas: [BrokerID], _ controllerEpoch: Int32
  ) -> Bool {
    let canLead = replicas.contains(brokerID) && state.inSyncReplicas.contains(brokerID)
    if !canLead, state.leader == -1 { return false }
    state.leader = canLead ? brokerID : -1
    state.leaderEpoch += 1
    state.controllerEpoch = controllerEpoch
    return true
  }

  /// The configuration with the tree's dynamic values; what has since become unknown or not allowed is left out.
  func dynamicConfig(over config: Config) throws -> Config {
    var defaults: [String: String] = [:]
    var own: [String: String] = [:]
    if let node = try tree.find(ConfigZNode.path(.brokerDefault)) {
      defaults = try ConfigZNode(.brokerDefault, data: node.data).values
    }
    if let node = try tree.find(ConfigZNode.path(.broker(brokerID))) {
      own = try ConfigZNode(.broker(brokerID), data: node.data).values
    }
    guard !defaults.isEmpty || !own.isEmpty else { return config }
    return try config.changing(dynamicDefaults: Self.known(defaults), dynamicOwn: Self.known(own))
  }

  private static func known(_ values: [String: String]) -> [String: String] {
    values.filter { name, value in
      guard let key = ConfigKeys.named[name] else { return false }
      return (try? key.check(value)) != nil
    }
  }

  private func isThere(_ path: String) -> Bool { ((try? tree.exists(path)) ?? nil) != nil }
}
