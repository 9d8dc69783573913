import Experiment
import Foundation
import Glibc
import Measure
import Results
import Verdict

/// End-to-end arms: a broker of its own for each run, and the load generator against it.
extension ProcessRunner {
  /// That loads use which name no other.
  static var topic: String { Names.topic }

  private enum Names {
    static let topic = "bench"
    /// A consumer warms up with this share of the records.
    static let warmUpShare = 0.1
  }

  mutating func measure(_ scene: Scene, _ through: Arm.Broker) throws(RunError) -> Measured {
    let phases = through.phases
    var data = "\(scene.directory)/data"
    if let settings = phases.prepare { data = try preparedTopic(scene, settings, through) }
    let broker = try start(scene, through, data)
    if let settings = phases.fill { try fillTopic(scene, settings, broker) }
    let cache = scene.arm.cache == .any ? nil : CacheState(paths: broker.segments.paths(of: nil))
    let resident = prove(cache, scene.arm.cache)
    try warmUp(scene, phases, broker)
    let beside = try startBeside(scene, broker)

    let storedBefore = broker.segments.bytes(of: Names.topic)
    guard let processBefore = broker.figures() else { throw .failed("the broker is gone") }
    let (eachBefore, helperBefore) = (broker.eachFigures(), broker.helperCPUSeconds)
    let count = NetworkCount(scene.network, broker: broker.pid)
    let before = MachineFigures.now(device: device)
    let watch = watch(scene, phases, broker)
    let finished = try load(scene, phases.load, phases.options, broker, "load", beside: beside, watch: watch)
    var besideFigures: ReportedFigures?
    if let beside { besideFigures = try stopBeside(beside, scene) }
    let drained = try drain(scene, finished.figures, broker.segments, of: Names.topic, from: storedBefore)
    let after = MachineFigures.now(device: device)
    guard let processAfter = broker.figures() else { throw .failed("the broker is gone") }
    let helperCPU = max(0, broker.helperCPUSeconds - helperBefore)
    let passed = count?.passed(broker: broker.pid)
    let relayCPU = count?.relayCPU ?? 0
    let stored =
      scene.broker.driver.isInMemory ? nil : Double(broker.segments.bytes(of: Names.topic) - storedBefore)
    var metrics = finished.figures.metrics
    Self.lengthen(&metrics, by: drained)
    metrics[.startMs] = broker.startSeconds * 1000
    ClusterUnderTest.addMost(&metrics, before: eachBefore, after: broker.eachFigures())
    if phases.restarts { addHeld(&metrics, broker.segments.paths(of: Names.topic)) }
    let securityFaults = try securityFaults(scene, broker)
    if phases.prepare != nil, phases.load != .consume { try removeTopic(broker, scene) }
    try broker.stop()
    if phases.restarts { addProcessCache(&metrics, in: data) }

    Self.countPlainPayload(&metrics, scene.values.filled(scene.arm.options))
    addMachine(
      &metrics, before, after, dirty: finished.dirtyMaxMiB,
      live: processAfter.cpuSeconds - processBefore.cpuSeconds + relayCPU + helperCPU)
    try addBroker(
      &metrics, phases.load, processBefore, processAfter, finished.figures, stored: stored,
      replicas: replicas(of: scene))
    Self.addCounts(&metrics, processBefore, processAfter, finished.figures)
    Self.add(passed, linkMbitPerSecond: scene.network?.link?.totalMbitPerSecond, to: &metrics)
    if let besideFigures { try Self.addBeside(&metrics, besideFigures) }
    if phases.restarts { try restart(scene, through, data, &metrics) }
    if let resident { metrics[.residentPercent] = resident * 100 }
    let seconds = try Self.busySeconds(phases.load, metrics, finished.figures)
    addShares(&metrics, finished.figures, before, after, seconds: seconds)
    let options = scene.values.filled(scene.arm.options)
    Stall.add(to: &metrics, stallMs: finished.stallMs)
    Self.addRateError(&metrics, options)
    var check = try reconcile(scene, through, metrics, finished.figures)
    for fault in securityFaults { check.note(fault: fault) }
    // What brokers of a cluster send each other passes the same interface.
    if !Self.isSunk(options), through.cluster == nil { reconcileNetwork(&check, count, passed, metrics) }
    if phases.stallMs != nil, finished.stallMs == nil { check.note(fault: "the run ended before its stall") }
    let isPaced = options.contains { $0.name == "throughput" && ($0.value.number ?? -1) > 0 }
    if let fault = Saturation.fault(metrics, client: scene.arm.client, isPaced: isPaced) { check.note(fault: fault) }
    let cacheState = wanted(scene.arm.cache, proved: resident)
    let limitation = limitation(scene, metrics, finished, seconds: seconds, idleShare: after.idleShare(since: before))
    if phases.load == .sustain {
      var parts: [Measured.Part] = []
      if let sweep = experiment.sweep, !experiment.sweepsTime {
        let curve = Self.curve(finished.figures, over: sweep, common: metrics)
        if let fault = curve.fault { check.note(fault: fault) }
        parts = curve.parts
      }
      return Measured(
        parts: parts.isEmpty ? [Measured.Part(metrics: metrics)] : parts, cacheState: cacheState.state,
        invalid: (check.faults + (cacheState.fault.map { [$0] } ?? [])).joined(separator: "; "),
        warnings: check.warnings, limitation: limitation)
    }
    var measured = measured(
      scene, metrics, series(scene, phases.load), check, limitation, cache: cacheState,
      // A twin's series counts the time of the growing topic alone, so the dirty pages' samples have no place in it.
      dirty: phases.load == .twin ? [] : finished.dirty, figures: finished.figures, samples: watch?.samples ?? [])
    if keepsHistograms(phases.load) { measured.latency = Self.histograms(scene) }
    return measured
  }

