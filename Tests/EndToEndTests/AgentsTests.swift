import Coordination
import Foundation
import TestSupport
import Testing

/// Runs that generators share, as a user meets them: `millrace-load agent` on each host, and `millrace-load spread`.
@Suite(
  "Agents that share a run", .serialized,
  .enabled(if: ZooKeeperServer.obstacle == nil, "\(ZooKeeperServer.obstacle ?? "")"))
struct AgentsTests {
  /// - Parameter hosts: those that the agents run on, by their names; nil: all on this one.
  private func withAgents(
    _ names: [String], on hosts: TestHosts? = nil,
    _ body: (_ place: [String], _ broker: BrokerProcess, _ agents: [String: Running]) async throws -> Void
  ) async throws {
    let server = try ZooKeeperServer.start(at: hosts?.address ?? "127.0.0.1")
    let place = ["--zookeeper", "\(server.address)/load", "--session-timeout-ms", "1000"]
    try await withBroker(hosts.map { ["listeners=PLAINTEXT://\($0.address):0"] } ?? []) { broker in
      var agents: [String: Running] = [:]
      for name in names {
        let arguments = ["agent", "--name", name] + place
        agents[name] = try hosts?.start(load: arguments, on: name) ?? Programs.started(load: arguments)
      }
      defer { for agent in agents.values { agent.send(SIGKILL) } }
      for agent in agents.values { try await agent.wait { agent.printed.contains("waits at") } }
      try await body(place, broker, agents)
    }
  }

  @Test("produce and read what one would, begin together, and tell how far apart they may have been")
  func together() async throws {
    try await withAgents(["a", "b", "c"]) { place, broker, agents in
      let produced = try await Programs.load(
        ["spread"] + place + ["--agents", "3"] + [
          "produce", "--bootstrap-server", broker.address, "--topic", "t", "--partitions", "4", "--num-records",
          "30001",
          "--throughput", "30000", "--json",
        ])
      let report = try produced.json()
      #expect(produced.status == 0, "\(produced.output) \(produced.errors)")
      #expect(report["records"] as? Int == 30_001 && report["errors"] as? Int == 0)
      let latency = try #require(report["response_latency_ms"] as? [String: Any])
      #expect(latency["samples"] as? Int == 30_001 && latency["p99_9"] is Double, "\(latency)")
      let parts = try #require(report["agents"] as? [[String: Any]])
      #expect(parts.map { $0["name"] as? String } == ["a", "b", "c"])
      let records = parts.map { ($0["report"] as? [String: Any])?["records"] as? Int }
      #expect(records == [10_001, 10_000, 10_000])
      // All are on this machine, so the difference of their clocks from the server's is none.
      for part in parts {
        let (offset, error) = (part["clock_offset_ms"] as? Double ?? 99, part["clock_offset_error_ms"] as? Double ?? 99)
        #expect(abs(offset) <= error, "0 is within \(offset) ± \(error) ms")
      }
      let consumed = try await Programs.load(
        ["spread"] + place + ["--agents", "3"] + [
          "consume", "--bootstrap-server", broker.address, "--topic", "t", "--json",
        ])
      let read = try consumed.json()
      #expect(consumed.status == 0, "\(consumed.output) \(consumed.errors)")
      #expect(read["verified"] as? Int == 30_001 && read["lost"] as? Int == 0 && read["duplicated"] as? Int == 0)
      let both = try await Programs.load(
        ["spread"] + place + ["--agent-names", "c,a"] + [
          "end-to-end", "--bootstrap-server", broker.address, "--topic", "e", "--partitions", "1", "--num-records",
          "2000",
          "--json",
        ])
      #expect(try both.json()["verified"] as? Int == 2_000, "\(both.output) \(both.errors)")
      // Nothing of the runs is left, and every agent ends in order.
      let tree = try ZooKeeperTree(connect: place[1], sessionTimeoutMs: 10_000)
      #expect(try tree.children(of: "/millrace-load/runs") == [])
      for (name, agent) in agents {
        agent.send(SIGTERM)
        #expect(try await agent.outcome().status == 0, "\(name)")
      }
      #expect(try tree.children(of: "/millrace-load/agents") == [])
    }
  }

