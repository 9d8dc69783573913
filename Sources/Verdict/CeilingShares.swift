package import Experiment
import Measure

/// One arm at one combination of levels, held against what the machine could do: for a report's panel.
package struct CeilingShare: Sendable, Equatable {
  package var arm: String
  package var levels: [String: Level]
  /// The median over the valid runs.
  package var value: Double
  package var share: Ceiling.Share

  /// `sendfile, file_mb 98: 6,210 MB/s is 94 % of loopback TCP (6,610 MB/s)`.
  package var sentence: String {
    let at = levels.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    let unit = Metric.named(share.metric)?.unit ?? ""
    return "\(([arm] + at).joined(separator: ", ")): \(Figures.text(value)) \(unit) is \(share.sentence)"
  }
}

extension StoredResult {
  /// Of every metric that a rule or a chart uses, in the definition's order; empty where nothing was probed.
  package var ceilingShares: [CeilingShare] {
    guard let ceiling else { return [] }
    let wanted = Set(experiment.verdicts.map(\.metric) + experiment.charts.map(\.y))
    return experiment.metrics.filter(wanted.contains).flatMap { metric -> [CeilingShare] in
      let cells = experiment.arms.filter { $0.role != .again }.flatMap { arm in
        groups(of: metric, arm).map { (arm: arm, levels: $0.levels, value: $0.value, best: $0.best) }
      }
      var best: [String: Double] = [:]
      for cell in cells {
        guard let bound = ceiling.share(of: metric, value: cell.best, arm: cell.arm, levels: cell.levels)?.bound.name
        else {
          continue
        }
        best[bound] = max(best[bound] ?? 0, cell.best)
      }
      return cells.compactMap { cell in
        ceiling.share(of: metric, value: cell.value, arm: cell.arm, levels: cell.levels, best: best).map {
          CeilingShare(arm: cell.arm.label, levels: cell.levels, value: cell.value, share: $0)
        }
      }
    }
  }

  /// The median and the best of an arm's valid runs at each combination of levels.
  private func groups(
    of metric: String, _ arm: Arm
  ) -> [(levels: [String: Level], value: Double, best: Double)] {
    var groups: [(levels: [String: Level], values: [Double])] = []
    for row in rows where row.arm == arm.name && row.isValid {
      guard let value = row.metrics[metric] else { continue }
      let levels = row.levels.filter { $0.key != experiment.sweep?.name }
      if let place = groups.firstIndex(where: { $0.levels == levels }) {
        groups[place].values.append(value)
      } else {
        groups.append((levels, [value]))
      }
    }
    return groups.compactMap { levels, values in
      Statistics.median(values).map { (levels, $0, values.max() ?? $0) }
    }
  }

  /// Each change of level within a run's series, by its place in the order.
  package var changePoints: [(order: Int, arm: String, change: Statistics.ChangePoint)] {
    Dictionary(grouping: series, by: \.order).sorted { $0.key < $1.key }.flatMap { order, points in
      Statistics.changePoints(points.map(\.mibPerSecond), seed: seed).map { (order, points[0].arm, $0) }
    }
  }
}
