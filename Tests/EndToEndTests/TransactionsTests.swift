import Foundation
import TestSupport
import Testing

/// Transactions as a user meets them: `millrace-load` produces and reads them, `millrace transactions` looks at them.
@Suite("Transactions", .serialized)
struct TransactionsTests {
  private static let settings = ["transaction.state.log.num.partitions=2", "offsets.topic.num.partitions=2"]

  private func millrace(_ arguments: [String]) async throws -> Programs.Outcome {
    try await Running("millrace", arguments).outcome()
  }

  private func produce(_ arguments: [String], _ broker: BrokerProcess) -> [String] {
    [
      "produce", "--bootstrap-server", broker.address, "--topic", "t", "--partitions", "3", "--acks", "all", "--json",
      "--quiet",
    ] + arguments
  }

  private func consume(_ isolation: String, _ broker: BrokerProcess) async throws -> Programs.Outcome {
    try await Programs.load([
      "consume", "--bootstrap-server", broker.address, "--topic", "t", "--isolation", isolation, "--json", "--quiet",
    ])
  }

  @Test("a reader of committed records gets each once, though transactions were aborted; another finds those twice")
  func aborted() async throws {
    try await withBroker(Self.settings) { broker in
      let produced = try await Programs.load(
        produce(
          [
            "--num-records", "3000", "--connections", "2", "--transaction-records", "100", "--transaction-abort-every",
            "4",
          ],
          broker))
      let sent = try produced.json()
      #expect(produced.status == 0, "\(sent) \(produced.errors)")
      // Of each connection's transactions, 15 with 100 records are to be committed; the 4th, 8th, 12th and 16th are aborted.
      #expect(sent["transactions_committed"] as? Int == 30 && sent["transactions_aborted"] as? Int == 8, "\(sent)")
      #expect(sent["aborted_records"] as? Int == 800 && sent["records"] as? Int == 3_800, "\(sent)")
      let committed = try await consume("read_committed", broker)
      let got = try committed.json()
      #expect(committed.status == 0, "\(got) \(committed.errors)")
      #expect(got["verified"] as? Int == 3_000 && got["skipped_records"] as? Int == 800, "\(got)")
      let all = try await consume("read_uncommitted", broker)
      let seen = try all.json()
      #expect(all.status == 1 && seen["verified"] as? Int == 3_000 && seen["duplicated"] as? Int == 800, "\(seen)")
    }
  }

  @Test("transactions are listed and described, and none of them hangs")
  func shown() async throws {
    try await withBroker(Self.settings) { broker in
      let place = ["--bootstrap-server", broker.address]
      let produced = try await Programs.load(
        produce(["--num-records", "300", "--transaction-records", "100", "--transactional-id", "x"], broker))
      #expect(produced.status == 0, "\(produced.errors)")
      let listed = try await millrace(["transactions", "list"] + place)
      let rows = listed.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
      #expect(rows.count == 2 && rows[1][0] == "x-0" && rows[1][3] == "CompleteCommit", "\(listed.output)")
      let described = try await millrace(["transactions", "describe", "x-0", "--json"] + place)
      let state = try #require(JSONSerialization.jsonObject(with: Data(described.output.utf8)) as? [String: Any])
      #expect(state["state"] as? String == "CompleteCommit" && state["timeout_ms"] as? Int == 60_000, "\(state)")
      let producers = try await millrace(
        ["transactions", "describe-producers", "--topic", "t", "--partition", "0", "--json"] + place)
      let active = try #require(JSONSerialization.jsonObject(with: Data(producers.output.utf8)) as? [[String: Any]])
      #expect(active.count == 1 && active[0]["producer_id"] as? Int == state["producer_id"] as? Int, "\(active)")
      #expect(active.first?["transaction_start_offset"] is NSNull)
      let hanging = try await millrace(
        ["transactions", "find-hanging", "--max-transaction-timeout", "0", "--json"] + place)
      #expect(hanging.status == 0 && hanging.output == "[]\n", "\(hanging.output) \(hanging.errors)")
      let none = try await millrace(["transactions", "describe", "nobody"] + place)
      #expect(none.status == 69 && none.errors.contains("TRANSACTIONAL_ID_NOT_FOUND"), "\(none.errors)")
      let wrong = ["transactions", "abort", "--topic", "t", "--partition", "0", "--start-offset", "0"]
      let refused = try await millrace(wrong + place)
      #expect(refused.status == 69 && refused.errors.contains("no open transaction"), "\(refused.errors)")
    }
  }

  @Test("transactions that end before their next record is due keep to the schedule")
  func paced() async throws {
    try await withBroker(Self.settings) { broker in
      let produced = try await Programs.load(
        produce(
          ["--num-records", "1000", "--throughput", "1000", "--transaction-records", "10", "--duration", "30"], broker))
      let sent = try produced.json()
      #expect(produced.status == 0, "\(sent) \(produced.errors)")
      #expect(sent["records"] as? Int == 1_000 && sent["transactions_committed"] as? Int == 100, "\(sent)")
    }
  }

  @Test("a second producer of the same transactional id fences the first, which says so")
  func fenced() async throws {
    try await withBroker(Self.settings) { broker in
      let first = try Programs.started(
        load: produce(["--duration", "60", "--throughput", "2000", "--transaction-records", "50"], broker))
      try await broker.waitUntilStored(bytes: 1 << 16, by: first)
      let second = try await Programs.load(produce(["--num-records", "500", "--transaction-records", "50"], broker))
      #expect(second.status == 0, "\(second.errors)")
      let outcome = try await first.outcome()
      let error = try outcome.json()["first_error"] as? String ?? ""
      #expect(
        outcome.status == 1 && (error.contains("PRODUCER_FENCED") || error.contains("INVALID_PRODUCER_EPOCH")),
        "\(error)")
      let committed = try await consume("read_committed", broker)
      #expect(committed.status == 0, "\(committed)")
    }
  }

  @Test("when the broker is killed in the midst of transactions, readers of committed records get each once")
  func killed() async throws {
    try await withBroker(Self.settings) { broker in
      let running = try Programs.started(
        load: produce(
          [
            "--num-records", "12000", "--throughput", "3000", "--transaction-records", "200",
            "--transaction-abort-every", "5",
          ],
          broker))
      try await broker.waitUntilStored(bytes: 1 << 19, by: running)
      try broker.crashAndRestart()
      let outcome = try await running.outcome()
      let sent = try outcome.json()
      #expect(outcome.status == 0, "\(sent) \(outcome.errors)")
      let committed = try await consume("read_committed", broker)
      let got = try committed.json()
      #expect(committed.status == 0 && got["verified"] as? Int == 12_000, "\(got) \(committed.errors)")
    }
  }
}
