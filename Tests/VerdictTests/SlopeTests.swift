import Base
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Verdict

@Suite("Verdict: how much a metric grows with a factor")
struct SlopeTests {
  private static let partitions = [10, 100, 1000]

  private func experiment(_ better: VerdictRule.Better, threshold: Double) -> Experiment {
    var rule = Fixture.rule("election", .slope, metric: "election_ms", test: ["broker"], baseline: [])
    rule.over = "partitions"
    rule.better = better
    rule.threshold = threshold
    return Fixture.experiment(
      number: 13, name: "election",
      factors: [Factor(name: "partitions", levels: Self.partitions.map { Level(String($0)) })],
      arms: [Fixture.arm("broker", .test), Fixture.arm("broker-again", .again, repeats: "broker")],
      metrics: ["election_ms"], verdicts: [rule])
  }

  private func judge(
    _ better: VerdictRule.Better = .higher, threshold: Double = 0, replicates: Int = 7, seed: UInt64 = 9,
    _ ms: (Double) -> Double
  ) -> Verdict {
    var random = SplitMix(seed: seed)
    let rows = (1...replicates).flatMap { replicate in
      Self.partitions.map { count -> Row in
        let noise = Double.random(in: -5...5, using: &random)
        var row = Fixture.rows("broker", "election_ms", [ms(Double(count)) + noise])[0]
        row.replicate = replicate
        row.levels["partitions"] = Level(String(count))
        return row
      }
    }
    return Verdict.judge(experiment(better, threshold: threshold), rows: rows, under: Fixture.calm)
  }

  @Test("a time for each partition is found, in milliseconds")
  func found() throws {
    let verdict = judge { 50 + 0.8 * $0 }
    #expect(verdict.outcome == .supported, "\(verdict.sentence)")
    let slope = try #require(verdict.findings[0].effect)
    #expect(abs(slope.value - 0.8) < 0.05, "\(slope)")
    #expect(verdict.sentence.contains("ms for each of partitions"), "\(verdict.sentence)")
  }

  @Test("the interval holds the true slope about as often as it says")
  func coverage() {
    // Of 60 intervals of 95 %, 57 are expected; fewer than 50 come about once in ten thousand times.
    let holding = (1...60 as ClosedRange<UInt64>).filter { seed in
      judge(seed: seed) { 50 + 0.8 * $0 }.findings[0].effect.map { $0.low <= 0.8 && $0.high >= 0.8 } ?? false
    }
    #expect(holding.count >= 50, "\(holding.count) of 60")
  }

  @Test("a time that does not depend on the partitions has no slope, and noise alone supports none")
  func flat() {
    #expect(judge { _ in 200 }.outcome != .supported)
    #expect(judge { 500 - 0.2 * $0 }.outcome == .notSupported)
  }

  @Test("an original's slope is missed from below, and a bound is kept")
  func thresholds() {
    #expect(judge(threshold: 5) { 50 + 0.8 * $0 }.outcome == .notSupported)
    #expect(judge(threshold: 0.5) { 50 + 0.8 * $0 }.outcome == .supported)
    #expect(judge(.lower, threshold: 1) { 50 + 0.8 * $0 }.outcome == .supported)
    #expect(judge(.lower, threshold: 0.1) { 50 + 0.8 * $0 }.outcome == .notSupported)
  }

  @Test("fewer than five replicates decide nothing")
  func few() {
    #expect(judge(replicates: 4) { 50 + 0.8 * $0 }.outcome == .inconclusive)
  }
}
