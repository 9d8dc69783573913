package import Experiment
package import Measure

/// What a campaign will do and cost, before it starts: cells, order, bytes, minutes, disk.
///
/// The rates are rough figures of a two-core virtual machine, said here and nowhere else; they only have to be right
/// within a factor, to plan an afternoon and to refuse to fill the disk.
package struct Plan: Sendable, Equatable {
  package enum Rates {
    /// Of records of 100 bytes in small batches; large ones go more than twice as fast.
    static let produceBytesPerSecond = 450e6
    static let consumeBytesPerSecond = 1_200e6
    static let preparedBytesPerSecond = 450e6
    /// Small produce requests, each answered, as fast as a connection takes them.
    static let requestsPerSecond = 60_000.0
    /// What a codec leaves of text, roughly: only so much has to pass a link.
    static let compressedShare = 0.3
    /// Two namespaces and a link between them, made and taken away.
    static let linkSeconds = 0.1
    /// Starting and stopping a program, and what surrounds a run.
    static let bareOverheadSeconds = 0.15
    /// A twin writes in steps that the page cache takes, and the device between them.
    static let twinBytesPerSecond = 600e6
    /// Around the two parts of a twin's step: a topic made and deleted, four connections, and the broker's coming to rest.
    static let twinStepSeconds = 0.1
    static let brokerOverheadSeconds = 0.4
    /// ZooKeeper, which runs on Java, and the brokers of a cluster, started and stopped.
    static let clusterSeconds = 2.5
    /// What a broker of another's takes beyond that: most run on Java.
    static let foreignBrokerSeconds = 6.0
    /// A user, rights, quotas, and the proof of them: commands around a run with a secured listener.
    static let securedSeconds = 0.3
    /// Made before each run.
    static let aclsPerSecond = 5000.0
    /// Connections that are logged in and closed again: a login costs the client thousands of hashes.
    static let connectionsPerSecond = 600.0
    /// Log framing and indexes beside the payload.
    static let storedPerPayload = 1.15
  }

  package enum Limits {
    /// A campaign may take this share of the free disk and no more.
    static let freeDiskShare = 0.8
    /// Beyond the estimate, times this and this many seconds more, a run is stopped.
    static let timeoutFactor = 10.0
    static let timeoutSeconds = 30.0
  }

  package typealias Cost = RunCost

  package var runs: [PlannedRun]
  package var costs: [Cost]
  package var seconds: Double
  package var bytes: Double
  /// The most disk held at one time, data prepared for all arms included.
  package var diskBytes: Double

  package init(_ experiment: Experiment, runs: [PlannedRun]) {
    self.runs = runs
    costs = runs.map { run in
      experiment.arm(named: run.cell.arm).map { Self.cost(of: run.cell, $0, in: experiment) } ?? Cost()
    }
    // What arms prepare is made once for all that prepare alike, and kept.
    var prepared: [String: Double] = [:]
    for run in runs {
      guard let arm = experiment.arm(named: run.cell.arm) else { continue }
      let values = RunValues(run, of: experiment)
      if let data = arm.data, let megabytes = values.number(data.mb.text) {
        prepared["\(megabytes), \(data.writeBytes?.text ?? "")"] = megabytes * 1e6
      }
      if let memory = arm.memory, memory.isFull, let size = values.number(memory.mib.text) {
        prepared["memory of \(size) MiB"] = size * 1_048_576
      }
      if let prepare = arm.broker?.phases.prepare {
        let settings = values.filled(prepare)
        let trace = (try? arm.broker.map { try ProcessRunner.trace(of: $0, values) }) ?? ""
        prepared["\(settings) \(trace)"] = Self.payload(settings) * Rates.storedPerPayload
      }
    }
    let kept = prepared.values.reduce(0, +)
    seconds = costs.reduce(0) { $0 + $1.seconds } + kept / Rates.preparedBytesPerSecond
    bytes = costs.reduce(0) { $0 + $1.bytes } + kept
    diskBytes = kept + (costs.map(\.diskBytes).max() ?? 0)
  }

  /// Nil when the disk has room; else why not.
  package func refusal(freeBytes: Int?) -> String? {
    guard let freeBytes else { return nil }
    let allowed = Double(freeBytes) * Limits.freeDiskShare
    guard diskBytes > allowed else { return nil }
    return "needs \(Figures.text(diskBytes / 1e9)) GB of disk, and only \(Figures.text(allowed / 1e9)) GB may be used "
      + "(80 % of what is free)"
  }

  static func cost(of cell: Cell, _ arm: Arm, in experiment: Experiment) -> Cost {
    let values = RunValues(PlannedRun(order: 0, replicate: 1, cell: cell), of: experiment)
    let options = Dictionary(
      values.filled(arm.options).map { ($0.name, $0.value.number ?? 0) }, uniquingKeysWith: { $1 })
    // Left out by name, so it costs nothing.
    if experiment.target == nil, arm.broker?.cluster == nil, let replicas = ProcessRunner.replicas(of: arm),
      replicas > 1
    {
      return Cost()
    }
    switch arm.work {
    case .bare(let bare):
      let run = PricedRun(
        options: options, dataMB: bare.data.flatMap { values.number($0.mb.text) }, isPaced: arm.paceOf != nil)
      var cost = bare.mechanism.cost(run)
      cost.seconds += Rates.bareOverheadSeconds
      return cost
    case .through(let broker):
      var cost = cost(of: arm, broker, options, values, at: experiment.target)
      if !experiment.broker(at: cell).isMillrace { cost.seconds += Rates.foreignBrokerSeconds }
      if let asked = try? ProcessRunner.security(of: broker, values) {
        cost.seconds += Rates.securedSeconds + Double(asked.acls ?? 0) / Rates.aclsPerSecond
      }
      if broker.cluster != nil { cost.replicate(values.filled(arm.options + (broker.phases.fill ?? []))) }
      return cost
    }
  }

  private static func cost(
    of arm: Arm, _ broker: Arm.Broker, _ options: [String: Double], _ values: RunValues, at target: Target?
  ) -> Cost {
    let phases = broker.phases
    var cost = Cost()
    switch phases.load {
    case .sustain:
      // Some twenty-five trials find a rate, ten make the curve; what they send is bounded by what a broker takes.
      let trials = values.filled(phases.options).contains { $0.name == "no-curve" && $0.value == "true" } ? 25.0 : 35
      let seconds = trials * (options["trial-seconds"] ?? 3)
      let bytes = seconds * Rates.produceBytesPerSecond / 2
      cost = Cost(
        seconds: seconds + Rates.brokerOverheadSeconds, bytes: bytes,
        diskBytes: stored(bytes, of: values.filled(broker.settings), options))
    case .twin:
      // Each step twice; the fresh topic of a step is deleted behind it.
      let (bytes, step) = (options["total-bytes"] ?? 0, options["step-bytes"] ?? 0)
      cost = Cost(
        seconds: 2 * bytes / Rates.twinBytesPerSecond + Rates.brokerOverheadSeconds
          + (step > 0 ? bytes / step * Rates.twinStepSeconds : 0),
        bytes: 2 * bytes, diskBytes: target?.isLocal == false ? 0 : (bytes + 2 * step) * Rates.storedPerPayload)
    case .connect:
      cost.seconds = (options["num-connections"] ?? 0) / Rates.connectionsPerSecond + Rates.brokerOverheadSeconds
    case .flow(.produce), .flow(.endToEnd):
      let load = offered(options)
      cost.seconds = load.seconds + Rates.brokerOverheadSeconds + distance(arm, values, options, load.bytes)
      cost.bytes = load.bytes
      let isElsewhere = options["null-sink"] != nil || target?.isLocal == false
      cost.diskBytes = isElsewhere ? 0 : stored(load.bytes, of: values.filled(broker.settings), options)
    case .flow(.consume):
      let bytes = payload(values.filled(phases.options + (phases.prepare ?? phases.fill ?? [])))
      // A tenth more for the warm-up.
      cost.seconds = options["duration"] ?? max(1.1 * bytes / Rates.consumeBytesPerSecond, paced(options))
      if phases.warm != nil { cost.seconds += bytes / Rates.consumeBytesPerSecond }
      if phases.restarts { cost.seconds = 2 * cost.seconds + Rates.brokerOverheadSeconds }
      cost.seconds += Rates.brokerOverheadSeconds
      cost.bytes = 1.1 * bytes
    }
    if let fill = phases.fill { cost.add(filling: payload(values.filled(fill))) }
    return cost
  }

  /// The most that a topic holds on disk of so many bytes: where retention is by size, what it keeps of each partition, and
  /// what comes in before it is looked at again and the deleted segments are gone.
  private static func stored(_ bytes: Double, of settings: [Setting], _ options: [String: Double]) -> Double {
    func number(_ key: String) -> Double? { settings.first { $0.name == key }?.value.number }
    let all = bytes * Rates.storedPerPayload
    guard let retention = number("log.retention.bytes"), retention >= 0 else { return all }
    let segment = number("log.segment.bytes") ?? Retention.segmentBytes
    let waitMs =
      (number("log.retention.check.interval.ms") ?? Retention.checkMs)
      + (number("log.segment.delete.delay.ms") ?? Retention.deleteDelayMs)
    let kept = (options["partitions"] ?? 1) * (retention + segment)
    return min(all, kept + waitMs / 1000 * Rates.produceBytesPerSecond * Rates.storedPerPayload)
  }

  /// Kafka's defaults, which are the broker's own.
  private enum Retention {
    static let segmentBytes = 1_073_741_824.0
    static let checkMs = 300_000.0, deleteDelayMs = 60_000.0
  }

  /// What a producing arm sends and how long that takes: so many records, for so long, at such a rate, or any of them.
  private static func offered(_ options: [String: Double]) -> (bytes: Double, seconds: Double) {
    // The generator's own default where nothing is said: no size at all would make the time no number.
    let size = options["record-size"] ?? 100
    let wanted = options["throughput"].flatMap { $0 > 0 ? $0 * size : nil } ?? Rates.produceBytesPerSecond
    let pace = min(wanted, Rates.produceBytesPerSecond)
    let most = options["duration"].map { duration in
      // In small requests less than the most.
      duration * min(pace, (options["batch-records"] ?? .infinity) * Rates.requestsPerSecond * size)
    }
    let asked = options["num-records"].map { $0 * size }
    let bytes = [most, asked].compactMap(\.self).min() ?? 0
    // A sink of known rate takes its own time.
    let requests = options["batch-records"].map { (options["num-records"] ?? 0) / max($0, 1) } ?? 0
    let served = (options["null-sink-service-us"] ?? 0) * requests / 1e6
    return (bytes, max(bytes / pace, served, options["num-records"] == nil ? options["duration"] ?? 0 : 0))
  }

  /// What a link and a round trip add to a run that has so much to send.
  private static func distance(
    _ arm: Arm, _ values: RunValues, _ options: [String: Double], _ bytes: Double
  ) -> Double {
    let rate = arm.broker?.network.linkMbitPerS.flatMap { values.number($0.text) } ?? 0
    let roundTrip = (arm.broker?.network.roundTripMs.flatMap { values.number($0.text) } ?? 0) / 1000
    // A run that ends after a time sends what it can until then.
    guard options["duration"] == nil else {
      return (rate > 0 ? Rates.linkSeconds : 0) + 10 * roundTrip
    }
    let codec = values.filled(arm.options).first { $0.name == "compression" }?.value.text ?? "none"
    let onWire = codec == "none" ? bytes : bytes * Rates.compressedShare
    let requests = options["batch-records"].map { (options["num-records"] ?? 0) / max($0, 1) } ?? 0
    let linked = rate > 0 ? onWire * 8 / 1e6 / rate + Rates.linkSeconds : 0
    return linked + roundTrip * (10 + requests / max(options["in-flight"] ?? 5, 1))
  }

  /// How long a reader takes that is held to a rate.
  private static func paced(_ options: [String: Double]) -> Double {
    guard let rate = options["throughput"], rate > 0 else { return 0 }
    return (options["num-records"] ?? 0) / rate
  }

  /// Records times their size.
  private static func payload(_ settings: [Setting]) -> Double {
    func number(_ name: String) -> Double { settings.first { $0.name == name }?.value.number ?? 0 }
    return number("num-records") * number("record-size")
  }
}

