import ArgumentParser
import Foundation
import Report
import Results
import Verdict

struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare", abstract: "Compare a result with an earlier one of the same experiment.",
    discussion: """
      One line that sums up, then what differs in configuration and in environment, then every arm's effect. An effect is worse, better
      or the same when the rows show it to be beyond or within the margin, and undecided otherwise: one-sided t tests of the
      logarithms of one value a run, corrected for the number of effects (Holm). Where an arm's A/A twin shows more than the margin
      against itself, that is its margin. Counts of what must never be, such as lost records, are compared as they are: one more than none
      is worse.

      EXAMPLES
        millrace compare results/11-zero-copy/20260101T000000Z-abc1234 results/11-zero-copy/20260102T000000Z-def5678
        millrace compare A B --margin 0.02
        millrace compare A B --html comparison.html
        millrace compare A B --json | jq -r '.effects[] | select(.change == "worse") | .arm'

      EXIT CODES
        0 nothing is worse by more than the margin   1 at least one effect is   2 nothing could be compared
        65 a result cannot be read, or the two are not comparable
      """)

  @Argument(help: "The earlier result's directory.") var first: String
  @Argument(help: "The later one's.") var second: String
  @Option(help: "Also write the comparison as an HTML page to this file.") var html: String?
  @Flag(help: "Print JSON.") var json = false
  @Option(help: "Equivalence margin as a share: 0.05 is 5 %.")
  var margin = Comparison.defaultMargin
  @Flag(help: "Also compare arms of different durability.") var acrossDurability = false

  func validate() throws {
    guard margin > 0, margin < 10 else { throw ValidationError("--margin: must be above 0 and below 10, such as 0.05") }
  }

  func run() throws {
    let comparison: Comparison
    let results: (StoredResult, StoredResult)
    do {
      results = (try StoredResult(reading: first), try StoredResult(reading: second))
      comparison = try Comparison(results.0, results.1, margin: margin, acrossDurability: acrossDurability)
      if let html {
        let page = try comparison.html(results.0, results.1, writtenAt: UTC.now())
        try SmallFile.replace(html, page)
      }
    } catch {
      Terminal.complain("\(error)")
      throw Exit.badData
    }
    if json { try Terminal.answer(JSONText.of(object(comparison))) }
    Terminal.say(Terminal.paint(comparison.summary, colour(comparison.outcome)))
    say("configuration", comparison.configuration, otherwise: "the same")
    say("environment", comparison.environment, otherwise: "the same")
    Terminal.say(Terminal.paint("effects", .bold) + " (above 1× the second result is better)")
    for effect in comparison.ranked { Terminal.say("  " + Terminal.paint(effect.sentence, colour(effect.change))) }
    if let html { Terminal.say("page: \(html)") }
    if comparison.exitCode != 0 { throw ExitCode(comparison.exitCode) }
  }

  private func object(_ comparison: Comparison) -> [String: Any] {
    [
      "first": first, "second": second, "outcome": comparison.outcome.rawValue, "summary": comparison.summary,
      "margin": comparison.margin, "exit_code": comparison.exitCode,
      "configuration": comparison.configuration, "environment": comparison.environment,
      "effects": comparison.effects.map { effect -> [String: Any] in
        [
          "arm": effect.arm, "levels": effect.levels, "metric": effect.metric, "change": effect.change.rawValue,
          "noise_floor": effect.floor, "margin": effect.margin, "missing": effect.missing.map { $0 as Any } ?? NSNull(),
          "p": effect.p.map { $0 as Any } ?? NSNull(),
          "ratio": effect.ratio.map { JSONText.object($0) as Any } ?? NSNull(),
          "counts": effect.counts.map { ["before": $0.before, "after": $0.after] as Any } ?? NSNull(),
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
