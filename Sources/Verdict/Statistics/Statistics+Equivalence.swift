import Glibc

/// Decisions about two samples of positive values by an equivalence margin: a difference counts when it is surely larger than the
/// margin, and two samples are the same when their difference is surely smaller.
extension Statistics {
  /// The ratio of two samples and what can be said of it, by Welch's t test on logarithms.
  package struct Equivalence: Sendable, Equatable {
    /// Second over first, with its 95 % interval: of geometric means.
    package var ratio: Estimate
    /// The probability of a ratio at least this small if the true one were the margin's lower edge.
    package var lessP: Double
    /// The probability of a ratio at least this large if the true one were the margin's upper edge.
    package var moreP: Double
    /// The larger of the two probabilities that must both be small for the ratio to lie inside the margin (two one-sided tests,
    /// Schuirmann 1987).
    package var sameP: Double

    /// What it says of 1/ratio.
    package var inverse: Equivalence { Equivalence(ratio: ratio.inverse, lessP: moreP, moreP: lessP, sameP: sameP) }
  }

  /// - Parameter margin: as a share: 0.05 is a ratio between 1/1.05 and 1.05.
  /// - Returns: nil with fewer than two values on a side, or with one that is not positive.
  package static func equivalence(_ first: [Double], _ second: [Double], margin: Double) -> Equivalence? {
    guard min(first.count, second.count) >= 2, (first + second).allSatisfy({ $0 > 0 && $0.isFinite }) else {
      return nil
    }
    let (a, b) = (first.map { log($0) }, second.map { log($0) })
    let difference = sum(b) / Double(b.count) - sum(a) / Double(a.count)
    let (spreadA, spreadB) = (variance(a) / Double(a.count), variance(b) / Double(b.count))
    let edge = log(1 + margin)
    let error = (spreadA + spreadB).squareRoot()
    let count = min(first.count, second.count)
    // Rounding of equal values leaves a spread that means nothing.
    guard error > 1e-12 else {
      let ratio = exp(difference)
      return Equivalence(
        ratio: Estimate(value: ratio, low: ratio, high: ratio, count: count), lessP: difference < -edge ? 0 : 1,
        moreP: difference > edge ? 0 : 1, sameP: abs(difference) < edge ? 0 : 1)
    }
    let degrees =
      (spreadA + spreadB) * (spreadA + spreadB)
      / (spreadA * spreadA / Double(a.count - 1) + spreadB * spreadB / Double(b.count - 1))
    let reach = studentQuantile975(degrees: degrees) * error
    let (fromLow, fromHigh) = ((difference + edge) / error, (difference - edge) / error)
    return Equivalence(
      ratio: Estimate(
        value: exp(difference), low: exp(difference - reach), high: exp(difference + reach), count: count),
      lessP: studentUpperTail(-fromLow, degrees: degrees), moreP: studentUpperTail(fromHigh, degrees: degrees),
      sameP: max(studentUpperTail(fromLow, degrees: degrees), studentUpperTail(-fromHigh, degrees: degrees)))
  }

  /// The center of a few values, one of each replicate, with its 95 % interval: Hodges and Lehmann's, the median of all pairs' means,
  /// whose interval is that of Wilcoxon's signed ranks. At seven values it is the third smallest mean of a pair to the third largest,
  /// where an interval of the median is the whole range. Fewer than six values have no such interval: that of Student's t around the
  /// mean is taken, and with two the range.
  ///
  /// Exact for values that spread alike to both sides, whatever their distribution; Student's for normal ones.
  package static func centerInterval(_ values: [Double], seed: UInt64) -> Estimate? {
    guard values.count >= 3 else { return medianInterval(values, seed: seed) }
    guard values.count >= 6 else {
      let center = sum(values) / Double(values.count)
      let reach =
        studentQuantile975(degrees: Double(values.count - 1)) * (variance(values) / Double(values.count)).squareRoot()
      return Estimate(value: center, low: center - reach, high: center + reach, count: values.count)
    }
    let sorted = values.sorted()
    var means: [Double] = []
    means.reserveCapacity(sorted.count * (sorted.count + 1) / 2)
    for first in sorted.indices {
      for second in first..<sorted.count { means.append((sorted[first] + sorted[second]) / 2) }
    }
    means.sort()
    let outside = signedRankPlace(count: values.count)
    return Estimate(
      value: quantile(sorted: means, 0.5), low: means[outside], high: means[means.count - 1 - outside],
      count: values.count)
  }

