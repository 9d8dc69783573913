import Experiment
package import Measure
package import Verdict

/// All claims on one screen, a line each: what was claimed and measured, what came of it, and what limited the measurement.
package struct Overview: Sendable, Equatable {
  package struct Line: Sendable, Equatable {
    package var id: String
    /// In some eight words.
    package var claim: String
    /// The number as it was published; empty where the source has none.
    package var original: String
    package var ours: String
    package var grade: Grade
    /// What limited the runs of the arms that the claim speaks of, in most of them.
    package var limit: String
  }

  package var lines: [Line]

  /// - Parameter results: the latest of each experiment, in the experiments' order.
  package init(_ results: [StoredResult]) {
    lines = results.map { result in
      let verdict = result.verdict
      let telling = verdict.telling
      return Line(
        id: result.experiment.id, claim: result.experiment.shortClaim,
        original: result.experiment.originals.first { $0.value != nil }.map(Self.words) ?? "",
        ours: telling.flatMap { Self.words($0, result.experiment) } ?? "–", grade: verdict.grade,
        limit: Self.limit(result, telling))
    }
  }

  /// As aligned columns for a terminal, a header and a line for each claim.
  package var text: String {
    let cells =
      [["", "claim", "original", "ours", "grade", "limited by"]]
      + lines.map { line in
        [line.id, line.claim, line.original, line.ours, "\(line.grade.sign) \(line.grade.text)", line.limit]
      }
    let widths = cells[0].indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
    return cells.map { row in
      row.indices.map { column in
        column == row.count - 1
          ? row[column] : row[column] + String(repeating: " ", count: widths[column] - row[column].count)
      }.joined(separator: "  ").trimmingSuffix(while: \.isWhitespace)
    }.joined(separator: "\n")
  }

  package var markdown: String {
    let head = ["| | claim | original | ours | grade | limited by |", "|---|---|---|---|---|---|"]
    let rows = lines.map { line in
      let cells = [line.id, line.claim, line.original, line.ours, "\(line.grade.sign) \(line.grade.text)", line.limit]
      return "| \(cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ")) |"
    }
    return (head + rows).joined(separator: "\n") + "\n"
  }

  private static func words(_ original: Original) -> String {
    guard let value = original.value else { return "" }
    let isRatio = ["x", "×", "times"].contains(original.unit)
    return isRatio
      ? Figures.times(value) : "\(Figures.short(value)) \(original.unit)".trimmingSuffix(while: \.isWhitespace)
  }

  private static func words(_ finding: Verdict.Finding, _ experiment: Experiment) -> String? {
    guard let effect = finding.effect else { return nil }
    switch finding.kind {
    case .ratio, .equal: return Figures.times(effect.value)
    case .flat: return "\(Figures.percent(effect.value, signed: true)) a doubling"
    case .exponent: return "N^\(Figures.text(-effect.value))"
    case .cost: return "knee at \(Figures.short(effect.value)) B"
    case .trend: return "τ = \(Figures.text(effect.value))"
    case .value, .never:
      let metric = experiment.verdicts.first { $0.name == finding.rule }.flatMap { Metric.named($0.metric) }
      return "\(Figures.short(effect.value)) \(metric?.unit ?? "")".trimmingSuffix(while: \.isWhitespace)
    }
  }

  private static func limit(_ result: StoredResult, _ telling: Verdict.Finding?) -> String {
    let rule = result.experiment.verdicts.first { $0.name == telling?.rule }
    let arms = rule?.test.arms ?? result.experiment.arms.filter { $0.role == .test }.map(\.name)
    let found = result.rows.filter { $0.isValid && arms.contains($0.arm) }.compactMap(\.limitation?.bottleneck)
    let counts = Bottleneck.allCases.map { one in (one, found.count { $0 == one }) }
    guard let most = counts.max(by: { $0.1 < $1.1 }), most.1 > 0 else { return "" }
    return most.0.words
  }
}

extension Bottleneck {
  /// In a table.
  package var words: String {
    switch self {
    case .pace: "its pace"
    case .generator: "load generator"
    case .receiver: "receiver"
    case .broker: "broker's CPU"
    case .mechanism: "its own CPU"
    case .processors: "all CPUs"
    case .link: "link"
    case .disk: "disk"
    case .lock: "a lock"
    case .waiting: "waiting"
    case .target: "the target"
    }
  }
}

extension StringProtocol {
  fileprivate func trimmingSuffix(while matches: (Character) -> Bool) -> String {
    var rest = self[...]
    while let last = rest.last, matches(last) { rest.removeLast() }
    return String(rest)
  }
}
