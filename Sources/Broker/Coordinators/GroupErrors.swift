import Model

/// What an append to `__consumer_offsets` that failed means to a client. The codes are those of the partition, which a client would take
/// for errors of a topic of its own.
extension ErrorCode {
  /// To a member whose group is to be stored.
  var storingGroup: ErrorCode {
    switch self {
    case .requestTimedOut: .rebalanceInProgress
    case .messageTooLarge, .recordListTooLarge, .invalidFetchSize: .unknownServerError
    default: coordinating
    }
  }

  /// To a client that commits offsets.
  var committingOffsets: ErrorCode {
    switch self {
    case .messageTooLarge, .recordListTooLarge, .invalidFetchSize: .invalidCommitOffsetSize
    default: coordinating
    }
  }

  private var coordinating: ErrorCode {
    switch self {
    case .unknownTopicOrPartition, .notEnoughReplicas, .notEnoughReplicasAfterAppend, .requestTimedOut:
      .coordinatorNotAvailable
    case .notLeaderOrFollower, .kafkaStorageError: .notCoordinator
    default: self
    }
  }
}
