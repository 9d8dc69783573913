import Experiment
import Glibc

extension RuleBench {
  /// Whether the metric rises (or falls) over the levels of a factor, and does so all the way.
  ///
  /// A replicate is one run at each level in a random order, so without any trend all orders of its values are equally
  /// likely, and Mann and Kendall's S (rising pairs less falling pairs) has a mean of zero and a known variance. Replicates
  /// are independent: their S and their variances add up (Hirsch and Slack's test for blocks), which is what makes four
  /// levels enough: alone, four values in perfect order are no evidence (p = 0.08), five times over they are.
  ///
  /// A significant trend is not yet a monotone one: 1 2 3 4 2 rises as well. So each step between neighbouring levels is
  /// looked at by itself, and one whose whole interval lies on the wrong side of 1, beyond the noise floor, refutes the
  /// claim. A step on which nothing happens does not: a curve that reaches a ceiling stays there.
  ///
  /// The effect is Kendall's tau, one value a replicate, turned so that above zero is the claim's way: the share of pairs of
  /// levels in the claimed order less the share in the other. Its interval is that of the replicates' median.
  func trend(_ rule: VerdictRule, at levels: [Setting]) -> Finding {
    var finding = blank(rule, levels)
    let groups = rowsByLevel(rule, levels)
    guard groups.count >= Self.levelsMin else {
      finding.sentence =
        "\(name(rule, levels)): \(groups.count) levels of \(rule.over ?? "") ran, and fewer than \(Self.levelsMin) are no trend."
      return finding
    }
    let curves = replicateCurves(groups, rule)
    guard curves.count >= Verdict.Limits.replicatesMin, let test = Statistics.mannKendall(blocks: curves),
      let tau = Statistics.medianInterval(curves.compactMap { Statistics.mannKendall($0)?.tau }, seed: seed)
    else {
      finding.sentence = "\(name(rule, levels)): " + tooFew(curves.count, of: experiment.replicates)
      return finding
    }
    let floor = noiseFloor(rule, levels)
    let against = steps(groups, rule).first { step in
      let effect = rule.better == .higher ? step.ratio : step.ratio.inverse
      return effect.high < 1 - (floor ?? 0)
    }
    let isSignificant = test.p < Self.significance
    finding.effect = tau
    // The share of pairs of levels by which the claimed order leads.
    finding.margin = tau.low
    finding.floor = floor
    finding.directionHolds = isSignificant && test.s > 0
    if isSignificant && test.s < 0 || against != nil {
      finding.outcome = .notSupported
    } else {
      finding.outcome = isSignificant && tau.low > 0 ? .supported : .inconclusive
    }
    let word = rule.better == .higher ? "rises" : "falls"
    finding.sentence =
      "\(name(rule, levels)): \(unitName(rule.metric)) \(word) with \(rule.over ?? ""): Kendall's tau "
      + "\(Figures.interval(tau, suffix: "")), p \(Self.text(p: test.p))"
      + (against.map { ", but from \($0.from) to \($0.to) it is \(Figures.interval($0.ratio, suffix: "×"))" } ?? "")
      + "; \(finding.outcome.word)."
    return finding
  }

  /// Two-sided.
  private static let significance = 0.05
  private static let levelsMin = 3

  private typealias LevelRows = (level: Double, rows: [Row])

  private static func text(p: Double) -> String { p < 0.0001 ? "< 0.0001" : Figures.text(p) }

  /// Of each replicate the values at the levels it ran at, in the levels' order, turned so that rising is the claim's way.
  private func replicateCurves(_ groups: [LevelRows], _ rule: VerdictRule) -> [[Double]] {
    let sign = rule.better == .higher ? 1.0 : -1.0
    let replicates = Set(groups.flatMap { $0.rows.map(\.replicate) }).sorted()
    return replicates.compactMap { replicate in
      let curve = groups.compactMap { group in
        group.rows.first { $0.replicate == replicate }?.metrics[rule.metric].map { sign * $0 }
      }
      return curve.count >= Self.levelsMin ? curve : nil
    }
  }

  /// Neighbouring levels: the upper one's median over the lower one's.
  private func steps(_ groups: [LevelRows], _ rule: VerdictRule) -> [(from: String, to: String, ratio: Estimate)] {
    zip(groups, groups.dropFirst()).compactMap { lower, upper in
      let values = [lower, upper].map { $0.rows.compactMap { $0.metrics[rule.metric] } }
      return Statistics.ratioOfMedians(values[1], over: values[0], seed: seed).map {
        (Figures.text(lower.level), Figures.text(upper.level), $0)
      }
    }
  }

  /// Rising by the factor's level.
  private func rowsByLevel(_ rule: VerdictRule, _ levels: [Setting]) -> [LevelRows] {
    guard let over = rule.over else { return [] }
    var groups: [Double: [Row]] = [:]
    for row in counted(rule, rule.test, levels) where row.metrics[rule.metric] != nil {
      if let level = row.levels[over]?.number { groups[level, default: []].append(row) }
    }
    return groups.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// What must not happen at all. A median would forgive the run in which it did, so every run counts.
  func never(_ rule: VerdictRule, at levels: [Setting]) -> Finding {
    var finding = blank(rule, levels)
    let found = values(rule, rule.test, levels)
    let runs = found.count { $0 > 0 }
    let what = "\(name(rule, levels)): \(rule.metric.replacing("_", with: " "))"
    if runs > 0 {
      finding.outcome = .notSupported
      finding.sentence =
        "\(what) in \(runs) of \(found.count) runs, \(Figures.text(found.max() ?? 0)) at the most; does not hold."
    } else if found.count < experiment.replicatesMin {
      finding.sentence = "\(name(rule, levels)): " + tooFew(found.count, of: experiment.replicates)
    } else {
      finding.outcome = .supported
      finding.directionHolds = true
      finding.sentence = "\(what): not once in \(found.count) runs; holds."
    }
    return finding
  }
}
