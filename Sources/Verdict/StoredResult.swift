package import Experiment

/// A result directory read back: all that charts, report and verdict need, from its files alone.
package struct StoredResult: Sendable {
  package var path: String
  /// The definition under the profile that ran.
  package var experiment: Experiment
  package var profile: Profile
  package var seed: UInt64
  package var startedAt: String
  /// SHA-256 of the definition, as stored before the first run.
  package var definitionHash: String
  package var rows: [Row]
  package var series: [SeriesPoint]
  /// Latency histograms; empty where the load generator made none, and in results of before they were kept.
  package var latency: [LatencyBucket] = []
  package var machine: Machine
  package var gates: [Gate]
  /// Arms left out, and why.
  package var skipped: [String: String]
  /// Paces of pilot runs by arm, MiB/s.
  package var paces: [String: Double]
  package var plannedRuns: Int
  /// Begun with `--bare-only`: the order holds no arm with a broker.
  package var isBareOnly: Bool
  package var finishedRuns: Int
  package var isComplete: Bool
  /// Nil in results of before there was a probe.
  package var ceiling: Ceiling?
  /// Why replicates were added, one each, and why no more were; see `AdaptiveReplicates`.
  package var extensions: [String]
  package var settled: String?
  package var validation: SelfValidation?
  /// A/A distances of the campaigns before this one; nil where there were none, and in results of before they were kept.
  package var noise: NoiseHistory?
  /// Runs thrown away and made again.
  package var disturbed: Int
  /// Whether the journal has checksums of the rows, which were held against them when the result was read.
  package var isSealed: Bool
  /// What the campaign told when it ended; nil in results of before that was kept.
  package var told: ToldVerdict?

  package init(
    path: String,
    experiment: Experiment,
    profile: Profile,
    seed: UInt64,
    startedAt: String,
    definitionHash: String,
    rows: [Row],
    series: [SeriesPoint],
    machine: Machine,
    skipped: [String: String],
    paces: [String: Double],
    plannedRuns: Int,
    isBareOnly: Bool,
    finishedRuns: Int,
    isComplete: Bool,
    ceiling: Ceiling?,
    extensions: [String],
    settled: String?,
    validation: SelfValidation?,
    disturbed: Int,
    isSealed: Bool,
    told: ToldVerdict?
  ) {
    self.path = path
    self.experiment = experiment
    self.profile = profile
    self.seed = seed
    self.startedAt = startedAt
    self.definitionHash = definitionHash
    self.rows = rows
    self.series = series
    self.machine = machine
    gates =
      Gates.judge(machine, for: experiment) + Gates.judge(rows) + [
        Gates.judge(disturbed: disturbed, of: finishedRuns), Gates.judge(ceiling),
        Gates.judge(validation, of: experiment),
      ] + Gates.judge(generator: ceiling, experiment, rows)
    self.skipped = skipped
    self.paces = paces
    self.plannedRuns = plannedRuns
    self.isBareOnly = isBareOnly
    self.finishedRuns = finishedRuns
    self.isComplete = isComplete
    self.ceiling = ceiling
    self.extensions = extensions
    self.settled = settled
    self.validation = validation
    self.disturbed = disturbed
    self.isSealed = isSealed
    self.told = told
  }

  /// The directory's own name: `<UTC>-<commit>`.
  package var name: String { path.split(separator: "/").last.map(String.init) ?? path }

  package var circumstances: Verdict.Circumstances {
    Verdict.Circumstances(
      gates: gates, profile: profile, skipped: skipped, isComplete: isComplete, seed: seed, experiment: experiment,
      noise: noise)
  }

  package var verdict: Verdict { Verdict.judge(experiment, rows: rows, under: circumstances) }

  /// What is told, where it is of the rows that there are: an interrupted campaign told something, and went on.
  package var toldOfAllRuns: ToldVerdict? { told.flatMap { $0.runs == finishedRuns ? $0 : nil } }
}
