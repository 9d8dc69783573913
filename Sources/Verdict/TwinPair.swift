package import Experiment

/// One A/A comparison: the values of an arm and those of its twin (an arm of `role: again`) at one combination of levels. What differs
/// between them is chance and the machine.
package struct TwinPair: Sendable, Equatable {
  /// The twin's name; which arm it repeats is the definition's to say.
  package var twin: String
  /// Without the sweep's, which one run passes through.
  package var levels: [String: Level]
  package var metric: String
  /// One value a run: the median over the levels of its sweep.
  package var values: [Double]
  package var again: [Double]

  /// How far the two medians are apart: 0.04 where the larger is 4 % more. Nil where one is not positive.
  package var distance: Double? { Statistics.distanceOfMedians(values, again) }
}

extension TwinPair {
  /// All pairs that rows have of these twins and metrics; pairs that lack the values of a side are left out.
  /// - Parameter rows: the valid ones.
  static func all(
    of twins: [Arm], in experiment: Experiment, rows: [Row], metrics: [String]
  ) -> [TwinPair] {
    let sweep = experiment.sweep?.name
    return twins.flatMap { twin in
      let (own, repeated) = (rows.filter { $0.arm == twin.name }, rows.filter { $0.arm == twin.repeats })
      var seen: [[String: Level]] = []
      for levels in own.map({ $0.levels(without: sweep) }) where !seen.contains(levels) { seen.append(levels) }
      return seen.flatMap { levels in
        metrics.compactMap { metric -> TwinPair? in
          func values(_ rows: [Row]) -> [Double] {
            Self.values(rows.filter { $0.levels(without: sweep) == levels }, metric)
          }
          let (first, again) = (values(repeated), values(own))
          guard !first.isEmpty, !again.isEmpty else { return nil }
          return TwinPair(twin: twin.name, levels: levels, metric: metric, values: first, again: again)
        }
      }
    }
  }

  private static func values(_ rows: [Row], _ metric: String) -> [Double] {
    Dictionary(grouping: rows, by: \.order).sorted { $0.key < $1.key }
      .compactMap { Statistics.median($0.value.compactMap { $0.metrics[metric] }) }
  }
}

extension StoredResult {
  /// The A/A pairs in what the deciding rules look at: each twin in the metrics of the rules that compare the arm it repeats.
  package var twinPairs: [TwinPair] {
    let valid = rows.filter(\.isValid)
    return experiment.arms.filter { $0.role == .again }.flatMap { twin -> [TwinPair] in
      let rules = experiment.verdicts.filter { rule in
        rule.decides && (rule.test.arms + rule.baseline.arms).contains(twin.repeats ?? "")
      }
      let metrics = experiment.metrics.filter { metric in rules.contains { $0.metric == metric } }
      return TwinPair.all(of: [twin], in: experiment, rows: valid, metrics: metrics)
    }
  }
}

extension Row {
  fileprivate func levels(without sweep: String?) -> [String: Level] {
    guard let sweep else { return levels }
    return levels.filter { $0.key != sweep }
  }
}