  /// Looks at the broker every interval of a run whose course is judged; nil of other runs.
  private func watch(_ scene: Scene, _ phases: Phases, _ broker: any RunningBrokers) -> BrokerWatch? {
    guard experiment.sweepsTime, phases.load != .sustain else { return nil }
    let interval = scene.values.filled(phases.options).first { $0.name == "interval-ms" }?.value.number
    return BrokerWatch(
      members: { broker.members }, logBytes: { broker.segments.bytes(of: Names.topic) },
      periodSeconds: (interval ?? 1000) / 1000)
  }

  /// How long the broker was loaded; nil of a search, whose trials are not one run. A twin's `seconds` are those of the growing
  /// topic alone.
  private static func busySeconds(
    _ load: Arm.Load, _ metrics: [String: Double], _ figures: ReportedFigures
  ) throws(RunError) -> Double? {
    switch load {
    case .sustain: nil
    case .twin: try figures.required("elapsed_seconds")
    case .flow, .connect: try metrics.needed(.seconds)
    }
  }

  private func limitation(
    _ scene: Scene, _ metrics: [String: Double], _ finished: Finished, seconds: Double?, idleShare: Double
  ) -> Limitation {
    var evidence = BottleneckEvidence(of: .broker)
    if let seconds, seconds > 0 { evidence.sideShare = metrics[.brokerCPUSeconds].map { $0 / seconds } }
    evidence.clientShare = metrics[.clientCPUShare]
    evidence.idleShare = idleShare
    evidence.waits = finished.waits
    addCeilings(&evidence, metrics, seconds: seconds)
    if let link = scene.network?.link, let percent = metrics[.linkPercent] {
      let most = link.totalMbitPerSecond / 8
      evidence.link = (percent / 100 * most, most)
      evidence.linkMbitPerSecond = link.totalMbitPerSecond
    }
    evidence.roundTripMs = scene.network?.roundTripMs ?? 0
    return evidence.limitation
  }

  private static func intervals(_ scene: Scene) -> String { "\(scene.directory)/intervals.csv" }

  /// Whether the definition says how finely a load is to be seen over time.
  private func asksForIntervals(_ options: [Setting]) -> Bool { options.contains { $0.name == "interval-ms" } }

