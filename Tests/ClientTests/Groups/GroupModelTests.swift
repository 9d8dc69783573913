import Base
import Model
import Testing

@testable import Client

/// A coordinator and its members as values: messages travel one at a time in an order that a seed decides, members come, leave
/// and fall silent. What members own is what they read.
private struct GroupModel {
  /// One member, with the answers that are on their way to it.
  struct Member {
    var membership: GroupMembership
    var answers: [GroupMembership.Event] = []
    /// It crashed: it does nothing any more, and the coordinator has yet to notice.
    var isSilent = false
  }

  private struct Joined {
    var owned: [TopicPartition]
    var generation: Int32
    /// The member waits for the answer to its request to join.
    var isWaiting: Bool
  }

  private let assignor: Assignor
  private let partitions: [String: Int32]
  private(set) var random: SplitMix
  private(set) var members: [Int: Member] = [:]
  private var nextMember = 0
  // The coordinator.
  private var known: [String: Joined] = [:]
  private var generation: Int32 = 0
  private var isRebalancing = false
  /// The assignment of the present generation; nil before the leader has sent it.
  private var assignment: [String: [TopicPartition]]?
  private var waitingForAssignment: [String] = []
  private var nextID = 0

  init(_ assignor: Assignor, partitions: Int32, seed: UInt64) {
    self.assignor = assignor
    self.partitions = ["t": partitions]
    random = SplitMix(seed: seed)
  }

  // MARK: What happens

  mutating func happen() {
    let all = members.keys.sorted()
    switch random.below(12) {
    case 0 where all.count < 6: come()
    case 1 where !all.isEmpty: leave(random.pick(all))
    case 2 where !all.isEmpty: members[random.pick(all)]?.isSilent = true
    case 3: noticeSilence()
    // A member that lives is late with its heartbeats.
    case 4 where !all.isEmpty && random.below(3) == 0: remove(members[random.pick(all)]?.membership.memberID ?? "")
    case 5, 6, 7: heartbeat()
    default: deliver()
    }
  }

  /// Nobody comes or goes any more, and everything that was sent arrives.
  mutating func settle() {
    noticeSilence()
    for _ in 0..<40 {
      while members.values.contains(where: { !$0.answers.isEmpty }) { deliver() }
      for number in members.keys.sorted() { heartbeat(number) }
    }
  }

  private mutating func come() {
    nextMember += 1
    members[nextMember] = Member(membership: GroupMembership(isCooperative: assignor.isCooperative, isStatic: false))
    step(nextMember, .connected)
  }

  private mutating func leave(_ number: Int) {
    guard members[number]?.isSilent == false else { return }
    step(number, .leave)
    expire(number)
  }

  /// The coordinator takes a member, or the id that it was to join with, for dead.
  private mutating func expire(_ number: Int) {
    guard let member = members.removeValue(forKey: number) else { return }
    remove(member.membership.memberID)
    for case .memberIDGiven(let id) in member.answers { remove(id) }
  }

  /// The sessions of silent members end.
  private mutating func noticeSilence() {
    for number in members.keys.sorted() where members[number]?.isSilent == true { expire(number) }
  }

  private mutating func heartbeat() {
    let all = members.keys.sorted()
    if !all.isEmpty { heartbeat(random.pick(all)) }
  }

  private mutating func heartbeat(_ number: Int) {
    guard let member = members[number], !member.isSilent, member.membership.phase == .member, member.answers.isEmpty
    else {
      return
    }
    let id = member.membership.memberID
    if known[id] == nil {
      step(number, .refused(.heartbeat, .unknownMemberId))
    } else if isRebalancing {
      step(number, .refused(.heartbeat, .rebalanceInProgress))
    }
  }

  private mutating func deliver() {
    let waiting = members.keys.sorted().filter {
      members[$0]?.answers.isEmpty == false && members[$0]?.isSilent == false
    }
    guard !waiting.isEmpty else { return }
    let number = random.pick(waiting)
    guard let event = members[number]?.answers.removeFirst() else { return }
    step(number, event)
  }

  private mutating func step(_ number: Int, _ event: GroupMembership.Event) {
    for action in members[number]?.membership.step(event) ?? [] {
      switch action {
      case .join: join(number)
      case .synchronise: synchronise(number)
      case .leave(let id): remove(id)
      case .connect, .heartbeat, .assign, .revoke, .lose, .fail: break
      }
    }
  }

  // MARK: The coordinator

