package import Experiment
import Foundation
import Mechanisms
package import Verdict

extension StoredResult {
  package struct Failure: Error, CustomStringConvertible {
    package let path: String
    package let reason: String
    package var description: String { "\(path): \(reason)" }
  }

  /// Throws when a file is missing or damaged, or when the definition is not the one the journal vouches for.
  package init(reading path: String) throws { try self.init(reading: try ResultFiles(directory: path)) }

  package init(reading files: ResultFiles) throws {
    let path = files.path
    let journal = "\(path)/\(ResultDirectory.Name.journal)"
    let history = ResultDirectory.History(
      try Journal.read(files.bytes(ResultDirectory.Name.journal) ?? [], path: journal).entries)
    guard let begin = history.begin, let profile = Profile(rawValue: begin.profile) else {
      throw Failure(path: path, reason: "the journal has no beginning")
    }
    let definitionPath = "\(path)/\(ResultDirectory.Name.definition)"
    let definition = try Self.text(files, ResultDirectory.Name.definition)
    guard Fingerprint.of(definition) == begin.definition else {
      throw Failure(path: definitionPath, reason: "differs from what was fixed before the run (hash in the journal)")
    }
    let experiment = try Experiment(
      file: definitionPath, yaml: definition, mechanisms: MechanismList.descriptions
    ).under(profile)
      .changed(by: begin.changes ?? RunChanges())
    let rowsText = try Self.text(files, ResultDirectory.Name.rows, upTo: history.rowsBytes)
    let seriesText = try Self.text(files, ResultDirectory.Name.series, upTo: history.seriesBytes)
    let rows = try CSV.rows(reading: rowsText, file: "\(path)/\(ResultDirectory.Name.rows)", of: experiment)
    let series = try CSV.series(reading: seriesText, file: "\(path)/\(ResultDirectory.Name.series)")
    let latencyText =
      try history.latencyBytes.map { try Self.text(files, ResultDirectory.Name.latency, upTo: $0) } ?? ""
    try history.check(
      rows: Array(rowsText.utf8), series: Array(seriesText.utf8), latency: Array(latencyText.utf8), of: path)
    try history.checkFiles(files)
    let machine = try Machine(json: try Self.text(files, ResultDirectory.Name.machine))
    let ceiling = try files.text(ResultDirectory.Name.ceiling).map { try Ceiling(json: $0) }
    self.init(
      path: path, experiment: experiment, profile: profile, seed: begin.seed, startedAt: begin.startedAt,
      definitionHash: begin.definition, rows: rows, series: series, machine: machine,
      skipped: history.skipped, paces: history.paces, plannedRuns: begin.runs + history.extendedRuns,
      // A journal that does not say it planned fewer runs than its matrix has; runs added later are no runs planned.
      isBareOnly: begin.bareOnly ?? (begin.runs < experiment.replicates * Matrix(experiment).cells.count),
      finishedRuns: history.finished.count, isComplete: history.isComplete, ceiling: ceiling,
      extensions: history.extensions, settled: history.settled, validation: history.validation,
      disturbed: history.disturbed, isSealed: history.isSealed,
      told: try files.text(ResultDirectory.Name.told).map { try Self.told($0, path: path) })
    noise = history.noise
    if !latencyText.isEmpty {
      latency = try CSV.latency(reading: latencyText, file: "\(path)/\(ResultDirectory.Name.latency)")
    }
  }

  private static func told(_ json: String, path: String) throws(Failure) -> ToldVerdict {
    do { return try ToldVerdict(json: json) } catch {
      throw Failure(path: "\(path)/\(ResultDirectory.Name.told)", reason: "is no verdict: \(error)")
    }
  }

  /// `upTo`: what the journal vouches for; a crash may have left more.
  private static func text(_ files: ResultFiles, _ name: String, upTo bytes: Int? = nil) throws -> String {
    let path = "\(files.path)/\(name)"
    guard let found = files.bytes(name) else { throw Failure(path: path, reason: "cannot be read") }
    guard let bytes else { return String(decoding: found, as: UTF8.self) }
    let all = CSV.asWritten(found)
    guard (0...all.count).contains(bytes) else {
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
    return (SmallFile.entries(of: top) ?? [])
      .map { "\(top)/\($0)" }
      .filter { FileManager.default.fileExists(atPath: "\($0)/\(ResultDirectory.Name.journal)") }
  }
}