  /// Fine enough for the ten intervals that steadiness needs, in a run of half a second too; what is kept is thinned.
  private func intervalMs(_ scene: Scene) -> Int {
    let seconds = Plan.cost(of: scene.run.cell, scene.arm, in: experiment).seconds
    return seconds > Limits.longSeconds ? Limits.longIntervalMs : Limits.intervalMs
  }

  /// How the measured load went over time; thinned where nobody asked for more than its steadiness.
  private func series(_ scene: Scene, _ load: Arm.Load) -> IntervalSeries? {
    let series = IntervalSeries(path: Self.intervals(scene))
    return load == .twin || asksForIntervals(scene.arm.options) ? series : series?.thinned(to: Limits.momentsMax)
  }

  /// A new process needs no just-in-time compiler, but its first fetches grow buffers and windows.
  private func warmUp(_ scene: Scene, _ phases: Phases, _ broker: any RunningBrokers) throws(RunError) {
    guard phases.load == .consume else { return }
    if let settings = phases.warm {
      _ = try load(scene, .consume, settings, broker, "warm-up")
      return
    }
    let options = phases.options.map { setting in
      guard setting.name == "num-records", let all = scene.values.number(setting.value.text) else { return setting }
      return Setting(name: setting.name, value: Level(String(Int(all * Names.warmUpShare))))
    }
    _ = try load(scene, .consume, options, broker, "warm-up")
  }

  func load(
    _ scene: Scene, _ load: Arm.Load, _ options: [Setting], _ broker: any RunningBrokers, _ name: String,
    beside: ChildProcess? = nil, watch: BrokerWatch? = nil, intervals: String? = nil, look: (() -> Void)? = nil
  ) throws(RunError) -> Finished {
    var arguments = Self.loadArguments(load, at: broker) + ["--quiet"]
    arguments += Self.arguments(scene.values.filled(options))
    let intervals = intervals ?? (name == "load" && load != .connect ? Self.intervals(scene) : nil)
    if let intervals {
      arguments += ["--intervals-csv", intervals]
      if case .flow = load, !asksForIntervals(options) { arguments += ["--interval-ms", String(intervalMs(scene))] }
    }
    if name == "load", keepsHistograms(load) { arguments += ["--histogram", Self.histogramFile(scene)] }
    let addresses = scene.network?.link?.clientAddresses ?? broker.clientAddresses
    if addresses.count > 1 { arguments += ["--source-addresses", addresses.joined(separator: ",")] }
    if load == .twin { arguments += windowArguments }
    // A twin looks at one process; of several it would tell too little.
    if load == .twin, broker.members.count == 1 { arguments += ["--broker-pid", String(broker.members[0])] }
    do {
      return try finish(
        programs.load, arguments, scene, name, alongside: broker, beside: beside, watch: watch, look: look)
    } catch {
      // What the generator says of it (a closed connection) is a symptom.
      guard case .failed = error, let end = broker.end else { throw error }
      throw .failed("the broker ended in the midst of it with \(end): \(broker.lastWord)")
    }
  }

  /// Where a twin's windows end: at the levels that the experiment sweeps.
  var windowArguments: [String] {
    experiment.sweep.map { ["--levels", $0.levels.map(\.text).joined(separator: ",")] } ?? []
  }

  /// What every load against a broker of ours begins with; an option `topic` behind it names another.
  static func loadArguments(_ load: Arm.Load, at broker: any RunningBrokers) -> [String] {
    [load.verb, "--bootstrap-server", broker.address, "--json"]
      + (load == .connect ? [] : ["--topic", Names.topic])
      + (broker.commandConfig.map { ["--command-config", $0] } ?? [])
  }

  /// The broker under test, with the arm's settings, in the run's cgroup.
  func start(_ scene: Scene, _ through: Arm.Broker, _ data: String) throws(RunError) -> any RunningBrokers {
    if let cluster = through.cluster { return try startCluster(scene, through, brokers: cluster) }
    let listener = try securedListener(scene, through)
    let broker = try BrokerProcess(
      scene.broker, programs: programs, directory: scene.directory, data: data,
      settings: scene.values.filled(through.settings), procs: scene.group?.procs,
      at: scene.network?.place ?? BrokerProcess.Place(), secured: listener, stopRequested: stopRequested)
    if let listener { try admit(scene, to: broker, by: listener) }
    return broker
  }

