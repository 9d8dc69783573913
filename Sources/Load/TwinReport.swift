package import Base
import Client
import Glibc

/// Holds the results of a `TwinRun`, step by step, and sums them over windows.
package struct TwinReport: Sendable {
  package let plan: TwinPlan
  package var steps: [TwinRun.Step] = []
  package var errors = 0
  package var retries = 0
  package var wireBytesSent = 0, wireBytesReceived = 0
  /// From the first step's begin to the last one's end.
  package var elapsedSeconds = 0.0
  /// CPU of the generator.
  package var cpuSeconds = 0.0
  /// Of each part the busiest thread's share.
  private var shares: [Double] = []
  package var congestionControl: String?
  package var firstError: String?
  package var isInterrupted = false

  package init(plan: TwinPlan) { self.plan = plan }

  mutating func count(_ found: LoadReport) {
    errors += found.errors
    retries += found.retries
    wireBytesSent += found.wireBytesSent
    wireBytesReceived += found.wireBytesReceived
    if let share = found.cpuShares.max() { shares.append(share) }
    congestionControl = congestionControl ?? found.congestionControl
    firstError = firstError ?? found.firstError?.description
  }

  package var isGood: Bool { errors == 0 && steps.count == plan.steps }

  /// The steps of one window, summed.
  package struct Window: Sendable {
    package var level: Int
    package var grown: TwinRun.Part
    package var fresh: TwinRun.Part
    /// The geometric mean over the steps: grown over fresh, in CPU seconds a byte. Above 1 the volume costs. Nil without
    /// `--broker-pid`.
    package var cpuRatio: Double?
    /// The same of the bytes a second. Below 1 the volume slows.
    package var rateRatio: Double?
  }

  /// A window for each level that the run reached.
  package var windows: [Window] {
    var start = plan.from << 20
    return plan.levels.compactMap { level in
      // The last step of a window ends at its level, but for what of a record did not fit.
      let end = level << 20
      let slack = plan.stepBytes / 2
      let inside = steps.filter { $0.storedBytes > start + slack && $0.storedBytes <= end + slack }
      guard let last = steps.last, last.storedBytes + slack >= end, !inside.isEmpty else { return nil }
      start = end
      return Window(
        level: level, grown: Self.sum(inside.map(\.grown)), fresh: Self.sum(inside.map(\.fresh)),
        cpuRatio: Self.meanRatio(inside) { part in part.cpuSeconds.map { $0 / Double(max(part.bytes, 1)) } },
        rateRatio: Self.meanRatio(inside) { $0.seconds > 0 ? Double($0.bytes) / $0.seconds : nil })
    }
  }

  private static func sum(_ parts: [TwinRun.Part]) -> TwinRun.Part {
    var sum = TwinRun.Part(bytes: 0, records: 0, seconds: 0, cpuSeconds: 0, service: Latency())
    for part in parts {
      sum.bytes += part.bytes
      sum.records += part.records
      sum.seconds += part.seconds
      sum.cpuSeconds = sum.cpuSeconds.flatMap { all in part.cpuSeconds.map { all + $0 } }
      sum.service.add(part.service)
    }
    return sum
  }

  private static func meanRatio(_ steps: [TwinRun.Step], _ value: (TwinRun.Part) -> Double?) -> Double? {
    let logs = steps.compactMap { step -> Double? in
      guard let grown = value(step.grown), let fresh = value(step.fresh), grown > 0, fresh > 0 else { return nil }
      return log(grown / fresh)
    }
    guard logs.count == steps.count, !logs.isEmpty else { return nil }
    return exp(logs.reduce(0, +) / Double(logs.count))
  }
}

extension TwinReport {
  private var grown: TwinRun.Part { Self.sum(steps.map(\.grown)) }

  package var summary: String {
    var lines = [
      "twin: \(Number.grouped(steps.count)) steps of \(Number.grouped(plan.stepBytes)) bytes"
        + (isInterrupted ? " (interrupted)" : "") + ", each to \(plan.base.topic) and to a fresh topic"
    ]
    for window in windows {
      func figure(_ part: TwinRun.Part) -> String {
        "\(Number.fixed(part.mibPerSecond, 0)) MiB/s"
          + (part.cpuSecondsPerGB.map { ", \(Number.fixed($0, 3)) CPU-s/GB" } ?? "")
      }
      lines.append(
        "  to \(Number.grouped(window.level)) MiB   grown \(figure(window.grown))   fresh \(figure(window.fresh))   "
          + "ratio of rates \(window.rateRatio.map { Number.fixed($0, 3) } ?? "-")"
          + (window.cpuRatio.map { ", of CPU \(Number.fixed($0, 3))" } ?? ""))
    }
    if let firstError { lines.append("  errors \(errors), the first: \(firstError)") }
    return lines.joined(separator: "\n")
  }

