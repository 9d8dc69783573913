package import Model

/// Holds what `TopicDecisions` needs to know of a topic.
package struct TopicShape: Equatable, Sendable {
  package var id: TopicID
  package var replicas: [[BrokerID]]
  package var isBeingDeleted: Bool

  package init(id: TopicID, replicas: [[BrokerID]], isBeingDeleted: Bool = false) {
    self.id = id
    self.replicas = replicas
    self.isBeingDeleted = isBeingDeleted
  }
}

/// Names the limits on topics.
package enum TopicLimits {
  /// The most partitions of a topic; more is taken for a mistake and refused.
  package static let partitions = 65_536
}

/// Describes a topic to create.
package struct NewTopic: Equatable, Sendable {
  package var name: String
  /// -1 for the broker's default.
  package var partitionCount: Int32
  /// -1 for the broker's default.
  package var replicationFactor: Int16
  /// The replicas of each partition, if the caller assigns them; else empty.
  package var assignments: [(partition: Int32, brokers: [BrokerID])]

  package init(
    name: String, partitionCount: Int32 = -1, replicationFactor: Int16 = -1,
    assignments: [(partition: Int32, brokers: [BrokerID])] = []
  ) {
    self.name = name
    self.partitionCount = partitionCount
    self.replicationFactor = replicationFactor
    self.assignments = assignments
  }

  package static func == (a: NewTopic, b: NewTopic) -> Bool {
    a.name == b.name && a.partitionCount == b.partitionCount && a.replicationFactor == b.replicationFactor
      && a.assignments.elementsEqual(b.assignments) { $0.partition == $1.partition && $0.brokers == $1.brokers }
  }
}

