import Cluster
import Model
import NIOCore
import Testing
import Wire

@testable import Broker

@Suite("Groups over a connection")
struct GroupTests {
  @Test("two members share a group: join, sync, heartbeat, commit, leave")
  func twoMembers() throws {
    try withBroker(groupOverrides) { broker in
      let first = try broker.connect(), second = try broker.connect()
      try first.createTopic("t", partitions: 2)
      let alone = try first.becomeOnlyMember(of: "g")
      #expect(alone.generationID == 1)
      #expect(alone.leader == alone.memberID)
      #expect(alone.memberID.hasPrefix("test-") && alone.memberID.count == "test-".count + 36)

      let join = try second.send(TestClient.join("g"), version: 3)
      // The members of version 4 and later get an id first; this one is in the rebalance at once.
      while try first.heartbeat("g", alone) != .rebalanceInProgress {}
      #expect(try first.commit("g", "t", 0, 7, as: alone) == .none, "a commit in a rebalance is accepted")
      let again = try first.ask(TestClient.join("g", alone.memberID), version: 9)
      let joined = try second.receive(JoinGroupRequest.self, version: 3, correlationID: join)
      #expect(again.generationID == 2 && joined.generationID == 2)
      #expect(again.leader == alone.memberID && joined.leader == alone.memberID)
      #expect(again.members.map(\.memberID) == [alone.memberID, joined.memberID])
      #expect(joined.members.isEmpty)
      #expect(try first.commit("g", "t", 0, 8, as: again) == .rebalanceInProgress)

      let waiting = try second.send(TestClient.sync("g", joined), version: 5)
      let led = try first.ask(
        TestClient.sync("g", again, [alone.memberID: "t-0", joined.memberID: "t-1"]), version: 5)
      let followed = try second.receive(SyncGroupRequest.self, version: 5, correlationID: waiting)
      #expect(String(buffer: led.assignment) == "t-0" && led.protocolName == "range")
      #expect(String(buffer: followed.assignment) == "t-1" && followed.protocolType == "consumer")
      #expect(try first.commit("g", "t", 0, 9, metadata: "m", as: again) == .none)
      #expect(try second.commit("g", "t", 1, 5, as: joined) == .none)
      #expect(try first.commit("g", "t", 0, 1, as: alone) == .illegalGeneration)
      #expect(try first.commit("g", "t", 0, 1) == .unknownMemberId)

      let described = try first.describe("g")
      #expect(described.groupState == "Stable" && described.protocolType == "consumer")
      #expect(described.protocolData == "range" && described.authorizedOperations == 0b1_0100_1000)
      #expect(described.members.map { String(buffer: $0.memberAssignment) } == ["t-0", "t-1"])
      #expect(described.members.map(\.clientHost) == ["/127.0.0.1", "/127.0.0.1"])

      #expect(try second.leave("g", joined.memberID) == .none)
      #expect(try second.leave("g", joined.memberID) == .unknownMemberId)
      #expect(try first.heartbeat("g", again) == .rebalanceInProgress)
      let committed = try first.committed("g")
      #expect(committed.topics.map(\.name) == ["t"])
      #expect(committed.topics[0].partitions.map(\.committedOffset) == [9, 5])
      #expect(committed.topics[0].partitions.map(\.committedLeaderEpoch) == [5, 5])
      #expect(committed.topics[0].partitions.map(\.metadata) == ["m", ""])
    }
  }

  @Test(
    "a new member is asked to join again with its id from version 4 on, and never before",
    arguments: 0...9 as ClosedRange<Int16>)
  func memberIDRequired(version: Int16) throws {
    try withBroker(groupOverrides) { broker in
      let client = try broker.connect()
      _ = try client.findCoordinator("g")
      var joined = try client.ask(TestClient.join("g"), version: version)
      #expect(joined.errorCode == (version >= 4 ? .memberIdRequired : .none))
      if version >= 4 { joined = try client.ask(TestClient.join("g", joined.memberID), version: version) }
      #expect(joined.errorCode == .none)
      #expect(joined.generationID == 1)
      #expect(joined.protocolType == (version >= 7 ? "consumer" : nil))
      #expect(joined.members.map(\.memberID) == [joined.memberID])
      let synced = try client.ask(TestClient.sync("g", joined, [joined.memberID: "a"]), version: min(version, 5))
      #expect(synced.errorCode == .none)
      #expect(String(buffer: synced.assignment) == "a")
      var heartbeat = HeartbeatRequest()
      heartbeat.groupID = "g"
      heartbeat.memberID = joined.memberID
      heartbeat.generationID = 1
      #expect(try client.ask(heartbeat, version: min(version, 4)).errorCode == .none)
      var leave = LeaveGroupRequest()
      leave.groupID = "g"
      leave.memberID = joined.memberID
      leave.members = [.with { $0.memberID = joined.memberID }, .with { $0.memberID = "nobody" }]
      let left = try client.ask(leave, version: min(version, 5))
      #expect(left.errorCode == .none)
      #expect(left.members.map(\.errorCode) == (version >= 3 ? [.none, .unknownMemberId] : []))
    }
  }

