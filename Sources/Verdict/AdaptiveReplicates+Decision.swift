package import Experiment

extension AdaptiveReplicates {
  package enum Decision: Sendable, Equatable {
    /// Another block of one replicate of every cell; `reason` names the widest interval.
    case more(reason: String)
    case enough(reason: String)

    package var reason: String {
      switch self {
      case .more(let reason), .enough(let reason): reason
      }
    }
  }

  /// After `done` whole replicates of every cell, `seconds` after the campaign was started or resumed.
  package func decide(
    _ experiment: Experiment, rows: [Row], done: Int, seconds: Double, seed: UInt64
  ) -> Decision {
    guard let widest = Self.widest(experiment, rows, seed) else {
      return .enough(reason: "no deciding metric has an interval")
    }
    let shown =
      widest.share.isFinite
      ? "\(widest.name) is known to ± \(Figures.percent(widest.share))" : "\(widest.name) is not known yet"
    if widest.share <= width { return .enough(reason: "the widest interval is narrow enough: \(shown)") }
    if done >= max { return .enough(reason: "\(done) replicates are the most: \(shown)") }
    if seconds >= minutes * 60 {
      return .enough(reason: "the time of \(Figures.text(minutes)) min is up: \(shown)")
    }
    return .more(reason: "\(shown), wanted ± \(Figures.percent(width))")
  }

  /// The cell and metric of a deciding rule whose interval is widest for its median; arms that only repeat or control
  /// count where a rule names them.
  package static func widest(
    _ experiment: Experiment, _ rows: [Row], _ seed: UInt64
  ) -> (name: String, share: Double)? {
    var widest: (name: String, share: Double)?
    for rule in experiment.verdicts where rule.decides {
      if let slope = RuleBench(experiment: experiment, rows: rows.filter(\.isValid), seed: seed).slopeShare(of: rule) {
        if slope > widest?.share ?? -1 { widest = ("the slope of \(rule.name), of its tolerance,", slope) }
        continue
      }
      let arms = Set(rule.test.arms + rule.baseline.arms)
      let ours = rows.filter { arms.contains($0.arm) && $0.isValid }
      let cells = Dictionary(grouping: ours) { row in
        row.arm + row.levels.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
      }
      for (cell, rows) in cells.sorted(by: { $0.key < $1.key }) {
        let values = rows.sorted { $0.order < $1.order }.compactMap { $0.metrics[rule.metric] }
        guard values.count > 1, let interval = Statistics.medianInterval(values, seed: seed), interval.value > 0 else {
          continue
        }
        let share = (interval.high - interval.low) / 2 / interval.value
        if share > widest?.share ?? -1 { widest = ("\(rule.metric) of \(cell)", share) }
      }
    }
    return widest
  }
}
