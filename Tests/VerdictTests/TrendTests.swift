import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Verdict

@Suite("Verdict: trends")
struct TrendTests {
  private static let levels: [Level] = ["10", "100", "1000", "10000", "100000"]

  private func rule(_ better: VerdictRule.Better = .higher) -> VerdictRule {
    var rule = Fixture.rule(
      "trend", .trend, metric: "mb_per_s", better: better, test: ["broker"], baseline: [], tier: .endToEnd)
    rule.over = "record_bytes"
    return rule
  }

  private func experiment(_ rule: VerdictRule) -> Experiment {
    Fixture.experiment(
      number: 8, name: "sizes", factors: [Factor(name: "record_bytes", levels: Self.levels)],
      arms: [
        Fixture.arm("broker", .test, program: .load(.produce)),
        Fixture.arm("broker-again", .again, program: .load(.produce), repeats: "broker"),
      ],
      metrics: ["mb_per_s"], verdicts: [rule])
  }

  private func rows(
    _ arm: String, _ medians: [Double], spread: Double, replicates: Int, seed: UInt64 = 1
  ) -> [Row] {
    zip(Self.levels, medians).enumerated().flatMap { index, pair in
      Fixture.rows(
        arm, "mb_per_s", Fixture.around(pair.1, spread: spread, count: replicates, seed: seed &+ UInt64(index)),
        levels: ["record_bytes": pair.0])
    }
  }

  private func judge(
    _ medians: [Double], _ better: VerdictRule.Better = .higher, spread: Double = 0.02, replicates: Int = 7
  ) -> Verdict {
    Verdict.judge(
      experiment(rule(better)), rows: rows("broker", medians, spread: spread, replicates: replicates).shuffled(),
      under: Fixture.calm)
  }

  @Test("a rise all the way is supported, and refutes the claim of a fall")
  func monotone() throws {
    let rising = judge([10, 40, 100, 300, 500])
    #expect(rising.outcome == .supported, "\(rising.sentence)")
    #expect(rising.findings[0].effect == Estimate(value: 1, low: 1, high: 1, count: 7))
    #expect(rising.sentence.contains("rises with record_bytes: Kendall's tau 1 [1, 1], p < 0.0001; holds"))
    let falling = judge([10, 40, 100, 300, 500], .lower)
    #expect(falling.outcome == .notSupported && !falling.findings[0].directionHolds, "\(falling.sentence)")
    #expect(judge([500, 300, 100, 40, 10], .lower).outcome == .supported)
  }

  @Test("a curve that reaches its ceiling and stays there still rises")
  func knee() {
    #expect(judge([10, 40, 100, 100, 100], spread: 0.05).outcome == .supported)
  }

  @Test("a curve that turns back refutes a monotone trend, however significant its rise")
  func turnsBack() {
    let verdict = judge([10, 40, 100, 300, 200])
    #expect(verdict.outcome == .notSupported)
    #expect(verdict.findings[0].directionHolds, "the trend itself is there")
    #expect(verdict.sentence.contains("but from 10,000 to 100,000 it is 0.6"), "\(verdict.sentence)")
  }

  @Test("a turn inside the noise floor is none, and one beyond it is")
  func floor() {
    let fallsAtTheEnd: [Double] = [10, 40, 100, 300, 270]
    let test = rows("broker", fallsAtTheEnd, spread: 0.02, replicates: 7)
    func judge(again share: Double) -> Verdict.Outcome {
      let again = rows("broker-again", fallsAtTheEnd.map { $0 * share }, spread: 0.02, replicates: 7, seed: 90)
      return Verdict.judge(experiment(rule()), rows: test + again, under: Fixture.calm).outcome
    }
    #expect(judge(again: 1.3) == .supported)
    #expect(judge(again: 1) == .notSupported)
  }

  @Test("noise without a trend decides nothing")
  func noise() {
    let verdict = judge([100, 100, 100, 100, 100], spread: 0.3)
    #expect(verdict.outcome == .inconclusive && !verdict.findings[0].directionHolds, "\(verdict.sentence)")
  }

  @Test("of noise alone no more trends are called than chance allows at 5 %: 18 of 200, either way")
  func falsePositives() throws {
    var called = 0
    for seed in UInt64(0)..<200 {
      let blocks = (0..<7).map { Fixture.around(100, spread: 0.3, count: 5, seed: 1000 &+ seed &* 7 &+ $0) }
      if try #require(Statistics.mannKendall(blocks: blocks)).p < 0.05 { called += 1 }
    }
    #expect(called <= 18, "\(called)")
  }

  @Test("too few replicates or levels decide nothing, and the sentence says which")
  func tooFew() {
    let replicates = judge([10, 40, 100, 300, 500], replicates: 4)
    #expect(replicates.outcome == .inconclusive && replicates.sentence.contains("4 valid replicates of 7"))
    let levels = judge([10, 40])
    #expect(levels.outcome == .inconclusive && levels.sentence.contains("2 levels of record_bytes ran"))
  }

