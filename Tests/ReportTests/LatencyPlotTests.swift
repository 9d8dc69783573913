import Foundation
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Report
@testable import Results
@testable import Verdict

@Suite("Latency plots", .serialized)
struct LatencyPlotTests {
  private func bucket(_ order: Int, _ ms: Double, _ count: Double, kind: String = "response") -> LatencyBucket {
    LatencyBucket(
      order: order, arm: "alone", replicate: 1, kind: kind, lowNs: ms * 1e6 - 1, highNs: ms * 1e6, count: count)
  }

  @Test("a quantile is drawn as far as ten samples lie beyond it, and runs are pooled")
  func quantiles() {
    // 900 of 1 ms, 90 of 2, 10 of 50: the 99th percentile is 2 ms, and beyond it lie ten.
    let points = LatencyPlot.quantiles([
      bucket(0, 50, 4), bucket(0, 1, 500), bucket(1, 1, 400), bucket(0, 2, 90), bucket(1, 50, 6),
    ])
    #expect(points.map(\.ms) == [1, 1, 2], "\(points)")
    // Many buckets near each other are thinned out, from the first on.
    let many = (1...2000).map { bucket(0, Double($0), 1) }
    let thinned = LatencyPlot.quantiles(many)
    #expect(
      thinned.first?.ms == 1 && thinned.last?.ms == 1990 && (50..<120).contains(thinned.count), "\(thinned.count)")
    #expect(points.last == LatencyPlot.Point(x: 100, ms: 2))
    #expect(LatencyPlot.quantiles([]).isEmpty && LatencyPlot.quantiles([bucket(0, 1, 5)]).isEmpty)
  }

  /// E4 made up: every row valid, with histograms and intervals.
  private func result(_ scratch: ScratchDirectory) throws -> StoredResult {
    var result = try Synthetic.store("04-backfill", .quick, in: scratch.path)
    result.latency = result.rows.flatMap { row -> [LatencyBucket] in
      (1...20).map { step in
        LatencyBucket(
          order: row.order, arm: row.arm, replicate: row.replicate, kind: "response", lowNs: Double(step) * 1e5,
          highNs: Double(step) * 1e5 + 99, count: Double(1000 / step))
      }
    }
    result.series = result.rows.flatMap { row in
      (1...10).map { second in
        SeriesPoint(
          order: row.order, arm: row.arm, replicate: row.replicate, seconds: Double(second), storedMiB: 1,
          mibPerSecond: 1,
          recordsPerSecond: 1, figures: ["p99_ms": row.arm == "lagging" ? 80 : 1])
      }
    }
    return result
  }

  @Test("of a result are drawn by quantile and over time, a line an arm, from their CSVs alone")
  func draws() throws {
    let scratch = try ScratchDirectory("latency")
    let result = try result(scratch)
    let plots = LatencyPlot.all(of: result)
    #expect(plots.map(\.stem) == ["04-backfill-quantiles", "04-backfill-latency"])
    for plot in plots {
      #expect(
        plot.series.contains { $0.label == "live pair alone" } && !plot.series.contains { $0.label.contains("A/A") })
      try Chart.draw(plot.stem, csv: plot.csv, script: plot.script, into: "\(scratch.path)/plots")
      let svg = try #require(SmallFile.read("\(scratch.path)/plots/\(plot.stem).svg"))
      #expect(svg.contains("live pair alone") && svg.contains("<title>live pair alone, "), "\(plot.stem)")
    }
    let lagging = plots[1].series.first { $0.label.contains("lagging") }
    #expect(lagging?.points.allSatisfy { $0.ms == 80 } == true)
    var without = result
    (without.latency, without.series) = ([], [])
    #expect(LatencyPlot.all(of: without).isEmpty)
  }

  @Test("a line of few places tells its values too, beside one of many; of fewer than five none is drawn")
  func fewPlaces() throws {
    let scratch = try ScratchDirectory("few")
    var result = try result(scratch)
    // gnuplot 5.4.4 ended with SIGSEGV where all texts of a line fell between the rows it was told to draw.
    result.series.removeAll { $0.arm != "lagging" && $0.seconds > 5 }
    let course = try #require(LatencyPlot.all(of: result).last)
    #expect(Set(course.series.map(\.points.count)) == [5, 10])
    try Chart.draw(course.stem, csv: course.csv, script: course.script, into: "\(scratch.path)/plots")
    let svg = try #require(SmallFile.read("\(scratch.path)/plots/\(course.stem).svg"))
    for one in course.series { #expect(svg.contains("<title>\(one.label), "), "\(one.label)") }
    result.series.removeAll { $0.seconds > 4 }
    #expect(LatencyPlot.all(of: result).map(\.stem) == ["04-backfill-quantiles"])
  }
}
