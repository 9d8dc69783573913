import Experiment
import Glibc

/// Two results of one experiment, the second against the first: what differs in configuration, then in environment, and
/// only then in numbers, because a changed number means little where something else changed too.
///
/// Pure: rows and machines in, changes out.
package struct Comparison: Sendable, Equatable {
  package enum Change: String, Sendable, CaseIterable {
    /// The whole interval is inside the noise floor.
    case same
    case better
    case worse
    /// The interval reaches across the noise floor's edge, or too few runs are valid.
    case inconclusive
  }

  /// One metric of one arm at one combination of levels.
  package struct Effect: Sendable, Equatable {
    package var arm: String
    package var levels: String
    package var metric: String
    /// Second over first, turned over where lower is better: above 1 the second is better. Nil when rows are missing.
    package var ratio: Estimate?
    /// Two-sided, Mann and Whitney; nil when rows are missing. Not corrected for the number of effects.
    package var p: Double?
    package var floor: Double
    package var change: Change

    package var sentence: String {
      let name = [arm, levels, metric].filter { !$0.isEmpty }.joined(separator: ", ")
      guard let ratio, let p else { return "\(name): too few valid runs" }
      let chance = p < 0.001 ? "p < 0.001" : "p = \(Figures.text(p, digits: 2))"
      return "\(name): \(Figures.interval(ratio, suffix: "×")) as good, \(chance), noise floor "
        + "\(Figures.percent(floor)): \(change.rawValue)"
    }
  }

  package enum Refusal: Error, Equatable, CustomStringConvertible {
    case otherExperiment(String, String)
    /// What an acknowledged byte survives differs, so the numbers measure different promises.
    case otherDurability(arm: String, String, String)

    package var description: String {
      switch self {
      case .otherExperiment(let first, let second): "\(first) and \(second) are different experiments"
      case .otherDurability(let arm, let first, let second):
        "arm \(arm) has durability \"\(first)\" in one and \"\(second)\" in the other (--across-durability compares anyway)"
      }
    }
  }

  /// One line each, most important first.
  package var configuration: [String]
  package var environment: [String]
  package var effects: [Effect]

  /// Worse if any effect is; else undecided if any is, or nothing could be compared.
  package var outcome: Change {
    let changes = effects.map(\.change)
    if changes.contains(.worse) { return .worse }
    if changes.isEmpty || changes.contains(.inconclusive) { return .inconclusive }
    return changes.contains(.better) ? .better : .same
  }

  /// 0 same or better, 1 worse, 2 inconclusive.
  package var exitCode: Int32 {
    switch outcome {
    case .same, .better: 0
    case .worse: 1
    case .inconclusive: 2
    }
  }

  package init(_ first: StoredResult, _ second: StoredResult, acrossDurability: Bool = false) throws(Refusal) {
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
    effects = Self.effects(first, second)
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
      if arm.options != other.options || arm.broker != other.broker { lines.append("arm \(arm.name): options differ") }
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

  private static func effects(_ first: StoredResult, _ second: StoredResult) -> [Effect] {
    let rules = first.experiment.verdicts
    let metrics = first.experiment.metrics.filter { metric in rules.contains { $0.metric == metric } }
    let cells = Matrix(first.experiment).cells.filter { first.experiment.arm(named: $0.arm)?.role != .again }
    return metrics.flatMap { metric in
      let isLower = rules.first { $0.metric == metric }?.better == .lower
      let floor = max(noiseFloor(first, metric), noiseFloor(second, metric))
      return cells.map { cell in
        effect(values(first, cell, metric), values(second, cell, metric), cell, metric, isLower: isLower, floor: floor)
      }
    }
  }

  private static func effect(
    _ first: [Double], _ second: [Double], _ cell: Cell, _ metric: String, isLower: Bool, floor: Double
  ) -> Effect {
    var effect = Effect(
      arm: cell.arm, levels: cell.levels.map(\.text).joined(separator: ", "), metric: metric, ratio: nil, p: nil,
      floor: floor, change: .inconclusive)
    guard min(first.count, second.count) >= Verdict.Limits.replicatesMin else { return effect }
    guard let ratio = Statistics.ratioOfMedians(second, over: first, seed: 1), ratio.low > 0 else { return effect }
    let oriented = isLower ? ratio.inverse : ratio
    effect.ratio = oriented
    effect.p = Statistics.mannWhitney(first, second)
    if oriented.low > 1 + floor {
      effect.change = .better
    } else if oriented.high < 1 / (1 + floor) {
      effect.change = .worse
    } else if oriented.low >= 1 / (1 + floor), oriented.high <= 1 + floor {
      effect.change = .same
    }
    return effect
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

  /// The noisiest A/A arm; without one, nothing but the interval decides.
  private static func noiseFloor(_ result: StoredResult, _ metric: String) -> Double {
    let cells = Matrix(result.experiment).cells
    return cells.compactMap { cell -> Double? in
      guard let repeated = result.experiment.arm(named: cell.arm)?.repeats else { return nil }
      var original = cell
      original.arm = repeated
      return Statistics.noiseFloor(values(result, original, metric), again: values(result, cell, metric), seed: 1)
    }.max() ?? 0
  }
}

extension Statistics {
  /// The probability, if both samples came from one population, of ranks at least as far apart as these; two-sided. Exact
  /// with ties up to 40 values together, beyond that by the normal approximation. 1 when a sample is empty.
  package static func mannWhitney(_ first: [Double], _ second: [Double]) -> Double {
    guard !first.isEmpty, !second.isEmpty else { return 1 }
    let ranks = doubledRanks(first + second)
    let observed = ranks.prefix(first.count).reduce(0, +)
    let expected = Double(first.count * (first.count + second.count + 1))
    let distance = abs(Double(observed) - expected)
    if ranks.count > 40 {
      let mean = expected / Double(first.count)
      let spread = ranks.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(ranks.count - 1)
      let deviation =
        (spread * Double(first.count * second.count) / Double(ranks.count)).squareRoot()
      return deviation > 0 ? min(1, 2 * normalCumulative(-max(0, distance - 1) / deviation)) : 1
    }
    // ways[k][s]: how many choices of k values have doubled ranks that add up to s.
    var ways = [[Double]](
      repeating: [Double](repeating: 0, count: ranks.reduce(0, +) + 1), count: first.count + 1)
    ways[0][0] = 1
    for rank in ranks {
      for chosen in stride(from: first.count, to: 0, by: -1) {
        for sum in ways[chosen].indices.dropFirst(rank) { ways[chosen][sum] += ways[chosen - 1][sum - rank] }
      }
    }
    let all = ways[first.count].reduce(0, +)
    let far = ways[first.count].enumerated().reduce(0.0) { sum, entry in
      abs(Double(entry.offset) - expected) >= distance - 1e-9 ? sum + entry.element : sum
    }
    return far / all
  }

  /// Twice the mid-rank of each value, so that ties stay whole numbers.
  private static func doubledRanks(_ values: [Double]) -> [Int] {
    values.map { value in
      let below = values.count { $0 < value }
      let equal = values.count { $0 == value }
      return 2 * below + equal + 1
    }
  }
}
