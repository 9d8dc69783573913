import Experiment
import Measure
import Verdict

/// One result under the lint's eyes. Each property is one group of `Crime`'s checks.
struct CrimeScene {
  let result: StoredResult
  /// The figures that are told of it; nil where nothing is told but what the rows give.
  let told: ToldVerdict?

  private var experiment: Experiment { result.experiment }
  private var valid: [Row] { result.rows.filter(\.isValid) }
  private var decidingRules: [VerdictRule] { experiment.verdicts.filter(\.decides) }

  private func found(_ crime: Crime, _ detail: String, _ weight: CrimeFinding.Weight = .crime) -> CrimeFinding {
    CrimeFinding(crime: crime, weight: weight, detail: detail)
  }

  // MARK: Selective benchmarking

  var selection: [CrimeFinding] {
    var findings = result.skipped.sorted { $0.key < $1.key }.map { arm, reason in
      found(.armsLeftOut, "\(arm): \(reason)")
    }
    findings += missingCells
    for rule in decidingRules where Self.isBenefit(rule.metric) && !experiment.metrics.contains(where: Self.isCost) {
      findings.append(found(.degradationUnmeasured, "\(rule.name) judges \(rule.metric), and no cost is recorded"))
    }
    let runs = Set(result.rows.map(\.order)).count
    let invalid = Set(result.rows.filter { !$0.isValid }.map(\.order)).count
    if Double(invalid) > CrimeLint.Limits.discardedShare * Double(runs) {
      findings.append(found(.runsDiscarded, "\(invalid) of \(runs) runs are invalid"))
    }
    if Double(result.disturbed) > CrimeLint.Limits.discardedShare * Double(runs) {
      // The machine's counters decided that, never the result: a selection all the same, but not by what pleases.
      findings.append(
        found(.runsDiscarded, "\(result.disturbed) runs beside \(runs) were thrown away and made again", .remark))
    }
    return findings
  }

  /// Cells of the matrix that ended with no valid row, though their arm was not skipped.
  private var missingCells: [CrimeFinding] {
    let ran = Set(
      valid.map { row in "\(row.arm) \(experiment.factors.compactMap { row.levels[$0.name]?.text })" })
    let missing = Matrix(experiment).cells.filter { cell in
      let levels = experiment.factors.compactMap { cell.level(of: $0.name)?.text }
      return result.skipped[cell.arm] == nil && !ran.contains("\(cell.arm) \(levels)")
    }
    guard let first = missing.first else { return [] }
    return [found(.levelsLeftOut, "\(missing.count) planned cells have no valid row, the first is \(first)")]
  }

  private static func isBenefit(_ metric: String) -> Bool { Metric.named(metric)?.kind == .rate }

  private static func isCost(_ metric: String) -> Bool {
    switch Metric.named(metric)?.kind {
    case .cost, .latency: true
    case .rate, .quality, .amount, .fault, .circumstance, nil: false
    }
  }

  // MARK: Improper handling of results

  var handling: [CrimeFinding] {
    var findings: [CrimeFinding] = []
    // What must never happen is counted in every run, and a count of none has no interval.
    let counts = experiment.verdicts.filter { $0.kind == .never }.map(\.name)
    let measured = (told?.findings ?? []).filter { $0.decides && !counts.contains($0.rule) }
    let open = Verdict.Outcome.inconclusive.rawValue
    for finding in measured where finding.outcome != open && (finding.effect?.count ?? 0) < 2 {
      findings.append(found(.noInterval, "\(finding.rule) \(finding.combination) is decided on one value"))
    }
    if decidingRules.contains(where: { $0.kind == .ratio && ($0.threshold ?? 1) >= 1 }),
      !valid.contains(where: { $0.role == .again })
    {
      findings.append(found(.noNoiseFloor, "no valid row of an arm that repeats another"))
    }
    findings += tampered + misread
    let unsettled = valid.count { $0.steadiness == .unsettled }
    if unsettled > 0 { findings.append(found(.unsettledRows, "\(unsettled) of \(valid.count) valid rows", .remark)) }
    for rule in experiment.verdicts where !rule.acrossDurability {
      let arms = Set(rule.test.arms + rule.baseline.arms)
      let labels = Set(valid.filter { arms.contains($0.arm) && $0.durability != .nothing }.map(\.durability.rawValue))
      if labels.count > 1 {
        findings.append(found(.mixedDurability, "\(rule.name) compares \(labels.sorted().joined(separator: " with "))"))
      }
    }
    for arm in experiment.arms where arm.cache != .any {
      let wrong = valid.count { $0.arm == arm.name && $0.cacheState.rawValue != arm.cache.rawValue }
      if wrong > 0 {
        findings.append(
          found(.unprovedCache, "\(wrong) valid rows of \(arm.name) are not proved to be \(arm.cache.rawValue)"))
      }
    }
    return findings
  }

