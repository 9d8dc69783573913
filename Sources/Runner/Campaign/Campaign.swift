package import Experiment
import Measure
package import Results
import Verdict

/// Runs an experiment's matrix in order and leaves a result directory, whatever happens on the way.
///
/// After each run its rows and series are synced, then the journal says so: a crash at any moment leaves files of which
/// the journal knows how much to believe, and `--resume` runs what is missing. The runner, the clock and the wish to stop
/// come in through the initializer.
package struct Campaign {
  package struct World {
    /// Monotonic seconds.
    package var now: () -> Double
    /// UTC, ISO 8601.
    package var utc: () -> String
    package var stopRequested: () -> Bool
    /// Waits until the machine is quiet, for a bounded time.
    package var settle: () -> Void
    package var progress: (Progress) -> Void
    /// False: a run that others disturbed counts as it is, and its row says so.
    package var repeatsDisturbed = true

    package init(
      now: @escaping () -> Double, utc: @escaping () -> String, stopRequested: @escaping () -> Bool,
      settle: @escaping () -> Void, progress: @escaping (Progress) -> Void
    ) {
      self.settle = settle
      self.now = now
      self.utc = utc
      self.stopRequested = stopRequested
      self.progress = progress
    }
  }

  /// What a person watching wants to know.
  package struct Progress: Sendable, Equatable {
    package enum Moment: Sendable, Equatable {
      case started(String)
      case finished(String, figure: String)
      case failed(String, reason: String)
      /// Something to know about a run that counts; each text once a campaign.
      case warned(String, warning: String)
      /// The run is made again.
      case disturbed(String, reason: String)
      case skipped(arm: String, reason: String)
    }

    package var moment: Moment
    package var done: Int
    package var total: Int
    package var secondsLeft: Double?
    /// Half of the widest deciding interval so far, as a share of its median; nil before there is one.
    package var width: Double?
  }

  package enum Outcome: Sendable, Equatable {
    case complete
    /// Ctrl-C; the result is valid as far as it goes, and can be resumed.
    case interrupted
  }

  package enum Limits {
    /// After this many failures in a row an arm is skipped by name: its rows say why.
    static let failuresInARow = 3
    /// A run that the hypervisor or others disturbed is made again, up to so many times in all; the last one counts.
    static let attempts = 4
  }

  /// The definition under the profile that runs.
  let experiment: Experiment
  let results: ResultDirectory
  let world: World
  private var runner: any CellRunner
  private var paces: [String: Double] = [:]
  private var failures: [String: Int] = [:]
  private var skipped: Set<String> = []
  private var estimate = TimeLeft()
  private var rowsSoFar: [Row] = []
  /// The progress line's metric so far, by cell: only this session's runs.
  private var shown: [Cell: [Double]] = [:]
  private var warned: Set<String> = []

  package init(experiment: Experiment, results: ResultDirectory, runner: any CellRunner, world: World) {
    self.experiment = experiment
    self.results = results
    self.runner = runner
    self.world = world
  }

  /// Runs what `order` holds and the journal does not. Throws when the result files cannot be written.
  package mutating func run(_ order: [PlannedRun]) throws -> Outcome {
    try end(try runMissing(order))
  }

  private mutating func runMissing(_ order: [PlannedRun]) throws -> Outcome {
    let history = results.history
    if rowsSoFar.isEmpty { rowsSoFar = try results.recordedRows() }
    paces = history.paces
    try skipArmsThatCannotRun(history)
    let missing = order.filter { !history.finished.contains($0.order) && !skipped.contains($0.cell.arm) }
    estimate.expect(missing.map(\.cell.arm))
    for run in missing {
      if skipped.contains(run.cell.arm) { continue }
      if world.stopRequested() { return .interrupted }
      do throws(RunError) {
        try pilot(for: run)
      } catch .interrupted {
        return .interrupted
      } catch {
        try skip(run.cell.arm, "its pilot failed: \(error)")
        continue
      }
      if try perform(run, order.count) == .interrupted { return .interrupted }
    }
    return .complete
  }

  /// As `run`, and then block after block while the definition's `adaptive` asks for it. `block` gives the runs of a
  /// replicate from a place in the order on: the same for the same replicate, whenever it is asked.
  package mutating func run(
    _ order: [PlannedRun], extending block: (_ replicate: Int, _ from: Int) -> [PlannedRun]
  ) throws -> Outcome {
    guard let adaptive = experiment.adaptive else { return try run(order) }
    let began = world.now()
    var runs = order
    var replicate = experiment.replicates
    // What an interrupted campaign had already added.
    for _ in results.history.extensions {
      replicate += 1
      runs += block(replicate, Self.next(after: runs))
    }
    while true {
      guard try runMissing(runs) == .complete else { return try end(.interrupted) }
      let decision = adaptive.decide(
        experiment, rows: rowsSoFar, done: replicate, seconds: world.now() - began,
        seed: results.history.begin?.seed ?? 0)
      switch decision {
      case .enough(let reason):
        try results.append(.settled(replicates: replicate, reason: reason))
        return try end(.complete)
      case .more(let reason):
        replicate += 1
        let added = block(replicate, Self.next(after: runs))
        try results.append(.extended(replicate: replicate, runs: added.count, reason: reason))
        runs += added
      }
    }
  }

  /// Places are unique and need not follow each other: arms left out leave gaps.
  private static func next(after runs: [PlannedRun]) -> Int { (runs.map(\.order).max() ?? -1) + 1 }

  private mutating func perform(_ run: PlannedRun, _ total: Int) throws -> Outcome {
    guard let arm = experiment.arm(named: run.cell.arm) else { return .complete }
    tell(.started("\(run.cell)"), total)
    let (began, startedAt) = (world.now(), world.utc())
    let measured: Measured
    do throws(RunError) {
      measured = try undisturbed(run, arm, total)
      failures[arm.name] = 0
    } catch .interrupted {
      return .interrupted
    } catch {
      measured = Measured(parts: [Measured.Part(metrics: [:])], invalid: "\(error)")
      failures[arm.name, default: 0] += 1
    }
    estimate.ran(arm.name, seconds: world.now() - began)
    let newRows = rows(measured, run, arm, startedAt)
    try results.record(run, rows: newRows, series: measured.series, latency: measured.latency)
    rowsSoFar += newRows
    if measured.invalid.isEmpty {
      let told = figure(measured, run.cell)
      tell(.finished("\(run.cell)", figure: told), total)
      for warning in measured.warnings where warned.insert(warning).inserted {
        tell(.warned("\(run.cell)", warning: warning), total)
      }
    } else {
      tell(.failed("\(run.cell)", reason: measured.invalid), total)
    }
    if failures[arm.name, default: 0] >= Limits.failuresInARow {
      try skip(arm.name, "failed \(Limits.failuresInARow) times in a row: \(measured.invalid)")
    }
    return .complete
  }

  /// Measures, again when the machine was not ours meanwhile. Only the machine's own counters decide, never the result. A run over time
  /// may last for hours, and is not made again: its row says what happened, and the gates judge it.
  private mutating func undisturbed(_ run: PlannedRun, _ arm: Arm, _ total: Int) throws(RunError) -> Measured {
    for _ in 1..<Limits.attempts {
      var measured = try runner.measure(run, arm: arm, pace: arm.paceOf.flatMap { paces[$0] })
      guard let reason = Gates.disturbance(measured.parts.map(\.metrics)) else { return measured }
      guard world.repeatsDisturbed, !experiment.sweepsTime else {
        measured.warnings.append("\(reason), and the run was not made again")
        return measured
      }
      do { try results.append(.disturbed(order: run.order, reason: reason)) } catch { throw .failed("\(error)") }
      tell(.disturbed("\(run.cell)", reason: reason), total)
      if world.stopRequested() { throw .interrupted }
      world.settle()
    }
    var last = try runner.measure(run, arm: arm, pace: arm.paceOf.flatMap { paces[$0] })
    if let reason = Gates.disturbance(last.parts.map(\.metrics)) {
      last.warnings.append("\(reason), and so it was each time before")
    }
    return last
  }

  private func rows(_ measured: Measured, _ run: PlannedRun, _ arm: Arm, _ startedAt: String) -> [Row] {
    measured.parts.map { part in
      var levels = Dictionary(uniqueKeysWithValues: zip(run.cell.factors, run.cell.levels))
      if let sweep = experiment.sweep { levels[sweep.name] = part.sweepLevel }
      return Row(
        order: run.order, replicate: run.replicate, arm: arm.name, tier: arm.tier, role: arm.role,
        startedAt: startedAt, levels: levels, invalid: measured.invalid,
        warnings: measured.warnings.joined(separator: "; "), cacheState: measured.cacheState,
        steadiness: measured.steadiness, durability: experiment.durability(of: arm, at: run.cell),
        limitation: measured.limitation,
        metrics: part.metrics.filter { experiment.metrics.contains($0.key) })
    }
  }

  /// The first rule's metric, and how wide its interval is by now: for the progress line.
  private mutating func figure(_ measured: Measured, _ cell: Cell) -> String {
    let names = experiment.verdicts.map(\.metric) + experiment.charts.map(\.y)
    guard let name = names.first(where: { measured.parts.last?.metrics[$0] != nil }),
      let value = measured.parts.last?.metrics[name]
    else { return "" }
    shown[cell, default: []].append(value)
    let values = shown[cell, default: []]
    guard values.count > 1, let estimate = Statistics.medianInterval(values, seed: 1), estimate.value > 0 else {
      return "\(name) \(Figures.text(value))"
    }
    let width = (estimate.high - estimate.low) / 2 / estimate.value
    return "\(name) \(Figures.text(value)), median \(Figures.text(estimate.value)) ± \(Figures.percent(width)) "
      + "of \(values.count)"
  }

  // MARK: Pilots and skips

  /// A paced arm needs the pace of another: one run of that arm, which leaves no row. A search that has run is its own pilot.
  private mutating func pilot(for run: PlannedRun) throws(RunError) {
    guard let name = experiment.arm(named: run.cell.arm)?.paceOf, paces[name] == nil,
      let arm = experiment.arm(named: name)
    else { return }
    if skipped.contains(name) { throw .failed("\(name) was skipped") }
    let metric: Metric = experiment.isSearch(name) ? .sustainableRecordsPerSecond : .mibPerSecond
    let found = experiment.isSearch(name) ? rowsSoFar.filter { $0.arm == name && $0.isValid }.map(\.metrics) : []
    guard
      let pace = Statistics.median(try (found.isEmpty ? piloted(arm, before: run) : found).compactMap { $0[metric] })
    else { throw .failed("no \(metric)") }
    paces[name] = pace
    do {
      try results.append(
        experiment.isSearch(name)
          ? .searched(arm: name, recordsPerSecond: pace) : .pilot(arm: name, mibPerSecond: pace))
    } catch {
      throw .failed("\(error)")
    }
  }

  private mutating func piloted(_ arm: Arm, before run: PlannedRun) throws(RunError) -> [[String: Double]] {
    guard let cell = Matrix(experiment).cells.first(where: { $0.arm == arm.name }) else {
      throw .failed("\(arm.name) has no cell")
    }
    let measured = try runner.measure(PlannedRun(order: run.order, replicate: 0, cell: cell), arm: arm, pace: nil)
    guard measured.invalid.isEmpty else { throw .failed(measured.invalid) }
    return measured.parts.map(\.metrics)
  }

  private mutating func skipArmsThatCannotRun(_ history: ResultDirectory.History) throws {
    skipped = Set(history.skipped.keys)
    for arm in experiment.arms where !skipped.contains(arm.name) {
      if let reason = runner.obstacle(to: arm) {
        try results.append(.skipped(arm: arm.name, reason: reason))
        skipped.insert(arm.name)
        tell(.skipped(arm: arm.name, reason: reason), 0)
      }
    }
  }

  private mutating func skip(_ arm: String, _ reason: String) throws {
    try results.append(.skipped(arm: arm, reason: reason))
    skipped.insert(arm)
    estimate.drop(arm)
    tell(.skipped(arm: arm, reason: reason), 0)
  }

  private func end(_ outcome: Outcome) throws -> Outcome {
    try results.append(.end(complete: outcome == .complete, at: world.utc()))
    return outcome
  }

  private func tell(_ moment: Progress.Moment, _ total: Int) {
    var progress = Progress(
      moment: moment, done: results.history.finished.count, total: total, secondsLeft: estimate.secondsLeft)
    // Before the second replicate there is no interval to look for.
    if rowsSoFar.contains(where: { $0.replicate > 1 }) {
      progress.width = AdaptiveReplicates.widest(experiment, rowsSoFar, results.history.begin?.seed ?? 0)?.share
    }
    world.progress(progress)
  }
}

/// How long the rest will take: each arm's own mean, and for arms not yet seen the mean of all.
struct TimeLeft {
  private var waiting: [String: Int] = [:]
  private var spent: [String: (seconds: Double, runs: Int)] = [:]

  mutating func expect(_ arms: [String]) {
    for arm in arms { waiting[arm, default: 0] += 1 }
  }

  mutating func ran(_ arm: String, seconds: Double) {
    let before = spent[arm] ?? (0, 0)
    spent[arm] = (before.seconds + seconds, before.runs + 1)
    waiting[arm] = max(0, waiting[arm, default: 1] - 1)
  }

  mutating func drop(_ arm: String) { waiting[arm] = 0 }

  /// Nil before the first run has ended.
  var secondsLeft: Double? {
    let runs = spent.values.reduce(0) { $0 + $1.runs }
    guard runs > 0 else { return nil }
    let mean = spent.values.reduce(0) { $0 + $1.seconds } / Double(runs)
    return waiting.reduce(0) { sum, entry in
      let own = spent[entry.key].map { $0.seconds / Double($0.runs) }
      return sum + Double(entry.value) * (own ?? mean)
    }
  }
}
