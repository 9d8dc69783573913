import Foundation
import TestSupport
import Testing

@Suite("Behind a link and a round trip", .serialized)
struct NetworkTests {
  /// A campaign's program on a definition of one arm, in a directory that goes away.
  private struct Campaign {
    var output: String
    var errors: String
    /// Column to value, a row each.
    var rows: [[String: String]]
    var pid: Int32

    /// To its end.
    init(link: String, roundTrip: String, throughput: Int) async throws {
      let place = try Place(link: link, roundTrip: roundTrip, throughput: throughput, seconds: 0.6)
      let running = try place.start()
      pid = running.pid
      let outcome = try await running.outcome()
      (output, errors) = (outcome.output, outcome.errors)
      let results = place.path + "/results/97-distance"
      let result = try #require(try FileManager.default.contentsOfDirectory(atPath: results).first, "\(errors)")
      let lines = try String(contentsOfFile: "\(results)/\(result)/rows.csv", encoding: .utf8).split(separator: "\n")
      let columns = lines[0].split(separator: ",").map(String.init)
      rows = lines.dropFirst().map { line in
        Dictionary(uniqueKeysWithValues: zip(columns, Self.cells(line)))
      }
    }

    /// Commas within quotes are a cell's own.
    private static func cells(_ line: Substring) -> [String] {
      line.split(separator: "\"", omittingEmptySubsequences: false).enumerated().reduce(into: [""]) { cells, part in
        guard part.offset % 2 == 0 else { return cells[cells.count - 1] += part.element }
        let pieces = part.element.split(separator: ",", omittingEmptySubsequences: false)
        cells[cells.count - 1] += pieces[0]
        cells += pieces.dropFirst().map(String.init)
      }
    }
  }

  /// A directory with the definition, gone with its owner.
  private final class Place: Sendable {
    let path: String

    init(link: String, roundTrip: String, throughput: Int, seconds: Double) throws {
      let directory = FileManager.default.temporaryDirectory.appendingPathComponent("millrace-net-\(UUID().uuidString)")
      path = directory.path
      let experiments = directory.appendingPathComponent("experiments")
      try FileManager.default.createDirectory(at: experiments, withIntermediateDirectories: true)
      try Data(Self.yaml(link, roundTrip, throughput, seconds).utf8).write(
        to: experiments.appendingPathComponent("97-distance.yaml"))
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func start() throws -> Running {
      try Running(
        "millrace",
        [
          "run", "distance", "--seed", "5", "--without", "repeats", "--without", "ceiling-probe", "--without",
          "generator-probe", "--experiments", path + "/experiments", "--results", path + "/results", "--plots",
          path + "/plots",
        ])
    }

    private static func yaml(_ link: String, _ roundTrip: String, _ throughput: Int, _ seconds: Double) -> String {
      """
      id: E97
      number: 97
      name: distance
      title: Distance
      claims: [S7]
      claim: it is far away
      quote: it is
      source: a test
      hypothesis: it is
      arms:
        - name: far
          role: test
          program: load produce
          client: part
          link_mbit_per_s: \(link)
          round_trip_ms: \(roundTrip)
          options:
            throughput: \(throughput)
            duration: \(seconds)
            record-size: 1000
            corpus: random
            batch-size: 65536
            congestion-control: cubic
          broker: {millrace.congestion.control: cubic}
      metrics: [seconds, records, mb_per_s, response_p50_ms, service_p50_ms, link_percent, link_bytes, wire_bytes,
        packets_per_record]
      replicates: 1
      verdicts:
        - name: far
          meaning: it is far away
          kind: value
          tier: end-to-end
          metric: service_p50_ms
          test: {arms: [far]}
          threshold: 1
      charts:
        - {title: A chart, x: arm, y: service_p50_ms, series: [arm], kind: bars, x_title: arm, y_title: ms}

      """
    }
  }

  private static func number(_ row: [String: String], _ column: String) throws -> Double {
    try #require(row[column].flatMap { Double($0) }, "no \(column) in \(row)")
  }

  @Test("a round trip shows in the service time and in the response time, whole, and a run without it has none")
  func roundTrip() async throws {
    let far = try await Campaign(link: "0", roundTrip: "60", throughput: 500)
    let near = try await Campaign(link: "0", roundTrip: "0", throughput: 500)
    let row = try #require(far.rows.first, "\(far.errors)")
    #expect(row["invalid"] == "", "\(row)")
    for column in ["service_p50_ms", "response_p50_ms"] {
      #expect(try Self.number(row, column) >= 60, "\(row)")
      #expect(try Self.number(try #require(near.rows.first), column) < Self.number(row, column) / 2)
    }
  }

  /// Whether namespaces can be made: the harness says so itself, by name, where it skips.
  @Test(
    "a link carries no more than its rate, the interface agrees with the client, and where there is none the arm is skipped by name"
  )
  func link() async throws {
    let campaign = try await Campaign(link: "40", roundTrip: "0", throughput: 50_000)
    guard let row = campaign.rows.first else {
      #expect((campaign.output + campaign.errors).contains("skipped far: "), "\(campaign.output)\(campaign.errors)")
      return
    }
    #expect(row["invalid"] == "", "\(row)")
    // 50 MB/s were offered to a link of 5; what the bucket lets out at once is 3 % of the run.
    #expect(try Self.number(row, "link_percent") <= 108, "\(row)")
    #expect(try Self.number(row, "mb_per_s") <= 5.4, "\(row)")
    #expect(try Self.number(row, "link_bytes") >= Self.number(row, "wire_bytes"), "headers come on top")
    #expect(try Self.number(row, "packets_per_record") > 0.5, "a packet holds 1.4 kB, a record is 1 kB")
    #expect(Self.namespaces(of: campaign.pid) == [])
  }

  private static func namespaces(of pid: Int32) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: "/run/netns")) ?? []).filter {
      $0.hasPrefix("millrace-\(pid)-")
    }
  }

  @Test(
    "interrupted, a campaign takes its link away itself; killed, the next campaign does", arguments: [SIGINT, SIGKILL])
  func tornDown(signal: Int32) async throws {
    let place = try Place(link: "40", roundTrip: "0", throughput: 100, seconds: 60)
    let campaign = try place.start()
    // A thread of its own: all other tests keep tasks from waking in time.
    let wasMade = await withCheckedContinuation { done in
      Thread.detachNewThread {
        while campaign.isRunning, Self.namespaces(of: campaign.pid).count < 2 { usleep(10_000) }
        done.resume(returning: campaign.isRunning)
        campaign.send(signal)
      }
    }
    _ = try await campaign.outcome()
    // Where none can be made the campaign ends by itself, with its arm skipped.
    guard wasMade else { return }
    if signal == SIGKILL {
      _ = try await Campaign(link: "0", roundTrip: "0", throughput: 100)
    }
    #expect(Self.namespaces(of: campaign.pid) == [])
  }
}
