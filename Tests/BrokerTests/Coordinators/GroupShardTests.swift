import Cluster
import Model
import NIOCore
import Testing
import Wire

@testable import Broker

extension Group.Join {
  /// A client's JoinGroup of before version 4.
  static func client(_ memberID: String = "", new: String = "", topics: String = "s") -> Group.Join {
    var join = Group.Join()
    join.memberID = memberID
    join.newMemberID = new
    join.clientID = "c"
    join.clientHost = "/127.0.0.1"
    join.sessionTimeoutMs = 10_000
    join.rebalanceTimeoutMs = 60_000
    join.protocolType = "consumer"
    // A subscription of version 0 to one topic, without user data.
    let subscription = [0, 0, 0, 0, 0, 1, 0, UInt8(topics.utf8.count)] + Array(topics.utf8) + [255, 255, 255, 255]
    join.protocols = [GroupProtocol("range", subscription)]
    return join
  }
}

private func t(_ partition: Int32, _ topic: String = "t") -> TopicPartition { TopicPartition(topic, partition) }

extension GroupWorld {
  /// The member a of group g, alone and stable in generation 1.
  func stableGroup(_ id: String = "g") throws {
    let shard = shard
    guard case .now(let joined) = shard.join(id, .client(new: "a"), then: { _ in }) else {
      throw Unexpected(what: "the join waits")
    }
    #expect(joined.error == .none)
    var sync = Group.Sync(.init("a", generation: joined.generation))
    sync.assignments = ["a": [1, 2, 3]]
    guard case .now(let synced) = shard.sync(id, sync, then: { _ in }) else {
      throw Unexpected(what: "the sync waits")
    }
    #expect(synced.assignment == [1, 2, 3])
  }

  struct Unexpected: Error { var what: String }

  /// A commit without a membership.
  func commit(_ offset: Int64, _ partition: TopicPartition, _ group: String = "g") -> GroupShard.Committed? {
    commit([(partition, .init(offset: Offset(offset), timestampMs: wall.ms))], group)
  }

  func commit(
    _ commits: GroupShard.Commits, _ group: String = "g", by membership: Group.Membership = .init("", generation: -1),
    producer: (id: Int64, epoch: Int16)? = nil, then: @escaping @Sendable (GroupShard.Committed) -> Void = { _ in }
  ) -> GroupShard.Committed? {
    shard.commit(group, by: .init(membership: membership, producer: producer), commits, then: then)
  }
}

extension GroupCoordinator {
  /// The committed offset; nil when there is none.
  func offset(_ partition: TopicPartition, of group: String = "g", stable: Bool = false) throws -> Int64? {
    let fetched = try #require(shard(of: group)).fetch(group, [partition], by: .init(), stable: stable)
    #expect(fetched.error == .none)
    switch fetched.partitions.first?.found {
    case .committed(let commit): return commit.offset.rawValue
    case .unstable: return -88
    case .nothing, nil: return nil
    }
  }
}

@Suite("GroupShard")
struct GroupShardTests {
  @Test("a new group's join is answered when the timer says that its delay has passed")
  func delayedJoin() throws {
    let world = try GroupWorld(["group.initial.rebalance.delay.ms": "3000"])
    let answers = Answers<Group.JoinAnswer>()
    guard case .later = world.shard.join("g", .client(new: "a"), then: answers.take) else {
      Issue.record("the join does not wait")
      return
    }
    world.pass(2999)
    #expect(answers.all.isEmpty)
    world.pass(1)
    #expect(answers.all.map(\.memberID) == ["a"])
    #expect(answers.all.first?.generation == 1)
    #expect(world.shard.waitingCount == 0)
  }

  @Test("a request whose connection has gone is forgotten, and its member stays until its session ends")
  func forgotten() throws {
    let world = try GroupWorld(["group.initial.rebalance.delay.ms": "3000"])
    let answers = Answers<Group.JoinAnswer>()
    guard case .later(let forget) = world.shard.join("g", .client(new: "a"), then: answers.take) else {
      Issue.record("the join does not wait")
      return
    }
    #expect(world.shard.waitingCount == 1)
    forget()
    #expect(world.shard.waitingCount == 0)
    world.pass(3000)
    #expect(answers.all.isEmpty)
    #expect(world.coordinator.describe("g").members.map(\.memberID) == ["a"])
    world.pass(10_000)
    #expect(world.coordinator.describe("g").groupState == "Empty")
  }

