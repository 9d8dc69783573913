import Client

/// Cuts a producer's records into transactions of the same number of records. A value: the worker says what happens.
struct TransactionSchedule {
  private enum Phase { case between, open, ending }

  private let records: Int
  private let abortEvery: Int?
  private var phase = Phase.between
  private var begunNs: UInt64 = 0
  /// The number of transactions that were begun.
  private var count = 0
  /// The records that the open transaction may still take.
  private(set) var room = 0
  private(set) var figures = TransactionFigures()

  /// - Parameter abortEvery: nil commits all.
  init(records: Int, abortEvery: Int?) {
    self.records = records
    self.abortEvery = abortEvery
  }

  var isOpen: Bool { phase == .open }
  /// Neither open nor being ended.
  var isBetween: Bool { phase == .between }
  /// Whether the present transaction is to be committed.
  var commits: Bool { abortEvery.map { count % $0 != 0 } ?? true }

  mutating func begin(at nowNs: UInt64) {
    phase = .open
    count += 1
    begunNs = nowNs
    room = records
  }

  mutating func took(_ count: Int) { room -= count }

  mutating func end() { phase = .ending }

  /// - Returns: the records of the transaction.
  mutating func ended(isCommitted: Bool, at nowNs: UInt64) -> Int {
    let taken = records - room
    phase = .between
    room = 0
    if isCommitted {
      // One that took no records before a stop was none.
      guard taken > 0 else { return 0 }
      figures.committed += 1
      figures.latency.record(from: begunNs, to: nowNs)
    } else {
      figures.aborted += 1
      figures.abortedRecords += taken
    }
    return taken
  }

  /// The transaction could be neither committed nor aborted.
  mutating func failed() {
    phase = .between
    room = 0
  }
}

/// What became of a run's transactions.
package struct TransactionFigures: Sendable {
  package var committed = 0, aborted = 0
  /// The records of aborted transactions, which were sent again.
  package var abortedRecords = 0
  /// The records of aborted transactions that readers skipped.
  package var skippedRecords = 0
  /// From the beginning of a committed transaction to its end.
  package var latency = Latency()

  package init() {}

  mutating func add(_ other: TransactionFigures) {
    committed += other.committed
    aborted += other.aborted
    abortedRecords += other.abortedRecords
    skippedRecords += other.skippedRecords
    latency.add(other.latency)
  }
}

/// What the members of a run's groups did.
package struct GroupFigures: Sendable {
  package var commits = 0, refusedCommits = 0
  package var rebalances = 0, losses = 0
  /// How long members read nothing in rebalances.
  package var pauses = Latency()

  package init() {}

  mutating func add(_ counts: GroupCounts) {
    commits += counts.commits
    refusedCommits += counts.refusedCommits
    rebalances += counts.rebalances
    losses += counts.losses
    for pause in counts.pausesNs { pauses.record(from: 1, to: 1 + max(1, pause)) }
  }

  mutating func add(_ other: GroupFigures) {
    commits += other.commits
    refusedCommits += other.refusedCommits
    rebalances += other.rebalances
    losses += other.losses
    pauses.add(other.pauses)
  }
}
