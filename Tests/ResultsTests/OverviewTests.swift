import Foundation
import Measure
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Results
@testable import Verdict

@Suite("The overview of all claims")
struct OverviewTests {
  private func finding(
    _ outcome: Verdict.Outcome, value: Double, kind: VerdictRule.Kind = .ratio, threshold: Double? = 10,
    direction: Bool = true, cap: Cap? = nil
  ) -> Verdict.Finding {
    var finding = Verdict.Finding(
      rule: "r", meaning: "", kind: kind, tier: .bare, combination: "", outcome: outcome,
      effect: Estimate(value: value, low: value * 0.9, high: value * 1.1, count: 7), floor: 0.02,
      directionHolds: direction, decides: true, sentence: "")
    finding.threshold = threshold
    finding.cap = cap
    return finding
  }

  private func verdict(_ outcome: Verdict.Outcome, _ findings: [Verdict.Finding]) -> Verdict {
    Verdict(outcome: outcome, state: .valid, stateReasons: [], sentence: "", findings: findings)
  }

  @Test("a grade is one of five words, with the figures that a reader asks for")
  func grades() {
    #expect(verdict(.supported, [finding(.supported, value: 20)]).grade == .holds)
    let direction = verdict(.notSupported, [finding(.notSupported, value: 5), finding(.supported, value: 20)]).grade
    #expect(direction.text == "holds in direction (5×, claimed 10×)")
    #expect(verdict(.notSupported, [finding(.notSupported, value: 0.8, direction: false)]).grade == .fails)
    let capped = verdict(.inconclusive, [finding(.inconclusive, value: 3.67, cap: .link)]).grade
    #expect(capped.text == "capped by the link (at least 3.67×)")
    let flat = verdict(.inconclusive, [finding(.inconclusive, value: -0.03, kind: .flat, threshold: nil)]).grade
    #expect(flat.text.hasPrefix("undecided (slows by at most "), "\(flat.text)")
    // A failed gate decides nothing, whatever the findings are.
    #expect(verdict(.inconclusive, [finding(.supported, value: 20)]).grade == .undecided(bound: nil))
  }