  @Test("an assignment is given when it is replicated")
  func replicatedAssignment() throws {
    let world = try GroupWorld()
    guard case .now(let joined) = world.shard.join("g", .client(new: "a"), then: { _ in }) else {
      Issue.record("the join waits")
      return
    }
    world.log.mode = .later
    let answers = Answers<Group.SyncAnswer>()
    var sync = Group.Sync(.init("a", generation: joined.generation))
    sync.assignments = ["a": [9]]
    guard case .later = world.shard.sync("g", sync, then: answers.take) else {
      Issue.record("the sync does not wait")
      return
    }
    #expect(answers.all.isEmpty)
    world.log.finish()
    #expect(answers.all.map(\.assignment) == [[9]])
    #expect(world.coordinator.describe("g").groupState == "Stable")
  }

  @Test(
    "an assignment that cannot be stored is an error to the members, and they join again",
    arguments: [
      (.notLeaderOrFollower, .notCoordinator), (.kafkaStorageError, .notCoordinator),
      (.notEnoughReplicas, .coordinatorNotAvailable), (.requestTimedOut, .rebalanceInProgress),
      (.messageTooLarge, .unknownServerError),
    ] as [(ErrorCode, ErrorCode)])
  func unstoredAssignment(error: ErrorCode, told: ErrorCode) throws {
    let world = try GroupWorld()
    _ = world.shard.join("g", .client(new: "a"), then: { _ in })
    world.log.mode = .failing(error)
    guard case .now(let answer) = world.shard.sync("g", .init(.init("a", generation: 1)), then: { _ in }) else {
      Issue.record("the sync waits")
      return
    }
    #expect(answer.error == told)
    #expect(world.coordinator.describe("g").groupState == "PreparingRebalance")
  }

  @Test("a commit counts when it is replicated; who wants stable offsets is told to wait")
  func replicatedCommit() throws {
    let world = try GroupWorld()
    #expect(world.commit(1, t(0)) == .stored(.none))
    world.log.mode = .later
    let outcomes = Answers<GroupShard.Committed>()
    #expect(world.commit([(t(0), .init(offset: 2, timestampMs: 0))], then: outcomes.take) == nil)
    #expect(try world.coordinator.offset(t(0)) == 1)
    #expect(try world.coordinator.offset(t(0), stable: true) == -88)
    world.log.finish()
    #expect(outcomes.all == [.stored(.none)])
    #expect(try world.coordinator.offset(t(0), stable: true) == 2)
    #expect(world.commit([(t(0), .init(offset: 3, timestampMs: 0))], then: outcomes.take) == nil)
    world.log.finish(.notEnoughReplicasAfterAppend)
    #expect(outcomes.all.last == .stored(.coordinatorNotAvailable))
    #expect(try world.coordinator.offset(t(0), stable: true) == 2)
  }

  @Test("a commit that the log refuses is the error of its partitions, and changes nothing")
  func refusedCommit() throws {
    let world = try GroupWorld()
    _ = world.commit(1, t(0))
    world.log.mode = .failing(.messageTooLarge)
    #expect(world.commit(2, t(0)) == .stored(.invalidCommitOffsetSize))
    world.log.mode = .failing(.notLeaderOrFollower)
    #expect(world.commit(2, t(0)) == .stored(.notCoordinator))
    #expect(try world.coordinator.offset(t(0)) == 1)
  }

  @Test("a transaction's offsets are hidden until it ends", arguments: [true, false])
  func transaction(commits: Bool) throws {
    let world = try GroupWorld()
    _ = world.commit(1, t(0))
    #expect(world.commit([(t(0), .init(offset: 5, timestampMs: 0))], producer: (7, 0)) == .stored(.none))
    #expect(try world.coordinator.offset(t(0)) == 1)
    #expect(try world.coordinator.offset(t(0), stable: true) == -88)
    let reread = try world.reread()
    #expect(try reread.offset(t(0)) == 1)
    #expect(try reread.offset(t(0), stable: true) == -88)
    for coordinator in [world.coordinator, reread] {
      coordinator.transactionEnded(producerID: 7, partitions: [0, 9], outcome: commits ? .commit : .abort)
      #expect(try coordinator.offset(t(0), stable: true) == (commits ? 5 : 1))
    }
  }