  @Test("blocks are compared within themselves: what differs between them counts for nothing")
  func blocks() throws {
    let rising = try #require(Statistics.mannKendall(blocks: [[1, 2, 3, 4], [101, 102, 103, 104]]))
    #expect(rising.s == 12 && rising.tau == 1)
    // S of 12 with a variance of 2 · 4·3·13/18: z = 11 / 4.163.
    #expect(abs(rising.p - 0.00823) < 0.0001, "\(rising.p)")
    let none = try #require(Statistics.mannKendall(blocks: [[3, 1, 2], [102, 103, 101]]))
    #expect(none.s == -2)
    #expect(Statistics.mannKendall(blocks: [[1, 2, 3], [1, 2]]) == nil && Statistics.mannKendall(blocks: []) == nil)
  }
}

@Suite("Verdict: shapes, and what must never happen")
struct ShapeTests {
  private func shape(_ new: Double, spread: Double = 0.02, busyPercent: Double = 40) -> Verdict {
    var rule = Fixture.rule("shape", .equal, metric: "mb_per_s", test: ["new"], baseline: ["old"], tolerance: 0.15)
    rule.around = 2.57
    var rows =
      Fixture.rows("new", "mb_per_s", Fixture.around(new, spread: spread, seed: 1))
      + Fixture.rows("old", "mb_per_s", Fixture.around(100, spread: spread, seed: 2), role: .baseline)
    for index in rows.indices { rows[index].metrics["machine_busy_percent"] = busyPercent }
    return Verdict.judge(Fixture.pair([rule]), rows: rows, under: Fixture.calm)
  }

  @Test("a ratio below the original's refutes nothing where all cores were in use, and one above it does")
  func cappedShape() {
    let capped = shape(123, busyPercent: 97)
    #expect(capped.outcome == .inconclusive && capped.findings[0].cap == .processors)
    #expect(capped.sentence.contains("at least 1.2") && capped.sentence.contains("processors"), "\(capped.sentence)")
    #expect(shape(400, busyPercent: 97).outcome == .notSupported)
    #expect(shape(257, busyPercent: 97).outcome == .supported)
  }

  @Test("a ratio near the original's is its shape, another is not, one at the band's edge undecided")
  func around() {
    #expect(shape(257).outcome == .supported)
    #expect(shape(257).sentence.contains("band 2.57 ± 15 %; the ratio is the expected one"), "\(shape(257).sentence)")
    #expect(shape(100).outcome == .notSupported && shape(400).outcome == .notSupported)
    #expect(shape(100).sentence.contains("the ratio is another"))
    #expect(shape(220, spread: 0.1).outcome == .inconclusive)
  }

  @Test("an arm held against itself at one level is not compared with that level itself")
  func againstItself() {
    var rule = Fixture.rule(
      "scales", .equal, metric: "mb_per_s", test: ["new"], baseline: ["new"], per: ["size"], tolerance: 0.1)
    rule.baseline.levels = [Setting(name: "size", value: "1")]
    let experiment = Fixture.experiment(
      number: 15, name: "sizes", factors: [Factor(name: "size", levels: ["1", "2"])],
      arms: [Fixture.arm("new", .test)], metrics: ["mb_per_s"], verdicts: [rule])
    let rows =
      Fixture.rows("new", "mb_per_s", Fixture.around(100, seed: 1), levels: ["size": "1"])
      + Fixture.rows("new", "mb_per_s", Fixture.around(101, seed: 2), levels: ["size": "2"])
    let verdict = Verdict.judge(experiment, rows: rows, under: Fixture.calm)
    #expect(verdict.findings.map(\.combination) == ["2"] && verdict.outcome == .supported, "\(verdict.sentence)")
  }

  private func never(_ values: [Double]) -> Verdict {
    let rule = Fixture.rule("order", .never, metric: "reordered", test: ["new"], baseline: [])
    return Verdict.judge(Fixture.pair([rule]), rows: Fixture.rows("new", "reordered", values), under: Fixture.calm)
  }

  @Test("what must never happen is refuted by the one run in which it did")
  func never() {
    #expect(never([0, 0, 0, 0, 0, 0, 0]).outcome == .supported)
    let once = never([0, 0, 0, 3, 0, 0, 0])
    #expect(
      once.outcome == .notSupported && once.sentence.contains("in 1 of 7 runs, 3 at the most"), "\(once.sentence)")
    #expect(never([0, 0, 0, 0]).outcome == .inconclusive)
    #expect(never([0, 1]).outcome == .notSupported, "one is enough, however few ran")
  }

  @Test("an arm that no deciding rule looks at may be left out, and the others' result stands")
  func spared() throws {
    var experiment = Fixture.pair([
      Fixture.rule("faster", .ratio, metric: "mb_per_s", test: ["new"], baseline: ["old"], threshold: 1.5)
    ])
    experiment.arms.append(Fixture.arm("cluster", .test, program: .load(.produce)))
    func circumstances(_ skipped: [String: String]) -> Verdict.Circumstances {
      Verdict.Circumstances(
        gates: [], profile: .standard, skipped: skipped, isComplete: true, seed: 1, experiment: experiment)
    }
    let spared = circumstances(["cluster": "needs a cluster"])
    #expect(spared.shortcomings == ["arm cluster was skipped: needs a cluster"] && spared.belowMinimum.isEmpty)
    for needed in ["new", "old", "old-again"] {
      #expect(circumstances([needed: "no"]).belowMinimum == ["arm \(needed) was skipped: no"])
    }
  }

}