  @Test("requests without a group, or of another coordinator's, are refused")
  func refused() throws {
    try withBroker(groupOverrides) { broker in
      let client = try broker.connect()
      #expect(try client.ask(TestClient.join("g"), version: 5).errorCode == .notCoordinator, "no topic yet")
      #expect(try client.describe("g").errorCode == .notCoordinator)
      #expect(try client.ask(ListGroupsRequest(), version: 5).groups.isEmpty)
      _ = try client.findCoordinator("g")
      #expect(try client.ask(TestClient.join(""), version: 5).errorCode == .invalidGroupId)
      var sync = TestClient.sync("", JoinGroupResponse())
      #expect(try client.ask(sync, version: 5).errorCode == .invalidGroupId)
      sync.groupID = "g"
      #expect(try client.ask(sync, version: 5).errorCode == .unknownMemberId)
      sync.protocolName = nil
      #expect(try client.ask(sync, version: 5).errorCode == .inconsistentGroupProtocol)
      #expect(try client.ask(HeartbeatRequest(), version: 4).errorCode == .invalidGroupId)
      #expect(try client.leave("", "a") == .invalidGroupId)
      var short = TestClient.join("g")
      short.sessionTimeoutMs = 5999
      #expect(try client.ask(short, version: 5).errorCode == .invalidSessionTimeout)
    }
  }

  @Test("a consumer that assigns partitions itself commits and fetches, in every version")
  func simpleConsumer() throws {
    try withBroker(groupOverrides.merging(["offset.metadata.max.bytes": "5"]) { $1 }) { broker in
      let client = try broker.connect()
      try client.createTopic("t", partitions: 2)
      _ = try client.findCoordinator("g")
      for version in 0...9 as ClosedRange<Int16> {
        #expect(try client.commit("g", "t", 0, Offset(Int64(version)), metadata: "abcde", version: version) == .none)
        #expect(try client.commit("g", "t", 0, 99, metadata: "abcdef", version: version) == .offsetMetadataTooLarge)
        #expect(try client.commit("g", "t", 2, 99, version: version) == .unknownTopicOrPartition)
        #expect(try client.commit("g", "nowhere", 0, 99, version: version) == .unknownTopicOrPartition)
        #expect(try client.committedOffset("g", "t") == Offset(Int64(version)))
      }
      for version in 0...7 as ClosedRange<Int16> {
        var fetch = OffsetFetchRequest()
        fetch.groupID = "g"
        fetch.topics = [
          .with {
            $0.name = "t"
            $0.partitionIndexes = [1, 0]
          }
        ]
        let partitions = try client.ask(fetch, version: version).topics.flatMap(\.partitions)
        #expect(partitions.map(\.partitionIndex) == [1, 0])
        #expect(partitions.map(\.committedOffset) == [-1, 9])
        #expect(partitions.map(\.metadata) == ["", "abcde"])
        #expect(partitions.map(\.committedLeaderEpoch) == (version >= 5 ? [-1, 5] : [-1, -1]))
        #expect(partitions.map(\.errorCode) == [version == 0 ? .unknownTopicOrPartition : .none, .none])
        guard version >= 2 else { continue }
        fetch.topics = nil
        #expect(try client.ask(fetch, version: version).topics.flatMap(\.partitions).map(\.committedOffset) == [9])
      }
    }
  }

  @Test("commits of many partitions keep their order with those that follow on the connection")
  func largeCommit() throws {
    try withBroker(groupOverrides) { broker in
      let client = try broker.connect()
      let count: Int32 = 1000
      try client.createTopic("t", partitions: count)
      _ = try client.findCoordinator("g")
      var large = OffsetCommitRequest()
      large.groupID = "g"
      large.topics = [
        .with { topic in
          topic.name = "t"
          topic.partitions = (0..<count).map { index in
            .with {
              $0.partitionIndex = index
              $0.committedOffset = 1
            }
          }
        }
      ]
      var small = large
      small.topics[0].partitions = [
        .with {
          $0.partitionIndex = 0
          $0.committedOffset = 2
        }
      ]
      for _ in 0..<5 {
        let first = try client.send(large, version: 7)
        let second = try client.send(small, version: 7)
        let answer = try client.receive(OffsetCommitRequest.self, version: 7, correlationID: first)
        #expect(answer.topics[0].partitions.count == Int(count))
        #expect(answer.topics[0].partitions.allSatisfy { $0.errorCode == .none })
        _ = try client.receive(OffsetCommitRequest.self, version: 7, correlationID: second)
        #expect(try client.committedOffset("g", "t") == 2)
        #expect(try client.committedOffset("g", "t", 999) == 1)
      }
    }
  }