  // MARK: Filled topics

  /// As the arm's `fill` asks, through the broker that is measured.
  private func fillTopic(_ scene: Scene, _ settings: [Setting], _ broker: any RunningBrokers) throws(RunError) {
    let settings = scene.values.filled(settings)
    let asked = settings.first { $0.name == "num-records" }?.value.number
    // A lag of nothing needs nothing to be there.
    guard asked != 0 else { return }
    try Self.check(try load(scene, .produce, settings, broker, "fill"), asked: asked, "filling the topic")
  }

  private static func check(_ finished: Finished, asked: Double?, _ what: String) throws(RunError) {
    var check = Reconciliation()
    check.integrity(finished.figures)
    check.records(asked: asked, moved: finished.figures["records"])
    if let fault = check.faults.first { throw .failed("\(what): \(fault)") }
  }

  /// What a run wrote into a directory that the next one gets as well.
  private func removeTopic(_ broker: any RunningBrokers, _ scene: Scene) throws(RunError) {
    try Self.run(
      programs.millrace, ["topics", "delete", Names.topic, "--bootstrap-server", broker.adminAddress],
      in: scene.directory)
  }

  /// The data directory of a topic filled as the arm asks; the first to ask pays.
  private mutating func preparedTopic(
    _ scene: Scene, _ settings: [Setting], _ through: Arm.Broker
  ) throws(RunError) -> String {
    let settings = scene.values.filled(settings)
    let key = Fingerprint.of(
      (["\(scene.broker.level)", try Self.trace(of: through, scene.values)] + settings.map { "\($0.name)=\($0.value)" })
        .joined(separator: "\n"))
    if let data = preparedTopics[key] { return data }
    let data = "\(scratch)/topic-\(key.prefix(12))"
    try? FileManager.default.removeItem(atPath: data)
    let broker = try BrokerProcess(
      scene.broker, programs: programs, directory: scene.directory, data: data, settings: [], procs: nil,
      at: scene.network?.place ?? BrokerProcess.Place(), stopRequested: stopRequested)
    let finished = try load(scene, .produce, settings, broker, "prepare")
    try Self.check(
      finished, asked: settings.first { $0.name == "num-records" }?.value.number, "preparing the topic")
    try broker.stop()
    preparedTopics[key] = data
    return data
  }

  // MARK: Figures

  /// A producer that compresses each value itself moves fewer payload bytes than it was given; every figure here is
  /// about the bytes before any compression, so that all arms are measured by the same yardstick.
  static func countPlainPayload(_ metrics: inout [String: Double], _ options: [Setting]) {
    guard options.contains(where: { $0.name == "per-message-compression" && $0.value == "true" }),
      let size = options.first(where: { $0.name == "record-size" })?.value.number, let records = metrics[.records]
    else { return }
    let bytes = records * size
    metrics[.bytes] = bytes
    guard let seconds = metrics[.seconds], seconds > 0 else { return }
    metrics[.mbPerSecond] = bytes / 1e6 / seconds
    metrics[.mibPerSecond] = bytes / 1_048_576 / seconds
  }

