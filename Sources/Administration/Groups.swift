import Base
import Client
import Model
import Wire

/// A group as ListGroups tells it.
struct ListedGroup: Equatable, Sendable {
  var id: String
  var protocolType: String
  /// Empty where the cluster is older than Kafka 2.6.
  var state: String
  /// `classic` or `consumer`; empty where the cluster is older than Kafka 3.8.
  var type: String
}

/// A group as DescribeGroups tells it.
struct DescribedGroup: Equatable, Sendable {
  struct Member: Equatable, Sendable {
    var id: String
    var instanceID: String?
    var clientID: String
    var host: String
    /// Nil where the assignment is not the consumer protocol's.
    var assignment: [TopicPartition]?
  }

  struct Coordinator: Equatable, Sendable {
    var id: BrokerID
    var address: String
  }

  var id: String
  /// Kafka's name: `Stable`, `Empty`, `Dead` …
  var state: String
  var protocolType: String
  /// The assignor, for groups of consumers.
  var protocolName: String
  var coordinator: Coordinator
  var members: [Member]

  /// No member can commit or be assigned partitions.
  var isInactive: Bool { state == "Empty" || state == "Dead" }
}

struct CommittedOffset: Equatable, Sendable {
  var offset: Offset
  var metadata: String
}

extension ClusterSession {
  // MARK: Asking

  /// Lists the groups of every broker, by name.
  ///
  /// - Parameters:
  ///   - states: Kafka's names; empty: all.
  ///   - types: `classic`, `consumer`; empty: all.
  func groups(states: [String], types: [String]) async throws -> [ListedGroup] {
    var groups: [ListedGroup] = []
    for broker in brokers {
      var request = ListGroupsRequest()
      request.statesFilter = states
      request.typesFilter = types
      let answer = try await call(request, to: broker)
      try check(answer.errorCode, "listing groups", by: broker)
      groups += answer.groups.map {
        ListedGroup(id: $0.groupID, protocolType: $0.protocolType, state: $0.groupState, type: $0.groupType)
      }
    }
    // An old broker does not know the filters.
    let wanted = { (filter: [String], value: String) in
      filter.isEmpty || filter.contains { $0.lowercased() == value.lowercased() }
    }
    return groups.filter { wanted(states, $0.state) && wanted(types, $0.type) }.sorted { $0.id < $1.id }
  }

  /// Describes a group of either protocol.
  func describe(group: String) async throws -> DescribedGroup {
    try await withCoordinator(of: group, .group) { coordinator in
      if let described = try await describeNew(group, at: coordinator) { return described }
      var request = DescribeGroupsRequest()
      request.groups = [group]
      let what = "describing group '\(group)'"
      guard let described = try await call(request, to: coordinator).groups.first else {
        throw ClientError.malformed(coordinator.endpoint, what: "no result for \(what)")
      }
      // From version 6 a group that does not exist is an error.
      if described.errorCode == .groupIdNotFound { return .absent(group, coordinator) }
      try check(described.errorCode, what, by: coordinator)
      return DescribedGroup(described, coordinator)
    }
  }

  /// Nil for a group that is not of the new protocol (KIP-848), and from a cluster that has none.
  private func describeNew(_ group: String, at coordinator: Metadata.Broker) async throws -> DescribedGroup? {
    var request = ConsumerGroupDescribeRequest()
    request.groupIDs = [group]
    guard let answer = try await callIfServed(request, to: coordinator), let described = answer.groups.first,
      described.errorCode != .groupIdNotFound
    else { return nil }
    try check(
      described.errorCode, message: described.errorMessage, "describing group '\(group)'", by: coordinator)
    return DescribedGroup(described, coordinator)
  }

