package import Base
package import Histories
package import Model

/// What a run, or a stored history, shows.
package struct CheckReport: Sendable {
  /// A partition whose end readers of committed records did not come to.
  package struct Unread: Sendable, Equatable {
    package var partition: Int32
    package var to: Offset
    /// Nil: unknown, because no broker told.
    package var end: Offset?
  }

  package let history: History
  package let analysis: HistoryAnalysis
  /// Empty of a stored history.
  package var topic = ""
  package var unread: [Unread] = []
  /// Clients that waited for an answer until the run's patience was over.
  package var unfinished: [String] = []
  package var foreignRecords = 0, damagedBatches = 0
  package var failures = 0
  package var failureWords: [String] = []

  package init(_ history: History) {
    self.history = history
    analysis = HistoryAnalysis(history)
  }

  /// Clients that failed and began again are no anomaly: what they lost would be one.
  package var isGood: Bool {
    analysis.isClean && unread.isEmpty && unfinished.isEmpty && foreignRecords == 0 && damagedBatches == 0
  }

  /// The history, a line for each event.
  package var historyText: String { history.text }

  /// The report for a person: the findings first, each with the events that show it.
  package var summary: String {
    var lines: [String] = []
    for finding in analysis.findings {
      lines.append("\(finding.anomaly.rawValue): \(finding.what)")
      lines += shown(finding).map { "    \($0)" }
    }
    for (anomaly, count) in counted where count > analysis.findings.count(where: { $0.anomaly == anomaly }) {
      lines.append("\(anomaly.rawValue): \(Number.grouped(count)) in all")
    }
    lines += unfinished.map { "\($0) was not answered until the patience was over" }
    lines += unread.map { unread in
      "partition \(unread.partition) was not read to its end: committed records were read to offset \(unread.to) of "
        + (unread.end.map { "\($0): does a transaction hang?" } ?? "an unknown end: does a broker answer?")
    }
    if foreignRecords > 0 { lines.append("\(Number.grouped(foreignRecords)) records were read that no producer made") }
    if damagedBatches > 0 { lines.append("\(Number.grouped(damagedBatches)) damaged batches were read") }
    if failures > 0 {
      lines.append("\(Number.grouped(failures)) clients failed and began again; the first: \(failureWords[0])")
    }
    return (lines + figures).joined(separator: "\n")
  }

  private var figures: [String] {
    let figures = analysis.figures
    return [
      "history        \(Number.grouped(figures.events)) events",
      "records        \(Number.grouped(figures.records)) sent in \(Number.grouped(figures.batches)) batches, "
        + "\(Number.grouped(figures.acknowledgedRecords)) acknowledged, \(Number.grouped(figures.recordsRead)) read",
      "transactions   \(Number.grouped(figures.transactions)), \(Number.grouped(figures.committed)) committed, "
        + "\(Number.grouped(figures.aborted)) aborted",
      "groups         \(Number.grouped(figures.assignments)) assignments, \(Number.grouped(figures.commits)) commits",
      isGood ? "no anomaly" : "ANOMALIES: \(anomalies)",
    ]
  }

  private var anomalies: String {
    let others = [
      ("unanswered clients", unfinished.count), ("unread partitions", unread.count),
      ("foreign records", foreignRecords),
      ("damaged batches", damagedBatches),
    ]
    let all = counted.map { ($0.anomaly.rawValue, $0.count) } + others.filter { $0.1 > 0 }
    return all.map { "\($0.0) \(Number.grouped($0.1))" }.joined(separator: ", ")
  }

  private var counted: [(anomaly: Anomaly, count: Int)] {
    Anomaly.allCases.compactMap { anomaly in analysis.counts[anomaly].map { (anomaly, $0) } }
  }

  private func shown(_ finding: Finding) -> [String] { finding.events.map { "\(history.events[$0])" } }

  package var json: JSON {
    let figures = analysis.figures
    return .object([
      "good": .bool(isGood), "topic": .string(topic), "events": .int(Int64(figures.events)),
      "records": .int(Int64(figures.records)), "batches": .int(Int64(figures.batches)),
      "acknowledged_records": .int(Int64(figures.acknowledgedRecords)),
      "records_read": .int(Int64(figures.recordsRead)), "transactions": .int(Int64(figures.transactions)),
      "transactions_committed": .int(Int64(figures.committed)),
      "transactions_aborted": .int(Int64(figures.aborted)), "assignments": .int(Int64(figures.assignments)),
      "commits": .int(Int64(figures.commits)), "client_failures": .int(Int64(failures)),
      "foreign_records": .int(Int64(foreignRecords)), "damaged_batches": .int(Int64(damagedBatches)),
      "unanswered_clients": .array(unfinished.map { .string($0) }), "unread": .array(unread.map { Self.json($0) }),
      "anomalies": .object(counted.map { JSON.Member(name: $0.anomaly.rawValue, value: .int(Int64($0.count))) }),
      "findings": .array(analysis.findings.map { json($0) }),
    ])
  }

  private static func json(_ unread: Unread) -> JSON {
    .object([
      "partition": .int(Int64(unread.partition)), "read_to": .int(unread.to.rawValue),
      "end": unread.end.map { .int($0.rawValue) } ?? .null,
    ])
  }

  private func json(_ finding: Finding) -> JSON {
    .object([
      "anomaly": .string(finding.anomaly.rawValue), "what": .string(finding.what),
      "events": .array(shown(finding).map { .string($0) }),
    ])
  }
}