  private func addBroker(
    _ metrics: inout [String: Double], _ load: Arm.Load, _ before: ProcessFigures, _ after: ProcessFigures,
    _ figures: ReportedFigures, stored: Double?, replicas: Double
  ) throws(RunError) {
    let cpu = after.cpuSeconds - before.cpuSeconds
    metrics[.brokerCPUSeconds] = cpu
    // What a twin's broker spent is on both topics: the windows say how much on which.
    if load != .twin, let gigabytes = metrics[.bytes].map({ $0 / 1e9 }), gigabytes > 0 {
      metrics[.cpuSecondsPerGB] = cpu / gigabytes
      metrics[.clientCPUSecondsPerGB] = figures["cpu_seconds"].map { $0 / gigabytes }
    }
    if load != .twin, let millions = metrics[.records].map({ $0 / 1e6 }), millions > 0 {
      metrics[.cpuSecondsPerMillionRecords] = cpu / millions
      metrics[.clientCPUSecondsPerMillionRecords] = figures["cpu_seconds"].map { $0 / millions }
    }
    metrics[.processWrittenBytes] = Double(after.writtenBytes - before.writtenBytes)
    let read = Double(after.readBytes - before.readBytes)
    metrics[.processReadBytes] = read
    if load != .produce, let consumed = metrics[.bytes], consumed > 0 {
      metrics[.storageReadPercent] = 100 * read / consumed
      metrics[.hitRatio] = max(0, 1 - read / consumed)
    }
    if load == .connect, let made = figures["connections_made"], made > 0 {
      metrics[.brokerCPUMsPerConnection] = cpu * 1000 / made
      metrics[.clientCPUMsPerConnection] = figures["cpu_seconds"].map { $0 * 1000 / made }
    }
    metrics[.contextSwitches] = Double(after.contextSwitches - before.contextSwitches)
    metrics[.rssMiB] = after.residentMiB
    metrics[.storedBytes] = stored
    metrics[.payloadBytes] = metrics[.bytes]
    if let sent = figures["wire_bytes_sent"] {
      metrics[.wireBytes] = sent + (try figures.required("wire_bytes_received"))
    }
    if let stored, stored > 0, let payload = metrics[.bytes] {
      metrics[.compressionRatio] = payload * replicas / stored
    }
  }

  private func reconcile(
    _ scene: Scene, _ through: Arm.Broker, _ metrics: [String: Double], _ figures: ReportedFigures
  ) throws(RunError) -> Reconciliation {
    var check = Reconciliation()
    let options = scene.values.filled(scene.arm.options)
    check.integrity(figures, except: Set(experiment.verdicts.filter { $0.kind == .never }.map(\.metric)))
    check.records(asked: options.first { $0.name == "num-records" }?.value.number, moved: metrics[.records])
    if through.phases.load == .connect {
      check.connections(
        asked: options.first { $0.name == "num-connections" }?.value.number, made: figures["connections_made"])
    }
    let keepsAll = !through.settings.contains { $0.name.hasPrefix("log.retention.bytes") }
    let isSunk = Self.isSunk(options)
    // Fresh topics alone leave nothing.
    // What is kept in memory leaves no files to be held against.
    let keepsFiles = keepsAll && !scene.broker.driver.isInMemory
    if through.phases.load == .twin, keepsFiles, !options.contains(where: { $0.name == "fresh-only" }) {
      check.stored(bytes: try metrics.needed(.storedBytes), payload: try metrics.needed(.bytes), isCompressed: false)
    }
    if through.phases.load == .produce, keepsFiles, !isSunk {
      let codec = options.first { $0.name == "compression" }?.value.text ?? "none"
      let stored = try metrics.needed(.storedBytes)
      check.stored(
        bytes: stored / replicas(of: scene), payload: try metrics.needed(.bytes), isCompressed: codec != "none")
      check.written(
        kernel: try metrics.needed(.processWrittenBytes), stored: stored, mayBeMore: !scene.broker.isMillrace)
      check.deviceWrites(metrics[.deviceWrittenBytes], stored: stored, isSynced: scene.arm.durability.isSynced)
    }
    check.storageReads(charged: metrics[.processReadBytes], device: metrics[.deviceReadBytes])
    check.lag(
      asked: options.first { $0.name == "lag-records" }?.value.number, least: metrics[.lagLeastRecords],
      most: metrics[.lagMostRecords])
    check.congestionControl(
      asked: options.first { $0.name == "congestion-control" }?.value.text, used: figures.text("congestion_control"))
    if scene.arm.cache == .hot {
      check.deviceReads(metrics[.deviceReadBytes], of: try metrics.needed(.bytes), expectsHot: true)
    }
    return check
  }

  private static func isSunk(_ options: [Setting]) -> Bool {
    options.contains { $0.name == "null-sink" && $0.value.text == "true" }
  }
}
