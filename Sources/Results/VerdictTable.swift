import Experiment
import Foundation
import Measure
package import Verdict

/// The verdicts as a table in Markdown, for a README: computed from the results, so that it cannot say anything else than they do.
package struct VerdictTable {
  /// The lines of a file between which the table stands.
  package static let begin = "<!-- verdicts: written by `millrace report --markdown --into` -->"
  package static let end = "<!-- end of verdicts -->"

  /// The latest of each experiment, in the experiments' order.
  package var results: [StoredResult]

  package init(_ results: [StoredResult]) { self.results = results }

  package struct MarksMissing: Error, CustomStringConvertible {
    package var description: String {
      "there is no place for the table: put these two lines where it is to stand\n\(begin)\n\(end)"
    }
  }

  package var markdown: String {
    let head = ["| | claim | bare mechanism | through the broker | verdict |", "|---|---|---|---|---|"]
    let rows = results.map { "| " + cells($0).joined(separator: " | ") + " |" }
    return (head + rows).joined(separator: "\n") + "\n"
  }

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
  func cells(_ result: StoredResult) -> [String] {
    let (experiment, verdict) = (result.experiment, result.verdict)
    let why = verdict.outcome == .supported ? "" : ": \(verdict.sentence)"
    let profile = result.profile == .standard ? "" : ", \(result.profile.rawValue) profile"
    let cells = [
      "[\(experiment.id)](experiments/\(experiment.stem).yaml)", experiment.claim, tier(.bare, result, verdict),
      tier(.endToEnd, result, verdict),
      "**\(verdict.outcome.rawValue)**, \(verdict.state.rawValue)\(profile)\(why)",
    ]
    return cells.map(Self.escaped)
  }

  /// Each deciding rule's effect in few words; a dash where the definition has none there.
  private func tier(_ tier: Arm.Tier, _ result: StoredResult, _ verdict: Verdict) -> String {
    let findings = verdict.findings.filter { $0.tier == tier && $0.decides }
    let rules = result.experiment.verdicts.filter { rule in findings.contains { $0.rule == rule.name } }
    let told = rules.map { rule in
      let these = findings.filter { $0.rule == rule.name }
      let sign = Verdict.conjunction(these.map(\.outcome)).sign
      // The column says which tier it is.
      let name = rule.name.trimmingPrefix(#/(bare|broker)-/#).replacing("-", with: " ")
      return "\(sign) \(name): \(effect(rule, these.compactMap(\.effect), these.map(\.outcome)))"
    }
    return told.isEmpty ? "–" : told.joined(separator: "<br>")
  }

  /// One effect with its interval, or the range of several.
  private func effect(_ rule: VerdictRule, _ effects: [Estimate], _ outcomes: [Verdict.Outcome]) -> String {
    guard let least = effects.min(by: { $0.value < $1.value }), let most = effects.max(by: { $0.value < $1.value })
    else {
      // Without a figure of its own: what must not happen, did it?
      if rule.kind == .never, !outcomes.contains(.inconclusive) {
        return outcomes.contains(.notSupported) ? "seen" : "never seen"
      }
      return "not measured"
    }
    if rule.kind == .flat {
      func percent(_ share: Double) -> String { Figures.percent(share, signed: true) }
      return effects.count == 1
        ? "\(percent(least.value)) [\(percent(least.low)), \(percent(least.high))] a doubling"
        : "\(percent(least.value)) to \(percent(most.value)) a doubling"
    }
    let own = rule.kind == .cost ? "B" : rule.kind == .value ? Metric.named(rule.metric)?.unit ?? "" : ""
    let unit = own.isEmpty ? rule.kind.suffix : " \(own)"
    let sign = rule.kind == .exponent ? "b = " : rule.kind == .trend ? "τ = " : ""
    if effects.count == 1 {
      return "\(sign)\(Figures.text(least.value))\(unit) [\(Figures.text(least.low)), \(Figures.text(least.high))]"
    }
    return "\(sign)\(Figures.text(least.value)) to \(Figures.text(most.value))\(unit)"
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