  private mutating func answer(_ id: String, _ event: GroupMembership.Event) {
    for number in members.keys.sorted() where members[number]?.membership.memberID == id {
      members[number]?.answers.append(event)
    }
  }

  private mutating func join(_ number: Int) {
    guard let membership = members[number]?.membership else { return }
    guard !membership.memberID.isEmpty else {
      nextID += 1
      members[number]?.answers.append(.memberIDGiven("m\(nextID)"))
      known["m\(nextID)"] = Joined(owned: [], generation: -1, isWaiting: false)
      // A member that was given an id is expected to join with it.
      isRebalancing = true
      return
    }
    guard known[membership.memberID] != nil else {
      members[number]?.answers.append(.refused(.join, .unknownMemberId))
      return
    }
    known[membership.memberID] = Joined(
      owned: membership.owned.sorted(), generation: membership.generation, isWaiting: true)
    isRebalancing = true
    interruptSynchronisation()
    completeIfAllWait()
  }

  private mutating func remove(_ id: String) {
    guard let removed = known.removeValue(forKey: id) else { return }
    if removed.isWaiting { answer(id, .refused(.join, .unknownMemberId)) }
    isRebalancing = !known.isEmpty
    interruptSynchronisation()
    completeIfAllWait()
  }

  private mutating func interruptSynchronisation() {
    for id in waitingForAssignment { answer(id, .refused(.synchronise, .rebalanceInProgress)) }
    waitingForAssignment = []
  }

  private mutating func completeIfAllWait() {
    guard isRebalancing, !known.isEmpty, known.values.allSatisfy(\.isWaiting) else { return }
    isRebalancing = false
    generation += 1
    assignment = nil
    for id in known.keys.sorted() {
      known[id]?.isWaiting = false
      answer(id, .joined(memberID: id, generation: generation))
    }
  }

  private mutating func synchronise(_ number: Int) {
    guard let membership = members[number]?.membership else { return }
    let id = membership.memberID
    guard known[id] != nil else {
      members[number]?.answers.append(.refused(.synchronise, .unknownMemberId))
      return
    }
    guard membership.generation == generation, !isRebalancing else {
      members[number]?.answers.append(
        .refused(.synchronise, membership.generation == generation ? .rebalanceInProgress : .illegalGeneration))
      return
    }
    waitingForAssignment.append(id)
    // The leader is the first by its id, and assigns by what all have said.
    if id == known.keys.sorted().first {
      let group = known.keys.sorted().map { id in
        GroupMember(id: id, topics: ["t"], owned: known[id]?.owned ?? [], generation: known[id]?.generation ?? -1)
      }
      assignment = assignor.assign(group, partitions: partitions)
    }
    guard let assignment else { return }
    for id in waitingForAssignment { answer(id, .synchronised(assignment[id] ?? [])) }
    waitingForAssignment = []
  }

  // MARK: What must hold

  /// The partitions that two living members of the group read at once. A member that the coordinator has put out reads until it
  /// learns of that: its commits are refused.
  var readTwice: [TopicPartition] {
    var readers: [TopicPartition: Int] = [:]
    for member in members.values where !member.isSilent && known[member.membership.memberID] != nil {
      for partition in member.membership.owned { readers[partition, default: 0] += 1 }
    }
    return readers.filter { $0.value > 1 }.keys.sorted()
  }

  /// How often each partition is read, by partition.
  var readers: [Int] {
    (0..<(partitions["t"] ?? 0)).map { index in
      members.values.count { $0.membership.owned.contains(TopicPartition("t", index)) }
    }
  }
}

@Suite("A group of members")
struct GroupModelTests {
  @Test(
    "reads no partition twice, and in the end each once, whatever members come, leave and fall silent",
    arguments: Assignor.allCases, UInt64(1)...60)
  func seeded(assignor: Assignor, seed: UInt64) {
    var group = GroupModel(assignor, partitions: 7, seed: seed)
    for step in 0..<400 {
      group.happen()
      guard group.readTwice.isEmpty else {
        Issue.record("\(assignor), seed \(seed), step \(step): \(group.readTwice) are read twice")
        return
      }
    }
    group.settle()
    let members = group.members.count
    #expect(
      group.readers == Array(repeating: members == 0 ? 0 : 1, count: 7), "\(assignor), seed \(seed), \(members) members"
    )
    for member in group.members.values { #expect(member.membership.phase == .member) }
  }
}
