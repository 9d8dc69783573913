import Experiment
import Measure
import Verdict

/// A result's own numbers as tables: one a metric that charts or rules use, one line an arm and combination of levels,
/// with the interval, and the share of the ceiling or control where one ran.
struct ResultTables {
  let result: StoredResult

  init(_ result: StoredResult) { self.result = result }

  private var experiment: Experiment { result.experiment }

  /// In the order of the definition's metrics.
  ///
  /// - Parameter meanings: of metrics, that the page has already.
  func tables(without meanings: Set<String>) -> [[String: Any]] {
    let wanted = Set(experiment.charts.map(\.y) + experiment.verdicts.map(\.metric))
    return experiment.metrics.filter(wanted.contains).compactMap { metric in
      let lines = lines(metric)
      guard !lines.isEmpty else { return nil }
      let known = Metric.named(metric)
      return [
        "metric": metric, "meaning": known.map { meanings.contains($0.meaning) ? "" : $0.meaning } ?? "",
        "lines": lines,
        "hasShare": lines.contains { ($0["share"] as? String) != "" },
      ]
    }
  }

  private struct Group {
    var arm: Arm
    var levels: [String: Level]
    var rows: [Row]
  }

  /// Rows of one arm and combination; the levels of a sweep are one run's and are pooled.
  private var groups: [Group] {
    var groups: [Group] = []
    for arm in experiment.arms {
      var place: [[String: Level]: Int] = [:]
      for row in result.rows where row.arm == arm.name {
        let levels = row.levels.filter { $0.key != experiment.sweep?.name }
        if let index = place[levels] {
          groups[index].rows.append(row)
        } else {
          place[levels] = groups.count
          groups.append(Group(arm: arm, levels: levels, rows: [row]))
        }
      }
    }
    return groups.sorted { order($0).lexicographicallyPrecedes(order($1)) }
  }

  /// Arms in their order, within an arm the levels in theirs.
  private func order(_ group: Group) -> [Int] {
    [experiment.arms.firstIndex { $0.name == group.arm.name } ?? 0]
      + experiment.factors.map { factor in
        group.levels[factor.name].flatMap { factor.levels.firstIndex(of: $0) } ?? -1
      }
  }

  /// One value a run: the median over its sweep.
  private func values(_ group: Group, _ metric: String) -> [Double] {
    Dictionary(grouping: group.rows.filter(\.isValid), by: \.order).values
      .compactMap { Statistics.median($0.compactMap { $0.metrics[metric] }) }
  }

  private func lines(_ metric: String) -> [[String: Any]] {
    let groups = groups
    let unit = Metric.named(metric)?.unit ?? ""
    return groups.compactMap { group in
      guard let estimate = Statistics.medianInterval(values(group, metric), seed: result.seed) else { return nil }
      let told = Figures.amounts(estimate, unit: unit)
      let ceiling = groups.first { other in
        other.arm.role == .control && other.arm.tier == .bare && group.arm.role != .control
          && other.levels.allSatisfy { group.levels[$0.key] == nil || group.levels[$0.key] == $0.value }
      }
      let top = ceiling.flatMap { Statistics.median(values($0, metric)) }
      let invalid = Set(group.rows.filter { !$0.isValid }.map(\.order)).count
      return [
        "arm": group.arm.label,
        "levels": experiment.factors.compactMap { factor in
          group.levels[factor.name].map { $0.words(of: factor.name) }
        }.joined(separator: ", "),
        "value": "\(told.value) \(told.interval)",
        "n": String(estimate.count) + (invalid > 0 ? " (+\(invalid) invalid)" : ""),
        "share": top.map { $0 > 0 ? Figures.percent(estimate.value / $0) : "" } ?? "",
        "cache": commonest(group.rows.map(\.cacheState.rawValue)),
        "durability": commonest(group.rows.map(\.durability.rawValue)),
      ]
    }
  }

  private func commonest(_ words: [String]) -> String {
    Dictionary(grouping: words) { $0 }.max { ($0.value.count, $1.key) < ($1.value.count, $0.key) }?.key ?? ""
  }
}
