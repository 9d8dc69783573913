import Base
package import Model

// The z-nodes of `/admin` by which old tools ask the controller for something. The controller obeys each and removes it.

/// `/admin/reassign_partitions`: partitions are to get other replicas. It stays until they have them.
package struct ReassignPartitionsZNode: Equatable, Sendable {
  package static let path = "/admin/reassign_partitions"

  /// In the order of the node; the last of several for a partition counts.
  package var partitions: [(name: TopicPartition, replicas: [BrokerID])]

  package init(_ partitions: [(name: TopicPartition, replicas: [BrokerID])]) { self.partitions = partitions }

  package static func == (one: Self, other: Self) -> Bool {
    one.partitions.elementsEqual(other.partitions) { $0.name == $1.name && $0.replicas == $1.replicas }
  }

  package var data: [UInt8] {
    JSON.object([
      "version": .int(1),
      "partitions": .array(
        partitions.map { name, replicas in
          .object([
            "topic": .string(name.topic), "partition": .int(Int64(name.partition)), "replicas": .integers(replicas),
          ])
        }),
    ]).encoded
  }

  package init(data: [UInt8]) throws(ZNodeDataError) {
    let reader = try ZNodeReader(Self.path, data)
    let listed = try reader.required("partitions") { $0.asArray }
    var places: [TopicPartition: Int] = [:]
    partitions = []
    for (index, json) in listed.enumerated() {
      guard let name = TopicPartition(json), let replicas = json["replicas"]?.asIntegers, !replicas.isEmpty else {
        throw reader.error("partitions[\(index)] is not a topic, a partition and replicas")
      }
      if let place = places[name] {
        partitions[place].replicas = replicas
      } else {
        places[name] = partitions.count
        partitions.append((name, replicas))
      }
    }
  }
}

/// `/admin/preferred_replica_election`: the preferred replicas of partitions are to lead, where they can.
package struct PreferredReplicaElectionZNode: Equatable, Sendable {
  package static let path = "/admin/preferred_replica_election"
  package var partitions: [TopicPartition]

  package init(_ partitions: [TopicPartition]) { self.partitions = partitions }

  package var data: [UInt8] {
    JSON.object([
      "version": .int(1),
      "partitions": .array(
        partitions.map { .object(["topic": .string($0.topic), "partition": .int(Int64($0.partition))]) }),
    ]).encoded
  }

  package init(data: [UInt8]) throws(ZNodeDataError) {
    let reader = try ZNodeReader(Self.path, data)
    let listed = try reader.required("partitions") { $0.asArray }
    partitions = []
    for (index, json) in listed.enumerated() {
      guard let name = TopicPartition(json) else {
        throw reader.error("partitions[\(index)] is no topic and partition")
      }
      partitions.append(name)
    }
  }
}

extension TopicPartition {
  /// Reads `{"topic":"T","partition":0}`.
  fileprivate init?(_ json: JSON) {
    guard let topic = json["topic"]?.asString, let partition = json["partition"]?.asInt32 else { return nil }
    self.init(topic, partition)
  }
}

/// The reassignments of `/admin/reassign_partitions` that are under way. A value without I/O: the owner reads and writes the node.
package struct RequestedReassignments: Sendable {
  private var left: [(name: TopicPartition, replicas: [BrokerID])] = []

  package init() {}

  package var isEmpty: Bool { left.isEmpty }

  /// Takes in what the node says, in the place of what it said before.
  ///
  /// - Parameter state: returns the partition as it is; nil where there is none.
  /// - Returns: the reassignments to begin. Those that are under way to the same replicas are left to go on.
  package mutating func found(
    _ node: ReassignPartitionsZNode, _ state: (TopicPartition) -> PartitionDescription?
  ) -> [Controller.Reassignment] {
    left = node.partitions
    return left.filter { name, replicas in state(name)?.targetReplicas != replicas }
      .map { Controller.Reassignment($0.name, to: $0.replicas) }
  }

  /// Forgets the reassignments that were refused.
  package mutating func refused(_ names: Set<TopicPartition>) { left.removeAll { names.contains($0.name) } }

  /// Forgets the reassignments that are done, that another request has replaced, or whose partition is gone. Those that have not begun yet
  /// stay.
  ///
  /// - Returns: whether there were any.
  package mutating func finish(
    hasBegun: (TopicPartition) -> Bool, _ state: (TopicPartition) -> PartitionDescription?
  ) -> Bool {
    let before = left.count
    left.removeAll { name, replicas in
      guard hasBegun(name) else { return false }
      guard let partition = state(name) else { return true }
      return !partition.isReassigned || partition.targetReplicas != replicas
    }
    return left.count < before
  }

  /// The node as it is to be now; nil when it is to be removed.
  package var node: ReassignPartitionsZNode? { left.isEmpty ? nil : ReassignPartitionsZNode(left) }
}
