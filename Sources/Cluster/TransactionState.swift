import Base
package import Model

/// Holds the state of one transactional id, as a record of `__transaction_state` keeps it. A transition makes a new value; it counts once
/// its record is in the log.
///
/// Example, a client of transaction version 0: Empty (epoch 4) → Ongoing with orders-0 and orders-1 → PrepareCommit: the outcome is
/// decided → the markers are written → CompleteCommit, epoch 4 still. With version 2 (KIP-890) PrepareCommit has epoch 5: the markers carry
/// it, so a late batch of epoch 4 is refused, and the client goes on with 5.
package struct TransactionState: Equatable, Sendable {
  /// The state's name and number are Kafka's (DescribeTransactions, ListTransactions, the log).
  package enum Status: Int8, Sendable, CaseIterable {
    /// The producer id has been given out; no transaction since.
    case empty = 0
    /// Partitions were added.
    case ongoing = 1
    /// Decided: the markers are being written.
    case prepareCommit = 2, prepareAbort = 3
    /// Every marker is written.
    case completeCommit = 4, completeAbort = 5
    /// The transactional id expires. Never in the log: a tombstone is.
    case dead = 6
    /// Kafka's name for the moment before a coordinator that fences a producer decides PrepareAbort. Never in the log, nor here: the
    /// two are one transition.
    case prepareEpochFence = 7

    package var name: String {
      switch self {
      case .empty: "Empty"
      case .ongoing: "Ongoing"
      case .prepareCommit: "PrepareCommit"
      case .prepareAbort: "PrepareAbort"
      case .completeCommit: "CompleteCommit"
      case .completeAbort: "CompleteAbort"
      case .dead: "Dead"
      case .prepareEpochFence: "PrepareEpochFence"
      }
    }

    package init?(name: String) {
      guard let status = Self.allCases.first(where: { $0.name == name }) else { return nil }
      self = status
    }

    /// The outcome that is decided and not carried out yet; nil in every other state.
    package var decided: EndTransactionMarker.Outcome? {
      switch self {
      case .prepareCommit: .commit
      case .prepareAbort: .abort
      case .empty, .ongoing, .completeCommit, .completeAbort, .dead, .prepareEpochFence: nil
      }
    }

    /// The outcome that was carried out; nil in every other state.
    var completed: EndTransactionMarker.Outcome? {
      switch self {
      case .completeCommit: .commit
      case .completeAbort: .abort
      case .empty, .ongoing, .prepareCommit, .prepareAbort, .dead, .prepareEpochFence: nil
      }
    }
  }

  package enum Limits {
    /// The last epoch that a client is given. One more is left for the coordinator, to fence the client with.
    package static let lastEpoch = Int16.max - 1
    /// The transaction version from which on each transaction has an epoch of its own (KIP-890).
    package static let epochRisesFrom: Int16 = 2
  }

  package var producerID: Int64
  /// The producer id before the last transition; -1 before the first.
  package var previousProducerID: Int64 = -1
  /// The producer id that follows when this transaction is complete, because the epochs of `producerID` are used up; -1: the same.
  package var nextProducerID: Int64 = -1
  /// -1 until the first InitProducerId is in the log.
  package var producerEpoch: Int16 = -1
  /// The epoch that the present one follows, when its client asked for the change: a repeated request is known by it. -1: none. The log
  /// does not keep it.
  package var lastProducerEpoch: Int16 = -1
  /// The time that a transaction may take, in milliseconds.
  package var timeoutMs: Int32
  package var status = Status.empty
  /// In rising order, each once.
  package var partitions: [TopicPartition] = []
  /// Wall clock, in milliseconds since 1970; -1 before the first transaction.
  package var startMs: Int64 = -1
  /// Wall clock, in milliseconds since 1970: expiry counts from it.
  package var lastUpdateMs: Int64
  /// The transaction version of the client that made the last transition.
  package var clientVersion: Int16 = 0

  package init(producerID: Int64, timeoutMs: Int32, nowMs: Int64) {
    self.producerID = producerID
    self.timeoutMs = timeoutMs
    lastUpdateMs = nowMs
  }

  var isEpochExhausted: Bool { Self.isExhausted(producerEpoch) }
  static func isExhausted(_ epoch: Int16) -> Bool { epoch >= Limits.lastEpoch }

  /// Whether the transaction has taken longer than its timeout.
  func isOverdue(nowMs: Int64) -> Bool {
    status == .ongoing && startMs.addingClamped(Int64(timeoutMs)) < nowMs
  }

  func isExpired(afterMs: Int64, nowMs: Int64) -> Bool {
    (status == .empty || status.completed != nil) && lastUpdateMs <= nowMs.subtractingClamped(afterMs)
  }
}

// MARK: Transitions

