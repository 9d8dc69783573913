import Glibc

/// The mathematics of verdicts: values in, values out.
///
/// Everything here is pure and seeded, so the same rows give the same interval on every machine. Order statistics are
/// preferred to means throughout: one stalled run must not move a result.
///
/// - `Statistics`: medians, quantiles, the normal and Student distributions.
/// - `Statistics+Bootstrap`: intervals of medians and of ratios of medians, how far medians are apart.
/// - `Statistics+Trend`: Theil-Sen, Mann-Kendall; `Statistics+Drift`: a slope over time, where neighbours are alike.
/// - `Statistics+Steadiness`: when a series settles; `Statistics+ChangePoints`: where it changes level.
package enum Statistics {}

/// A number, its 95 % interval, and the count of independent values it rests on.
package struct Estimate: Sendable, Equatable {
  package var value: Double
  package var low: Double
  package var high: Double
  package var count: Int

  package init(value: Double, low: Double, high: Double, count: Int) {
    self.value = value
    self.low = low
    self.high = high
    self.count = count
  }

  /// The same estimate of 1/x: what a ratio becomes where lower is better.
  package var inverse: Estimate {
    Estimate(value: 1 / value, low: 1 / high, high: 1 / low, count: count)
  }
}

extension Statistics {
  /// Nil of nothing; the mean of the two middle values of an even count.
  package static func median(_ values: [Double]) -> Double? { quantile(values, 0.5) }

  /// Linear interpolation between order statistics (type 7 of Hyndman and Fan, the default of R and numpy).
  /// Nil of nothing.
  package static func quantile(_ values: [Double], _ fraction: Double) -> Double? {
    precondition((0...1).contains(fraction), "a quantile of \(fraction) does not exist")
    guard !values.isEmpty else { return nil }
    return quantile(sorted: values.sorted(), fraction)
  }

  static func quantile(sorted values: [Double], _ fraction: Double) -> Double {
    let place = fraction * Double(values.count - 1)
    let below = Int(place)
    guard below + 1 < values.count else { return values[values.count - 1] }
    let weight = place - Double(below)
    guard weight > 0 else { return values[below] }
    return values[below] + weight * (values[below + 1] - values[below])
  }

  package static func mean(_ values: [Double]) -> Double? {
    values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
  }

  /// The probability that a standard normal value is at most `z`.
  package static func normalCumulative(_ z: Double) -> Double { 0.5 * erfc(-z / 2.0.squareRoot()) }

  /// The 97.5 % point of the standard normal.
  static let z975 = 1.959963984540054

  /// The 97.5 % point of Student's t, from the normal's by the Cornish-Fisher expansion (Abramowitz and Stegun
  /// 26.7.5); within 0.001 from 4 degrees of freedom on, which is the fewest an experiment may have.
  package static func student975(degrees: Int) -> Double {
    precondition(degrees >= 1, "Student's t needs a degree of freedom")
    let v = Double(degrees)
    let z = z975
    let z2 = z * z
    let first = z * (z2 + 1) / 4
    let second = z * (5 * z2 * z2 + 16 * z2 + 3) / 96
    let third = z * (3 * z2 * z2 * z2 + 19 * z2 * z2 + 17 * z2 - 15) / 384
    let fourth = z * (79 * z2 * z2 * z2 * z2 + 776 * z2 * z2 * z2 + 1482 * z2 * z2 - 1920 * z2 - 945) / 92160
    return z + first / v + second / (v * v) + third / (v * v * v) + fourth / (v * v * v * v)
  }
}
