import Model

/// A group of the classic protocol (Kafka: GroupMetadata with the rules of GroupCoordinator). A value without I/O: `step` takes an
/// event and returns effects; the owner carries these out in order.
///
/// Members join, one of them, the leader, assigns the partitions, and each asks for its part:
///
///     join a       →  rebalance: a new group waits group.initial.rebalance.delay.ms for more members   PreparingRebalance
///     join b
///     tick         →  joined a (leader, with both members), joined b: generation 1                   CompletingRebalance
///     sync b          waits for the leader
///     sync a       →  store
///     stored       →  synced b, synced a                                                                          Stable
///     join c       →  rebalance: a and b are told by their heartbeats, and have until their rebalance timeout to join again
///
/// A rebalance completes when every member has joined again, or at the rebalance timeout without the dynamic members that have
/// not. Whatever comes meanwhile, members that leave or new ones, belongs to the same rebalance: one, not two.
///
/// A generation is in the log before a member gets its assignment, so that a coordinator that reads the log knows every generation
/// that a member may speak of.
package struct Group: Sendable {
  /// The states by Kafka's names.
  package enum State: String, CaseIterable, Sendable {
    case empty = "Empty"
    case preparingRebalance = "PreparingRebalance"
    case completingRebalance = "CompletingRebalance"
    case stable = "Stable"
    case dead = "Dead"
  }

  /// What all groups of a coordinator have in common.
  package struct Rules: Sendable {
    /// group.min.session.timeout.ms and group.max.session.timeout.ms.
    package var sessionTimeoutMsMin: Int32
    package var sessionTimeoutMsMax: Int32
    /// group.initial.rebalance.delay.ms.
    package var initialRebalanceDelayMs: Int64
    /// group.max.size.
    package var sizeMax: Int
    /// Reads the topics out of a consumer's subscription; nil for bytes that are none.
    package var topics: @Sendable (_ subscription: [UInt8]) -> [String]?

    package init(
      sessionTimeoutMsMin: Int32, sessionTimeoutMsMax: Int32, initialRebalanceDelayMs: Int64, sizeMax: Int,
      topics: @escaping @Sendable (_ subscription: [UInt8]) -> [String]?
    ) {
      self.sessionTimeoutMsMin = sessionTimeoutMsMin
      self.sessionTimeoutMsMax = sessionTimeoutMsMax
      self.initialRebalanceDelayMs = initialRebalanceDelayMs
      self.sizeMax = sizeMax
      self.topics = topics
    }
  }

  /// The wait of a rebalance for members to join.
  struct JoinWait: Equatable {
    var deadlineMs: Int64
    /// Of a group that was empty: the time for which the wait may still be extended while members come; nil in any other
    /// rebalance, which completes as soon as everybody has joined.
    var extensibleMs: Int64?
  }

  /// Why a record is being stored, and what to do when it is or when it cannot be.
  enum Storing {
    /// The group is empty since this generation.
    case emptied
    /// The leader's assignment of a generation.
    case assignment(generation: Int32, [String: [UInt8]])
    /// A static member has come back under a new member id.
    case replacement(Replacement)
  }

  package let id: String
  package let rules: Rules
  package private(set) var state = State.empty
  package internal(set) var generation: Int32 = 0
  /// `consumer` for consumers; nil for a group that has never had members, which only keeps offsets.
  package internal(set) var protocolType: String?
  /// The protocol of this generation.
  package internal(set) var protocolName: String?
  /// The member id of the leader.
  package internal(set) var leader: String?
  /// When the group entered its state, in milliseconds since 1970; nil when its record does not say.
  package internal(set) var stateTimestampMs: Int64?
  /// The topics that the members of this generation subscribe to; nil when that is unknown.
  package internal(set) var subscribedTopics: Set<String>?

  /// The members by their ids. `membersInOrder` where their order can be seen.
  var members: [String: GroupMember] = [:]
  /// The member ids of static members by their instance ids.
  var staticMembers: [String: String] = [:]
  /// The ids that were given to clients that have not joined with them, with the time at which they expire.
  var pendingMembers: [String: Int64] = [:]
  /// How many members have each protocol.
  var supportedProtocols: [String: Int] = [:]
  /// Members whose JoinGroup waits.
  var awaitingJoin = 0
  /// Members of this generation that have not asked for their assignment.
  var owingSync = 0
  /// In PreparingRebalance.
  var joinWait: JoinWait?
  /// A new member has joined since the wait of a new group began or was extended.
  var hasNewMember = false
  /// When members of this generation are removed that have not asked for their assignment.
  var syncDeadlineMs: Int64?
  var storing: [StoreID: Storing] = [:]
  var stores: StoreID = 0
  var ordinals: UInt64 = 0

  /// The time of the present step.
  var now: Instant
  var effects: [Effect] = []
  /// No deadline is earlier; the true one may be later, because heartbeats come.
  package private(set) var nextDeadlineMs: Int64?

  /// Makes an empty group.
  package init(_ id: String, rules: Rules, at now: Instant) {
    self.id = id
    self.rules = rules
    self.now = now
    stateTimestampMs = now.wallMs
  }

  package mutating func step(_ event: Event, at now: Instant) -> [Effect] {
    self.now = now
    switch event {
    case .join(let request, let join): self.join(request, join)
    case .sync(let request, let sync): self.sync(request, sync)
    case .heartbeat(let request, let membership): effects.append(.heartbeat(request, heartbeat(membership)))
    case .leave(let request, let leavers): leave(request, leavers)
    case .stored(let store, let error): stored(store, error)
    case .tick: break
    case .loaded: loaded()
    case .unloaded(let error): unload(error)
    }
    passDeadlines()
    defer { effects = [] }
    return effects
  }

  /// The members in the order in which they joined.
  package var membersInOrder: [GroupMember] { members.values.sorted { $0.ordinal < $1.ordinal } }
  package var memberCount: Int { members.count }
  package var pendingMemberCount: Int { pendingMembers.count }
  /// Requests that wait for an answer.
  package var waitingRequests: Int { awaitingJoin + members.values.count(where: \.isAwaitingSync) }
  package var isEmpty: Bool { state == .empty }

  /// The group has nothing to remember: it can be forgotten without a trace in the log.
  package var isUnused: Bool {
    state == .empty && generation == 0 && pendingMembers.isEmpty && storing.isEmpty
  }

  mutating func transition(to next: State) {
    state = next
    stateTimestampMs = now.wallMs
  }

  /// Sets the state that a record has, and leaves its timestamp.
  mutating func restore(_ restored: State) { state = restored }

  /// Wants a tick at `deadlineMs`, or before.
  mutating func arm(_ deadlineMs: Int64) { nextDeadlineMs = min(nextDeadlineMs ?? .max, deadlineMs) }

  /// Sets the next deadline to the earliest there is, after some have passed.
  mutating func rearm() {
    nextDeadlineMs = nil
    for member in members.values {
      if let deadline = member.sessionDeadlineMs { arm(deadline) }
    }
    for deadline in pendingMembers.values { arm(deadline) }
    if let joinWait { arm(joinWait.deadlineMs) }
    if let syncDeadlineMs { arm(syncDeadlineMs) }
  }
}

