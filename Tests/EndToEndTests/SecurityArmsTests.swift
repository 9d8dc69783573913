import Foundation
import TestSupport
import Testing

/// Arms with a secured listener, through the programs: keys, users, ACLs, quotas, and the proof that they were there.
@Suite("Arms with a secured listener", .serialized)
struct SecurityArmsTests {
  private static let yaml = """
    id: E97
    number: 97
    name: secured
    title: Secured
    claims: [S8]
    claim: it can be measured
    quote: it is
    source: a test
    hypothesis: it is
    arms:
      - name: produce
        role: test
        program: load produce
        options: &produce {partitions: 1, num-records: 2000}
        security: &all {protocol: SASL_SSL, acls: 10, quotas: idle}
        durability: page cache
      - name: produce-again
        role: again
        repeats: produce
        program: load produce
        options: *produce
        security: *all
        durability: page cache
      - name: fetch
        role: test
        program: load consume
        options: {num-records: 2000}
        beside: {program: load produce, options: {topic: backlog, partitions: 1, throughput: 1000, duration: 60}}
        prepare: {partitions: 1, num-records: 2000}
        security: {protocol: SASL_PLAINTEXT, acls: 0}
      - name: connect
        role: test
        program: load connect
        options: {num-connections: 20, concurrency: 2}
        security: {protocol: SSL}
      - name: plain
        role: test
        program: load connect
        options: {num-connections: 20, concurrency: 2}
        security: {protocol: PLAINTEXT, quotas: idle}
    metrics: [records, records_per_s, connections_per_s, connect_p50_ms, broker_cpu_ms_per_connection, client_cpu_share]
    replicates: 2
    verdicts:
      - name: there
        meaning: it moves something
        kind: value
        tier: end-to-end
        metric: records_per_s
        test: {arms: [produce]}
        threshold: 0.1
    charts:
      - {title: A chart, x: arm, y: records_per_s, series: [arm], x_title: arm, y_title: 1/s}

    """

  @Test("loads get through whatever is asked of them, and every row counts")
  func rows() async throws {
    let campaign = try await TestCampaign("97-secured", Self.yaml, without: ["generator-probe"])
    let rows = campaign.rows
    #expect(rows.count == 10, "\(campaign.printed)")
    for row in rows {
      #expect(row["invalid"]?.isEmpty == true, "\(row["arm"] ?? ""): \(row["invalid"] ?? "")\n\(campaign.printed)")
      let isOfConnections = ["connect", "plain"].contains(row["arm"])
      #expect((Double(row["broker_cpu_ms_per_connection"] ?? "") ?? 0 > 0) == isOfConnections, "\(row)")
      #expect((Double(row["records"] ?? "") ?? 0 == 2000) != isOfConnections, "\(row)")
    }
  }
}
