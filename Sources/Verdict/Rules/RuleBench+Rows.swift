package import Experiment
import Measure

/// Which rows a rule looks at, which of them count, and how noisy they are.
extension RuleBench {
  func values(_ rule: VerdictRule, _ selection: Selection, _ levels: [Setting]) -> [Double] {
    counted(rule, selection, levels).compactMap { $0.metrics[rule.metric] }
  }

  /// The rows of a selection without those whose rate the load generator set, where the rule is about a rate. The receiver of a bare
  /// mechanism is a part of it.
  func counted(_ rule: VerdictRule, _ selection: Selection, _ levels: [Setting]) -> [Row] {
    let found = rows(rule, selection, levels)
    guard Metric.named(rule.metric)?.kind == .rate else { return found }
    return found.filter { row in
      guard let arm = experiment.arm(named: row.arm), arm.tier == .endToEnd else { return true }
      return !Saturation.limitsRate(row.metrics, client: arm.client)
    }
  }

  /// A row without a level (its arm ignores that factor) stands for all of them.
  package func rows(_ rule: VerdictRule, _ selection: Selection, _ levels: [Setting]) -> [Row] {
    // What the selection says of a factor is more specific than the combination.
    let wanted = selection.levels + levels.filter { level in !selection.levels.contains { $0.name == level.name } }
    return rows.filter { row in
      selection.arms.contains(row.arm)
        && wanted.allSatisfy { row.levels[$0.name] == nil || row.levels[$0.name] == $0.value }
        && rule.only.allSatisfy { factor in row.levels[factor.name].map { factor.levels.contains($0) } ?? true }
    }
  }

  /// How far apart the medians of an arm and its A/A twin are: the median of that over this campaign and the earlier ones of the machine.
  ///
  /// From the twins of the arms in this comparison, else from any of the tier: the noisiest of the level combinations that agree with
  /// `levels`, else of all that ran. Rows of different levels are never pooled. How sure a median is of itself is no part of it, for the
  /// effect's own interval has that already.
  func noiseFloor(_ rule: VerdictRule, _ levels: [Setting]) -> Double? {
    let repeats = experiment.arms.filter { $0.role == .again && $0.tier == rule.tier && $0.repeats != nil }
    let compared = rule.test.arms + rule.baseline.arms
    let ours = repeats.filter { compared.contains($0.repeats ?? "") }
    let pairs = TwinPair.all(
      of: ours.isEmpty ? repeats : ours, in: experiment, rows: rows, metrics: [rule.metric])
    let agreeing = pairs.filter { pair in
      levels.allSatisfy { level in pair.levels[level.name].map { $0 == level.value } ?? true }
    }
    return (agreeing.isEmpty ? pairs : agreeing).compactMap(pooled).max()
  }

  private func pooled(_ pair: TwinPair) -> Double? {
    pair.distance.flatMap { Statistics.median([$0] + (noise?.distances(of: pair) ?? [])) }
  }
}