  @Test("an agent that is killed fails the run, which says so; one that cannot reach the cluster says why")
  func failures() async throws {
    try await withAgents(["a", "b"]) { place, broker, agents in
      let load = [
        "produce", "--bootstrap-server", broker.address, "--topic", "t", "--partitions", "1", "--throughput", "1000",
        "--duration", "4",
      ]
      let spread = try Programs.started(load: ["spread"] + place + ["--agents", "2"] + load)
      try await spread.wait { spread.printed.contains("all begin in") }
      agents["b"]?.send(SIGKILL)
      let outcome = try await spread.outcome()
      #expect(outcome.status == 1 && outcome.output.contains("b: FAILED: it is gone"), "\(outcome)")
      #expect(outcome.output.contains("\n  a: "), "\(outcome.output)")
      let missing = try await Programs.load(
        ["spread"] + place + ["--agents", "2", "--wait-seconds", "1"] + load)
      #expect(missing.status == 2 && missing.errors.contains("1 of 2 agents wait at"), "\(missing.errors)")
      let nowhere = try await Programs.load(
        ["spread"] + place + ["--agents", "1"] + [
          "consume", "--bootstrap-server", "127.0.0.1:1", "--topic", "t",
        ])
      #expect(nowhere.status == 1 && nowhere.output.contains("a: FAILED: "), "\(nowhere)")
      let twice = try await Programs.load(["agent", "--name", "a"] + place)
      #expect(twice.status == 2 && twice.errors.contains("another agent is called a"), "\(twice.errors)")
    }
  }

  @Test(
    "on hosts of their own share a run as on one; a host whose cable is pulled fails it, which says so and ends",
    .enabled(if: TestHosts.obstacle == nil, "\(TestHosts.obstacle ?? "")"))
  func hosts() async throws {
    let hosts = try TestHosts(["a", "b"])
    try await withAgents(["a", "b"], on: hosts) { place, broker, agents in
      let target = "\(hosts.address):\(broker.port)"
      let produced = try await Programs.load(
        ["spread"] + place + ["--agents", "2"] + [
          "produce", "--bootstrap-server", target, "--topic", "t", "--partitions", "4", "--num-records", "20000",
          "--throughput", "20000", "--json",
        ])
      let report = try produced.json()
      #expect(produced.status == 0, "\(produced.output) \(produced.errors)")
      #expect(report["records"] as? Int == 20_000 && report["errors"] as? Int == 0, "\(report)")
      let parts = try #require(report["agents"] as? [[String: Any]])
      #expect(parts.count == 2)
      for part in parts {
        let (offset, error) = (part["clock_offset_ms"] as? Double ?? 99, part["clock_offset_error_ms"] as? Double ?? 99)
        #expect(abs(offset) <= error, "0 is within \(offset) ± \(error) ms")
      }
      let consumed = try await Programs.load(
        ["spread"] + place + ["--agents", "2"] + ["consume", "--bootstrap-server", target, "--topic", "t", "--json"])
      let read = try consumed.json()
      #expect(read["verified"] as? Int == 20_000 && read["lost"] as? Int == 0, "\(consumed)")
      let spread = try Programs.started(
        load: ["spread"] + place + ["--agents", "2"] + [
          "produce", "--bootstrap-server", target, "--topic", "u", "--partitions", "2", "--throughput", "1000",
          "--duration", "6",
        ])
      try await spread.wait { spread.printed.contains("all begin in") }
      try hosts.pull("b")
      let outcome = try await spread.outcome()
      #expect(outcome.status == 1 && outcome.output.contains("b: FAILED: it is gone"), "\(outcome)")
      #expect(outcome.output.contains("\n  a: "), "\(outcome.output)")
    }
  }

  @Test("Ctrl-C ends the run on all agents, with a report of what was done")
  func interrupted() async throws {
    try await withAgents(["a", "b"]) { place, broker, _ in
      let spread = try Programs.started(
        load: ["spread"] + place + ["--agents", "2"] + [
          "produce", "--bootstrap-server", broker.address, "--topic", "t", "--partitions", "1", "--throughput", "1000",
          "--duration", "600", "--json",
        ])
      try await spread.wait { spread.printed.contains("all begin in") }
      try await Task.sleep(for: .seconds(2))
      spread.send(SIGINT)
      let outcome = try await spread.outcome()
      let report = try outcome.json()
      #expect(outcome.status == 0 && report["records"] as? Int ?? 0 > 100, "\(outcome)")
    }
  }
}
