import Base
package import Experiment
import Glibc
import Measure

/// Evaluates a definition's rules on valid rows. Owned by `Verdict.judge` for the length of one call.
package struct RuleBench {
  let experiment: Experiment
  let rows: [Row]
  let seed: UInt64
  /// A/A distances of earlier campaigns.
  let noise: NoiseHistory?

  package init(experiment: Experiment, rows: [Row], seed: UInt64, noise: NoiseHistory? = nil) {
    self.experiment = experiment
    self.rows = rows
    self.seed = seed
    self.noise = noise
  }

  typealias Finding = Verdict.Finding
  typealias Outcome = Verdict.Outcome

  func findings(of rule: VerdictRule) -> [Finding] {
    let missing = rule.test.arms.filter { experiment.arm(named: $0) == nil }
    guard missing.isEmpty else {
      var finding = blank(rule, [])
      finding.decides = false
      finding.sentence = "\(name(rule, [])): this profile does not run \(missing.joined(separator: ", "))."
      return [finding]
    }
    return combinations(of: rule).filter { !isItself(rule, at: $0) }.map { levels in
      switch rule.kind {
      case .ratio: ratio(rule, at: levels)
      case .value: value(rule, at: levels)
      case .equal: equal(rule, at: levels)
      case .flat: flat(rule, at: levels)
      case .exponent: exponent(rule, at: levels)
      case .trend: trend(rule, at: levels)
      case .cost: cost(rule, at: levels)
      case .slope: slope(rule, at: levels)
      case .never: never(rule, at: levels)
      case .drift: drift(rule, at: levels)
      }
    }
  }

  // MARK: The kinds

  /// SUPPORTED when the interval's low end beats the threshold and 1 + floor; NOT SUPPORTED when its high end misses the threshold by
  /// more than the floor and `Limits.missMin`; otherwise undecided. An arm that the machine capped can support "at least", and
  /// refutes nothing.
  private func ratio(_ rule: VerdictRule, at levels: [Setting]) -> Finding {
    var finding = blank(rule, levels)
    guard let compared = comparison(rule, levels, into: &finding) else { return finding }
    let effect = rule.better == .higher ? compared.ratio : compared.ratio.inverse
    let threshold = rule.threshold ?? 1
    let floor = noiseFloor(rule, levels)
    finding.effect = effect
    finding.floor = floor
    finding.directionHolds = effect.low > 1 + (floor ?? 0)
    finding.threshold = threshold
    finding.cap = compared.cap
    let slack = max(floor ?? 0, Verdict.Limits.missMin)
    finding.refutationP = refutation(compared, rule, threshold: threshold, slack: slack)
    var shown = "\(name(rule, levels)): " + words(for: compared, effect, rule, threshold: threshold)
    if let floor { shown += ", noise floor \(Figures.percent(floor))" }
    let (outcome, reason) = decide(effect, threshold: threshold, floor: floor, slack: slack, cap: compared.cap)
    finding.outcome = outcome
    finding.margin =
      threshold < 1
      ? Margin.notWorse(effect.low, than: threshold) : Margin.beyond(effect.low, max(threshold, 1 + (floor ?? 0)))
    finding.sentence = shown + "; " + reason + "."
    return finding
  }

  /// The probability of these rows if the ratio only just met what does not refute it yet.
  private func refutation(
    _ compared: Comparison, _ rule: VerdictRule, threshold: Double, slack: Double
  ) -> Double? {
    let (over, under) =
      rule.better == .higher ? (compared.test, compared.base) : (compared.base, compared.test)
    return Statistics.equivalence(under.map { $0 * threshold }, over, margin: slack)?.lessP
  }

  /// "2.1× lower than …, threshold 1.5×", or of one that may be somewhat worse "1.3× of …, at most 1.6× wanted".
  private func words(
    for compared: Comparison, _ effect: Estimate, _ rule: VerdictRule, threshold: Double
  ) -> String {
    let unit = unitName(rule.metric)
    if threshold < 1 {
      let limit =
        rule.better == .higher ? "at least \(Figures.times(threshold))" : "at most \(Figures.times(1 / threshold))"
      return "\(Figures.interval(compared.ratio, suffix: "×")) of \(compared.baseline) in \(unit), \(limit) wanted"
    }
    let word = rule.better == .higher ? "that of" : effect.value < 1 ? "as low as" : "lower than"
    return "\(Figures.interval(effect, suffix: "×")) \(word) \(compared.baseline) in \(unit), threshold "
      + Figures.times(threshold)
  }

  private func decide(
    _ effect: Estimate, threshold: Double, floor: Double?, slack: Double, cap: Cap?
  ) -> (Outcome, String) {
    if effect.high < threshold {
      if let cap {
        return (
          .inconclusive, "at least \(Figures.times(effect.value)), capped by \(cap.word): the size cannot be seen here"
        )
      }
      guard effect.high < threshold / (1 + slack) else {
        let what =
          slack > Verdict.Limits.missMin ? "the noise floor" : "\(Figures.percent(slack)), which decides nothing"
        return (.inconclusive, "it misses the threshold by less than \(what)")
      }
      let direction = effect.low > 1 + (floor ?? 0)
      return (.notSupported, direction ? "the direction holds, the size does not" : "the effect is not there")
    }
    guard effect.low >= threshold else { return (.inconclusive, "the interval reaches across the threshold") }
    guard threshold >= 1 else { return (.supported, "the whole interval is on the right side of the threshold") }
    guard let floor else { return (.inconclusive, "no A/A arm measured the noise floor") }
    guard effect.low > 1 + floor else { return (.inconclusive, "the effect is inside the noise floor") }
    return (.supported, "the whole interval is beyond threshold and noise")
  }

  /// A figure of its own, without anything to compare it with.
  private func value(_ rule: VerdictRule, at levels: [Setting]) -> Finding {
    var finding = blank(rule, levels)
    let found = values(rule, rule.test, levels)
    guard found.count >= Verdict.Limits.replicatesMin, let median = Statistics.centerInterval(found, seed: seed) else {
      finding.sentence = "\(name(rule, levels)): " + tooFew(found.count, of: experiment.replicates)
      return finding
    }
    let threshold = rule.threshold ?? 0
    let isHigher = rule.better == .higher
    let inside = isHigher ? median.low >= threshold : median.high <= threshold
    let slack = 1 + max(noiseFloor(rule, levels) ?? 0, Verdict.Limits.missMin)
    let outside = isHigher ? median.high < threshold / slack : median.low > threshold * slack
    finding.effect = median
    finding.floor = noiseFloor(rule, levels)
    finding.margin = isHigher ? Margin.beyond(median.low, threshold) : Margin.below(median.high, threshold)
    finding.directionHolds = inside
    finding.outcome = inside ? .supported : (outside ? .notSupported : .inconclusive)
    finding.sentence =
      "\(name(rule, levels)): \(Figures.interval(median, suffix: "")) \(unitName(rule.metric)), "
      + "\(isHigher ? "at least" : "at most") \(Figures.text(threshold)) wanted; \(finding.outcome.word)."
    return finding
  }

  /// A control that must show nothing, or an original's shape: the interval inside the band around it, or wholly outside. A rate below the
  /// band refutes nothing where the machine capped it.
  private func equal(_ rule: VerdictRule, at levels: [Setting]) -> Finding {
    var finding = blank(rule, levels)
    guard let compared = comparison(rule, levels, into: &finding) else { return finding }
    let effect = compared.ratio
    let tolerance = rule.tolerance ?? 0.05
    finding.effect = effect
    finding.floor = noiseFloor(rule, levels)
    finding.margin = Margin.within(effect, around: rule.around, reach: rule.around * tolerance)
    let (least, most) = (rule.around * (1 - tolerance), rule.around * (1 + tolerance))
    let inside = effect.low >= least && effect.high <= most
    // A difference that the arm has against itself too is none.
    let slack = 1 + (finding.floor ?? 0)
    let outside = effect.high < least / slack || effect.low > most * slack
    if outside, effect.high < least { finding.cap = compared.cap }
    finding.outcome = inside ? .supported : (outside && finding.cap == nil ? .notSupported : .inconclusive)
    let (same, other) =
      rule.around == 1
      ? ("no difference, as expected", "a difference where none should be")
      : ("the ratio is the expected one", "the ratio is another")
    let reason =
      if inside {
        same
      } else if let cap = finding.cap {
        "at least \(Figures.times(effect.value)), capped by \(cap.word): the band cannot be judged here"
      } else {
        outside ? other : "the interval reaches across the band's edge"
      }
    finding.sentence =
      "\(name(rule, levels)): \(Figures.interval(effect, suffix: "×")) against \(compared.baseline) in "
      + "\(unitName(rule.metric)), band \(Figures.text(rule.around)) ± \(Figures.percent(tolerance)); \(reason)."
    return finding
  }

  /// test / baseline over the sweep (without a baseline the metric is itself a comparison), replicate by replicate: the slope of
  /// each replicate is one independent value (its levels are not: they share a process and a disk's mood), and the interval is
  /// that of the slopes. Where lower is better the curve is turned, so that falling is always losing.
  private func flat(_ rule: VerdictRule, at levels: [Setting]) -> Finding {
    var finding = blank(rule, levels)
    let tolerance = rule.tolerance ?? 0.02
    let lastDecile = rule.lastDecile ?? 0.95
    let curves = turned(rule, curves(rule, levels))
    guard curves.count >= Verdict.Limits.replicatesMin else {
      finding.sentence = "\(name(rule, levels)): " + tooFew(curves.count, of: experiment.replicates)
      return finding
    }
    let slopes = curves.compactMap(slopeShare)
    let lasts = curves.compactMap(lastShare)
    guard
      let slope = Statistics.centerInterval(slopes, seed: seed), let last = Statistics.centerInterval(lasts, seed: seed)
    else {
      finding.sentence = "\(name(rule, levels)): the sweep has too few levels for a slope."
      return finding
    }
    finding.effect = slope
    finding.margin = Margin.least([
      Margin.within(slope, reach: tolerance), Margin.notWorse(last.low, than: lastDecile),
    ])
    finding.directionHolds = slope.low > -tolerance
    let inside = slope.low >= -tolerance && slope.high <= tolerance
    // What the arm's own twin shows of a slope is none of the arm's.
    let own = twinSlope(rule, levels)
    finding.floor = own
    let reach = max(tolerance, own ?? 0)
    let outside = slope.high < -reach || slope.low > reach
    let slopeOutcome: Outcome = inside ? .supported : (outside ? .notSupported : .inconclusive)
    let lastOutcome: Outcome =
      last.low >= lastDecile ? .supported : (last.high < lastDecile ? .notSupported : .inconclusive)
    finding.outcome = Verdict.conjunction([slopeOutcome, lastOutcome])
    finding.sentence =
      "\(name(rule, levels)): \(Figures.percent(slope.value, signed: true)) a doubling "
      + "[\(Figures.percent(slope.low, signed: true)), \(Figures.percent(slope.high, signed: true))], band ± "
      + "\(Figures.percent(tolerance)) (\(slopeOutcome.word)); the last tenth is at \(Figures.percent(last.value)) "
      + "[\(Figures.percent(last.low)), \(Figures.percent(last.high))] of the rest, at least "
      + "\(Figures.percent(lastDecile)) wanted (\(lastOutcome.word))."
    if slopeOutcome == .inconclusive {
      finding.sentence += " What is known: it loses at most \(Figures.percent(max(0, -slope.low))) a doubling (95 %)."
    }
    return finding
  }

  /// Half the interval of a `flat` or `exponent` rule's slope, as a share of the tolerance; infinite with too few replicates, and nil
  /// of rules of another kind.
  func slopeShare(of rule: VerdictRule) -> Double? {
    guard let tolerance = rule.tolerance, rule.kind == .flat || rule.kind == .exponent else { return nil }
    let shares = findings(of: rule).map { finding in
      finding.effect.map { ($0.high - $0.low) / 2 / tolerance } ?? .infinity
    }
    return shares.max()
  }

  /// The slope, without its sign, that the A/A twin of the test or of the baseline shows against what it repeats; nil without one.
  private func twinSlope(_ rule: VerdictRule, _ levels: [Setting]) -> Double? {
    let compared = rule.test.arms + rule.baseline.arms
    return experiment.arms.filter { $0.role == .again && compared.contains($0.repeats ?? "") }.compactMap { twin in
      var own = rule
      own.test = Selection(arms: [twin.name], levels: rule.test.levels)
      if !rule.baseline.arms.isEmpty {
        own.baseline = Selection(arms: [twin.repeats ?? ""], levels: rule.test.levels)
      }
      return Statistics.median(turned(own, curves(own, levels)).compactMap(slopeShare)).map { abs($0) }
    }.max()
  }

  // MARK: Rows of a rule

  private struct Comparison {
    var ratio: Estimate
    /// The label of the arm compared with.
    var baseline: String
    var test: [Double]
    var base: [Double]
    var cap: Cap?
  }

  /// Nil, with the finding's sentence saying why, when rows are missing.
  private func comparison(_ rule: VerdictRule, _ levels: [Setting], into finding: inout Finding) -> Comparison? {
    // Of an advantage that the generator limited the least is known (`Cap`); of any other comparison of such a rate, nothing.
    let testRows =
      rule.kind == .ratio && rule.better == .higher
      ? rows(rule, rule.test, levels) : counted(rule, rule.test, levels)
    let test = testRows.compactMap { $0.metrics[rule.metric] }
    if let label = limitedByGenerator(rule, levels) {
      finding.sentence =
        "\(name(rule, levels)): the load generator, and not what it drives, set the rate of \(label), so nothing can be compared with it."
      return nil
    }
    guard let baseline = best(rule, levels) else {
      finding.sentence = "\(name(rule, levels)): the baseline has no valid rows with \(rule.metric)."
      return nil
    }
    let fewest = min(test.count, baseline.values.count)
    guard fewest >= Verdict.Limits.replicatesMin else {
      finding.sentence = "\(name(rule, levels)): " + tooFew(fewest, of: experiment.replicates)
      return nil
    }
    guard let ratio = Statistics.ratioOfMedians(test, over: baseline.values, seed: seed), ratio.low > 0 else {
      finding.sentence = "\(name(rule, levels)): \(rule.metric) is not positive, so a ratio has no meaning."
      return nil
    }
    // Only a rate can be higher than the machine lets it be.
    let isRate = Metric.named(rule.metric)?.kind == .rate
    let isClientPart = rule.test.arms.allSatisfy { experiment.arm(named: $0)?.client == .part }
    // An arm that is to reach a share of another has all the cores it needs only if it leaves some idle, whatever the other one uses.
    let cap =
      if !isRate {
        Cap?.none
      } else if rule.kind == .equal {
        Cap.of(testRows, isClientPart: isClientPart)
      } else {
        Cap.of(test: testRows, baseline: baseline.rows, isClientPart: isClientPart)
      }
    return Comparison(ratio: ratio, baseline: baseline.label, test: test, base: baseline.values, cap: cap)
  }

  func tooFew(_ count: Int, of planned: Int) -> String {
    "\(count) valid replicates of \(planned) planned; \(Verdict.Limits.replicatesMin) are the least that decide."
  }

  /// The baseline arm that makes the claim hardest to support.
  private func best(
    _ rule: VerdictRule, _ levels: [Setting]
  ) -> (label: String, values: [Double], rows: [Row])? {
    let arms: [(label: String, values: [Double], rows: [Row])] = rule.baseline.arms.compactMap { arm in
      let found = counted(rule, Selection(arms: [arm], levels: rule.compared.levels), levels)
      let values = found.compactMap { $0.metrics[rule.metric] }
      return values.isEmpty ? nil : (label(of: arm, rule.baseline), values, found)
    }
    let medians = arms.map { Statistics.median($0.values) ?? 0 }
    let order = arms.indices.sorted { rule.better == .higher ? medians[$0] > medians[$1] : medians[$0] < medians[$1] }
    return order.first.map { arms[$0] }
  }

  /// The label of a baseline arm of which too few rates are its own, because the generator set the others; nil when there is none.
  private func limitedByGenerator(_ rule: VerdictRule, _ levels: [Setting]) -> String? {
    rule.compared.arms.first { arm in
      let selection = Selection(arms: [arm], levels: rule.compared.levels)
      let own = counted(rule, selection, levels).count
      return own < Verdict.Limits.replicatesMin && own < rows(rule, selection, levels).count
    }.map { label(of: $0, rule.compared) }
  }

  /// As sentences call a side of a comparison: where brokers do the same thing, by the broker.
  private func label(of arm: String, _ side: Selection) -> String {
    side.levels.first { $0.name == Experiment.BrokerFactor.name }?.value.text ?? experiment.arm(named: arm)?.label
      ?? arm
  }

  /// test / baseline by level of the sweep, one curve a replicate; without baseline arms the test arm's own curve.
  func curves(_ rule: VerdictRule, _ levels: [Setting]) -> [[(x: Double, y: Double)]] {
    guard let sweep = experiment.sweep?.name else { return [] }
    func byReplicate(_ selection: Selection) -> [Int: [Double: Double]] {
      var found: [Int: [Double: Double]] = [:]
      for row in counted(rule, selection, levels) {
        guard let level = row.levels[sweep]?.number, let value = row.metrics[rule.metric] else { continue }
        found[row.replicate, default: [:]][level] = value
      }
      return found
    }
    let baseline = byReplicate(rule.compared)
    return byReplicate(rule.test).sorted { $0.key < $1.key }.compactMap { replicate, curve in
      let points = curve.sorted { $0.key < $1.key }.compactMap { level, value -> (x: Double, y: Double)? in
        if rule.baseline.arms.isEmpty { return (level, value) }
        guard let under = baseline[replicate]?[level], under > 0 else { return nil }
        return (level, value / under)
      }
      return points.count >= 3 ? points : nil
    }
  }

  /// Each curve as its inverse where lower is better, so that falling is losing.
  func turned(_ rule: VerdictRule, _ curves: [[(x: Double, y: Double)]]) -> [[(x: Double, y: Double)]] {
    guard rule.better == .lower else { return curves }
    return curves.map { curve in curve.filter { $0.y > 0 }.map { ($0.x, 1 / $0.y) } }
  }

  /// Theil-Sen slope against log2 of the level, as a share of the curve's median.
  private func slopeShare(_ curve: [(x: Double, y: Double)]) -> Double? {
    let points = curve.filter { $0.x > 0 }.map { (x: log2($0.x), y: $0.y) }
    guard let slope = Statistics.theilSen(points), let center = Statistics.median(curve.map(\.y)), center > 0 else {
      return nil
    }
    return slope.value / center
  }

  /// Median of the last tenth of the levels (at least one) over the median of the rest.
  private func lastShare(_ curve: [(x: Double, y: Double)]) -> Double? {
    let count = max(1, (curve.count + 9) / 10)
    let rest = Statistics.median(curve.dropLast(count).map(\.y))
    guard let rest, rest > 0, let last = Statistics.median(curve.suffix(count).map(\.y)) else { return nil }
    return last / rest
  }

  // MARK: Names

  func blank(_ rule: VerdictRule, _ levels: [Setting]) -> Finding {
    Finding(
      rule: rule.name, meaning: rule.meaning, kind: rule.kind, tier: rule.tier,
      combination: levels.map(\.value.text).joined(separator: ", "), outcome: .inconclusive, effect: nil, floor: nil,
      directionHolds: false, decides: rule.decides, sentence: "")
  }

  func name(_ rule: VerdictRule, _ levels: [Setting]) -> String {
    let parts = [rule.name] + levels.map(\.value.text)
    return parts.joined(separator: ", ") + (rule.tier == .bare ? " (bare)" : " (end to end)")
  }

  func unitName(_ metric: String) -> String {
    guard let known = Metric.named(metric), !known.unit.isEmpty else {
      return metric.replacing("_", with: " ")
    }
    return known.unit
  }

  /// The combination whose test is the very baseline that all combinations are compared with: that shows nothing.
  private func isItself(_ rule: VerdictRule, at levels: [Setting]) -> Bool {
    rule.kind.needsBaseline && rule.test == Selection(arms: rule.baseline.arms) && !rule.baseline.levels.isEmpty
      && rule.baseline.levels.allSatisfy(levels.contains) && rule.baseline.levels.count == levels.count
  }

  /// Every combination of the levels of `per`, within `only`.
  private func combinations(of rule: VerdictRule) -> [[Setting]] {
    rule.per.reduce([[]]) { combinations, name in
      let allowed = rule.only.first { $0.name == name }?.levels
      let levels = (experiment.factor(named: name)?.levels ?? []).filter { allowed?.contains($0) ?? true }
      return combinations.flatMap { known in levels.map { known + [Setting(name: name, value: $0)] } }
    }
  }
}

extension Verdict.Outcome {
  /// For the middle of a sentence.
  package var word: String {
    switch self {
    case .supported: "holds"
    case .notSupported: "does not hold"
    case .inconclusive: "undecided"
    case .reported: "reported"
    }
  }
}