extension Group {
  /// Says whether the request comes from a member of the group: of the present bearer of its instance id, where it has one.
  func check(_ memberID: String, instanceID: String?) -> ErrorCode {
    if let instanceID {
      guard let current = staticMembers[instanceID] else { return .unknownMemberId }
      guard current == memberID else { return .fencedInstanceId }
    }
    return members[memberID] == nil ? .unknownMemberId : .none
  }

  func check(_ membership: Membership) -> ErrorCode {
    if state == .dead { return .coordinatorNotAvailable }
    let error = check(membership.memberID, instanceID: membership.instanceID)
    guard error == .none else { return error }
    return membership.generation == generation ? .none : .illegalGeneration
  }

  private mutating func heartbeat(_ membership: Membership) -> ErrorCode {
    let error = check(membership)
    guard error == .none else { return error }
    switch state {
    case .empty, .dead: return .unknownMemberId
    case .preparingRebalance:
      renewSession(of: membership.memberID)
      return .rebalanceInProgress
    case .completingRebalance, .stable:
      renewSession(of: membership.memberID)
      return .none
    }
  }

  private mutating func stored(_ store: StoreID, _ error: ErrorCode) {
    switch storing.removeValue(forKey: store) {
    case nil, .emptied?: break
    case .assignment(let generation, let assignments)?: assigned(assignments, of: generation, error)
    case .replacement(let replacement)?: replaced(replacement, error)
    }
  }

  /// Asks for the group's record to be stored, with these assignments.
  mutating func store(_ reason: Storing, assignments: [String: [UInt8]]) {
    stores += 1
    storing[stores] = reason
    effects.append(.store(stores, record(assignments)))
  }

  private mutating func loaded() {
    if members.count > rules.sizeMax { prepareRebalance("the group read from the log exceeds group.max.size") }
    for member in members.values { renewSession(of: member.id) }
  }

  private mutating func unload(_ error: ErrorCode) {
    for member in membersInOrder {
      answerJoin(of: member.id, JoinAnswer(error: error, memberID: member.id))
      answerSync(of: member.id, SyncAnswer(error: error))
    }
    members = [:]
    staticMembers = [:]
    pendingMembers = [:]
    supportedProtocols = [:]
    (awaitingJoin, owingSync) = (0, 0)
    (joinWait, syncDeadlineMs, leader) = (nil, nil, nil)
    storing = [:]
    transition(to: .dead)
    rearm()
  }
}
