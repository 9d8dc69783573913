import Base
import Glibc
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Verdict

@Suite("Verdict: what one costs and what each byte costs")
struct CostTests {
  private let experiment: Experiment = {
    var rule = Fixture.rule("record-cost", .cost, metric: "records_per_s", test: ["broker"], baseline: [])
    rule.over = "record_bytes"
    return Fixture.experiment(
      number: 8, name: "size", factors: [Factor(name: "record_bytes", levels: sizes.map { Level(String($0)) })],
      arms: [Fixture.arm("broker", .test), Fixture.arm("broker-again", .again, repeats: "broker")],
      metrics: ["records_per_s"], verdicts: [rule])
  }()

  private static let sizes = [10, 100, 1000, 10_000, 100_000]

  private func judge(
    replicates: Int = 7, spread: Double = 0.05, _ seconds: (Double) -> Double
  ) -> Verdict {
    var random = SplitMix(seed: 9)
    let rows = (1...replicates).flatMap { replicate in
      Self.sizes.map { size -> Row in
        let noise = 1 + spread * Double.random(in: -1...1, using: &random)
        var row = Fixture.rows("broker", "records_per_s", [1 / (seconds(Double(size)) * noise)])[0]
        row.replicate = replicate
        row.levels["record_bytes"] = Level(String(size))
        return row
      }
    }
    return Verdict.judge(experiment, rows: rows, under: Fixture.calm)
  }

  @Test("a fixed cost and one a byte are found, and the knee between them")
  func found() throws {
    let verdict = judge { 12e-9 + 0.5e-9 * $0 }
    #expect(verdict.outcome == .supported, "\(verdict.sentence)")
    let knee = try #require(verdict.findings[0].effect)
    #expect((20...28).contains(knee.value) && knee.low < 24 && knee.high > 24, "\(knee)")
    #expect(verdict.sentence.contains("12") && verdict.sentence.contains("for each byte"), "\(verdict.sentence)")
  }

  @Test("a cost that is the same at every size has none a byte, and one that is its bytes has none of its own")
  func refuted() {
    #expect(judge { _ in 12e-9 }.outcome != .supported)
    #expect(judge { 0.5e-9 * $0 }.outcome != .supported)
    // Larger ones are cheaper, each as a whole.
    #expect(judge(spread: 0.001) { 12e-9 - 1e-13 * $0 }.outcome == .notSupported)
  }

  @Test("a step that goes the other way by chance does not decide where all sizes together do")
  func oneStep() {
    // At 10,000 bytes something else costs a fifth: bytes a second fall on that step.
    let verdict = judge(spread: 0.02) { (12e-9 + 0.5e-9 * $0) * ($0 == 10_000 ? 1.2 : 1) }
    #expect(verdict.outcome == .supported, "\(verdict.sentence)")
  }

  @Test("fewer replicates than decide are told so")
  func few() {
    let verdict = judge(replicates: 2) { 12e-9 + 0.5e-9 * $0 }
    #expect(verdict.outcome == .inconclusive && verdict.sentence.contains("2 valid replicates"), "\(verdict.sentence)")
  }

  @Test("the fit gives back a line that is exact, whatever its scale")
  func exact() throws {
    for scale in [1e-12, 1.0, 1e6] {
      let points = Self.sizes.map { (size: Double($0), seconds: scale * (3 + 0.25 * Double($0))) }
      let fit = try #require(RuleBench.fit(points))
      #expect(abs(fit.fixed / (3 * scale) - 1) < 1e-9 && abs(fit.each / (0.25 * scale) - 1) < 1e-9)
    }
    #expect(RuleBench.fit([(10, 1), (10, 2)]) == nil)
  }
}
