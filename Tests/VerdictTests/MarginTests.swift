import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Verdict

@Suite("Margins: which finding is nearest to failing")
struct MarginTests {
  private let faster = Fixture.rule(
    "faster", .ratio, metric: "mb_per_s", test: ["new"], baseline: ["old"], threshold: 1.5)

  private func judge(_ rules: [VerdictRule], rate: Double, cost: Double) -> Verdict {
    let rows = zip(
      ["new", "old", "old-again"], [(rate, cost), (100, cost), (100, cost)]
    ).enumerated().flatMap { index, pair in
      let (arm, (rate, cost)) = pair
      let rates = Fixture.around(rate, spread: 0.002, seed: UInt64(index + 1))
      var rows = Fixture.rows(arm, "mb_per_s", rates, role: arm == "old-again" ? .again : .test)
      for place in rows.indices { rows[place].metrics["cpu_s_per_gb"] = cost }
      return rows
    }
    return Verdict.judge(Fixture.pair(rules), rows: rows, under: Fixture.calm)
  }

  @Test("a value far below its limit is not closest because its number is small; a ratio just above is")
  func ratioAgainstValue() {
    let cheap = Fixture.rule(
      "cheap", .value, metric: "cpu_s_per_gb", better: .lower, test: ["new"], baseline: [], threshold: 1)
    let verdict = judge([cheap, faster], rate: 153, cost: 0.2)
    #expect(verdict.outcome == .supported)
    #expect(verdict.sentence.contains("the closest: faster"), "\(verdict.sentence)")
    // Twice the threshold for the ratio, 5 % for the value: now it is the other way.
    let turned = judge([cheap, faster], rate: 300, cost: 0.95)
    #expect(turned.sentence.contains("the closest: cheap"), "\(turned.sentence)")
  }

  @Test("a control that only just shows nothing is closer than a ratio with room, though it has no direction")
  func bandAgainstRatio() {
    let same = Fixture.rule("same", .equal, metric: "mb_per_s", test: ["new"], baseline: ["old"], tolerance: 1)
    let direction = Fixture.rule(
      "direction", .ratio, metric: "mb_per_s", test: ["new"], baseline: ["old"], threshold: 1)
    let verdict = judge([direction, same], rate: 190, cost: 1)
    #expect(verdict.outcome == .supported)
    #expect(verdict.sentence.contains("the closest: same"), "\(verdict.sentence)")
    #expect(judge([direction, same], rate: 110, cost: 1).sentence.contains("the closest: direction"))
  }

  @Test("the scales: a logarithm beyond a threshold, the room left within a band, and below zero what does not hold")
  func scales() throws {
    func near(_ value: Double?, _ wanted: Double) -> Bool { value.map { abs($0 - wanted) < 1e-9 } ?? false }
    #expect(near(Margin.beyond(3, 1.5), 0.6931471805599453) && near(Margin.below(1.5, 3), 0.6931471805599453))
    #expect(try #require(Margin.beyond(1, 1.5)) < 0)
    #expect(Margin.beyond(0, 1) == nil && Margin.beyond(1, 0) == nil && Margin.below(0, 1) == nil)
    func band(_ low: Double, _ high: Double) -> Double? {
      Margin.within(Estimate(value: (low + high) / 2, low: low, high: high, count: 7), around: 1, reach: 0.1)
    }
    #expect(near(band(1, 1), 1) && near(band(0.95, 1.02), 0.5) && near(band(0.98, 1.05), 0.5))
    #expect(try #require(band(0.98, 1.2)) < 0)
    // Of "at least 0.9 of it" all the room is left where it is no worse, and what is above 1.5 times 1.5 has 0.
    #expect(near(Margin.notWorse(1, than: 0.9), 1) && near(Margin.notWorse(0.95, than: 0.9), 0.5))
    #expect(near(Margin.notWorse(1.5, than: 1.5), 0))
    #expect(Margin.least([nil, 0.3, 0.2]) == 0.2 && Margin.least([nil]) == nil)
  }

  @Test("every supported finding of the project's own definitions has a margin above zero, but what must never happen")
  func all() throws {
    for stem in Synthetic.stems {
      let experiment = try Synthetic.experiment(stem)
      let verdict = Verdict.judge(experiment, rows: Synthetic.rows(of: experiment), under: Fixture.calm)
      for finding in verdict.findings where finding.outcome != .inconclusive && finding.kind != .never {
        let margin = try #require(finding.margin, "\(stem) \(finding.rule)")
        let holds = finding.outcome == .supported
        #expect(holds ? margin >= 0 : finding.kind == .trend || margin < 0, "\(stem) \(finding.rule) \(margin)")
      }
    }
  }
}