  @Test("has a line for each committed result, none longer than a terminal is wide twice, and a grade in each")
  func committed() throws {
    let results = try CommittedComparisonTests.paths.map { try StoredResult(reading: $0) }
    let overview = Overview(results)
    #expect(overview.lines.count == results.count)
    #expect(overview.lines.map(\.isAside) == overview.lines.map(\.isAside).sorted { !$0 && $1 }, "asides come last")
    for line in overview.text.split(separator: "\n").dropFirst() where line != Overview.asideTitle {
      #expect(["✓", "~", "✗", "≥", "?", "="].contains { line.contains(" \($0) ") }, "\(line)")
    }
    for line in overview.lines { #expect(!line.ours.value.isEmpty && !line.claim.isEmpty, "\(line)") }
    #expect(overview.tally.contains("hold"), "\(overview.tally)")
  }

  @Test("every definition has its claim in nine words at most", arguments: Synthetic.stems)
  func brief(stem: String) throws {
    let experiment = try Synthetic.experiment(stem)
    #expect(!experiment.brief.isEmpty)
    #expect(experiment.brief.split(separator: " ").count <= Experiment.briefWordsMax)
  }

  @Test(
    "the original of a ratio is the source's ratio at the finding's levels, or the one that the rule expects, and nothing else"
  )
  func originals() throws {
    var experiment = try Synthetic.experiment("11-zero-copy")
    let rule = try #require(experiment.verdicts.first { $0.kind == .ratio })
    var shown = finding(.supported, value: 20)
    (shown.rule, shown.combination) = (rule.name, "700")
    #expect(OriginalFigure(of: experiment, shown, rule)?.words == "3.05×")
    shown.combination = ""
    #expect(OriginalFigure(of: experiment, shown, rule)?.ratio == 3.47)
    var equal = rule
    (equal.kind, equal.around) = (.equal, 2.57)
    #expect(OriginalFigure(of: experiment, shown, equal)?.words == "2.57×")
    experiment.originals = [Original(label: "a rate", value: 53_200_000, unit: "values/s", note: "", at: nil)]
    #expect(OriginalFigure(of: experiment, shown, rule) == nil, "a rate is no measure of a ratio")
    experiment.originals = []
    #expect(OriginalFigure(of: experiment, shown, rule) == nil)
  }

  @Test("an amount stands beside an original in its own unit, and no other")
  func amountsInOneUnit() throws {
    let many = try Synthetic.experiment("26-many-partitions")
    func original(_ name: String, of experiment: Experiment) throws -> String? {
      let rule = try #require(experiment.verdicts.first { $0.name == name })
      return OriginalFigure(of: experiment, finding(.supported, value: 4, kind: rule.kind), rule)?.words
    }
    #expect(try original("idle", of: many) == nil, "20 s of failover say nothing of an idle broker's CPU")
    let isr = try Synthetic.experiment("23-isr")
    #expect(try original("shrinks", of: isr) == "30 k ms")
    let election = try Synthetic.experiment("13-election")
    #expect(try original("serial-grows", of: election) == "5 ms a partition")
  }

  @Test("a figure has its own words before it, and a slope the thing that it is a slope over")
  func figures() throws {
    let many = try Synthetic.experiment("26-many-partitions")
    let idle = Overview.Told(figure: many.verdicts[0].figure, Overview.Told(value: "4.09 %", interval: "[3.76, 4.42]"))
    #expect(idle.text == "idle CPU 4.09 % [3.76, 4.42]")
    var slope = finding(.supported, value: 2.6, kind: .slope, threshold: nil)
    slope.rule = "serial-grows"
    let told = try #require(Overview.told(slope, of: try Synthetic.experiment("13-election")))
    #expect(told.value == "2.60 ms a partition")
  }

  @Test("a slope and an exponent are drawn as what a doubling makes, and a count is not drawn")
  func ratios() {
    let flat = Overview.Ratio(finding(.inconclusive, value: -0.03, kind: .flat, threshold: nil), nil, original: nil)
    #expect(flat?.ours.value == 0.97 && flat?.threshold == 1)
    let power = Overview.Ratio(finding(.supported, value: 1, kind: .exponent, threshold: nil), nil, original: nil)
    #expect(power?.ours.value == 0.5 && power.map { $0.ours.low < $0.ours.high } == true)
    #expect(Overview.Ratio(finding(.supported, value: 0, kind: .never, threshold: nil), nil, original: 1) == nil)
    #expect(Overview.Ratio(finding(.supported, value: -1), nil, original: 1) == nil)
  }

  @Test(
    "amounts have the unit of a reader",
    arguments: [
      (551_000_000, "1/s", "551 M/s"), (551, "MB/s", "551 MB/s"), (21_646, "MB/s", "21.6 GB/s"),
      (462_000_000, "B", "462 MB"), (3, "B", "3 B"), (1.9, "s", "1.90 s"), (0.2, "%", "0.200 %"), (42_000, "", "42 k"),
    ])
  func amounts(value: Double, unit: String, text: String) { #expect(Figures.amount(value, unit: unit) == text) }

  @Test(
    "a level is named in words",
    arguments: [
      ("partitions", "1", "1 partition"), ("partitions", "64", "64 partitions"),
      ("batch_bytes", "65536", "batch 64 KiB"),
      ("batch_bytes", "128000", "batch 128,000 B"), ("round_trip_ms", "10", "round trip 10 ms"),
      ("queue_depth", "8", "queue depth 8"), ("codec", "zstd", "zstd"),
    ])
  func levels(factor: String, level: String, text: String) { #expect(Level(level).words(of: factor) == text) }

  @Test(
    "large numbers are short",
    arguments: [(551_000_000, "551 M"), (42_200, "42.2 k"), (9_999, "9999"), (0.613, "0.613")])
  func short(value: Double, text: String) { #expect(Figures.short(value) == text) }
}
