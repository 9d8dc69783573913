package import Experiment
import Glibc
package import Measure
package import Verdict

/// All claims on one screen, a line each: what was claimed and measured, what came of it, and what limited the measurement.
package struct Overview: Sendable, Equatable {
  package struct Line: Sendable, Equatable {
    package var id: String
    /// The experiment's file name without its ending.
    package var stem: String
    /// In some eight words.
    package var claim: String
    /// The number as it was published; empty where the source has none.
    package var original: String
    package var ours: Told
    package var grade: Grade
    /// What limited the runs of the arms that the claim speaks of, in most of them.
    package var limit: String
    /// The definition decides nothing of a claim: a counter-claim whose figures are reported, or a question of our own.
    package var isAside: Bool
    /// What a chart of ratios draws; nil where the figure is none.
    package var ratio: Ratio?
  }

  /// A figure with its 95 % interval, each in words.
  package struct Told: Sendable, Equatable {
    package var value: String
    /// Empty where the figure has none.
    package var interval: String

    package var text: String { interval.isEmpty ? value : "\(value) \(interval)" }

    init(value: String, interval: String) { (self.value, self.interval) = (value, interval) }

    /// The same behind the words that say what it is a figure of.
    init(figure: String, _ told: Told) {
      self.init(value: figure.isEmpty ? told.value : "\(figure) \(told.value)", interval: told.interval)
    }
  }

  /// A figure of ours as a ratio, and what it is held against.
  package struct Ratio: Sendable, Equatable {
    package var ours: Estimate
    package var original: Double?
    package var threshold: Double?
    /// As a share; nil where no A/A arm measured one.
    package var floor: Double?
    /// What the machine capped the figure by, so that it is at least this.
    package var cap: Cap?
  }

  /// Those that decide of a claim first, each part in the experiments' order.
  package var lines: [Line]

  /// - Parameter results: the latest of each experiment, in the experiments' order.
  package init(_ results: [StoredResult]) {
    let all = results.map(Self.line)
    lines = all.filter { !$0.isAside } + all.filter(\.isAside)
  }

  package static func line(_ result: StoredResult) -> Line {
    let (experiment, verdict) = (result.experiment, result.verdict)
    let telling = verdict.telling
    let rule = experiment.verdicts.first { $0.name == telling?.rule }
    let original = telling.flatMap { OriginalFigure(of: experiment, $0, rule) }
    let figure = rule?.figure ?? ""
    return Line(
      id: experiment.id, stem: experiment.stem,
      claim: experiment.shortClaim + (experiment.foreignBroker.map { " (\($0.label))" } ?? ""),
      original: original?.words ?? "",
      ours: telling.flatMap { told($0, of: experiment) }.map { Told(figure: figure, $0) }
        ?? Told(value: "–", interval: ""),
      grade: verdict.grade,
      limit: limit(result, telling),
      isAside: verdict.outcome == .reported || experiment.claims.isEmpty,
      ratio: telling.flatMap { Ratio($0, rule, original: original?.ratio) })
  }

  /// How many claims have each grade, in words: `4 hold, 1 holds in direction`. Asides are not counted.
  package var tally: String {
    let deciding = lines.filter { !$0.isAside }.map(\.grade)
    let counts = Grade.kinds.compactMap { kind -> String? in
      let count = deciding.count { $0.word == kind.word }
      return count == 0 ? nil : "\(count) \(count == 1 ? kind.word : kind.plural)"
    }
    return counts.isEmpty ? "no claim decided yet" : counts.joined(separator: ", ")
  }

  private static let columns = ["", "claim", "original", "ours [95 %]", "grade", "limited by"]
  package static let asideTitle = "also asked"

  private static func cells(_ line: Line) -> [String] {
    [line.id, line.claim, line.original, line.ours.text, "\(line.grade.sign) \(line.grade.brief)", line.limit]
  }

  /// As aligned columns for a terminal: a header and a line for each claim, asides under a line of their own.
  package var text: String {
    let cells = [Self.columns] + lines.map(Self.cells)
    let widths = cells[0].indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
    var rows = cells.map { row in
      row.indices.map { column in
        column == row.count - 1
          ? row[column] : row[column] + String(repeating: " ", count: widths[column] - row[column].count)
      }.joined(separator: "  ").trimmingSuffix(while: \.isWhitespace)
    }
    if let first = lines.firstIndex(where: \.isAside) { rows.insert(Self.asideTitle, at: first + 1) }
    return rows.joined(separator: "\n")
  }

  /// A finding's figure in words; nil where it has none.
  package static func told(_ finding: Verdict.Finding, of experiment: Experiment) -> Told? {
    guard let effect = finding.effect else { return nil }
    func told(_ suffix: String, _ words: (Double) -> String) -> Told {
      Told(value: words(effect.value) + suffix, interval: "[\(words(effect.low)), \(words(effect.high))]")
    }
    switch finding.kind {
    case .ratio, .equal: return told("×") { Figures.text($0) }
    case .flat: return told(" a doubling") { Figures.percent($0, signed: true) }
    case .exponent:
      return Told(
        value: "N^\(Figures.text(-effect.value))",
        interval: "[\(Figures.text(-effect.high)), \(Figures.text(-effect.low))]")
    case .cost:
      return Told(
        value: "knee at \(Figures.short(effect.value)) B",
        interval: "[\(Figures.short(effect.low)), \(Figures.short(effect.high))]")
    case .trend:
      let all = told("") { Figures.text($0) }
      return Told(value: "τ = \(all.value)", interval: all.interval)
    case .drift: return driftTold(finding, of: experiment)
    case .slope:
      let rule = experiment.verdicts.first { $0.name == finding.rule }
      let unit = rule.flatMap { Metric.named($0.metric)?.unit } ?? ""
      let all = Figures.amounts(effect, unit: unit)
      return Told(value: "\(all.value) \(rule?.over.map(Self.each) ?? "a unit")", interval: all.interval)
    case .value, .never:
      let metric = experiment.verdicts.first { $0.name == finding.rule }.flatMap { Metric.named($0.metric) }
      let unit = metric?.unit ?? ""
      let all = Figures.amounts(effect, unit: unit)
      return Told(value: all.value, interval: all.interval)
    }
  }

  /// One of what a factor counts: `a partition` of `partitions`.
  private static func each(of factor: String) -> String {
    let words = factor.replacing("_", with: " ")
    return words.hasSuffix("s") ? "a \(words.dropLast())" : "a unit of \(words)"
  }

  /// A share of the metric's level, or an amount in its unit.
  private static func driftTold(_ finding: Verdict.Finding, of experiment: Experiment) -> Told? {
    guard let effect = finding.effect, let rule = experiment.verdicts.first(where: { $0.name == finding.rule }) else {
      return nil
    }
    let unit = Metric.named(rule.metric)?.unit ?? ""
    func words(_ value: Double) -> String {
      rule.tolerance != nil ? Figures.percent(value, signed: true) : Figures.amount(value, unit: unit)
    }
    let span = rule.span == .run ? "a run" : "an hour"
    return Told(value: "\(words(effect.value)) \(span)", interval: "[\(words(effect.low)), \(words(effect.high))]")
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

extension Overview.Ratio {
  /// Nil where the finding's figure is no ratio of two positive figures. A slope is drawn as the ratio that a doubling makes.
  init?(_ finding: Verdict.Finding, _ rule: VerdictRule?, original: Double?) {
    guard let effect = finding.effect else { return nil }
    func changed(_ ratio: (Double) -> Double) -> Estimate {
      let (one, other) = (ratio(effect.low), ratio(effect.high))
      return Estimate(value: ratio(effect.value), low: min(one, other), high: max(one, other), count: effect.count)
    }
    switch finding.kind {
    case .ratio: self.init(ours: effect, original: original, threshold: finding.threshold)
    case .equal: self.init(ours: effect, original: original, threshold: rule?.around)
    case .flat: self.init(ours: changed { 1 + $0 }, threshold: 1)
    case .exponent: self.init(ours: changed { exp2(-$0) }, threshold: rule?.threshold.map { exp2(-$0) } ?? 1)
    case .value, .trend, .cost, .slope, .never, .drift: return nil
    }
    guard ours.low > 0, ours.value > 0, ours.high.isFinite else { return nil }
    (floor, cap) = (finding.floor, finding.cap)
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
