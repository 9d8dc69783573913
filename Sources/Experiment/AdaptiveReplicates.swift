/// When a campaign goes on beyond its first replicates: until every deciding interval is narrow enough, or there have been
/// enough replicates, or the time is up. Pure.
///
/// Only the width of intervals decides, never where they lie: stopping when a result pleases would make chance look like
/// an effect. What was decided after each block stands in the journal.
package struct AdaptiveReplicates: Sendable, Equatable {
  /// The most that half an interval may be: of a median as a share of it, of a slope or an exponent as a share of the rule's
  /// tolerance.
  package var width: Double
  /// Replicates in all.
  package var max: Int
  /// Since the campaign was started, or resumed.
  package var minutes: Double

  package init(width: Double, max: Int, minutes: Double) {
    self.width = width
    self.max = max
    self.minutes = minutes
  }
}

extension AdaptiveReplicates {
  init(reading reader: inout DefinitionReader) throws(DefinitionError) {
    guard let width = try reader.number("width"), width > 0 else {
      throw reader.error(nil, "width", "adaptive replicates need a `width` above 0, such as 0.05")
    }
    guard let max = try reader.integer("max", in: Experiment.Bounds.replicates) else {
      throw reader.error(nil, "max", "adaptive replicates need a `max`")
    }
    self.init(width: width, max: max, minutes: try reader.number("minutes") ?? .infinity)
  }
}
