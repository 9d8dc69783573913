package import Model

/// A member's part in a consumer group of the classic protocol: when to join, synchronise, heartbeat, give up partitions and
/// leave. A value without I/O: events go in, actions come out, to be carried out in order.
///
///     connected                → join
///     joined                   → synchronise
///     synchronised [t-0 t-1]   → assign [t-0 t-1]
///     heartbeat refused (27)   → revoke [t-0 t-1], join          eager: everything is given up first
///                              → join                            cooperative: reading goes on
///     synchronised [t-0]       → revoke [t-1], join              cooperative: the rest is given up, and others may have it
package struct GroupMembership: Sendable {
  package enum Phase: Equatable, Sendable {
    case outside, joining, synchronising, member, left
    case failed(ErrorCode)
  }

  /// How much a heartbeat of the new protocol says; a classic one says nothing but that the member lives.
  package enum Heartbeat: Equatable, Sendable {
    /// Everything, as the one that joins does, and the first after a lost response.
    case full
    /// What the member owns.
    case owned
    case plain
  }

  /// What a refusal answers.
  package enum Request: Sendable { case join, synchronise, heartbeat, commit }

  package enum Event: Sendable {
    /// The group's coordinator was found and connected to.
    case connected
    /// The connection ended, or the broker is not the coordinator any more.
    case disconnected
    /// The coordinator wants the member to join with this id.
    case memberIDGiven(String)
    case joined(memberID: String, generation: Int32)
    case synchronised([TopicPartition])
    /// A heartbeat of the new protocol was answered, with the whole assignment or with nil when the member knows it.
    case answered(epoch: Int32, [TopicPartition]?)
    case refused(Request, ErrorCode)
    case leave
  }

  package enum Action: Equatable, Sendable {
    /// Find the coordinator and connect to it, after a pause.
    case connect
    /// Send JoinGroup with `memberID` and what is owned, after a pause or at once.
    case join(isDelayed: Bool)
    /// Send SyncGroup; the leader's has everyone's assignment.
    case synchronise
    /// Send ConsumerGroupHeartbeat.
    case heartbeat(Heartbeat)
    /// Read these, beside what is read already.
    case assign([TopicPartition])
    /// Stop reading these, and commit how far they were read.
    case revoke([TopicPartition])
    /// Stop reading these, which may be another member's already: commits would be refused.
    case lose([TopicPartition])
    /// Send LeaveGroup, or in the new protocol the last heartbeat.
    case leave(memberID: String)
    case fail(ErrorCode)
  }

  package private(set) var phase = Phase.outside
  /// Empty before the coordinator has given one.
  package private(set) var memberID = ""
  package private(set) var generation: Int32 = -1
  /// What the member reads.
  package private(set) var owned: Set<TopicPartition> = []
  /// How often the member was assigned partitions.
  package private(set) var generations = 0
  private let isCooperative: Bool
  /// A static member keeps its partitions while it is away, so it does not leave.
  private let isStatic: Bool

  package init(isCooperative: Bool, isStatic: Bool) {
    self.isCooperative = isCooperative
    self.isStatic = isStatic
  }

  package mutating func step(_ event: Event) -> [Action] {
    switch phase {
    case .left, .failed: return []
    case .outside, .joining, .synchronising, .member: break
    }
    switch event {
    case .connected: return connected()
    case .disconnected: return disconnected()
    case .memberIDGiven(let id):
      memberID = id
      return [.join(isDelayed: false)]
    case .joined(let id, let generation):
      (memberID, self.generation) = (id, generation)
      phase = .synchronising
      return [.synchronise]
    case .synchronised(let partitions): return synchronised(Set(partitions))
    case .answered: return []
    case .refused(let request, let code): return refused(request, code)
    case .leave: return leave()
    }
  }

  private mutating func connected() -> [Action] {
    // A member that lost its coordinator is a member still, and goes on with heartbeats.
    guard phase != .member else { return [] }
    phase = .joining
    return [.join(isDelayed: false)]
  }

  private mutating func disconnected() -> [Action] {
    if phase != .member { phase = .outside }
    return [.connect]
  }

  private mutating func synchronised(_ assigned: Set<TopicPartition>) -> [Action] {
    generations += 1
    let (revoked, added) = (owned.subtracting(assigned).sorted(), assigned.subtracting(owned).sorted())
    owned = assigned
    phase = .member
    guard !revoked.isEmpty else { return [.assign(added)] }
    phase = .joining
    return [.revoke(revoked), .assign(added), .join(isDelayed: false)]
  }

  private mutating func refused(_ request: Request, _ code: ErrorCode) -> [Action] {
    switch code {
    case .coordinatorNotAvailable, .notCoordinator: return disconnected()
    case .coordinatorLoadInProgress: return request == .join ? [.join(isDelayed: true)] : retrying(request)
    case .rebalanceInProgress: return rejoin(request)
    case .unknownMemberId:
      memberID = ""
      return lostMembership()
    case .illegalGeneration: return lostMembership()
    default:
      if code.isRetriable { return retrying(request) }
      phase = .failed(code)
      return lost() + [.fail(code)]
    }
  }

  /// A heartbeat or a commit that failed for now is sent again with the next.
  private mutating func retrying(_ request: Request) -> [Action] {
    switch request {
    case .heartbeat, .commit: return []
    case .join, .synchronise:
      phase = .joining
      return [.join(isDelayed: true)]
    }
  }

  private mutating func rejoin(_ request: Request) -> [Action] {
    // An answer to what was sent before the member began to join again says nothing new.
    guard phase == .member || request == .join || request == .synchronise else { return [] }
    phase = .joining
    let join = Action.join(isDelayed: request == .join)
    guard !isCooperative, !owned.isEmpty else { return [join] }
    defer { owned = [] }
    return [.revoke(owned.sorted()), join]
  }

  private mutating func lostMembership() -> [Action] {
    generation = -1
    phase = .joining
    return lost() + [.join(isDelayed: false)]
  }

  private mutating func lost() -> [Action] {
    defer { owned = [] }
    return owned.isEmpty ? [] : [.lose(owned.sorted())]
  }

  private mutating func leave() -> [Action] {
    let wasKnown = !memberID.isEmpty && phase != .outside
    phase = .left
    defer { owned = [] }
    let revoked: [Action] = owned.isEmpty ? [] : [.revoke(owned.sorted())]
    return revoked + (wasKnown && !isStatic ? [.leave(memberID: memberID)] : [])
  }
}
