import Model

/// Follows the transactions of one partition while its whole log is read: each ends in one marker before its producer's next begins.
struct WholeReading {
  private let partition: TopicPartition
  private let transactions: TransactionLedger
  /// The transactions without a marker so far, by their producers' ids.
  private var open: [Int64: TransactionLedger.ID] = [:]

  init(_ partition: TopicPartition, _ transactions: TransactionLedger) {
    self.partition = partition
    self.transactions = transactions
  }

  /// Takes the next batch.
  ///
  /// - Parameter id: what its producer calls it; nil for a marker, and for a batch without records.
  /// - Returns: what is wrong with it; nil when nothing is.
  mutating func take(_ batch: RecordBatch, _ id: Ledger.BatchID?) -> String? {
    let header = batch.header
    guard header.attributes.isTransactional else { return nil }
    guard header.attributes.isControl else {
      guard let transaction = id.flatMap({ transactions.transaction(of: $0) }) else { return nil }
      let before = open.updateValue(transaction, forKey: header.producerID)
      return before.flatMap {
        $0 == transaction ? nil : "\($0) has no marker before \(transaction) at \(header.baseOffset)"
      }
    }
    guard let marker = try? EndTransactionMarker(reading: batch),
      let transaction = open.removeValue(forKey: header.producerID)
    else { return nil }
    transactions.observed(
      transaction, marker.outcome, "a marker at \(header.baseOffset) of \(partition) says \(marker.outcome)")
    return nil
  }

  /// The transactions that the log leaves open.
  var left: [TransactionLedger.ID] { open.sorted { $0.key < $1.key }.map(\.value) }
}