  @Test("while the log is read, and when it cannot be read, requests are told what their clients know")
  func loading() throws {
    let world = try GroupWorld()
    world.coordinator.began(0, epoch: 1)
    func expect(_ error: ErrorCode, sync: ErrorCode, heartbeat: ErrorCode) {
      let member = Group.Membership("a", generation: 1)
      guard case .now(let joined) = world.shard.join("g", .client(new: "a"), then: { _ in }) else { return }
      #expect(joined.error == error)
      guard case .now(let synced) = world.shard.sync("g", .init(member), then: { _ in }) else { return }
      #expect(synced.error == sync)
      #expect(world.shard.heartbeat("g", member) == heartbeat)
      #expect(world.shard.leave("g", [.init("a")]).error == error)
      #expect(world.commit(1, t(0)) == .refused(error))
      #expect(world.shard.fetch("g", nil, by: .init(), stable: false).error == error)
      #expect(world.shard.delete("g") == error)
      #expect(world.shard.deleteOffsets("g", [t(0)]).error == error)
      #expect(world.coordinator.describe("g").errorCode == error)
    }
    expect(.coordinatorLoadInProgress, sync: .rebalanceInProgress, heartbeat: .none)
    #expect(world.coordinator.list(states: [], types: []).errorCode == .coordinatorLoadInProgress)
    world.coordinator.loaded(0, epoch: 1, error: .kafkaStorageError)
    expect(.coordinatorNotAvailable, sync: .coordinatorNotAvailable, heartbeat: .coordinatorNotAvailable)
    world.coordinator.resigned(0)
    #expect(world.coordinator.shard(of: "g") == nil)
  }

