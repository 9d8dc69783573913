package import Model

/// A topic as the z-node tree has it.
package struct TopicDescription: Sendable, Equatable {
  package var name: String
  package var id: TopicID
  /// The partitions by number, without gaps.
  package var partitions: [PartitionDescription]
  /// The values of `/config/topics/T`.
  package var overrides: [String: String]
  /// `/config/topics/T` exists. Kafka's tools delete it with its last value.
  package var hasConfigNode: Bool
  /// The topic is marked for deletion, and its logs may still exist.
  package var isBeingDeleted: Bool

  package init(
    name: String, id: TopicID, partitions: [PartitionDescription], overrides: [String: String] = [:],
    hasConfigNode: Bool = true, isBeingDeleted: Bool = false
  ) {
    self.name = name
    self.id = id
    self.partitions = partitions
    self.overrides = overrides
    self.hasConfigNode = hasConfigNode
    self.isBeingDeleted = isBeingDeleted
  }

  package var isInternal: Bool { TopicName.isInternal(name) }
  package var replicationFactor: Int16 { Int16(clamping: partitions.first?.replicas.count ?? 0) }
  package var shape: TopicShape {
    TopicShape(id: id, replicas: partitions.map(\.replicas), isBeingDeleted: isBeingDeleted)
  }

  /// The brokers that have a replica of any of its partitions.
  var hosts: Set<BrokerID> { hosts(from: 0) }

  /// The brokers that have a replica of any partition from `first` on.
  func hosts(from first: Int) -> Set<BrokerID> {
    partitions[first...].reduce(into: Set()) { $0.formUnion($1.replicas) }
  }

  /// `/brokers/topics/T`, as it is now.
  var zNode: TopicZNode {
    var node = TopicZNode(name: name, id: id, replicas: partitions.map(\.replicas))
    for (index, partition) in partitions.enumerated() {
      if !partition.addingReplicas.isEmpty { node.addingReplicas[Int32(index)] = partition.addingReplicas }
      if !partition.removingReplicas.isEmpty { node.removingReplicas[Int32(index)] = partition.removingReplicas }
    }
    return node
  }
}

/// A partition as the z-node tree has it.
package struct PartitionDescription: Sendable, Equatable {
  /// The preferred leader first.
  package var replicas: [BrokerID]
  /// -1 when there is no leader.
  package var leader: BrokerID
  package var leaderEpoch: LeaderEpoch
  package var inSyncReplicas: [BrokerID]
  /// The version of the partition's state z-node: one who changes the state names the version that it saw.
  package var partitionEpoch: Int32
  /// While the partition is reassigned; both are among `replicas`.
  package var addingReplicas: [BrokerID] = []
  package var removingReplicas: [BrokerID] = []
  /// The leader was elected uncleanly and has not yet recovered.
  package var isRecovering = false

  package init(
    replicas: [BrokerID], leader: BrokerID, leaderEpoch: LeaderEpoch, inSyncReplicas: [BrokerID],
    partitionEpoch: Int32 = 0
  ) {
    self.replicas = replicas
    self.leader = leader
    self.leaderEpoch = leaderEpoch
    self.inSyncReplicas = inSyncReplicas
    self.partitionEpoch = partitionEpoch
  }

  /// The largest epoch is not passed: what a damaged tree holds must not end the broker.
  mutating func raiseLeaderEpoch() { leaderEpoch = leaderEpoch == .max ? .max : leaderEpoch + 1 }

  /// The replicas that remain when a reassignment is done.
  var targetReplicas: [BrokerID] { replicas.filter { !removingReplicas.contains($0) } }
  var isReassigned: Bool { !addingReplicas.isEmpty || !removingReplicas.isEmpty }
}