  /// Asks for a group's committed offsets; partitions without one are left out.
  ///
  /// - Parameter partitions: nil: all.
  func committed(
    by group: String, of partitions: [TopicPartition]? = nil
  ) async throws -> [TopicPartition: CommittedOffset] {
    try await withCoordinator(of: group, .group) { coordinator in
      let answer = try await call(OffsetFetchRequest.asking(group, partitions), to: coordinator)
      let what = "the offsets of group '\(group)'"
      try check(answer.groups.first?.errorCode ?? answer.errorCode, what, by: coordinator)
      var committed: [TopicPartition: CommittedOffset] = [:]
      for (name, partition) in answer.committed {
        try check(partition.errorCode, "\(what) in \(name)", by: coordinator)
        guard partition.committedOffset >= 0 else { continue }
        committed[name] = CommittedOffset(offset: partition.committedOffset, metadata: partition.metadata ?? "")
      }
      return committed
    }
  }

  /// Looks up offsets by time; partitions without a leader, or without a record at or after it, are left out.
  func offsets(
    of partitions: some Sequence<TopicPartition>, at time: OffsetSpec
  ) async throws -> [TopicPartition: Offset] {
    var offsets: [TopicPartition: Offset] = [:]
    for (leader, partitions) in try await byLeader(partitions) {
      var request = ListOffsetsRequest()
      request.replicaID = -1
      request.topics = PartitionsByTopic(partitions).topics.map { topic, indexes in
        .with {
          $0.name = topic
          $0.partitions = indexes.map { index in
            .with {
              $0.partitionIndex = index
              $0.timestamp = time.rawValue
            }
          }
        }
      }
      let answer = try await call(request, to: leader)
      for topic in answer.topics {
        for partition in topic.partitions {
          let name = TopicPartition(topic.name, partition.partitionIndex)
          try check(partition.errorCode, "the offsets of \(name)", by: leader)
          if partition.offset >= 0 { offsets[name] = partition.offset }
        }
      }
    }
    return offsets
  }

  // MARK: Changing

  /// Commits offsets for a group without active members.
  func commit(_ offsets: [TopicPartition: Offset], for group: String) async throws {
    try await withCoordinator(of: group, .group) { coordinator in
      var request = OffsetCommitRequest()
      request.groupID = group
      request.topics = PartitionsByTopic(offsets.keys).topics.map { topic, indexes in
        .with {
          $0.name = topic
          $0.partitions = indexes.map { index in
            .with {
              $0.partitionIndex = index
              $0.committedOffset = offsets[TopicPartition(topic, index)] ?? .unknown
              $0.committedMetadata = ""
            }
          }
        }
      }
      for topic in try await call(request, to: coordinator).topics {
        for partition in topic.partitions {
          let name = TopicPartition(topic.name, partition.partitionIndex)
          try check(partition.errorCode, "committing \(name) for group '\(group)'", by: coordinator)
        }
      }
    }
  }

  /// Deletes a group's committed offsets; returns what became of each partition.
  func deleteOffsets(_ partitions: [TopicPartition], of group: String) async throws -> [TopicPartition: ErrorCode] {
    try await withCoordinator(of: group, .group) { coordinator in
      var request = OffsetDeleteRequest()
      request.groupID = group
      request.topics = PartitionsByTopic(partitions).topics.map { topic, indexes in
        .with {
          $0.name = topic
          $0.partitions = indexes.map { index in .with { $0.partitionIndex = index } }
        }
      }
      let answer = try await call(request, to: coordinator)
      try check(answer.errorCode, "deleting offsets of group '\(group)'", by: coordinator)
      var outcomes: [TopicPartition: ErrorCode] = [:]
      for topic in answer.topics {
        for partition in topic.partitions {
          outcomes[TopicPartition(topic.name, partition.partitionIndex)] = partition.errorCode
        }
      }
      return outcomes
    }
  }

