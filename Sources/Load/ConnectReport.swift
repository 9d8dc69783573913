package import Base

/// Holds what one event loop, or all of them, have counted.
package struct ConnectCounts: Sendable {
  package var made = 0
  package var errors = 0
  package var firstError: String?
  /// From connecting to the answer.
  package var latency = Latency()
  /// The CPU share of each loop's thread; nothing of loops that ran too shortly to tell.
  package var cpuShares: [Double] = []

  mutating func add(_ other: ConnectCounts) {
    made += other.made
    errors += other.errors
    firstError = firstError ?? other.firstError
    latency.add(other.latency)
    cpuShares += other.cpuShares
  }
}

/// Holds the figures of a run of connections.
package struct ConnectReport: Sendable {
  package let plan: ConnectPlan
  package let counts: ConnectCounts
  package let seconds: Double
  /// Of the whole program.
  package let cpuSeconds: Double
  package let wasInterrupted: Bool

  package var connectionsPerSecond: Double { seconds > 0 ? Double(counts.made) / seconds : 0 }
  package var isGood: Bool { counts.errors == 0 && (wasInterrupted || counts.made == plan.connections) }

  package var fields: [(name: String, value: JSON)] {
    func ms(_ ns: UInt64?) -> JSON { ns.map { .figure(Double($0) / 1e6) } ?? .null }
    return [
      ("command", .string(ConnectPlan.command)), ("num_connections", .count(plan.connections)),
      ("concurrency", .count(plan.concurrency)), ("connections_made", .count(counts.made)),
      ("seconds", .figure(seconds)), ("connections_per_s", .figure(connectionsPerSecond)),
      ("connect_p50_ms", ms(counts.latency.percentile(0.5))), ("connect_p99_ms", ms(counts.latency.percentile(0.99))),
      ("connect_max_ms", ms(counts.latency.maxNs)), ("cpu_seconds", .figure(cpuSeconds)),
      ("client_cpu_share", counts.cpuShares.max().map { .figure($0) } ?? .null), ("errors", .count(counts.errors)),
      ("first_error", counts.firstError.map { .string($0) } ?? .null),
      ("ending", .string(wasInterrupted ? "interrupted" : "complete")),
    ]
  }

  package var summary: String {
    func ms(_ ns: UInt64?) -> String { ns.map { Number.fixed(Double($0) / 1e6, 3) } ?? "-" }
    var lines = [
      "connect: \(Number.grouped(counts.made)) connections in \(Number.fixed(seconds, 3)) s"
        + (wasInterrupted ? " (interrupted)" : ""),
      "  rate           \(Number.rate(connectionsPerSecond)) connections/s, \(plan.concurrency) at a time",
      "  each           p50 \(ms(counts.latency.percentile(0.5))) ms, p99 \(ms(counts.latency.percentile(0.99))) ms, "
        + "max \(ms(counts.latency.maxNs)) ms",
      "  generator      \(Number.fixed(cpuSeconds, 3)) CPU-s, busiest thread "
        + (counts.cpuShares.max().map { "\(Int($0 * 100)) % of a core" } ?? "not measured: the run was too short"),
    ]
    if let error = counts.firstError { lines.append("  errors         \(counts.errors), the first: \(error)") }
    return lines.joined(separator: "\n")
  }
}