/// Decides whether topics may be created and grown, and assigns their replicas. Pure.
package struct TopicDecisions: Sendable {
  /// The living brokers, by rising id.
  package var brokers: [BrokerID]
  /// The rack of each broker that has one. Where all have one, the replicas of a partition are on as many racks as can be.
  package var racks: [BrokerID: String]
  package var partitionCountDefault: Int32
  package var replicationFactorDefault: Int16

  package init(
    brokers: [BrokerID], racks: [BrokerID: String] = [:], partitionCountDefault: Int32, replicationFactorDefault: Int16
  ) {
    self.brokers = brokers.sorted()
    self.racks = racks
    self.partitionCountDefault = partitionCountDefault
    self.replicationFactorDefault = replicationFactorDefault
  }

  /// Returns the replicas of each partition of a new topic.
  ///
  /// - Parameters:
  ///   - existing: returns the topic of that name, if any.
  ///   - colliding: returns a topic whose name differs in `.` and `_` alone.
  ///   - start: the index of the first partition's broker, modulo their number.
  package func create(
    _ topic: NewTopic, existing: (String) -> TopicShape?, colliding: (String) -> String?, start: Int
  ) throws(ApiError) -> [[BrokerID]] {
    if let problem = TopicName.problem(with: topic.name) { throw ApiError(.invalidTopicException, problem) }
    if let shape = existing(topic.name) {
      throw ApiError(
        .topicAlreadyExists,
        shape.isBeingDeleted ? "Topic '\(topic.name)' is marked for deletion." : "Topic '\(topic.name)' already exists."
      )
    }
    if let other = colliding(topic.name) {
      throw ApiError(.invalidTopicException, "Topic '\(topic.name)' collides with existing topics: \(other)")
    }
    guard topic.assignments.isEmpty else {
      guard topic.partitionCount == -1, topic.replicationFactor == -1 else {
        throw ApiError(
          .invalidRequest,
          "Both numPartitions or replicationFactor and replicasAssignments were set. Both cannot be used at the same time."
        )
      }
      return try manual(topic.assignments)
    }
    return try assign(
      partitions: topic.partitionCount == -1 ? partitionCountDefault : topic.partitionCount,
      replicationFactor: topic.replicationFactor == -1 ? replicationFactorDefault : topic.replicationFactor,
      firstPartition: 0, start: start)
  }

  /// Returns the replicas of the partitions to add to a topic so that it has `count`.
  package func grow(
    _ name: String, to count: Int32, assignments: [[BrokerID]]?, existing: TopicShape?
  ) throws(ApiError) -> [[BrokerID]] {
    guard let existing else {
      throw ApiError(.unknownTopicOrPartition, "The topic '\(name)' does not exist.")
    }
    guard !existing.isBeingDeleted else {
      throw ApiError(.unknownTopicOrPartition, "The topic '\(name)' is being deleted.")
    }
    let now = existing.replicas.count
    let added = Int(count) - now
    if added == 0 { throw ApiError(.invalidPartitions, "Topic already has \(now) partition(s).") }
    guard added > 0 else {
      throw ApiError(
        .invalidPartitions,
        "The topic \(name) currently has \(now) partition(s); \(count) would not be an increase.")
    }
    guard let assignments else {
      return try assign(
        partitions: Int32(clamping: added), replicationFactor: Int16(clamping: existing.replicas.first?.count ?? 1),
        firstPartition: now, start: existing.replicas.first?.first.flatMap { brokers.firstIndex(of: $0) } ?? 0)
    }
    guard assignments.count == added else {
      throw ApiError(
        .invalidReplicaAssignment,
        "Increasing the number of partitions by \(added) but \(assignments.count) assignments provided.")
    }
    try checkBrokers(assignments)
    let factor = existing.replicas.first?.count ?? 1
    guard assignments.allSatisfy({ $0.count == factor }) else {
      throw ApiError(
        .invalidReplicaAssignment, "Inconsistent replication factor: the topic's partitions have \(factor) replica(s).")
    }
    return assignments
  }

  /// Spreads replicas over the brokers: partition n's first replica is on broker `start + n`; the others follow at a
  /// distance that grows by one with each round of the brokers, so that a broker's followers are spread as well.
  package func assign(
    partitions: Int32, replicationFactor: Int16, firstPartition: Int, start: Int
  ) throws(ApiError) -> [[BrokerID]] {
    guard partitions > 0 else { throw ApiError(.invalidPartitions, "Number of partitions must be larger than 0.") }
    guard firstPartition + Int(partitions) <= TopicLimits.partitions else {
      throw ApiError(.invalidPartitions, "Number of partitions must be at most \(TopicLimits.partitions).")
    }
    guard replicationFactor > 0 else {
      throw ApiError(.invalidReplicationFactor, "Replication factor must be larger than 0.")
    }
    guard replicationFactor <= brokers.count else {
      throw ApiError(
        .invalidReplicationFactor,
        "Replication factor: \(replicationFactor) larger than available brokers: \(brokers.count).")
    }
    let count = brokers.count
    let isRackAware = brokers.allSatisfy { racks[$0] != nil }
    let arranged = isRackAware ? Self.alternating(brokers, racks) : brokers
    let rackCount = isRackAware ? Set(racks.values).count : 1
    return (0..<Int(partitions)).map { index in
      let partition = firstPartition + index
      let first = ((start % count) + count + partition) % count
      let shift = partition / count * rackCount
      // The other brokers, in the order in which this partition would have them.
      let others = (0..<count - 1).map { arranged[(first + 1 + (shift + $0) % (count - 1)) % count] }
      guard isRackAware else { return [arranged[first]] + others.prefix(Int(replicationFactor) - 1) }
      return spread([arranged[first]], others, to: Int(replicationFactor))
    }
  }

  /// Adds brokers to `chosen`, those of racks that have no replica yet first.
  private func spread(_ chosen: [BrokerID], _ others: [BrokerID], to count: Int) -> [BrokerID] {
    var chosen = chosen
    var used = Set(chosen.compactMap { racks[$0] })
    for broker in others where chosen.count < count {
      if let rack = racks[broker], used.insert(rack).inserted { chosen.append(broker) }
    }
    for broker in others where chosen.count < count && !chosen.contains(broker) { chosen.append(broker) }
    return chosen
  }

  /// Returns the brokers so that neighbours are of different racks where possible: with 1 and 2 on rack a, 3 on b and 4 on c: 1, 3, 4, 2.
  private static func alternating(_ brokers: [BrokerID], _ racks: [BrokerID: String]) -> [BrokerID] {
    var byRack = Dictionary(grouping: brokers) { racks[$0] ?? "" }.sorted { $0.key < $1.key }.map { $0.value[...] }
    var arranged: [BrokerID] = []
    while arranged.count < brokers.count {
      for index in byRack.indices {
        if let broker = byRack[index].popFirst() { arranged.append(broker) }
      }
    }
    return arranged
  }

  private func manual(_ assignments: [(partition: Int32, brokers: [BrokerID])]) throws(ApiError) -> [[BrokerID]] {
    guard assignments.count <= TopicLimits.partitions else {
      throw ApiError(.invalidPartitions, "Number of partitions must be at most \(TopicLimits.partitions).")
    }
    let sorted = assignments.sorted { $0.partition < $1.partition }
    for (index, assignment) in sorted.enumerated() where Int(assignment.partition) != index {
      throw ApiError(.invalidReplicaAssignment, "Partitions should be a consecutive 0-based integer sequence.")
    }
    let replicas = sorted.map(\.brokers)
    try checkBrokers(replicas)
    guard Set(replicas.map(\.count)).count == 1 else {
      throw ApiError(.invalidReplicaAssignment, "All partitions should have the same number of replicas.")
    }
    return replicas
  }

  private func checkBrokers(_ replicas: [[BrokerID]]) throws(ApiError) {
    for brokers in replicas {
      guard !brokers.isEmpty else {
        throw ApiError(.invalidReplicaAssignment, "A partition needs at least one replica.")
      }
      guard Set(brokers).count == brokers.count else {
        throw ApiError(.invalidReplicaAssignment, "Duplicate replica assignment found: \(brokers).")
      }
      let unknown = brokers.filter { !self.brokers.contains($0) }
      guard unknown.isEmpty else {
        let names = unknown.map(String.init).joined(separator: ", ")
        throw ApiError(.invalidReplicaAssignment, "Unknown broker(s) in replica assignment: \(names).")
      }
    }
  }
}

/// Allocates producer ids in blocks, so that a broker writes to the tree once per thousand ids.
package enum ProducerIDBlocks {
  package static let blockSize: Int64 = 1000

  /// Returns the block after `last`; nil when all ids are used up.
  package static func block(after last: ClosedRange<Int64>?) -> ClosedRange<Int64>? {
    guard let last else { return 0...blockSize - 1 }
    let (end, overflow) = last.upperBound.addingReportingOverflow(blockSize)
    // Callers get the block as a half-open range, which cannot include `Int64.max`.
    return overflow || end == .max ? nil : last.upperBound + 1...end
  }
}
