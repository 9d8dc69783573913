import Model
import Security
package import Wire

// The rights of APIs about consumer groups and their offsets.

extension AccessNeed {
  /// The right on the group of a request, without which all of it gets GROUP_AUTHORIZATION_FAILED.
  static func wholeGroup(_ operation: AclOperation) -> AccessNeed {
    AccessNeed(operation, on: .group, .whole(.groupAuthorizationFailed))
  }

  static func group(_ operation: AclOperation) -> AccessNeed {
    AccessNeed(operation, on: .group, .part(.groupAuthorizationFailed))
  }
}

/// A request of a group's member, refused whole where the group may not be read.
protocol MemberRequest: GuardedRequest where Answer: WholeError {
  var groupID: String { get }
}

extension MemberRequest {
  package static var access: AccessRow { AccessRow(.wholeGroup(.read)) }

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<Answer> {
    access.allows(.read, .group, groupID) ? .allowed : .refused(.refusing(.groupAuthorizationFailed))
  }
}

extension JoinGroupResponse: WholeError {}
extension JoinGroupRequest: MemberRequest {}
extension SyncGroupResponse: WholeError {}
extension SyncGroupRequest: MemberRequest {}
extension HeartbeatResponse: WholeError {}
extension HeartbeatRequest: MemberRequest {}
extension LeaveGroupResponse: WholeError {}
extension LeaveGroupRequest: MemberRequest {}
extension ConsumerGroupHeartbeatResponse: WholeError {}

extension ConsumerGroupHeartbeatRequest: GuardedRequest {
  package static let access = AccessRow(
    .wholeGroup(.read),
    AccessNeed(.describe, on: .topic, .whole(.topicAuthorizationFailed), when: "it subscribes to topics by name"))

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<ConsumerGroupHeartbeatResponse> {
    guard access.allows(.read, .group, groupID) else { return .refused(.refusing(.groupAuthorizationFailed)) }
    guard (subscribedTopicNames ?? []).allSatisfy({ access.allows(.describe, .topic, $0) }) else {
      return .refused(.refusing(.topicAuthorizationFailed))
    }
    return .allowed
  }
}

extension OffsetCommitRequest: GuardedRequest {
  package static let access = AccessRow(.wholeGroup(.read), .topic(.read))

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<OffsetCommitResponse> {
    guard access.allows(.read, .group, groupID) else {
      var response = OffsetCommitResponse()
      response.topics = topics.map { Self.refused($0, .groupAuthorizationFailed) }
      return .refused(response)
    }
    let refused = access.withhold(&topics, .read, .topic, { $0.name })
      .map { Self.refused($0, .topicAuthorizationFailed) }
    return refused.isEmpty ? .allowed : .partly(isEmpty: topics.isEmpty) { $0.topics += refused }
  }

  private static func refused(_ topic: Topic, _ code: ErrorCode) -> OffsetCommitResponse.Topic {
    .with {
      $0.name = topic.name
      $0.partitions = topic.partitions.map { partition in
        .with {
          $0.partitionIndex = partition.partitionIndex
          $0.errorCode = code
        }
      }
    }
  }
}

extension OffsetFetchRequest: GuardedRequest {
  package static let access = AccessRow(
    .group(.describe), .topic(.describe),
    AccessNeed(.describe, on: .topic, .leftOut, when: "all topics of the group are asked for"))

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<OffsetFetchResponse> {
    version >= 8 ? checkGroups(access) : checkGroup(access, version: version)
  }

  private mutating func checkGroup(_ access: Access, version: Int16) -> AccessCheck<OffsetFetchResponse> {
    guard access.allows(.describe, .group, groupID) else {
      var response = OffsetFetchResponse()
      response.errorCode = .groupAuthorizationFailed
      // Versions 0 and 1 have no error for all of it.
      if version < 2 { response.topics = (topics ?? []).map { Self.refused($0, .groupAuthorizationFailed) } }
      return .refused(response)
    }
    guard var kept = topics else {
      return .partly { response in
        response.topics.removeAll { !access.allows(.describe, .topic, $0.name) }
      }
    }
    let refused = access.withhold(&kept, .describe, .topic, { $0.name })
      .map { Self.refused($0, .topicAuthorizationFailed) }
    topics = kept
    return refused.isEmpty ? .allowed : .partly(isEmpty: kept.isEmpty) { $0.topics += refused }
  }

