package import Experiment
import Foundation
import Glibc
package import Verdict

/// `results/NN-name/<UTC>-<commit>/`: the definition as it was, the machine, the rows, the series, the journal.
///
/// Append-only: a campaign adds to its own directory and never touches another's. One campaign owns it at a time.
package final class ResultDirectory {
  package enum Name {
    package static let definition = "experiment.yaml"
    package static let machine = "machine.json"
    package static let rows = "rows.csv"
    package static let series = "series.csv"
    /// Latency histograms, where the load generator made some.
    package static let latency = "latency.csv"
    package static let schema = "schema.csv"
    package static let journal = "journal"
    package static let ceiling = "ceiling.json"
    package static let disclosure = "disclosure.md"
    package static let told = "verdict.json"
    /// What a repository keeps in one file; see `ResultPack.tidy`.
    package static let packed = "packed.tar.gz"

    /// The order in which a reader wants them.
    package static let all = [
      rows, series, latency, schema, definition, machine, ceiling, told, disclosure, journal, packed,
    ]
  }

  /// What the journal says has been done.
  package struct History: Sendable, Equatable {
    package var begin: JournalEntry.Begin?
    package var finished: Set<Int> = []
    package var paces: [String: Double] = [:]
    package var skipped: [String: String] = [:]
    /// Runs thrown away and made again.
    package var disturbed = 0
    /// Replicates beyond the definition's, and the reason of each.
    package var extensions: [String] = []
    /// Runs of those replicates.
    package var extendedRuns = 0
    /// Why no more replicates were added; nil where the definition does not ask for it, or it has not come to that.
    package var settled: String?
    package var validation: SelfValidation?
    package var noise: NoiseHistory?
    package var isComplete = false
    /// In the order in which they ended, which is that of their lines.
    var runs: [SealedRun] = []
    /// What the journal vouches for of either file; nil before the first run ended.
    var rowsBytes: Int? { runs.last?.rowsEnd }
    var seriesBytes: Int? { runs.last?.seriesEnd }
    var latencyBytes: Int? { runs.last?.latencyEnd }
    /// Whether the journal has the checksums of what lies beside it.
    var isSealed: Bool { begin?.files != nil && runs.allSatisfy { $0.seal != nil } }

    package init(_ entries: [JournalEntry]) {
      for entry in entries { add(entry) }
    }

    mutating func add(_ entry: JournalEntry) {
      switch entry {
      case .begin(let begin): self.begin = begin
      case .pilot(let arm, let pace), .searched(let arm, let pace): paces[arm] = pace
      case .finished(let order, let rows, let series, let seal, let latency):
        finished.insert(order)
        runs.append(SealedRun(order: order, rowsEnd: rows, seriesEnd: series, latencyEnd: latency, seal: seal))
      case .disturbed: disturbed += 1
      case .extended(_, let runs, let reason):
        extensions.append(reason)
        extendedRuns += runs
      case .settled(_, let reason): settled = reason
      case .validated(let validation): self.validation = validation
      case .noise(let noise): self.noise = noise
      case .skipped(let arm, let reason): skipped[arm] = reason
      case .resumed: (isComplete, skipped) = (false, [:])
      case .end(let complete, _): isComplete = complete
      }
    }
  }

  package struct Failure: Error, CustomStringConvertible {
    package let reason: String
    package var description: String { reason }
  }

  package let path: String
  private(set) package var history: History
  private let experiment: Experiment
  private let journal: Journal
  private let rows: AppendedFile
  private let series: AppendedFile
  /// Made by the first run with histograms.
  private var latency: AppendedFile?

  /// Makes the directory and writes what is fixed before the first run: the definition, its hash, the machine.
  package init(
    creating path: String, experiment: Experiment, definition: String, begin: JournalEntry.Begin, machineJSON: String,
    ceilingJSON: String? = nil
  ) throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    guard !FileManager.default.fileExists(atPath: "\(path)/\(Name.journal)") else {
      throw Failure(reason: "\(path) already holds a result; results are never overwritten")
    }
    self.path = path
    self.experiment = experiment
    try SmallFile.replace("\(path)/\(Name.definition)", definition)
    var files = [Name.machine: machineJSON, Name.schema: CSV.schema(of: experiment)]
    files[Name.ceiling] = ceilingJSON
    for (name, text) in files { try SmallFile.replace("\(path)/\(name)", text) }
    var begin = begin
    begin.files = files.mapValues { Fingerprint.of($0) }
    rows = try AppendedFile("\(path)/\(Name.rows)", header: CSV.rowsHeader(of: experiment), keeping: nil)
    series = try AppendedFile("\(path)/\(Name.series)", header: CSV.seriesHeader(of: experiment), keeping: nil)
    (journal, _) = try Journal.open("\(path)/\(Name.journal)")
    history = History([])
    try append(.begin(begin))
  }

  /// Opens a directory to go on with. Lines beyond what the journal acknowledges are cut off.
  package init(resuming path: String, experiment: Experiment, at time: String) throws {
    self.path = path
    self.experiment = experiment
    let (journal, entries) = try Journal.open("\(path)/\(Name.journal)")
    self.journal = journal
    history = History(entries)
    rows = try AppendedFile(
      "\(path)/\(Name.rows)", header: CSV.rowsHeader(of: experiment), keeping: history.rowsBytes)
    series = try AppendedFile(
      "\(path)/\(Name.series)", header: CSV.seriesHeader(of: experiment), keeping: history.seriesBytes)
    latency = try history.latencyBytes.map {
      try AppendedFile("\(path)/\(Name.latency)", header: CSV.latencyHeader, keeping: $0)
    }
    guard history.begin != nil else { throw Failure(reason: "\(path)/\(Name.journal) has no beginning") }
    try append(.resumed(at: time))
  }

  /// Rows, series and histograms first, then the journal's word for them.
  package func record(
    _ run: PlannedRun, rows newRows: [Row], series points: [SeriesPoint], latency buckets: [LatencyBucket] = []
  ) throws {
    let (lines, pointLines) = (
      newRows.map { CSV.line($0, of: experiment) }.joined(), points.map { CSV.line($0, of: experiment) }.joined()
    )
    try rows.append(lines)
    try series.append(pointLines)
    let bucketLines = try record(buckets)
    // The first run's seal is of the headers, too.
    let isFirst = history.runs.isEmpty
    let seal = RunSeal(
      rows: (isFirst ? CSV.rowsHeader(of: experiment) : "") + lines,
      series: (isFirst ? CSV.seriesHeader(of: experiment) : "") + pointLines, latency: bucketLines)
    try append(
      .finished(
        order: run.order, rowsBytes: rows.length, seriesBytes: series.length, seal: seal, latencyBytes: latency?.length)
    )
  }

  /// What was appended, the header of a file made now included; nil where there is nothing to append.
  private func record(_ buckets: [LatencyBucket]) throws -> String? {
    guard !buckets.isEmpty else { return nil }
    let isNew = latency == nil
    let file = try latency ?? AppendedFile("\(path)/\(Name.latency)", header: CSV.latencyHeader, keeping: nil)
    latency = file
    let lines = buckets.map { CSV.line($0) }.joined()
    try file.append(lines)
    return (isNew ? CSV.latencyHeader : "") + lines
  }

  /// The rows so far, as the file has them.
  package func recordedRows() throws -> [Row] {
    let path = "\(path)/\(Name.rows)"
    let text = String(decoding: (SmallFile.bytes(path) ?? []).prefix(rows.length), as: UTF8.self)
    return try CSV.rows(reading: text, file: path, of: experiment)
  }

  package func append(_ entry: JournalEntry) throws {
    try journal.append(entry)
    history.add(entry)
  }
}
