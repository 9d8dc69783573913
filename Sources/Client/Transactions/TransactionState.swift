package import Model

/// What a transactional producer may do, and what becomes of it after an error (Kafka: TransactionManager). A value without I/O.
///
///     uninitialised → ready → open → ending → ready → …
///
/// An error that concerns the transaction alone makes it abortable: nothing but an abort ends it, and the producer goes on. An
/// error that concerns the producer, such as another with the same transactional id, is fatal.
package struct TransactionState: Sendable {
  package enum Phase: Equatable, Sendable {
    case uninitialised, ready, open
    case ending(commits: Bool)
    case abortable(ErrorCode)
    case fatal(ErrorCode)
  }

  /// What an error answers.
  package enum Step: Sendable, CaseIterable {
    case initialise, addPartitions, addOffsets, commitOffsets, end, produce
  }

  package enum Reaction: Equatable, Sendable {
    /// Send the same again, after a pause.
    case retry
    /// Look for the coordinator first.
    case findCoordinator
    /// The transaction has failed: `phase` says so.
    case abort
    /// The producer has failed: `phase` says so.
    case die
  }

  package private(set) var phase = Phase.uninitialised
  /// The coordinator has something to end: partitions or offsets were added.
  package private(set) var hasBegun = false
  /// The next transaction needs a raised epoch: the brokers may know of batches that the aborted one gave up.
  package private(set) var needsEpoch = false

  package init() {}

  /// The coordinator gave an identity, whose epoch fences earlier ones.
  package mutating func initialised() {
    phase = .ready
    needsEpoch = false
  }

  /// - Precondition: the last transaction has ended.
  package mutating func begin() {
    precondition(phase == .ready, "a transaction begins while the producer is \(phase)")
    phase = .open
    hasBegun = false
  }

  /// The coordinator has added partitions or offsets.
  package mutating func added() { hasBegun = true }

  /// Decides how the transaction ends: an abortable one is aborted, whatever is asked for.
  ///
  /// - Returns: nil after a fatal error.
  package mutating func end(commits: Bool) -> Bool? {
    switch phase {
    case .open: phase = .ending(commits: commits)
    case .abortable:
      phase = .ending(commits: false)
      needsEpoch = true
    case .fatal: return nil
    case .uninitialised, .ready, .ending: preconditionFailure("a transaction ends while the producer is \(phase)")
    }
    return phase == .ending(commits: true)
  }

  package mutating func ended() { phase = .ready }

  /// Takes an error, and says what follows from it.
  package mutating func refused(_ step: Step, _ code: ErrorCode) -> Reaction {
    let reaction = Self.reaction(to: code, in: step)
    switch reaction {
    case .retry, .findCoordinator: break
    case .die: phase = .fatal(code)
    case .abort:
      switch phase {
      case .open, .ending(commits: true): phase = .abortable(code)
      case .abortable: break
      case .uninitialised, .ready, .ending, .fatal:
        // There is no transaction that an abort could end.
        phase = .fatal(code)
        return .die
      }
    }
    return reaction
  }

  private static func reaction(to code: ErrorCode, in step: Step) -> Reaction {
    switch code {
    case .notCoordinator, .coordinatorNotAvailable: return .findCoordinator
    case .coordinatorLoadInProgress, .concurrentTransactions: return .retry
    case .producerFenced, .invalidProducerEpoch, .transactionalIdAuthorizationFailed, .clusterAuthorizationFailed,
      .unsupportedVersion, .unsupportedForMessageFormat:
      return .die
    case .transactionAbortable, .topicAuthorizationFailed, .groupAuthorizationFailed, .operationNotAttempted,
      .unknownProducerId, .invalidProducerIdMapping:
      return .abort
    case .unknownMemberId, .illegalGeneration, .fencedInstanceId, .rebalanceInProgress:
      return step == .commitOffsets ? .abort : .die
    default:
      // A batch that was given up is missing in the transaction.
      if step == .produce { return .abort }
      return code.isRetriable ? .retry : .die
    }
  }
}