  @Test("another coordinator that reads the log finds groups, members, assignments and offsets")
  func reload() throws {
    let world = try GroupWorld()
    try world.stableGroup()
    _ = world.commit(
      [(t(3), .init(offset: 30, leaderEpoch: 4, metadata: "m", timestampMs: 5))], by: .init("a", generation: 1))
    _ = world.commit(7, t(0, "u"), "simple")
    let reread = try world.reread()
    #expect(reread.describe("g") == world.coordinator.describe("g"))
    #expect(reread.list(states: [], types: []) == world.coordinator.list(states: [], types: []))
    let fetched = try #require(reread.shard(of: "g")).fetch("g", nil, by: .init(), stable: true)
    #expect(fetched.partitions.map(\.partition) == [t(3)])
    #expect(
      fetched.partitions.first?.found == .committed(.init(offset: 30, leaderEpoch: 4, metadata: "m", timestampMs: 5)))
    #expect(try reread.offset(t(0, "u"), of: "simple") == 7)
    let member = Group.Membership("a", generation: 1)
    #expect(reread.shard(of: "g")?.heartbeat("g", member) == ErrorCode.none)
    world.pass(10_001)
    #expect(reread.shard(of: "g")?.heartbeat("g", member) == .unknownMemberId, "sessions end after a restart, too")
  }

  @Test("a deleted group leaves tombstones, and is not found again")
  func delete() throws {
    let world = try GroupWorld()
    try world.stableGroup()
    _ = world.commit([(t(0), .init(offset: 1, timestampMs: 0))], by: .init("a", generation: 1))
    #expect(world.shard.delete("g") == .nonEmptyGroup)
    #expect(world.shard.delete("other") == .groupIdNotFound)
    #expect(world.shard.leave("g", [.init("a")]).errors == [.none])
    world.log.mode = .failing(.kafkaStorageError)
    #expect(world.shard.delete("g") == .notCoordinator, "what cannot be written is not deleted")
    #expect(try world.coordinator.offset(t(0)) == 1)
    world.log.mode = .atOnce
    #expect(world.shard.delete("g") == .none)
    #expect(world.shard.delete("g") == .groupIdNotFound)
    let reread = try world.reread()
    #expect(reread.describe("g").groupState == "Dead")
    #expect(try reread.offset(t(0)) == nil)
  }

  @Test("a group that only keeps offsets leaves no tombstone of its own")
  func deleteSimple() throws {
    let world = try GroupWorld()
    _ = world.commit(1, t(0))
    #expect(world.shard.delete("g") == .none)
    #expect(world.log.batches.map(\.records.count) == [1, 1])
  }

  @Test("more tombstones than fit a batch go into several")
  func manyTombstones() throws {
    let world = try GroupWorld()
    let commits: GroupShard.Commits = (0..<10_000).map { (t($0), .init(offset: 1, timestampMs: 0)) }
    let group = String(repeating: "g", count: 40)
    #expect(world.commit(commits, group) == .stored(.none))
    let before = world.log.batches.count
    #expect(world.shard.delete(group) == .none)
    let batches = world.log.batches.dropFirst(before)
    #expect(batches.count > 1)
    #expect(batches.reduce(0) { $0 + $1.records.count } == 10_000)
    for batch in batches {
      #expect(batch.records.reduce(0) { $0 + $1.key.readableBytes } <= Limits.tombstoneBatchBytes + 100)
    }
  }

  @Test(
    "a member of the new protocol whose removal cannot be stored stays, and its removal is tried again at intervals")
  func unstoredRemoval() throws {
    let world = try GroupWorld()
    var heartbeat = ConsumerGroup.Heartbeat(memberID: "a", memberEpoch: 0)
    heartbeat.rebalanceTimeoutMs = 1_000
    heartbeat.subscription = ["t"]
    heartbeat.owned = []
    let joined = world.shard.beat("g", heartbeat, world.coordinator.catalog) { _ in }
    #expect(try joined?.get().memberEpoch == 1)
    world.log.mode = .failing(.kafkaStorageError)
    world.pass(44_999)
    #expect(world.log.refused == 0)
    world.pass(1)
    #expect(world.log.refused == 1)
    world.pass(Limits.groupRemovalRetryMs * 3)
    #expect(world.log.refused == 4)
    #expect(try world.shard.describeConsumers("g").get().0.memberIDs == ["a"])
    world.log.mode = .atOnce
    world.pass(Limits.groupRemovalRetryMs)
    #expect(try world.shard.describeConsumers("g").get().0.memberIDs.isEmpty)
  }

  @Test("offsets of topics that a member subscribes to are not deleted")
  func deleteOffsets() throws {
    let world = try GroupWorld()
    try world.stableGroup()
    let member = Group.Membership("a", generation: 1)
    _ = world.commit(
      [(t(0, "s"), .init(offset: 1, timestampMs: 0)), (t(0, "u"), .init(offset: 1, timestampMs: 0))], by: member)
    let deleted = world.shard.deleteOffsets("g", [t(0, "s"), t(0, "u"), t(1, "u")])
    #expect(deleted.partitions == [.groupSubscribedToTopic, .none, .none])
    #expect(try world.reread().offset(t(0, "u")) == nil)
    #expect(try world.reread().offset(t(0, "s")) == 1)
  }

  @Test("offsets expire, and a group without members and offsets goes with them")
  func expiry() throws {
    let world = try GroupWorld(["offsets.retention.minutes": "1"])
    try world.stableGroup()
    let member = Group.Membership("a", generation: 1)
    _ = world.commit([(t(0, "s"), .init(offset: 1, timestampMs: world.wall.ms))], by: member)
    _ = world.commit(1, t(0), "simple")
    world.wall.ms += 60_000
    world.coordinator.expire()
    #expect(try world.coordinator.offset(t(0), of: "simple") == nil)
    #expect(world.coordinator.describe("simple").groupState == "Dead")
    #expect(try world.coordinator.offset(t(0, "s")) == 1, "the topic is subscribed to")
    #expect(world.shard.leave("g", [.init("a")]).errors == [.none])
    world.wall.ms += 59_999
    world.coordinator.expire()
    #expect(try world.coordinator.offset(t(0, "s")) == 1, "the group was not empty for so long")
    world.wall.ms += 1
    world.coordinator.expire()
    #expect(world.coordinator.describe("g").groupState == "Dead")
    let reread = try world.reread()
    #expect(reread.list(states: [], types: []).groups.isEmpty)
    #expect(world.log.batches.last?.records.count == 2, "a tombstone of the offset, and one of the group")
  }

  @Test("what was committed for a deleted topic goes with it")
  func deletedTopic() throws {
    let world = try GroupWorld()
    try world.stableGroup()
    let member = Group.Membership("a", generation: 1)
    _ = world.commit(
      [(t(0, "s"), .init(offset: 1, timestampMs: 0)), (t(0, "u"), .init(offset: 2, timestampMs: 0))], by: member)
    _ = world.commit(3, t(0, "u"), "simple")
    world.coordinator.forget(topics: ["u", "nobody's"])
    #expect(try world.coordinator.offset(t(0, "u")) == nil)
    #expect(try world.coordinator.offset(t(0, "s")) == 1)
    #expect(world.coordinator.describe("simple").groupState == "Dead")
    #expect(try world.reread().offset(t(0, "u"), of: "simple") == nil)
  }

  @Test("a stop answers what waits, and no timer is left")
  func stop() throws {
    let world = try GroupWorld(["group.initial.rebalance.delay.ms": "3000"])
    let joins = Answers<Group.JoinAnswer>()
    _ = world.shard.join("g", .client(new: "a"), then: joins.take)
    world.log.mode = .later
    let commits = Answers<GroupShard.Committed>()
    _ = world.commit([(t(0), .init(offset: 3, timestampMs: 0))], "simple", then: commits.take)
    let before = world.log.batches.count
    world.coordinator.stop()
    #expect(joins.all.map(\.error) == [.notCoordinator])
    world.log.finish()
    #expect(commits.all == [.refused(.notCoordinator)])
    world.pass(600_000)
    #expect(world.log.batches.count == before)
    #expect(world.commit(1, t(0)) == .refused(.notCoordinator))
    world.coordinator.began(0, epoch: 3)
    #expect(world.commit(1, t(0)) == .refused(.notCoordinator), "a partition that comes after a stop is not served")
  }

  @Test("a group that comes to nothing is forgotten")
  func unused() throws {
    let world = try GroupWorld()
    var join = Group.Join.client(new: "a")
    join.requiresKnownID = true
    guard case .now(let answer) = world.shard.join("g", join, then: { _ in }) else {
      Issue.record("the join waits")
      return
    }
    #expect(answer.error == .memberIdRequired)
    #expect(world.coordinator.describe("g").groupState == "Empty")
    world.pass(10_000)
    #expect(world.coordinator.describe("g").groupState == "Dead")
    #expect(world.log.batches.isEmpty)
    join.memberID = "nobody"
    guard case .now(let refused) = world.shard.join("g", join, then: { _ in }) else { return }
    #expect(refused.error == .unknownMemberId)
    #expect(world.commit([], by: .init("a", generation: 3)) == .refused(.illegalGeneration))
    #expect(world.coordinator.list(states: [], types: []).groups.isEmpty)
  }

  @Test("groups are listed by state and type")
  func list() throws {
    let world = try GroupWorld()
    try world.stableGroup("stable")
    _ = world.commit(1, t(0), "empty")
    func names(_ states: Set<String>, _ types: Set<String> = []) -> [String] {
      world.coordinator.list(states: states, types: types).groups.map(\.groupID)
    }
    #expect(names([]) == ["empty", "stable"])
    #expect(names(["stable"]) == ["stable"])
    #expect(names(["empty", "dead"]) == ["empty"])
    #expect(names([], ["classic"]) == ["empty", "stable"])
    #expect(names([], ["consumer"]) == [])
  }

  @Test("a thousand members rebalance")
  func manyMembers() throws {
    let world = try GroupWorld(["group.initial.rebalance.delay.ms": "3000"])
    let joins = Answers<Group.JoinAnswer>()
    for index in 0..<1000 { _ = world.shard.join("g", .client(new: "m\(index)"), then: joins.take) }
    world.pass(3000)
    world.pass(3000)
    #expect(joins.all.count == 1000)
    #expect(joins.all.first { $0.memberID == "m0" }?.members.count == 1000)
    let syncs = Answers<Group.SyncAnswer>()
    for answer in joins.all.reversed() {
      var sync = Group.Sync(.init(answer.memberID, generation: 1))
      for member in answer.members { sync.assignments[member.id] = Array(member.id.utf8) }
      if case .now(let synced) = world.shard.sync("g", sync, then: syncs.take) { syncs.take(synced) }
    }
    #expect(Set(syncs.all.map { String(decoding: $0.assignment, as: UTF8.self) }).count == 1000)
  }
}
