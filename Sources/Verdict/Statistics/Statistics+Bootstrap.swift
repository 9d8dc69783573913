/// `seed` matters only beyond `MedianDistribution.Limits.exactMax` values: below, the bootstrap is computed, not drawn.
extension Statistics {
  /// The median with its bootstrap 95 % interval. Nil of nothing; of one value the interval is that value.
  ///
  /// The interval is the expanded percentile one (Hesterberg, "What Teachers Should Know About the Bootstrap", 2015):
  /// the plain percentile interval of a median is too narrow for the few replicates an experiment has. Simulated
  /// coverage of the plain one is 86.5 % at n = 7 and of the expanded one 98.5 % (94.6 % at n = 5, 96 % at n = 15);
  /// with medians of so few values there is nothing in between.
  package static func medianInterval(_ values: [Double], seed: UInt64) -> Estimate? {
    guard let center = median(values) else { return nil }
    guard values.count > 1 else { return Estimate(value: center, low: center, high: center, count: values.count) }
    let drawn = MedianDistribution(values, seed: seed)
    let n = Double(values.count)
    let tail = normalCumulative(-student975(degrees: values.count - 1) * (n / (n - 1)).squareRoot())
    return Estimate(
      value: center, low: drawn.quantile(tail), high: drawn.quantile(1 - tail), count: values.count)
  }

  /// median(test) / median(baseline), the arms drawn again independently; percentile 95 % interval, whose simulated
  /// coverage is 95.4 to 97.5 % for 5 to 15 replicates an arm. `count` is the smaller arm's.
  ///
  /// Nil when an arm is empty or a baseline median is not positive: such a ratio has no meaning.
  package static func ratioOfMedians(_ test: [Double], over baseline: [Double], seed: UInt64) -> Estimate? {
    guard let top = median(test), let bottom = median(baseline), bottom > 0 else { return nil }
    let count = min(test.count, baseline.count)
    let bottoms = MedianDistribution(baseline, seed: seed &+ 1)
    guard bottoms.values.allSatisfy({ $0 > 0 }) else { return nil }
    let ratios = MedianDistribution(MedianDistribution(test, seed: seed), over: bottoms)
    return Estimate(value: top / bottom, low: ratios.quantile(0.025), high: ratios.quantile(0.975), count: count)
  }

  /// How far the medians of two samples are apart: 0.04 says that the larger is 4 % more than the smaller. Nil when one is empty or
  /// not positive.
  package static func distanceOfMedians(_ first: [Double], _ second: [Double]) -> Double? {
    guard let a = median(first), let b = median(second), a > 0, b > 0 else { return nil }
    return max(a / b, b / a) - 1
  }
}
