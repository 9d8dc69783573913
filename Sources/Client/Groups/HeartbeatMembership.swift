package import Model

/// A member's part in a consumer group of the new protocol (KIP-848): the coordinator assigns the partitions, and each member moves to
/// its assignment by its own heartbeats. A value without I/O, with the events and actions of `GroupMembership`.
///
///     connected                  → heartbeat(full)                    in epoch 0 it joins
///     answered 3 [t-0 t-1]       → assign [t-0 t-1], heartbeat(owned)
///     answered 3 [t-0]           → revoke [t-1], heartbeat(owned)     now others may have t-1
///     answered 4 nil             → nothing: it has what it is to have
///     heartbeat refused (110)    → lose [t-0], heartbeat(full)        fenced: it joins again
package struct HeartbeatMembership: Sendable {
  package typealias Event = GroupMembership.Event
  package typealias Action = GroupMembership.Action

  package private(set) var phase = GroupMembership.Phase.outside
  /// The client chooses it, and keeps it when it joins again.
  package let memberID: String
  /// 0 before the member has joined.
  package private(set) var epoch: Int32 = 0
  /// What the member reads.
  package private(set) var owned: Set<TopicPartition> = []

  package init(memberID: String) { self.memberID = memberID }

  package mutating func step(_ event: Event) -> [Action] {
    switch phase {
    case .left, .failed: return []
    case .outside, .joining, .synchronising, .member: break
    }
    switch event {
    case .connected: return connected()
    case .disconnected: return disconnected()
    case .answered(let epoch, let partitions): return answered(epoch, partitions.map { Set($0) })
    case .refused(let request, let code): return refused(request, code)
    case .leave: return leave()
    case .memberIDGiven, .joined, .synchronised: return []
    }
  }

  private mutating func connected() -> [Action] {
    // A response may have been lost with the connection, so a member says everything again.
    if phase != .member { phase = .joining }
    return [.heartbeat(.full)]
  }

  private mutating func disconnected() -> [Action] {
    if phase != .member { phase = .outside }
    return [.connect]
  }

  private mutating func answered(_ epoch: Int32, _ assigned: Set<TopicPartition>?) -> [Action] {
    let isFirst = phase != .member
    self.epoch = epoch
    phase = .member
    guard let assigned else { return [] }
    let (revoked, added) = (owned.subtracting(assigned).sorted(), assigned.subtracting(owned).sorted())
    owned = assigned
    var actions: [Action] = revoked.isEmpty ? [] : [.revoke(revoked)]
    if isFirst || !added.isEmpty { actions.append(.assign(added)) }
    if !revoked.isEmpty || !added.isEmpty { actions.append(.heartbeat(.owned)) }
    return actions
  }

  private mutating func refused(_ request: GroupMembership.Request, _ code: ErrorCode) -> [Action] {
    switch code {
    case .coordinatorNotAvailable, .notCoordinator: return disconnected()
    case .unknownMemberId, .fencedMemberEpoch: return joinAgain()
    // The next commit is in the member's present epoch; a static member waits for its place.
    case .staleMemberEpoch, .unreleasedInstanceId: return []
    default:
      if code.isRetriable { return [] }
      phase = .failed(code)
      return lost() + [.fail(code)]
    }
  }

  private mutating func joinAgain() -> [Action] {
    epoch = 0
    phase = .joining
    return lost() + [.heartbeat(.full)]
  }

  private mutating func lost() -> [Action] {
    defer { owned = [] }
    return owned.isEmpty ? [] : [.lose(owned.sorted())]
  }

  private mutating func leave() -> [Action] {
    let wasKnown = phase == .member
    phase = .left
    defer { owned = [] }
    let revoked: [Action] = owned.isEmpty ? [] : [.revoke(owned.sorted())]
    return revoked + (wasKnown ? [.leave(memberID: memberID)] : [])
  }
}

/// A member's part in a group of either protocol.
enum Membership: Sendable {
  case classic(GroupMembership)
  case consumer(HeartbeatMembership)

  mutating func step(_ event: GroupMembership.Event) -> [GroupMembership.Action] {
    switch self {
    case .classic(var membership):
      defer { self = .classic(membership) }
      return membership.step(event)
    case .consumer(var membership):
      defer { self = .consumer(membership) }
      return membership.step(event)
    }
  }

  var isClassic: Bool {
    if case .classic = self { true } else { false }
  }

  var phase: GroupMembership.Phase {
    switch self {
    case .classic(let membership): membership.phase
    case .consumer(let membership): membership.phase
    }
  }

  var memberID: String {
    switch self {
    case .classic(let membership): membership.memberID
    case .consumer(let membership): membership.memberID
    }
  }

  /// The generation, or in the new protocol the member's epoch.
  var generation: Int32 {
    switch self {
    case .classic(let membership): membership.generation
    case .consumer(let membership): membership.epoch
    }
  }

  var owned: Set<TopicPartition> {
    switch self {
    case .classic(let membership): membership.owned
    case .consumer(let membership): membership.owned
    }
  }
}
