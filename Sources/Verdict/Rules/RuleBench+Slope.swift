import Experiment

extension RuleBench {
  /// How much the metric grows with each unit of a factor: a partition more, a connection more.
  ///
  /// A replicate is one run at each level in a random order and gives one slope, the median of the slopes between its levels (Theil and Sen); the
  /// interval is that of the replicates' slopes, which are independent of each other as the levels of one are not. A metric that does not
  /// depend on the factor has slopes around zero. The effect is the slope, in the metric's unit for a unit of the factor; with `better:
  /// higher` it is to be above `threshold`, with `better: lower` at most that.
  func slope(_ rule: VerdictRule, at levels: [Setting]) -> Finding {
    var finding = blank(rule, levels)
    let slopes = replicateSlopes(rule, levels)
    guard slopes.count >= Verdict.Limits.replicatesMin, let slope = Statistics.centerInterval(slopes, seed: seed) else {
      finding.sentence = "\(name(rule, levels)): " + tooFew(slopes.count, of: experiment.replicates)
      return finding
    }
    let threshold = rule.threshold ?? 0
    let isHigher = rule.better == .higher
    let inside = isHigher ? slope.low > threshold : slope.high <= threshold
    let outside = isHigher ? slope.high <= threshold : slope.low > threshold
    finding.effect = slope
    finding.margin = isHigher ? slope.low - threshold : threshold - slope.high
    finding.directionHolds = slope.low > 0
    finding.outcome = inside ? .supported : (outside ? .notSupported : .inconclusive)
    finding.sentence =
      "\(name(rule, levels)): \(Figures.interval(slope, suffix: "")) \(unitName(rule.metric)) for each of \(rule.over ?? ""), "
      + "\(isHigher ? "more than" : "at most") \(Figures.text(threshold)) wanted; \(finding.outcome.word)."
    return finding
  }

  /// Of each replicate that ran at two levels or more.
  private func replicateSlopes(_ rule: VerdictRule, _ levels: [Setting]) -> [Double] {
    guard let over = rule.over else { return [] }
    let all = counted(rule, rule.test, levels)
    return Set(all.map(\.replicate)).sorted().compactMap { replicate in
      let points = all.filter { $0.replicate == replicate }.compactMap { row -> (x: Double, y: Double)? in
        guard let x = row.levels[over]?.number, let y = row.metrics[rule.metric] else { return nil }
        return (x, y)
      }
      return Statistics.theilSen(points)?.value
    }
  }
}
