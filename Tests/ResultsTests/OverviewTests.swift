import Experiment
import Foundation
import Measure
import Results
import Testing

@testable import LabFixtures
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
    for line in overview.text.split(separator: "\n").dropFirst() {
      #expect(["✓", "~", "✗", "≥", "?", "="].contains { line.contains(" \($0) ") }, "\(line)")
    }
    for line in overview.lines { #expect(!line.ours.isEmpty && !line.claim.isEmpty, "\(line)") }
  }

  @Test("every definition has its claim in nine words at most", arguments: Synthetic.stems)
  func brief(stem: String) throws {
    let experiment = try Synthetic.experiment(stem)
    #expect(!experiment.brief.isEmpty)
    #expect(experiment.brief.split(separator: " ").count <= Experiment.briefWordsMax)
  }

  @Test(
    "large numbers are short",
    arguments: [(551_000_000, "551 M"), (42_200, "42.2 k"), (9_999, "9999"), (0.613, "0.613")])
  func short(value: Double, text: String) { #expect(Figures.short(value) == text) }
}