  /// What is told against what the rows give; and whether it is the mean of ratios instead.
  private var tampered: [CrimeFinding] {
    guard let told else { return [] }
    let honest = Verdict.judge(experiment, rows: result.rows, under: result.circumstances).findings
    return told.findings.compactMap { told in
      let name = "\(told.rule) \(told.combination)"
      guard let own = honest.first(where: { $0.rule == told.rule && $0.combination == told.combination }) else {
        return found(.effectNotFromRows, "\(name) is told, and the definition has no such comparison")
      }
      if let a = told.effect, let mean = meanOfRatios(told), let b = own.effect, differs(a.value, b.value),
        !differs(a.value, mean)
      {
        return found(
          .meanOfRatios,
          "\(name) is told as \(Figures.text(mean)), the mean of ratios; the medians' ratio is "
            + Figures.text(b.value))
      }
      let (a, b) = (Self.text(told), Self.text(own))
      guard isOther(told, own) else { return nil }
      return found(.effectNotFromRows, "\(name) is told as \(a), the rows give \(b)")
    }
  }

  private func isOther(_ told: ToldVerdict.Finding, _ own: Verdict.Finding) -> Bool {
    guard told.outcome == own.outcome.rawValue else { return true }
    guard let a = told.effect, let b = own.effect else { return (told.effect == nil) != (own.effect == nil) }
    return a.count != b.count || differs(a.value, b.value) || differs(a.low, b.low) || differs(a.high, b.high)
  }

  private func differs(_ a: Double, _ b: Double) -> Bool {
    a != b && !(abs(a - b) <= CrimeLint.Limits.effectShare * abs(b))
  }

  private static func text(_ told: ToldVerdict.Finding) -> String {
    let effect = told.effect.map { Estimate(value: $0.value, low: $0.low, high: $0.high, count: $0.count) }
    return text(effect, told.outcome)
  }

  private static func text(_ own: Verdict.Finding) -> String { text(own.effect, own.outcome.rawValue) }

  private static func text(_ effect: Estimate?, _ outcome: String) -> String {
    "\(effect.map { "\(Figures.interval($0)) of \($0.count)" } ?? "nothing") (\(outcome))"
  }

  /// The arithmetic mean over replicates of test / baseline (or turned over, where lower is better), at the told levels.
  private func meanOfRatios(_ told: ToldVerdict.Finding) -> Double? {
    guard let rule = experiment.verdicts.first(where: { $0.name == told.rule }) else { return nil }
    let levels = zip(rule.per, told.combination.split(separator: ", ", omittingEmptySubsequences: false))
      .map { Setting(name: $0, value: Level(String($1))) }
    let bench = RuleBench(experiment: experiment, rows: valid, seed: result.seed)
    func values(_ selection: Selection) -> [Int: Double] {
      let found = bench.rows(rule, selection, levels)
        .compactMap { row in row.metrics[rule.metric].map { (row.replicate, $0) } }
      return Dictionary(found, uniquingKeysWith: { $1 })
    }
    let (test, baseline) = (values(rule.test), values(rule.compared))
    let ratios = test.compactMap { replicate, value -> Double? in
      guard let under = baseline[replicate], under > 0, value > 0 else { return nil }
      return rule.better == .higher ? value / under : under / value
    }
    return Statistics.mean(ratios)
  }

