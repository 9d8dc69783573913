package import Model

extension Group {
  /// Identifies a request that waits for its response. The caller chooses it.
  package typealias RequestID = UInt64
  /// Identifies a record that the group has asked to store.
  package typealias StoreID = UInt64

  /// The present time: `ms` rises evenly and has no meaning outside of the process, `wallMs` is milliseconds since 1970 and may jump.
  package struct Instant: Equatable, Sendable {
    package var ms: Int64
    package var wallMs: Int64

    package init(ms: Int64, wallMs: Int64) {
      self.ms = ms
      self.wallMs = wallMs
    }
  }

  package enum Event: Sendable {
    case join(RequestID, Join)
    case sync(RequestID, Sync)
    case heartbeat(RequestID, Membership)
    case leave(RequestID, [Leaver])
    /// The record of `Effect.store` is in the log and replicated, or the error with which it is not.
    case stored(StoreID, ErrorCode)
    /// Time has passed; wanted at `nextDeadlineMs`.
    case tick
    /// The group was read from the log, to the end of it.
    case loaded
    /// This broker does not coordinate the group any more: requests that wait get the error, and the group is dead.
    case unloaded(ErrorCode)
  }

  /// Effects are carried out in order.
  package enum Effect: Equatable, Sendable {
    case joined(RequestID, JoinAnswer)
    case synced(RequestID, SyncAnswer)
    case heartbeat(RequestID, ErrorCode)
    case left(RequestID, LeaveAnswer)
    /// Append the group's record; `stored` follows.
    case store(StoreID, StoredGroup)
    /// The group begins a rebalance, for the reason that the log gives to people.
    case rebalance(reason: String)
  }

  /// What a JoinGroup request says.
  package struct Join: Equatable, Sendable {
    /// Empty for a client that has none yet.
    package var memberID = ""
    package var instanceID: String?
    package var clientID = ""
    package var clientHost = ""
    package var rebalanceTimeoutMs: Int32 = 0
    package var sessionTimeoutMs: Int32 = 0
    package var protocolType = ""
    package var protocols: [GroupProtocol] = []
    /// The client's own words, for the log.
    package var reason = ""
    /// The id that a new member gets, drawn by the caller: nobody else has it.
    package var newMemberID = ""
    /// JoinGroup version 4 and later: a new dynamic member is first told its id, and joins with that.
    package var requiresKnownID = false
    /// JoinGroup version 9 and later: a leader can be told not to assign.
    package var supportsSkippingAssignment = false

    package init() {}
  }

  package struct JoinAnswer: Equatable, Sendable {
    package var error = ErrorCode.none
    package var generation: Int32 = -1
    package var protocolType: String?
    package var protocolName: String?
    package var leader = ""
    package var skipsAssignment = false
    package var memberID = ""
    /// All members for the leader, nobody for the others.
    package var members: [JoinedMember] = []

    package init(error: ErrorCode, memberID: String) {
      self.error = error
      self.memberID = memberID
    }
  }

  package struct JoinedMember: Equatable, Sendable {
    package var id: String
    package var instanceID: String?
    package var metadata: [UInt8]
  }

  /// What a SyncGroup request says.
  package struct Sync: Equatable, Sendable {
    package var membership: Membership
    /// Nil before SyncGroup version 5.
    package var protocolType: String?
    package var protocolName: String?
    /// From the leader alone: the assignments by member id.
    package var assignments: [String: [UInt8]] = [:]

    package init(_ membership: Membership) { self.membership = membership }
  }

  package struct SyncAnswer: Equatable, Sendable {
    package var error = ErrorCode.none
    package var protocolType: String?
    package var protocolName: String?
    package var assignment: [UInt8] = []

    package init(error: ErrorCode) { self.error = error }
  }

  /// Whom a request says that it comes from.
  package struct Membership: Equatable, Sendable {
    package var memberID: String
    package var instanceID: String?
    package var generation: Int32

    package init(_ memberID: String, generation: Int32, instanceID: String? = nil) {
      self.memberID = memberID
      self.generation = generation
      self.instanceID = instanceID
    }
  }

  /// A member that leaves, or that is removed by its instance id (then `memberID` is empty).
  package struct Leaver: Equatable, Sendable {
    package var memberID: String
    package var instanceID: String?
    /// The client's own words, for the log.
    package var reason: String

    package init(_ memberID: String, instanceID: String? = nil, reason: String = "") {
      self.memberID = memberID
      self.instanceID = instanceID
      self.reason = reason
    }
  }

  package struct LeaveAnswer: Equatable, Sendable {
    package var error = ErrorCode.none
    /// One for each leaver, in their order; empty with an error.
    package var errors: [ErrorCode] = []

    package init(error: ErrorCode = .none, errors: [ErrorCode] = []) {
      self.error = error
      self.errors = errors
    }
  }
}
