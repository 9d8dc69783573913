import Base
import Glibc
import Verdict

/// A/A comparisons: two samples of one thing, over and over, judged as two arms of an experiment are. More that are called
/// a difference than chance allows, and the harness sees effects where there are none.
package struct FalsePositives: Sendable {
  package enum Source: String, Sendable, CaseIterable {
    /// Normal noise of 5 %, seeded.
    case synthetic
    /// The A/A pairs of results: each an arm and its twin, measured once each.
    case pairs
  }

  package enum Limits {
    package static let comparisons = 200
    /// Of 200 at 5 %: the most that chance gives in 99 of 100 cases.
    package static let allowed = 18
    /// The share of comparisons of a thing with itself that a 95 % interval calls a difference.
    package static let errorShare = 0.05
    /// A file of pairs is read up to this size.
    package static let fileBytesMax = 64 << 20
  }

  /// An arm and its twin in one metric at one combination of levels; a file of pairs is a JSON list of these.
  package struct Pair: Codable, Sendable, Equatable {
    package var name: String
    package var values: [Double]
    package var again: [Double]

    package init(name: String, values: [Double], again: [Double]) {
      self.name = name
      self.values = values
      self.again = again
    }
  }

  package struct Result: Sendable, Equatable {
    package var comparisons = 0
    /// What was called a difference: the names of pairs, or the numbers of trials.
    package var called: [String] = []

    package var falsePositives: Int { called.count }

    /// The probability of at least so many false positives where each has the probability `Limits.errorShare`; 1 where none was
    /// called.
    package var chance: Double {
      let (share, count) = (Limits.errorShare, comparisons)
      guard falsePositives > 0 else { return 1 }
      let fewer = (0..<falsePositives).reduce(0.0) { sum, k in
        let ways = lgamma(Double(count + 1)) - lgamma(Double(k + 1)) - lgamma(Double(count - k + 1))
        return sum + exp(ways + Double(k) * log(share) + Double(count - k) * log(1 - share))
      }
      return max(0, 1 - fewer)
    }
  }

  package var replicates: Int
  package var seed: UInt64

  package init(replicates: Int = 7, seed: UInt64) {
    self.replicates = replicates
    self.seed = seed
  }

  package func synthetic() -> Result {
    var generator = SplitMix(seed: seed)
    return count(
      (0..<Limits.comparisons).map { trial in
        Pair(name: "\(trial)", values: noisy(&generator), again: noisy(&generator))
      })
  }

  /// Pairs with fewer values on a side than decide anything are left out.
  package func run(on pairs: [Pair]) -> Result {
    count(pairs.filter { min($0.values.count, $0.again.count) >= Verdict.Limits.replicatesMin })
  }

  private func count(_ pairs: [Pair]) -> Result {
    var result = Result()
    for (index, pair) in pairs.enumerated() {
      let ratio = Statistics.ratioOfMedians(pair.again, over: pair.values, seed: seed &+ UInt64(index))
      guard let ratio else { continue }
      result.comparisons += 1
      if ratio.low > 1 || ratio.high < 1 { result.called.append(pair.name) }
    }
    return result
  }

  /// The sum of twelve even draws is near enough to a normal one.
  private func noisy(_ generator: inout SplitMix) -> [Double] {
    (0..<replicates).map { _ in
      let sum = (0..<12).reduce(0.0) { sum, _ in sum + Double.random(in: 0..<1, using: &generator) }
      return 100 + 5 * (sum - 6)
    }
  }
}