  func line(of step: TwinRun.Step) -> String {
    "\(Number.grouped(step.storedBytes >> 20)) MiB stored: grown \(Number.fixed(step.grown.mibPerSecond, 0)), "
      + "fresh \(Number.fixed(step.fresh.mibPerSecond, 0)) MiB/s"
  }

  /// The names of the figures of a window are those of the harness's metrics.
  package var fields: [(name: String, value: JSON)] {
    let all = grown
    return [
      ("command", .string(TwinPlan.command)), ("steps", .count(steps.count)), ("step_bytes", .count(plan.stepBytes)),
      ("records", .count(all.records)), ("bytes", .count(all.bytes)), ("seconds", .figure(all.seconds)),
      ("elapsed_seconds", .figure(elapsedSeconds)),
      ("records_per_s", .figure(all.seconds > 0 ? Double(all.records) / all.seconds : 0)),
      ("mib_per_s", .figure(all.mibPerSecond)), ("service_latency_ms", .latency(all.service)),
      ("wire_bytes_sent", .count(wireBytesSent)), ("wire_bytes_received", .count(wireBytesReceived)),
      ("errors", .count(errors)), ("retries", .count(retries)),
      ("first_error", firstError.map { .string($0) } ?? .null), ("cpu_seconds", .figure(cpuSeconds)),
      ("client_cpu_share", shares.isEmpty ? .null : .figure(shares.sorted()[shares.count / 2])),
      ("congestion_control", congestionControl.map { .string($0) } ?? .null), ("interrupted", .bool(isInterrupted)),
      ("at", .object(windows.map { ("\($0.level)", .object($0.fields)) })),
    ]
  }

  package static let intervalsHeader =
    "t_s,records,bytes,cumulative_bytes,mib_per_s,p50_ms,p99_ms,cpu_s_per_gb,fresh_mib_per_s,fresh_p99_ms,fresh_cpu_s_per_gb\n"

  /// One row a step. `t_s` is time spent on the growing topic alone.
  package var intervals: String {
    var seconds = 0.0
    return steps.reduce(into: Self.intervalsHeader) { text, step in
      seconds += step.grown.seconds
      func number(_ value: Double?) -> String { value.map { Number.exact($0) } ?? "" }
      func ms(_ part: TwinRun.Part, _ p: Double) -> String {
        number(part.service.percentile(p).map { Double($0) / 1e6 })
      }
      let cells = [
        number(seconds), String(step.grown.records), String(step.grown.bytes), String(step.storedBytes),
        number(step.grown.mibPerSecond), ms(step.grown, 0.5), ms(step.grown, 0.99), number(step.grown.cpuSecondsPerGB),
        number(step.fresh.mibPerSecond), ms(step.fresh, 0.99), number(step.fresh.cpuSecondsPerGB),
      ]
      text += cells.joined(separator: ",") + "\n"
    }
  }
}

extension TwinReport.Window {
  fileprivate var fields: [(name: String, value: JSON)] {
    func figure(_ value: Double?) -> JSON { value.map { .figure($0) } ?? .null }
    func ms(_ p: Double) -> JSON { figure(grown.service.percentile(p).map { Double($0) / 1e6 }) }
    return [
      ("mib_per_s", .figure(grown.mibPerSecond)), ("fresh_mib_per_s", .figure(fresh.mibPerSecond)),
      ("cpu_s_per_gb", figure(grown.cpuSecondsPerGB)), ("fresh_cpu_s_per_gb", figure(fresh.cpuSecondsPerGB)),
      ("grown_over_fresh_cpu", figure(cpuRatio)), ("grown_over_fresh_rate", figure(rateRatio)),
      ("service_p50_ms", ms(0.5)), ("service_p99_ms", ms(0.99)), ("service_p99_9_ms", ms(0.999)),
    ]
  }
}

extension TwinRun.Part {
  package var mibPerSecond: Double { seconds > 0 ? Double(bytes) / seconds / 1_048_576 : 0 }
  package var cpuSecondsPerGB: Double? { bytes > 0 ? cpuSeconds.map { $0 / (Double(bytes) / 1e9) } : nil }
}
