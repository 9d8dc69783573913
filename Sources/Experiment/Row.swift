package import Measure

/// One replicate of one cell (and, where the experiment sweeps, of one level of the sweep): a line of `rows.csv`.
///
/// The typed fields are in every experiment's file; factor and metric columns are the definition's own.
/// `CSV` writes and reads rows; columns are named and ordered by `columns(of:)`, never by position.
package struct Row: Sendable, Equatable {
  package enum CacheState: String, Sendable, CaseIterable {
    case cold, lukewarm, hot
    /// Nothing was proved.
    case unknown
  }

  package enum Steadiness: String, Sendable, CaseIterable {
    case steady, unsettled
    /// Too few intervals to tell.
    case unknown
  }

  /// Place in the campaign's order, from 0; with `sweepLevel` it names the row.
  package var order: Int
  package var replicate: Int
  package var arm: String
  package var tier: Arm.Tier
  package var role: Arm.Role
  /// UTC, ISO 8601.
  package var startedAt: String
  /// Factor name to level, the sweep's included; a factor the arm ignores is absent and its column empty.
  package var levels: [String: Level]
  /// Empty when the row counts; else why it does not (a failed reconciliation, a client-bound run).
  package var invalid: String
  /// What to know without distrusting the row, separated by "; ".
  package var warnings: String
  package var cacheState: CacheState
  package var steadiness: Steadiness
  package var durability: Durability
  /// What limited this run; nil where that is not known.
  package var limitation: Limitation?
  /// By metric name; a metric a program does not report is absent and its column empty.
  package var metrics: [String: Double]

  package var isValid: Bool { invalid.isEmpty }

  package init(
    order: Int, replicate: Int, arm: String, tier: Arm.Tier, role: Arm.Role, startedAt: String,
    levels: [String: Level] = [:], invalid: String = "", warnings: String = "", cacheState: CacheState = .unknown,
    steadiness: Steadiness = .unknown, durability: Durability = .nothing, limitation: Limitation? = nil,
    metrics: [String: Double] = [:]
  ) {
    self.order = order
    self.replicate = replicate
    self.arm = arm
    self.tier = tier
    self.role = role
    self.startedAt = startedAt
    self.levels = levels
    self.invalid = invalid
    self.warnings = warnings
    self.cacheState = cacheState
    self.steadiness = steadiness
    self.durability = durability
    self.limitation = limitation
    self.metrics = metrics
  }
}

/// One interval of one run: a line of `series.csv`, kept so that steadiness and trends can be judged again later.
package struct SeriesPoint: Sendable, Equatable {
  package static let columns = [
    "order", "arm", "replicate", "t_s", "stored_mib", "mib_per_s", "records_per_s", "dirty_mib", "device_written_mib",
  ]

  /// Columns of what only some programs say of an interval, by the names these have for it: latency of the interval's records,
  /// CPU of the broker, and the same of a twin's fresh topic. Series without them are read too.
  package static let figureColumns = [
    "p50_ms", "p99_ms", "cpu_s_per_gb", "fresh_mib_per_s", "fresh_p99_ms", "fresh_cpu_s_per_gb",
  ]

  /// Columns of experiments over time alone: latencies of the interval (`p50_ms` and the like are end to end there), and the
  /// broker as it was at the interval's end.
  package static let courseColumns = [
    "p99_9_ms", "max_ms", "produced_records_per_s", "lag_records", "response_p50_ms", "response_p99_ms",
    "response_p99_9_ms", "response_max_ms", "rss_mib", "open_descriptors", "threads", "log_mib",
  ]

  /// What a curve is over: a column, or minutes since measuring began.
  package static let (volume, minutes) = ("stored_mib", "t_min")
  package static let curveAxes = [volume, minutes]
  /// What a curve can show: columns, and ratios of two of them.
  package static let curveColumns =
    ["mib_per_s", "records_per_s", "dirty_mib"] + figureColumns + ["grown_over_fresh_cpu", "grown_over_fresh_rate"]

  /// Nil where the interval has no such value.
  package func value(of column: String) -> Double? {
    func ratio(_ over: Double?, _ under: String) -> Double? {
      guard let over, let below = figures[under], below > 0 else { return nil }
      return over / below
    }
    switch column {
    case "mib_per_s": return mibPerSecond
    case "records_per_s": return recordsPerSecond
    case "dirty_mib": return dirtyMiB
    case "grown_over_fresh_cpu": return ratio(figures["cpu_s_per_gb"], "fresh_cpu_s_per_gb")
    case "grown_over_fresh_rate": return ratio(mibPerSecond, "fresh_mib_per_s")
    default: return figures[column]
    }
  }

  package var order: Int
  package var arm: String
  package var replicate: Int
  /// End of the interval, seconds since measuring began.
  package var seconds: Double
  /// Bytes so far, in MiB.
  package var storedMiB: Double
  package var mibPerSecond: Double
  package var recordsPerSecond: Double
  /// Dirty and write-back pages of the machine at the end of the interval; nil where not sampled.
  package var dirtyMiB: Double?
  /// Written to the device during the interval; nil where not sampled.
  package var deviceWrittenMiB: Double?
  /// By `figureColumns` and `courseColumns`.
  package var figures: [String: Double]

  package init(
    order: Int, arm: String, replicate: Int, seconds: Double, storedMiB: Double, mibPerSecond: Double,
    recordsPerSecond: Double, dirtyMiB: Double? = nil, deviceWrittenMiB: Double? = nil,
    figures: [String: Double] = [:]
  ) {
    self.order = order
    self.arm = arm
    self.replicate = replicate
    self.seconds = seconds
    self.storedMiB = storedMiB
    self.mibPerSecond = mibPerSecond
    self.recordsPerSecond = recordsPerSecond
    self.dirtyMiB = dirtyMiB
    self.deviceWrittenMiB = deviceWrittenMiB
    self.figures = figures
  }
}

