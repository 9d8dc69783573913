import Model
import Testing

@testable import Cluster

/// A consumer group with its topics and its clock, and members that heartbeat as clients do.
struct GroupUnderTest {
  var group = ConsumerGroup(id: "g")
  /// The same changes, replayed into another group.
  var replayed = ConsumerGroup(id: "g")
  var settings = ConsumerGroup.Settings()
  var topics: [String: SubscribedTopic] = [:]
  var version = 0
  var nowMs: Int64 = 1_000
  /// The partitions that each client consumes.
  var owned: [String: Set<GroupPartition>] = [:]
  var epochs: [String: Int32] = [:]
  private var nextID: UInt64 = 1

  init(_ topics: [(name: String, partitions: Int32)] = [("t", 2)]) {
    for topic in topics { make(topic.name, topic.partitions) }
  }

  mutating func make(_ name: String, _ partitions: Int32) {
    let id = topics[name]?.id ?? UUID128(high: 0, low: nextID)
    nextID += 1
    topics[name] = SubscribedTopic(id: id, name: name, partitionCount: partitions)
    version += 1
  }

  func partitions(_ numbers: Int32..., of topic: String = "t") -> Set<GroupPartition> {
    Set(numbers.map { GroupPartition(topics[topic]!.id, $0) })
  }

  var catalog: TopicCatalog {
    let topics = topics
    return TopicCatalog(version: version, names: { Array(topics.keys) }) { topics[$0] }
  }

  mutating func step(_ event: ConsumerGroup.Event) -> Result<ConsumerGroup.Response, ApiError>? {
    var response: Result<ConsumerGroup.Response, ApiError>?
    for effect in group.step(event, topics: catalog, settings: settings, nowMs: nowMs) {
      switch effect {
      case .write(let changes): for change in changes { replayed.replay(change) }
      case .response(let found): response = found
      }
    }
    return response
  }

  mutating func join(
    _ id: String, to topics: [String] = ["t"], matching pattern: String? = nil, instance: String? = nil,
    assignor: String? = nil
  ) throws -> ConsumerGroup.Response {
    var heartbeat = ConsumerGroup.Heartbeat(memberID: id, memberEpoch: 0)
    heartbeat.rebalanceTimeoutMs = 300_000
    heartbeat.subscription = topics
    heartbeat.pattern = pattern
    heartbeat.instanceID = instance
    heartbeat.serverAssignor = assignor
    heartbeat.owned = []
    owned[id] = []
    return try took(id, step(.heartbeat(heartbeat)))
  }

  /// Heartbeats as a client does whose partitions are those that it was last told.
  mutating func beat(_ id: String, instance: String? = nil) throws -> ConsumerGroup.Response {
    var heartbeat = ConsumerGroup.Heartbeat(memberID: id, memberEpoch: epochs[id] ?? -9)
    heartbeat.instanceID = instance
    heartbeat.owned = owned[id]
    return try took(id, step(.heartbeat(heartbeat)))
  }

  mutating func leave(_ id: String, _ epoch: Int32 = ConsumerGroup.leaveEpoch, instance: String? = nil) throws {
    var heartbeat = ConsumerGroup.Heartbeat(memberID: id, memberEpoch: epoch)
    heartbeat.instanceID = instance
    _ = try step(.heartbeat(heartbeat))!.get()
    owned[id] = nil
    epochs[id] = nil
  }

  private mutating func took(
    _ id: String, _ result: Result<ConsumerGroup.Response, ApiError>?
  ) throws -> ConsumerGroup.Response {
    let response = try result!.get()
    epochs[id] = response.memberEpoch
    if let assignment = response.assignment { owned[id] = Set(assignment) }
    return response
  }

  /// What both must agree in: all that is stored.
  var isReplayedEqual: Bool {
    group.epoch == replayed.epoch && group.assignmentEpoch == replayed.assignmentEpoch
      && group.members == replayed.members && group.topics == replayed.topics && group.target == replayed.target
  }
}

@Suite("A consumer group of the new protocol")
struct ConsumerGroupTests {
  private func code(_ body: () throws -> Void) -> ErrorCode? {
    do { try body() } catch let error as ApiError { return error.code } catch {}
    return nil
  }

  @Test("the first member gets every partition with its first heartbeat")
  func first() throws {
    var test = GroupUnderTest()
    let response = try test.join("a")
    #expect(response.memberEpoch == 1 && response.assignment.map(Set.init) == test.partitions(0, 1))
    #expect(response.heartbeatIntervalMs == 5_000)
    #expect(test.group.phase == .stable && test.group.epoch == 1 && test.group.assignmentEpoch == 1)
    #expect(test.isReplayedEqual)
  }

