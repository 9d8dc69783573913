import ArgumentParser
import Lab

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Write results/index.html from the stored results.",
    discussion: """
      One self-contained page: verdicts, originals, ours, ceilings, charts, history, disclosure. It needs no network.

      EXAMPLES
        millrace report
        millrace report --results /mnt/results --plots /mnt/plots
      """)

  @OptionGroup var places: Places

  func run() throws {
    try Stop.translating { try Self.write(places) }
  }

  /// The page, and on the terminal where it is and what it could not show.
  static func write(_ places: Places) throws {
    let report = try Report.write(results: places.results, plots: places.plots)
    for failure in report.unreadable + report.entries.flatMap(\.chartFailures) { Terminal.complain(failure) }
    Terminal.say("report: \(places.results)/index.html")
  }
}