/// The values of one run: its levels, the fixed values, and what the campaign adds; fills placeholders.
package struct RunValues: Sendable {
  private(set) package var values: [String: Level]

  package init(_ run: PlannedRun, of experiment: Experiment, adding extra: [String: Level] = [:]) {
    values = Dictionary(experiment.fixed.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
    for (factor, level) in zip(run.cell.factors, run.cell.levels) { values[factor] = level }
    values.merge(extra) { $1 }
  }

  /// Settings with their placeholders filled; one without a value stays as it is written.
  package func filled(_ settings: [Setting]) -> [Setting] {
    settings.map {
      Setting(name: $0.name, value: Level(Placeholder.fill($0.value.text, from: values) ?? $0.value.text))
    }
  }

  package func number(_ text: String) -> Double? {
    Placeholder.fill(text, from: values).flatMap { Double($0) }
  }
}

extension RunCost {
  /// A topic filled before the run.
  mutating func add(filling filled: Double) {
    seconds += filled / Plan.Rates.preparedBytesPerSecond
    bytes += filled
    diskBytes += filled * Plan.Rates.storedPerPayload
  }

  /// Through a cluster, on whose brokers all replicas lie; they share this machine's cores and disk.
  mutating func replicate(_ options: [Setting]) {
    let replicas = max(1, options.first { $0.name == "replication-factor" }?.value.number ?? 1)
    seconds += Plan.Rates.clusterSeconds + (replicas - 1) * bytes / Plan.Rates.produceBytesPerSecond
    diskBytes *= replicas
  }

  /// When a run that takes longer than this is stopped.
  package var timeoutSeconds: Double { seconds * Plan.Limits.timeoutFactor + Plan.Limits.timeoutSeconds }
}