  /// How many of the sorted means lie outside a 95 % interval on each side: the most ranks whose probability to sum to no more is at
  /// most 2.5 %. Counted exactly up to 50 values, by the normal approximation beyond.
  private static func signedRankPlace(count: Int) -> Int {
    let most = count * (count + 1) / 2
    guard count <= 50 else {
      let mean = Double(most) / 2
      let deviation = (Double(count * (count + 1) * (2 * count + 1)) / 24).squareRoot()
      return max(0, Int(mean - z975 * deviation))
    }
    var ways = [Double](repeating: 0, count: most + 1)
    ways[0] = 1
    for rank in 1...count { for sum in stride(from: most, through: rank, by: -1) { ways[sum] += ways[sum - rank] } }
    let all = pow(2, Double(count))
    var below = 0.0
    for sum in 0...most {
      below += ways[sum] / all
      if below > 0.025 { return max(0, sum - 1) }
    }
    return 0
  }

  /// Holm's step-down correction (1979): the probabilities as they count when all are looked at together. A nil has no part in it.
  package static func holm(_ chances: [Double?]) -> [Double?] {
    let order = chances.indices.filter { chances[$0] != nil }.sorted { (chances[$0] ?? 1) < (chances[$1] ?? 1) }
    var corrected = chances
    var largest = 0.0
    for (rank, index) in order.enumerated() {
      largest = max(largest, min(1, (chances[index] ?? 1) * Double(order.count - rank)))
      corrected[index] = largest
    }
    return corrected
  }

  /// The probability that Student's t with `degrees` degrees of freedom (whole or not) is at least `t`.
  package static func studentUpperTail(_ t: Double, degrees: Double) -> Double {
    let tail = incompleteBeta(degrees / (degrees + t * t), a: degrees / 2, b: 0.5) / 2
    return t >= 0 ? tail : 1 - tail
  }

  /// The 97.5 % point of Student's t, by bisection: also for degrees of freedom that are not whole.
  package static func studentQuantile975(degrees: Double) -> Double {
    var (low, high) = (0.0, 1e6)
    for _ in 0..<200 where high - low > 1e-10 * high {
      let middle = (low + high) / 2
      if studentUpperTail(middle, degrees: degrees) > 0.025 { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }

  /// The regularized incomplete beta function I_x(a, b), by its continued fraction (NIST DLMF 8.17.22), evaluated from the front with
  /// the method of Lentz.
  static func incompleteBeta(_ x: Double, a: Double, b: Double) -> Double {
    guard x > 0 else { return 0 }
    guard x < 1 else { return 1 }
    // The fraction converges fast below the mean; above it the other end is computed.
    if x > (a + 1) / (a + b + 2) { return 1 - incompleteBeta(1 - x, a: b, b: a) }
    let front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a
    let least = 1e-300
    var (numerator, denominator, value) = (1.0, 0.0, 1.0)
    for step in 0..<500 {
      let m = Double(step / 2)
      let term: Double =
        switch (step, step % 2) {
        case (0, _): 1
        case (_, 0): m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        default: -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        }
      denominator = 1 / nonZero(1 + term * denominator, least)
      numerator = nonZero(1 + term / numerator, least)
      value *= numerator * denominator
      if step > 0, abs(numerator * denominator - 1) < 1e-15 { break }
    }
    return front * (value - 1)
  }

  private static func nonZero(_ value: Double, _ least: Double) -> Double { abs(value) < least ? least : value }
  private static func sum(_ values: [Double]) -> Double { values.reduce(0, +) }

  private static func variance(_ values: [Double]) -> Double {
    let center = sum(values) / Double(values.count)
    return values.reduce(0) { $0 + ($1 - center) * ($1 - center) } / Double(values.count - 1)
  }
}
