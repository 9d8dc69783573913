import ArgumentParser
import Lab

struct LintResultsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lint-results", abstract: "Look through results for the known benchmarking crimes.",
    discussion: """
      Every check has a name and a reason; --explain lists them. Without directories the latest result of each experiment
      is looked at. Exit code 0 when no crime is found (remarks do not count), 2 when one is, 65 when a result is damaged.

      EXAMPLES
        millrace lint-results
        millrace lint-results results/11-zero-copy/20260101T000000Z-abc1234 --disclosure
      """)

  @Argument(help: "Result directories.") var directories: [String] = []
  @OptionGroup var places: Places
  @Flag(help: "Print the disclosure page of each result instead (Markdown).") var disclosure = false
  @Flag(help: "List the checks and why each is made.") var explain = false

  func run() throws {
    try Stop.translating {
      if explain {
        for crime in Crime.allCases { Terminal.say("\(Terminal.paint(crime.rawValue, .bold)): \(crime.meaning)") }
        return
      }
      let results = try read()
      guard !results.isEmpty else { throw Stop(Exit.badData, "there is no result to look at in \(places.results)") }
      if disclosure {
        for result in results { Terminal.say(Disclosure(result).markdown) }
        return
      }
      var crimes = 0
      for result in results { crimes += say(result.path, CrimeLint.findings(result)) }
      let across = CrimeLint.findings(across: results)
      if !across.isEmpty { crimes += say("across results", across) }
      if crimes > 0 { throw Exit.undecided }
    }
  }

  private func read() throws -> [StoredResult] {
    let paths =
      directories.isEmpty
      ? try places.files.all().compactMap { StoredResult.directories(of: $0.experiment, under: places.results).last }
      : directories
    do {
      return try paths.map { try StoredResult(reading: $0) }
    } catch {
      throw Stop(Exit.badData, "\(error)")
    }
  }

  /// Returns how many of them are crimes.
  private func say(_ title: String, _ findings: [CrimeFinding]) -> Int {
    let crimes = findings.count { $0.weight == .crime }
    Terminal.say(Terminal.paint(title, .bold) + (findings.isEmpty ? ": nothing found" : ""))
    for finding in findings {
      let mark = Terminal.paint(finding.weight.rawValue, finding.weight == .crime ? .red : .yellow)
      Terminal.say("  \(mark)  \(finding.sentence)")
    }
    return crimes
  }
}
