import Experiment
import Foundation
import Glibc
import Results
import Runner
package import Verdict

/// Charts on disk: `plots/STEM.csv` and `.gp`, and what gnuplot makes of them.
extension Chart {
  package struct DrawError: Error, CustomStringConvertible {
    package let reason: String
    /// A program that draws is not installed.
    package var isToolMissing = false
    package var description: String { reason }
  }

  /// All charts of a result that have rows.
  package static func all(of result: StoredResult) -> [Chart] {
    let experiment = result.experiment
    let place =
      experiment.target.map { " · at \($0.address)" } ?? experiment.foreignBroker.map { " · with \($0.label)" } ?? ""
    let caption = "\(result.profile.rawValue) profile · \(result.name)\(place)"
    return result.experiment.charts.compactMap { definition in
      Chart(
        definition, of: result.experiment, rows: result.rows, series: result.series, ceiling: result.ceiling,
        seed: result.seed, caption: caption)
    }
  }

  /// Writes CSV, script, SVG, narrow SVG and PNG of each chart of the result into `plots`, which is made when missing.
  /// Returns the charts drawn. Throws when gnuplot is missing or refuses a script, naming the file.
  @discardableResult
  package static func draw(_ result: StoredResult, into plots: String) throws -> [Chart] {
    let charts = all(of: result)
    for chart in charts { try chart.draw(into: plots) }
    for plot in LatencyPlot.all(of: result) {
      try Chart.draw(plot.stem, csv: plot.csv, script: plot.script, into: plots)
    }
    return charts
  }

  package func draw(into plots: String) throws {
    try Chart.draw(stem, csv: csv, script: script, into: plots)
  }

  /// Writes a chart's two texts, runs the script, and leaves the SVGs without a script of their own.
  static func draw(_ stem: String, csv: String, script: String, into plots: String) throws {
    try FileManager.default.createDirectory(atPath: plots, withIntermediateDirectories: true)
    try SmallFile.replace("\(plots)/\(stem).csv", csv)
    try SmallFile.replace("\(plots)/\(stem).gp", script)
    try Chart.gnuplot("\(stem).gp", in: plots)
    for name in ["\(stem).svg", "\(stem)-narrow.svg"] {
      guard let text = SmallFile.read("\(plots)/\(name)") else {
        throw DrawError(reason: "\(plots)/\(name) was not drawn")
      }
      try SmallFile.replace("\(plots)/\(name)", Chart.withoutScript(text))
    }
  }

  private enum Gnuplot {
    static let seconds = 60.0
  }

  /// Runs one script in its directory, which may be relative: gnuplot goes there first and then loads the bare name.
  package static func gnuplot(_ script: String, in directory: String) throws {
    guard let program = Tool.path(of: "gnuplot") else {
      throw DrawError(
        reason: "gnuplot is missing (apt-get install gnuplot-nox fonts-dejavu-core)", isToolMissing: true)
    }
    let errors = "\(directory)/.\(script).log"
    defer { unlink(errors) }
    let place = directory.replacing("'", with: "''")
    let child = try ChildProcess(
      program: program, arguments: ["-e", "cd '\(place)'; load '\(script)'"], outPath: "/dev/null", errPath: errors)
    let deadline = Uptime.seconds + Gnuplot.seconds
    while child.poll() == nil, Uptime.seconds < deadline { Uptime.nap(milliseconds: 5) }
    guard let end = child.poll() else { throw DrawError(reason: "\(directory)/\(script): gnuplot did not end") }
    guard end == .exited(0) else {
      let log = SmallFile.read(errors)?.split(separator: "\n").suffix(3).joined(separator: " ") ?? ""
      throw DrawError(reason: "\(directory)/\(script): gnuplot: \(end): \(log)")
    }
  }

  /// gnuplot's hover texts call a script that is not there; a `title` element does the same without one.
  static func withoutScript(_ svg: String) -> String {
    svg.replacing(
      #/<g onmousemove="gnuplot_svg\.showHypertext\(evt,'(?<text>[^"]*)'\)" onmouseout="[^"]*"><title> <\/title>/#
    ) { match in "<g><title>\(match.output.text)</title>" }
  }
}
