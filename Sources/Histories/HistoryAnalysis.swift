/// Looks for every anomaly in a history. Pure: the same history gives the same findings.
///
/// The history may end anywhere; `unseen` and `tornTransaction` are of weight only where its last events read every partition
/// to its end.
package struct HistoryAnalysis: Sendable, Equatable {
  /// The first findings of each anomaly, in the order of `Anomaly`.
  package let findings: [Finding]
  /// How many there are of each.
  package let counts: [Anomaly: Int]
  package let figures: Figures

  /// What the history holds.
  package struct Figures: Sendable, Equatable {
    package var events = 0
    package var batches = 0, records = 0
    package var acknowledgedRecords = 0
    /// Different records that were read.
    package var recordsRead = 0
    package var transactions = 0, committed = 0, aborted = 0
    package var assignments = 0, commits = 0
  }

  package init(_ history: History) {
    let facts = HistoryFacts(history)
    var list = facts.findings
    list.add(facts.lostWrites())
    list.add(facts.nonmonotonicSends())
    list.add(facts.abortedReads())
    list.add(facts.tornTransactions())
    list.add(facts.consumedTwice())
    list.add(facts.polls())
    list.add(facts.groups())
    findings = Anomaly.allCases.flatMap { anomaly in list.kept.filter { $0.anomaly == anomaly } }
    counts = list.counts
    figures = Figures(facts)
  }

  package var isClean: Bool { counts.isEmpty }
}

extension HistoryAnalysis.Figures {
  fileprivate init(_ facts: HistoryFacts) {
    events = facts.history.events.count
    batches = facts.batches.count
    for batch in facts.batches {
      records += batch.numbers.count
      if batch.isAcknowledged { acknowledgedRecords += batch.numbers.count }
    }
    recordsRead = facts.sightings.count
    transactions = facts.transactions.count
    committed = facts.transactions.count { $0.outcome == .committed }
    aborted = facts.transactions.count { $0.outcome == .aborted }
    for event in facts.history.events {
      switch event.action {
      case .assign(_, .some): assignments += 1
      case .committed(_, .ok): commits += 1
      default: break
      }
    }
  }
}
