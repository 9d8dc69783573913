import Experiment
import Load
import Measure
import Verdict

/// Runs behind a link of their own, or a round trip away: what is counted there, and what must agree.
extension ProcessRunner {
  /// What was counted before the load, and what is made of it after.
  struct NetworkCount {
    let network: RunNetwork
    let before: LinkFigures?
    let relayCPUBefore: Double?

    init?(_ network: RunNetwork?, broker: Int32) {
      guard let network else { return nil }
      self.network = network
      before = network.linkFigures(broker: broker)
      relayCPUBefore = network.relayCPUSeconds
    }

    /// CPU seconds of the relay since then.
    var relayCPU: Double { max(0, (network.relayCPUSeconds ?? 0) - (relayCPUBefore ?? 0)) }

    /// Since then; nil without a link.
    func passed(broker: Int32) -> LinkFigures? {
      guard let before, let after = network.linkFigures(broker: broker) else { return nil }
      return after - before
    }
  }

  static func add(_ passed: LinkFigures?, linkMbitPerSecond rate: Double?, to metrics: inout [String: Double]) {
    guard let passed, let rate else { return }
    metrics[.linkBytes] = Double(passed.interfaceBytes)
    if let records = metrics[.records], records > 0 {
      metrics[.packetsPerRecord] = Double(passed.packets) / records
    }
    if let seconds = metrics[.seconds], seconds > 0 {
      metrics[.linkPercent] = 100 * Double(passed.busierBytes) * 8 / 1e6 / seconds / rate
    }
  }

  /// The interface's bytes against the client's, and the relay against what it can carry.
  func reconcileNetwork(
    _ check: inout Reconciliation, _ count: NetworkCount?, _ passed: LinkFigures?, _ metrics: [String: Double]
  ) {
    guard let count else {
      let beside = metrics["beside_wire_bytes"] ?? 0
      check.loopback(interface: metrics[.loopbackBytes], client: metrics[.wireBytes].map { $0 + beside })
      return
    }
    if let fault = count.network.relayFault { check.note(fault: fault) }
    if count.network.link != nil {
      guard let passed else { return check.note(fault: "the link's counters could not be read") }
      check.link(interface: Double(passed.payloadBytes), client: metrics[.wireBytes])
    } else {
      // To the relay and on to the broker: loopback carries each byte twice.
      check.loopback(interface: metrics[.loopbackBytes], client: metrics[.wireBytes].map { $0 * 2 })
    }
    guard count.network.roundTripMs > 0, let seconds = metrics[.seconds], seconds > 0 else { return }
    check.relay(
      carried: metrics[.wireBytes].map { $0 / 1e6 / seconds },
      most: ceiling?.figures[Self.relayFigure(roundTripMs: count.network.roundTripMs)])
  }

  /// The name of the relay's ceiling in `ceiling.json`: `relay_5ms_mb_per_s`, by its delay one way.
  static func relayFigure(roundTripMs: Double) -> String { "relay_\(Figures.text(roundTripMs / 2))ms_mb_per_s" }

  /// What the relay carries at the most, without a delay and with each delay of the experiment; by name, in MB/s. Empty where
  /// no arm has a round trip.
  package func relayCapacity() throws(RunError) -> [String: Double] {
    var roundTrips: Set<Double> = []
    for cell in Matrix(experiment).cells {
      guard let text = experiment.arm(named: cell.arm)?.broker?.network.roundTripMs?.text else { continue }
      let values = RunValues(PlannedRun(order: 0, replicate: 1, cell: cell), of: experiment)
      if let roundTrip = values.number(text), roundTrip > 0 { roundTrips.insert(roundTrip) }
    }
    guard !roundTrips.isEmpty, let arm = experiment.arms.first(where: { $0.broker?.network.roundTripMs != nil }),
      let cell = Matrix(experiment).cells.first(where: { $0.arm == arm.name })
    else { return [:] }
    let run = PlannedRun(order: 0, replicate: 1, cell: cell)
    let scene = Scene(
      run: run, arm: arm, values: RunValues(run, of: experiment), directory: scratch, group: nil,
      timeout: Plan.Limits.timeoutSeconds, network: nil)
    var found: [String: Double] = [:]
    for roundTrip in roundTrips.union([0]).sorted() {
      let arguments = ["relay", "--self-test", "--delay-ms", "\(roundTrip / 2)", "--congestion-control", "cubic"]
      let figures = try finish(programs.load, arguments, scene, "relay").figures
      found[Self.relayFigure(roundTripMs: roundTrip)] = figures["mb_per_s"]
    }
    return found
  }

  /// System calls and requests by the record, and those of the broker as /proc/PID/io counts them.
  static func addCounts(
    _ metrics: inout [String: Double], _ before: ProcessFigures, _ after: ProcessFigures, _ figures: ReportedFigures
  ) {
    let calls = Double(after.ioCalls - before.ioCalls)
    metrics[.systemCalls] = calls
    if let records = metrics[.records], records > 0 { metrics[.systemCallsPerRecord] = calls / records }
    if let requests = figures["requests"], let seconds = metrics[.seconds], seconds > 0 {
      metrics[.requestsPerSecond] = requests / seconds
    }
  }
}