  private var misread: [CrimeFinding] {
    var findings: [CrimeFinding] = []
    for rule in decidingRules where Self.isBenefit(rule.metric) && rule.kind == .ratio {
      let rows = valid.filter { rule.test.arms.contains($0.arm) && $0.limitation != nil }
      let foreign = rows.filter { $0.limitation?.bottleneck.isOfDriver == true }
      let isMeant = rule.test.arms.allSatisfy { experiment.arm(named: $0)?.client == .part }
      if !rows.isEmpty, !isMeant, Double(foreign.count) > CrimeLint.Limits.otherLimitShare * Double(rows.count) {
        findings.append(
          found(
            .throughputAsOverhead, "\(rule.name): \(foreign.count) of \(rows.count) test rows were limited by others"))
      }
    }
    let hasBroker = experiment.arms.contains { $0.tier == .endToEnd }
    if hasBroker, !valid.contains(where: { $0.tier == .endToEnd }) {
      findings.append(found(.microbenchmarkOnly, "no valid row went through the broker"))
    }
    for (metric, least) in [(Metric.responseP999Ms, 10_000.0), (.serviceP999Ms, 10_000), (.responseP99Ms, 1000)] {
      let few = valid.filter { $0.metrics[metric] != nil && ($0.metrics[.records] ?? .infinity) < least }
      if !few.isEmpty {
        findings.append(found(.percentileOfTooFew, "\(few.count) rows have \(metric.name) of too few records"))
      }
    }
    return findings
  }

  // MARK: Improper comparison

  var comparison: [CrimeFinding] {
    var findings: [CrimeFinding] = []
    for rule in decidingRules where rule.kind == .ratio || rule.kind == .equal {
      if !valid.contains(where: { rule.baseline.arms.contains($0.arm) && $0.metrics[rule.metric] != nil }) {
        findings.append(
          found(.missingBaseline, "\(rule.name): no valid row of \(rule.baseline.arms.joined(separator: ", "))"))
      }
    }
    if experiment.originals.isEmpty {
      findings.append(found(.onlyAgainstItself, "the definition has no original numbers", .remark))
    }
    return findings
  }

  // MARK: Missing information

  var information: [CrimeFinding] {
    var findings: [CrimeFinding] = []
    let machine = result.machine
    let facts: [(String, Bool)] = [
      ("processor", machine.processor.model != nil), ("memory", machine.memory.totalMiB > 0),
      ("kernel", machine.kernel != "unknown" && !machine.kernel.isEmpty), ("disk", machine.disk.device != nil),
      ("file system", machine.disk.fileSystem != nil), ("commit", machine.build.commit != nil),
      ("congestion control", machine.congestionControl != nil),
    ]
    let unknown = facts.filter { !$0.1 }.map(\.0)
    if !unknown.isEmpty { findings.append(found(.missingPlatform, "unknown: \(unknown.joined(separator: ", "))")) }
    let bare = experiment.metrics.filter { Metric.named($0) == nil }
    if !bare.isEmpty { findings.append(found(.missingUnits, bare.joined(separator: ", "))) }
    if !decidingRules.isEmpty,
      decidingRules.allSatisfy({ Metric.named($0.metric)?.unit.isEmpty ?? true }),
      !experiment.metrics.contains(where: { !(Metric.named($0)?.unit.isEmpty ?? true) })
    {
      findings.append(found(.relativeOnly, "no recorded metric has a unit"))
    }
    let silent = valid.count { $0.limitation == nil }
    if silent > 0 { findings.append(found(.noLimiter, "\(silent) of \(valid.count) valid rows")) }
    if result.ceiling == nil || result.ceiling?.skipped != nil {
      findings.append(found(.noCeiling, result.ceiling?.skipped ?? "none was probed before the campaign", .remark))
    }
    if !result.isComplete {
      findings.append(found(.unfinished, "\(result.finishedRuns) of \(result.plannedRuns) runs"))
    }
    return findings
  }
}
