import Base
import Foundation
import Histories

extension LoadCommand {
  /// Runs `millrace-load check`, or analyses a stored history.
  static func check(_ arguments: [String], until isInterrupted: @escaping @Sendable () -> Bool) async -> Int32 {
    let read = { () throws(PlanError) in try CheckPlan(arguments: arguments) }
    guard let plan = planned(CheckPlan.command, read) else { return 2 }
    do {
      let report = try await report(plan, until: isInterrupted)
      answer(report.summary + "\n" + (plan.printsJSON ? report.json.text + "\n" : ""))
      if let path = plan.historyFile { try Output.write(report.history.text, to: path) }
      return report.isGood ? 0 : 1
    } catch {
      complain("millrace-load: \(error)")
      return error is PlanError ? 2 : 1
    }
  }

  private static func report(
    _ plan: CheckPlan, until isInterrupted: @escaping @Sendable () -> Bool
  ) async throws -> CheckReport {
    if let path = plan.storedHistory { return CheckReport(try stored(path)) }
    let run = CheckRun(plan, isInterrupted: isInterrupted, tell: { if !plan.isQuiet { complain($0) } })
    return try await run.run()
  }

  private static func stored(_ path: String) throws(PlanError) -> History {
    guard let data = FileManager.default.contents(atPath: path) else { throw PlanError("cannot read \(path)") }
    do throws(HistoryError) {
      return try History(text: String(decoding: data, as: UTF8.self))
    } catch {
      throw PlanError("\(path): \(error)")
    }
  }
}
