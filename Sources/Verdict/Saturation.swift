package import Experiment
import Measure

/// Whether the load generator, and not what it drives, set the figures of a run. Pure.
package enum Saturation {
  package enum Limits {
    /// A generator thread at this share of a core had no time left to offer more.
    package static let clientShareMax = 0.95
    /// Records that leave later than this behind their time by the generator's own doing, in the 99th percentile of its
    /// wake-ups ...
    package static let scheduleLagP99Ms = 1.0
    /// ... spoil a latency of which they are more than this share.
    package static let lagShareOfResponse = 0.5
  }

  /// Why the row does not count; nil where the generator kept its place, or is declared a part of what is measured.
  package static func fault(_ metrics: [String: Double], client: Arm.Client, isPaced: Bool) -> String? {
    guard client == .drives else { return nil }
    if let share = metrics[.clientCPUShare], share >= Limits.clientShareMax {
      return "client-bound: the generator's busiest thread used \(Figures.percent(share)) of a core, "
        + "\(Figures.percent(Limits.clientShareMax)) is its limit (`client: part` declares it a part of what is measured)"
    }
    guard isPaced, let lag = metrics[.scheduleLagP99Ms], lag > Limits.scheduleLagP99Ms else { return nil }
    guard let response = metrics[.responseP99Ms] else {
      return "the generator was \(Figures.text(lag)) ms late in the 99th percentile, and nothing tells of what"
    }
    guard lag > Limits.lagShareOfResponse * response else { return nil }
    return "client-bound: the generator itself was \(Figures.text(lag)) ms late in the 99th percentile, "
      + "more than \(Figures.percent(Limits.lagShareOfResponse)) of the response time's \(Figures.text(response)) ms"
  }
}
