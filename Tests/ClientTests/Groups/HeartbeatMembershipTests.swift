import Base
import Cluster
import Model
import Testing

@testable import Client

@Suite("HeartbeatMembership")
struct HeartbeatMembershipTests {
  private let t0 = TopicPartition("t", 0)
  private let t1 = TopicPartition("t", 1)

  /// A member that was assigned partitions in epoch 3.
  private func member(_ assigned: [TopicPartition]) -> HeartbeatMembership {
    var membership = HeartbeatMembership(memberID: "m")
    _ = membership.step(.connected)
    _ = membership.step(.answered(epoch: 3, assigned))
    return membership
  }

  @Test("a member joins in epoch 0, reads what it is assigned, and says that it has it")
  func joining() {
    var membership = HeartbeatMembership(memberID: "m")
    #expect(membership.step(.connected) == [.heartbeat(.full)] && membership.epoch == 0)
    #expect(membership.step(.answered(epoch: 3, [t1, t0])) == [.assign([t0, t1]), .heartbeat(.owned)])
    #expect(membership.phase == .member && membership.epoch == 3 && membership.owned == [t0, t1])
    #expect(membership.step(.answered(epoch: 4, nil)) == [])
    #expect(membership.epoch == 4)
  }

  @Test("a member that is to wait for its partitions is a member without any")
  func waiting() {
    var membership = HeartbeatMembership(memberID: "m")
    _ = membership.step(.connected)
    #expect(membership.step(.answered(epoch: 3, [])) == [.assign([])])
    #expect(membership.step(.answered(epoch: 3, [t0])) == [.assign([t0]), .heartbeat(.owned)])
  }

  @Test("a member gives up what others are to have, says so at once, and reads on what it keeps")
  func revoking() {
    var membership = member([t0, t1])
    #expect(membership.step(.answered(epoch: 3, [t0])) == [.revoke([t1]), .heartbeat(.owned)])
    #expect(membership.owned == [t0])
  }

  @Test("a fenced member, and one that is not known any more, loses its partitions and joins again")
  func fenced() {
    for code in [ErrorCode.fencedMemberEpoch, .unknownMemberId] {
      var membership = member([t0])
      #expect(membership.step(.refused(.heartbeat, code)) == [.lose([t0]), .heartbeat(.full)])
      #expect(membership.epoch == 0 && membership.phase == .joining && membership.owned.isEmpty)
    }
  }

  @Test("a member that lost its coordinator reads on, and says everything to the next one")
  func reconnecting() {
    var membership = member([t0])
    #expect(membership.step(.disconnected) == [.connect] && membership.owned == [t0])
    #expect(membership.step(.connected) == [.heartbeat(.full)] && membership.epoch == 3)
    #expect(membership.step(.refused(.heartbeat, .notCoordinator)) == [.connect])
    #expect(membership.step(.refused(.heartbeat, .coordinatorLoadInProgress)) == [])
    #expect(membership.phase == .member)
  }

  @Test("a commit in an epoch that has passed is left to the next one; an error that will not pass ends the membership")
  func refusals() {
    var membership = member([t0])
    #expect(membership.step(.refused(.commit, .staleMemberEpoch)) == [] && membership.phase == .member)
    #expect(
      membership.step(.refused(.heartbeat, .groupMaxSizeReached)) == [.lose([t0]), .fail(.groupMaxSizeReached)])
    #expect(membership.step(.connected) == [])
  }

  @Test("a member gives everything up and leaves; one that never joined has nothing to leave")
  func leaving() {
    var membership = member([t0])
    #expect(membership.step(.leave) == [.revoke([t0]), .leave(memberID: "m")])
    #expect(membership.step(.answered(epoch: 4, [t1])) == [])
    var stranger = HeartbeatMembership(memberID: "m")
    #expect(stranger.step(.leave) == [])
  }

  @Test("the classic protocol knows no such answers, and the new one no others")
  func other() {
    var classic = Membership.classic(GroupMembership(isCooperative: false, isStatic: false))
    _ = classic.step(.connected)
    #expect(classic.step(.answered(epoch: 1, [t0])) == [] && classic.isClassic && classic.owned.isEmpty)
    var new = Membership.consumer(member([t0]))
    #expect(new.step(.synchronised([t1])) == [] && new.step(.joined(memberID: "x", generation: 9)) == [])
    #expect(!new.isClassic && new.generation == 3 && new.memberID == "m" && new.owned == [t0])
  }
}

/// Members of the new protocol and the broker's own coordinator, as values: messages are delivered one at a time in an order that a
/// seed decides.
private struct HeartbeatModel {
  struct Member {
    var membership: HeartbeatMembership
    /// On their way to it.
    var answers: [GroupMembership.Event] = []
    /// It crashed: it does nothing any more, and the coordinator has yet to notice.
    var isSilent = false
  }

  static let topic = SubscribedTopic(id: UUID128(high: 1, low: 1), name: "t", partitionCount: 7)

  private var random: SplitMix
  private var group = Cluster::ConsumerGroup(id: "g")
  private let settings = Cluster::ConsumerGroup.Settings()
  private let catalog = TopicCatalog(version: 1, names: { [topic.name] }, topic: { $0 == topic.name ? topic : nil })
  private var nowMs: Int64 = 0
  private var joined = 0
  private(set) var members: [Int: Member] = [:]

  init(seed: UInt64) { random = SplitMix(seed: seed) }

