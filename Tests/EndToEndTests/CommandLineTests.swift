import Foundation
import TestSupport
import Testing

/// The habits of `millrace` as a user meets them: as a process.
@Suite("The command line of millrace", .serialized)
struct CommandLineTests {
  private struct Command: Decodable {
    var commandName: String
    var abstract: String?
    var discussion: String?
    var shouldDisplay: Bool?
    var subcommands: [Command]?
  }

  private struct Tool: Decodable { var command: Command }

  private func millrace(_ arguments: [String]) async throws -> Programs.Outcome {
    try await Running("millrace", arguments).outcome()
  }

  private var root: URL {
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  }

  @Test("every command says what it is for and shows an example")
  func examples() async throws {
    let dump = try await millrace(["--experimental-dump-help"])
    let tool = try JSONDecoder().decode(Tool.self, from: Data(dump.output.utf8))
    func check(_ command: Command, _ path: String) {
      guard command.shouldDisplay != false, command.commandName != "help" else { return }
      #expect(command.abstract?.isEmpty == false, "\(path) has no abstract")
      #expect(command.discussion?.contains("EXAMPLE") == true, "\(path) has no example")
      #expect(command.discussion?.contains("millrace \(path.dropFirst(9))") == true, "\(path)'s example is of another")
      for next in command.subcommands ?? [] { check(next, "\(path) \(next.commandName)") }
    }
    check(tool.command, "millrace")
    #expect(tool.command.subcommands?.count ?? 0 > 10)
  }

  @Test("the page on the command line names every command and exit code")
  func documented() async throws {
    let dump = try await millrace(["--experimental-dump-help"])
    let tool = try JSONDecoder().decode(Tool.self, from: Data(dump.output.utf8))
    let page = try String(contentsOf: root.appending(path: "docs/command-line.md"), encoding: .utf8)
    for command in tool.command.subcommands ?? [] where command.shouldDisplay != false && command.commandName != "help"
    {
      #expect(page.contains("`millrace \(command.commandName)"), "\(command.commandName)")
    }
    for code in ["0", "1", "2", "64", "65", "69", "73", "74", "130"] {
      #expect(page.contains("| \(code) |"), "exit code \(code)")
    }
  }

  @Test(
    "a command that does not exist is told with the one that was meant",
    arguments: [(["lst"], "list"), (["topics", "crate"], "create"), (["codec"], "codecs")])
  func nearMiss(words: [String], meant: String) async throws {
    let outcome = try await millrace(words)
    #expect(outcome.status == 64 && outcome.errors.contains("did you mean '\(meant)'?"), "\(outcome.errors)")
  }

  @Test("an experiment that does not exist is told with the one that was meant, and exit code 65")
  func experiment() async throws {
    let place = root.appending(path: "experiments").path
    let outcome = try await millrace(["plan", "zero-cpy", "--experiments", place])
    #expect(outcome.status == 65 && outcome.errors.contains("did you mean `zero-copy`?"), "\(outcome.errors)")
  }

  @Test("new writes a definition that plan accepts, once, and numbers it next")
  func new() async throws {
    let place = NSTemporaryDirectory() + "millrace-new-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: place) }
    let first = try await millrace(["new", "one", "--experiments", place])
    #expect(first.status == 0 && first.output.contains("\(place)/01-one.yaml"), "\(first.errors)")
    #expect(try await millrace(["new", "two", "--experiments", place]).status == 0)
    let again = try await millrace(["new", "one", "--experiments", place])
    #expect(again.status == 65 && again.errors.contains("already"))
    let plan = try await millrace(["plan", "--json", "--experiments", place])
    #expect(plan.status == 0, "\(plan.errors)")
    let documents = try #require(JSONSerialization.jsonObject(with: Data(plan.output.utf8)) as? [[String: Any]])
    #expect(documents.map { $0["experiment"] as? String } == ["one", "two"])
    #expect(documents.allSatisfy { ($0["runs"] as? Int ?? 0) > 0 && $0["refusal"] is NSNull })
  }

  @Test("--json is one document on standard output, without colours")
  func json() async throws {
    let place = root.appending(path: "experiments").path
    let list = try await millrace(["list", "--json", "--experiments", place, "--results", "/nowhere"])
    let listed = try #require(JSONSerialization.jsonObject(with: Data(list.output.utf8)) as? [[String: Any]])
    #expect(listed.contains { $0["name"] as? String == "zero-copy" && $0["latest"] is NSNull })
    let doctor = try await millrace(["doctor", "--json"])
    let found = try #require(JSONSerialization.jsonObject(with: Data(doctor.output.utf8)) as? [String: Any])
    let findings = try #require(found["findings"] as? [[String: String]])
    #expect(findings.contains { $0["subject"] == "build" } && found["machine"] != nil)
    for finding in findings where finding["grade"] != "good" {
      #expect(finding["remedy"]?.isEmpty == false, "\(finding) has no remedy")
    }
    #expect(!(list.output + list.errors + doctor.output).contains("\u{1B}["))
  }

