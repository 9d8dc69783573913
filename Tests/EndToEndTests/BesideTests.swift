import Foundation
import TestSupport
import Testing

/// Arms of which the broker serves another load as well, through the programs.
@Suite("A load beside the measured one", .serialized)
struct BesideTests {
  private static func yaml() -> String {
    """
    id: E97
    number: 97
    name: beside
    title: Beside
    claims: [S3]
    claim: a second load is there
    quote: it is
    source: a test
    hypothesis: it is
    arms:
      - name: long
        role: test
        program: load end-to-end
        options: &live {partitions: 1, num-records: 4000, throughput: 8000}
        beside:
          program: load consume
          options: {topic: backlog, throughput: 20000, no-verify: "true", num-records: 60000, fetch-max-partition-bytes: 20000}
        prepare: &backlog {topic: backlog, partitions: 1, num-records: 60000}
      - name: long-again
        role: again
        repeats: long
        program: load end-to-end
        options: *live
        prepare: *backlog
      - name: short
        role: test
        program: load end-to-end
        options: *live
        beside: {program: load consume, options: {topic: backlog, num-records: 60000}}
        prepare: *backlog
      - name: broken
        role: test
        program: load end-to-end
        options: *live
        beside: {program: load consume, options: {topic: nobody, num-records: 1}}
        prepare: *backlog
    metrics: [records_per_s, beside_mb_per_s, response_p99_ms, end_to_end_p99_ms, client_cpu_share]
    replicates: 2
    verdicts:
      - name: there
        meaning: it moves something
        kind: value
        tier: end-to-end
        metric: beside_mb_per_s
        test: {arms: [long]}
        threshold: 0.1
    charts:
      - {title: A chart, x: arm, y: records_per_s, series: [arm], x_title: arm, y_title: 1/s}

    """
  }

  @Test("the measured load runs in the other's presence; that one's failing, or ending before, fails the row")
  func presence() async throws {
    let rows = try await TestCampaign("97-beside", Self.yaml()).rows
    for row in rows where row["arm"] == "long" {
      // 20,000 records of 100 bytes a second.
      let rate = try #require(Double(row["beside_mb_per_s"] ?? ""), "\(row)")
      #expect(rate > 0.5 && rate < 4, "\(row)")
      #expect(row["end_to_end_p99_ms"]?.isEmpty == false, "4,000 samples have a 99th percentile")
    }
    // The second replicate finds nothing of what the first wrote: what is consumed is what was produced.
    #expect(rows.filter { $0["arm"]?.hasPrefix("long") == true }.count == 4)
    let short = rows.filter { $0["arm"] == "short" }.compactMap { $0["invalid"] }
    #expect(short.count == 2 && short.allSatisfy { $0.contains("came to its own end") }, "\(short)")
    let broken = rows.filter { $0["arm"] == "broken" }.compactMap { $0["invalid"] }
    #expect(
      broken.count == 2 && broken.allSatisfy { $0.contains("the load beside ended with exit code 1") }, "\(broken)")
  }
}
