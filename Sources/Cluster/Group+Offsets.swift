import Base
package import Model

/// What the group's state says of its offsets: who may commit, what may be deleted, what expires.
extension Group {
  /// Says whether an offset commit is accepted; one of a member renews its session.
  ///
  /// A commit without a generation comes from a consumer that assigns partitions itself, or from an administrator: only a group
  /// without members takes it. A transactional commit may come from a producer that does not know the group's members.
  package mutating func admit(_ commit: Membership, isTransactional: Bool, at now: Instant) -> ErrorCode {
    self.now = now
    if state == .dead { return .coordinatorNotAvailable }
    if commit.generation < 0, state == .empty { return .none }
    if commit.generation >= 0 || !commit.memberID.isEmpty || commit.instanceID != nil {
      let error = checkCommit(commit)
      guard error == .none else { return error }
    } else if !isTransactional, state != .empty {
      return .unknownMemberId
    }
    guard !isTransactional else { return .none }
    // The member knows its generation and not its assignment: it has to join again.
    if state == .completingRebalance { return .rebalanceInProgress }
    renewSession(of: commit.memberID)
    return .none
  }

  private func checkCommit(_ commit: Membership) -> ErrorCode {
    #if DEBUG
    if PlantedFault.acceptsCommitsOfOldGenerations.isPlanted {
      return check(commit.memberID, instanceID: commit.instanceID)
    }
    #endif
    return check(commit)
  }

  /// The error with which the deletion of the group is refused.
  package var deletionError: ErrorCode {
    switch state {
    case .empty: .none
    case .dead: .groupIdNotFound
    case .preparingRebalance, .completingRebalance, .stable: .nonEmptyGroup
    }
  }

  /// The error with which the deletion of offsets is refused as a whole. Those of topics that are subscribed to are refused one by
  /// one.
  package var offsetDeletionError: ErrorCode {
    switch state {
    case .empty: .none
    case .dead: .groupIdNotFound
    case .preparingRebalance, .completingRebalance, .stable:
      protocolType == Self.consumerProtocolType ? .none : .nonEmptyGroup
    }
  }

  /// True when a member subscribes to the topic, or may.
  package func isSubscribed(to topic: String) -> Bool {
    state == .empty ? false : subscribedTopics?.contains(topic) ?? true
  }

  /// Which offsets expire, offsets.retention.minutes after what.
  package var offsetExpiry: GroupOffsets.Expiry {
    guard let protocolType else { return .afterCommit(except: []) }
    if state == .empty { return .afterEmptied(ms: stateTimestampMs) }
    guard protocolType == Self.consumerProtocolType, state == .stable, let subscribedTopics else { return .never }
    return .afterCommit(except: subscribedTopics)
  }
}