  @Test("groups, members and offsets survive a restart", arguments: [true, false])
  func restart(orderly: Bool) throws {
    try withDirectory { directory in
      let broker = try TestBroker.start(in: directory, groupOverrides)
      var client = try broker.connect()
      try client.createTopic("t")
      let joined = try client.becomeOnlyMember(of: "g", instance: "i")
      var deleted = ""
      for index in 0..<5 {
        deleted = "deleted \(index)"
        let member = try client.becomeOnlyMember(of: deleted)
        #expect(try client.commit(deleted, "t", 0, 1, as: member) == .none)
        #expect(try client.leave(deleted, member.memberID) == .none)
        var delete = DeleteGroupsRequest()
        delete.groupsNames = [deleted, "nobody's", "g", deleted]
        let results = try client.ask(delete, version: 2).results
        #expect(results.map(\.groupID) == [deleted, "nobody's", "g"])
        #expect(results.map(\.errorCode) == [.none, .groupIdNotFound, .nonEmptyGroup])
      }
      for offset in 1...100 as ClosedRange<Int64> {
        #expect(try client.commit("simple", "t", 0, Offset(offset)) == .none)
      }
      if orderly { broker.running.stop() } else { broker.running.abandon() }

      let again = try TestBroker.start(in: directory, groupOverrides)
      defer { again.running.stop() }
      client = try again.connect()
      #expect(try client.committedOffset("simple", "t") == 100)
      #expect(try client.committedOffset(deleted, "t") == -1)
      _ = try client.committed("g")
      #expect(try client.heartbeat("g", joined, instance: "i") == .none)
      #expect(try client.describe("g").members.map(\.groupInstanceID) == ["i"])
      // The static member comes back without its id, and without a rebalance.
      let back = try client.ask(TestClient.join("g", instance: "i"), version: 9)
      #expect(back.generationID == joined.generationID && back.skipAssignment && back.leader == back.memberID)
      let synced = try client.ask(TestClient.sync("g", back, instance: "i"), version: 5)
      #expect(String(buffer: synced.assignment) == "all")
      #expect(try client.heartbeat("g", joined, instance: "i") == .fencedInstanceId)
      #expect(try client.heartbeat("g", back, instance: "i") == .none)
      let names = try client.ask(ListGroupsRequest(), version: 5).groups.map(\.groupID)
      #expect(Set(names) == ["g", "simple"])
    }
  }

