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

  /// True of a run whose rate the generator set, for its busiest thread had no time left: what it drove could have done more. Never
  /// so where the generator is declared a part of what is measured.
  package static func limitsRate(_ metrics: [String: Double], client: Arm.Client) -> Bool {
    client == .drives && (metrics[.clientCPUShare] ?? 0) >= Limits.clientShareMax
  }

  /// Why a paced run does not count: the generator did not keep the pace that the run is about. Nil where it did, where it is declared
  /// a part of what is measured, and of runs without a pace, whose costs count whoever set the rate (`limitsRate`).
  package static func fault(_ metrics: [String: Double], client: Arm.Client, isPaced: Bool) -> String? {
    guard client == .drives, isPaced else { return nil }
    if let share = metrics[.clientCPUShare], share >= Limits.clientShareMax {
      return "client-bound: the generator's busiest thread used \(Figures.percent(share)) of a core, "
        + "\(Figures.percent(Limits.clientShareMax)) is its limit (`client: part` declares it a part of what is measured)"
    }
    guard let lag = metrics[.scheduleLagP99Ms], lag > Limits.scheduleLagP99Ms else { return nil }
    guard let response = metrics[.responseP99Ms] else {
      return "the generator was \(Figures.text(lag)) ms late in the 99th percentile, and nothing tells of what"
    }
    guard lag > Limits.lagShareOfResponse * response else { return nil }
    return "client-bound: the generator itself was \(Figures.text(lag)) ms late in the 99th percentile, "
      + "more than \(Figures.percent(Limits.lagShareOfResponse)) of the response time's \(Figures.text(response)) ms"
  }
}
