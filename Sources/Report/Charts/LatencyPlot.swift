import Experiment
import Measure
import Results
package import Verdict

/// Latencies as no single percentile shows them: by quantile, from the runs' histograms, and in the course of the runs, from their
/// intervals. Pure, as `Chart` is.
package struct LatencyPlot: Sendable, Equatable {
  package struct Series: Sendable, Equatable {
    package var label: String
    package var points: [Point]
  }

  package struct Point: Sendable, Equatable {
    package var x: Double
    package var ms: Double
  }

  package var stem: String
  package var title: String
  package var note: String
  package var xTitle: String
  /// Of the x axis: its label and its place.
  package var ticks: [(label: String, x: Double)]
  package var logX: Bool
  package var series: [Series]

  package static func == (a: LatencyPlot, b: LatencyPlot) -> Bool { a.script == b.script && a.csv == b.csv }

  private enum Limits {
    /// A quantile is drawn where at least so many samples lie beyond it.
    static let beyond = 10.0
    /// From one quantile drawn to the next, as 1 over the share beyond.
    static let step = 1.06
    /// Places of a run's course that are drawn.
    static let moments = 60
    /// Fewer places than these show no course.
    static let momentsMin = 5
    /// Every so many places of a line tell their values to a pointer.
    static let hoverEvery = 8
  }

  /// Of a result: what its rows have latencies for.
  package static func all(of result: StoredResult) -> [LatencyPlot] {
    let caption = "\(result.profile.rawValue) profile · \(result.name)"
    return [quantiles(of: result, caption), course(of: result, caption)].compactMap(\.self)
  }

  // MARK: By quantile

  /// All valid runs of an arm, at one combination of levels, pooled; up to the quantile with ten samples beyond it.
  static func quantiles(of result: StoredResult, _ caption: String) -> LatencyPlot? {
    // From when a record was due, where somebody paced it; else from when it was sent.
    let kinds = ["end_to_end", "response", "service"]
    guard let kind = kinds.first(where: { kind in result.latency.contains { $0.kind == kind } }) else { return nil }
    let all = series(of: result) { orders in
      quantiles(result.latency.filter { $0.kind == kind && orders.contains($0.order) })
    }
    guard !all.isEmpty else { return nil }
    let most = all.flatMap(\.points).map(\.x).max() ?? 2
    let ticks = [
      ("0", 1.0), ("50 %", 2), ("90 %", 10), ("99 %", 100), ("99.9 %", 1000), ("99.99 %", 10_000),
      ("99.999 %", 100_000),
    ]
    let word =
      kind == "end_to_end" ? "until a consumer has a record" : kind == "response" ? "response time" : "service time"
    return LatencyPlot(
      stem: "\(result.experiment.stem)-quantiles", title: "\(result.experiment.title): \(word), by quantile",
      note: "runs of an arm pooled; as far as ten samples lie beyond · \(caption)", xTitle: "quantile",
      ticks: ticks.filter { $0.1 <= most * 1.01 }.map { (label: $0.0, x: $0.1) }, logX: true, series: all)
  }

  /// `x` is 1 over the share beyond: 100 for the 99th percentile.
  static func quantiles(_ buckets: [LatencyBucket]) -> [Point] {
    let total = buckets.reduce(0) { $0 + $1.count }
    guard total > 0 else { return [] }
    var below = 0.0
    var points: [Point] = []
    var last: Point?
    for bucket in buckets.sorted(by: { $0.highNs < $1.highNs }) {
      below += bucket.count
      let beyond = total - below
      guard beyond >= Limits.beyond else { break }
      let point = Point(x: total / beyond, ms: bucket.highNs / 1e6)
      last = point
      // Forty places a decade, one on every four pixels.
      if points.last.map({ point.x >= $0.x * Limits.step }) ?? true { points.append(point) }
    }
    if let last, last != points.last { points.append(last) }
    return points
  }

  // MARK: In the course of the runs

  /// The 99th percentile of each interval; at each place the median over an arm's runs.
  static func course(of result: StoredResult, _ caption: String) -> LatencyPlot? {
    guard result.experiment.sweep == nil,
      result.experiment.metrics.contains(where: { Metric.named($0)?.kind == .latency })
    else { return nil }
    let all = series(of: result) { orders in
      let points = result.series.filter { orders.contains($0.order) && ($0.figures["p99_ms"] ?? 0) > 0 }
      guard let end = points.map(\.seconds).max() else { return [] }
      let width = max(end / Double(Limits.moments), 0.05)
      let bins = Dictionary(grouping: points) { Int($0.seconds / width) }
      let medians = bins.sorted { $0.key < $1.key }.compactMap { bin, own in
        Statistics.median(own.compactMap { $0.figures["p99_ms"] }).map { Point(x: (Double(bin) + 0.5) * width, ms: $0) }
      }
      return medians.count >= Limits.momentsMin ? medians : []
    }
    guard !all.isEmpty else { return nil }
    let most = all.flatMap(\.points).map(\.x).max() ?? 1
    return LatencyPlot(
      stem: "\(result.experiment.stem)-latency", title: "\(result.experiment.title): latency in the course of the runs",
      note: "99th percentile of each interval, median over the runs · \(caption)",
      xTitle: "seconds since measuring began",
      ticks: Script.steps(to: most, count: 8).map { (label: Script.short($0), x: $0) }, logX: false, series: all)
  }

  /// A line for each arm and combination of levels, in the definition's order, with the orders of its valid runs.
  private static func series(of result: StoredResult, _ points: (Set<Int>) -> [Point]) -> [Series] {
    var groups: [(label: String, orders: Set<Int>)] = []
    for arm in result.experiment.arms where arm.role != .again {
      for row in result.rows where row.arm == arm.name && row.isValid {
        let levels = result.experiment.factors.compactMap { factor in row.levels[factor.name]?.words(of: factor.name) }
        let label = ([arm.label] + levels).joined(separator: ", ")
        if let place = groups.firstIndex(where: { $0.label == label }) {
          groups[place].orders.insert(row.order)
        } else {
          groups.append((label, [row.order]))
        }
      }
    }
    let all = groups.map { Series(label: $0.label, points: points($0.orders)) }.filter { !$0.points.isEmpty }
    return Array(all.prefix(Chart.Limits.seriesMax))
  }

  // MARK: Texts

  package var csv: String {
    series.enumerated().reduce(into: CSV.line(["series", "label", "x", "ms"])) { text, entry in
      for point in entry.element.points {
        text += CSV.line([String(entry.offset), entry.element.label, CSV.number(point.x), CSV.number(point.ms)])
      }
    }
  }

  private enum Page {
    static let plot = 330.0, narrowPlot = 240.0, axis = 58.0, key = 24.0
  }

  private var sheet: Sheet { Sheet(stem: stem, title: title, note: note, narrowNote: note) }
  private var keyRows: Double { Double((series.count + 1) / 2) }
  private var height: Double { Sheet.head + Page.plot + Page.axis + Page.key * keyRows + 14 }
  private var narrowHeight: Double {
    sheet.narrowHead + Page.narrowPlot + Page.axis + Page.key * Double(series.count) + 14
  }

  package var script: String {
    let xs = series.flatMap(\.points).map(\.x), ms = series.flatMap(\.points).map(\.ms)
    let range = (ms.min() ?? 1) / 1.2...(ms.max() ?? 1) * 1.3
    let functions = """
      # A column's value in the rows of a series, else nothing.
      of(series, place) = column(1) == series ? column(place) : NaN
      hover(label) = sprintf("%s, %s: %s ms", label, shown(column(3)), shown(column(4)))
      """
    return """
      \(sheet.opening(functions))
      do for [output in "svg narrow png"] {
        narrow = output eq "narrow"
      \(sheet.page(height: height, narrowHeight: narrowHeight))
        set border 3 lc rgb "#444444"
        set tics out scale 0.6 textcolor rgb "#222222"
        set grid ytics lc rgb "#dddddd" lt 1 lw 1
        \(logX ? "set logscale xy" : "set logscale y")
        set xrange [\(logX ? "1" : "0"):\(Script.number((xs.max() ?? 1) * (logX ? 1.15 : 1.03)))]
        set yrange [\(Script.number(range.lowerBound)):\(Script.number(range.upperBound))]
        set xtics (\(xTics)) nomirror
        set ytics (\(Script.tics(Script.decades(from: range.lowerBound, to: range.upperBound)))) nomirror
        set xlabel \(Script.quoted(xTitle))
        set ylabel "ms"
        set key outside bottom center Left reverse horizontal maxcols (narrow ? 1 : 2) samplen 2.4 font ",12"
        set tmargin at screen (narrow ? \(Script.number(1 - sheet.narrowHead / narrowHeight)) : \(Script.number(1 - Sheet.head / height)))
        plot \(layers.joined(separator: ", \\\n    "))
        unset output
      }

      """
  }

  /// A label is a format to gnuplot.
  private var xTics: String {
    ticks.map { "\(Script.quoted($0.label.replacing("%", with: "%%"))) \(Script.number($0.x))" }.joined(separator: ", ")
  }

  private var layers: [String] {
    let lines = series.indices.map { index in
      "data skip 1 using (of(\(index), 3)):4 with lines lw 2.2 lc rgb \"\(Script.color(index))\" title \(Script.quoted(series[index].label))"
    }
    // Each line's places are counted from its own first: gnuplot 5.4 crashes on a line of which none has a text.
    var row = 0
    let hovers = series.enumerated().map { index, one in
      defer { row += one.points.count }
      let rows = "every \(Limits.hoverEvery)::\(row)::\(row + one.points.count - 1)"
      return "data skip 1 \(rows) using (of(\(index), 3)):4:(hover(\(Script.quoted(one.label)))) with labels hypertext "
        + "point pt 7 ps 1.2 lc rgb \"#fe\(Script.color(index).dropFirst())\" notitle"
    }
    return lines + hovers
  }
}