  /// - Returns: what the coordinator refused; nil where the group was deleted.
  func delete(group: String) async throws -> ErrorCode? {
    do {
      return try await withCoordinator(of: group, .group) { coordinator in
        var request = DeleteGroupsRequest()
        request.groupsNames = [group]
        let result = try await call(request, to: coordinator).results.first
        try check(result?.errorCode ?? .unknownServerError, "deleting group '\(group)'", by: coordinator)
        return nil
      }
    } catch ClientError.refused(_, _, let code, _) {
      return code
    }
  }
}

extension OffsetFetchRequest {
  /// The request in the fields of all its versions.
  static func asking(_ group: String, _ partitions: [TopicPartition]?) -> OffsetFetchRequest {
    let topics = partitions.map { PartitionsByTopic($0).topics }
    var request = OffsetFetchRequest()
    request.groupID = group
    request.topics = topics?.map { name, indexes in
      .with {
        $0.name = name
        $0.partitionIndexes = indexes
      }
    }
    request.groups = [
      .with {
        $0.groupID = group
        $0.topics = topics?.map { name, indexes in
          .with {
            $0.name = name
            $0.partitionIndexes = indexes
          }
        }
      }
    ]
    return request
  }
}

extension OffsetFetchResponse {
  /// The partitions of the one group that was asked for, whatever the version.
  var committed: [(TopicPartition, GroupPartition)] {
    if let group = groups.first {
      return group.topics.flatMap { topic in
        topic.partitions.map { (TopicPartition(topic.name, $0.partitionIndex), $0) }
      }
    }
    return topics.flatMap { topic in
      topic.partitions.map { old in
        let partition = GroupPartition.with {
          $0.partitionIndex = old.partitionIndex
          $0.committedOffset = old.committedOffset
          $0.committedLeaderEpoch = old.committedLeaderEpoch
          $0.metadata = old.metadata
          $0.errorCode = old.errorCode
        }
        return (TopicPartition(topic.name, old.partitionIndex), partition)
      }
    }
  }
}

extension DescribedGroup {
  static func absent(_ id: String, _ coordinator: Metadata.Broker) -> DescribedGroup {
    DescribedGroup(
      id: id, state: "Dead", protocolType: "", protocolName: "", coordinator: Coordinator(coordinator), members: [])
  }

  init(_ group: DescribeGroupsResponse.Group, _ coordinator: Metadata.Broker) {
    id = group.groupID
    state = group.groupState
    protocolType = group.protocolType
    protocolName = group.protocolData
    self.coordinator = Coordinator(coordinator)
    members = group.members.map { Member($0, ofConsumers: group.protocolType == ConsumerGroup.protocolType) }
      .sorted { ($0.id, $0.clientID) < ($1.id, $1.clientID) }
  }
}

extension DescribedGroup {
  fileprivate init(_ group: ConsumerGroupDescribeResponse.Group, _ coordinator: Metadata.Broker) {
    id = group.groupID
    state = group.groupState
    protocolType = ConsumerGroup.protocolType
    protocolName = group.assignorName
    self.coordinator = Coordinator(coordinator)
    members = group.members.map { member in
      let assigned = member.assignment.topicPartitions.flatMap { topic in
        topic.partitions.map { TopicPartition(topic.topicName, $0) }
      }
      return Member(
        id: member.memberID, instanceID: member.instanceID, clientID: member.clientID, host: member.clientHost,
        assignment: assigned.sorted())
    }.sorted { ($0.id, $0.clientID) < ($1.id, $1.clientID) }
  }
}

extension DescribedGroup.Coordinator {
  init(_ broker: Metadata.Broker) { self.init(id: broker.id, address: broker.endpoint.description) }
}

extension DescribedGroup.Member {
  init(_ member: DescribeGroupsResponse.Member, ofConsumers: Bool) {
    self.init(
      id: member.memberID, instanceID: member.groupInstanceID, clientID: member.clientID, host: member.clientHost,
      assignment: ofConsumers ? ConsumerGroup.partitions(in: member.memberAssignment)?.sorted() : nil)
  }
}
