import Base
import Client
import NIOCore
import NIOPosix
import Synchronization

/// Carries out a `ConnectPlan`.
package struct ConnectRun: Sendable {
  package let plan: ConnectPlan
  /// Returns whether the user has interrupted the run, whose results so far are then valid.
  package let isInterrupted: @Sendable () -> Bool
  /// Told once a second how many connections have been made.
  package let tell: @Sendable (Int) -> Void

  package init(
    _ plan: ConnectPlan, isInterrupted: @escaping @Sendable () -> Bool, tell: @escaping @Sendable (Int) -> Void
  ) {
    (self.plan, self.isInterrupted, self.tell) = (plan, isInterrupted, tell)
  }

  /// - Throws: where the run could not begin: a file of client properties that cannot be read. Failed connections are in the report.
  package func run() async throws -> ConnectReport {
    var options = ConnectionOptions(now: { Clocks.monotonicNs() })
    options.clientID = "millrace-load"
    options.requestTimeoutMs = plan.timeoutMs
    options.connectTimeoutMs = plan.timeoutMs
    options.security = try plan.commandConfig.flatMap { try CommandConfig.security($0) }
    let group = MultiThreadedEventLoopGroup(numberOfThreads: plan.threads)
    let report = await run(on: group, options)
    try? await group.shutdownGracefully()
    return report
  }

  private func run(on group: MultiThreadedEventLoopGroup, _ options: ConnectionOptions) async -> ConnectReport {
    let state = ConnectState()
    let cpuStart = Clocks.processCPUSeconds()
    let startNs = Clocks.monotonicNs()
    let plan = plan
    let futures = (0..<plan.threads).map { index in
      let loop = group.next()
      return loop.flatSubmit { () -> EventLoopFuture<ConnectCounts> in
        let promise = loop.makePromise(of: ConnectCounts.self)
        let (connections, workers) = plan.share(of: index)
        ConnectLoop(plan, options, on: loop, connections: connections, state).start(workers) { promise.succeed($0) }
        return promise.futureResult
      }
    }
    var counts = ConnectCounts()
    var endNs = startNs
    await withTaskGroup(of: Void.self) { [isInterrupted, tell] children in
      children.addTask {
        var toldNs = Clocks.monotonicNs()
        while !Task.isCancelled {
          if isInterrupted() { state.end() }
          if Clocks.monotonicNs() - toldNs >= 1_000_000_000 {
            toldNs = Clocks.monotonicNs()
            tell(state.made)
          }
          try? await Task.sleep(for: .milliseconds(20))
        }
      }
      for future in futures { if let one = try? await future.get() { counts.add(one) } }
      endNs = Clocks.monotonicNs()
      children.cancelAll()
    }
    return ConnectReport(
      plan: plan, counts: counts, seconds: Double(endNs - startNs) / 1e9,
      cpuSeconds: Clocks.processCPUSeconds() - cpuStart, wasInterrupted: isInterrupted())
  }
}

/// What the event loops of a run share.
final class ConnectState: Sendable {
  private let ended = Atomic<Bool>(false)
  private let count = Atomic<Int>(0)

  var isEnded: Bool { ended.load(ordering: .relaxed) }
  func end() { ended.store(true, ordering: .relaxed) }
  var made: Int { count.load(ordering: .relaxed) }
  func countOne() { count.add(1, ordering: .relaxed) }
}

extension LoadCommand {
  /// Makes the connections, prints the figures, and returns the exit code.
  static func connect(_ arguments: [String], until isInterrupted: @escaping @Sendable () -> Bool) async -> Int32 {
    let read = { () throws(PlanError) in try ConnectPlan(arguments: arguments) }
    guard let plan = planned(ConnectPlan.command, read) else { return 2 }
    do {
      let report = try await ConnectRun(
        plan, isInterrupted: isInterrupted,
        tell: { if !plan.isQuiet { complain("\(Number.grouped($0)) connections made") } }
      ).run()
      answer(report.summary + "\n" + (plan.printsJSON ? JSON.object(report.fields).text + "\n" : ""))
      return report.isGood ? 0 : 1
    } catch {
      complain("millrace-load: \(error)")
      return 2
    }
  }
}
