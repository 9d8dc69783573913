package import Base

/// The results of a run that agents shared: sums, histograms added without loss, and each agent's own figures.
package struct SpreadReport: Sendable {
  package let plan: LoadPlan
  let agents: [AgentResult]
  package let records: Int, bytes: Int
  /// From the first agent's beginning to the last one's end, by ZooKeeper's clock as each has measured it.
  package let seconds: Double
  package let service: Latency, response: Latency, endToEnd: Latency
  private let counts: [(name: String, sum: Int)]
  let cpuSeconds: Double

  /// The counts of a run's report that add up.
  private static let countNames = [
    "batches", "batch_bytes", "requests", "retries", "wire_bytes_sent", "wire_bytes_received", "lost", "duplicated",
    "reordered", "corrupt", "unread", "verified", "errors", "commits", "refused_commits", "rebalances", "losses",
    "transactions_committed", "transactions_aborted", "aborted_records", "skipped_records", "misplaced_keys",
  ]

  init(_ plan: LoadPlan, _ agents: [AgentResult]) {
    self.plan = plan
    self.agents = agents
    let reports = agents.compactMap(\.report)
    func sum(_ name: String) -> Int {
      reports.reduce(0) { $0.addingReportingOverflow(Int(clamping: $1[name]?.asInt ?? 0)).partialValue }
    }
    records = sum("records")
    bytes = sum("bytes")
    counts = Self.countNames.map { ($0, sum($0)) }
    cpuSeconds = reports.reduce(0) { $0 + ($1["cpu_seconds"]?.asDouble ?? 0) }
    let spans = agents.compactMap { agent -> (begin: Double, end: Double)? in
      guard let seconds = agent.report?["seconds"]?.asDouble, seconds > 0 else { return nil }
      let begin = (agent.clock.lateMs ?? 0) / 1000
      return (begin, begin + seconds)
    }
    seconds = (spans.map(\.end).max() ?? 0) - (spans.map(\.begin).min() ?? 0)
    var latencies: [String: Latency] = [:]
    for agent in agents {
      for (kind, latency) in LatencyFile.read(agent.histograms) ?? [:] {
        latencies[kind, default: Latency()].add(latency)
      }
    }
    service = latencies["service"] ?? Latency()
    response = latencies["response"] ?? Latency()
    endToEnd = latencies["end_to_end"] ?? Latency()
  }

  /// True if every agent has a good report.
  package var isGood: Bool { agents.allSatisfy { $0.isGood && $0.failure == nil } }

  package var recordsPerSecond: Double { seconds > 0 ? Double(records) / seconds : 0 }
  package var mibPerSecond: Double { seconds > 0 ? Double(bytes) / seconds / 1_048_576 : 0 }

  /// The most by which the agents' beginnings may differ, in ms: what each was late, and what is not known of its clock. Nil where an
  /// agent's clock is not known.
  var skewMs: Double? {
    let bounds = agents.filter { $0.report != nil }.map { agent -> (least: Double, most: Double)? in
      guard let late = agent.clock.lateMs, let offset = agent.clock.offset else { return nil }
      let error = Double(offset.errorNs) / 1e6
      return (late - error, late + error)
    }
    guard !bounds.isEmpty, bounds.allSatisfy({ $0 != nil }) else { return nil }
    let known = bounds.compactMap(\.self)
    return (known.map(\.most).max() ?? 0) - (known.map(\.least).min() ?? 0)
  }

  /// The agents whose generator was the bottleneck.
  var limited: [String] {
    agents.filter { $0.report?["bottleneck"]?.asString == "generator" }.map(\.agent)
  }

  package var fields: [(name: String, value: JSON)] {
    var fields: [(name: String, value: JSON)] = [
      ("command", .string(plan.command.rawValue)), ("records", .count(records)), ("bytes", .count(bytes)),
      ("seconds", .figure(seconds)), ("records_per_s", .figure(recordsPerSecond)), ("mib_per_s", .figure(mibPerSecond)),
      ("service_latency_ms", .latency(service)), ("response_latency_ms", .latency(response)),
      ("end_to_end_latency_ms", .latency(endToEnd)),
    ]
    fields += counts.map { ($0.name, .count($0.sum)) }
    fields += [
      ("cpu_seconds", .figure(cpuSeconds)), ("start_skew_most_ms", skewMs.map { .figure($0) } ?? .null),
      ("limited_agents", .array(limited.map { .string($0) })), ("agents", .array(agents.map(Self.fields))),
    ]
    return fields
  }

  private static func fields(of agent: AgentResult) -> JSON {
    let own: [(name: String, value: JSON)] = [
      ("name", .string(agent.agent)), ("failure", agent.failure.map { .string($0) } ?? .null),
    ]
    return JSON.object(own + agent.clock.fields + [("report", agent.report ?? .null)])
  }

  package var histograms: String {
    LatencyFile.header + "\n" + LatencyFile.rows("service", service) + LatencyFile.rows("response", response)
      + LatencyFile.rows("end_to_end", endToEnd)
  }

  /// Formats the summary for a person.
  package var summary: String {
    func count(_ name: String) -> Int { counts.first { $0.name == name }?.sum ?? 0 }
    var lines = [
      "\(plan.command.rawValue) by \(agents.count) agents: \(Number.grouped(records)) records in \(Number.fixed(seconds, 3)) s",
      "  throughput     \(Number.rate(recordsPerSecond)) records/s, \(Number.fixed(mibPerSecond, 1)) MiB/s of keys and values",
    ]
    for (name, latency) in [("service time ", service), ("response time", response), ("end to end   ", endToEnd)]
    where latency.count > 0 { lines.append("  \(name)  \(Output.percentiles(latency))") }
    if plan.command != .produce, plan.verifies {
      lines.append(
        "  integrity      \(Number.grouped(count("verified"))) verified, \(Number.grouped(count("lost"))) lost, "
          + "\(Number.grouped(count("duplicated"))) duplicated, \(Number.grouped(count("reordered"))) reordered, "
          + "\(Number.grouped(count("corrupt"))) corrupt")
    }
    lines.append(
      "  together       "
        + (skewMs.map { "all began within \(Number.fixed($0, 3)) ms of each other" }
          ?? "how far apart the agents began is not known: a clock was set meanwhile"))
    if !limited.isEmpty {
      lines.append("  limiter        the generator on \(limited.joined(separator: ", ")), so the target may do more")
    }
    for agent in agents { lines.append("  \(Self.line(of: agent))") }
    return lines.joined(separator: "\n")
  }

  private static func line(of agent: AgentResult) -> String {
    guard let report = agent.report else { return "\(agent.agent): FAILED: \(agent.failure ?? "no report")" }
    let rate = report["records_per_s"]?.asDouble ?? 0
    let late = agent.clock.lateMs.map { "began \(Number.fixed($0, 3)) ms late" } ?? "began at an unknown time"
    let clock =
      agent.clock.offset.map { "clock known to ±\(Number.fixed(Double($0.errorNs) / 1e6, 3)) ms" } ?? "clock unknown"
    let error = report["first_error"]?.asString.map { ", first error: \($0)" } ?? ""
    return "\(agent.agent): \(Number.rate(rate)) records/s, \(late), \(clock)" + (agent.isGood ? "" : ", NOT GOOD")
      + error
  }
}
