import Cluster
import Model
import NIOCore
import Testing
import Wire

@testable import Broker

@Suite("Groups of the new protocol over a connection")
struct ConsumerGroupBrokerTests {
  /// A member as a client of KIP-848 is one.
  private struct Member {
    var client: TestClient
    var id: String
    var epoch: Int32 = 0
    var owned: [Int32] = []
    var topicID = TopicID.zero

    mutating func beat(
      _ group: String, joining: Bool = false, pattern: String? = nil, epoch given: Int32? = nil
    ) throws -> ErrorCode {
      var request = ConsumerGroupHeartbeatRequest()
      request.groupID = group
      request.memberID = id
      request.memberEpoch = given ?? (joining ? 0 : epoch)
      if joining {
        request.rebalanceTimeoutMs = 60_000
        request.subscribedTopicNames = pattern == nil ? ["t"] : []
        request.subscribedTopicRegex = pattern
        request.topicPartitions = []
      } else if given == nil {
        request.topicPartitions =
          owned.isEmpty
          ? []
          : [
            .with {
              $0.topicID = topicID; $0.partitions = owned
            }
          ]
      }
      let response = try client.retrying {
        try client.ask(request, version: 1)
      } until: {
        $0.errorCode != .coordinatorLoadInProgress && $0.errorCode != .notCoordinator
      }
      guard response.errorCode == .none else { return response.errorCode }
      #expect(response.memberID == id && (response.memberEpoch < 0 || response.heartbeatIntervalMs == 5_000))
      epoch = response.memberEpoch
      if let assignment = response.assignment {
        topicID = assignment.topicPartitions.first?.topicID ?? topicID
        owned = assignment.topicPartitions.flatMap(\.partitions).sorted()
      }
      return .none
    }
  }

  private func describe(_ client: TestClient, _ group: String) throws -> ConsumerGroupDescribeResponse.Group {
    var request = ConsumerGroupDescribeRequest()
    request.groupIDs = [group]
    request.includeAuthorizedOperations = true
    return try #require(try client.ask(request, version: 0).groups.first)
  }

  @Test("a pattern as subscription is kept over a restart, and described")
  func pattern() throws {
    try withDirectory { directory in
      let broker = try TestBroker.start(in: directory, groupOverrides)
      let client = try broker.connect()
      try client.createTopic("orders-eu", partitions: 2)
      try client.createTopic("other")
      _ = try client.findCoordinator("g")
      var member = Member(client: client, id: "a")
      #expect(try member.beat("g", joining: true, pattern: "orders-(") == .invalidRegularExpression)
      #expect(try member.beat("g", joining: true, pattern: "orders-.*") == .none)
      #expect(member.owned == [0, 1])
      broker.running.abandon()
      let again = try TestBroker.start(in: directory, groupOverrides)
      defer { again.running.stop() }
      member.client = try again.connect()
      try member.client.createTopic("orders-us")
      #expect(try member.beat("g") == .none)
      #expect(member.epoch == 2 && member.owned == [0, 0, 1].sorted())
      let described = try describe(member.client, "g").members
      #expect(described.map(\.subscribedTopicRegex) == ["orders-.*"] && described[0].subscribedTopicNames == [])
      #expect(described[0].assignment.topicPartitions.map(\.topicName).sorted() == ["orders-eu", "orders-us"])
    }
  }