  @Test("a second member waits for the partition that the first gives up, and nobody else stops")
  func second() throws {
    var test = GroupUnderTest()
    _ = try test.join("a")
    let joined = try test.join("b")
    #expect(joined.memberEpoch == 2 && joined.assignment == [])
    #expect(test.group.phase == .reconciling)
    let told = try test.beat("a")
    #expect(told.memberEpoch == 1 && told.assignment.map(Set.init) == test.partitions(0), "a must give up 1 first")
    #expect(try test.beat("b").assignment == nil, "1 is not free yet")
    let given = try test.beat("a")
    #expect(given.memberEpoch == 2 && given.assignment == nil)
    let got = try test.beat("b")
    #expect(got.memberEpoch == 2 && got.assignment.map(Set.init) == test.partitions(1))
    #expect(test.group.phase == .stable && test.isReplayedEqual)
  }

  @Test("a member that leaves frees its partitions for the others")
  func leaving() throws {
    var test = GroupUnderTest()
    _ = try test.join("a")
    _ = try test.join("b")
    for _ in 0..<2 { for id in ["a", "b"] { _ = try test.beat(id) } }
    try test.leave("a")
    #expect(test.group.phase == .assigning && test.group.epoch == 3)
    let response = try test.beat("b")
    #expect(response.memberEpoch == 3 && response.assignment.map(Set.init) == test.partitions(0, 1))
    try test.leave("b")
    #expect(test.group.phase == .empty && test.group.owners.isEmpty && test.isReplayedEqual)
  }

  @Test("a member whose session ends is removed, and its next heartbeat is from nobody")
  func session() throws {
    var test = GroupUnderTest()
    _ = try test.join("a")
    test.nowMs += 44_999
    _ = test.step(.tick)
    #expect(test.group.memberIDs == ["a"])
    #expect(test.group.nextDeadlineMs == 46_000)
    test.nowMs += 1
    _ = test.step(.tick)
    #expect(test.group.phase == .empty && test.group.nextDeadlineMs == nil && test.isReplayedEqual)
    #expect(code { _ = try test.beat("a") } == .unknownMemberId)
  }

  @Test("a member that does not give up its partitions in time is removed")
  func stuck() throws {
    var test = GroupUnderTest()
    _ = try test.join("a")
    _ = try test.join("b")
    _ = try test.beat("a")
    // It goes on to heartbeat, and keeps partition 1.
    test.owned["a"] = test.partitions(0, 1)
    for _ in 0..<10 {
      test.nowMs += 30_000
      if test.group.members["a"] != nil { _ = try? test.beat("a") }
      _ = try test.beat("b")
      _ = test.step(.tick)
    }
    #expect(test.group.memberIDs == ["b"])
    #expect(try test.beat("b").assignment.map(Set.init) ?? test.owned["b"] == test.partitions(0, 1))
  }

  @Test(
    "a heartbeat of the epoch before is taken from a member that has not got the last response, and fenced when it owns more"
  )
  func lostResponse() throws {
    var test = GroupUnderTest()
    _ = try test.join("a")
    _ = try test.join("b")
    _ = try test.beat("a")
    _ = try test.beat("a")
    #expect(test.epochs["a"] == 2)
    test.epochs["a"] = 1
    #expect(try test.beat("a").memberEpoch == 2)
    test.epochs["a"] = 1
    test.owned["a"] = test.partitions(0, 1)
    #expect(code { _ = try test.beat("a") } == .fencedMemberEpoch)
    test.epochs["a"] = 3
    #expect(code { _ = try test.beat("a") } == .fencedMemberEpoch)
  }

  @Test("a static member comes back to its partitions, as another member")
  func staticMember() throws {
    var test = GroupUnderTest()
    _ = try test.join("a", instance: "i")
    _ = try test.join("b")
    for _ in 0..<2 {
      _ = try test.beat("a", instance: "i")
      _ = try test.beat("b")
    }
    #expect(code { _ = try test.join("c", instance: "i") } == .unreleasedInstanceId)
    try test.leave("a", ConsumerGroup.staticLeaveEpoch, instance: "i")
    _ = try test.beat("b")
    #expect(test.owned["b"] == test.partitions(1), "nobody gets what the static member had")
    let epoch = test.group.epoch
    let back = try test.join("c", instance: "i")
    #expect(back.assignment.map(Set.init) == test.partitions(0) && test.group.epoch == epoch)
    #expect(test.group.memberIDs == ["b", "c"] && test.isReplayedEqual)
    test.epochs["a"] = 2
    #expect(code { _ = try test.beat("a", instance: "i") } == .fencedInstanceId)
    #expect(code { _ = try test.beat("b", instance: "x") } == .unknownMemberId)
  }

  @Test("new partitions are assigned with the next heartbeat")
  func growth() throws {
    var test = GroupUnderTest()
    _ = try test.join("a")
    test.make("t", 3)
    let response = try test.beat("a")
    #expect(response.memberEpoch == 2 && response.assignment.map(Set.init) == test.partitions(0, 1, 2))
    #expect(test.isReplayedEqual)
  }

  @Test("a topic that comes later is assigned when it is there")
  func laterTopic() throws {
    var test = GroupUnderTest([])
    #expect(try test.join("a", to: ["t"]).assignment == [])
    test.make("t", 1)
    #expect(try test.beat("a").assignment.map(Set.init) == test.partitions(0))
  }

