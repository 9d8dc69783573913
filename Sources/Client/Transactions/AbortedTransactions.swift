import Model
import Wire

/// Decides which batches of a fetch response a reader of committed records skips: those of transactions that were aborted, from
/// their first offsets to their markers.
///
///     aborted: producer 7 from offset 3        batches: 7@0 (committed before) 8@2 7@3 abort-7@5 7@6
///     skipped: 7@3; what follows the marker is another transaction
struct AbortedTransactions {
  /// Those that begin later than the last batch seen; the next one last.
  private var later: [FetchResponse.AbortedTransaction]
  /// The producers whose present transaction was aborted.
  private var producers: Set<Int64> = []

  init(_ aborted: [FetchResponse.AbortedTransaction]?) {
    later = (aborted ?? []).sorted { $0.firstOffset > $1.firstOffset }
  }

  /// Takes the next batch, in the order of the log; returns whether it is to be skipped.
  mutating func skips(_ batch: RecordBatch) -> Bool {
    if later.isEmpty, producers.isEmpty { return false }
    let header = batch.header
    while let next = later.last, next.firstOffset <= header.lastOffset {
      producers.insert(next.producerID)
      later.removeLast()
    }
    guard header.attributes.isTransactional, producers.contains(header.producerID) else { return false }
    guard header.attributes.isControl else { return true }
    if (try? EndTransactionMarker(reading: batch))?.outcome == .abort { producers.remove(header.producerID) }
    return false
  }
}
