import ArgumentParser
import Report
import Results
import Verdict

struct PlotCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plot", abstract: "Draw the charts of the latest results again, from their CSVs alone.",
    discussion: """
      Needs gnuplot and no broker: any machine will do. plots/NAME.gp draws the same from plots/NAME.csv by itself.

      EXAMPLES
        millrace plot
        millrace plot throughput-over-volume
        millrace plot --result results/06-throughput-over-volume/20260101T000000Z-abc1234 --plots /tmp/charts
      """)

  @Argument(help: "Experiments; default: all with results.") var names: [String] = []
  @OptionGroup var places: Places
  @Option(help: "A result directory instead of the latest.") var result: String?

  func run() throws {
    try Stop.translating {
      for path in try paths() {
        let charts = try Chart.draw(
          try StoredResult(reading: path).presented(by: places.definitions), into: places.plots)
        for chart in charts { Terminal.say("\(places.plots)/\(chart.stem).svg from \(path)") }
      }
    }
  }

  private func paths() throws -> [String] {
    if let result { return [result] }
    return try places.find(names, all: true).compactMap { _, experiment in
      StoredResult.directories(of: experiment, under: places.results).last
    }
  }
}
