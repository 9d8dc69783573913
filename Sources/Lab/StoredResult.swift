import Foundation

/// A result directory read back: all that charts, report and verdict need, from its files alone.
package struct StoredResult: Sendable {
  package var path: String
  /// The definition under the profile that ran.
  package var experiment: Experiment
  package var profile: Profile
  package var seed: UInt64
  package var startedAt: String
  /// SHA-256 of the definition, as stored before the first run.
  package var definitionHash: String
  package var rows: [Row]
  package var series: [SeriesPoint]
  package var machine: Machine
  package var gates: [Gate]
  /// Arms left out, and why.
  package var skipped: [String: String]
  /// Paces of pilot runs by arm, MiB/s.
  package var paces: [String: Double]
  package var plannedRuns: Int
  /// Begun with `--bare-only`: the order holds no arm with a broker.
  package var isBareOnly: Bool
  package var finishedRuns: Int
  package var isComplete: Bool
  /// Nil in results of before there was a probe.
  package var ceiling: Ceiling?
  /// Why replicates were added, one each, and why no more were; see `AdaptiveReplicates`.
  package var extensions: [String]
  package var settled: String?
  package var validation: SelfValidation?
  /// Runs thrown away and made again.
  package var disturbed: Int
  /// What the campaign told when it ended; nil in results of before that was kept.
  package var told: ToldVerdict?

  package struct Failure: Error, CustomStringConvertible {
    package let path: String
    package let reason: String
    package var description: String { "\(path): \(reason)" }
  }

  /// The directory's own name: `<UTC>-<commit>`.
  package var name: String { path.split(separator: "/").last.map(String.init) ?? path }

  package var circumstances: Verdict.Circumstances {
    Verdict.Circumstances(
      gates: gates, profile: profile, skipped: skipped, isComplete: isComplete, seed: seed, experiment: experiment)
  }

  package var verdict: Verdict { Verdict.judge(experiment, rows: rows, under: circumstances) }

  /// Throws when a file is missing or damaged, or when the definition is not the one the journal vouches for.
  package init(reading path: String) throws {
    self.path = path
    let history = ResultDirectory.History(try Journal.read("\(path)/\(ResultDirectory.Name.journal)"))
    guard let begin = history.begin, let profile = Profile(rawValue: begin.profile) else {
      throw Failure(path: path, reason: "the journal has no beginning")
    }
    let definitionPath = "\(path)/\(ResultDirectory.Name.definition)"
    let definition = try Self.text(definitionPath)
    guard SHA256.hex(definition) == begin.definition else {
      throw Failure(path: definitionPath, reason: "differs from what was fixed before the run (hash in the journal)")
    }
    experiment = try Experiment(file: definitionPath, yaml: definition).under(profile)
      .changed(by: begin.changes ?? RunChanges())
    self.profile = profile
    seed = begin.seed
    startedAt = begin.startedAt
    definitionHash = begin.definition
    rows = try CSV.rows(
      reading: try Self.text("\(path)/\(ResultDirectory.Name.rows)", upTo: history.rowsBytes),
      file: "\(path)/\(ResultDirectory.Name.rows)", of: experiment)
    series = try CSV.series(
      reading: try Self.text("\(path)/\(ResultDirectory.Name.series)", upTo: history.seriesBytes),
      file: "\(path)/\(ResultDirectory.Name.series)")
    machine = try Machine(json: try Self.text("\(path)/\(ResultDirectory.Name.machine)"))
    ceiling = try SmallFile.read("\(path)/\(ResultDirectory.Name.ceiling)").map { try Ceiling(json: $0) }
    gates =
      Gates.judge(machine, for: experiment) + Gates.judge(rows) + [
        Gates.judge(disturbed: history.disturbed, of: history.finished.count), Gates.judge(ceiling),
        Gates.judge(history.validation, of: experiment),
      ] + Gates.judge(generator: ceiling, experiment, rows)
    extensions = history.extensions
    settled = history.settled
    validation = history.validation
    disturbed = history.disturbed
    skipped = history.skipped
    paces = history.paces
    plannedRuns = begin.runs + history.extendedRuns
    // A journal that does not say it planned fewer runs than its matrix has; runs added later are no runs planned.
    isBareOnly = begin.bareOnly ?? (begin.runs < experiment.replicates * Matrix(experiment).cells.count)
    finishedRuns = history.finished.count
    isComplete = history.isComplete
    told = try SmallFile.read("\(path)/\(ResultDirectory.Name.told)").map { try Self.told($0, path: path) }
  }

  private static func told(_ json: String, path: String) throws(Failure) -> ToldVerdict {
    do { return try ToldVerdict(json: json) } catch {
      throw Failure(path: "\(path)/\(ResultDirectory.Name.told)", reason: "is no verdict: \(error)")
    }
  }

  /// What is told, where it is of the rows that there are: an interrupted campaign told something, and went on.
  package var toldOfAllRuns: ToldVerdict? { told.flatMap { $0.runs == finishedRuns ? $0 : nil } }

  /// `upTo`: what the journal vouches for; a crash may have left more.
  private static func text(_ path: String, upTo bytes: Int? = nil) throws -> String {
    guard let found = SmallFile.bytes(path) else { throw Failure(path: path, reason: "cannot be read") }
    guard let bytes else { return String(decoding: found, as: UTF8.self) }
    let all = CSV.asWritten(found)
    guard bytes <= all.count else {
      throw Failure(path: path, reason: "is shorter than the journal says")
    }
    guard bytes == 0 || all[bytes - 1] == UInt8(ascii: "\n") else {
      throw Failure(
        path: path,
        reason:
          "was changed after the run: byte \(bytes), where the journal says that it ended, is in the middle of a line")
    }
    return String(decoding: all[..<bytes], as: UTF8.self)
  }

  /// Directories of one experiment's results, oldest first; `results/NN-name/*`.
  package static func directories(of experiment: Experiment, under results: String) -> [String] {
    let top = "\(results)/\(experiment.stem)"
    return (ProcessFigures.directoryEntries(top) ?? [])
      .map { "\(top)/\($0)" }
      .filter { FileManager.default.fileExists(atPath: "\($0)/\(ResultDirectory.Name.journal)") }
  }
}
