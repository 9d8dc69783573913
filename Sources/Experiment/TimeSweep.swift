/// An experiment whose runs are looked at over time: the levels of its sweep are the ends of windows, in seconds since measuring
/// began (`sweep: {elapsed_s: [60, 120, …]}`). A run gives a row for each window, and `drift` asks what changes from one to the next.
package enum TimeSweep {
  /// The name of the sweep.
  package static let factor = "elapsed_s"
  /// Fixed values that a run's length decides.
  package static let (seconds, intervalMs) = ("seconds", "interval_ms")

  package enum Limits {
    /// From a minute to a week.
    package static let hours = 1.0 / 60...168.0
    /// Lines of a run in `series.csv`: in a longer run each is of more time.
    package static let intervals = 1800.0
    /// Intervals that are shorter say little, and looking at the broker would be a load of its own.
    package static let intervalMsMin = 100.0
    /// An interval in which a record waited at least so long for its acknowledgement has a stall: no limit of the broker's, but
    /// far beyond what it takes where nothing stands still.
    package static let stallMs = 50.0
  }
}

extension Experiment {
  package var sweepsTime: Bool { sweep?.name == TimeSweep.factor }

  /// Runs that last `hours`, seen through as many windows as before.
  mutating func run(hours: Double) throws(RunChangesError) {
    let names = [TimeSweep.seconds, TimeSweep.intervalMs]
    guard let old = sweep, sweepsTime, names.allSatisfy({ name in fixed.contains { $0.name == name } }) else {
      throw RunChangesError(
        description: "\(name) has no runs of a length that could be another (--hours needs a sweep of "
          + "\(TimeSweep.factor) and the fixed values \(names.joined(separator: " and ")))")
    }
    guard TimeSweep.Limits.hours.contains(hours) else {
      throw RunChangesError(description: "--hours \(hours): 1/60 (a minute) to 168 (a week)")
    }
    let seconds = hours * 3600
    let count = old.levels.count
    sweep = Factor(
      name: old.name, levels: (1...count).map { Level(Self.text(seconds * Double($0) / Double(count))) })
    let interval = max(TimeSweep.Limits.intervalMsMin, seconds * 1000 / TimeSweep.Limits.intervals)
    set(TimeSweep.seconds, Level(Self.text(seconds)))
    set(TimeSweep.intervalMs, Level(Self.text(interval.rounded(.up))))
  }

  /// To a millisecond; whole numbers without a point.
  private static func text(_ value: Double) -> String {
    let rounded = (value * 1000).rounded() / 1000
    return rounded == rounded.rounded() ? String(Int(rounded)) : String(rounded)
  }
}
