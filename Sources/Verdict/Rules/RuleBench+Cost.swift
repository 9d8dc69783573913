import Experiment
import Measure

extension RuleBench {
  /// Whether one thing costs a fixed time and a time for each of its bytes: t = a + b·size, with a > 0 and b > 0.
  ///
  /// The metric is how many of them a second, and t is its inverse. A replicate is one run at each size in a random order and gives one
  /// a and one b, by least squares of relative errors (a small thing's nanosecond weighs as much as a large one's microsecond); the
  /// intervals are those of the replicates' values. Both above zero is the claim: below the knee at a/b bytes a thing costs by being
  /// one, above it by being large. Unlike the steps of a trend this is decided by all sizes together, and a size at which nothing
  /// changes for a cap that it meets does not matter as long as there are others.
  ///
  /// The effect is the knee, in bytes.
  func cost(_ rule: VerdictRule, at levels: [Setting]) -> Finding {
    var finding = blank(rule, levels)
    let fits = replicateFits(rule, levels)
    guard fits.count >= Verdict.Limits.replicatesMin,
      let fixed = Statistics.centerInterval(fits.map(\.fixed), seed: seed),
      let each = Statistics.centerInterval(fits.map(\.each), seed: seed)
    else {
      finding.sentence = "\(name(rule, levels)): " + tooFew(fits.count, of: experiment.replicates)
      return finding
    }
    finding.directionHolds = fixed.value > 0 && each.value > 0
    let isRefuted = fixed.high <= 0 || each.high <= 0
    finding.outcome = fixed.low > 0 && each.low > 0 ? .supported : (isRefuted ? .notSupported : .inconclusive)
    // How far the less certain of the two is from zero, in parts of itself.
    finding.margin = min(fixed.low / max(fixed.value, 1e-300), each.low / max(each.value, 1e-300))
    finding.sentence =
      "\(name(rule, levels)): one costs \(Figures.interval(Self.nanoseconds(fixed), suffix: " ns")) and "
      + "\(Figures.interval(Self.nanoseconds(each), suffix: " ns")) for each byte, both above zero wanted; \(finding.outcome.word)."
    guard finding.outcome == .supported,
      let knee = Statistics.centerInterval(fits.filter { $0.each > 0 }.map { $0.fixed / $0.each }, seed: seed)
    else { return finding }
    finding.effect = knee
    finding.sentence +=
      " The knee is at \(Figures.interval(knee, suffix: " bytes")): smaller ones cost by their number, larger ones by their bytes."
    return finding
  }

  private static func nanoseconds(_ seconds: Estimate) -> Estimate {
    Estimate(value: seconds.value * 1e9, low: seconds.low * 1e9, high: seconds.high * 1e9, count: seconds.count)
  }

  private static let sizesMin = 3

  /// Of each replicate that ran at three sizes or more: seconds for one, and seconds for a byte of it.
  private func replicateFits(_ rule: VerdictRule, _ levels: [Setting]) -> [(fixed: Double, each: Double)] {
    guard let over = rule.over else { return [] }
    let all = counted(rule, rule.test, levels)
    return Set(all.map(\.replicate)).sorted().compactMap { replicate in
      let points = all.filter { $0.replicate == replicate }.compactMap { row -> (size: Double, seconds: Double)? in
        guard let size = row.levels[over]?.number, let rate = row.metrics[rule.metric], rate > 0 else { return nil }
        return (size, 1 / rate)
      }
      return Set(points.map(\.size)).count >= Self.sizesMin ? Self.fit(points) : nil
    }
  }

  /// Least squares of ((a + b·size - t) / t): linear in a and b.
  static func fit(_ points: [(size: Double, seconds: Double)]) -> (fixed: Double, each: Double)? {
    var (xx, xy, yy, x, y) = (0.0, 0.0, 0.0, 0.0, 0.0)
    for point in points {
      let (one, size) = (1 / point.seconds, point.size / point.seconds)
      xx += one * one
      xy += one * size
      yy += size * size
      x += one
      y += size
    }
    let determinant = xx * yy - xy * xy
    // Sizes that are all the same have no slope.
    guard determinant > 1e-12 * xx * yy else { return nil }
    return ((x * yy - y * xy) / determinant, (xx * y - xy * x) / determinant)
  }
}
