import Base
import Coordination

/// The commands `agent` and `spread`.
extension LoadCommand {
  static func agent(_ arguments: [String], until isInterrupted: @escaping @Sendable () -> Bool) async -> Int32 {
    do {
      let plan = try AgentPlan(arguments: arguments)
      let agent = Agent(plan: plan, isInterrupted: isInterrupted, tell: { if !plan.isQuiet { complain($0) } })
      return try await agent.run() == 0 ? 0 : 1
    } catch { return failed(error, AgentPlan.command) }
  }

  static func spread(_ arguments: [String], until isInterrupted: @escaping @Sendable () -> Bool) async -> Int32 {
    do {
      let plan = try SpreadPlan(arguments: arguments)
      let run = SpreadRun(
        plan: plan, isInterrupted: isInterrupted, tell: { if !plan.base.isQuiet { complain($0) } })
      let report = try await run.run()
      var text = report.summary + "\n"
      if plan.base.printsJSON { text += JSON.object(report.fields).text + "\n" }
      answer(text)
      if let path = plan.base.histogramFile { try Output.write(report.histograms, to: path) }
      return report.isGood ? 0 : 1
    } catch { return failed(error, SpreadPlan.command) }
  }

  private static func failed(_ error: any Error, _ command: String) -> Int32 {
    guard let error = error as? PlanError else {
      complain("millrace-load \(command): \(error)")
      return 1
    }
    complain("millrace-load: \(error)\nmillrace-load \(command) --help lists the flags")
    return 2
  }
}
