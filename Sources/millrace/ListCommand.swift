import ArgumentParser
import Lab

struct ListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "The experiments, what they claim, and their last verdicts.")

  @OptionGroup var places: Places

  func run() throws {
    try Stop.translating {
      for (_, experiment) in try places.find([], all: true) {
        Terminal.say(
          "\(Terminal.pad(experiment.id, 4)) \(Terminal.paint(Terminal.pad(experiment.name, 24), .bold)) \(experiment.claim)"
        )
        guard let latest = StoredResult.directories(of: experiment, under: places.results).last else { continue }
        Terminal.say("     \(Self.verdict(latest))")
      }
    }
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