  @Test("offsets are deleted of topics that nobody subscribes to")
  func offsetDelete() throws {
    try withBroker(groupOverrides) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      try client.createTopic("other")
      let joined = try client.becomeOnlyMember(of: "g")
      #expect(try client.commit("g", "t", 0, 5, as: joined) == .none)
      #expect(try client.commit("g", "other", 0, 6, as: joined) == .none)
      var delete = OffsetDeleteRequest()
      delete.groupID = "g"
      delete.topics = ["t", "other", "nowhere"].map { name in
        .with {
          $0.name = name
          $0.partitions = [.with { $0.partitionIndex = 0 }]
        }
      }
      let answer = try client.ask(delete, version: 0)
      #expect(answer.errorCode == .none)
      #expect(
        answer.topics.flatMap(\.partitions).map(\.errorCode) == [
          .groupSubscribedToTopic, .none, .unknownTopicOrPartition,
        ])
      #expect(try client.committed("g").topics.map(\.name) == ["t"])
      delete.groupID = "nobody's"
      #expect(try client.ask(delete, version: 0).errorCode == .groupIdNotFound)
      delete.groupID = ""
      #expect(try client.ask(delete, version: 0).errorCode == .invalidGroupId)
    }
  }

  @Test("what was committed for a topic goes with the topic")
  func deletedTopic() throws {
    try withBroker(groupOverrides) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      _ = try client.findCoordinator("g")
      #expect(try client.commit("g", "t", 0, 5) == .none)
      var delete = DeleteTopicsRequest()
      delete.topicNames = ["t"]
      _ = try client.ask(delete, version: 4)
      try client.createTopic("t")
      #expect(try client.committedOffset("g", "t") == -1)
    }
  }

  @Test("a wait for a rebalance ends with its connection, and leaves nothing behind")
  func closedConnection() throws {
    try withBroker(groupOverrides) { broker in
      let first = try broker.connect()
      let alone = try first.becomeOnlyMember(of: "g")
      let shard = try #require(broker.broker.groups.shard(of: "g"))
      do {
        let second = try broker.connect()
        try second.send(TestClient.join("g"), version: 3)
        while try first.heartbeat("g", alone) != .rebalanceInProgress {}
        #expect(shard.waitingCount == 1)
      }
      while shard.waitingCount > 0 { _ = try first.heartbeat("g", alone) }
      // The member that has gone is in the rebalance until its session ends.
      let again = try first.ask(TestClient.join("g", alone.memberID), version: 9)
      #expect(again.errorCode == .none)
      #expect(again.members.count == 2)
    }
  }

  @Test("a stop answers the members that wait")
  func stop() throws {
    try withDirectory { directory in
      let broker = try TestBroker.start(in: directory, groupOverrides)
      let first = try broker.connect(), second = try broker.connect()
      let alone = try first.becomeOnlyMember(of: "g")
      let join = try second.send(TestClient.join("g"), version: 3)
      while try first.heartbeat("g", alone) != .rebalanceInProgress {}
      broker.running.stop()
      let joined = try second.receive(JoinGroupRequest.self, version: 3, correlationID: join)
      #expect(joined.errorCode == .notCoordinator)
    }
  }

  @Test("a transaction's offsets are pending until the transaction ends")
  func transactional() throws {
    try withBroker(groupOverrides) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      _ = try client.findCoordinator("g")
      #expect(try client.commit("g", "t", 0, 5) == .none)
      for (version, offset) in zip(0...4 as ClosedRange<Int16>, 10...14 as ClosedRange<Int64>) {
        let producer = try TransactionClient(client, "x")
        let added = try client.ask(
          AddOffsetsToTxnRequest.with {
            ($0.transactionalID, $0.groupID) = ("x", "g")
            ($0.producerID, $0.producerEpoch) = (producer.producerID, producer.epoch)
          }, version: 3)
        #expect(added.errorCode == .none)
        var request = TxnOffsetCommitRequest()
        request.transactionalID = "x"
        request.groupID = "g"
        request.producerID = producer.producerID
        request.producerEpoch = producer.epoch
        request.topics = [
          .with {
            $0.name = "t"
            $0.partitions = [
              .with { $0.committedOffset = Offset(offset) },
              .with { $0.partitionIndex = 9 },
            ]
          }
        ]
        let answer = try client.ask(request, version: version)
        #expect(answer.topics[0].partitions.map(\.errorCode) == [.none, .unknownTopicOrPartition])
        let hidden = try client.committed("g").topics[0].partitions[0]
        #expect(hidden.committedOffset != Offset(offset))
        let unstable = try client.committed("g", stable: true).topics[0].partitions[0]
        #expect(unstable.errorCode == .unstableOffsetCommit && unstable.committedOffset == -1)
        #expect(try producer.end(.commit).errorCode == .none)
        let stable = try client.retrying {
          try client.committed("g", stable: true).topics[0].partitions[0]
        } until: {
          $0.errorCode == .none
        }
        #expect(stable.committedOffset == Offset(offset))
      }
    }
  }

  @Test("groups are listed with their states and types, and described when they are gone")
  func listed() throws {
    try withBroker(groupOverrides) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      _ = try client.becomeOnlyMember(of: "stable")
      #expect(try client.commit("empty", "t", 0, 5) == .none)
      var list = ListGroupsRequest()
      for version in 0...5 as ClosedRange<Int16> {
        let groups = try client.ask(list, version: version).groups.sorted { $0.groupID < $1.groupID }
        #expect(groups.map(\.groupID) == ["empty", "stable"])
        #expect(groups.map(\.protocolType) == ["", "consumer"])
        #expect(groups.map(\.groupState) == (version >= 4 ? ["Empty", "Stable"] : ["", ""]))
        #expect(groups.map(\.groupType) == (version >= 5 ? ["classic", "classic"] : ["", ""]))
      }
      list.statesFilter = ["STABLE"]
      #expect(try client.ask(list, version: 5).groups.map(\.groupID) == ["stable"])
      list.typesFilter = ["consumer"]
      #expect(try client.ask(list, version: 5).groups.isEmpty)
      let gone = try client.describe("nobody's")
      #expect(gone.errorCode == .none && gone.groupState == "Dead" && gone.members.isEmpty)
    }
  }
}