/// A column of `rows.csv`, as the schema file describes it.
package struct Column: Sendable, Equatable {
  package enum Content: String, Sendable {
    case integer, number, text
  }

  package var name: String
  package var content: Content
  package var unit: String
  package var meaning: String

  package init(name: String, content: Content, unit: String, meaning: String) {
    self.name = name
    self.content = content
    self.unit = unit
    self.meaning = meaning
  }
}

extension Metric {
  package var column: Column { Column(name: name, content: .number, unit: unit, meaning: meaning) }
}

extension Row {
  /// The columns before the factors, in order.
  package static let identityColumns: [Column] = [
    Column(name: "order", content: .integer, unit: "", meaning: "place in the campaign's seeded order, from 0"),
    Column(name: "replicate", content: .integer, unit: "", meaning: "process-level replicate, from 1"),
    Column(name: "arm", content: .text, unit: "", meaning: "what ran"),
    Column(name: "tier", content: .text, unit: "", meaning: "bare mechanism or end-to-end through the broker"),
    Column(name: "role", content: .text, unit: "", meaning: "test, baseline, control, or again (A/A)"),
    Column(name: "started_at", content: .text, unit: "UTC", meaning: "when the run began"),
  ]

  /// The columns after the metrics, in order.
  package static let stateColumns: [Column] = [
    Column(name: "cache_state", content: .text, unit: "", meaning: "page cache before measuring, as proved"),
    Column(name: "steadiness", content: .text, unit: "", meaning: "whether the interval series settled"),
    Column(name: "durability", content: .text, unit: "", meaning: "what an acknowledged byte survives"),
    Column(name: "limiter", content: .text, unit: "", meaning: "what limited this run"),
    Column(name: "invalid", content: .text, unit: "", meaning: "why the row does not count; empty when it does"),
    Column(name: "warnings", content: .text, unit: "", meaning: "what to know about the row"),
  ]

  /// All columns of an experiment's `rows.csv`: identity, factors, sweep, metrics, state.
  package static func columns(of experiment: Experiment) -> [Column] {
    let factors = (experiment.factors + (experiment.sweep.map { [$0] } ?? [])).map { factor in
      Column(
        name: factor.name, content: factor.levels.allSatisfy { $0.number != nil } ? .number : .text, unit: "",
        meaning: factor.name == experiment.sweep?.name ? "level of the sweep within the run" : "factor of the matrix")
    }
    let metrics = experiment.metrics.compactMap { Metric.named($0)?.column }
    return identityColumns + factors + metrics + stateColumns
  }
}
