import Glibc
import Model
import NIOCore
import Testing
import Wire

/// A broker for groups, without the waits that people want.
let groupOverrides = ["group.initial.rebalance.delay.ms": "0", "offsets.topic.num.partitions": "3"]

/// Short ways to say requests of groups.
extension TestClient {
  /// Looks for the coordinator until there is one, as a client does.
  func findCoordinator(_ group: String) throws -> FindCoordinatorResponse.Coordinator {
    var request = FindCoordinatorRequest()
    request.coordinatorKeys = [group]
    return try retrying {
      try #require(try ask(request, version: 4).coordinators.first)
    } until: {
      $0.errorCode == .none
    }
  }

  /// Repeats a request until the coordinator has loaded the group's partition.
  func retrying<Answer>(
    _ body: () throws -> Answer, until isDone: (Answer) -> Bool, attempts: Int = 2000
  ) throws -> Answer {
    var answer = try body()
    for _ in 0..<attempts where !isDone(answer) {
      usleep(5000)
      answer = try body()
    }
    return answer
  }

  static func join(
    _ group: String, _ memberID: String = "", instance: String? = nil, topics: [String] = ["t"],
    sessionTimeoutMs: Int32 = 30_000
  ) -> JoinGroupRequest {
    var request = JoinGroupRequest()
    request.groupID = group
    request.memberID = memberID
    request.groupInstanceID = instance
    request.sessionTimeoutMs = sessionTimeoutMs
    request.rebalanceTimeoutMs = 60_000
    request.protocolType = "consumer"
    let subscription = ConsumerProtocolSubscription.with { $0.topics = topics }
    request.protocols = [
      .with {
        $0.name = "range"
        $0.metadata = subscription.prefixed(version: 0)
      }
    ]
    return request
  }

  static func sync(
    _ group: String, _ joined: JoinGroupResponse, instance: String? = nil, _ assignments: [String: String] = [:]
  ) -> SyncGroupRequest {
    var request = SyncGroupRequest()
    request.groupID = group
    request.memberID = joined.memberID
    request.generationID = joined.generationID
    request.groupInstanceID = instance
    request.protocolType = "consumer"
    request.protocolName = "range"
    request.assignments = assignments.sorted { $0.key < $1.key }.map { member, assignment in
      .with {
        $0.memberID = member
        $0.assignment = ByteBuffer(string: assignment)
      }
    }
    return request
  }

  /// Joins a group alone, in one of the versions that need no second request, and takes its assignment.
  func becomeOnlyMember(of group: String, instance: String? = nil, topics: [String] = ["t"]) throws -> JoinGroupResponse
  {
    _ = try findCoordinator(group)
    let joined = try retrying {
      try ask(Self.join(group, instance: instance, topics: topics), version: instance == nil ? 3 : 5)
    } until: {
      $0.errorCode != .coordinatorLoadInProgress && $0.errorCode != .notCoordinator
    }
    try #require(joined.errorCode == ErrorCode.none)
    let synced = try ask(Self.sync(group, joined, instance: instance, [joined.memberID: "all"]), version: 5)
    try #require(synced.errorCode == ErrorCode.none)
    #expect(String(buffer: synced.assignment) == "all")
    return joined
  }

  func heartbeat(
    _ group: String, _ joined: JoinGroupResponse, instance: String? = nil
  ) throws -> ErrorCode {
    var request = HeartbeatRequest()
    request.groupID = group
    request.memberID = joined.memberID
    request.generationID = joined.generationID
    request.groupInstanceID = instance
    return try ask(request, version: 4).errorCode
  }

  func leave(_ group: String, _ memberID: String) throws -> ErrorCode {
    var request = LeaveGroupRequest()
    request.groupID = group
    request.memberID = memberID
    return try ask(request, version: 2).errorCode
  }

  /// Commits one offset; without a membership as a consumer does that assigns partitions itself.
  func commit(
    _ group: String, _ topic: String, _ partition: Int32 = 0, _ offset: Offset, metadata: String? = nil,
    as joined: JoinGroupResponse? = nil, version: Int16 = 7
  ) throws -> ErrorCode {
    var request = OffsetCommitRequest()
    request.groupID = group
    request.generationIDOrMemberEpoch = joined?.generationID ?? -1
    request.memberID = joined?.memberID ?? ""
    request.topics = [
      .with {
        $0.name = topic
        $0.partitions = [
          .with {
            $0.partitionIndex = partition
            $0.committedOffset = offset
            $0.committedLeaderEpoch = version >= 6 ? 5 : -1
            $0.committedMetadata = metadata
          }
        ]
      }
    ]
    let answer = try ask(request, version: version)
    return try #require(answer.topics.first?.partitions.first?.errorCode)
  }

  /// Everything that a group has committed; waits until the coordinator has loaded it.
  func committed(_ group: String, stable: Bool = false) throws -> OffsetFetchResponse.Group {
    var request = OffsetFetchRequest()
    request.groups = [.with { $0.groupID = group }]
    request.requireStable = stable
    _ = try findCoordinator(group)
    return try retrying {
      try #require(try ask(request, version: 8).groups.first)
    } until: {
      $0.errorCode == .none
    }
  }

  /// The committed offset of a partition; -1 when there is none.
  func committedOffset(_ group: String, _ topic: String, _ partition: Int32 = 0) throws -> Offset {
    let found = try committed(group).topics.first { $0.name == topic }
    return found?.partitions.first { $0.partitionIndex == partition }?.committedOffset ?? .unknown
  }

  func describe(_ group: String) throws -> DescribeGroupsResponse.Group {
    var request = DescribeGroupsRequest()
    request.groups = [group]
    request.includeAuthorizedOperations = true
    return try #require(try ask(request, version: 5).groups.first)
  }
}
