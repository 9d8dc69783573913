import Base
import Client

/// Carries out a `TwinPlan`: its steps, each to the growing topic and to a fresh one.
package struct TwinRun: Sendable {
  package let plan: TwinPlan
  package let isInterrupted: @Sendable () -> Bool
  package let tell: @Sendable (String) -> Void

  package init(
    _ plan: TwinPlan, isInterrupted: @escaping @Sendable () -> Bool, tell: @escaping @Sendable (String) -> Void
  ) {
    self.plan = plan
    self.isInterrupted = isInterrupted
    self.tell = tell
  }

  /// One topic's part of a step.
  package struct Part: Sendable {
    package var bytes: Int
    package var records: Int
    package var seconds: Double
    /// CPU seconds of the broker, until it came to rest; nil without `--broker-pid`.
    package var cpuSeconds: Double?
    package var service: Latency

    package init(bytes: Int, records: Int, seconds: Double, cpuSeconds: Double?, service: Latency) {
      self.bytes = bytes
      self.records = records
      self.seconds = seconds
      self.cpuSeconds = cpuSeconds
      self.service = service
    }
  }

  package struct Step: Sendable {
    /// Bytes in the growing topic after the step.
    package var storedBytes: Int
    package var grown: Part
    package var fresh: Part

    package init(storedBytes: Int, grown: Part, fresh: Part) {
      self.storedBytes = storedBytes
      self.grown = grown
      self.fresh = fresh
    }
  }

  /// - Throws: `ClientError` or `PlanError` when a step could not be done; what was measured until then is lost.
  package func run() async throws -> TwinReport {
    let cpuStart = Clocks.processCPUSeconds()
    let startNs = Clocks.monotonicNs()
    let replication = plan.base.replicationFactor
    let security = try security()
    func create(_ topic: String) async throws {
      try await ClusterTopics.create(
        topic, partitions: 1, replicationFactor: replication, at: servers, security: security)
    }
    var report = TwinReport(plan: plan)
    if !plan.isFreshOnly { try await create(plan.base.topic) }
    for number in 0..<plan.steps where !isInterrupted() {
      var parts: [Bool: Part] = [:]
      var names: [String] = []
      do {
        for grows in plan.growsFirst(at: number) ? [true, false] : [false, true] {
          var topic = plan.base.topic
          if !grows || plan.isFreshOnly {
            topic += "_fresh_\(number)_\(grows ? "a" : "b")"
            try await create(topic)
            names.append(topic)
          }
          let (part, found) = try await measure(topic)
          parts[grows] = part
          report.count(found)
        }
      } catch {
        // The cluster may be another's: what was made there goes again.
        try? await delete(names)
        throw error
      }
      try await delete(names)
      rest()
      guard let grown = parts[true], let fresh = parts[false] else { break }
      let stored = (report.steps.last?.storedBytes ?? 0) + grown.bytes
      report.steps.append(Step(storedBytes: stored, grown: grown, fresh: fresh))
      if report.steps.count % Self.toldEvery == 0 { tell(report.line(of: report.steps[report.steps.count - 1])) }
    }
    report.isInterrupted = isInterrupted()
    report.elapsedSeconds = Double(Clocks.monotonicNs() - startNs) / 1e9
    report.cpuSeconds = Clocks.processCPUSeconds() - cpuStart
    return report
  }

  private static let toldEvery = 8

  private func delete(_ topics: [String]) async throws {
    let security = try security()
    for topic in topics { try await ClusterTopics.delete(topic, at: servers, security: security) }
  }

  /// What `--command-config` says.
  private func security() throws -> ConnectionSecurity? {
    try plan.base.commandConfig.flatMap { try CommandConfig.security($0) }
  }

  private var servers: String { plan.base.bootstrapServers.map(\.description).joined(separator: ",") }

  private func measure(_ topic: String) async throws -> (Part, LoadReport) {
    var one = plan.base
    one.topic = topic
    one.isQuiet = true
    rest()
    let before = try brokerCPU()
    let found = try await Run(one, isInterrupted: isInterrupted, observe: { _ in }).run()
    // What the broker does behind the last acknowledgement (it flushes a rolled segment) belongs to the step.
    rest()
    let after = try brokerCPU()
    let part = Part(
      bytes: found.bytes, records: found.records, seconds: found.seconds,
      cpuSeconds: before.flatMap { before in after.map { $0 - before } }, service: found.service)
    return (part, found)
  }

  private func brokerCPU() throws -> Double? {
    guard let pid = plan.brokerPID else { return nil }
    guard let seconds = ProcessCPU.seconds(of: pid) else { throw PlanError("--broker-pid \(pid): no such process") }
    return seconds
  }

  /// Waits until the broker's process uses no CPU, or a second.
  private func rest() {
    guard let pid = plan.brokerPID, var last = ProcessCPU.seconds(of: pid) else { return }
    let end = Clocks.bootMs() + TwinPlan.Limits.restMs
    while Clocks.bootMs() < end {
      Clocks.nap(milliseconds: TwinPlan.Limits.lookMs)
      guard let now = ProcessCPU.seconds(of: pid), now - last >= TwinPlan.Limits.restCPUSeconds else { return }
      last = now
    }
  }
}
