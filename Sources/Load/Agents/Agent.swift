import Base
import Coordination
import Synchronization

/// Waits at ZooKeeper for shares of runs, and carries them out.
struct Agent: Sendable {
  let plan: AgentPlan
  let isInterrupted: @Sendable () -> Bool
  /// Called with lines for a person.
  let tell: @Sendable (String) -> Void

  /// Returns how many of its runs failed, when it is interrupted or has done all that it was to do.
  ///
  /// - Throws: `ZNodeError` where ZooKeeper is not reached at the start, `PlanError` where another agent has the name.
  func run() async throws -> Int {
    var tree: any ZNodeTree = try connect()
    var runs = Change(of: tree)
    var done = 0, failures = 0
    var seen: Set<String> = []
    tell("agent \(plan.name) waits at \(plan.zooKeeper)")
    while !isInterrupted(), done < plan.runs ?? .max {
      do {
        if runs.take(), let (run, order) = try next(tree, runs, &seen) {
          // There may be another already.
          runs.note()
          let isGood = try await carryOut(run, order, tree)
          done += 1
          if !isGood { failures += 1 }
          continue
        }
      } catch let error as ZNodeError {
        tell("ZooKeeper is not reached: \(error)")
        if error.code == .sessionExpired || error.code == .closed {
          tree = try connect()
          runs = Change(of: tree)
        }
      }
      try? await Task.sleep(for: .milliseconds(Limits.agentLookMs))
    }
    tree.close()
    return failures
  }

  /// Connects, and registers the agent. Where its name is taken it waits as long as a session of its own that has not ended yet can last.
  private func connect() throws -> any ZNodeTree {
    let tree = try ZooKeeperTree(connect: plan.zooKeeper, sessionTimeoutMs: plan.sessionTimeoutMs)
    try tree.ensure(AgentNodes.root, AgentNodes.agents, AgentNodes.runs)
    let data = JSON.object([
      "version": .int(1), "host": .string(AgentPlan.hostName), "program": .string(OwnProgram.version),
    ])
    let deadlineMs = Clocks.wallMs() + Int64(plan.sessionTimeoutMs) * 2
    while true {
      do throws(ZNodeError) {
        try tree.create(AgentNodes.agent(plan.name), data.encoded, mode: .ephemeral)
        return tree
      } catch {
        guard error.code == .nodeExists else { throw error }
        guard Clocks.wallMs() < deadlineMs, !isInterrupted() else {
          tree.close()
          throw PlanError("another agent is called \(plan.name): give each a --name of its own")
        }
        Clocks.nap(milliseconds: Int64(Limits.agentLookMs))
      }
    }
  }

  /// Returns the next run that names this agent and has no result of it yet.
  private func next(
    _ tree: any ZNodeTree, _ runs: Change, _ seen: inout Set<String>
  ) throws(ZNodeError) -> (String, AgentOrder)? {
    let names = try runs.names(in: AgentNodes.runs, tree)
    for name in names where !seen.contains(name) {
      let run = AgentNodes.runs + "/" + name
      // Until its plan is there the run is being made.
      let plan = try runs.stat(of: AgentNodes.plan(run), tree)
      guard plan != nil, let node = try tree.find(AgentNodes.plan(run)) else { continue }
      seen.insert(name)
      guard try tree.exists(AgentNodes.owner(run)) != nil else { continue }
      do {
        let order = try AgentOrder(reading: node.data)
        if order.agents.contains(self.plan.name) { return (run, order) }
      } catch { tell("\(name) is left out: \(error)") }
    }
    return nil
  }

  /// Runs this agent's share, and stores the result. Returns whether it is good.
  private func carryOut(_ run: String, _ order: AgentOrder, _ tree: any ZNodeTree) async throws -> Bool {
    tell("\(ZNodePath.name(of: run)) begins: \(order.command.rawValue), \(order.agents.count) agents")
    let result = await result(of: run, order, tree)
    if let failure = result.failure { tell("\(ZNodePath.name(of: run)) failed: \(failure)") }
    try await store(result, at: AgentNodes.result(run, plan.name), tree)
    tell("\(ZNodePath.name(of: run)) has ended")
    return result.isGood
  }

