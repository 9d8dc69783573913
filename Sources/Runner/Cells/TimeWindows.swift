import Experiment
import Measure
import Verdict

/// A run in windows of time, each with figures of its own: what an experiment over time has rows of. Pure.
struct TimeWindows {
  let series: IntervalSeries
  var samples: [BrokerWatch.Sample] = []
  var dirty: [(seconds: Double, mib: Double)] = []

  private enum Limits {
    /// The last window is whole where so much of its time has passed.
    static let reachedShare = 0.995
  }

  /// A part for each window that the run reached. What is one value a run (`ofRun`) stands in the last of all levels alone, where no
  /// window has a value of its own.
  ///
  /// - Parameter levels: the ends of the windows, in seconds.
  func parts(endingAt levels: [Level], ofRun: [String: Double]) -> [Measured.Part] {
    var start = 0.0
    return levels.enumerated().compactMap { index, level -> Measured.Part? in
      guard let end = level.number else { return nil }
      defer { start = end }
      let isLast = index == levels.count - 1
      // What is left at the end of a run belongs to its last window.
      guard let own = figures(from: start, to: end, upTo: isLast ? .infinity : end) else { return nil }
      return Measured.Part(sweepLevel: level, metrics: isLast ? ofRun.merging(own) { $1 } : own)
    }
  }

  /// Nil where the run did not get so far.
  private func figures(from start: Double, to end: Double, upTo last: Double) -> [String: Double]? {
    guard let reached = series.moments.last?.seconds, reached >= Limits.reachedShare * end else { return nil }
    let inside = series.moments.filter { $0.seconds > start && $0.seconds <= last }
    let before = series.moments.last { $0.seconds <= start } ?? .init(seconds: 0, bytes: 0, records: 0)
    guard let final = inside.last, final.seconds > before.seconds else { return nil }
    let seconds = final.seconds - before.seconds
    var figures = latencies(inside)
    figures[.mibPerSecond] = (final.bytes - before.bytes) / 1_048_576 / seconds
    figures[.mbPerSecond] = (final.bytes - before.bytes) / 1e6 / seconds
    figures[.recordsPerSecond] = (final.records - before.records) / seconds
    figures[.producedRecordsPerSecond] = rate(of: "produced_records_per_s", inside, after: before.seconds)
    figures[.lagMaxRecords] = inside.compactMap { $0.figures["lag_records"] }.max()
    figures[.dirtyMaxMiB] = dirty.filter { $0.seconds > start && $0.seconds <= last }.map(\.mib).max()
    figures.merge(broker(from: start, upTo: last, bytes: final.bytes - before.bytes, seconds: seconds)) { $1 }
    return figures
  }

  /// Percentiles are the medians of the intervals' own, so that one stall is no drift; the longest of all and the stalls stand
  /// beside them.
  private func latencies(_ moments: [IntervalSeries.Moment]) -> [String: Double] {
    func median(_ column: String) -> Double? { Statistics.median(moments.compactMap { $0.figures[column] }) }
    var figures: [String: Double] = [:]
    figures[.responseP50Ms] = median("response_p50_ms")
    figures[.responseP99Ms] = median("response_p99_ms")
    figures[.responseP999Ms] = median("response_p99_9_ms")
    figures[.endToEndP50Ms] = median("p50_ms")
    figures[.endToEndP99Ms] = median("p99_ms")
    let longest = moments.compactMap { $0.figures["response_max_ms"] }
    figures[.responseMaxMs] = longest.max()
    figures[.stalls] = longest.isEmpty ? nil : Double(longest.count { $0 >= TimeSweep.Limits.stallMs })
    return figures
  }

  /// The mean of a rate over intervals that need not be equally long.
  private func rate(of column: String, _ moments: [IntervalSeries.Moment], after start: Double) -> Double? {
    var (sum, from) = (0.0, start)
    for moment in moments {
      guard let rate = moment.figures[column] else { return nil }
      sum += rate * (moment.seconds - from)
      from = moment.seconds
    }
    return from > start ? sum / (from - start) : nil
  }

  private func broker(from start: Double, upTo last: Double, bytes: Double, seconds: Double) -> [String: Double] {
    let inside = samples.filter { $0.seconds > start && $0.seconds <= last }
    var figures: [String: Double] = [:]
    figures[.rssMiB] = Statistics.median(inside.map(\.residentMiB))
    figures[.openDescriptors] = Statistics.median(inside.map { Double($0.openDescriptors) })
    figures[.threads] = Statistics.median(inside.map { Double($0.threads) })
    figures[.logMiB] = Statistics.median(inside.map(\.logMiB))
    let before = samples.last { $0.seconds <= start } ?? inside.first
    // Looks and intervals do not end at the same moments: CPU a second over bytes a second.
    if let before, let final = inside.last, final.seconds > before.seconds, bytes > 0 {
      let share = (final.cpuSeconds - before.cpuSeconds) / (final.seconds - before.seconds)
      figures[.cpuSecondsPerGB] = share / (bytes / 1e9 / seconds)
    }
    return figures
  }

  /// What the last look before each of the series' moments saw of the broker, by columns of `series.csv`; a look for each moment.
  var looks: [[String: Double]] {
    var place = 0
    return series.moments.map { moment in
      while place + 1 < samples.count, samples[place + 1].seconds <= moment.seconds { place += 1 }
      guard samples.indices.contains(place), samples[place].seconds <= moment.seconds else { return [:] }
      let sample = samples[place]
      return [
        "rss_mib": sample.residentMiB, "open_descriptors": Double(sample.openDescriptors),
        "threads": Double(sample.threads), "log_mib": sample.logMiB,
      ]
    }
  }
}
