import Model

/// Follows the transactions through the batches of a log, in their order: which batches are of aborted ones, and which markers have outlived
/// their transaction's records. A value; the markers are read by the caller.
///
/// Worked case: producer 7 writes 10 and 12, and its marker 15 aborts them. The first cleaning sees the batches and removes them; the marker
/// stays, and its entry in the transaction index, because a reader may have got the records already. The second cleaning sees the marker
/// alone: it gets a delete horizon. The first cleaning behind that horizon removes it.
struct CleanedTransactions {
  /// Those that have not begun yet at the batch that is read; the next one last.
  private var ahead: [AbortedTransaction]
  /// Those that are open at the batch that is read, by producer id, and whether a batch of them was read.
  private var aborted: [Int64: (transaction: AbortedTransaction, wasRead: Bool)] = [:]
  /// Producers with an open transaction that commits, and of which a batch was read.
  private var committed: Set<Int64> = []

  /// - Parameter aborted: every aborted transaction that has a record in the batches to be read; others do no harm.
  init(aborted: [AbortedTransaction]) {
    ahead = aborted.sorted { $0.firstOffset > $1.firstOffset }
  }

  /// Takes note of a batch of records.
  ///
  /// - Returns: whether the batch is of an aborted transaction, so that nobody may read its records.
  mutating func read(_ header: RecordBatchHeader) -> Bool {
    begin(with: header)
    guard header.attributes.isTransactional else { return false }
    guard aborted[header.producerID] != nil else {
      committed.insert(header.producerID)
      return false
    }
    aborted[header.producerID]?.wasRead = true
    return true
  }

  /// What a control batch is worth.
  enum Worth: Equatable {
    /// Batches of its transaction are in the log, or were until this cleaning: it stays, with its entry in the transaction index if
    /// it aborts.
    case needed(AbortedTransaction?)
    /// No batch of its transaction is left: it stays until its delete horizon.
    case outlived
    /// It ends no transaction, as far as is known here: it stays.
    case unknown
  }

  /// Takes note of a control batch.
  ///
  /// - Parameter outcome: nil where it ends no transaction.
  mutating func read(_ header: RecordBatchHeader, endingAs outcome: EndTransactionMarker.Outcome?) -> Worth {
    begin(with: header)
    switch outcome {
    case .abort:
      guard let ended = aborted.removeValue(forKey: header.producerID), ended.wasRead else { return .outlived }
      return .needed(ended.transaction)
    case .commit: return committed.remove(header.producerID) == nil ? .outlived : .needed(nil)
    // An emptied one says nothing any more.
    case nil: return header.count == 0 ? .outlived : .unknown
    }
  }

  /// Opens the transactions that begin at or before a batch and end behind its first offset.
  ///
  /// Those that ended before it have no marker among the batches still to be read, which may begin in the midst of the log: they would
  /// stay open, and take the producer's next transaction with them.
  private mutating func begin(with header: RecordBatchHeader) {
    while let next = ahead.last, next.firstOffset <= header.lastOffset {
      ahead.removeLast()
      guard next.lastOffset >= header.baseOffset, aborted[next.producerID] == nil else { continue }
      aborted[next.producerID] = (next, false)
    }
  }
}
