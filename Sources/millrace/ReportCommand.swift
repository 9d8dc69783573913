import ArgumentParser
import Foundation
import Report
import Results
import Verdict

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Write results/index.html from the stored results.",
    discussion: """
      One self-contained page: verdicts, originals, ours, ceilings, charts, history, disclosure. It needs no network.

      EXAMPLES
        millrace report
        millrace report --results /mnt/results --plots /mnt/plots
        millrace report --markdown                       # the verdicts as a table, and no page
        millrace report --markdown --into README.md      # the same in a file, between its two marks
      """)

  @OptionGroup var places: Places
  @Flag(help: "Print the verdicts of the latest results as a table in Markdown instead.") var markdown = false
  @Option(help: "With --markdown: the file whose table is replaced.") var into: String?

  func validate() throws {
    guard into == nil || markdown else {
      throw ValidationError("--into names the file for the table of --markdown; give both, or neither")
    }
  }

  func run() throws {
    try Stop.translating {
      if markdown { try Self.tabulate(places, into: into) } else { try Self.write(places) }
    }
  }

  static func tabulate(_ places: Places, into file: String?) throws {
    let stored = Report.stored(in: places.results, definitions: places.definitions)
    for failure in stored.unreadable { Terminal.complain(failure) }
    let table = VerdictTable(stored.results.map { $0[0] })
    guard let file else {
      return Terminal.answer(table.markdown)
    }
    guard let text = SmallFile.read(file) else { throw Stop(Exit.badData, "\(file): cannot be read") }
    let replaced: String
    do { replaced = try table.replaced(in: text) } catch { throw Stop(Exit.badData, "\(file): \(error)") }
    if replaced != text { try SmallFile.replace(file, replaced) }
    Terminal.say("verdicts: \(file)")
  }

  /// Writes the page, and prints its path and what it could not show.
  static func write(_ places: Places) throws {
    let report = try Report.write(results: places.results, plots: places.plots, definitions: places.definitions)
    let failures =
      report.unreadable + report.entries.flatMap(\.chartFailures) + (report.forestFailure.map { [$0] } ?? [])
    for failure in failures { Terminal.complain(failure) }
    let overview = Overview(report.entries.map(\.result))
    if !overview.lines.isEmpty { Terminal.say("\n\(overview.text)\n") }
    let unsealed = report.entries.count { !$0.result.isSealed }
    if unsealed > 0 {
      Terminal.say("not sealed: \(unsealed) results, made before journals had checksums of the rows")
    }
    Terminal.say("report: \(places.results)/index.html")
  }
}
