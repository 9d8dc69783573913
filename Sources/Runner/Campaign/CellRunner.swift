package import Experiment
package import Measure

/// What measures a cell. The campaign knows order, files and time; a runner knows processes.
package protocol CellRunner {
  /// Why the arm cannot run on this machine (no root, no cgroup, no program); nil when it can.
  func obstacle(to arm: Arm) -> String?

  /// Runs once, from a fresh state to a stopped one. `pace` is what the arm's pilot gives: MiB/s, or of a search records/s.
  mutating func measure(_ run: PlannedRun, arm: Arm, pace: Double?) throws(RunError) -> Measured
}

package enum RunError: Error, Equatable, CustomStringConvertible {
  /// Ctrl-C: the campaign ends as incomplete, and the run leaves no row.
  case interrupted
  /// The run leaves an invalid row with this reason.
  case failed(String)

  package var description: String {
    switch self {
    case .interrupted: "interrupted"
    case .failed(let reason): reason
    }
  }
}

extension [String: Double] {
  /// As `required`, for a run that does not count without it.
  func needed(_ metric: Metric) throws(RunError) -> Double {
    do throws(MissingFigure) {
      return try required(metric)
    } catch {
      throw .failed("\(error)")
    }
  }
}

/// What one run gave: usually one row's worth, and one for each level where the experiment sweeps.
package struct Measured: Sendable, Equatable {
  package struct Part: Sendable, Equatable {
    package var sweepLevel: Level?
    package var metrics: [String: Double]
    package init(sweepLevel: Level? = nil, metrics: [String: Double]) {
      self.sweepLevel = sweepLevel
      self.metrics = metrics
    }
  }

  package var parts: [Part]
  package var series: [SeriesPoint]
  package var latency: [LatencyBucket] = []
  package var cacheState: Row.CacheState
  package var steadiness: Row.Steadiness
  /// Empty when the run counts.
  package var invalid: String
  package var warnings: [String]
  /// Nil where the run was too short to tell.
  package var limitation: Limitation?

  package init(
    parts: [Part], series: [SeriesPoint] = [], cacheState: Row.CacheState = .unknown,
    steadiness: Row.Steadiness = .unknown, invalid: String = "", warnings: [String] = [], limitation: Limitation? = nil
  ) {
    self.parts = parts
    self.series = series
    self.cacheState = cacheState
    self.steadiness = steadiness
    self.invalid = invalid
    self.warnings = warnings
    self.limitation = limitation
  }
}
