import Base
import CMillrace
import Verdict

/// A/A comparisons: two samples of one thing, over and over, judged as two arms of an experiment are. More that are called
/// a difference than chance allows, and the harness sees effects where there are none.
package struct FalsePositives: Sendable {
  package enum Source: String, Sendable, CaseIterable {
    /// Normal noise of 5 %, seeded.
    case synthetic
    /// Times of a checksum over the same bytes, measured now.
    case measured
  }

  package enum Limits {
    package static let comparisons = 200
    /// Of 200 at 5 %: the most that chance gives in 99 of 100 cases.
    package static let allowed = 18
    static let measurements = 64
    static let measuredBytes = 256 << 10
    static let roundsEach = 16
  }

  package struct Result: Sendable, Equatable {
    package var comparisons: Int
    package var falsePositives: Int
  }

  package var replicates: Int
  package var seed: UInt64

  package init(replicates: Int = 7, seed: UInt64) {
    self.replicates = replicates
    self.seed = seed
  }

  package func run(_ source: Source) -> Result {
    switch source {
    case .synthetic: return count { generator in Self.noisy(replicates, &generator) }
    case .measured: return run(on: Self.measure(seed: seed))
    }
  }

  /// Halves drawn again from one arm's rows: what differs between them is chance alone.
  package func run(on values: [Double]) -> Result {
    guard !values.isEmpty else { return Result(comparisons: 0, falsePositives: 0) }
    return count { generator in (0..<replicates).map { _ in values[generator.below(values.count)] } }
  }

  private func count(_ sample: (inout SplitMix) -> [Double]) -> Result {
    var generator = SplitMix(seed: seed)
    var called = 0
    for trial in 0..<Limits.comparisons {
      let (arm, again) = (sample(&generator), sample(&generator))
      guard let ratio = Statistics.ratioOfMedians(arm, over: again, seed: seed &+ UInt64(trial)) else { continue }
      if ratio.low > 1 || ratio.high < 1 { called += 1 }
    }
    return Result(comparisons: Limits.comparisons, falsePositives: called)
  }

  /// The sum of twelve even draws is near enough to a normal one.
  private static func noisy(_ count: Int, _ generator: inout SplitMix) -> [Double] {
    (0..<count).map { _ in
      let sum = (0..<12).reduce(0.0) { sum, _ in sum + Double.random(in: 0..<1, using: &generator) }
      return 100 + 5 * (sum - 6)
    }
  }

  /// Seconds of so many rounds each: real times, with a machine's own noise.
  private static func measure(seed: UInt64) -> [Double] {
    var generator = SplitMix(seed: seed)
    let bytes = (0..<(Limits.measuredBytes / 8)).map { _ in generator.next() }
    var crc: UInt32 = 0
    return (0..<Limits.measurements).map { _ in
      let start = Double(Clocks.monotonicNs()) * 1e-9
      for _ in 0..<Limits.roundsEach {
        crc = bytes.withUnsafeBytes { millrace_crc32c(crc, $0.baseAddress, $0.count) }
      }
      let seconds = Double(Clocks.monotonicNs()) * 1e-9 - start
      // Never so: the checksum is used, so that no round can be left out.
      return crc == 0 && seconds < 0 ? 0 : seconds
    }
  }
}
