import ArgumentParser
import Experiment
import Foundation
import Results
import Verdict

struct ListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "The experiments, what they claim, and their last verdicts.",
    discussion: """
      EXAMPLES
        millrace list
        millrace list --json | jq -r '.[] | select(.latest.outcome == "NOT SUPPORTED") | .name'
      """)

  @OptionGroup var places: Places
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    try Stop.translating {
      if json {
        return try Terminal.answer(JSONText.of(places.find([], all: true).map { object($0.experiment) }))
      }
      for (_, experiment) in try places.find([], all: true) {
        Terminal.say(
          "\(Terminal.pad(experiment.id, 4)) \(Terminal.paint(Terminal.pad(experiment.name, 24), .bold)) \(experiment.claim)"
        )
        guard let latest = StoredResult.directories(of: experiment, under: places.results).last else { continue }
        Terminal.say("     \(Self.verdict(latest))")
      }
    }
  }

  private func object(_ experiment: Experiment) -> [String: Any] {
    var latest: Any = NSNull()
    if let path = StoredResult.directories(of: experiment, under: places.results).last {
      latest = (try? StoredResult(reading: path)).map(JSONText.object) ?? ["path": path, "unreadable": true]
    }
    return [
      "id": experiment.id, "number": experiment.number, "name": experiment.name, "title": experiment.title,
      "claims": experiment.claims, "claim": experiment.claim, "latest": latest,
    ]
  }

  private static func verdict(_ path: String) -> String {
    do {
      let result = try StoredResult(reading: path)
      let verdict = result.verdict
      return "\(verdict.outcome.rawValue) (\(verdict.state.rawValue), \(result.profile.rawValue)) \(path)"
    } catch {
      return "unreadable: \(error)"
    }
  }
}