  private mutating func checkGroups(_ access: Access) -> AccessCheck<OffsetFetchResponse> {
    var refusedTopics: [String: [OffsetFetchResponse.GroupTopic]] = [:]
    var filtered: Set<String> = []
    let refused = access.withhold(&groups, .describe, .group, { $0.groupID }).map { group in
      OffsetFetchResponse.Group.with {
        $0.groupID = group.groupID
        $0.errorCode = .groupAuthorizationFailed
      }
    }
    for index in groups.indices {
      guard var kept = groups[index].topics else {
        filtered.insert(groups[index].groupID)
        continue
      }
      let lost = access.withhold(&kept, .describe, .topic) { $0.name }
      guard !lost.isEmpty else { continue }
      groups[index].topics = kept
      refusedTopics[groups[index].groupID] = lost.map { topic in
        .with {
          $0.name = topic.name
          $0.partitions = topic.partitionIndexes.map { partition in
            .with {
              $0.partitionIndex = partition
              $0.committedOffset = .unknown
              $0.metadata = ""
              $0.errorCode = .topicAuthorizationFailed
            }
          }
        }
      }
    }
    let (hidden, all) = (refusedTopics, filtered)
    guard !refused.isEmpty || !hidden.isEmpty || !all.isEmpty else { return .allowed }
    return .partly(isEmpty: groups.isEmpty) { response in
      for index in response.groups.indices where response.groups[index].errorCode == .none {
        let id = response.groups[index].groupID
        if all.contains(id) {
          response.groups[index].topics.removeAll { !access.allows(.describe, .topic, $0.name) }
        }
        response.groups[index].topics += hidden[id] ?? []
      }
      response.groups += refused
    }
  }

  private static func refused(_ topic: Topic, _ code: ErrorCode) -> OffsetFetchResponse.Topic {
    .with {
      $0.name = topic.name
      $0.partitions = topic.partitionIndexes.map { partition in
        .with {
          $0.partitionIndex = partition
          $0.committedOffset = .unknown
          $0.metadata = ""
          $0.errorCode = code
        }
      }
    }
  }
}

extension OffsetDeleteResponse: WholeError {}
extension OffsetDeleteRequest: GuardedRequest {
  package static let access = AccessRow(.wholeGroup(.delete), .topic(.read))

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<OffsetDeleteResponse> {
    guard access.allows(.delete, .group, groupID) else { return .refused(.refusing(.groupAuthorizationFailed)) }
    let refused = access.withhold(&topics, .read, .topic, { $0.name }).map { topic in
      OffsetDeleteResponse.Topic.with {
        $0.name = topic.name
        $0.partitions = topic.partitions.map { partition in
          .with {
            $0.partitionIndex = partition.partitionIndex
            $0.errorCode = .topicAuthorizationFailed
          }
        }
      }
    }
    return refused.isEmpty ? .allowed : .partly(isEmpty: topics.isEmpty) { $0.topics += refused }
  }
}

extension FindCoordinatorRequest: GuardedRequest {
  package static let access = AccessRow(
    AccessNeed(.describe, on: .group, .part(.groupAuthorizationFailed), when: "the key is a group"),
    AccessNeed(
      .describe, on: .transactionalID, .part(.transactionalIdAuthorizationFailed),
      when: "the key is a transactional id"))

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<FindCoordinatorResponse> {
    // Other types are refused by the handler.
    let isOfTransactions = keyType == 1
    let type: ResourceType = isOfTransactions ? .transactionalID : .group
    let code: ErrorCode = isOfTransactions ? .transactionalIdAuthorizationFailed : .groupAuthorizationFailed
    guard version >= 4 else {
      guard !access.allows(.describe, type, key) else { return .allowed }
      return .refused(
        .with {
          $0.errorCode = code
          $0.nodeID = -1
          $0.port = -1
        })
    }
    let refused = access.withhold(&coordinatorKeys, .describe, type, { $0 }).map { key in
      FindCoordinatorResponse.Coordinator.with {
        $0.key = key
        $0.errorCode = code
        $0.nodeID = -1
        $0.port = -1
      }
    }
    return refused.isEmpty ? .allowed : .partly(isEmpty: coordinatorKeys.isEmpty) { $0.coordinators += refused }
  }
}

