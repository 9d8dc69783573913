import Experiment
import Foundation
import Measure
package import Verdict

/// The overview as a table in Markdown, for a README: computed from the results, so that it cannot say anything else than they do.
package struct VerdictTable {
  /// The lines of a file between which the table stands.
  package static let begin = "<!-- verdicts: written by `millrace report --markdown --into` -->"
  package static let end = "<!-- end of verdicts -->"
  static let columns = ["", "claim", "original", "ours [95 %]", "grade", "limited by"]

  /// The latest of each experiment, in the experiments' order.
  package var results: [StoredResult]

  package init(_ results: [StoredResult]) { self.results = results }

  package struct MarksMissing: Error, CustomStringConvertible {
    package var description: String {
      "there is no place for the table: put these two lines where it is to stand\n\(begin)\n\(end)"
    }
  }

  package var markdown: String {
    let head = [Self.columns, Self.columns.map { _ in "---" }].map(Self.line)
    let lines = Overview(results).lines
    let rows = lines.map { Self.line(cells($0)) }
    guard let first = lines.firstIndex(where: \.isAside) else { return (head + rows).joined(separator: "\n") + "\n" }
    let title = Self.line(["", "*\(Overview.asideTitle)*"] + Self.columns.dropFirst(2).map { _ in "" })
    return (head + rows[..<first] + [title] + rows[first...]).joined(separator: "\n") + "\n"
  }

  private static func line(_ cells: [String]) -> String { "| \(cells.joined(separator: " | ")) |" }

  /// The lines between the two marks.
  static func lines(in text: String) throws(MarksMissing) -> [Substring] {
    guard let from = text.range(of: begin), let to = text.range(of: end, range: from.upperBound..<text.endIndex) else {
      throw MarksMissing()
    }
    return text[from.upperBound..<to.lowerBound].split(separator: "\n")
  }

  /// Of a line as `markdown` writes it.
  static func cells(ofLine line: Substring) -> [String] {
    line.dropFirst(2).dropLast(2).split(separator: " | ", omittingEmptySubsequences: false).map(String.init)
  }

  /// `text` with the table between the two marks, whatever stood there before.
  package func replaced(in text: String) throws -> String {
    guard let from = text.range(of: Self.begin),
      let to = text.range(of: Self.end, range: from.upperBound..<text.endIndex)
    else { throw MarksMissing() }
    return "\(text[..<from.upperBound])\n\n\(markdown)\n\(text[to.lowerBound...])"
  }

  /// Of one result's row, escaped.
  func cells(_ result: StoredResult) -> [String] { cells(Overview.line(result)) }

  private func cells(_ line: Overview.Line) -> [String] {
    // Only a standard run is what it seems to be.
    let profile = results.first { $0.experiment.id == line.id }?.profile ?? .standard
    let grade = "\(line.grade.sign) \(line.grade.brief)\(profile == .standard ? "" : " (\(profile.rawValue) profile)")"
    return [
      "[\(line.id)](experiments/\(line.stem).yaml)", line.claim, line.original, line.ours.text, grade, line.limit,
    ].map(Self.escaped)
  }

  private static func escaped(_ text: String) -> String {
    text.replacing("|", with: "\\|").replacing("\n", with: " ")
  }
}

extension Verdict.Outcome {
  /// Beside the word, for those who do not see its colour.
  package var sign: String {
    switch self {
    case .supported: "✓"
    case .notSupported: "✗"
    case .inconclusive: "?"
    case .reported: "="
    }
  }
}
