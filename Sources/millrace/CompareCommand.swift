import ArgumentParser
import Lab

struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare", abstract: "Hold a result against an earlier one of the same experiment.",
    discussion: """
      First what differs in configuration, then in environment, then every arm's effect with its interval, p and noise
      floor. Exits with 0 when nothing is worse, 1 when something is, 2 when that cannot be told.

      EXAMPLE
        millrace compare results/11-zero-copy/20260101T000000Z-abc1234 results/11-zero-copy/20260102T000000Z-def5678
      """)

  @Argument(help: "The earlier result's directory.") var first: String
  @Argument(help: "The later one's.") var second: String
  @Flag(help: "Compare arms whose bytes survive different things.") var acrossDurability = false

  func run() throws {
    let comparison: Comparison
    do {
      comparison = try Comparison(
        StoredResult(reading: first), StoredResult(reading: second), acrossDurability: acrossDurability)
    } catch {
      Terminal.complain("\(error)")
      throw Exit.badData
    }
    say("configuration", comparison.configuration, otherwise: "the same")
    say("environment", comparison.environment, otherwise: "the same")
    Terminal.say(Terminal.paint("effects", .bold) + " (above 1× the second result is better)")
    for effect in comparison.effects { Terminal.say("  " + Terminal.paint(effect.sentence, colour(effect.change))) }
    Terminal.say(Terminal.paint(comparison.outcome.rawValue, colour(comparison.outcome)))
    if comparison.exitCode != 0 { throw ExitCode(comparison.exitCode) }
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
