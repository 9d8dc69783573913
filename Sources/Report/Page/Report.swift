package import Experiment
import Foundation
import Results
package import Verdict

/// `results/index.html`: every claim with its original numbers, ours, and the verdict, on one page that needs nothing
/// else, neither a network nor a script.
package struct Report {
  /// One experiment: the latest result, and what came before it.
  package struct Entry {
    package var result: StoredResult
    package var charts: [Figure]
    /// Older results, latest first.
    package var history: [StoredResult]
    /// What could not be drawn, and why.
    package var chartFailures: [String]

    package init(
      result: StoredResult, charts: [Figure], history: [StoredResult] = [], chartFailures: [String] = []
    ) {
      self.result = result
      self.charts = charts
      self.history = history
      self.chartFailures = chartFailures
    }
  }

  /// A chart as drawn: for wide pages and for phones.
  package struct Figure: Sendable, Equatable {
    package var stem: String
    package var title: String
    package var wide: String
    package var narrow: String

    package init(stem: String, title: String, wide: String, narrow: String) {
      self.stem = stem
      self.title = title
      self.wide = wide
      self.narrow = narrow
    }
  }

  package var entries: [Entry]
  /// Result directories that could not be read, and why.
  package var unreadable: [String]
  /// UTC, ISO 8601.
  package var writtenAt: String
  /// From the page to the charts: `../plots`.
  package var plotsLink: String
  /// All claims in one picture; nil where no claim has a ratio, or it could not be drawn.
  package var forest: Figure?
  /// Why it could not.
  package var forestFailure: String?

  package init(
    entries: [Entry], unreadable: [String] = [], writtenAt: String, plotsLink: String = "../plots",
    forest: Figure? = nil, forestFailure: String? = nil
  ) {
    self.forest = forest
    self.forestFailure = forestFailure
    self.entries = entries
    self.unreadable = unreadable
    self.writtenAt = writtenAt
    self.plotsLink = plotsLink
  }
}

extension Report {
  /// Reads every result below `results`, draws the charts that are missing or of an older result into `plots`, and
  /// replaces `results/index.html`. A result or chart that fails is said on the page; only writing it may throw.
  ///
  /// - Parameter definitions: today's, for words and charts; see `StoredResult.presented(by:)`.
  @discardableResult
  package static func write(results: String, plots: String, definitions: [Experiment] = []) throws -> Report {
    let stored = stored(in: results, definitions: definitions)
    let entries = stored.results.map { found in
      let (figures, failures) = figures(of: found[0], in: plots)
      return Entry(result: found[0], charts: figures, history: Array(found.dropFirst()), chartFailures: failures)
    }
    var report = Report(
      entries: entries, unreadable: stored.unreadable, writtenAt: UTC.now(), plotsLink: link(from: results, to: plots))
    do { report.forest = try forest(of: entries.map(\.result), in: plots) } catch { report.forestFailure = "\(error)" }
    try SmallFile.replace("\(results)/index.html", report.html())
    return report
  }

  /// Every result below a directory: by experiment, in their order, the latest result first. And those that could not be read, and why.
  package static func stored(
    in results: String, definitions: [Experiment] = []
  ) -> (results: [[StoredResult]], unreadable: [String]) {
    var unreadable: [String] = []
    let all = names(in: results).map { stem in
      names(in: "\(results)/\(stem)").reversed().compactMap { name -> StoredResult? in
        let path = "\(results)/\(stem)/\(name)"
        guard FileManager.default.fileExists(atPath: "\(path)/\(ResultDirectory.Name.journal)") else { return nil }
        do { return try StoredResult(reading: path).presented(by: definitions) } catch {
          unreadable.append("\(error)")
          return nil
        }
      }
    }
    let present = all.filter { !$0.isEmpty }.sorted { $0[0].experiment.number < $1[0].experiment.number }
    return (present, unreadable)
  }

  private static func names(in directory: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).sorted()
  }

  /// The SVGs as they lie in `plots`, drawn again where they are not this result's.
  private static func figures(of result: StoredResult, in plots: String) -> ([Figure], [String]) {
    let charts = Chart.all(of: result).map {
      (stem: $0.stem, title: $0.definition.title, csv: $0.csv, script: $0.script)
    }
    let latencies = LatencyPlot.all(of: result).map { (stem: $0.stem, title: $0.title, csv: $0.csv, script: $0.script) }
    var figures: [Figure] = []
    var failures: [String] = []
    for one in charts + latencies {
      func drawn() -> Figure? {
        // The script has every word and the result's name, and the CSV every figure.
        guard SmallFile.read("\(plots)/\(one.stem).gp") == one.script,
          SmallFile.read("\(plots)/\(one.stem).csv") == one.csv,
          let wide = SmallFile.read("\(plots)/\(one.stem).svg"),
          let narrow = SmallFile.read("\(plots)/\(one.stem)-narrow.svg")
        else { return nil }
        return Figure(stem: one.stem, title: one.title, wide: wide, narrow: narrow)
      }
      do {
        if drawn() == nil { try Chart.draw(one.stem, csv: one.csv, script: one.script, into: plots) }
        if let figure = drawn() { figures.append(figure) }
      } catch {
        failures.append("\(error)")
      }
    }
    return (figures, failures)
  }

  /// The picture of all claims, drawn into `plots`.
  package static func forest(of results: [StoredResult], in plots: String) throws -> Figure? {
    let profiles = Profile.allCases.filter { profile in results.contains { $0.profile == profile } }
    let days = results.map { $0.startedAt.prefix(10) }.sorted()
    let span = days.first == days.last ? "\(days.first ?? "")" : "\(days.first ?? "") to \(days.last ?? "")"
    let caption = "\(profiles.map(\.rawValue).joined(separator: " and ")) profile · \(span)"
    guard let plot = ForestPlot(Overview(results), caption: caption) else { return nil }
    try plot.draw(into: plots)
    guard let wide = SmallFile.read("\(plots)/\(ForestPlot.stem).svg"),
      let narrow = SmallFile.read("\(plots)/\(ForestPlot.stem)-narrow.svg")
    else { return nil }
    return Figure(stem: ForestPlot.stem, title: "All claims", wide: wide, narrow: narrow)
  }

  /// A relative link between two directories, as `../plots`.
  static func link(from: String, to: String) -> String {
    func parts(_ path: String) -> [String] {
      URL(filePath: path).standardizedFileURL.pathComponents.filter { $0 != "/" }
    }
    let (start, end) = (parts(from), parts(to))
    let common = zip(start, end).prefix { $0 == $1 }.count
    return (Array(repeating: "..", count: start.count - common) + end[common...]).joined(separator: "/")
  }
}
