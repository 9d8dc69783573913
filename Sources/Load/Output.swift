import Base
import Compression
import Foundation
import Measure

/// Writes a run's results to files, the terminal and standard output.
package enum Output {
  /// Formats the summary for a person.
  package static func summary(_ report: LoadReport) -> String {
    var lines = [
      "\(report.plan.command.rawValue): \(Number.grouped(report.records)) records of \(report.plan.topic.isEmpty ? "null" : report.plan.topic)"
        + " in \(Number.fixed(report.seconds, 3)) s"
        + (report.ending == .complete ? "" : " (\(report.ending.rawValue))"),
      "  throughput     \(Number.rate(report.recordsPerSecond)) records/s, \(Number.fixed(report.mibPerSecond, 1)) MiB/s of keys and values",
    ]
    for (name, latency) in [
      ("service time", report.service), ("response time", report.response), ("end to end", report.endToEnd),
    ] where latency.count > 0 {
      lines.append("  \(name.padding(toLength: 14, withPad: " ", startingAt: 0)) \(percentiles(latency))")
    }
    lines.append(
      "  on the wire    \(Number.grouped(report.wireBytesSent)) bytes sent, \(Number.grouped(report.wireBytesReceived)) received, "
        + "\(Number.grouped(report.requests)) requests, \(Number.grouped(report.retries)) retries")
    if let ratio = report.compressionRatio, report.plan.codec != .none {
      lines.append("  compression    \(report.plan.codec.name) \(Number.fixed(ratio, 2)):1")
    }
    if report.plan.command != .produce, report.plan.verifies || report.integrity.corrupt > 0 {
      let found = report.integrity
      lines.append(
        "  integrity      \(Number.grouped(found.verified)) verified, \(Number.grouped(found.lost)) lost, "
          + "\(Number.grouped(found.duplicated)) duplicated, \(Number.grouped(found.reordered)) reordered, "
          + "\(Number.grouped(found.corrupt)) corrupt"
          + (found.unread > 0 ? ", \(Number.grouped(found.unread)) not read" : ""))
    }
    if let groups = report.groups {
      lines.append(
        "  group          \(Number.grouped(groups.rebalances)) assignments, \(Number.grouped(groups.losses)) losses, "
          + "\(Number.grouped(groups.commits)) commits, \(Number.grouped(groups.refusedCommits)) refused")
      if groups.pauses.count > 0 { lines.append("  paused for     \(percentiles(groups.pauses))") }
    }
    if report.plan.transactionRecords != nil {
      let transactions = report.transactions
      lines.append(
        "  transactions   \(Number.grouped(transactions.committed)) committed, "
          + "\(Number.grouped(transactions.aborted)) aborted with \(Number.grouped(transactions.abortedRecords)) records"
      )
      if transactions.latency.count > 0 { lines.append("  each           \(percentiles(transactions.latency))") }
    }
    if report.plan.readsCommitted {
      lines.append(
        "  skipped        \(Number.grouped(report.transactions.skippedRecords)) records of aborted transactions")
    }
    if report.plan.throughput != nil {
      lines.append(
        "  schedule       generator late by at most \(Number.fixed(report.scheduleLagMaxMs, 3)) ms, "
          + "backlog at most \(Number.fixed(report.backlogMaxMs, 3)) ms")
    }
    lines.append(
      "  generator      \(Number.fixed(report.cpuSeconds, 3)) CPU-s, busiest thread "
        + (report.cpuShares.max().map { "\(Int($0 * 100)) % of a core" } ?? "not measured: the run was too short")
        + (report.congestionControl.map { ", TCP \($0)" } ?? ""))
    lines.append("  limited by     \(limiter(report))")
    if let error = report.firstError { lines.append("  errors         \(report.errors), the first: \(error)") }
    return lines.joined(separator: "\n")
  }

  /// Describes the bottleneck.
  static func limiter(_ report: LoadReport) -> String {
    let busy = report.cpuShares.max().map { "\(Int($0 * 100)) % of a core" } ?? "an unknown share of a core"
    switch report.bottleneck {
    case .pace:
      return "the schedule: the target kept up"
        + (report.plan.throughput.map { " with \(Number.short($0)) records/s" } ?? "")
    case .generator: return "the generator: one of its threads used \(busy), so the target may do more"
    case nil:
      return
        "too short to tell: below \(Number.fixed(Limits.shareSecondsMin, 1)) s starting and stopping are most of a run"
    case .target, .receiver, .broker, .mechanism, .processors, .link, .disk, .lock, .waiting:
      return "the target or the machine: the generator's busiest thread used \(busy)"
    }
  }

  static func percentiles(_ latency: Latency) -> String {
    func ms(_ ns: UInt64?) -> String { ns.map { Number.fixed(Double($0) / 1e6, 3) } ?? "-" }
    return "p50 \(ms(latency.percentile(0.5)))  p90 \(ms(latency.percentile(0.9)))  p99 \(ms(latency.percentile(0.99)))"
      + "  p99.9 \(ms(latency.percentile(0.999)))  max \(ms(latency.maxNs)) ms"
      + (latency.nonPositive > 0 ? "  (\(latency.nonPositive) samples of 0 or less)" : "")
  }

  /// Formats one line of progress.
  package static func progress(_ interval: Run.Interval) -> String {
    func ms(_ p: Double) -> String {
      interval.latency.percentile(p).map { Number.fixed(Double($0) / 1e6, 2) } ?? "-"
    }
    let rate = interval.seconds > 0 ? Double(interval.records) / interval.seconds : 0
    let mib = interval.seconds > 0 ? Double(interval.bytes) / interval.seconds / 1_048_576 : 0
    return
      "\(Number.fixed(interval.endSeconds, 1)) s  \(Number.rate(rate)) records/s  \(Number.fixed(mib, 1)) MiB/s"
      + (interval.latency.count > 0 ? "  p50 \(ms(0.5)) ms  p99 \(ms(0.99)) ms" : "") + "  errors \(interval.errors)"
  }

  package static func json(_ report: LoadReport) -> String { JSON.object(report.fields).text }

  /// Appends the summary as a row; a new file gets a header first.
  package static func appendCSV(_ report: LoadReport, to path: String) throws(PlanError) {
    let columns = flat(report.fields)
    let header = columns.map(\.name).joined(separator: ",") + "\n"
    let row = columns.map(\.value.cell).joined(separator: ",") + "\n"
    guard let present = FileManager.default.contents(atPath: path), !present.isEmpty else {
      return try write(header + row, to: path)
    }
    let old = String(decoding: present.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self) + "\n"
    guard old == header else { throw PlanError("\(path) has other columns: name a new file") }
    try write(String(decoding: present, as: UTF8.self) + row, to: path)
  }

  /// Writes all histograms of the run, without loss.
  package static func writeHistograms(_ report: LoadReport, to path: String) throws(PlanError) {
    try write(histograms(report), to: path)
  }

  static func histograms(_ report: LoadReport) -> String {
    LatencyFile.header + "\n" + LatencyFile.rows("service", report.service)
      + LatencyFile.rows("response", report.response) + LatencyFile.rows("end_to_end", report.endToEnd)
  }

  package static let intervalsHeader =
    "t_s,records,bytes,cumulative_bytes,records_per_s,mib_per_s,p50_ms,p99_ms,errors,p99_9_ms,max_ms,"
    + "produced_records_per_s,lag_records,response_p50_ms,response_p99_ms,response_p99_9_ms,response_max_ms\n"

  package static func intervalRow(_ interval: Run.Interval) -> String {
    let seconds = interval.seconds > 0 ? interval.seconds : 1
    let latency = LatencyCells(interval.latency), response = LatencyCells(interval.response)
    return [
      Number.exact(interval.endSeconds), String(interval.records), String(interval.bytes),
      String(interval.cumulativeBytes), Number.exact(Double(interval.records) / seconds),
      Number.exact(Double(interval.bytes) / seconds / 1_048_576), latency.p50, latency.p99, String(interval.errors),
      latency.p999, latency.max, Number.exact(Double(interval.produced) / seconds),
      interval.lagRecords.map { String($0) } ?? "", response.p50, response.p99, response.p999, response.max,
    ].joined(separator: ",") + "\n"
  }

  /// Holds the cells of an interval's latencies, in ms; empty where there are too few samples.
  private struct LatencyCells {
    let p50, p99, p999, max: String

    init(_ latency: Latency) {
      func ms(_ ns: UInt64?) -> String { ns.map { Number.exact(Double($0) / 1e6) } ?? "" }
      (p50, p99) = (ms(latency.percentile(0.5)), ms(latency.percentile(0.99)))
      (p999, max) = (ms(latency.percentile(0.999)), ms(latency.maxNs))
    }
  }

  package static func write(_ text: String, to path: String) throws(PlanError) {
    do {
      try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    } catch {
      throw PlanError("cannot write \(path): \(error.localizedDescription)")
    }
  }

  private static func flat(_ fields: [(name: String, value: JSON)]) -> [(name: String, value: JSON)] {
    fields.flatMap { name, value -> [(name: String, value: JSON)] in
      guard case .object(let inner) = value else { return [(name, value)] }
      let base = name.hasSuffix("_ms") ? String(name.dropLast(3)) : name
      return inner.map { ("\(base)_\($0.name)" + ($0.name == "samples" ? "" : "_ms"), $0.value) }
    }
  }
}
