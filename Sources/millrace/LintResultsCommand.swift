import ArgumentParser
import Experiment
import Report
import Results
import Verdict

struct LintResultsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lint-results", abstract: "Look through results for the known benchmarking crimes.",
    discussion: """
      Every check has a name and a reason; --explain lists them. Without directories the latest result of each experiment
      is looked at, older ones are held against it where the report draws them in one line, and the table of verdicts in
      README.md is held against what the rows give. Checks from which nothing can come are named. Exit code 0 when no crime is found (remarks do not count), 2 when one is, 65 when a result is damaged.

      EXAMPLES
        millrace lint-results
        millrace lint-results results/11-zero-copy/20260101T000000Z-abc1234 --disclosure
      """)

  @Argument(help: "Result directories.") var directories: [String] = []
  @OptionGroup var places: Places
  @Option(help: "File with the table of `report --markdown --into`, checked when no directories are named.")
  var table = "README.md"
  @Flag(help: "Print the disclosure page of each result instead (Markdown).") var disclosure = false
  @Flag(help: "List the checks and why each is made.") var explain = false

  func run() throws {
    try Stop.translating {
      if explain {
        for crime in Crime.allCases { Terminal.say("\(Terminal.paint(crime.rawValue, .bold)): \(crime.meaning)") }
        return
      }
      let results = try read()
      let latest = directories.isEmpty ? results.compactMap(\.last) : results.flatMap(\.self)
      guard !latest.isEmpty else { throw Stop(Exit.badData, "there is no result to look at in \(places.results)") }
      func others(of result: StoredResult) -> [StoredResult] {
        (results.first { $0.contains { $0.path == result.path } } ?? []).filter { $0.path != result.path }
      }
      if disclosure {
        for result in latest { Terminal.say(Disclosure(result, beside: others(of: result)).markdown) }
        return
      }
      var crimes = 0
      var unmade: [UnmadeChecks] = []
      for result in latest {
        let out = CrimeLint.unmade(result, beside: others(of: result))
        crimes += say(
          result.path, CrimeLint.findings(result) + CrimeLint.findings(beside: result), checks: CrimeLint.made(out))
        unmade += out
      }
      let across = CrimeLint.findings(across: results.flatMap(\.self))
      if !across.isEmpty { crimes += say("across results", across, checks: 1) }
      if directories.isEmpty { crimes += sayTable(latest) }
      sayUnmade(unmade)
      if crimes > 0 { throw Exit.undecided }
    }
  }

  /// Reads the results by experiment, oldest first.
  private func read() throws -> [[StoredResult]] {
    do {
      guard directories.isEmpty else {
        let named = try directories.map { try StoredResult(reading: $0) }
        return Dictionary(grouping: named, by: \.experiment.id).sorted { $0.key < $1.key }
          .map { $0.value.sorted { $0.name < $1.name } }
      }
      return try places.files.all().map { definition in
        try StoredResult.directories(of: definition.experiment, under: places.results).map {
          try StoredResult(reading: $0)
        }
      }.filter { !$0.isEmpty }
    } catch {
      throw Stop(Exit.badData, "\(error)")
    }
  }

  /// Checks the table's figures against the rows.
  private func sayTable(_ results: [StoredResult]) -> Int {
    guard let text = SmallFile.read(table) else {
      Terminal.say("not checked: \(table) cannot be read")
      return 0
    }
    do {
      let shown = results.map { $0.presented(by: places.definitions) }
      return say(table, try CrimeLint.findings(table: text, named: table, of: shown), checks: 1)
    } catch {
      Terminal.say("not checked: \(table): \(error)")
      return 0
    }
  }

  /// Prints each reason for a check not made once.
  private func sayUnmade(_ unmade: [UnmadeChecks]) {
    var counts: [(sentence: String, count: Int)] = []
    for one in unmade {
      if let place = counts.firstIndex(where: { $0.sentence == one.sentence }) {
        counts[place].count += 1
      } else {
        counts.append((one.sentence, 1))
      }
    }
    for (sentence, count) in counts {
      Terminal.say("not checked in \(count) result\(count == 1 ? "" : "s"): \(sentence)")
    }
  }

  /// Prints findings; returns the number of crimes.
  private func say(_ title: String, _ findings: [CrimeFinding], checks: Int) -> Int {
    let crimes = findings.count { $0.weight == .crime }
    let nothing = checks == 1 ? ": nothing found by one check" : ": nothing found by \(checks) checks"
    Terminal.say(Terminal.paint(title, .bold) + (findings.isEmpty ? nothing : ""))
    for finding in findings {
      let mark = Terminal.paint(finding.weight.rawValue, finding.weight == .crime ? .red : .yellow)
      Terminal.say("  \(mark)  \(finding.sentence)")
    }
    return crimes
  }
}