  @Test("completions are written for every shell", arguments: ["bash", "zsh", "fish"])
  func completions(shell: String) async throws {
    let outcome = try await millrace(["--generate-completion-script", shell])
    #expect(outcome.status == 0 && outcome.output.contains("throughput-over-volume") == false)
    #expect(outcome.output.contains("codecs") && outcome.output.contains("compare"))
  }

  @Test("topics of a running cluster are made, listed and deleted by address; a cluster that is not there is 69")
  func topics() async throws {
    try await withBroker { broker in
      let place = ["--bootstrap-server", broker.address]
      #expect(try await millrace(["topics", "create", "t", "--partitions", "3"] + place).status == 0)
      let again = try await millrace(["topics", "create", "t"] + place)
      #expect(again.status == 69 && again.errors.contains("'t'"), "\(again.errors)")
      let listed = try await millrace(["topics", "list", "--json"] + place)
      let topics = try #require(JSONSerialization.jsonObject(with: Data(listed.output.utf8)) as? [[String: Any]])
      #expect(topics.count == 1 && topics[0]["name"] as? String == "t" && topics[0]["partitions"] as? Int == 3)
      #expect(try await millrace(["topics", "delete", "t"] + place).status == 0)
      #expect(try await millrace(["topics", "list"] + place).output.isEmpty)
    }
    let absent = try await millrace(["topics", "list", "--bootstrap-server", "127.0.0.1:1"])
    #expect(absent.status == 69 && absent.errors.contains("127.0.0.1:1"))
  }

  @Test(
    "topics are described as kafka-topics does, grown, and those that are not there told with the one that was meant")
  func describedTopics() async throws {
    try await withBroker { broker in
      let place = ["--bootstrap-server", broker.address]
      let configs = "retention.ms=60000,cleanup.policy=[compact,delete]"
      let made = try await millrace(["topics", "create", "orders", "--partitions", "2", "--config", configs] + place)
      #expect(made.status == 0 && made.output == "Created topic orders.\n", "\(made.errors)")
      let text = try await millrace(["topics", "describe", "orders"] + place).output
      let lines = text.split(separator: "\n").map(String.init)
      #expect(lines.count == 3 && lines[0].hasPrefix("Topic: orders\tTopicId: "), "\(text)")
      #expect(lines[0].contains("\tPartitionCount: 2\tReplicationFactor: 1\tConfigs: "), "\(text)")
      #expect(lines[0].contains("cleanup.policy=compact,delete") && lines[0].contains("retention.ms=60000"), "\(text)")
      #expect(lines[1] == "\tTopic: orders\tPartition: 0\tLeader: 1\tReplicas: 1\tIsr: 1", "\(text)")
      #expect(try await millrace(["topics", "alter", "orders", "--partitions", "5"] + place).status == 0)
      let fewer = try await millrace(["topics", "alter", "orders", "--partitions", "3"] + place)
      #expect(fewer.status == 69 && fewer.errors.contains("INVALID_PARTITIONS"), "\(fewer.errors)")
      let typo = try await millrace(["topics", "describe", "order"] + place)
      #expect(typo.status == 69 && typo.errors.contains("did you mean 'orders'?"), "\(typo.errors)")
      #expect(try await millrace(["topics", "describe", "--under-replicated-partitions"] + place).output.isEmpty)
      let again = try await millrace(["topics", "create", "orders", "--if-not-exists"] + place)
      #expect(again.status == 0 && again.errors.contains("exists"))
      let deleted = try await millrace(["topics", "delete", "orders", "none"] + place)
      #expect(deleted.status == 1 && deleted.errors.contains("'none'"), "\(deleted.errors)")
      #expect(try await millrace(["topics", "delete", "none", "--if-exists"] + place).status == 0)
    }
  }

