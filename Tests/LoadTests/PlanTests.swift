import Base
import Client
import Compression
import Foundation
import Testing

@testable import Load

@Suite("LoadPlan")
struct PlanTests {
  let minimal = ["produce", "--bootstrap-server", "127.0.0.1:9092", "--topic", "t", "--num-records", "10"]

  func refusal(_ arguments: [String]) -> String? {
    do throws(PlanError) {
      _ = try LoadPlan(arguments: arguments)
      return nil
    } catch {
      return error.description
    }
  }

  @Test("flags of Kafka's perf tools are understood")
  func flags() throws {
    let plan = try LoadPlan(
      arguments: minimal + [
        "--record-size", "200", "--throughput", "-1", "--acks", "all", "--compression", "zstd:5", "--batch-size=8196",
        "--linger-ms", "2.5", "--corpus", "entropy:3.5", "--json", "--connections", "4", "--threads", "2",
      ])
    #expect(plan.recordSize == 200)
    #expect(plan.throughput == nil)
    #expect(plan.acks == .all)
    #expect(plan.codec == .zstd && plan.level == 5)
    #expect(plan.batchBytes == 8196)
    #expect(plan.lingerMs == 2.5)
    #expect(plan.corpus == .entropy(bits: 3.5))
    #expect(plan.printsJSON)
    #expect(plan.bootstrapServers == [Endpoint(host: "127.0.0.1", port: 9092)])
  }

