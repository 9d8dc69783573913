import Experiment
import Measure
import Verdict

/// The published figure that belongs beside one finding.
struct OriginalFigure {
  let words: String
  /// Nil where the source has no ratio.
  let ratio: Double?

  /// A figure of the source that can be held against the finding's: a ratio against a ratio, and an amount against one in the same unit.
  /// Of the ratios that the source has: the one that the rule expects, the one at a level of the finding's combination, or the one whose
  /// label names such a level; else the first.
  init?(of experiment: Experiment, _ finding: Verdict.Finding, _ rule: VerdictRule?) {
    guard let rule else { return nil }
    if rule.kind == .equal, rule.around != 1 {
      (words, ratio) = (Figures.times(rule.around), rule.around)
      return
    }
    let figures = experiment.originals.filter { $0.value != nil }
    switch finding.kind {
    case .ratio, .equal:
      let ratios = figures.filter(\.isRatio)
      let levels = finding.combination.split(separator: ", ").map(String.init)
      let chosen =
        ratios.first { one in one.at.map { levels.contains($0.text) } ?? false }
        ?? ratios.first { one in levels.contains { one.label.wordsOnly.contains($0) } } ?? ratios.first
      guard let value = chosen?.value else { return nil }
      (words, ratio) = (Figures.times(value), value)
    case .value, .never, .slope:
      let unit = Metric.named(rule.metric)?.unit ?? ""
      let alike = figures.first { finding.kind == .slope ? $0.unit.hasPrefix("\(unit) a ") : $0.unit == unit }
      guard let alike, let value = alike.value else { return nil }
      words = Figures.amount(value, unit: alike.unit)
      ratio = nil
    case .flat, .exponent, .trend, .cost, .drift: return nil
    }
  }
}

extension Original {
  fileprivate var isRatio: Bool { ["x", "×", "times"].contains(unit) }
}

extension String {
  fileprivate var wordsOnly: [String] {
    split { !$0.isLetter && !$0.isNumber }.map(String.init)
  }
}
