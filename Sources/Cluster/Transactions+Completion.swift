import Base
import Model

// What follows a decision, and what time brings: markers, timeouts, expiry.

extension Transactions {
  /// Goes on with a transaction whose outcome is decided: writes the markers that are missing, or the record that says there are none.
  mutating func carryOut(_ id: String, nowMs: Int64) -> [Effect] {
    guard let entry = entries[id], let outcome = entry.state.status.decided, let unmarked = entry.unmarked else {
      return []
    }
    retries[id] = nil
    guard !unmarked.isEmpty else { return begin(id, entry.state.completed(nowMs: nowMs)) }
    return [
      .writeMarkers(
        MarkerOrder(
          transactionalID: id,
          producer: ProducerIdentity(id: entry.state.producerID, epoch: entry.state.producerEpoch),
          marker: EndTransactionMarker(Self.marked(outcome), coordinatorEpoch: epoch), partitions: unmarked))
    ]
  }

  private static func marked(_ outcome: EndTransactionMarker.Outcome) -> EndTransactionMarker.Outcome {
    #if DEBUG
    if PlantedFault.writesAbortAsCommit.isPlanted { return .commit }
    #endif
    return outcome
  }

  mutating func markersWritten(_ order: MarkerOrder, _ results: [MarkerResult], nowMs: Int64) -> [Effect] {
    let id = order.transactionalID
    guard let entry = entries[id], entry.pending == nil, var unmarked = entry.unmarked,
      entry.state.status.decided.map(Self.marked) == order.marker.outcome,
      ProducerIdentity(id: entry.state.producerID, epoch: entry.state.producerEpoch) == order.producer
    else {
      return []
    }
    for result in results {
      switch result.outcome {
      case .written, .gone: unmarked.removeAll { $0 == result.partition }
      case .failed: retries[id] = nowMs.addingClamped(Limits.markerRetryMs)
      case .fenced(let code):
        entries[id]?.unmarked = nil
        retries[id] = nil
        return [.abandoned(order, code)]
      }
    }
    entries[id]?.unmarked = unmarked
    return unmarked.isEmpty ? carryOut(id, nowMs: nowMs) : []
  }

  /// When `Event.retryDue` is due; nil when nothing has failed.
  package var nextRetryMs: Int64? { retries.values.min() }

  mutating func retry(nowMs: Int64) -> [Effect] {
    // What is due later than the longest pause is of a clock that has been set back since, perhaps by hours.
    let latestMs = nowMs.addingClamped(max(Limits.markerRetryMs, Limits.recordRetryMs))
    return retries.filter { $0.value <= nowMs || $0.value > latestMs }.keys.sorted()
      .flatMap { carryOut($0, nowMs: nowMs) }
  }

  /// Aborts transactions that take longer than their timeout, and fences their producers.
  mutating func abortOverdue(nowMs: Int64) -> [Effect] {
    #if DEBUG
    if PlantedFault.neverTimesTransactionsOut.isPlanted { return [] }
    #endif
    return ids { $0.pending == nil && $0.state.isOverdue(nowMs: nowMs) }.flatMap { id -> [Effect] in
      guard let state = entries[id]?.state else { return [] }
      return begin(id, state.fenced(nowMs: nowMs))
    }
  }

  /// Removes transactional ids that nobody has used for `afterMs`.
  mutating func expire(afterMs: Int64, nowMs: Int64) -> [Effect] {
    var expired = ids { $0.pending == nil && $0.state.isExpired(afterMs: afterMs, nowMs: nowMs) }[...]
    for id in expired { entries[id]?.pending = Pending(state: nil) }
    var effects: [Effect] = []
    while !expired.isEmpty {
      effects += append(Array(expired.prefix(Limits.expiredAtOnce)))
      expired = expired.dropFirst(Limits.expiredAtOnce)
    }
    return effects
  }

  /// The transactional ids for which `isWanted` holds, in rising order.
  private func ids(_ isWanted: (Entry) -> Bool) -> [String] {
    entries.filter { isWanted($0.value) }.keys.sorted()
  }
}

// MARK: Queries

extension Transactions {
  /// The state of a transactional id, as far as the log has it; nil when there is none, or it expires.
  package func state(of transactionalID: String) -> TransactionState? {
    guard let entry = entries[transactionalID], !entry.state.isUnborn, !entry.isExpiring else { return nil }
    return entry.state
  }

  /// Describes which transactional ids ListTransactions wants; empty lists want all.
  package struct Filter: Sendable {
    package var statuses: [TransactionState.Status] = []
    package var producerIDs: Set<Int64> = []
    /// Only transactions that began longer ago than this, in milliseconds; negative: all.
    package var durationMs: Int64 = -1
    /// A state was asked for that does not exist: none are listed for it.
    package var hasUnknownStatus = false

    package init() {}

    func wants(_ state: TransactionState, nowMs: Int64) -> Bool {
      if !producerIDs.isEmpty, !producerIDs.contains(state.producerID) { return false }
      if !statuses.isEmpty || hasUnknownStatus, !statuses.contains(state.status) { return false }
      return durationMs < 0 || nowMs.subtractingClamped(state.startMs) > durationMs
    }
  }

  /// The transactional ids that a filter wants, in rising order.
  package func list(_ filter: Filter, nowMs: Int64) -> [(transactionalID: String, state: TransactionState)] {
    ids { !$0.state.isUnborn && !$0.isExpiring && filter.wants($0.state, nowMs: nowMs) }.compactMap { id in
      entries[id].map { (transactionalID: id, state: $0.state) }
    }
  }
}

extension Transactions.Entry {
  fileprivate var isExpiring: Bool { pending.map { $0.state == nil } ?? false }
}