extension TransactionState {
  private func following(_ status: Status) -> TransactionState {
    var next = self
    next.previousProducerID = producerID
    next.status = status
    return next
  }

  /// Returns the state with the next epoch, for a client that gets a producer id.
  ///
  /// - Parameter expectedEpoch: the epoch that the client says it has (KIP-360); nil for a client that begins.
  /// - Returns: nil when the client has been fenced. A client that repeats its request, because the response was lost, gets the present
  ///   epoch again: nobody else has been given one since, or `lastProducerEpoch` would be -1.
  func initialized(expectedEpoch: Int16?, timeoutMs: Int32, nowMs: Int64) -> TransactionState? {
    var next = following(.empty)
    if let expectedEpoch, producerEpoch >= 0, expectedEpoch != producerEpoch {
      guard expectedEpoch >= 0, expectedEpoch == lastProducerEpoch else { return nil }
    } else {
      guard !isEpochExhausted else { return nil }
      next.lastProducerEpoch = expectedEpoch == nil ? -1 : producerEpoch
      next.producerEpoch = epochRaised
    }
    next.begin(timeoutMs: timeoutMs, nowMs: nowMs)
    return next
  }

  private var epochRaised: Int16 {
    #if DEBUG
    if PlantedFault.keepsTheEpoch.isPlanted, producerEpoch >= 0 { return producerEpoch }
    #endif
    return producerEpoch + 1
  }

  /// Returns the state with a new producer id, because the epochs of the present one are used up.
  func rotated(to newProducerID: Int64, keepsLastEpoch: Bool, timeoutMs: Int32, nowMs: Int64) -> TransactionState {
    var next = following(.empty)
    next.producerID = newProducerID
    next.lastProducerEpoch = keepsLastEpoch ? producerEpoch : -1
    next.producerEpoch = 0
    next.begin(timeoutMs: timeoutMs, nowMs: nowMs)
    return next
  }

  private mutating func begin(timeoutMs: Int32, nowMs: Int64) {
    self.timeoutMs = timeoutMs
    partitions = []
    startMs = -1
    lastUpdateMs = nowMs
  }

  func contains(_ added: [TopicPartition]) -> Bool {
    let present = Set(partitions)
    return added.allSatisfy { present.contains($0) }
  }

  func adding(_ added: [TopicPartition], version: Int16, nowMs: Int64) -> TransactionState {
    var next = following(.ongoing)
    next.partitions = Set(partitions).union(added).sorted()
    if status != .ongoing { next.startMs = nowMs }
    next.lastUpdateMs = nowMs
    next.clientVersion = version
    return next
  }

  /// Returns the state in which the outcome is decided.
  ///
  /// - Parameters:
  ///   - version: with 2, the epoch rises, and the markers carry the new one.
  ///   - newProducerID: the producer id that follows, where the epochs are used up.
  func decided(
    _ outcome: EndTransactionMarker.Outcome, version: Int16, newProducerID: Int64 = -1, nowMs: Int64
  ) -> TransactionState {
    var next = following(outcome == .commit ? .prepareCommit : .prepareAbort)
    if version >= Limits.epochRisesFrom {
      next.lastProducerEpoch = producerEpoch
      next.producerEpoch = producerEpoch.addingClamped(1)
      next.nextProducerID = newProducerID
    }
    // An abort of a transaction that nothing was added to (version 2) begins and ends now.
    if status != .ongoing { next.startMs = nowMs }
    next.lastUpdateMs = nowMs
    next.clientVersion = version
    return next
  }

  /// Returns the state in which the coordinator has decided to abort, with an epoch that the client does not have.
  ///
  /// A client of version 2 learns the new epoch when it ends the transaction itself: it is told that the abort has happened. Where that
  /// would be an epoch no client is given, and for older clients, it is fenced for good.
  func fenced(nowMs: Int64) -> TransactionState {
    let isTold = clientVersion >= Limits.epochRisesFrom && !isEpochExhausted
    var next = decided(.abort, version: clientVersion, nowMs: nowMs)
    next.producerEpoch = producerEpoch.addingClamped(1)
    next.lastProducerEpoch = isTold ? producerEpoch : -1
    return next
  }

  /// Returns the state after the last marker.
  ///
  /// - Precondition: an outcome is decided.
  func completed(nowMs: Int64) -> TransactionState {
    guard let outcome = status.decided else { preconditionFailure("\(status.name) has no outcome to complete") }
    var next = following(outcome == .commit ? .completeCommit : .completeAbort)
    if nextProducerID >= 0 {
      next.producerID = nextProducerID
      next.producerEpoch = 0
    }
    next.nextProducerID = -1
    next.partitions = []
    next.lastUpdateMs = nowMs
    return next
  }
}
