import Foundation
import TestSupport
import Testing

/// Brokers of others, started by their drivers: those of the repository, on a stand-in for a distribution.
@Suite("Brokers side by side", .serialized)
struct VersusTests {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  /// A directory with one definition and the repository's drivers.
  private final class Place: Sendable {
    let path: String

    init(_ name: String, broker: String, extra: String) throws {
      path = FileManager.default.temporaryDirectory.appendingPathComponent("millrace-versus-\(UUID().uuidString)").path
      try FileManager.default.createDirectory(atPath: path + "/experiments", withIntermediateDirectories: true)
      try FileManager.default.copyItem(
        atPath: "\(VersusTests.root)/experiments/brokers", toPath: path + "/experiments/brokers")
      try Data(Self.yaml(name, broker, extra).utf8).write(
        to: URL(fileURLWithPath: path + "/experiments/97-\(name).yaml"))
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var places: [String] {
      ["--experiments", path + "/experiments", "--results", path + "/results", "--plots", path + "/plots"]
    }

    /// Rows as columns by name.
    func rows(_ name: String, in results: String = "results") throws -> [[String: String]] {
      let directory = path + "/\(results)/97-\(name)"
      let result = try #require(try FileManager.default.contentsOfDirectory(atPath: directory).first)
      let lines = try String(contentsOfFile: "\(directory)/\(result)/rows.csv", encoding: .utf8).split(separator: "\n")
      func cells(_ line: Substring) -> [String] {
        line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      }
      let names = cells(try #require(lines.first))
      return lines.dropFirst().map { Dictionary(uniqueKeysWithValues: zip(names, cells($0))) }
    }

    private static func yaml(_ name: String, _ broker: String, _ extra: String) -> String {
      """
      id: E97
      number: 97
      name: \(name)
      title: Producing
      claims: []
      claim: one is faster
      quote: none
      source: a test
      hypothesis: it is
      factors:
        record_bytes: [1000]
        \(broker)
      arms:
        - name: produce
          role: test
          program: load produce
          options: {partitions: 2, num-records: 4000, record-size: "{record_bytes}", batch-size: 16384, seed: "{seed}"}
          fill: {partitions: 2, num-records: 400, record-size: "{record_bytes}", batch-size: 16384}
          broker: {log.segment.bytes: 2097152}
          durability: page cache
      \(extra)
      metrics:
        [records, mb_per_s, cpu_s_per_gb, broker_cpu_s, rss_mib, stored_bytes, process_written_bytes, system_calls_per_record, start_ms]
      replicates: 1
      verdicts:
        - name: starts
          meaning: it starts
          kind: value
          tier: end-to-end
          metric: start_ms
          better: lower
          test: {arms: [produce]}
          per: [record_bytes\(broker.isEmpty ? "" : ", broker")]
          threshold: 60000
      charts:
        - {kind: bars, title: A chart, x: arm, y: mb_per_s, series: [record_bytes], x_title: x, y_title: MB/s}

      """
    }
  }

  private static let without = ["repeats", "ceiling-probe", "generator-probe"].flatMap { ["--without", $0] }

  private func run(_ arguments: [String], _ place: Place) async throws -> Programs.Outcome {
    try await Running("millrace", ["run"] + arguments + place.places + ["--seed", "3"] + Self.without).outcome()
  }

  @Test(
    "Kafka in both of its modes and Millrace take turns; rows name them, all of their processes are counted, none is left"
  )
  func sides() async throws {
    let kafka = try StandInDistribution()
    let place = try Place("sides", broker: "broker: [millrace, others]", extra: "")
    let outcome = try await run(
      [
        "sides", "--broker", "kafka=\(kafka.path)", "--broker", "kafka-kraft=\(kafka.path)", "--broker", "millrace",
      ], place)
    #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
    let rows = try place.rows("sides")
    #expect(rows.map { $0["broker"] ?? "" }.sorted() == ["kafka 3.9.1", "kafka-kraft 3.9.1", "millrace"])
    for row in rows {
      #expect(row["invalid"] == "" && row["records"] == "4000", "\(row)")
      for figure in ["broker_cpu_s", "rss_mib", "system_calls_per_record", "start_ms"] {
        #expect(Double(row[figure] ?? "") ?? 0 > 0, "\(figure): \(row)")
      }
      #expect(Double(row["stored_bytes"] ?? "") ?? 0 >= 4_000_000, "\(row)")
    }
    // The broker's script, its broker, and ZooKeeper's stand-in, which is a broker too.
    func resident(_ name: String) -> Double {
      rows.first { $0["broker"] == name }.flatMap { Double($0["rss_mib"] ?? "") } ?? 0
    }
    #expect(resident("kafka 3.9.1") > 1.6 * resident("kafka-kraft 3.9.1"), "\(rows)")
    #expect(outcome.output.contains("calls/record"), "\(outcome.output)")
    #expect(outcome.output.contains("broker kafka 3.9.1: Apache Kafka 3.9.1, \(kafka.path)"), "\(outcome.output)")
    #expect(try kafka.seen("zookeeper").count == 1)
    let servers = try kafka.seen("server")
    #expect(servers.count == 2 && servers.allSatisfy { $0.contains("log.segment.bytes=2097152") }, "\(servers)")
    #expect(try kafka.running() == [])
    let page = try String(contentsOfFile: place.path + "/results/index.html", encoding: .utf8)
    #expect(page.contains("Side by side: medians") && page.contains("kafka-kraft 3.9.1"))
  }

  @Test(
    "another experiment runs with Kafka in Millrace's place, in results of its own, and leaves out Millrace's switches by name"
  )
  func replaced() async throws {
    let kafka = try StandInDistribution()
    let place = try Place(
      "plain", broker: "",
      extra: """
          - name: switched
            role: baseline
            program: load produce
            options: {partitions: 2, num-records: 400, record-size: "{record_bytes}"}
            broker: {millrace.read.path: copy}
        """)
    // Where nobody says where results go.
    let program = Programs.directory.appendingPathComponent("millrace").path
    let words = ["plain", "--broker", "kafka-kraft=\(kafka.path)", "--scratch", "scratch"] + Self.without
    let outcome = try await Running(
      command: "/bin/sh", ["-c", #"cd "$0" && exec "$@""#, place.path, program, "run"] + words
    ).outcome()
    #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
    let rows = try place.rows("plain", in: "out/kafka-kraft/results")
    #expect(!FileManager.default.fileExists(atPath: place.path + "/results"), "they would be taken for Millrace's")
    #expect(rows.count == 1 && rows[0]["broker"] == "kafka-kraft 3.9.1" && rows[0]["arm"] == "produce", "\(rows)")
    #expect(rows[0]["invalid"] == "", "\(rows)")
    #expect(
      outcome.output.contains(
        "switched: it needs `millrace.read.path`, a switch that Apache Kafka (KRaft) does not have"),
      "\(outcome.output)")
    #expect(try kafka.running() == [])
  }

  @Test("what cannot be started is told by plan and run, with its exit code, before anything starts")
  func refused() async throws {
    let kafka = try StandInDistribution()
    let place = try Place("sides", broker: "broker: [millrace, others]", extra: "")
    try FileManager.default.removeItem(atPath: "\(kafka.path)/bin/kafka-storage.sh")
    let cases: [(given: [String], status: Int32, told: String)] = [
      (["kafka=\(kafka.path)", "kafka=\(kafka.path)"], 64, "given twice"),
      (["kafka="], 64, "NAME=DIR is needed"),
      (["kafca=\(kafka.path)"], 65, "did you mean `kafka`?"),
      (["kafka"], 69, "a directory is needed, as kafka=DIR"),
      (["kafka=/nowhere"], 69, "there is no such directory"),
      (["kafka-kraft=\(kafka.path)"], 69, "bin/kafka-storage.sh is missing"),
    ]
    for command in ["plan", "run"] {
      for (given, status, told) in cases {
        let words = given.flatMap { ["--broker", $0] }
        let places = command == "plan" ? Array(place.places.prefix(2)) : place.places
        let outcome = try await Running("millrace", [command, "sides"] + words + places).outcome()
        #expect(outcome.status == status && outcome.errors.contains(told), "\(command) \(given): \(outcome.errors)")
      }
    }
    #expect(try kafka.seen("").isEmpty)
    #expect(!FileManager.default.fileExists(atPath: place.path + "/results"))
  }

  @Test("a broker that ends before it answers fails the run with its last words, and nothing of it is left")
  func broken() async throws {
    let kafka = try StandInDistribution()
    let script = "\(kafka.path)/bin/kafka-server-start.sh"
    // What it leaves behind is known by its arguments.
    let lines = ["#!/bin/bash", "tail -f \(kafka.path)/libs/*.jar &", "echo 'Fatal: no Java' >&2", "exit 1", ""]
    try Data(lines.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: script))
    let place = try Place("sides", broker: "broker: [millrace, others]", extra: "")
    let outcome = try await run(["sides", "--broker", "kafka=\(kafka.path)"], place)
    let rows = try place.rows("sides")
    #expect(
      rows.count == 1 && rows[0]["invalid"]?.contains("the broker ended with exit code 1: Fatal: no Java") == true,
      "\(rows)\(outcome.output)")
    #expect(try kafka.running() == [])
  }

  @Test("the repository's comparison is planned with brokers and without")
  func planned() async throws {
    let kafka = try StandInDistribution()
    let definitions = ["--experiments", "\(Self.root)/experiments"]
    let both = try await Running(
      "millrace", ["plan", "versus", "--broker", "kafka=\(kafka.path)", "--broker", "millrace"] + definitions
    ).outcome()
    #expect(
      both.status == 0
        && both.output.contains("judged: Millrace takes at least as many records a second as Apache Kafka 3.9.1"),
      "\(both.output)\(both.errors)")
    let alone = try await Running("millrace", ["plan", "versus"] + definitions).outcome()
    #expect(alone.status == 0 && alone.output.contains("`--broker NAME=DIR`"), "\(alone.output)\(alone.errors)")
  }
}