  @Test("more connections than the process can have files are refused, with what to do")
  func openFiles() throws {
    func plan(_ arguments: [String]) throws -> LoadPlan {
      try LoadPlan(
        arguments: arguments + ["--bootstrap-server", "127.0.0.1:9092", "--topic", "t", "--num-records", "10"])
    }
    func refusal(_ plan: LoadPlan, _ openFiles: Int) -> String? {
      do throws(PlanError) { try plan.check(openFiles: openFiles) } catch { return error.description }
      return nil
    }
    let many = try plan(["produce", "--connections", "10000"])
    #expect(refusal(many, 20_000) == nil)
    #expect(refusal(many, 10_036) == nil)
    let told = refusal(many, 10_035)
    #expect(
      told?.contains("10035 files and sockets open (ulimit -n), and 10000 connections need at least 10036") == true,
      "\(told ?? "")")
    #expect(
      refusal(try LoadPlan(arguments: ["produce", "--null-sink", "--num-records", "1", "--connections", "9"]), 9) == nil
    )
    // Each producer has a consumer, three times.
    let both = try plan(["end-to-end", "--connections", "100", "--fan-out", "3"])
    #expect(refusal(both, 435) != nil && refusal(both, 436) == nil)
    #expect(throws: PlanError.self) { try plan(["produce", "--connections", "16384"]) }
  }

  @Test("groups and transactions need what makes sense of them")
  func groupsAndTransactions() throws {
    let place = ["--bootstrap-server", "127.0.0.1:9092", "--topic", "t"]
    let member = try LoadPlan(
      arguments: ["consume", "--group", "g", "--group-instance-id", "i", "--assignor", "cooperative-sticky"]
        + ["--isolation", "read_committed", "--num-records", "1"] + place)
    #expect(member.group == "g" && member.groupInstanceID == "i" && member.assignor == .cooperativeSticky)
    #expect(member.readsCommitted)
    let visited = try LoadPlan(
      arguments: ["consume", "--group", "g", "--group-protocol", "consumer", "--remote-assignor", "uniform"]
        + ["--duration", "3", "--visits", "1", "--visit-ms", "1000"] + place)
    #expect(visited.groupProtocol == .consumer && visited.remoteAssignor == "uniform" && visited.visits == 1)
    let produce = ["produce", "--num-records", "10"] + place
    let plan = try LoadPlan(
      arguments: produce + ["--transaction-records", "5", "--transaction-abort-every", "3", "--acks", "all"])
    #expect(plan.transactionRecords == 5 && plan.abortEvery == 3 && !plan.isIdempotent && plan.hasIdentities)
    for (arguments, reason) in [
      (["consume", "--group", "g"], "needs --num-records or --duration"),
      (["consume", "--group", "g", "--num-records", "1", "--lag-records", "1"], "leave out --lag-records"),
      (["consume", "--group-instance-id", "i"], "names members of a --group"),
      (["consume", "--group", "g", "--duration", "1", "--heartbeat-ms", "30000"], "more than half"),
      (["consume", "--group", "g", "--assignor", "sticky"], "range, roundrobin or cooperative-sticky"),
      (["consume", "--isolation", "committed"], "read_uncommitted or read_committed"),
      (["consume", "--visits", "1"], "of the members of a --group"),
      (["consume", "--group", "g", "--duration", "1", "--member-restarts", "1"], "give --num-records"),
      (["consume", "--group", "g", "--duration", "2.9", "--visits", "1"], "give --duration 3.0 or more"),
      (
        [
          "consume", "--group", "g", "--duration", "3", "--num-records", "9", "--visits", "1", "--member-restarts", "1",
        ],
        "leave one out"
      ),
      (
        ["consume", "--group", "g", "--duration", "1", "--remote-assignor", "range"], "needs --group-protocol consumer"
      ),
      (["consume", "--group", "g", "--duration", "1", "--group-protocol", "eager"], "classic or consumer"),
      (["consume", "--check-keys", "--no-verify"], "leave out --no-verify"),
      (["produce", "--num-records", "1", "--keys", "5"], "it needs --key"),
      (["produce", "--num-records", "1", "--partitioner", "round-robin", "--key", "random"], "leave out --key"),
      (["produce", "--num-records", "1", "--partitioner", "random"], "sticky or round-robin"),
      (["produce", "--num-records", "1", "--transaction-records", "5"], "needs --acks all"),
      (
        ["produce", "--num-records", "1", "--transaction-records", "5", "--acks", "all", "--in-flight", "6"],
        "5 or less"
      ),
      (["produce", "--num-records", "1", "--transaction-abort-every", "2"], "needs --transaction-records"),
      (["produce", "--num-records", "1", "--group", "g"], "not a setting of produce"),
    ] as [([String], String)] {
      #expect(refusal(arguments + place)?.contains(reason) == true, "\(refusal(arguments + place) ?? "taken")")
    }
  }

  @Test("global order needs stamps that can be read")
  func consumers() throws {
    let consume = ["consume", "--bootstrap-server", "127.0.0.1:9092", "--topic", "t"]
    #expect(try LoadPlan(arguments: consume + ["--global-order"]).countsGlobalOrder)
    #expect(refusal(consume + ["--global-order", "--no-verify"])?.contains("reads the records' stamps") == true)
    let packed = ["--per-message-compression", "--compression", "zstd"]
    #expect(refusal(consume + ["--global-order"] + packed)?.contains("reads the records' stamps") == true)
  }

  @Test(
    "reading at a distance, at random and at a pace needs what makes sense of it",
    arguments: [
      (["consume", "--lag-records", "10"], "never reaches the topic's end"),
      (["consume", "--lag-records", "10", "--duration", "1", "--from", "latest"], "leave out --from"),
      (["consume", "--order", "random", "--duration", "1"], "needs --no-verify"),
      (["consume", "--order", "random", "--no-verify"], "needs --no-verify"),
      (["consume", "--order", "backwards"], "sequential or random"),
      (["consume", "--connections", "200", "--fan-out", "100"], "beyond the limit"),
      (["produce", "--fan-out", "2"], "not a setting of produce"),
      (["end-to-end", "--order", "random"], "not a setting of end-to-end"),
    ])
  func reading(arguments: [String], reason: String) {
    let place = ["--bootstrap-server", "127.0.0.1:9092", "--topic", "t"]
    #expect(
      refusal(arguments + place)?.contains(reason) == true, "\(arguments): \(refusal(arguments + place) ?? "runs")")
  }

  @Test("an unknown flag names the nearest known one")
  func suggestion() {
    #expect(refusal(minimal + ["--record-sise", "3"])?.contains("did you mean 'record-size'?") == true)
    #expect(refusal(minimal + ["--xyzzy"])?.contains("unknown setting 'xyzzy'") == true)
    #expect(refusal(minimal + ["--xyzzy"])?.contains("did you mean") == false)
  }

  @Test(
    "what cannot be read, or cannot be together, is said in words",
    arguments: [
      (["--acks", "2"], "0, 1 or all"),
      (["--compression", "rar"], "none, gzip, snappy, lz4 or zstd"),
      (["--compression", "zstd:99"], "is invalid: levels are"),
      (["--compression", "snappy:1"], "no levels"),
      (["--record-size", "10"], "no room for the sequence number"),
      (["--threads", "3"], "more than --connections"),
      (["--global-order"], "not a setting of produce"),
      (["--separate-consumers"], "not a setting of produce"),
      (["--compression-threads", "2"], "they need a --compression"),
      (["--idempotent"], "needs --acks all"),
      (["--per-message-compression"], "needs a --compression"),
      (["--topic"], "needs a value"),
      (["stray"], "flags begin with --"),
      (["--from", "latest"], "not a setting of produce"),
      (["--num-records", "-4"], "a number from 1"),
    ] as [([String], String)])
  func refusals(arguments: [String], words: String) {
    let text = refusal(minimal + arguments)
    #expect(text?.contains(words) == true, "\(text ?? "was accepted")")
  }

  @Test("a run must have an end, a topic and a cluster")
  func needs() {
    #expect(refusal(["produce", "--topic", "t", "--num-records", "1"])?.contains("--bootstrap-server") == true)
    #expect(refusal(["produce", "--bootstrap-server", "h:1", "--num-records", "1"])?.contains("--topic") == true)
    #expect(refusal(["produce", "--bootstrap-server", "h:1", "--topic", "t"])?.contains("must have an end") == true)
    #expect(
      refusal(["dance"])?.contains(
        "'dance' is no command: expected produce, consume, end-to-end, sustain, twin, check, agent, spread or relay")
        == true
    )
    #expect(refusal(["produce", "--null-sink", "--num-records", "1"]) == nil)
    #expect(refusal(["consume", "--bootstrap-server", "h:1", "--topic", "t"]) == nil)
  }

  @Test("a plan file sets the same names, strictly")
  func file() throws {
    var plan = LoadPlan(.produce)
    try plan.read(
      json: Data(#"{"topic": "t", "num-records": 500, "acks": -1, "json": true, "linger-ms": 1.5, "acks": "0"}"#.utf8))
    #expect(plan.topic == "t" && plan.recordCount == 500 && plan.printsJSON && plan.lingerMs == 1.5)
    #expect(throws: PlanError("unknown setting 'topik'; did you mean 'topic'?")) {
      try plan.read(json: Data(#"{"topik": "t"}"#.utf8))
    }
    #expect(throws: PlanError.self) { try plan.read(json: Data(#"["topic"]"#.utf8)) }
    #expect(throws: PlanError.self) { try plan.read(json: Data(#"{"topic": ["t"]}"#.utf8)) }
    #expect(throws: PlanError.self) { try plan.read(json: Data(#"{"topic": "#.utf8)) }
  }

  @Test("a flag goes over the plan file, wherever it stands")
  func precedence() throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("plan-\(UUID().uuidString).json").path
    try Data(#"{"record-size": 300, "batch-size": 1000}"#.utf8).write(to: URL(fileURLWithPath: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    let plan = try LoadPlan(arguments: minimal + ["--record-size", "400", "--plan", path])
    #expect(plan.recordSize == 400 && plan.batchBytes == 1000)
  }

  @Test("every setting is in the help of its commands, and names are unique")
  func help() {
    #expect(Set(LoadPlan.settings.map(\.name)).count == LoadPlan.settings.count)
    for setting in LoadPlan.settings {
      for command in setting.commands { #expect(LoadPlan.help(command).contains("--\(setting.name)")) }
    }
  }
}

@Suite("Report values")
struct ReportValueTests {
  @Test("JSON and CSV quote what they must")
  func quoting() {
    #expect(JSON.string("a\"b\\c\nd\u{1}").text == #""a\"b\\c\nd\u0001""#)
    #expect(JSON.string("a,\"b\"").cell == "\"a,\"\"b\"\"\"")
    #expect(
      JSON.object([("x", .count(1)), ("y", .array([.null, .bool(true)]))]).text == #"{"x":1,"y":[null,true]}"#)
  }

  @Test(
    "numbers print without exponents and parse back",
    arguments: [0, 1, -1, 0.5, 1234567.891, 0.000001, 1e14, 99.999999])
  func numbers(value: Double) {
    #expect(Double(Number.exact(value)) == value)
    #expect(!Number.exact(value).contains("e"))
    #expect(Number.grouped(1_234_567) == "1,234,567")
    #expect(Number.grouped(-12) == "-12")
    #expect(Number.fixed(1.25, 1) == "1.3" || Number.fixed(1.25, 1) == "1.2")
  }

  @Test("brackets keep the commas of a topic's configuration together")
  func topicConfig() throws {
    func configs(_ text: String) throws -> [String] {
      try LoadPlan(arguments: [
        "produce", "--topic", "t", "--bootstrap-server", "h:1", "--num-records", "1", "--topic-config", text,
      ])
      .topicConfigs.map { "\($0.key)=\($0.value)" }
    }
    #expect(try configs("cleanup.policy=[compact,delete]") == ["cleanup.policy=compact,delete"])
    #expect(
      try configs("cleanup.policy=[compact,delete],retention.ms=5") == [
        "cleanup.policy=compact,delete", "retention.ms=5",
      ])
    #expect(try configs("a=,b=[],c=x=y") == ["a=", "b=", "c=x=y"])
    for wrong in ["cleanup.policy=[compact,delete", "compact", "=x"] {
      #expect(throws: PlanError.self, "\(wrong)") { try configs(wrong) }
    }
  }

  @Test("a pace is above 0, or -1 for none", arguments: ["0", "-0.5", "-2", "nan", "inf", "2e9"])
  func pace(text: String) {
    #expect(throws: PlanError.self) {
      try LoadPlan(arguments: ["produce", "--null-sink", "--num-records", "1", "--throughput", text])
    }
  }
}
