package import Model

/// Describes a topic as the z-node tree stores it.
package struct TopicDescription: Sendable, Equatable {
  package var name: String
  package var id: TopicID
  /// The partitions by number, without gaps.
  package var partitions: [PartitionDescription]
  /// The values of `/config/topics/T`.
  package var overrides: [String: String]
  /// Whether `/config/topics/T` exists. Kafka's tools delete it with its last value.
  package var hasConfigNode: Bool
  /// Whether the topic is marked for deletion; its logs may still exist.
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

  /// The brokers with a replica of any partition.
  var hosts: Set<BrokerID> { hosts(from: 0) }

  /// Returns the brokers with a replica of any partition from `first` on.
  func hosts(from first: Int) -> Set<BrokerID> {
    partitions[first...].reduce(into: Set()) { $0.formUnion($1.replicas) }
  }

  /// The contents of `/brokers/topics/T`.
  var zNode: TopicZNode {
    var node = TopicZNode(name: name, id: id, replicas: partitions.map(\.replicas))
    for (index, partition) in partitions.enumerated() {
      if !partition.addingReplicas.isEmpty { node.addingReplicas[Int32(index)] = partition.addingReplicas }
      if !partition.removingReplicas.isEmpty { node.removingReplicas[Int32(index)] = partition.removingReplicas }
    }
    return node
  }
}

/// Describes a partition as the z-node tree stores it.
package struct PartitionDescription: Sendable, Equatable {
  /// The assigned replicas, the preferred leader first.
  package var replicas: [BrokerID]
  /// -1 without a leader.
  package var leader: BrokerID
  package var leaderEpoch: LeaderEpoch
  package var inSyncReplicas: [BrokerID]
  /// The version of the partition's state z-node. A change must name the version it read (compare-and-set).
  package var partitionEpoch: Int32
  /// The replicas that a reassignment adds, which are among `replicas`.
  package var addingReplicas: [BrokerID] = []
  /// The replicas that a reassignment removes, which are among `replicas`.
  package var removingReplicas: [BrokerID] = []
  /// Whether the leader was elected uncleanly and has not yet recovered.
  package var isRecovering = false
  /// The replicas whose log directory has failed while their broker lives. The tree does not have them: a broker tells the controller, which
  /// tells the others.
  package var offlineReplicas: [BrokerID] = []

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

  /// Raises the leader epoch, up to the largest: the contents of a damaged tree must not end the broker.
  mutating func raiseLeaderEpoch() { leaderEpoch = leaderEpoch == .max ? .max : leaderEpoch + 1 }

  /// The replicas that remain after a reassignment.
  var targetReplicas: [BrokerID] { replicas.filter { !removingReplicas.contains($0) } }
  package var isReassigned: Bool { !addingReplicas.isEmpty || !removingReplicas.isEmpty }
}
