import Model

/// Holds what the transactions of a run may come to, and what they have come to as far as anybody has seen: the coordinator's responses,
/// the markers in the logs, the records that readers of committed records are shown, and the offsets that groups have.
///
/// All of these must agree about each transaction, whatever was lost on the way: it is committed everywhere or aborted everywhere, and
/// committed only if its producer has asked for that.
final class TransactionLedger {
  typealias Outcome = EndTransactionMarker.Outcome

  /// Identifies a transaction by its producer's number and its own.
  struct ID: Hashable, CustomStringConvertible {
    var producer: UInt32
    var number: Int

    var description: String { "transaction \(number) of producer \(producer)" }
  }

  private struct Transaction {
    /// The producer has asked to commit it.
    var mayCommit = false
    /// The producer has asked to end it.
    var isEnding = false
    /// Another producer, or the coordinator, may have ended it.
    var mayBeEnded = false
    /// The time on the timeout clock after which its timeout may have passed; nil when it may pass at any time.
    var overdueMs: Int64?
    var found: (outcome: Outcome, how: String)?
    /// The first acknowledged offset in each partition.
    var begins: [TopicPartition: Int64] = [:]
    /// Whether a commit of offsets in it was acknowledged.
    var hasOffsets = false
  }

  private let report: (String) -> Void
  private var transactions: [ID: Transaction] = [:]
  private var ofBatch: [Ledger.BatchID: ID] = [:]
  /// Those that nobody has begun to end.
  private var open: [ID] = []
  /// What transactions copy, and for which group.
  private var copies: [ID: (group: String, range: Range<Int64>)] = [:]
  /// What is copied by transactions that are committed, by group.
  private var copied: [String: [(id: ID, range: Range<Int64>)]] = [:]

  init(report: @escaping (String) -> Void) { self.report = report }

  // MARK: What producers do

  /// - Parameter overdueMs: the time on the world's timeout clock after which the transaction may have timed out; nil when it may at any time.
  func began(_ id: ID, overdueMs: Int64?) {
    transactions[id] = Transaction(overdueMs: overdueMs)
    open.append(id)
  }

  func sending(_ batch: Ledger.BatchID, in id: ID) { ofBatch[batch] = id }

  func acknowledged(at offset: Int64, in partition: TopicPartition, _ id: ID) {
    guard offset >= 0 else { return }
    transactions[id]?.begins.merge([partition: offset], uniquingKeysWith: min)
  }

  func acknowledgedOffsets(_ id: ID) { transactions[id]?.hasOffsets = true }

  /// The producer asks for the end.
  func ending(_ id: ID, _ outcome: Outcome) {
    transactions[id]?.isEnding = true
    if outcome == .commit { transactions[id]?.mayCommit = true }
    open.removeAll { $0 == id }
  }

  /// Something else may end the transaction from now on: another producer with its transactional id, or a failing disk.
  func mayBeEnded(_ id: ID) {
    transactions[id]?.mayBeEnded = true
    open.removeAll { $0 == id }
  }

  /// Whether nobody but its producer can have ended the transaction by this time on the world's timeout clock.
  func isProducersAlone(_ id: ID, at clockMs: Int64?) -> Bool {
    guard let transaction = transactions[id], let clockMs, let overdueMs = transaction.overdueMs else { return false }
    return !transaction.mayBeEnded && clockMs <= overdueMs
  }

  // MARK: What is seen

  func transaction(of batch: Ledger.BatchID) -> ID? { ofBatch[batch] }

  func outcome(of batch: Ledger.BatchID) -> Outcome? { ofBatch[batch].flatMap { transactions[$0]?.found?.outcome } }

  /// Somebody has seen what has become of a transaction.
  ///
  /// - Parameter how: who, where and when, for people.
  func observed(_ id: ID, _ outcome: Outcome, _ how: @autoclosure () -> String) {
    guard let transaction = transactions[id] else { return report("\(id) was never begun: \(how())") }
    if let found = transaction.found {
      guard found.outcome != outcome else { return }
      return report("\(id) is both: \(found.how); \(how())")
    }
    if outcome == .commit, !transaction.mayCommit {
      report("\(id) counts as committed, which its producer has not asked for: \(how())")
    }
    transactions[id]?.found = (outcome, how())
    open.removeAll { $0 == id }
    if outcome == .commit { copied(by: id) }
  }

  /// The first offset of a partition that belongs to a transaction nobody can have ended; nil without one.
  func firstOpenOffset(in partition: TopicPartition, at clockMs: Int64?) -> Int64? {
    open.lazy.filter { self.isProducersAlone($0, at: clockMs) }
      .compactMap { self.transactions[$0]?.begins[partition] }.min()
  }

  // MARK: Copies

  /// A transaction copies these offsets of the partition that a group copies.
  func copying(_ range: Range<Int64>, for group: String, in id: ID) { copies[id] = (group, range) }

  /// Up to where a group's partition is known to be copied.
  func copiedEnd(for group: String) -> Int64 { copied[group]?.map(\.range.upperBound).max() ?? 0 }

  private func copied(by id: ID) {
    guard let (group, range) = copies[id] else { return }
    for (other, before) in copied[group] ?? [] where before.overlaps(range) {
      report("\(range) is copied by \(id), and \(before) by \(other): records of \(group) are doubled")
    }
    copied[group, default: []].append((id, range))
  }

  /// Checks that everything up to `end` is copied, when the outcome of every transaction is known.
  func finishCopies(for group: String, end: Int64) {
    var next: Int64 = 0
    for (id, range) in (copied[group] ?? []).sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
      if range.lowerBound > next { report("\(next)..<\(range.lowerBound) is missing in \(group), before \(id)") }
      next = max(next, range.upperBound)
    }
    if next < end { report("\(next)..<\(end) is missing in \(group)") }
  }

  // MARK: Offsets in transactions

  /// The offset that a transaction commits: each its own, rising.
  static func offset(of id: ID) -> Int64 { Int64(id.number) + 1 }

  /// The offset of the last transaction that is known to be committed, and to have committed an offset.
  func committedOffset(of producer: UInt32) -> Int64? {
    transactions.lazy.filter {
      $0.key.producer == producer && $0.value.hasOffsets && $0.value.found?.outcome == .commit
    }
    .map { Self.offset(of: $0.key) }.max()
  }

  /// A producer's group has this offset; -1 for none.
  ///
  /// - Parameter floor: what `committedOffset` was when it was asked for.
  func fetchedOffset(_ offset: Int64, of producer: UInt32, floor: Int64?) {
    if offset < floor ?? -1 {
      report(
        "producer \(producer) has committed the offset \(floor ?? -1) in a transaction, and later it was \(offset)")
    }
    guard offset > 0 else { return }
    observed(ID(producer: producer, number: Int(offset) - 1), .commit, "its offset \(offset) is committed")
  }
}
