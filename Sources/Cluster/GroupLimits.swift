/// The bounds of a group that are not configuration keys, and what happens at their edges.
package enum GroupLimits {
  /// Clients of one group that were given a member id and have not joined with it. Beyond it a new client gets
  /// COORDINATOR_NOT_AVAILABLE, and tries again; ids that are not used expire with the session timeout.
  package static let pendingMembers = 10_000

  /// Bytes of a member's protocols and their metadata. A group whose metadata does not fit a batch cannot be stored, so a member
  /// with more than this gets UNKNOWN_SERVER_ERROR, which is what Kafka returns when the group is stored.
  package static let memberProtocolBytes = 4 * 1024 * 1024

  /// The time in which a new member's JoinGroup must be answered; a member that waits longer is removed, and its client joins
  /// again if it is still there. The member has no session before (Kafka: NewMemberJoinTimeoutMs).
  package static let newMemberJoinMs: Int64 = 300_000

  /// The least time until a rebalance that nobody has joined is looked at again, whatever the members' rebalance timeouts.
  package static let postponedRebalanceMs: Int64 = 100

  /// Bytes of a subscription's pattern, states of the automaton that it is made into, the repetitions that it can count, and the depth of
  /// its groups. A larger one is INVALID_REGULAR_EXPRESSION: matching costs up to states times characters for each topic.
  package static let patternBytes = 4096
  package static let patternStates = 2000
  package static let patternRepetitions = 1000
  package static let patternDepth = 100
}
