import Cluster
package import Model

/// A topic as the z-node tree has it.
package struct TopicDescription: Sendable, Equatable {
  package var name: String
  package var id: TopicID
  /// By partition number, without gaps.
  package var partitions: [PartitionDescription]
  /// What was set for the topic (`/config/topics/T`).
  package var overrides: [String: String]
  /// It has been deleted, and its logs may still be there.
  package var isBeingDeleted: Bool

  package var isInternal: Bool { TopicName.isInternal(name) }
  package var replicationFactor: Int16 { Int16(clamping: partitions.first?.replicas.count ?? 0) }
  var shape: TopicShape {
    TopicShape(id: id, replicas: partitions.map(\.replicas), isBeingDeleted: isBeingDeleted)
  }
}

/// A partition as the z-node tree has it.
package struct PartitionDescription: Sendable, Equatable {
  package var replicas: [BrokerID]
  /// -1: nobody leads.
  package var leader: BrokerID
  package var leaderEpoch: LeaderEpoch
  package var inSyncReplicas: [BrokerID]
}

/// The tree cannot be what this broker works from.
package struct RegistryError: Error, Equatable, CustomStringConvertible {
  package var description: String

  package init(_ description: String) { self.description = description }
}
