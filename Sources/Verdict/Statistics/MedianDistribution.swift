import Base
import Glibc

/// The bootstrap distribution of a sample's median: every value that the median of a sample drawn again can have, and
/// how likely it is.
///
/// For small samples it is exact (Hutson and Ernst 2000), which is what ever more draws tend to. With n = 2m + 1 values
/// in order, the median of a draw is at most the k-th when at least m + 1 of the n draws are, and each is with
/// probability k / n. With n = 2m the two middle values have a joint distribution: m draws lie at or below place i with
/// one on it, and m at or above place j with one on it. Long samples are drawn, seeded.
struct MedianDistribution {
  enum Limits {
    /// Up to here exact; the work grows with the square (of an even count).
    static let exactMax = 24
    static let draws = 4000
  }

  /// Rising; equal ones may follow each other.
  private(set) var values: [Double]
  /// Of the value at the same place; they add up to 1.
  private(set) var weights: [Double]

  /// `sample` may be in any order and must not be empty.
  init(_ sample: [Double], seed: UInt64) {
    let sorted = sample.sorted()
    let pairs: [(value: Double, weight: Double)] =
      if sorted.count > Limits.exactMax {
        Self.drawn(sorted, seed: seed)
      } else if sorted.count % 2 == 1 {
        Self.odd(sorted)
      } else {
        Self.even(sorted)
      }
    self.init(pairs)
  }

  /// The distribution of the one over the other, independent; `baseline` must be positive.
  init(_ test: MedianDistribution, over baseline: MedianDistribution) {
    var pairs: [(value: Double, weight: Double)] = []
    if test.values.count * baseline.values.count <= Limits.draws * 32 {
      pairs.reserveCapacity(test.values.count * baseline.values.count)
      for (top, likely) in zip(test.values, test.weights) where likely > 0 {
        for (bottom, weight) in zip(baseline.values, baseline.weights) { pairs.append((top / bottom, likely * weight)) }
      }
    } else {
      // Both were drawn, or one is long: pair quantiles of one with shuffled quantiles of the other.
      var generator = SplitMix(seed: UInt64(test.values.count))
      let places = (0..<Limits.draws).map { (Double($0) + 0.5) / Double(Limits.draws) }
      for (place, other) in zip(places, places.shuffled(using: &generator)) {
        pairs.append((test.quantile(place) / baseline.quantile(other), 1 / Double(Limits.draws)))
      }
    }
    self.init(pairs)
  }

  private init(_ pairs: [(value: Double, weight: Double)]) {
    let sorted = pairs.sorted { $0.value < $1.value }
    values = sorted.map(\.value)
    weights = sorted.map(\.weight)
  }

  /// The least value that is at least as high as this share of the draws.
  func quantile(_ share: Double) -> Double {
    // The sum of the weights is 1 only to rounding.
    var left = share - 1e-12
    for (value, weight) in zip(values, weights) {
      left -= weight
      if left <= 0 { return value }
    }
    return values[values.count - 1]
  }

  private static func odd(_ sorted: [Double]) -> [(value: Double, weight: Double)] {
    let count = sorted.count
    var below = 0.0
    return sorted.indices.map { place in
      let upTo = binomialTail(count, atLeast: count / 2 + 1, share: Double(place + 1) / Double(count))
      defer { below = upTo }
      return (sorted[place], upTo - below)
    }
  }

  private static func even(_ sorted: [Double]) -> [(value: Double, weight: Double)] {
    let count = sorted.count
    let half = count / 2
    func share(_ number: Int) -> Double { pow(Double(number) / Double(count), Double(half)) }
    let ways = exp(logChoose(count, half))
    var pairs: [(value: Double, weight: Double)] = []
    var below = 0.0
    for lower in sorted.indices {
      let upTo = binomialTail(count, atLeast: half, share: Double(lower + 1) / Double(count))
      var apart = 0.0
      for upper in (lower + 1)..<max(count, lower + 1) {
        let weight =
          ways * (share(lower + 1) - share(lower)) * (share(count - upper) - share(count - upper - 1))
        pairs.append(((sorted[lower] + sorted[upper]) / 2, weight))
        apart += weight
      }
      pairs.append((sorted[lower], max(0, upTo - below - apart)))
      below = upTo
    }
    return pairs
  }

  private static func drawn(_ sorted: [Double], seed: UInt64) -> [(value: Double, weight: Double)] {
    var generator = SplitMix(seed: seed)
    let count = sorted.count
    return (0..<Limits.draws).map { _ in
      let places = (0..<count).map { _ in generator.below(count) }.sorted()
      let value = (sorted[places[(count - 1) / 2]] + sorted[places[count / 2]]) / 2
      return (value, 1 / Double(Limits.draws))
    }
  }

  /// P(at least `least` of `count` draws), each with probability `share`.
  private static func binomialTail(_ count: Int, atLeast least: Int, share: Double) -> Double {
    guard share < 1 else { return 1 }
    return (least...count).reduce(0) { sum, hits in
      sum + exp(logChoose(count, hits) + Double(hits) * log(share) + Double(count - hits) * log1p(-share))
    }
  }

  private static func logChoose(_ count: Int, _ hits: Int) -> Double {
    lgamma(Double(count + 1)) - lgamma(Double(hits + 1)) - lgamma(Double(count - hits + 1))
  }
}
