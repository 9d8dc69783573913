import Base
import Coordination

/// Has one run carried out by agents: finds them, tells each its share, starts them together, and collects their results.
struct SpreadRun: Sendable {
  let plan: SpreadPlan
  let isInterrupted: @Sendable () -> Bool
  /// Called with lines for a person.
  let tell: @Sendable (String) -> Void

  /// - Throws: `ZNodeError` where ZooKeeper is not reached, `PlanError` where agents are missing.
  func run() async throws -> SpreadReport {
    let tree = try ZooKeeperTree(connect: plan.zooKeeper, sessionTimeoutMs: plan.sessionTimeoutMs)
    defer { tree.close() }
    try tree.ensure(AgentNodes.root, AgentNodes.agents, AgentNodes.runs)
    var order = plan.order
    order.agents = try await findAgents(tree)
    tell("agents: \(order.agents.joined(separator: ", "))")
    let run = try tree.create(AgentNodes.runs + "/run-", mode: .persistentSequential)
    let outcome: Result<SpreadReport, any Error>
    do { outcome = .success(try await conduct(run, order, tree)) } catch { outcome = .failure(error) }
    do { try tree.deleteAll(run) } catch { tell("the run's nodes stay in ZooKeeper below \(run): \(error)") }
    return try outcome.get()
  }

  private func conduct(_ run: String, _ order: AgentOrder, _ tree: any ZNodeTree) async throws -> SpreadReport {
    try tree.create(AgentNodes.owner(run), mode: .ephemeral)
    try tree.ensure(AgentNodes.ready(run), AgentNodes.results(run))
    try tree.create(AgentNodes.plan(run), order.encoded)
    if try await allReady(run, order, tree) {
      let clock = try tree.clockOffset(AgentNodes.owner(run), readings: Limits.clockReadings)
      guard clock.isConsistent else {
        throw PlanError("the clock of this machine or of ZooKeeper was set while it was read: begin again")
      }
      let startNs = Int64(Clocks.wallNs()) + clock.middleNs + Int64(plan.startInMs * 1e6)
      try tree.create(AgentNodes.start(run), Array(String(startNs).utf8))
      tell("all begin in \(Number.fixed(plan.startInMs, 0)) ms")
    }
    var results: [AgentResult] = []
    for agent in order.agents { results.append(try await result(of: agent, run, tree)) }
    return SpreadReport(plan.base, results)
  }

  /// Returns the names of the agents that take part, when all of them wait.
  private func findAgents(_ tree: any ZNodeTree) async throws -> [String] {
    let deadlineMs = Clocks.wallMs() + Int64(plan.waitSeconds * 1000)
    let change = Change(of: tree)
    var present: [String] = []
    while true {
      if change.take() { present = try change.names(in: AgentNodes.agents, tree) }
      if let names = plan.names {
        let missing = names.filter { !present.contains($0) }
        if missing.isEmpty { return names }
        guard Clocks.wallMs() < deadlineMs, !isInterrupted() else {
          throw PlanError("agents that do not wait at \(plan.zooKeeper): \(missing.joined(separator: ", "))")
        }
      } else {
        if present.count >= plan.agents { return Array(present.prefix(plan.agents)) }
        guard Clocks.wallMs() < deadlineMs, !isInterrupted() else {
          throw PlanError(
            "\(present.count) of \(plan.agents) agents wait at \(plan.zooKeeper)"
              + (present.isEmpty ? "" : " (\(present.joined(separator: ", ")))")
              + ": start more with millrace-load agent --zookeeper \(plan.zooKeeper)")
        }
      }
      try await Task.sleep(for: .milliseconds(Limits.agentLookMs))
    }
  }

  /// Waits until all agents are connected. Returns false where one has failed before, or is gone: the others are told to give up.
  private func allReady(_ run: String, _ order: AgentOrder, _ tree: any ZNodeTree) async throws -> Bool {
    let deadlineMs = Clocks.wallMs() + Int64(plan.waitSeconds * 1000)
    let change = Change(of: tree)
    var ready: [String] = [], present: [String] = [], ended: [String] = []
    while true {
      if change.take() {
        ready = try change.names(in: AgentNodes.ready(run), tree)
        present = try change.names(in: AgentNodes.agents, tree)
        ended = try change.names(in: AgentNodes.results(run), tree)
      }
      if ready.count == order.agents.count { return true }
      let gone = order.agents.filter { !present.contains($0) || ended.contains($0) }
      let isLate = Clocks.wallMs() >= deadlineMs
      if !gone.isEmpty || isLate || isInterrupted() {
        if isLate {
          let late = order.agents.filter { !ready.contains($0) }
          tell("not ready within \(Number.short(plan.waitSeconds)) s: \(late.joined(separator: ", "))")
        }
        try tree.delete(AgentNodes.owner(run))
        return false
      }
      try await Task.sleep(for: .milliseconds(Limits.runLookMs))
    }
  }

  /// Waits for an agent's result; one that is gone has failed. Where this program is interrupted the agents end early, with what they have.
  private func result(of agent: String, _ run: String, _ tree: any ZNodeTree) async throws -> AgentResult {
    let path = AgentNodes.result(run, agent)
    let change = Change(of: tree)
    var isStopped = false
    while true {
      let isDue = change.take()
      if isDue, try change.stat(of: path, tree) != nil, let node = try tree.find(path) {
        guard let count = Int(String(decoding: node.data, as: UTF8.self)), (1...Limits.resultPiecesMax).contains(count)
        else {
          return AgentResult(agent: agent, failure: "its result has more pieces than \(Limits.resultPiecesMax)")
        }
        let pieces = try tree.get(all: (0..<count).map { AgentNodes.piece($0, of: path) }).compactMap { $0?.data }
        do throws(PlanError) { return try AgentResult(agent: agent, pieces: pieces) } catch {
          return AgentResult(agent: agent, failure: error.description)
        }
      }
      if isDue, try change.stat(of: AgentNodes.agent(agent), tree) == nil, try tree.exists(path) == nil {
        return AgentResult(agent: agent, failure: "it is gone: its session with ZooKeeper has ended")
      }
      if isInterrupted(), !isStopped {
        isStopped = true
        if try tree.exists(AgentNodes.owner(run)) != nil { try tree.delete(AgentNodes.owner(run)) }
      }
      try await Task.sleep(for: .milliseconds(Limits.runLookMs))
    }
  }
}
