/// The figures that a campaign told when it ended: `verdict.json`. Whatever computes a verdict from the rows later, or an editor
/// of either file, is held against it (see `CrimeScene`): told and computed come from two files, so they can differ.
package struct ToldVerdict: Sendable, Equatable, Codable {
  package struct Effect: Sendable, Equatable, Codable {
    package var value: Double
    package var low: Double
    package var high: Double
    package var count: Int
  }

  /// One rule at one combination of levels; see `Verdict.Finding`.
  package struct Finding: Sendable, Equatable, Codable {
    package var rule: String
    package var combination: String
    package var outcome: String
    /// Nil where the rule's kind has none, or rows are missing.
    package var effect: Effect?
    package var decides: Bool
  }

  /// How many runs it is of: what is told in the middle of a campaign is not of all rows.
  package var runs: Int
  package var outcome: String
  package var state: String
  package var findings: [Finding]

  package init(_ verdict: Verdict, runs: Int) {
    self.runs = runs
    outcome = verdict.outcome.rawValue
    state = verdict.state.rawValue
    findings = verdict.findings.map { one in
      Finding(
        rule: one.rule, combination: one.combination, outcome: one.outcome.rawValue,
        effect: one.effect.map { Effect(value: $0.value, low: $0.low, high: $0.high, count: $0.count) },
        decides: one.decides)
    }
  }
}
