package import Experiment
import Measure

/// What of the machine, and not of the arm, set the rate of an arm: with a faster link, more cores or a faster generator it would have
/// been higher. Of such an arm's advantage over another only the least is known.
package enum Cap: String, Sendable, CaseIterable {
  case link, disk, generator
  /// All cores were in use.
  case processors

  /// An arm at this share of what it can have at the most is capped. At 90 % of a link the rest is headers, acknowledgements and the
  /// moments between two requests.
  package static let share = 0.9

  /// For the middle of a sentence.
  package var word: String {
    switch self {
    case .link: "the link"
    case .disk: "the disk"
    case .generator: "the load generator"
    case .processors: "the processors"
    }
  }

  /// The metrics that show the cap, and the value at which all is used.
  private var shown: [(metric: Metric, all: Double)] {
    switch self {
    case .link: [(.linkPercent, 100), (.linkCeilingPercent, 100)]
    case .disk: [(.diskCeilingPercent, 100)]
    case .generator: [(.clientCPUShare, 1)]
    case .processors: [(.machineBusyPercent, 100)]
    }
  }

  /// What makes the ratio of two rates a lower bound: the cap of the arm that the claim speaks of. The other arm's is none, for being
  /// slow by what it uses up is what a claim is about; and two arms that both use all cores differ in what they do with them.
  ///
  /// - Parameter isClientPart: of the arms compared: what their generator does is a part of what is measured, so its being busy is no cap.
  static func of(test: [Row], baseline: [Row], isClientPart: Bool = false) -> Cap? {
    let cap = of(test, isClientPart: isClientPart)
    return cap == .processors && of(baseline, isClientPart: isClientPart) == .processors ? nil : cap
  }

  /// What capped these rows of one arm, in their median; nil when nothing did, or when the rows do not say.
  package static func of(_ rows: [Row], isClientPart: Bool = false) -> Cap? {
    allCases.filter { $0 != .generator || !isClientPart }.first { cap in
      cap.shown.contains { metric, all in
        Statistics.median(rows.compactMap { $0.metrics[metric] }).map { $0 >= share * all } ?? false
      }
    }
  }
}