  @Test("what a heartbeat cannot mean is refused, and changes nothing")
  func refused() throws {
    var test = GroupUnderTest()
    let before = test.group
    func refusal(_ change: (inout ConsumerGroup.Heartbeat) -> Void) -> ErrorCode? {
      var heartbeat = ConsumerGroup.Heartbeat(memberID: "a", memberEpoch: 0)
      heartbeat.rebalanceTimeoutMs = 1_000
      heartbeat.subscription = ["t"]
      heartbeat.owned = []
      change(&heartbeat)
      return code { _ = try test.step(.heartbeat(heartbeat))?.get() }
    }
    #expect(refusal { $0.memberID = "" } == .invalidRequest)
    #expect(refusal { $0.instanceID = "" } == .invalidRequest)
    #expect(refusal { $0.rackID = "" } == .invalidRequest)
    #expect(refusal { $0.rebalanceTimeoutMs = -1 } == .invalidRequest)
    #expect(refusal { $0.subscription = [] } == .invalidRequest)
    #expect(refusal { $0.owned = nil } == .invalidRequest)
    #expect(refusal { $0.memberEpoch = -2 } == .invalidRequest)
    #expect(refusal { $0.memberEpoch = -3 } == .invalidRequest)
    #expect(refusal { $0.memberEpoch = 1 } == .unknownMemberId)
    #expect(refusal { $0.serverAssignor = "sticky" } == .unsupportedAssignor)
    #expect(test.group == before)
    test.settings.membersMax = 1
    _ = try test.join("a")
    #expect(code { _ = try test.join("b") } == .groupMaxSizeReached)
    #expect(try test.join("a").memberEpoch == 1, "a member that is there may join again")
  }

  @Test("offsets are committed in the member's present epoch, and by nobody only while the group is empty")
  func commits() throws {
    var test = GroupUnderTest()
    try test.group.checkCommit(memberID: "", epoch: -1)
    _ = try test.join("a")
    try test.group.checkCommit(memberID: "a", epoch: 1)
    #expect(code { try test.group.checkCommit(memberID: "a", epoch: 0) } == .staleMemberEpoch)
    #expect(code { try test.group.checkCommit(memberID: "", epoch: -1) } == .unknownMemberId)
  }

  @Test("a pattern subscribes to the topics that match it, those that come later and no longer those that go")
  func pattern() throws {
    var test = GroupUnderTest([("t", 1), ("orders-eu", 1), ("orders", 1)])
    #expect(
      try test.join("a", to: [], matching: "orders-.*").assignment.map(Set.init) == test.partitions(0, of: "orders-eu"))
    #expect(test.group.subscribedTopics == ["orders-eu"] && test.isReplayedEqual)
    #expect(test.group.isSubscribed(to: "orders-us") && !test.group.isSubscribed(to: "orders"))
    test.make("orders-us", 1)
    let more = test.partitions(0, of: "orders-eu").union(test.partitions(0, of: "orders-us"))
    #expect(try test.beat("a").assignment.map(Set.init) == more)
    let eu = test.partitions(0, of: "orders-eu")
    test.topics["orders-eu"] = nil
    test.version += 1
    #expect(try test.beat("a").assignment.map(Set.init) == more.subtracting(eu))
    #expect(test.group.subscribedTopics == ["orders-us"] && test.isReplayedEqual)
  }

  @Test("a member has the topics that it names and those of its pattern, until it takes the pattern back")
  func patternAndNames() throws {
    var test = GroupUnderTest([("t", 1), ("u", 1)])
    _ = try test.join("a", to: ["t"], matching: "[u-w]")
    #expect(test.owned["a"] == test.partitions(0, of: "t").union(test.partitions(0, of: "u")))
    var heartbeat = ConsumerGroup.Heartbeat(memberID: "a", memberEpoch: 1)
    heartbeat.pattern = ""
    let left = try test.step(.heartbeat(heartbeat))!.get().assignment
    #expect(left.map(Set.init) == test.partitions(0, of: "t") && test.group.members["a"]?.description.pattern == nil)
    heartbeat.pattern = "(u"
    #expect(code { _ = try test.step(.heartbeat(heartbeat))!.get() } == .invalidRegularExpression)
    #expect(code { _ = try test.join("b", to: [], matching: "") } == .invalidRequest)
  }

  @Test("a group that is replayed in the order of a compacted log is the same")
  func compacted() throws {
    var test = GroupUnderTest()
    _ = try test.join("a")
    var group = ConsumerGroup(id: "g")
    let member = test.group.members["a"]!
    for change: ConsumerGroup.Change in [
      .current("a", member.current), .target("a", test.group.target["a"]), .targetEpoch(1), .topics(test.group.topics),
      .epoch(1), .member("a", member.description),
    ] { group.replay(change) }
    #expect(group.members == test.group.members && group.owners == test.group.owners)
    group.beginSessions(settings: test.settings, nowMs: 5)
    #expect(group.nextDeadlineMs == 45_005)
  }
}
