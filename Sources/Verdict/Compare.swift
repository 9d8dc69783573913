import Experiment
import Glibc
package import Measure

/// Two results of one experiment, the second against the first: what differs in configuration, then in environment, and
/// only then in numbers, because a changed number means little where something else changed too.
///
/// Pure: rows and machines in, changes out.
package struct Comparison: Sendable, Equatable {
  package enum Change: String, Sendable, CaseIterable {
    case worse, better
    /// The rows do not say on which side of the margin the difference lies, or too few runs are valid.
    case inconclusive
    /// The difference is surely smaller than the margin.
    case same
  }

  /// One metric of one arm at one combination of levels.
  package struct Effect: Sendable, Equatable {
    package var arm: String
    package var levels: String
    package var metric: String
    /// Second over first, turned over where less is better: above 1 the second is better. Nil when rows are missing.
    package var ratio: Estimate?
    /// The probability of the rows if `change` were not so, corrected for the number of effects (Holm); nil when undecided.
    package var p: Double?
    /// What the arm shows against itself, as a share.
    package var floor: Double
    /// What is called a difference, as a share: the comparison's margin, or the arm's noise floor where that is larger.
    package var margin: Double
    package var change: Change
    /// Why nothing could be compared.
    package var missing: String?
    /// What a rule says must never be, such as lost records: the most that a run of each result has. They are compared as they are, for there
    /// is no ratio of zero.
    package var counts: Counts?

    package struct Counts: Sendable, Equatable {
      package var before: Double
      package var after: Double

      package var sentence: String { "\(Figures.text(before)) in the first, \(Figures.text(after)) in the second" }

      /// Nil where neither result has none: the ratio is to say.
      fileprivate var change: Change? {
        switch (before > 0, after > 0) {
        case (false, false): .same
        case (false, true): .worse
        case (true, false): .better
        case (true, true): nil
        }
      }
    }

    package var name: String { [arm, levels, metric].filter { !$0.isEmpty }.joined(separator: ", ") }

    package var sentence: String {
      if let counts { return "\(name): at most \(counts.sentence): \(change.rawValue)" }
      guard let ratio else { return "\(name): \(missing ?? "too few valid runs")" }
      let chance = p.map { $0 < 0.001 ? ", p < 0.001" : ", p = \(Figures.text($0, digits: 2))" } ?? ""
      return "\(name): \(Figures.interval(ratio, suffix: "×")) as good, margin \(Figures.percent(margin))"
        + "\(floor >= margin ? " (the noise floor)" : "")\(chance): \(change.rawValue)"
    }
  }

  /// One line each, most important first.
  package var configuration: [String]
  package var environment: [String]
  package var effects: [Effect]

  /// What is called a difference, as a share.
  package var margin: Double

  /// The effects as a reader wants them: what is worse first, the largest difference first within each change.
  package var ranked: [Effect] {
    func rank(_ effect: Effect) -> (Int, Double) {
      let size = effect.counts != nil && effect.change == .worse ? .infinity : abs(log(effect.ratio?.value ?? 1))
      return (Change.allCases.firstIndex(of: effect.change) ?? 0, -size)
    }
    return effects.sorted { rank($0) < rank($1) }
  }

  package static let defaultMargin = 0.05

  /// Worse if any effect is; inconclusive if none is decided; else better if any is, and the same.
  package var outcome: Change {
    let changes = effects.map(\.change)
    if changes.contains(.worse) { return .worse }
    if changes.allSatisfy({ $0 == .inconclusive }) { return .inconclusive }
    return changes.contains(.better) ? .better : .same
  }

  /// 0 when nothing is worse by more than the margin, 1 when something is, 2 when nothing could be compared.
  package var exitCode: Int32 {
    if outcome == .worse { return 1 }
    return effects.contains { $0.ratio != nil || $0.counts != nil } ? 0 : 2
  }

  /// The comparison in one line, such as "3 of 54 worse, the largest −12 % (append, 100, records per s)".
  package var summary: String {
    guard !effects.isEmpty else { return "nothing could be compared: no cell has the same metric in both results" }
    func count(_ change: Change) -> Int { effects.count { $0.change == change } }
    let others = [(Change.better, "better"), (.same, "the same"), (.inconclusive, "undecided")]
      .compactMap { change, word in count(change) > 0 ? "\(count(change)) \(word)" : nil }.joined(separator: ", ")
    // Without a ratio: what must never be. Nothing is worse.
    let worst = effects.filter { $0.change == .worse }.min { ($0.ratio?.value ?? 0) < ($1.ratio?.value ?? 0) }
    guard let worst else {
      return "0 of \(effects.count) worse by more than \(Figures.percent(margin)): \(others)"
    }
    let rest = others.isEmpty ? "" : "; \(others)"
    guard let ratio = worst.ratio else {
      return "\(count(.worse)) of \(effects.count) worse (\(worst.sentence))\(rest)"
    }
    return "\(count(.worse)) of \(effects.count) worse, the largest "
      + "\(Figures.percent(ratio.value - 1, signed: true)) (\(worst.name))\(rest)"
  }

  /// - Parameter margin: the share beyond which a difference counts.
  package init(
    _ first: StoredResult, _ second: StoredResult, margin: Double = Comparison.defaultMargin,
    acrossDurability: Bool = false
  ) throws(ComparisonError) {
    guard first.experiment.id == second.experiment.id else {
      throw .otherExperiment(first.experiment.id, second.experiment.id)
    }
    if !acrossDurability {
      for arm in first.experiment.arms {
        guard let other = second.experiment.arm(named: arm.name), other.durability != arm.durability else { continue }
        throw .otherDurability(arm: arm.name, arm.durability, other.durability)
      }
    }
    configuration = Self.configuration(first, second)
    environment = Self.environment(first.machine, second.machine)
    self.margin = margin
    effects = Self.effects(first, second, margin: margin)
  }

  // MARK: Differences

  private static func configuration(_ first: StoredResult, _ second: StoredResult) -> [String] {
    var lines: [String] = []
    if first.definitionHash != second.definitionHash { lines.append("the definition's text differs") }
    if first.profile != second.profile {
      lines.append("profile: \(first.profile.rawValue) → \(second.profile.rawValue)")
    }
    let (a, b) = (first.experiment, second.experiment)
    if a.replicates != b.replicates { lines.append("replicates: \(a.replicates) → \(b.replicates)") }
    for setting in a.fixed {
      let other = b.fixed.first { $0.name == setting.name }?.value.text ?? "absent"
      if other != setting.value.text { lines.append("\(setting.name): \(setting.value) → \(other)") }
    }
    if a.arms.map(\.name) != b.arms.map(\.name) { lines.append("the arms that ran differ") }
    for arm in a.arms {
      guard let other = b.arm(named: arm.name) else { continue }
      if arm.work != other.work { lines.append("arm \(arm.name): options differ") }
    }
    return lines
  }

  private static func environment(_ first: Machine, _ second: Machine) -> [String] {
    let facts: [(String, String?, String?)] = [
      ("commit", first.build.commit, second.build.commit),
      ("uncommitted changes", first.build.dirty.map { "\($0)" }, second.build.dirty.map { "\($0)" }),
      ("optimized build", "\(first.build.optimized)", "\(second.build.optimized)"),
      ("Swift", first.build.swift, second.build.swift), ("kernel", first.kernel, second.kernel),
      ("processor", first.processor.model, second.processor.model),
      ("cores", "\(first.processor.cores)", "\(second.processor.cores)"),
      ("governor", first.processor.governor, second.processor.governor),
      ("memory, MiB", Figures.text(first.memory.totalMiB), Figures.text(second.memory.totalMiB)),
      ("huge pages", first.memory.transparentHugePages, second.memory.transparentHugePages),
      ("memory cgroup", first.memory.cgroup, second.memory.cgroup),
      ("disk", first.disk.device, second.disk.device), ("file system", first.disk.fileSystem, second.disk.fileSystem),
      ("TCP congestion control", first.congestionControl, second.congestionControl),
      (
        "CPU quota, cores", first.processor.quotaCores.map { Figures.text($0) },
        second.processor.quotaCores.map { Figures.text($0) }
      ),
      (
        "memory limit, MiB", first.memory.limitMiB.map { Figures.text($0) },
        second.memory.limitMiB.map { Figures.text($0) }
      ),
    ]
    // Results of before these were recorded differ from none.
    let settings = [first.loopback, second.loopback].compactMap(\.self)
    let names =
      settings.count == 2 ? Set(settings.flatMap(\.keys)).subtracting(["tcp_congestion_control"]).sorted() : []
    return (facts + names.map { ($0, first.loopback?[$0], second.loopback?[$0]) }).compactMap { name, a, b in
      a == b ? nil : "\(name): \(a ?? "unknown") → \(b ?? "unknown")"
    }
  }

  // MARK: Effects

  /// Every metric that the rules speak of and that has a better direction, of every arm that ran, in the order of the definition.
  /// Cells of which neither result has the metric are no effects.
  private static func effects(_ first: StoredResult, _ second: StoredResult, margin: Double) -> [Effect] {
    let rules = first.experiment.verdicts
    let metrics = first.experiment.metrics.filter { metric in rules.contains { $0.metric == metric } }
    let cells = Matrix(first.experiment).cells.filter { first.experiment.arm(named: $0.arm)?.role != .again }
    var compared: [(effect: Effect, test: Statistics.Equivalence?)] = []
    for metric in metrics {
      guard let known = Metric.named(metric), known.direction != .neither else { continue }
      for cell in cells {
        let (before, after) = (values(first, cell, metric), values(second, cell, metric))
        guard !before.isEmpty || !after.isEmpty else { continue }
        var effect = Effect(
          arm: cell.arm, levels: cell.levels.map(\.text).joined(separator: ", "), metric: metric, ratio: nil, p: nil,
          floor: max(noiseFloor(first, cell.arm, metric), noiseFloor(second, cell.arm, metric)), margin: margin,
          change: .inconclusive)
        effect.margin = max(margin, effect.floor)
        effect.missing = missing(before, after)
        var test: Statistics.Equivalence?
        if effect.missing == nil, rules.contains(where: { $0.kind == .never && $0.metric == metric }) {
          let counts = Effect.Counts(before: before.max() ?? 0, after: after.max() ?? 0)
          if let change = counts.change { (effect.counts, effect.change) = (counts, change) }
        }
        if effect.missing == nil, effect.counts == nil {
          test = Statistics.equivalence(before, after, margin: effect.margin)
          if test == nil { effect.missing = "not positive, so a ratio has no meaning" }
          if known.direction == .less { test = test?.inverse }
        }
        effect.ratio = test?.ratio
        compared.append((effect, test))
      }
    }
    return decided(compared)
  }

  private static func missing(_ before: [Double], _ after: [Double]) -> String? {
    if before.isEmpty { return "in the second result alone" }
    if after.isEmpty { return "in the first result alone" }
    let least = min(before.count, after.count)
    guard least < Verdict.Limits.replicatesMin else { return nil }
    return "\(least) valid runs, \(Verdict.Limits.replicatesMin) are the least that decide"
  }

  /// The changes, with each kind of claim corrected for how often it is made.
  private static func decided(_ compared: [(effect: Effect, test: Statistics.Equivalence?)]) -> [Effect] {
    let worse = Statistics.holm(compared.map { $0.test?.lessP })
    let better = Statistics.holm(compared.map { $0.test?.moreP })
    let same = Statistics.holm(compared.map { $0.test?.sameP })
    return compared.indices.map { index in
      var effect = compared[index].effect
      let chances: [(Change, Double?)] = [(.worse, worse[index]), (.better, better[index]), (.same, same[index])]
      for (change, chance) in chances {
        if let chance, chance < Limits.errorMax { (effect.change, effect.p) = (change, chance) }
      }
      return effect
    }
  }

  package enum Limits {
    /// The probability of one wrong claim among all that are made.
    package static let errorMax = 0.05
  }

  /// One value a run: the median over its sweep.
  private static func values(_ result: StoredResult, _ cell: Cell, _ metric: String) -> [Double] {
    let rows = result.rows.filter { row in
      row.isValid && row.arm == cell.arm
        && zip(cell.factors, cell.levels).allSatisfy { row.levels[$0.0] == nil || row.levels[$0.0] == $0.1 }
    }
    return Dictionary(grouping: rows, by: \.order).sorted { $0.key < $1.key }
      .compactMap { Statistics.median($0.value.compactMap { $0.metrics[metric] }) }
  }

  /// What an arm shows against itself: how far the medians of its A/A twin and its own are apart, at most over the levels. An arm
  /// without a twin has that of the tier's; with none the margin alone decides.
  private static func noiseFloor(_ result: StoredResult, _ arm: String, _ metric: String) -> Double {
    guard let tier = result.experiment.arm(named: arm)?.tier else { return 0 }
    let twins = result.experiment.arms.filter { $0.role == .again && $0.tier == tier && $0.repeats != nil }
    let own = twins.filter { $0.repeats == arm }
    let cells = Matrix(result.experiment).cells
    return (own.isEmpty ? twins : own).flatMap { twin in
      cells.filter { $0.arm == twin.name }.compactMap { cell -> Double? in
        var original = cell
        original.arm = twin.repeats ?? ""
        return Statistics.distanceOfMedians(values(result, original, metric), values(result, cell, metric))
      }
    }.max() ?? 0
  }
}

/// Says why two results cannot be compared.
package enum ComparisonError: Error, Equatable, CustomStringConvertible {
  case otherExperiment(String, String)
  /// What an acknowledged byte survives differs, so the numbers measure different promises.
  case otherDurability(arm: String, Durability, Durability)

  package var description: String {
    switch self {
    case .otherExperiment(let first, let second): "\(first) and \(second) are different experiments"
    case .otherDurability(let arm, let first, let second):
      "arm \(arm) has durability \"\(first)\" in one and \"\(second)\" in the other (--across-durability compares anyway)"
    }
  }
}
