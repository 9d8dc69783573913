import Foundation
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Verdict

@Suite("Verdict: exponent over a sweep")
struct ExponentTests {
  private static let sweep = Factor(name: "stored", levels: ["1000", "4000", "16000", "64000", "256000"])

  private func judge(
    tolerance: Double? = nil, threshold: Double? = nil, only: [Factor] = [], spread: Double = 0.01, replicates: Int = 7,
    _ rate: (Double) -> Double
  ) -> Verdict {
    let rule = Fixture.rule(
      "growth", .exponent, metric: "records_per_s", test: ["log"], baseline: [], only: only, threshold: threshold,
      tolerance: tolerance)
    let experiment = Fixture.experiment(
      number: 98, name: "growth", factors: [], sweep: Self.sweep, arms: [Fixture.arm("log", .test)],
      metrics: ["records_per_s"], verdicts: [rule])
    let rows = (0..<replicates).flatMap { replicate -> [Row] in
      let noise = Fixture.around(1, spread: spread, count: 5, seed: UInt64(replicate) + 1)
      return zip(Self.sweep.levels, noise).flatMap { level, noise -> [Row] in
        var rows = Fixture.rows(
          "log", "records_per_s", [rate(level.number ?? 0) * noise], levels: ["stored": level])
        for index in rows.indices { rows[index].replicate = replicate + 1 }
        return rows
      }
    }
    return Verdict.judge(experiment, rows: rows, under: Fixture.calm)
  }

  @Test("a steady rate has the exponent zero, and one that falls by a tenth a doubling has not")
  func flat() throws {
    let steady = judge(tolerance: 0.02) { _ in 1e6 }
    #expect(steady.outcome == .supported, "\(steady.sentence)")
    #expect(abs(try #require(steady.findings[0].effect).value) < 0.01)
    let falling = judge(tolerance: 0.02) { 1e6 * power($0, -0.152) }
    #expect(falling.outcome == .notSupported)
    #expect(abs(try #require(falling.findings[0].effect).value - 0.152) < 0.01)
    #expect(falling.sentence.contains("N^-b with b = 0.15"), "\(falling.sentence)")
    #expect(judge(tolerance: 0.02) { 1e6 * power($0, 0.152) }.outcome == .notSupported, "a rise is not flat either")
    #expect(judge(tolerance: 0.02, spread: 0.4) { _ in 1e6 }.outcome == .inconclusive)
  }

  @Test("above a threshold, on the levels the rule names")
  func above() {
    #expect(judge(threshold: 0) { 1e6 * power($0, -0.5) }.outcome == .supported)
    #expect(judge(threshold: 0) { 1e6 * power($0, 0.1) }.outcome == .notSupported)
    #expect(judge(threshold: 0, spread: 0.4) { _ in 1e6 }.outcome == .inconclusive)
    let beyond = Factor(name: "stored", levels: ["16000", "64000", "256000"])
    // Flat up to 16,000 and falling from there: only the levels beyond show all of it.
    let cliff = judge(threshold: 0.9, only: [beyond]) { $0 <= 16_000 ? 1e6 : 1e6 * 16_000 / $0 }
    #expect(cliff.outcome == .supported, "\(cliff.sentence)")
    #expect(judge(threshold: 0.9) { $0 <= 16_000 ? 1e6 : 1e6 * 16_000 / $0 }.outcome != .supported)
  }

  @Test("too few replicates or levels decide nothing")
  func few() {
    #expect(judge(tolerance: 0.02, replicates: 3) { _ in 1e6 }.outcome == .inconclusive)
    let two = Factor(name: "stored", levels: ["64000", "256000"])
    #expect(judge(tolerance: 0.02, only: [two]) { _ in 1e6 }.outcome == .inconclusive)
  }

  private func power(_ x: Double, _ exponent: Double) -> Double { Foundation.pow(x, exponent) }
}
