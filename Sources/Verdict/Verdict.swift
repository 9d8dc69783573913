package import Experiment

/// What an experiment's rows say about its claim, by the rule that its definition fixed before the run.
///
/// Pure: the same rows give the same verdict. `judge` evaluates each rule for each combination of factor levels the rule
/// names (a `Finding`), and the verdict is their conjunction: one deciding finding against the claim refutes it, one
/// that cannot be decided leaves the whole undecided.
package struct Verdict: Sendable, Equatable {
  package enum Outcome: String, Sendable, CaseIterable {
    case supported = "SUPPORTED"
    case notSupported = "NOT SUPPORTED"
    case inconclusive = "INCONCLUSIVE"
    /// The definition decides nothing: its figures are told, whatever they are (a counter-claim).
    case reported = "REPORTED"
  }

  /// How far the result may be carried.
  package enum State: String, Sendable, CaseIterable {
    /// Enough replicates, an environment without shortcomings, every row valid and steady: may be quoted.
    case reportable = "REPORTABLE"
    /// The gates held; something named keeps it from being quoted as a number of the machine's class.
    case valid = "VALID"
    /// Shows the direction at best.
    case informative = "INFORMATIVE"
  }

  /// One rule at one combination of levels.
  package struct Finding: Sendable, Equatable {
    package var rule: String
    package var meaning: String
    package var kind: VerdictRule.Kind
    package var tier: Arm.Tier
    /// The combination, such as `gzip, json`; empty when the rule has no `per`.
    package var combination: String
    package var outcome: Outcome
    /// The effect: a ratio, or for `flat` the slope as a share a doubling. Nil when rows are missing.
    package var effect: Estimate?
    /// The noise floor as a share; nil where no A/A arm measured one.
    package var floor: Double?
    /// True when the effect points the way the claim says, beyond the noise, whatever the threshold.
    package var directionHolds: Bool
    /// False: reported without weight.
    package var decides: Bool
    /// One sentence with the numbers and the reason.
    package var sentence: String
    /// How far it is from failing, see `Margin`; nil where that cannot be said.
    var margin: Double?
    /// What the rule asks of the effect; nil where the kind has no threshold.
    package var threshold: Double?
    /// What capped the arm that the claim speaks of, so that the effect is at least what was seen; nil when nothing did.
    package var cap: Cap?
    /// What is known though nothing is decided, in words, of a kind whose effect has the rule's own unit; nil of others.
    var bound: String?
    /// The probability of the rows if the claim were true; nil where the rule is not decided by a ratio's test.
    var refutationP: Double?
  }

  /// What the campaign knows that rows do not show.
  package struct Circumstances: Sendable, Equatable {
    package var profile: Profile
    /// Reasons of failed gates: any makes the verdict inconclusive.
    package var failedGates: [String]
    /// What falls short of the definition's minimum environment: the result is informative only.
    package var belowMinimum: [String]
    /// What about machine or build keeps a result from being reportable (a virtual disk, a dirty tree, steal).
    package var shortcomings: [String]
    /// False when the campaign was interrupted.
    package var isComplete: Bool
    package var seed: UInt64
    /// A/A distances of earlier campaigns; nil where none were known.
    package var noise: NoiseHistory?

    package init(
      profile: Profile, failedGates: [String] = [], belowMinimum: [String] = [], shortcomings: [String] = [],
      isComplete: Bool = true, seed: UInt64, noise: NoiseHistory? = nil
    ) {
      self.profile = profile
      self.failedGates = failedGates
      self.belowMinimum = belowMinimum
      self.shortcomings = shortcomings
      self.isComplete = isComplete
      self.seed = seed
      self.noise = noise
    }
  }

  package enum Limits {
    /// Fewer valid replicates than this decide nothing.
    package static let replicatesMin = 5
    /// Fewer than this are not reportable.
    package static let replicatesReportable = 7
    /// A claim is refuted when the effect misses its threshold by more than this share, or by more than the noise floor where that is
    /// larger: a third digit decides nothing.
    package static let missMin = 0.05
    /// The probability of refuting one true claim or more, over all rules of a definition.
    package static let refutationErrorMax = 0.05
  }

  package var outcome: Outcome
  package var state: State
  /// Why the state is not better; empty when reportable.
  package var stateReasons: [String]
  /// One plain sentence with the deciding numbers.
  package var sentence: String
  package var findings: [Finding]

  /// The outcome of one tier's deciding findings; nil when the experiment has none there.
  package func outcome(of tier: Arm.Tier) -> Outcome? {
    let deciding = findings.filter { $0.tier == tier && $0.decides }
    return deciding.isEmpty ? nil : Verdict.conjunction(deciding.map(\.outcome))
  }

  /// `experiment` is the definition under the profile that ran; rows may be in any order and include invalid ones,
  /// which never count.
  package static func judge(_ experiment: Experiment, rows: [Row], under circumstances: Circumstances) -> Verdict {
    let bench = RuleBench(
      experiment: experiment, rows: rows.filter(\.isValid), seed: circumstances.seed, noise: circumstances.noise)
    let findings = corrected(experiment.verdicts.flatMap { bench.findings(of: $0) })
    let deciding = findings.filter(\.decides)
    var outcome = conjunction(deciding.map(\.outcome))
    // No rule of the definition has weight, by its own word.
    if !experiment.verdicts.isEmpty, experiment.verdicts.allSatisfy({ !$0.decides }) { outcome = .reported }
    if !circumstances.failedGates.isEmpty { outcome = .inconclusive }
    let (state, reasons) = state(experiment, rows: rows, circumstances)
    return Verdict(
      outcome: outcome, state: state, stateReasons: reasons,
      sentence: sentence(
        outcome, deciding: outcome == .reported ? Self.told(findings) : deciding,
        failedGates: circumstances.failedGates), findings: findings)
  }

  /// With many comparisons one of them misses its threshold by chance. The refutations of all that decide are corrected together
  /// (Holm); one that is not sure any more leaves its finding undecided.
  private static func corrected(_ findings: [Finding]) -> [Finding] {
    let chances = Statistics.holm(findings.map { $0.decides ? $0.refutationP : nil })
    return zip(findings, chances).map { finding, chance in
      guard finding.outcome == .notSupported, let chance, chance >= Limits.refutationErrorMax else { return finding }
      var undecided = finding
      undecided.outcome = .inconclusive
      undecided.sentence +=
        " Not refuted: among \(chances.count { $0 != nil }) comparisons this one has p = \(Figures.text(chance, digits: 2))."
      return undecided
    }
  }

  /// Refuted by one refuted part; otherwise undecided by one undecided part, or by having no parts at all.
  package static func conjunction(_ outcomes: [Outcome]) -> Outcome {
    if outcomes.contains(.notSupported) { return .notSupported }
    return outcomes.isEmpty || outcomes.contains(.inconclusive) ? .inconclusive : .supported
  }

  private static func state(
    _ experiment: Experiment, rows: [Row], _ circumstances: Circumstances
  ) -> (State, [String]) {
    let invalid = rows.count { !$0.isValid }
    let unsettled = rows.count { $0.isValid && $0.steadiness == .unsettled }
    var informative = circumstances.failedGates + circumstances.belowMinimum
    if !circumstances.isComplete { informative.append("the campaign was interrupted") }
    // Adaptive campaigns run more than they planned.
    let ran = experiment.adaptive == nil ? 0 : rows.map(\.replicate).max() ?? 0
    let replicates = max(experiment.replicates, ran)
    if replicates < experiment.replicatesMin {
      informative.append("\(replicates) replicates a cell, fewer than \(Limits.replicatesMin)")
    }
    if invalid * 5 > rows.count { informative.append("\(invalid) of \(rows.count) rows are invalid") }
    var valid = circumstances.shortcomings
    if circumstances.profile == .quick { valid.append("the quick profile is never reportable") }
    if (experiment.replicatesMin..<Limits.replicatesReportable).contains(replicates) {
      valid.append("\(replicates) replicates a cell, fewer than \(Limits.replicatesReportable)")
    }
    if invalid > 0, invalid * 5 <= rows.count { valid.append("\(invalid) of \(rows.count) rows are invalid") }
    if unsettled > 0 { valid.append("\(unsettled) of \(rows.count) rows never settled") }
    if !informative.isEmpty { return (.informative, informative + valid) }
    return valid.isEmpty ? (.reportable, []) : (.valid, valid)
  }

  private static func sentence(_ outcome: Outcome, deciding: [Finding], failedGates: [String]) -> String {
    if let gate = failedGates.first { return "A gate failed, so nothing is decided: \(gate)." }
    guard !deciding.isEmpty else { return "No rule of the definition could be evaluated." }
    if outcome == .reported { return "Reported, without weight: \(deciding[0].sentence)" }
    let counted = deciding.filter { $0.outcome == outcome }
    guard deciding.count > 1 else { return counted[0].sentence }
    if outcome == .supported {
      return "All \(deciding.count) comparisons hold; the closest: \((closest(deciding) ?? counted[0]).sentence)"
    }
    let share = "\(counted.count) of \(deciding.count) comparisons \(counted.count == 1 ? "is" : "are")"
    let word = outcome == .notSupported ? "against the claim" : "undecided"
    return "\(share) \(word); the first: \(counted[0].sentence)"
  }

  /// Of findings without weight the one that a reader should see: the first through the broker.
  private static func told(_ findings: [Finding]) -> [Finding] {
    let first = findings.first { $0.tier == .endToEnd && $0.effect != nil } ?? findings.first
    return first.map { [$0] } ?? []
  }
}

extension Experiment {
  /// Fewer valid replicates decide nothing. A run over time is judged by its own course: one is enough.
  var replicatesMin: Int { sweepsTime ? 1 : Verdict.Limits.replicatesMin }
}
