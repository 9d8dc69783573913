import Glibc

extension Statistics {
  /// The median of all slopes between two points, with Sen's 95 % interval (from Kendall's variance, ties counted):
  /// up to 29 % of the points may be wild without moving it. Nil with fewer than two different x.
  package static func theilSen(_ points: [(x: Double, y: Double)]) -> Estimate? {
    var slopes: [Double] = []
    for (index, first) in points.enumerated() {
      for second in points[(index + 1)...] where second.x != first.x {
        slopes.append((second.y - first.y) / (second.x - first.x))
      }
    }
    guard !slopes.isEmpty else { return nil }
    slopes.sort()
    let n = points.count
    let spread = n * (n - 1) * (2 * n + 5) - tieCorrection(points.map(\.x)) - tieCorrection(points.map(\.y))
    let reach = z975 * (Double(max(spread, 0)) / 18).squareRoot()
    let last = slopes.count - 1
    let low = Int(((Double(slopes.count) - reach) / 2).rounded()) - 1
    let high = Int(((Double(slopes.count) + reach) / 2).rounded())
    return Estimate(
      value: quantile(sorted: slopes, 0.5), low: slopes[min(max(low, 0), last)], high: slopes[min(max(high, 0), last)],
      count: n)
  }

  /// Whether a series rises or falls at all, whatever its shape.
  package struct MannKendall: Sendable, Equatable {
    /// Rising pairs less falling pairs.
    package var s: Int
    /// Kendall's tau-a, from -1 (always falls) to 1 (always rises).
    package var tau: Double
    /// Two-sided, normal approximation with continuity correction.
    package var p: Double
  }

  /// Nil with fewer than three values.
  package static func mannKendall(_ values: [Double]) -> MannKendall? { mannKendall(blocks: [values]) }

  /// Of independent series of the same thing, each compared within itself only: S and its variance are sums over them
  /// (Hirsch and Slack 1982), so what differs between the series counts for nothing. Nil when one has fewer than three values,
  /// or there is none.
  package static func mannKendall(blocks: [[Double]]) -> MannKendall? {
    guard !blocks.isEmpty, blocks.allSatisfy({ $0.count >= 3 }) else { return nil }
    var (s, pairs, variance) = (0, 0, 0.0)
    for values in blocks {
      for (index, earlier) in values.enumerated() {
        for later in values[(index + 1)...] { s += later > earlier ? 1 : (later < earlier ? -1 : 0) }
      }
      let n = values.count
      pairs += n * (n - 1) / 2
      variance += Double(n * (n - 1) * (2 * n + 5) - tieCorrection(values)) / 18
    }
    let z = variance > 0 ? Double(s - s.signum()) / variance.squareRoot() : 0
    return MannKendall(s: s, tau: Double(s) / Double(pairs), p: 2 * normalCumulative(-abs(z)))
  }

  /// Sum of t(t-1)(2t+5) over groups of equal values: what ties take from Kendall's variance (times 18).
  private static func tieCorrection(_ values: [Double]) -> Int {
    var groups: [Double: Int] = [:]
    for value in values { groups[value, default: 0] += 1 }
    return groups.values.reduce(0) { $0 + $1 * ($1 - 1) * (2 * $1 + 5) }
  }
}
