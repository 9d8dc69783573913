import Experiment
import Glibc

extension RuleBench {
  /// A curve over the sweep as N^-b, or as N^b where lower is better: b above zero is losing. Each replicate's b is one independent value, as with `flat`; the interval is that of
  /// their median.
  func exponent(_ rule: VerdictRule, at levels: [Setting]) -> Finding {
    var finding = blank(rule, levels)
    let curves = turned(rule, curves(rule, levels))
    guard curves.count >= Verdict.Limits.replicatesMin else {
      finding.sentence = "\(name(rule, levels)): " + tooFew(curves.count, of: experiment.replicates)
      return finding
    }
    guard let b = Statistics.centerInterval(curves.compactMap(decayExponent), seed: seed),
      b.count >= Verdict.Limits.replicatesMin
    else {
      finding.sentence = "\(name(rule, levels)): the sweep has too few levels with rates above zero."
      return finding
    }
    finding.effect = b
    let wanted: String
    if let tolerance = rule.tolerance {
      let inside = b.low >= -tolerance && b.high <= tolerance
      let reach = max(tolerance, twinExponent(rule, levels) ?? 0)
      let outside = b.high < -reach || b.low > reach
      finding.directionHolds = inside
      finding.margin = Margin.within(b, reach: tolerance)
      finding.outcome = inside ? .supported : (outside ? .notSupported : .inconclusive)
      wanted = "between −\(Figures.text(tolerance)) and \(Figures.text(tolerance))"
    } else {
      let threshold = rule.threshold ?? 0
      finding.directionHolds = b.low > 0
      // A power is a logarithm's slope already.
      finding.margin = b.low - threshold
      let least = threshold - (twinExponent(rule, levels) ?? 0)
      finding.outcome = b.low > threshold ? .supported : (b.high <= least ? .notSupported : .inconclusive)
      wanted = "above \(Figures.text(threshold))"
    }
    finding.sentence =
      "\(name(rule, levels)): \(unitName(rule.metric)) as N^\(rule.better == .lower ? "" : "-")b with b = \(Figures.interval(b, suffix: "")), "
      + "\(wanted) wanted; \(finding.outcome.word)."
    return finding
  }

  /// How far the exponents of an arm and its A/A twin are apart: what of an exponent is noise. Nil without a twin.
  private func twinExponent(_ rule: VerdictRule, _ levels: [Setting]) -> Double? {
    experiment.arms.filter { $0.role == .again && rule.test.arms.contains($0.repeats ?? "") }.compactMap { twin in
      let exponents = [twin.name, twin.repeats ?? ""].map { arm in
        var own = rule
        own.test.arms = [arm]
        return Statistics.median(turned(own, curves(own, levels)).compactMap(decayExponent))
      }
      guard let first = exponents[0], let second = exponents[1] else { return nil }
      return abs(first - second)
    }.max()
  }

  /// Theil-Sen slope of log(rate) against log(N), turned round; nil with fewer than three positive points.
  private func decayExponent(_ curve: [(x: Double, y: Double)]) -> Double? {
    let points = curve.filter { $0.x > 0 && $0.y > 0 }.map { (x: log($0.x), y: log($0.y)) }
    guard points.count >= 3 else { return nil }
    return Statistics.theilSen(points).map { -$0.value }
  }
}