  mutating func happen() {
    nowMs += Int64(random.below(4_000))
    let all = members.keys.sorted()
    switch random.below(14) {
    case 0 where all.count < 6: come()
    case 1 where !all.isEmpty: leave(random.pick(all))
    case 2 where !all.isEmpty: members[random.pick(all)]?.isSilent = true
    case 3: _ = group.step(.tick, topics: catalog, settings: settings, nowMs: nowMs)
    case 4 where !all.isEmpty: reconnect(random.pick(all))
    case 5...8 where !all.isEmpty: heartbeat(random.pick(all))
    default: deliver()
    }
  }

  /// Nobody comes or goes any more, sessions of the silent end, and everything that was sent arrives.
  mutating func settle() {
    members = members.filter { !$0.value.isSilent }
    for _ in 0..<60 {
      nowMs += 5_000
      _ = group.step(.tick, topics: catalog, settings: settings, nowMs: nowMs)
      for number in members.keys.sorted() {
        while members[number]?.answers.isEmpty == false { deliver(to: number) }
        heartbeat(number)
      }
    }
  }

  private mutating func come() {
    joined += 1
    members[joined] = Member(membership: HeartbeatMembership(memberID: "m\(joined)"))
    step(joined, .connected)
  }

  /// The answers that are on their way are lost.
  private mutating func reconnect(_ number: Int) {
    guard members[number]?.isSilent == false else { return }
    members[number]?.answers = []
    step(number, .disconnected)
    step(number, .connected)
  }

  private mutating func leave(_ number: Int) {
    // As the client does: it waits for the answer to its heartbeat first.
    guard members[number]?.isSilent == false, members[number]?.answers.isEmpty == true else { return }
    step(number, .leave)
    members[number] = nil
  }

  private mutating func heartbeat(_ number: Int) {
    guard let member = members[number], !member.isSilent, member.answers.isEmpty else { return }
    beat(number, member.membership.phase == .joining ? .full : .plain)
  }

  private mutating func deliver() {
    let waiting = members.keys.sorted().filter {
      members[$0]?.answers.isEmpty == false && members[$0]?.isSilent == false
    }
    if !waiting.isEmpty { deliver(to: random.pick(waiting)) }
  }

  private mutating func deliver(to number: Int) {
    if let event = members[number]?.answers.removeFirst() { step(number, event) }
  }

  private mutating func step(_ number: Int, _ event: GroupMembership.Event) {
    for action in members[number]?.membership.step(event) ?? [] {
      switch action {
      case .heartbeat(let heartbeat): beat(number, heartbeat)
      case .leave: send(number, epoch: Cluster::ConsumerGroup.leaveEpoch, .plain)
      case .connect, .join, .synchronise, .assign, .revoke, .lose, .fail: break
      }
    }
  }

  private mutating func beat(_ number: Int, _ heartbeat: GroupMembership.Heartbeat) {
    guard let epoch = members[number]?.membership.epoch else { return }
    send(number, epoch: epoch, heartbeat)
  }

  /// The coordinator answers at once; the answer takes its time.
  private mutating func send(_ number: Int, epoch: Int32, _ heartbeat: GroupMembership.Heartbeat) {
    guard let membership = members[number]?.membership else { return }
    var request = Cluster::ConsumerGroup.Heartbeat(memberID: membership.memberID, memberEpoch: epoch)
    if heartbeat == .full {
      request.rebalanceTimeoutMs = 60_000
      request.subscription = [Self.topic.name]
    }
    if heartbeat != .plain { request.owned = Set(membership.owned.map { GroupPartition(Self.topic.id, $0.partition) }) }
    for effect in group.step(.heartbeat(request), topics: catalog, settings: settings, nowMs: nowMs) {
      guard case .response(let response) = effect else { continue }
      members[number]?.answers.append(Self.event(response))
    }
  }

  private static func event(_ response: Result<Cluster::ConsumerGroup.Response, ApiError>) -> GroupMembership.Event {
    switch response {
    case .success(let answer):
      .answered(epoch: answer.memberEpoch, answer.assignment.map { $0.map { TopicPartition(topic.name, $0.number) } })
    case .failure(let error): .refused(.heartbeat, error.code)
    }
  }

  /// The partitions that two living members of the group read at once. A member that the coordinator has put out reads until it learns
  /// of that: its commits are refused.
  var readTwice: [TopicPartition] {
    var readers: [TopicPartition: Int] = [:]
    for member in members.values where !member.isSilent && group.members[member.membership.memberID] != nil {
      for partition in member.membership.owned { readers[partition, default: 0] += 1 }
    }
    return readers.filter { $0.value > 1 }.keys.sorted()
  }

  /// How many members read each partition.
  var readers: [Int] {
    (0..<Self.topic.partitionCount).map { index in
      members.values.count { $0.membership.owned.contains(TopicPartition(Self.topic.name, index)) }
    }
  }
}

@Suite("A group of members of the new protocol")
struct HeartbeatModelTests {
  @Test(
    "reads no partition twice, and in the end each once, whatever members come, leave, reconnect and fall silent",
    arguments: UInt64(1)...100)
  func seeded(seed: UInt64) {
    var group = HeartbeatModel(seed: seed)
    for step in 0..<400 {
      group.happen()
      guard group.readTwice.isEmpty else {
        Issue.record("seed \(seed), step \(step): \(group.readTwice) are read twice")
        return
      }
    }
    group.settle()
    let isRead = group.members.isEmpty ? 0 : 1
    #expect(group.readers == Array(repeating: isRead, count: 7), "seed \(seed), \(group.members.count) members")
    for member in group.members.values { #expect(member.membership.phase == .member) }
    // Who gives nothing up keeps the others from their share.
    let counts = group.members.values.map(\.membership.owned.count)
    #expect((counts.max() ?? 0) - (counts.min() ?? 0) <= 1, "seed \(seed): \(counts)")
  }
}
