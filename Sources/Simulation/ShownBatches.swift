import Model
import Wire

/// Tells which batches of a fetch response a reader of committed records shows, as Kafka's clients do: not those of the transactions that
/// the response lists as aborted, from the first offset of each up to its marker.
struct ShownBatches {
  /// Not begun yet, the first first.
  private var ahead: ArraySlice<FetchResponse.AbortedTransaction>
  private var aborted: Set<Int64> = []

  init(_ response: FetchResponse.Partition) {
    ahead = (response.abortedTransactions ?? []).sorted { $0.firstOffset < $1.firstOffset }[...]
  }

  /// Takes the next batch of the response; control batches are never shown.
  mutating func shows(_ batch: RecordBatch) -> Bool {
    let header = batch.header
    while let next = ahead.first, next.firstOffset <= header.lastOffset {
      aborted.insert(next.producerID)
      ahead.removeFirst()
    }
    guard header.attributes.isControl else {
      return !header.attributes.isTransactional || !aborted.contains(header.producerID)
    }
    if let marker = try? EndTransactionMarker(reading: batch), marker.outcome == .abort {
      aborted.remove(header.producerID)
    }
    return false
  }
}
