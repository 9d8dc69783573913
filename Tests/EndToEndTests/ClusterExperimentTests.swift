import Foundation
import TestSupport
import Testing

/// Arms that run through a cluster of their own, and trials of one, as definitions name them.
@Suite(
  "An experiment with a cluster", .serialized,
  .enabled(if: ZooKeeperServer.obstacle == nil, "\(ZooKeeperServer.obstacle ?? "")"))
struct ClusterExperimentTests {
  private static let yaml = """
    id: E96
    number: 96
    name: clustered
    title: Clustered
    claims: [S16]
    claim: replicas are there
    quote: they are
    source: a test
    hypothesis: they are
    fixed: {records: 20000}
    arms:
      - name: three
        role: test
        program: load produce
        client: part
        cluster: 3
        options: &three
          num-records: "{records}"
          record-size: 1000
          partitions: 3
          replication-factor: 3
          topic-config: min.insync.replicas=2
          acks: all
        durability: page cache of three
      - name: three-again
        role: again
        repeats: three
        program: load produce
        client: part
        cluster: 3
        options: *three
        durability: page cache of three
      - name: read
        role: test
        program: load consume
        client: part
        cluster: 2
        options: {num-records: "{records}"}
        fill: {num-records: "{records}", record-size: 1000, partitions: 2, replication-factor: 2, acks: all}
        cache: hot
        durability: page cache of three
      - name: roles
        role: test
        program: mechanism cluster-roles
        options: {directory: "{directory}", partitions: 3, session-timeout-ms: 1000}
        durability: page cache of three
    metrics:
      - records_per_s
      - cpu_s_per_gb
      - broker_cpu_s
      - broker_cpu_most_s
      - rss_mib
      - rss_most_mib
      - stored_bytes
      - served_by_followers
    replicates: 1
    verdicts:
      - name: there
        meaning: it moves something
        kind: value
        tier: end-to-end
        metric: records_per_s
        test: {arms: [three]}
        threshold: 1
    charts:
      - {title: A chart, x: arm, y: records_per_s, series: [arm], x_title: arm, y_title: 1/s}

    """

  /// A directory with the definition, gone with its owner.
  private final class Place: Sendable {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("millrace-clustered-\(UUID().uuidString)")
      .path

    init() throws {
      try FileManager.default.createDirectory(atPath: path + "/experiments", withIntermediateDirectories: true)
      try Data(ClusterExperimentTests.yaml.utf8).write(
        to: URL(fileURLWithPath: path + "/experiments/96-clustered.yaml"))
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func run(path programs: String = "$PATH") async throws -> Programs.Outcome {
      let program = Programs.directory.appendingPathComponent("millrace").path
      let line = #"PATH="\#(programs)" exec "$0" "$@""#
      return try await Running(
        command: "/bin/sh",
        [
          "-c", line, program, "run", "clustered", "--without", "ceiling-probe", "--without", "repeats",
          "--experiments",
          path + "/experiments", "--results", path + "/results", "--plots", path + "/plots",
        ]
      ).outcome()
    }

    /// By arm, the columns of its row.
    func rows() throws -> [String: [String: String]] {
      let directory = path + "/results/96-clustered"
      let result = try #require(try FileManager.default.contentsOfDirectory(atPath: directory).first)
      let text = try String(contentsOfFile: "\(directory)/\(result)/rows.csv", encoding: .utf8)
      let lines = text.split(separator: "\n").map {
        $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      }
      let names = try #require(lines.first)
      return Dictionary(
        lines.dropFirst().map { line in
          let row = Dictionary(zip(names, line), uniquingKeysWith: { first, _ in first })
          return (row["arm"] ?? "", row)
        }, uniquingKeysWith: { $1 })
    }
  }

  @Test(
    "has a fresh cluster for each run, and figures of all brokers together and of the busiest", .timeLimit(.minutes(10))
  )
  func measures() async throws {
    let place = try Place()
    let outcome = try await place.run()
    #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
    let rows = try place.rows()
    #expect(rows.count == 4, "\(outcome.output)\(outcome.errors)")
    func number(_ arm: String, _ column: String) throws -> Double {
      try #require(rows[arm]?[column].flatMap { Double($0) }, "\(arm) has no \(column): \(rows)")
    }
    for arm in ["three", "read"] {
      #expect(rows[arm]?["invalid"] == "", "\(rows[arm] ?? [:])")
      let (all, most) = (try number(arm, "broker_cpu_s"), try number(arm, "broker_cpu_most_s"))
      #expect(most > 0 && most <= all, "\(arm): \(most) of \(all)")
      #expect(try number(arm, "rss_most_mib") < number(arm, "rss_mib"))
    }
    // Each of three replicas has every byte.
    #expect(try number("three", "stored_bytes") >= 3 * 20_000 * 1_000)
    #expect(try number("roles", "served_by_followers") == 0)
  }

  @Test("leaves arms out by name where a cluster cannot be started, and says what is missing", .timeLimit(.minutes(10)))
  func skips() async throws {
    let place = try Place()
    // gnuplot and java are on no such path.
    let outcome = try await place.run(path: "/nowhere")
    let said = outcome.output + outcome.errors
    #expect(said.contains("needs a cluster: there is no `java`"), "\(said)")
  }
}