  /// Stores a result in pieces, and then their number. Where ZooKeeper is not reached it tries again as long as the session lasts: `spread` waits.
  private func store(_ result: AgentResult, at path: String, _ tree: any ZNodeTree) async throws {
    let pieces = try result.pieces()
    var nodes = pieces.enumerated().map { (path: AgentNodes.piece($0.offset, of: path), data: $0.element) }
    nodes.append((path, Array(String(pieces.count).utf8)))
    while let next = nodes.first {
      do throws(ZNodeError) {
        try tree.create(next.path, next.data)
        nodes.removeFirst()
      } catch {
        switch error.code {
        // An earlier attempt has made it, though its response was lost.
        case .nodeExists: nodes.removeFirst()
        case .connectionLost: try await Task.sleep(for: .milliseconds(Limits.agentLookMs))
        default: throw error
        }
      }
    }
  }

  private func result(of run: String, _ order: AgentOrder, _ tree: any ZNodeTree) async -> AgentResult {
    do {
      var share = try order.plan(for: plan.name)
      share.commandConfig = plan.commandConfig ?? share.commandConfig
      var clock = AgentClock()
      let measured = try tree.clockOffset(AgentNodes.agent(plan.name), readings: Limits.clockReadings)
      clock.offset = measured.isConsistent ? measured : nil
      let stop = StopWatch(run, tree, isInterrupted)
      async let watching: Void = stop.watch()
      let late = Mutex<Double?>(nil)
      let offset = clock.offset
      var load = Run(share, isInterrupted: { stop.isDue }, observe: { _ in })
      load.awaitStart = {
        let lateMs = try await awaitStart(run, tree, offset, stop)
        late.withLock { $0 = lateMs }
      }
      let outcome: Result<LoadReport, any Error>
      do { outcome = .success(try await load.run()) } catch { outcome = .failure(error) }
      stop.end()
      await watching
      let report = try outcome.get()
      clock.lateMs = late.withLock { $0 }
      return AgentResult(agent: plan.name, clock: clock, report)
    } catch { return AgentResult(agent: plan.name, failure: "\(error)") }
  }

  /// Says that this agent is connected, waits until all are, and returns at the time that was agreed: by how many milliseconds too late.
  private func awaitStart(
    _ run: String, _ tree: any ZNodeTree, _ offset: ClockOffset?, _ stop: StopWatch
  ) async throws -> Double? {
    try tree.create(AgentNodes.ready(run, plan.name), mode: .ephemeral)
    let start = AgentNodes.start(run)
    let change = Change(of: tree)
    while true {
      if change.take(), try change.stat(of: start, tree) != nil,
        let node = try tree.find(start)
      {
        guard let startNs = Int64(String(decoding: node.data, as: UTF8.self)) else {
          throw PlanError("the run's start is no number")
        }
        guard let offset else { return nil }
        return try await sleep(until: startNs.subtractingReportingOverflow(offset.middleNs).partialValue)
      }
      guard !stop.isDue else { throw PlanError("the run was given up before it began") }
      try await Task.sleep(for: .milliseconds(Limits.runLookMs))
    }
  }

  /// Sleeps until this machine's wall clock shows a time, in nanoseconds since 1970; returns by how many milliseconds it is past it.
  private func sleep(until dueNs: Int64) async throws -> Double {
    let leftNs = dueNs.subtractingReportingOverflow(Int64(Clocks.wallNs())).partialValue
    guard leftNs <= Self.longestWaitNs else {
      throw PlanError("the run begins more than an hour from now: clocks differ")
    }
    if leftNs > 0 { try await Task.sleep(for: .nanoseconds(leftNs)) }
    return Double(Int64(Clocks.wallNs()) - dueNs) / 1e6
  }

  private static let longestWaitNs: Int64 = 3_600_000_000_000

  /// Knows whether the run is to end early: `spread` asks for it, or is gone, or this agent was interrupted.
  private final class StopWatch: Sendable {
    private let due = Atomic(false), ended = Atomic(false)
    private let run: String
    private let tree: any ZNodeTree
    private let isInterrupted: @Sendable () -> Bool

    init(_ run: String, _ tree: any ZNodeTree, _ isInterrupted: @escaping @Sendable () -> Bool) {
      (self.run, self.tree, self.isInterrupted) = (run, tree, isInterrupted)
    }

    var isDue: Bool { due.load(ordering: .relaxed) || isInterrupted() }

    /// Looks now and then, until `end`.
    func watch() async {
      let owner = AgentNodes.owner(run)
      let change = Change(of: tree)
      while !ended.load(ordering: .relaxed) {
        // A look that fails says nothing: the session may be back for the next.
        do throws(ZNodeError) {
          if change.take(), try change.stat(of: owner, tree) == nil {
            due.store(true, ordering: .relaxed)
          }
        } catch {}
        try? await Task.sleep(for: .milliseconds(Limits.agentLookMs))
      }
    }

    func end() { ended.store(true, ordering: .relaxed) }
  }
}
