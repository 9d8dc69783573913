package import Experiment
import Glibc
import Measure
import Results
import Verdict

/// End-to-end arms against a cluster that somebody else runs: a topic of their own for each run, deleted afterwards.
extension ProcessRunner {
  func measure(_ scene: Scene, _ asked: Arm.Load, at target: Target) throws(RunError) -> Measured {
    // Two campaigns of this name at one cluster differ in time or process.
    let topic = "millrace-\(experiment.name)-\(UTC.stamp())-\(getpid())-\(scene.run.order)"
    // A twin makes its topics itself.
    if asked != .twin {
      try topics(
        [
          "create", topic, "--partitions", "\(target.partitions)", "--replication-factor",
          "\(target.replicationFactor)",
        ],
        scene, target)
    }
    let before = MachineFigures.now(device: target.isLocal ? device : nil)
    let finished: Finished
    do throws(RunError) {
      finished = try load(scene, asked, topic, target)
    } catch {
      try? topics(["delete", topic], scene, target)
      throw error
    }
    let after = MachineFigures.now(device: target.isLocal ? device : nil)
    var warnings = [Target.blindness]
    // A twin of fresh partitions alone has no topic that grows.
    let isThere = asked != .twin || !scene.arm.options.contains { $0.name == "fresh-only" && $0.value.text == "true" }
    do throws(RunError) {
      if isThere { try topics(["delete", topic], scene, target) }
    } catch {
      warnings.append("topic \(topic) is left behind: \(error)")
    }
    return measured(scene, target, finished, before, after, warnings)
  }

  private func measured(
    _ scene: Scene, _ target: Target, _ finished: Finished, _ before: MachineFigures, _ after: MachineFigures,
    _ warnings: [String]
  ) -> Measured {
    var metrics = finished.figures.metrics
    Self.countPlainPayload(&metrics, scene.values.filled(scene.arm.options))
    addMachine(&metrics, before, after, dirty: finished.dirtyMaxMiB)
    // A local target's own work would be counted as others', and as a disturbance.
    if target.isLocal { metrics[.otherCPUPercent] = nil }
    var check = Reconciliation()
    check.integrity(finished.figures)
    let options = scene.values.filled(scene.arm.options)
    check.records(asked: options.first { $0.name == "num-records" }?.value.number, moved: metrics[.records])
    let isPaced = options.contains { $0.name == "throughput" && ($0.value.number ?? -1) > 0 }
    if let fault = Saturation.fault(metrics, client: scene.arm.client, isPaced: isPaced) { check.note(fault: fault) }
    // A run too short for a share of the generator's tells of no bottleneck.
    let limitation = metrics[.clientCPUShare].map { share in
      Limitation(
        share >= BottleneckEvidence.Limits.saturated ? .generator : .target, of: .broker, [.clientCPU: share])
    }
    var result = measured(
      scene, metrics, IntervalSeries(path: "\(scene.directory)/intervals.csv"), check, limitation,
      cache: (.unknown, nil), dirty: target.isLocal ? finished.dirty : [], figures: finished.figures)
    result.warnings += warnings
    return result
  }

  private func load(_ scene: Scene, _ load: Arm.Load, _ topic: String, _ target: Target) throws(RunError) -> Finished {
    var arguments = [load.verb, "--bootstrap-server", target.address, "--topic", topic, "--json", "--quiet"]
    arguments += Self.arguments(scene.values.filled(scene.arm.options).filter { $0.name != "partitions" })
    if load == .twin { arguments += windowArguments + ["--replication-factor", "\(target.replicationFactor)"] }
    arguments += ["--intervals-csv", "\(scene.directory)/intervals.csv"]
    return try finish(programs.load, arguments, scene, "load")
  }

  /// `millrace topics ...` to its end, Ctrl-C or not: what was made there must go again.
  private func topics(_ words: [String], _ scene: Scene, _ target: Target) throws(RunError) {
    try Self.run(programs.millrace, ["topics"] + words + ["--bootstrap-server", target.address], in: scene.directory)
  }

  private enum TopicLimits {
    static let topicSeconds = 60.0
  }

  /// Whether the target answers; throws what it said.
  package static func probe(_ target: Target, programs: Programs, scratch: String) throws(RunError) {
    try run(programs.millrace, ["topics", "list", "--bootstrap-server", target.address], in: scratch)
  }

  /// A program of ours to its end, of which only its success counts.
  static func run(
    _ program: String, _ arguments: [String], in directory: String, out: String = "/dev/null"
  ) throws(RunError) {
    let errors = "\(directory)/topics.log"
    let child: ChildProcess
    do {
      child = try ChildProcess(program: program, arguments: arguments, outPath: out, errPath: errors)
    } catch {
      throw .failed("\(error)")
    }
    let deadline = Uptime.seconds + TopicLimits.topicSeconds
    while child.poll() == nil, Uptime.seconds < deadline { Uptime.nap(milliseconds: 5) }
    guard let end = child.poll() else { throw .failed("\(arguments.joined(separator: " ")) did not end") }
    guard end == .exited(0) else { throw .failed(BrokerProcess.lastLine(errors)) }
  }
}
