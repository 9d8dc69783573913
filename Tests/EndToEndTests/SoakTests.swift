import Foundation
import TestSupport
import Testing

/// An experiment over time, through the programs.
@Suite("A run over time", .serialized)
struct SoakTests {
  /// Six seconds in twelve windows, at half of what the search finds: the one rate it may try, low enough for a machine that is busy with other tests.
  private static func yaml() -> String {
    """
    id: E96
    number: 96
    name: short-soak
    title: A short soak
    claims: []
    claim: nothing drifts
    quote: it does not
    source: a test
    hypothesis: it does not
    sweep: {elapsed_s: [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 6]}
    fixed: {seconds: 6, interval_ms: 100, half: 2}
    arms:
      - name: soak
        role: test
        program: load end-to-end
        pace_of: search
        options: {throughput: "{pace_records_per_s/half}", duration: "{seconds}", interval-ms: "{interval_ms}", partitions: 2, record-size: 10000}
        broker: &broker {log.retention.bytes: 1048576, log.segment.bytes: 1048576, log.retention.check.interval.ms: 100, log.segment.delete.delay.ms: 0}
      - name: search
        role: control
        program: load sustain
        options: {workload: end-to-end, objective-ms: 4000, from: 1000, to: 1000, trial-seconds: 4, confirm: 0, no-curve: "true", partitions: 2, record-size: 10000}
        broker: *broker
    metrics: [records_per_s, response_p50_ms, response_max_ms, stalls, cpu_s_per_gb, rss_mib, open_descriptors, threads, log_mib, lost, sustainable_records_per_s]
    replicates: 1
    verdicts:
      - {name: memory, meaning: it stays, kind: drift, tier: end-to-end, metric: rss_mib, better: lower, test: {arms: [soak]}, tolerance: 0.02}
      - {name: lost, meaning: nothing is lost, kind: never, tier: end-to-end, metric: lost, better: lower, test: {arms: [soak]}}
    charts:
      - {kind: curve, title: Memory, x: t_min, y: rss_mib, arms: [soak], x_title: min, y_title: MiB}

    """
  }

  @Test("has a row for each window with the broker as it was then, at half of the rate that the search before it found")
  func windows() async throws {
    let campaign = try await TestCampaign("96-short-soak", Self.yaml())
    let rows = campaign.rows
    func numbers(_ rows: [[String: String]], _ column: String) -> [Double] {
      rows.compactMap { Double($0[column] ?? "") }
    }
    let (search, soak) = (rows.filter { $0["arm"] == "search" }, rows.filter { $0["arm"] == "soak" })
    #expect(search.count == 1 && search[0]["order"] == "0" && search[0]["elapsed_s"] == "", "\(search)")
    #expect(numbers(search, "sustainable_records_per_s") == [1000], "\(search)")
    #expect(numbers(soak, "elapsed_s") == (1...12).map { Double($0) / 2 }, "\(soak)")
    // Where the machine is busy the generator itself is late, and the row says so.
    #expect(soak.allSatisfy { $0["invalid"]?.isEmpty ?? false || $0["invalid"]!.hasPrefix("client-bound") }, "\(soak)")
    let rates = numbers(soak, "records_per_s")
    #expect(rates.count == 12 && abs(rates.reduce(0, +) / 12 - 500) < 50, "\(rates)")
    for column in [
      "response_p50_ms", "response_max_ms", "stalls", "cpu_s_per_gb", "rss_mib", "open_descriptors", "threads",
    ] {
      #expect(numbers(soak, column).count == 12, "\(column): \(soak)")
    }
    #expect(numbers(soak, "rss_mib").allSatisfy { $0 > 1 } && numbers(soak, "open_descriptors").allSatisfy { $0 > 5 })
    // 30 MB were produced; each of two partitions keeps its last MiB, the segment it writes, and what came since it was looked at.
    #expect(numbers(soak, "log_mib").allSatisfy { $0 < 12 }, "\(numbers(soak, "log_mib"))")
    #expect(soak.map { $0["lost"] } == Array(repeating: "", count: 11) + ["0"])
    let series = campaign.series
    #expect(series.count > 40 && series.count < 75 && numbers(series, "rss_mib").count > 40, "\(series.count)")
    #expect(campaign.printed.contains("rss_mib"), "the verdict tells of it: \(campaign.printed)")
  }

  @Test("another length is planned, and refused where it is none or the experiment has no time")
  func hours() async throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path
    func plan(_ arguments: [String]) async throws -> Programs.Outcome {
      try await Running("millrace", ["plan", "--experiments", root + "/experiments"] + arguments).outcome()
    }
    let eight = try await plan(["soak", "--hours", "8"])
    #expect(eight.status == 0 && eight.output.contains("about 8 h"), "\(eight.output)\(eight.errors)")
    let none = try await plan(["soak", "--hours", "0"])
    #expect(none.status == 64 && none.errors.contains("(a minute)"), "\(none.errors)")
    let other = try await plan(["zero-copy", "--hours", "1"])
    #expect(other.status == 65 && other.errors.contains("--hours needs a sweep"), "\(other.status) \(other.errors)")
  }
}
