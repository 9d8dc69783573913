import Foundation
import TestSupport
import Testing

/// Consumer groups as a user meets them: members of `millrace-load`, looked at and moved with `millrace groups`.
@Suite("Consumer groups", .serialized)
struct GroupsTests {
  private static let settings = [
    "group.initial.rebalance.delay.ms=0", "offsets.topic.num.partitions=2", "group.consumer.heartbeat.interval.ms=50",
  ]

  private func millrace(_ arguments: [String]) async throws -> Programs.Outcome {
    try await Running("millrace", arguments).outcome()
  }

  private func consume(_ arguments: [String], _ broker: BrokerProcess) async throws -> [String: Any] {
    let outcome = try await Programs.load(
      ["consume", "--bootstrap-server", broker.address, "--topic", "t", "--json", "--quiet"] + arguments)
    let report = try outcome.json()
    #expect(outcome.status == 0, "\(report) \(outcome.errors)")
    for fault in ["lost", "duplicated", "reordered", "corrupt"] { #expect(report[fault] as? Int == 0, "\(fault)") }
    return report
  }

  private func produce(_ count: Int, _ broker: BrokerProcess) async throws {
    let outcome = try await Programs.load([
      "produce", "--bootstrap-server", broker.address, "--topic", "t", "--partitions", "6", "--num-records", "\(count)",
      "--batch-records", "50", "--quiet",
    ])
    try #require(outcome.status == 0, "\(outcome.errors)")
  }

  /// The group's lag over all partitions, and the sum of its committed offsets.
  private func offsets(of group: String, _ broker: BrokerProcess) async throws -> (lag: Int, committed: Int) {
    let outcome = try await millrace(
      ["groups", "describe", group, "--json", "--bootstrap-server", broker.address])
    let documents = try #require(JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]])
    let partitions = try #require(documents.first?["partitions"] as? [[String: Any]])
    func sum(_ name: String) -> Int { partitions.reduce(0) { $0 + ($1[name] as? Int ?? 0) } }
    return (sum("lag"), sum("current_offset"))
  }

  @Test("a group reads on where it stopped, and again where its offsets are reset to")
  func committed() async throws {
    try await withBroker(Self.settings) { broker in
      let place = ["--bootstrap-server", broker.address]
      try await produce(6_000, broker)
      let first = try await consume(["--group", "g", "--connections", "3", "--num-records", "6000"], broker)
      #expect(first["verified"] as? Int == 6_000 && first["commits"] as? Int ?? 0 >= 1)
      #expect(try await offsets(of: "g", broker) == (0, 6_000))
      try await produce(1_200, broker)
      #expect(try await offsets(of: "g", broker) == (1_200, 6_000))
      let second = try await consume(["--group", "g", "--num-records", "1200"], broker)
      #expect(second["verified"] as? Int == 1_200, "not the first 6,000 again")
      let reset = ["groups", "reset-offsets", "g", "--topic", "t", "--to-earliest"]
      let shown = try await millrace(reset + place)
      #expect(shown.status == 0 && shown.errors.contains("--execute"), "\(shown.errors)")
      #expect(try await offsets(of: "g", broker) == (0, 7_200))
      #expect(try await millrace(reset + ["--execute"] + place).status == 0)
      #expect(try await offsets(of: "g", broker) == (7_200, 0))
      let again = try await consume(["--group", "g", "--connections", "2", "--num-records", "7200"], broker)
      #expect(again["verified"] as? Int == 7_200)
      let listed = try await millrace(["groups", "list", "--state"] + place)
      #expect(listed.output == "GROUP  STATE\ng      Empty\n", "\(listed.output)")
      let deleted = try await millrace(["groups", "delete", "g", "none"] + place)
      #expect(
        deleted.status == 1 && deleted.errors.contains("'none'") && deleted.output.contains("('g') was successful"))
      #expect(try await millrace(["groups", "list"] + place).output.isEmpty)
    }
  }

