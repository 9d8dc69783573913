package import Model

/// Coordinates the transactions of one partition of `__transaction_state` (Kafka: TransactionCoordinator with
/// TransactionStateManager). A value without I/O: `step` returns what to do.
///
/// An outcome is decided by the record of PrepareCommit or PrepareAbort. From then on it is carried out whatever happens: markers are
/// written to every partition of the transaction, again and again where one fails, and again by the next coordinator, which finds the
/// record in the log. The record of CompleteCommit or CompleteAbort says that there is nothing left to do.
///
/// Example, with one request and the effects it has:
/// ```
/// end(7, commit)         → append 12 PrepareCommit
/// appended(12)           → write markers to [orders-0, orders-1]; respond 7
/// markersWritten(both)   → append 13 CompleteCommit
/// appended(13)           → nothing
/// ```
///
/// One change of a transactional id is under way at a time; requests that come meanwhile get CONCURRENT_TRANSACTIONS, and clients ask
/// again. Times are those of the wall clock, in milliseconds since 1970, because the log keeps them.
package struct Transactions: Sendable {
  package enum Limits {
    /// The time until a marker that could not be written is tried again.
    package static let markerRetryMs: Int64 = 100
    /// The time until a record that completes a transaction, and that the log has not taken, is tried again.
    package static let recordRetryMs: Int64 = 1000
    /// The most tombstones in one append.
    package static let expiredAtOnce = 1000
  }

  struct Entry: Sendable {
    /// What the log has.
    var state: TransactionState
    /// The change whose record is being appended.
    var pending: Pending?
    /// The partitions whose marker is still to be written, in rising order, while an outcome is decided. Nil while none is, and when this
    /// coordinator has given the transaction up.
    var unmarked: [TopicPartition]?
  }

  struct Pending: Sendable {
    /// Nil: the transactional id expires.
    var state: TransactionState?
    /// The request that is answered when the record is in the log, and the answer.
    var answer: (request: RequestID, response: Response)?
  }

  /// The leader epoch of the log's partition: it fences the markers of coordinators before this one.
  package let epoch: Int32
  /// In milliseconds.
  package var timeoutMsMax: Int32
  /// Whether other brokers have replicas of the log, so that one of them may be the coordinator by now without this one's knowledge. A
  /// producer with a later epoch than is known here has got it there: it is not fenced, but sent to look for its coordinator.
  package var mayBeSucceeded = false
  var entries: [String: Entry] = [:]
  /// When to go on with transactions whose markers, or whose last record, could not be written.
  var retries: [String: Int64] = [:]
  /// The transactional ids whose change an append under way holds, by its ticket.
  private var appends: [Ticket: [String]] = [:]
  private var lastTicket: Ticket = 0

  /// - Parameter timeoutMsMax: `transaction.max.timeout.ms`.
  package init(epoch: Int32, timeoutMsMax: Int32) {
    self.epoch = epoch
    self.timeoutMsMax = timeoutMsMax
  }

  package var count: Int { entries.count }

  // MARK: Loading

  /// Takes in a record that the log has; nil for a tombstone.
  package mutating func replay(_ transactionalID: String, _ state: TransactionState?) {
    entries[transactionalID] = state.map { Entry(state: $0) }
  }

  /// Ends the loading: what was decided is carried out.
  package mutating func loaded(nowMs: Int64) -> [Effect] {
    let decided = entries.filter { $0.value.state.status.decided != nil }
    return decided.keys.sorted().flatMap { id -> [Effect] in
      entries[id]?.unmarked = decided[id]?.state.partitions
      return carryOut(id, nowMs: nowMs)
    }
  }

  // MARK: Events

  package mutating func step(_ event: Event, nowMs: Int64) -> [Effect] {
    switch event {
    case .initProducerID(let request, let asked): initProducerID(request, asked, nowMs: nowMs)
    case .addPartitions(let request, let asked): addPartitions(request, asked, nowMs: nowMs)
    case .end(let request, let asked): end(request, asked, nowMs: nowMs)
    case .appended(let ticket, let error): appended(ticket, error, nowMs: nowMs)
    case .markersWritten(let order, let results): markersWritten(order, results, nowMs: nowMs)
    case .timeoutsDue: abortOverdue(nowMs: nowMs)
    case .expiryDue(let afterMs): expire(afterMs: afterMs, nowMs: nowMs)
    case .retryDue: retry(nowMs: nowMs)
    }
  }

  /// Begins a change of a transactional id: its record is appended, and the request answered when it is in the log.
  mutating func begin(
    _ transactionalID: String, _ state: TransactionState, answering request: RequestID? = nil,
    _ response: Response = .done
  ) -> [Effect] {
    let pending = Pending(state: state, answer: request.map { (request: $0, response: response) })
    // A new id is nothing yet but a change under way.
    entries[transactionalID, default: Entry(state: state.unborn)].pending = pending
    return append([transactionalID])
  }

  /// Appends the pending changes of these ids.
  mutating func append(_ ids: [String]) -> [Effect] {
    lastTicket += 1
    appends[lastTicket] = ids
    let changes = ids.map { Change(transactionalID: $0, state: entries[$0]?.pending?.state) }
    return [.append(lastTicket, changes)]
  }

  private mutating func appended(_ ticket: Ticket, _ error: ErrorCode?, nowMs: Int64) -> [Effect] {
    (appends.removeValue(forKey: ticket) ?? []).flatMap { id -> [Effect] in
      guard let pending = entries[id]?.pending else { return [] }
      entries[id]?.pending = nil
      guard let error else { return take(pending, of: id, nowMs: nowMs) }
      return giveUp(pending, of: id, error, nowMs: nowMs)
    }
  }

  /// Makes a change whose record is in the log.
  private mutating func take(_ pending: Pending, of id: String, nowMs: Int64) -> [Effect] {
    guard let state = pending.state else {
      entries[id] = nil
      return []
    }
    entries[id] = Entry(state: state)
    var effects: [Effect] = []
    if state.status.decided != nil {
      entries[id]?.unmarked = state.partitions
      // Before the response: where the markers are written at once, the client's next transaction finds this one complete.
      effects = carryOut(id, nowMs: nowMs)
    }
    if let answer = pending.answer { effects.append(.respond(answer.request, answer.response)) }
    return effects
  }

  /// Drops a change that the log has not taken.
  private mutating func giveUp(_ pending: Pending, of id: String, _ error: ErrorCode, nowMs: Int64) -> [Effect] {
    if entries[id]?.state.isUnborn == true { entries[id] = nil }
    if pending.state?.status.completed != nil { retries[id] = nowMs.addingClamped(Limits.recordRetryMs) }
    return pending.answer.map { [Effect.respond($0.request, .refused(Self.answer(to: error)))] } ?? []
  }

  /// The error that clients get when the log has not taken a record.
  package static func answer(to error: ErrorCode) -> ErrorCode {
    switch error {
    case .unknownTopicOrPartition, .notEnoughReplicas, .notEnoughReplicasAfterAppend, .requestTimedOut:
      .coordinatorNotAvailable
    case .notLeaderOrFollower, .kafkaStorageError: .notCoordinator
    default: .unknownServerError
    }
  }
}

extension TransactionState {
  /// The state of a transactional id before its first record: no producer id was given out.
  var unborn: TransactionState {
    TransactionState(producerID: producerID, timeoutMs: timeoutMs, nowMs: lastUpdateMs)
  }

  var isUnborn: Bool { producerEpoch < 0 }
}
