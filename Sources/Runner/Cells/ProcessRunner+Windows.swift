import Experiment
import Measure
import Results
import Verdict

/// What a run becomes: one part, or one for each level that it passed through, and its series.
extension ProcessRunner {
  /// One part, or one for each window of the sweep.
  func measured(
    _ scene: Scene, _ metrics: [String: Double], _ series: IntervalSeries?, _ check: Reconciliation,
    _ limitation: Limitation?,
    cache: (state: Row.CacheState, fault: String?), dirty: [(seconds: Double, mib: Double)],
    figures: ReportedFigures? = nil, samples: [BrokerWatch.Sample] = []
  ) -> Measured {
    var faults = check.faults + (cache.fault.map { [$0] } ?? [])
    var parts = [Measured.Part(metrics: metrics)]
    let course = experiment.sweepsTime ? series.map { TimeWindows(series: $0, samples: samples, dirty: dirty) } : nil
    if let sweep = experiment.sweep {
      parts =
        course?.parts(endingAt: sweep.levels, ofRun: metrics) ?? windows(of: sweep, metrics, series, figures)
      if parts.count < sweep.levels.count {
        faults.append("the run reached \(parts.count) of \(sweep.levels.count) windows")
      }
      if parts.isEmpty { parts = [Measured.Part(metrics: metrics)] }
    }
    var warnings = check.warnings
    // In short series single intervals are too much of the whole.
    if let series, series.moments.count >= Limits.changePointMomentsMin {
      warnings += series.changePoints(seed: seed).prefix(1)
    }
    return Measured(
      parts: parts, series: points(series, scene.run, dirty, looks: course?.looks), cacheState: cache.state,
      steadiness: series?.steadiness ?? .unknown, invalid: faults.joined(separator: "; "), warnings: warnings,
      limitation: limitation)
  }

  /// A part for each level the run reached: what the program says of it, else the rate of the series' window. What is one value
  /// a run stands in the part of the last level alone.
  private func windows(
    of sweep: Factor, _ metrics: [String: Double], _ series: IntervalSeries?, _ figures: ReportedFigures?
  ) -> [Measured.Part] {
    let said = sweep.levels.compactMap { level in
      figures.map { $0.metrics(at: level) }.flatMap { $0.isEmpty ? nil : (level, $0) }
    }
    if !said.isEmpty {
      return said.enumerated().map { index, part in
        let ofRun = index == said.count - 1 ? metrics : [:]
        return Measured.Part(sweepLevel: part.0, metrics: ofRun.merging(part.1) { $1 })
      }
    }
    let rates = series?.windows(endingAt: sweep.levels.compactMap(\.number)) ?? []
    let last = rates.lastIndex { $0 != nil }
    return zip(sweep.levels, rates).enumerated().compactMap { index, window in
      window.1.map { rate in
        var own = index == last ? metrics : [:]
        own[.mibPerSecond] = rate
        own[.mbPerSecond] = rate * 1.048_576
        return Measured.Part(sweepLevel: window.0, metrics: own)
      }
    }
  }

  /// - Parameter looks: at the broker, one for each moment; nil where it was not watched.
  private func points(
    _ series: IntervalSeries?, _ run: PlannedRun, _ dirty: [(seconds: Double, mib: Double)], looks: [[String: Double]]?
  ) -> [SeriesPoint] {
    var before = IntervalSeries.Moment(seconds: 0, bytes: 0, records: 0)
    return (series?.moments ?? []).enumerated().compactMap { index, moment in
      defer { before = moment }
      let seconds = moment.seconds - before.seconds
      guard seconds > 0 else { return nil }
      let sample = dirty.last { $0.seconds <= moment.seconds }
      return SeriesPoint(
        order: run.order, arm: run.cell.arm, replicate: run.replicate, seconds: moment.seconds,
        storedMiB: moment.bytes / 1_048_576, mibPerSecond: (moment.bytes - before.bytes) / 1_048_576 / seconds,
        recordsPerSecond: (moment.records - before.records) / seconds, dirtyMiB: sample?.mib,
        figures: moment.figures.merging(looks?[index] ?? [:]) { $1 })
    }
  }
}