  @Test("two groups read everything each, and their offsets are kept apart")
  func twoGroups() async throws {
    try await withBroker(Self.settings) { broker in
      try await produce(3_000, broker)
      let both = try await consume(
        ["--group", "g", "--fan-out", "2", "--connections", "2", "--threads", "2", "--num-records", "6000"], broker)
      #expect(both["verified"] as? Int == 6_000)
      for group in ["g-1", "g-2"] { #expect(try await offsets(of: group, broker) == (0, 3_000), "\(group)") }
    }
  }

  @Test(
    "groups whose members are all replaced, twice, read every record once, and their offsets rise",
    arguments: ["classic", "consumer"])
  func restarts(name: String) async throws {
    try await withBroker(Self.settings) { broker in
      try await produce(12_000, broker)
      let both = try await consume(
        [
          "--group", "g", "--group-protocol", name, "--fan-out", "2", "--connections", "3", "--threads", "2",
          "--heartbeat-ms", "50", "--num-records", "24000", "--throughput", "24000", "--member-restarts", "2",
          "--fetch-max-partition-bytes", "16384", "--global-order",
        ], broker)
      #expect(both["verified"] as? Int == 24_000 && both["offsets_not_rising"] as? Int == 0, "\(both)")
      for fault in ["read_twice", "left_out", "shared_partitions"] { #expect(both[fault] as? Int == 0, "\(fault)") }
      #expect(both["restart_unread_ms"] as? Double ?? 0 > 0 && both["join_unread_ms"] is NSNull, "\(both)")
      for group in ["g-1", "g-2"] { #expect(try await offsets(of: group, broker) == (0, 12_000), "\(group)") }
      let early = try await Programs.load([
        "consume", "--bootstrap-server", broker.address, "--topic", "t", "--group", "h", "--num-records", "10",
        "--member-restarts", "9", "--quiet",
      ])
      #expect(early.status == 2 && early.errors.contains("over before all its --member-restarts"), "\(early.errors)")
    }
  }

  @Test(
    "a visitor interrupts all partitions of an eager group, and of a cooperative one and the new protocol's those that move"
  )
  func visits() async throws {
    try await withBroker(Self.settings) { broker in
      try await produce(60, broker)
      let kinds = [
        ["--assignor", "range"], ["--assignor", "cooperative-sticky"], ["--group-protocol", "consumer"],
      ]
      for (number, kind) in kinds.enumerated() {
        let report = try await consume(
          [
            "--group", "g\(number)", "--connections", "2", "--heartbeat-ms", "50", "--visits", "1", "--visit-ms",
            "1500",
            "--duration", "4.5",
          ] + kind, broker)
        // Of six partitions three members have two each: two move to the visitor, and back.
        let expected = number == 0 ? 100.0 : 100.0 / 3
        #expect(abs((report["interrupted_percent"] as? Double ?? 0) - expected) < 0.01, "\(kind): \(report)")
        for fault in ["read_twice", "left_out", "shared_partitions"] {
          #expect(report[fault] as? Int == 0, "\(kind): \(fault)")
        }
      }
    }
  }

  @Test(
    "while members come and leave no record is read twice or left out",
    arguments: ["range", "roundrobin", "cooperative-sticky", "consumer"])
  func comingAndLeaving(assignor: String) async throws {
    try await withBroker(Self.settings) { broker in
      try await produce(60, broker)
      let kind = assignor == "consumer" ? ["--group-protocol", assignor] : ["--assignor", assignor]
      let member =
        ["consume", "--bootstrap-server", broker.address, "--topic", "t", "--group", "g", "--heartbeat-ms", "50"] + kind
        + ["--json", "--quiet"]
      let producing = try Programs.started(load: [
        "produce", "--bootstrap-server", broker.address, "--topic", "t", "--throughput", "3000", "--num-records",
        "12000",
        "--quiet",
      ])
      // One stays to the end; two come and leave while it reads.
      let staying = try Programs.started(load: member + ["--duration", "8"])
      var read = 0
      for _ in 0..<2 {
        let visiting = try await Programs.load(member + ["--num-records", "200", "--duration", "30"])
        let report = try visiting.json()
        #expect(visiting.status == 0 && report["losses"] as? Int == 0, "\(report) \(visiting.errors)")
        read += report["verified"] as? Int ?? 0
      }
      #expect(try await producing.outcome().status == 0)
      let outcome = try await staying.outcome()
      let report = try outcome.json()
      #expect(outcome.status == 0 && report["losses"] as? Int == 0, "\(report) \(outcome.errors)")
      #expect(report["rebalances"] as? Int ?? 0 >= 3, "\(report)")
      read += report["verified"] as? Int ?? 0
      // What is committed is what was read, and the records before it were read once.
      #expect(try await offsets(of: "g", broker) == (12_060 - read, read))
    }
  }
}
