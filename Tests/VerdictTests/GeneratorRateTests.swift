import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Verdict

@Suite("Rates that the load generator set")
struct GeneratorRateTests {
  private static let faster = Fixture.rule(
    "faster", .ratio, metric: "mb_per_s", test: ["new"], baseline: ["old"], threshold: 3, tier: .endToEnd)
  private static let cheaper = Fixture.rule(
    "cheaper", .ratio, metric: "cpu_s_per_gb", better: .lower, test: ["new"], baseline: ["old"], threshold: 1.5,
    tier: .endToEnd)

  /// Through a broker: `new` at 200 MB/s and half the CPU of `old` at 100, the generator's busiest thread at these shares of a core.
  private func judge(
    _ rule: VerdictRule, new: Double, old: Double, client: Arm.Client = .drives, bareBaseline: Bool = false
  ) -> Verdict.Finding {
    var experiment = Fixture.experiment(
      number: 98, name: "driven", factors: [],
      arms: [
        Fixture.arm("new", .test, program: .load(.consume)),
        Fixture.arm("old", .baseline, program: bareBaseline ? .mechanism(.codec) : .load(.consume)),
        Fixture.arm("old-again", .again, program: .load(.consume), repeats: "old"),
      ], metrics: ["mb_per_s", "cpu_s_per_gb", "client_cpu_share"], verdicts: [rule])
    for index in experiment.arms.indices { experiment.arms[index].client = client }
    func rows(_ arm: String, _ rate: Double, _ cpu: Double, share: Double) -> [Row] {
      Fixture.rows(arm, "mb_per_s", Fixture.around(rate, spread: 0.01, seed: 5), tier: .endToEnd).map { row in
        var row = row
        row.metrics["cpu_s_per_gb"] = cpu * (1 + 0.001 * Double(row.replicate))
        row.metrics["client_cpu_share"] = share
        return row
      }
    }
    let all =
      rows("new", 200, 0.5, share: new) + rows("old", 100, 1, share: old) + rows("old-again", 100, 1, share: old)
    return Verdict.judge(experiment, rows: all, under: Fixture.calm).findings[0]
  }

  @Test("an advantage that the generator limited is at least what was seen, and refutes nothing")
  func test() {
    #expect(judge(Self.faster, new: 0.5, old: 0.5).outcome == .notSupported, "2x where 3x was claimed")
    let limited = judge(Self.faster, new: 0.97, old: 0.5)
    #expect(limited.outcome == .inconclusive && limited.cap == .generator, "\(limited.sentence)")
  }

  @Test("nothing is compared with a rate that the generator set")
  func baseline() {
    let finding = judge(Self.faster, new: 0.5, old: 0.97)
    #expect(finding.outcome == .inconclusive && finding.effect == nil)
    #expect(finding.sentence.contains("set the rate of old"), "\(finding.sentence)")
    #expect(judge(Self.faster, new: 0.5, old: 0.94).effect != nil, "94 % of a core leaves it time")
  }

  @Test("the receiver of a bare mechanism is a part of it")
  func bare() {
    #expect(judge(Self.faster, new: 0.5, old: 0.97, bareBaseline: true).effect != nil)
  }

  @Test("what such a run cost counts")
  func cost() {
    #expect(judge(Self.cheaper, new: 0.97, old: 0.97).outcome == .supported)
  }

  @Test("a generator that is a part of what is measured sets no rate but its own")
  func part() {
    let finding = judge(Self.faster, new: 0.97, old: 0.97, client: .part)
    #expect(finding.outcome == .notSupported && finding.cap == nil, "\(finding.sentence)")
  }
}
