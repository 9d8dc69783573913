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
        millrace report --machine ours=results --machine theirs=their-pack.tar.gz    # machines side by side, one page
      """)

  @OptionGroup var places: Places
  @Flag(help: "Print the verdicts of the latest results as a table in Markdown instead.") var markdown = false
  @Option(help: "With --markdown: the file whose table is replaced.") var into: String?
  @Option(
    help: ArgumentHelp(
      "A machine's results, NAME=DIR (a directory of results, one result, or a file of millrace pack); repeat it for each machine.",
      valueName: "name=dir"))
  var machine: [String] = []
  @Option(help: "With --machine: the page to write.") var out = "machines.html"

  func validate() throws {
    guard into == nil || markdown else {
      throw ValidationError("--into names the file for the table of --markdown; give both, or neither")
    }
    guard machine.isEmpty || !markdown else { throw ValidationError("--machine makes a page: leave out --markdown") }
    let names = try machine.map { try Self.parts($0).name }
    guard Set(names).count == names.count else { throw ValidationError("--machine: each needs a name of its own") }
  }

  func run() throws {
    try Stop.translating {
      if !machine.isEmpty { return try compare() }
      if markdown { try Self.tabulate(places, into: into) } else { try Self.write(places) }
    }
  }

  private static func parts(_ text: String) throws -> (name: String, path: String) {
    guard let sign = text.firstIndex(of: "="), sign > text.startIndex, text.index(after: sign) < text.endIndex else {
      throw ValidationError("--machine \(text): NAME=DIR is needed, such as ours=results")
    }
    return (String(text[..<sign]), String(text[text.index(after: sign)...]))
  }

  /// Puts the machines' latest results side by side.
  private func compare() throws {
    let machines = try machine.map { text -> (name: String, results: [StoredResult]) in
      let (name, path) = try Self.parts(text)
      let (results, failures) = StoredResult.latest(at: path)
      for failure in failures { Terminal.complain("\(name): \(failure)") }
      guard !results.isEmpty else { throw Stop(Exit.badData, "\(name): there is no readable result in \(path)") }
      return (name, results.map { $0.presented(by: places.definitions) })
    }
    let grid = MachineGrid(machines)
    try SmallFile.replace(out, try grid.html(writtenAt: UTC.now()))
    Terminal.say("\(grid.text)\n\nmachines: \(out)")
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
