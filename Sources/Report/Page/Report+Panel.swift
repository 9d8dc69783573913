import Experiment
import Measure
import Results
import Verdict

/// Ours and the ceiling beside the original: what a card says beside the verdict.
extension Report {
  /// Our medians behind the rules, by metric, a line an arm: the value where the arm ran at one combination of levels, else
  /// the range over all of them.
  func ours(_ result: StoredResult) -> [[String: Any]] {
    var metrics: [String] = []
    for rule in result.experiment.verdicts where !metrics.contains(rule.metric) { metrics.append(rule.metric) }
    return metrics.compactMap { metric in
      let rules = result.experiment.verdicts.filter { $0.metric == metric }
      let names = rules.flatMap { $0.test.arms + $0.baseline.arms }
      let lines = result.experiment.arms.filter { names.contains($0.name) }.compactMap { arm -> [String: Any]? in
        let medians = medians(of: arm.name, metric, result)
        guard let least = medians.min(by: { $0.value < $1.value }), let most = medians.max(by: { $0.value < $1.value })
        else { return nil }
        let unit = Metric.named(metric)?.unit ?? ""
        func words(_ value: Double) -> String { Figures.amount(value, unit: unit) }
        return [
          "arm": arm.label,
          "value": medians.count == 1 ? words(least.value) : "\(words(least.value)) … \(words(most.value))",
          "note": medians.count == 1
            ? "[\(words(least.low)), \(words(least.high))]" : "over \(medians.count) combinations of levels",
        ]
      }
      return lines.isEmpty
        ? nil : ["metric": Metric.named(metric)?.meaning ?? metric.replacing("_", with: " "), "lines": lines]
    }
  }

  /// One a combination of levels; of a sweep the median over its levels is a run's one value.
  private func medians(of arm: String, _ metric: String, _ result: StoredResult) -> [Estimate] {
    var groups: [(levels: [String: Level], rows: [Row])] = []
    for row in result.rows where row.arm == arm && row.isValid && row.metrics[metric] != nil {
      let levels = row.levels.filter { $0.key != result.experiment.sweep?.name }
      if let place = groups.firstIndex(where: { $0.levels == levels }) {
        groups[place].rows.append(row)
      } else {
        groups.append((levels, [row]))
      }
    }
    return groups.compactMap { group in
      let values = Dictionary(grouping: group.rows, by: \.order).sorted { $0.key < $1.key }
        .compactMap { Statistics.median($0.value.compactMap { $0.metrics[metric] }) }
      return Statistics.medianInterval(values, seed: result.seed)
    }
  }

  private enum Limits {
    /// Ceiling lines on the card; the rest is folded.
    static let ceilingLines = 6
  }

  /// The best share of each metric and arm: the nearest that anything came to what the machine can do.
  func ceiling(_ result: StoredResult) -> [String: Any] {
    guard let ceiling = result.ceiling else {
      return ["lines": [[String: Any]](), "hasLines": false, "why": "No ceiling was probed before this campaign."]
    }
    var best: [CeilingShare] = []
    for share in result.ceilingShares {
      if let place = best.firstIndex(where: { $0.arm == share.arm && $0.share.metric == share.share.metric }) {
        if share.share.share > best[place].share.share { best[place] = share }
      } else {
        best.append(share)
      }
    }
    let lines = best.sorted { $0.share.share > $1.share.share }
    func line(_ one: CeilingShare) -> [String: Any] {
      let share = min(1, max(0, one.share.share))
      return [
        "arm": one.arm, "sentence": one.share.sentence, "metric": one.share.metric.replacing("_", with: " "),
        "width": String(Int((share * 100).rounded())),
      ]
    }
    let figures = ceiling.figures.sorted { $0.key < $1.key }
      .map { ["name": $0.key.replacing("_", with: " "), "value": Figures.text($0.value)] }
    return [
      "lines": lines.prefix(Limits.ceilingLines).map(line), "hasLines": !lines.isEmpty,
      "more": lines.dropFirst(Limits.ceilingLines).map(line), "hasMore": lines.count > Limits.ceilingLines,
      "figures": figures, "hasFigures": !figures.isEmpty,
      "why": ceiling.skipped.map { "Not probed: \($0)." } ?? "No metric of this experiment has a known ceiling.",
    ]
  }

  /// What an acknowledged byte survives, by arm.
  func durabilities(_ result: StoredResult) -> String {
    var order: [Durability] = []
    var arms: [Durability: [String]] = [:]
    for arm in result.experiment.arms where arm.role != .again {
      if arms[arm.durability] == nil { order.append(arm.durability) }
      arms[arm.durability, default: []].append(arm.label)
    }
    return order.count == 1
      ? order[0].rawValue
      : order.map { "\($0) (\(arms[$0, default: []].joined(separator: ", ")))" }.joined(separator: "; ")
  }
}
