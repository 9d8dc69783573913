import Experiment
import Glibc

extension RuleBench {
  /// A curve over the sweep as N^-b. Each replicate's b is one independent value, as with `flat`; the interval is that of
  /// their median.
  func exponent(_ rule: VerdictRule, at levels: [Setting]) -> Finding {
    var finding = blank(rule, levels)
    let curves = curves(rule, levels)
    guard curves.count >= Verdict.Limits.replicatesMin else {
      finding.sentence = "\(name(rule, levels)): " + tooFew(curves.count, of: experiment.replicates)
      return finding
    }
    guard let b = Statistics.medianInterval(curves.compactMap(decayExponent), seed: seed),
      b.count >= Verdict.Limits.replicatesMin
    else {
      finding.sentence = "\(name(rule, levels)): the sweep has too few levels with rates above zero."
      return finding
    }
    finding.effect = b
    let wanted: String
    if let tolerance = rule.tolerance {
      let inside = b.low >= -tolerance && b.high <= tolerance
      let outside = b.high < -tolerance || b.low > tolerance
      finding.directionHolds = inside
      finding.margin = Margin.within(b, reach: tolerance)
      finding.outcome = inside ? .supported : (outside ? .notSupported : .inconclusive)
      wanted = "between −\(Figures.text(tolerance)) and \(Figures.text(tolerance))"
    } else {
      let threshold = rule.threshold ?? 0
      finding.directionHolds = b.low > 0
      // A power is a logarithm's slope already.
      finding.margin = b.low - threshold
      finding.outcome = b.low > threshold ? .supported : (b.high <= threshold ? .notSupported : .inconclusive)
      wanted = "above \(Figures.text(threshold))"
    }
    finding.sentence =
      "\(name(rule, levels)): \(unitName(rule.metric)) as N^-b with b = \(Figures.interval(b, suffix: "")), "
      + "\(wanted) wanted; \(finding.outcome.word)."
    return finding
  }

  /// Theil-Sen slope of log(rate) against log(N), turned round; nil with fewer than three positive points.
  private func decayExponent(_ curve: [(x: Double, y: Double)]) -> Double? {
    let points = curve.filter { $0.x > 0 && $0.y > 0 }.map { (x: log($0.x), y: log($0.y)) }
    guard points.count >= 3 else { return nil }
    return Statistics.theilSen(points).map { -$0.value }
  }
}
