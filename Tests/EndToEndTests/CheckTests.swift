import Foundation
import TestSupport
import Testing

/// `millrace-load check` as a user runs it.
@Suite("The check", .serialized)
struct CheckTests {
  private static let settings = [
    "transaction.state.log.num.partitions=2", "offsets.topic.num.partitions=2", "group.initial.rebalance.delay.ms=0",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms=200",
  ]

  @Test("finds no anomaly at a broker that is left alone, deletes its topic, and finds none in the history it wrote")
  func clean() async throws {
    try await withBroker(Self.settings) { broker in
      let file = broker.directory + "/history.txt"
      let outcome = try await Programs.load([
        "check", "--bootstrap-server", broker.address, "--duration", "5", "--throughput", "2000", "--history", file,
        "--transaction-timeout-ms", "2000", "--json", "--quiet",
      ])
      let report = try outcome.json()
      #expect(outcome.status == 0, "\(outcome.output) \(outcome.errors)")
      #expect(report["good"] as? Bool == true && report["client_failures"] as? Int == 0, "\(report)")
      for figure in ["transactions_committed", "transactions_aborted", "assignments", "commits", "records_read"] {
        #expect(report[figure] as? Int ?? 0 > 0, "\(figure) in \(report)")
      }
      let topics = try await Running("millrace", ["topics", "list", "--bootstrap-server", broker.address]).outcome()
      #expect(!topics.output.contains("millrace-check-"), "\(topics.output)")
      let stored = try await Programs.load(["check", "--from-history", file, "--json"])
      #expect(stored.status == 0, "\(stored.errors)")
      #expect(try stored.json()["events"] as? Int == report["events"] as? Int)
    }
  }

  @Test(
    "finds the record that is missing in a history, and says so with exit code 1; a text that is none is refused with 2"
  )
  func stored() async throws {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("history-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: file) }
    try Data("0.000001 1 send 0+2 partition 0\n0.000002 1 sent 0 ok 10\n0.000003 2 poll 0 11=1.1+1\n".utf8).write(
      to: file)
    let outcome = try await Programs.load(["check", "--from-history", file.path])
    #expect(outcome.status == 1, "\(outcome.errors)")
    #expect(outcome.output.hasSuffix("ANOMALIES: lost-write 1\n"), "\(outcome.output)")
    try Data("0.000001 1 send 0+2\n".utf8).write(to: file)
    let refused = try await Programs.load(["check", "--from-history", file.path])
    #expect(refused.status == 2 && refused.errors.contains("line 1 is no event of a history"), "\(refused.errors)")
  }

  @Test("refuses a topic that exists")
  func taken() async throws {
    try await withBroker(Self.settings) { broker in
      let arguments = [
        "check", "--bootstrap-server", broker.address, "--topic", "t", "--duration", "1", "--quiet", "--transactional",
        "0",
      ]
      let kept = try await Programs.load(arguments + ["--keep-topic"])
      #expect(kept.status == 0, "\(kept.output) \(kept.errors)")
      let refused = try await Programs.load(arguments)
      #expect(refused.status == 2 && refused.errors.contains("topic 't' exists"), "\(refused.errors)")
    }
  }
}