  @Test("configuration of topics and brokers is described, set and deleted; what cannot be is told")
  func configs() async throws {
    try await withBroker { broker in
      let place = ["--bootstrap-server", broker.address]
      #expect(try await millrace(["topics", "create", "t"] + place).status == 0)
      let none = try await millrace(["configs", "describe", "--topic", "t"] + place)
      #expect(none.output == "Dynamic configs for topic t are:\n", "\(none.output)\(none.errors)")
      let set = try await millrace(["configs", "alter", "--topic", "t", "--add-config", "retention.ms=1234"] + place)
      #expect(set.status == 0 && set.output == "Completed updating config for topic t.\n", "\(set.errors)")
      let own = try await millrace(["configs", "describe", "--topic", "t"] + place).output
      #expect(
        own.contains("  retention.ms=1234 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=1234, "), "\(own)"
      )
      let wrong = try await millrace(["configs", "alter", "--topic", "t", "--add-config", "retention.ms=x"] + place)
      #expect(wrong.status == 69 && wrong.errors.contains("INVALID_CONFIG"), "\(wrong.errors)")
      let dry = ["configs", "alter", "--topic", "t", "--add-config", "retention.ms=9", "--dry-run"]
      #expect(try await millrace(dry + place).status == 0)
      #expect(try await millrace(["configs", "describe", "--topic", "t"] + place).output == own)
      #expect(
        try await millrace(["configs", "alter", "--topic", "t", "--delete-config", "retention.ms"] + place).status == 0)
      let gone = try await millrace(["configs", "alter", "--topic", "t", "--delete-config", "retention.ms"] + place)
      #expect(gone.status == 69 && gone.errors.contains("no value of its own"), "\(gone.errors)")
      let all = try await millrace(["configs", "describe", "--broker", "1", "--all", "--json"] + place)
      let documents = try #require(JSONSerialization.jsonObject(with: Data(all.output.utf8)) as? [[String: Any]])
      let entries = try #require(documents.first?["configs"] as? [[String: Any]])
      #expect(entries.contains { $0["name"] as? String == "broker.id" && $0["value"] as? String == "1" })
      let both = try await millrace(["configs", "describe", "--topic", "t", "--brokers"] + place)
      #expect(both.status == 64, "\(both.errors)")
    }
  }

  @Test("log directories are shown with their replicas, and wrong brokers told")
  func logDirs() async throws {
    try await withBroker { broker in
      let place = ["--bootstrap-server", broker.address]
      #expect(try await millrace(["topics", "create", "t", "--partitions", "2"] + place).status == 0)
      let shown = try await millrace(["log-dirs"] + place)
      #expect(shown.output.hasPrefix("Broker: 1\tLogDir: ") && shown.output.contains("  t      1 "), "\(shown.output)")
      let text = try await millrace(["log-dirs", "--topic-list", "t", "--broker-list", "1", "--json"] + place).output
      let document = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
      #expect(
        document["version"] as? Int == 1 && (document["brokers"] as? [[String: Any]])?.first?["broker"] as? Int == 1)
      let wrong = try await millrace(["log-dirs", "--broker-list", "7"] + place)
      #expect(wrong.status == 69 && wrong.errors.contains("no broker 7"), "\(wrong.errors)")
      #expect(try await millrace(["log-dirs", "--broker-list", "x"] + place).status == 64)
    }
  }

  @Test(
    "arguments that do not go together are refused before the cluster is asked",
    arguments: [
      (["groups", "describe"], "name groups, or give --all-groups"),
      (["groups", "describe", "g", "--members", "--state"], "give one of"),
      (["groups", "reset-offsets", "g", "--all-topics"], "give one of --to-earliest"),
      (["groups", "reset-offsets", "g", "--to-latest"], "either --all-topics or --topic"),
      (["groups", "reset-offsets", "g", "--all-topics", "--to-datetime", "yesterday"], "YYYY-MM-DDThh:mm:ss"),
      (["groups", "reset-offsets", "g", "--all-topics", "--by-duration", "1h"], "PT1H30M"),
      (["groups", "delete-offsets", "g", "--topic", "t:x"], "NAME:PARTITION"),
      (["configs", "alter", "--topic", "t"], "nothing is to change"),
      (["configs", "alter", "--topic", "t", "--add-config", "a"], "KEY=VALUE"),
      (["transactions", "abort", "--topic", "t", "--partition", "0"], "either --start-offset"),
      (["topics", "create", "t", "--partitions", "0"], "at least 1"),
    ])
  func wrongArguments(words: [String], reason: String) async throws {
    let outcome = try await millrace(words + ["--bootstrap-server", "127.0.0.1:1"])
    #expect(outcome.status == 64 && outcome.errors.contains(reason), "\(outcome.status) \(outcome.errors)")
  }
}
