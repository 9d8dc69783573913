package import Experiment
import Foundation
import Glibc
import Measure
package import Mechanisms
import Results
package import Verdict

/// Measures cells by starting programs: `millrace mechanism ...` for bare arms, a broker and `millrace-load` for the others.
///
/// Every run has a fresh directory, a bound on its time, and leaves nothing behind but its figures. Data that several
/// runs read (a file, a filled topic) are made once, before the first of them.
package struct ProcessRunner: CellRunner {
  package struct Programs: Sendable {
    package var millrace: String
    package var broker: String
    package var load: String

    /// Neighbours of the running program.
    package static func beside(_ program: String) -> Programs {
      let directory = program.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
      return Programs(millrace: program, broker: "\(directory)/millrace-broker", load: "\(directory)/millrace-load")
    }
  }

  package enum Limits {
    /// How often a running program is looked at: its end, the dirty pages, Ctrl-C.
    static let pollMs = 10
    /// The same where something is measured by looking: a cache that is warm at once is so within few ms.
    static let lookMs = 1
    /// How often the broker's threads are looked at: each look reads two small files a thread.
    static let lookSeconds = 0.05
    /// Between two points of a load's series, where the definition does not say; in runs that are planned to be long the second.
    static let intervalMs = 50
    static let longIntervalMs = 250
    static let longSeconds = 30.0
    /// Changes of level are looked for in series of so many points.
    static let changePointMomentsMin = 30
    /// Points kept of such a series.
    static let momentsMax = 20
    /// A stall is put in after this share of the run.
    static let stallAtShare = 0.4
  }

  let experiment: Experiment
  let programs: Programs
  let scratch: String
  let seed: UInt64
  let device: String?
  let stopRequested: () -> Bool
  /// Filled topics by what filled them: the broker's data directory.
  var preparedTopics: [String: String] = [:]
  private var spent: SpentFiles
  /// What the machine can do at the most, for the limiter's sentence; nil where it was not probed.
  package var ceiling: Ceiling?
  /// The A/A pairs of earlier results, for an arm with `{aa_pairs}`.
  package var twinPairs: [FalsePositives.Pair] = []

  /// `scratch` is made now; removing it is the caller's.
  package init(
    experiment: Experiment, programs: Programs, scratch: String, seed: UInt64, device: String?,
    stopRequested: @escaping () -> Bool
  ) throws {
    self.experiment = experiment
    self.programs = programs
    self.scratch = scratch
    self.seed = seed
    self.device = device
    self.stopRequested = stopRequested
    spent = SpentFiles(in: "\(scratch)/spent")
    try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
  }

  package func obstacle(to arm: Arm) -> String? {
    if let target = experiment.target, let obstacle = experiment.obstacle(to: arm, at: target) { return obstacle }
    if let obstacle = experiment.obstacle(toBrokersOf: arm) ?? kernelObstacle(to: arm) { return obstacle }
    if let name = congestionControl(of: arm), let obstacle = CongestionControls.read().obstacle(to: name) {
      return obstacle
    }
    if arm.memory != nil {
      do {
        _ = try Cgroup.available()
      } catch {
        return error.reason
      }
    }
    if let obstacle = clusterObstacle(to: arm) ?? securityObstacle(to: arm) { return obstacle }
    if experiment.target == nil, arm.broker?.cluster == nil, let replicas = Self.replicas(of: arm), replicas > 1 {
      return "needs a cluster: \(replicas) replicas of each partition, and one broker keeps one"
    }
    if arm.broker?.cluster == nil, arm.broker?.network.linkMbitPerS != nil,
      let obstacle = NetworkLink.obstacle(scratch: scratch)
    {
      return obstacle
    }
    let isOwn = experiment.target == nil && experiment.foreignBroker == nil
    let needed = arm.tier == .bare ? [programs.millrace] : [isOwn ? programs.broker : programs.millrace, programs.load]
    return needed.first { access($0, X_OK) != 0 }.map { "\($0) is not there" }
  }

  /// What this machine lacks for a cluster of the arm's own; nil where the arm has none, or nothing is missing.
  private func clusterObstacle(to arm: Arm) -> String? {
    guard arm.needsCluster, experiment.target == nil else { return nil }
    if let obstacle = LocalCluster.obstacle { return "needs a cluster: \(obstacle)" }
    if arm.broker?.network.linkMbitPerS != nil, let obstacle = ClusterNetwork.obstacle { return obstacle }
    return nil
  }

  /// What the arm asks for its sockets; nil where it leaves that to the kernel.
  private func congestionControl(of arm: Arm) -> String? {
    let fixed = Dictionary(experiment.fixed.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
    return arm.settings.first { ["congestion-control", "millrace.congestion.control"].contains($0.name) }
      .flatMap { Placeholder.fill($0.value.text, from: fixed) }
  }

  package mutating func measure(_ run: PlannedRun, arm: Arm, pace: Double?) throws(RunError) -> Measured {
    let directory = "\(scratch)/run"
    do {
      spent.discard(directory)
      try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    } catch {
      throw .failed("\(error)")
    }
    defer { spent.discard(directory) }
    var extra: [String: Level] = [
      // The same bytes for every arm of a replicate, others for the next.
      "seed": Level(String(seed &+ UInt64(run.replicate))), "directory": Level(directory),
    ]
    if let pace, let pilot = arm.paceOf { extra[experiment.placeholder(forPaceOf: pilot)] = paceLevel(pace, pilot) }
    if arm.options.contains(where: { Placeholder.names(in: $0.value.text).contains("aa_pairs") }) {
      extra["aa_pairs"] = Level(try twinPairsFile(in: directory))
    }
    var values = RunValues(run, of: experiment, adding: extra)
    if let size = arm.data.flatMap({ values.number($0.mb.text) }) {
      let written = arm.data?.writeBytes.flatMap { values.number($0.text) }
      extra["data_file"] = Level(try dataFile(megabytes: size, writeBytes: written.map { Int($0) }))
      values = RunValues(run, of: experiment, adding: extra)
    }
    let group = try group(for: arm, values)
    defer { group?.remove() }
    let network = try RunNetwork.make(arm, values, programs: programs, directory: directory)
    defer { network?.remove() }
    let timeout = Plan.cost(of: run.cell, arm, in: experiment).timeoutSeconds
    let scene = Scene(
      run: run, arm: arm, broker: experiment.broker(at: run.cell), values: values, directory: directory, group: group,
      timeout: timeout, network: network)
    // What earlier runs left dirty, or deleted and not yet discarded, is not this run's to pay for.
    sync()
    defer { unlink(filling) }
    if arm.memory?.isFull == true, let group { try fill(group) }
    switch arm.work {
    case .bare(let bare): return try measure(scene, bare)
    case .through(let broker):
      guard let target = experiment.target else { return try measure(scene, broker) }
      return try measure(scene, broker.phases.load, at: target)
    }
  }

  /// A rate that a search found in whole records: options calculate with it.
  private func paceLevel(_ pace: Double, _ pilot: String) -> Level {
    Level(experiment.isSearch(pilot) ? String(Int(min(pace, 1e12))) : String(pace))
  }

  /// What one run has around it.
  struct Scene {
    let run: PlannedRun
    let arm: Arm
    /// That an arm through a broker runs with.
    var broker = BrokerUnderTest.own
    let values: RunValues
    let directory: String
    let group: Cgroup?
    let timeout: Double
    /// Between broker and generator; nil: loopback.
    let network: RunNetwork?
  }

  private func group(for arm: Arm, _ values: RunValues) throws(RunError) -> Cgroup? {
    guard let text = arm.memory?.mib.text else { return nil }
    guard let limit = values.number(text), limit >= 1 else { throw .failed("memory_mib `\(text)` is no size") }
    do {
      return try Cgroup(name: "millrace-\(getpid())", limitMiB: Int(limit))
    } catch {
      throw .failed(error.reason)
    }
  }

  private var filling: String { "\(scratch)/filling" }

  /// Writes a file as large as the group's memory inside the group, whose page cache then holds it: what a broker in use has
  /// around it, and pages that the machine really has (a virtual machine's fresh ones are found by the hypervisor one by one,
  /// which costs more than the broker). The file is the caller's to remove.
  private func fill(_ group: Cgroup) throws(RunError) {
    do {
      let writer = try ChildProcess(
        program: "/bin/dd",
        arguments: [
          "if=/dev/zero", "of=\(filling)", "bs=\(Self.fillWriteBytes)",
          "count=\(group.limitMiB * 1_048_576 / Self.fillWriteBytes)", "conv=fsync",
        ],
        outPath: "/dev/null", errPath: "\(scratch)/filling.err", procs: group.procs)
      let deadline = Uptime.seconds + Self.fillSecondsMax
      while writer.poll() == nil, Uptime.seconds < deadline { Uptime.nap(milliseconds: 5) }
      writer.kill()
    } catch {
      throw .failed("filling the memory of \(group.path): \(error)")
    }
    let share = group.usedMiB / Double(group.limitMiB)
    guard share >= Self.fullShareMin else {
      throw .failed("the memory of \(group.path) is not full: \(Int(share * 100)) % of \(group.limitMiB) MiB")
    }
  }

  /// As a log is written: never a whole page, so that the page cache holds it in as many pieces.
  private static let fillWriteBytes = 261_587
  private static let fillSecondsMax = 120.0
  private static let fullShareMin = 0.95

  private func dataFile(megabytes: Double, writeBytes: Int?) throws(RunError) -> String {
    let path = "\(scratch)/data-\(Int(megabytes))MB" + (writeBytes.map { "-by-\($0)" } ?? "")
    if access(path, R_OK) == 0 { return path }
    do {
      _ = try DataFile.make(
        path: path, byteCount: Int(megabytes * 1e6), seed: seed, writeBytes: writeBytes ?? DataFile.usualWriteBytes)
    } catch {
      unlink(path)
      throw .failed("\(error)")
    }
    return path
  }

  private func twinPairsFile(in directory: String) throws(RunError) -> String {
    let path = "\(directory)/aa-pairs.json"
    do {
      try JSONEncoder().encode(twinPairs).write(to: URL(filePath: path))
    } catch {
      throw .failed("\(path): \(error)")
    }
    return path
  }

  // MARK: Bare arms

  private func measure(_ scene: Scene, _ bare: Arm.Bare) throws(RunError) -> Measured {
    let intervals = "\(scene.directory)/intervals.csv"
    let options = scene.values.filled(bare.options)
    var arguments = ["mechanism", bare.mechanism.name] + Self.arguments(options) + ["--json"]
    if bare.mechanism.writesIntervals { arguments += ["--intervals-csv", intervals] }
    let cache = scene.values.values["data_file"].map { CacheState(paths: [$0.text]) }
    let resident = prove(cache, scene.arm.cache)
    let begun = Uptime.seconds
    let before = MachineFigures.now(device: device)
    let finished = try finish(programs.millrace, arguments, scene, "mechanism", procs: scene.group?.procs)
    let after = MachineFigures.now(device: device)
    // Of the whole program: the machine's counters are of all of it, `seconds` of what it measured.
    let elapsed = Uptime.seconds - begun
    var metrics = finished.figures.metrics
    addMachine(&metrics, before, after, dirty: finished.dirtyMaxMiB)
    if let resident { metrics[.residentPercent] = resident * 100 }
    addShares(&metrics, finished.figures, before, after, seconds: elapsed)
    var check = Reconciliation()
    // A file that is read over and over is cold once.
    let fileBytes = bare.data.flatMap { scene.values.number($0.mb.text) }.map { $0 * 1e6 }
    if scene.arm.cache != .any {
      let moved = try metrics.needed(.bytes)
      check.deviceReads(
        metrics[.deviceReadBytes], of: fileBytes.map { min($0, moved) } ?? moved, expectsHot: scene.arm.cache == .hot,
        expectsCold: scene.arm.cache == .cold && fileBytes != nil)
      check.coldReads(
        charged: metrics[.processReadBytes], of: moved,
        expectsCold: scene.arm.cache == .cold && finished.figures.text("op") == "read")
    }
    check.fullMemory(
      usedPercent: metrics[.memoryUsedPercent], dataMB: bare.data.flatMap { scene.values.number($0.mb.text) },
      memoryMiB: scene.group.map { Double($0.limitMiB) })
    check.congestionControl(
      asked: options.first { $0.name == "congestion-control" }?.value.text,
      used: finished.figures.text("congestion_control"))
    let seconds = try metrics.needed(.seconds)
    var evidence = BottleneckEvidence(of: .mechanism)
    evidence.sideShare = finished.figures["cpu_seconds"].map { $0 / max(seconds, 1e-9) }
    evidence.clientShare = finished.figures["receiver_cpu_seconds"].map { $0 / max(seconds, 1e-9) }
    for share in [evidence.sideShare, evidence.clientShare] {
      check.processorShare(share, seconds: seconds, cores: Machine.coresOnline)
    }
    evidence.idleShare = after.idleShare(since: before)
    evidence.isPaced = scene.arm.paceOf != nil
    addCeilings(&evidence, metrics, seconds: elapsed)
    return measured(
      scene, metrics, IntervalSeries(path: intervals) ?? IntervalSeries(finished.figures), check, evidence.limitation,
      cache: wanted(scene.arm.cache, proved: resident), dirty: finished.dirty, figures: finished.figures)
  }

  // MARK: What both kinds share

  /// A program that ran to its end with exit code 0.
  struct Finished {
    var figures: ReportedFigures
    /// Since its start.
    var pages = DirtyPages()
    var dirty: [(seconds: Double, mib: Double)] { pages.samples }
    var dirtyMaxMiB: Double { pages.maxMiB }
    /// Where the broker's threads stood, when one ran alongside.
    var waits = ThreadWaits()
    /// How long the broker was stopped on purpose.
    var stallMs: Double?
  }

  func finish(
    _ program: String, _ arguments: [String], _ scene: Scene, _ name: String, procs: String? = nil,
    alongside broker: (any RunningBrokers)? = nil, beside: ChildProcess? = nil, watch: BrokerWatch? = nil,
    look: (() -> Void)? = nil
  ) throws(RunError) -> Finished {
    let out = "\(scene.directory)/\(name).out"
    let errors = "\(scene.directory)/\(name).log"
    let child: ChildProcess
    do {
      child = try ChildProcess(
        program: program, arguments: arguments, outPath: out, errPath: errors, procs: procs,
        network: broker?.clientNamespace ?? scene.network?.loadNamespace)
    } catch {
      throw .failed("\(error)")
    }
    let start = Uptime.seconds
    var dirty = DirtyPages()
    var waits = ThreadWaits()
    var lookedAt = 0.0
    var stall = Stall(scene)
    while child.poll() == nil {
      let elapsed = Uptime.seconds - start
      if stopRequested() { throw .interrupted }
      if let end = broker?.end { throw .failed("the broker ended with \(end) during the run") }
      if let end = beside?.poll() { throw .failed("the load beside ended with \(end): \(Self.besideWords(scene))") }
      look?()
      guard elapsed < scene.timeout else { throw .failed("\(name) was stopped after \(Int(scene.timeout)) s") }
      dirty.look(at: elapsed, read: MachineFigures.dirtyMiB)
      watch?.look(at: elapsed)
      if let broker {
        stall.put(on: -broker.pid, at: elapsed, name)
        if elapsed - lookedAt >= Limits.lookSeconds {
          waits.look(pids: broker.members)
          lookedAt = elapsed
        }
      }
      Uptime.nap(milliseconds: look == nil ? Limits.pollMs : Limits.lookMs)
    }
    guard let end = child.end, end == .exited(0) else {
      let reason = child.end.map { "\($0)" } ?? "no end"
      throw .failed("\(name) ended with \(reason): \(Self.complaint(out, errors))")
    }
    guard let figures = ReportedFigures(output: SmallFile.read(out) ?? "") else {
      throw .failed("\(name) printed no JSON: \(BrokerProcess.lastLine(out))")
    }
    return Finished(figures: figures, pages: dirty, waits: waits, stallMs: stall.lastedMs)
  }

  /// Why a program failed: the error its figures name, or why its search ended, else its last words.
  static func complaint(_ out: String, _ errors: String) -> String {
    let figures = ReportedFigures(output: SmallFile.read(out) ?? "")
    let faults = ["lost", "duplicated", "corrupt", "errors"].compactMap { name -> String? in
      guard let count = figures?[name], count > 0 else { return nil }
      return "\(Figures.text(count)) \(name)"
    }
    let words = (figures?.text("first_error") ?? figures?.text("reason")).map { [$0] } ?? []
    let said = (words + faults).joined(separator: ", ")
    return said.isEmpty ? BrokerProcess.lastLine(errors) : said
  }

  /// `--name value`; `true` is a flag alone, `false` is left out.
  package static func arguments(_ settings: [Setting]) -> [String] {
    settings.flatMap { setting -> [String] in
      switch setting.value.text {
      case "true": ["--\(setting.name)"]
      case "false": []
      default: ["--\(setting.name)", setting.value.text]
      }
    }
  }

  /// Brings the files into the state the arm asks for, and returns the share of their pages that is resident.
  func prove(_ cache: CacheState?, _ wanted: Arm.Cache) -> Double? {
    switch wanted {
    case .any: break
    case .hot: cache?.warm()
    case .cold: cache?.chill()
    }
    return cache?.residentShare()
  }

  /// What was proved; a state that was asked for and not reached makes the row invalid.
  func wanted(_ cache: Arm.Cache, proved share: Double?) -> (state: Row.CacheState, fault: String?) {
    let state = CacheState.proved(by: share)
    switch cache {
    case .hot where state != .hot: return (state, "the data were to be hot and were \(state.rawValue)")
    case .cold where state != .cold: return (state, "the data were to be cold and were \(state.rawValue)")
    case .any, .hot, .cold: return (state, nil)
    }
  }

  func addMachine(
    _ metrics: inout [String: Double], _ before: MachineFigures, _ after: MachineFigures, dirty: Double,
    live: Double = 0
  ) {
    metrics[.otherCPUPercent] = after.othersPercent(since: before, live: live)
    metrics[.stealPercent] = after.stealPercent(since: before)
    metrics[.dirtyMaxMiB] = dirty
    if let from = before.loopbackBytes, let to = after.loopbackBytes { metrics[.loopbackBytes] = Double(to - from) }
    if let from = before.deviceReadBytes, let to = after.deviceReadBytes {
      metrics[.deviceReadBytes] = Double(to - from)
    }
    if let from = before.deviceWrittenBytes, let to = after.deviceWrittenBytes {
      metrics[.deviceWrittenBytes] = Double(to - from)
    }
  }
}
