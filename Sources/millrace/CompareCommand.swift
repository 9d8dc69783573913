import ArgumentParser
import Foundation
import Report
import Results
import Verdict

struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare", abstract: "Compare a result with an earlier one of the same experiment.",
    discussion: """
      First what differs in configuration, then in environment, then every arm's effect with its interval, p and noise
      floor. Exits with 0 when nothing is worse, 1 when something is, 2 when the data do not decide it.

      EXAMPLES
        millrace compare results/11-zero-copy/20260101T000000Z-abc1234 results/11-zero-copy/20260102T000000Z-def5678
        millrace compare A B --html comparison.html
        millrace compare A B --json | jq -r '.effects[] | select(.change == "worse") | .arm'
      """)

  @Argument(help: "The earlier result's directory.") var first: String
  @Argument(help: "The later one's.") var second: String
  @Option(help: "Also write the comparison as an HTML page to this file.") var html: String?
  @Flag(help: "Print JSON.") var json = false
  @Flag(help: "Compare arms whose bytes survive different things.") var acrossDurability = false

  func run() throws {
    let comparison: Comparison
    let results: (StoredResult, StoredResult)
    do {
      results = (try StoredResult(reading: first), try StoredResult(reading: second))
      comparison = try Comparison(results.0, results.1, acrossDurability: acrossDurability)
      if let html {
        let page = try comparison.html(results.0, results.1, writtenAt: UTC.now())
        try SmallFile.replace(html, page)
      }
    } catch {
      Terminal.complain("\(error)")
      throw Exit.badData
    }
    if json { try Terminal.answer(JSONText.of(object(comparison))) }
    say("configuration", comparison.configuration, otherwise: "the same")
    say("environment", comparison.environment, otherwise: "the same")
    Terminal.say(Terminal.paint("effects", .bold) + " (above 1× the second result is better)")
    for effect in comparison.effects { Terminal.say("  " + Terminal.paint(effect.sentence, colour(effect.change))) }
    Terminal.say(Terminal.paint(comparison.outcome.rawValue, colour(comparison.outcome)))
    if let html { Terminal.say("page: \(html)") }
    if comparison.exitCode != 0 { throw ExitCode(comparison.exitCode) }
  }

  private func object(_ comparison: Comparison) -> [String: Any] {
    [
      "first": first, "second": second, "outcome": comparison.outcome.rawValue, "exit_code": comparison.exitCode,
      "configuration": comparison.configuration, "environment": comparison.environment,
      "effects": comparison.effects.map { effect -> [String: Any] in
        [
          "arm": effect.arm, "levels": effect.levels, "metric": effect.metric, "change": effect.change.rawValue,
          "noise_floor": effect.floor, "p": effect.p.map { $0 as Any } ?? NSNull(),
          "ratio": effect.ratio.map { JSONText.object($0) as Any } ?? NSNull(),
        ]
      },
    ]
  }

  private func say(_ title: String, _ lines: [String], otherwise: String) {
    Terminal.say(Terminal.paint(title, .bold) + (lines.isEmpty ? ": \(otherwise)" : ""))
    for line in lines { Terminal.say("  " + line) }
  }

  private func colour(_ change: Comparison.Change) -> Terminal.Colour {
    switch change {
    case .same: .grey
    case .better: .green
    case .worse: .red
    case .inconclusive: .yellow
    }
  }
}
