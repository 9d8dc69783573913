import ArgumentParser
import Base
import Experiment
import Foundation
import Glibc
import Verdict

/// Formats the commands' JSON output.
enum JSONText {
  /// Encodes an object with sorted keys, so that two runs can be compared as text.
  static func of(_ object: Any) throws -> String {
    let options: JSONSerialization.WritingOptions = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try JSONSerialization.data(withJSONObject: object, options: options), as: UTF8.self)
  }
}

extension JSONText {
  static func object(_ estimate: Estimate) -> [String: Any] {
    ["value": estimate.value, "low": estimate.low, "high": estimate.high, "n": estimate.count]
  }

  /// Returns a result's verdict, as `list` and `run` print it.
  static func object(_ result: StoredResult) -> [String: Any] {
    let verdict = result.verdict
    return [
      "experiment": result.experiment.name, "path": result.path, "profile": result.profile.rawValue,
      "complete": result.isComplete, "runs": result.finishedRuns, "planned_runs": result.plannedRuns,
      "outcome": verdict.outcome.rawValue, "state": verdict.state.rawValue, "state_reasons": verdict.stateReasons,
      "sentence": verdict.sentence, "skipped": result.skipped,
      "brokers": result.experiment.brokers.map(\.level.text),
      "findings": verdict.findings.map { finding -> [String: Any] in
        [
          "rule": finding.rule, "tier": finding.tier.rawValue, "combination": finding.combination,
          "outcome": finding.outcome.rawValue, "decides": finding.decides, "sentence": finding.sentence,
          "effect": finding.effect.map { object($0) as Any } ?? NSNull(),
          "noise_floor": finding.floor.map { $0 as Any } ?? NSNull(),
        ]
      },
    ]
  }
}

/// Suggests the nearest known word at the end of an error.
enum NearMiss {
  static func hint(_ word: String, _ known: [String]) -> String {
    Spelling.nearest(to: word, among: known).map { "; did you mean '\($0)'?" } ?? ""
  }
}

/// Parses sizes.
enum ByteSize {
  /// Parses `512MiB`, `50GiB`, `1TiB` or `2048` (MiB); nil for anything else, or less than 1 MiB.
  static func mebibytes(_ text: String) -> Int? {
    let units = ["mib": 1, "gib": 1 << 10, "tib": 1 << 20, "": 1]
    let digits = text.prefix { $0.isNumber || $0 == "." }
    let unit = text.dropFirst(digits.count).lowercased().trimmingCharacters(in: .whitespaces)
    guard let factor = units[unit], let number = Double(digits), number.isFinite else { return nil }
    let size = number * Double(factor)
    return size >= 1 && size < 1e9 ? Int(size) : nil
  }

  /// Of an option that need not be there.
  static func check(_ text: String?, of option: String) throws {
    guard let text, mebibytes(text) == nil else { return }
    throw ValidationError("\(option) \(text): a size such as 512MiB, 50GiB or 1TiB is needed")
  }
}

/// How long a run over time may last.
enum RunHours {
  /// Of an option that need not be there.
  static func check(_ hours: Double?) throws {
    guard let hours, !TimeSweep.Limits.hours.contains(hours) else { return }
    throw ValidationError(
      "--hours \(hours): hours are from \(Figures.text(TimeSweep.Limits.hours.lowerBound)) (a minute) to "
        + "\(Figures.text(TimeSweep.Limits.hours.upperBound)) (a week)")
  }
}

enum Address {
  /// Returns whether a text is `HOST:PORT`, or several separated by commas.
  static func isList(_ text: String) -> Bool {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    return !parts.isEmpty
      && parts.allSatisfy { part in
        guard let colon = part.lastIndex(of: ":"), colon > part.startIndex else { return false }
        return Int(part[part.index(after: colon)...]).map { (1...65535).contains($0) } ?? false
      }
  }
}

/// Reads the size of this machine's memory.
enum MachineMemory {
  static var totalMiB: Double? {
    let pages = sysconf(Int32(_SC_PHYS_PAGES)), size = sysconf(Int32(_SC_PAGESIZE))
    return pages > 0 && size > 0 ? Double(pages) * Double(size) / 1_048_576 : nil
  }
}
