import Experiment
import Measure

/// A search for the highest sustainable rate gives a latency curve beside it: one row a point, where the experiment sweeps
/// the share of that rate (`sweep: {load_percent: [10, 50, 95]}`).
extension ProcessRunner {
  /// The curve's points at the sweep's levels, each with `common` beside its own figures; and what is missing.
  static func curve(
    _ figures: ReportedFigures, over sweep: Factor, common: [String: Double]
  ) -> (parts: [Measured.Part], fault: String?) {
    var points: [(percent: Double, index: Int)] = []
    while let share = figures["curve.\(points.count).share"] { points.append((share * 100, points.count)) }
    var parts: [Measured.Part] = []
    var missing: [String] = []
    for level in sweep.levels {
      guard let wanted = level.number, let point = points.first(where: { abs($0.percent - wanted) < 0.5 }) else {
        missing.append(level.text)
        continue
      }
      var metrics = common
      func take(_ metric: Metric, _ name: String) { metrics[metric] = figures["curve.\(point.index).\(name)"] }
      take(.recordsPerSecond, "records_per_s")
      take(.responseP50Ms, "response_latency_ms.p50")
      take(.responseP99Ms, "response_latency_ms.p99")
      take(.responseP999Ms, "response_latency_ms.p99_9")
      take(.serviceP50Ms, "service_latency_ms.p50")
      take(.serviceP99Ms, "service_latency_ms.p99")
      take(.serviceP999Ms, "service_latency_ms.p99_9")
      parts.append(Measured.Part(sweepLevel: level, metrics: metrics))
    }
    return (parts, missing.isEmpty ? nil : "the curve has no point at \(missing.joined(separator: ", ")) % of the rate")
  }
}
