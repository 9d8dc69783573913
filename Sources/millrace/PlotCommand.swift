import ArgumentParser
import Lab

struct PlotCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plot", abstract: "Draw the charts of the latest results again, from their CSVs alone.")

  @Argument(help: "Experiments; none: all that have results.") var names: [String] = []
  @OptionGroup var places: Places
  @Option(help: "A result directory instead of the latest.") var result: String?

  func run() throws {
    try Stop.translating { throw Stop(Exit.unavailable, "drawing is not in this build") }
  }
}

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Write results/index.html from the stored results.")

  @OptionGroup var places: Places

  func run() throws {
    try Stop.translating { throw Stop(Exit.unavailable, "the report is not in this build") }
  }
}