  @Test("two members share a topic, commit in their epochs, and survive a restart", arguments: [true, false])
  func shared(orderly: Bool) throws {
    try withDirectory { directory in
      let broker = try TestBroker.start(in: directory, groupOverrides)
      let client = try broker.connect()
      try client.createTopic("t", partitions: 2)
      _ = try client.findCoordinator("g")
      var first = Member(client: client, id: "a"), second = Member(client: try broker.connect(), id: "b")
      #expect(try first.beat("g", joining: true) == .none)
      #expect(first.epoch == 1 && first.owned == [0, 1])
      #expect(try second.beat("g", joining: true) == .none)
      #expect(second.epoch == 2 && second.owned == [])
      for _ in 0..<2 { #expect(try first.beat("g") == .none) }
      #expect(try second.beat("g") == .none)
      #expect(first.epoch == 2 && first.owned == [0] && second.owned == [1])

      let described = try describe(client, "g")
      #expect(described.groupState == "Stable" && described.groupEpoch == 2 && described.assignmentEpoch == 2)
      #expect(described.assignorName == "uniform" && described.authorizedOperations == 0b1_0100_1000)
      #expect(described.members.map(\.memberID) == ["a", "b"])
      #expect(described.members.map { $0.assignment.topicPartitions.map(\.partitions) } == [[[0]], [[1]]])
      #expect(described.members[0].targetAssignment.topicPartitions[0].topicName == "t")
      #expect(try client.describe("g").groupState == "Dead", "DescribeGroups has groups of the classic protocol")
      let listed = try client.ask(ListGroupsRequest(), version: 5).groups
      #expect(listed.map(\.groupType) == ["consumer"] && listed.map(\.groupState) == ["Stable"])

      var commit = OffsetCommitRequest()
      commit.groupID = "g"
      commit.memberID = "a"
      commit.topics = [
        .with {
          $0.name = "t"; $0.partitions = [.with { $0.committedOffset = 7 }]
        }
      ]
      func code(epoch: Int32, version: Int16) throws -> ErrorCode {
        commit.generationIDOrMemberEpoch = epoch
        return try client.ask(commit, version: version).topics[0].partitions[0].errorCode
      }
      #expect(try code(epoch: 2, version: 9) == .none)
      #expect(try code(epoch: 1, version: 9) == .staleMemberEpoch)
      #expect(try code(epoch: 1, version: 8) == .unsupportedVersion)
      func fetched(_ memberID: String?, _ epoch: Int32, version: Int16 = 9) throws -> ErrorCode {
        var fetch = OffsetFetchRequest()
        fetch.groups = [
          .with {
            $0.groupID = "g"; $0.memberID = memberID; $0.memberEpoch = epoch
          }
        ]
        return try #require(try client.ask(fetch, version: version).groups.first).errorCode
      }
      #expect(try fetched("a", 2) == .none && fetched(nil, -1) == .none && fetched("a", 1, version: 8) == .none)
      #expect(try fetched("a", 1) == .staleMemberEpoch && fetched("c", 2) == .unknownMemberId)
      var delete = DeleteGroupsRequest()
      delete.groupsNames = ["g"]
      #expect(try client.ask(delete, version: 2).results.map(\.errorCode) == [.nonEmptyGroup])
      if orderly { broker.running.stop() } else { broker.running.abandon() }

      let again = try TestBroker.start(in: directory, groupOverrides)
      defer { again.running.stop() }
      first.client = try again.connect()
      #expect(try first.beat("g") == .none)
      #expect(first.epoch == 2 && first.owned == [0])
      #expect(try first.client.committedOffset("g", "t") == 7)
      #expect(try describe(first.client, "g").members.map(\.memberID) == ["a", "b"])
      // Members leave; then the group can be deleted, and stays so.
      second.client = first.client
      #expect(try first.beat("g", epoch: -1) == .none)
      #expect(try second.beat("g", epoch: -1) == .none)
      #expect(try describe(first.client, "g").groupState == "Empty")
      #expect(try first.client.ask(delete, version: 2).results.map(\.errorCode) == [.none])
      #expect(try describe(first.client, "g").errorCode == .groupIdNotFound)
    }
  }

  @Test("an empty group changes its protocol with the first member of the other, and one with members does not")
  func changes() throws {
    try withBroker(groupOverrides) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      let classic = try client.becomeOnlyMember(of: "g")
      #expect(try client.commit("g", "t", 0, 3, as: classic) == .none)
      var member = Member(client: client, id: "m")
      #expect(try member.beat("g", joining: true) == .groupIdNotFound)
      #expect(try client.leave("g", classic.memberID) == .none)
      #expect(try member.beat("g", joining: true) == .none)
      #expect(member.owned == [0])
      #expect(try client.committedOffset("g", "t") == 3, "the offsets stay")
      #expect(try client.ask(TestClient.join("g"), version: 3).errorCode == .inconsistentGroupProtocol)
      #expect(try client.heartbeat("g", classic) == .unknownMemberId)
      #expect(try member.beat("g", epoch: -1) == .none)
      #expect(try client.becomeOnlyMember(of: "g").errorCode == .none)
      #expect(try describe(client, "g").errorCode == .groupIdNotFound)
      #expect(try client.committedOffset("g", "t") == 3)
    }
  }

  @Test("a member of version 0 gets an id, an unknown group is not found, and what is no regular expression is refused")
  func versions() throws {
    try withBroker(groupOverrides) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      _ = try client.findCoordinator("g")
      var request = ConsumerGroupHeartbeatRequest()
      request.groupID = "g"
      request.memberEpoch = 1
      request.memberID = "a"
      #expect(try client.ask(request, version: 0).errorCode == .groupIdNotFound)
      request.memberEpoch = 0
      request.memberID = ""
      request.rebalanceTimeoutMs = 1_000
      request.subscribedTopicNames = ["t"]
      request.topicPartitions = []
      #expect(try client.ask(request, version: 1).errorCode == .invalidRequest)
      let joined = try client.ask(request, version: 0)
      #expect(joined.errorCode == .none && joined.memberID?.isEmpty == false)
      request.memberID = "b"
      request.subscribedTopicRegex = "t.("
      #expect(try client.ask(request, version: 1).errorCode == .invalidRegularExpression)
      request.subscribedTopicRegex = nil
      request.groupID = ""
      #expect(try client.ask(request, version: 1).errorCode == .invalidRequest)
    }
  }
}