extension DescribeGroupsRequest: GuardedRequest {
  package static let access = AccessRow(.group(.describe))

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<DescribeGroupsResponse> {
    let refused = access.withhold(&groups, .describe, .group, { $0 }).map { group in
      DescribeGroupsResponse.Group.with {
        $0.groupID = group
        $0.errorCode = .groupAuthorizationFailed
      }
    }
    let tellsOperations = includeAuthorizedOperations
    guard !refused.isEmpty || tellsOperations else { return .allowed }
    return .partly(isEmpty: groups.isEmpty) { response in
      if tellsOperations {
        for index in response.groups.indices where response.groups[index].authorizedOperations != .min {
          response.groups[index].authorizedOperations = access.bits(on: .group, response.groups[index].groupID)
        }
      }
      response.groups += refused
    }
  }
}

extension ConsumerGroupDescribeRequest: GuardedRequest {
  package static let access = AccessRow(
    .group(.describe),
    AccessNeed(
      .describe, on: .topic, .part(.topicAuthorizationFailed), when: "a member of the group has partitions of the topic"
    ))

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<ConsumerGroupDescribeResponse> {
    let refused = access.withhold(&groupIDs, .describe, .group, { $0 }).map { group in
      ConsumerGroupDescribeResponse.Group.with {
        $0.groupID = group
        $0.errorCode = .groupAuthorizationFailed
      }
    }
    return .partly(isEmpty: groupIDs.isEmpty) { response in
      for index in response.groups.indices {
        if response.groups[index].authorizedOperations != .min {
          response.groups[index].authorizedOperations = access.bits(on: .group, response.groups[index].groupID)
        }
        guard !Self.mayTell(response.groups[index], access) else { continue }
        response.groups[index] = .with { [id = response.groups[index].groupID] in
          $0.groupID = id
          $0.errorCode = .topicAuthorizationFailed
          $0.errorMessage = "The described group uses topics that the client is not authorized to describe."
        }
      }
      response.groups += refused
    }
  }

  private static func mayTell(_ group: ConsumerGroupDescribeResponse.Group, _ access: Access) -> Bool {
    let names = group.members.flatMap { member in
      member.subscribedTopicNames
        + (member.assignment.topicPartitions + member.targetAssignment.topicPartitions)
        .map(\.topicName)
    }
    return Set(names).allSatisfy { access.allows(.describe, .topic, $0) }
  }
}

extension DeleteGroupsRequest: GuardedRequest {
  package static let access = AccessRow(.group(.delete))

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<DeleteGroupsResponse> {
    let refused = access.withhold(&groupsNames, .delete, .group, { $0 }).map { group in
      DeleteGroupsResponse.Group.with {
        $0.groupID = group
        $0.errorCode = .groupAuthorizationFailed
      }
    }
    return refused.isEmpty ? .allowed : .partly(isEmpty: groupsNames.isEmpty) { $0.results += refused }
  }
}

extension ListGroupsRequest: GuardedRequest {
  package static let access = AccessRow(
    AccessNeed(.describe, on: .group, .leftOut, when: "Describe on the cluster is lacking, which is enough"))

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<ListGroupsResponse> {
    guard !access.allowsOnCluster(.describe) else { return .allowed }
    return .partly { response in
      response.groups.removeAll { !access.allows(.describe, .group, $0.groupID) }
    }
  }
}
