package import Experiment
import Glibc
import Results

/// A chart as two texts: tidy CSV and the gnuplot script that draws it from that CSV alone, wherever the two lie
/// together. The script makes an SVG, a narrow SVG for phones, and a PNG.
extension Chart {
  package static let columns: [Column] = [
    Column(name: "panel", content: .text, unit: "", meaning: "the chart's part; empty when it has one"),
    Column(name: "series", content: .text, unit: "", meaning: "line or bar colour"),
    Column(name: "kind", content: .text, unit: "", meaning: "median, raw, invalid, or claim"),
    Column(name: "x", content: .number, unit: "", meaning: "where it is drawn"),
    Column(name: "level", content: .text, unit: "", meaning: "the level it belongs to"),
    Column(name: "y", content: .number, unit: "as the axis", meaning: "the value"),
    Column(name: "low", content: .number, unit: "as the axis", meaning: "lower end of the 95 % interval"),
    Column(name: "high", content: .number, unit: "as the axis", meaning: "upper end of the 95 % interval"),
    Column(name: "n", content: .integer, unit: "", meaning: "valid replicates behind a median"),
  ]

  package var csv: String {
    points.reduce(into: CSV.line(Chart.columns.map(\.name))) { text, point in
      text += CSV.line([
        point.panel, point.series, point.kind.rawValue, CSV.number(point.x), point.level, CSV.number(point.y),
        CSV.number(point.low), CSV.number(point.high), String(point.count),
      ])
    }
  }

  package var script: String { definition.kind == .heatmap ? heatMapScript : pointsScript }

  private var sheet: Sheet {
    let marks = definition.kind == .bars ? "whiskers" : "bands"
    return Sheet(
      stem: stem, title: definition.title,
      note: "\(replicateNote); \(marks): bootstrap 95 %; dots: runs · \(caption)",
      narrowNote: "\(replicateNote), bootstrap 95 % · \(caption)")
  }

  private var pointsScript: String {
    let functions = """
      # The value of a column where panel, series and kind fit, else nothing.
      pick(panel, series, kind, place) = \\
        (strcol(1) eq panel && strcol(2) eq series && strcol(3) eq kind) ? column(place) : NaN
      # Over a bar, in two digits where bars are many.
      over(value) = \(barCount > 12 ? 1 : 0) && value < 9999.5 ? sprintf(value >= 9.95 ? "%.0f" : "%.2g", value) : shown(value)
      hover(label) = sprintf("%s, %s: %s [%s, %s], n = %d", \\
        label, strcol(5), shown(column(6)), shown(column(7)), shown(column(8)), column(9))
      """
    return """
      \(sheet.opening(functions))
      do for [output in "svg narrow png"] {
        narrow = output eq "narrow"
        # A narrow page has no room for the runs of many places, or the values of many bars.
        dotting = narrow && \(Set(points.map(\.x)).count) > 16 ? 1000000 : 1
        crowded = narrow && \(barCount > 6 ? 1 : 0)
      \(sheet.page(height: height, narrowHeight: narrowHeight))
        set multiplot
        unset key
        set border 3 lc rgb "#444444"
        set tics out scale 0.6 textcolor rgb "#222222"
        set xtics nomirror; set ytics nomirror
        set grid ytics lc rgb "#dddddd" lt 1 lw 1
        set style fill transparent solid 0.18 noborder
        set boxwidth \(Script.number(barWidth)) absolute
      \(axes)
      \(panels.indices.map(panel).joined(separator: "\n"))
      \(key)
        unset multiplot
        unset output
      }

      """
  }

  // MARK: The page, in pixels of the SVG

  private enum Page {
    static let panelTitle = 26.0
    static let plot = 330.0, narrowPlot = 215.0
    /// Below a panel: one line of labels and the title; and each further line of labels.
    static let axis = 58.0, axisLine = 18.0, narrowAxisLine = 15.0
    static let keyRow = 24.0, narrowKeyRow = 21.0
    /// Left of the axis: the title, and each character of the longest label.
    static let left = 54.0, character = 8.6
    static let right = 18.0
    static let gap = 22.0
  }

  private var barCount: Int { named.isEmpty ? ticks.count : ticks.count * series.count }
  private var keys: Int { named.count + (claimLabel.isEmpty ? 0 : 1) + (hasInvalid ? 1 : 0) }
  /// The series the key names: none where the x axis already does.
  private var named: [Series] { definition.series == [definition.x] ? [] : series }
  private var hasInvalid: Bool { points.contains { $0.kind == .invalid } }
  private var labelWidth: Double {
    Page.character * Double(yPlaces(count: 9).map { Script.short($0).count }.max() ?? 1)
  }
  /// Characters of an x label before it is broken.
  private var wrap: Int { ticks.count > 3 ? 16 : 30 }
  private var narrowWrap: Int { ticks.count > 5 ? 8 : 9 }
  private func tickLines(wrappedAt width: Int) -> Double {
    isCategory ? ticks.map { Script.lines(Script.wrapped($0.label, at: width)) }.max() ?? 1 : 1
  }
  private var axisHeight: Double { Page.axis + Page.axisLine * (tickLines(wrappedAt: wrap) - 1) }
  private var narrowAxisHeight: Double {
    Page.axis + Page.narrowAxisLine * (tickLines(wrappedAt: narrowWrap) - 1)
  }
  /// As many as the longest label lets stand side by side.
  private var keyColumns: Int {
    let longest = (named.map(\.label.count) + [claimLabel.count, 11]).max() ?? 11
    return min(3, max(1, Int((Sheet.width - 60) / (Double(longest) * 7.6 + 62))))
  }
  private var panelTitle: Double { panels.count > 1 ? Page.panelTitle : 0 }
  private var keyHeight: Double { Page.keyRow * Double((keys + keyColumns - 1) / keyColumns) + 14 }
  private var narrowKeyHeight: Double { Page.narrowKeyRow * Double(keys) + 12 }
  private var height: Double { Sheet.head + panelTitle + Page.plot + axisHeight + keyHeight }
  private var narrowPanel: Double { panelTitle + Page.narrowPlot + narrowAxisHeight }
  private var narrowHeight: Double { sheet.narrowHead + narrowPanel * Double(panels.count) + narrowKeyHeight }

  private var axes: String {
    var lines: [String] = []
    let xs = points.map(\.x)
    let least = xs.min() ?? 0, most = xs.max() ?? 1
    if isCategory {
      lines.append("set xrange [-0.6:\(Script.number(Double(max(ticks.count, 1)) - 0.4))]")
    } else if definition.logX {
      lines.append("set logscale x")
      lines.append("set xrange [\(Script.number(least / 1.4)):\(Script.number(most * 1.4))]")
    } else {
      lines.append("set xrange [0:\(Script.number(most * 1.03))]")
    }
    if ticks.isEmpty {
      lines.append("set xtics (\(Script.tics(Script.steps(to: most * 1.03, count: 9))))")
      lines.append("if (narrow) { set xtics (\(Script.tics(Script.steps(to: most * 1.03, count: 5)))) }")
    } else {
      lines.append("set xtics (\(tics(wrappedAt: wrap))) font \",\(isCategory ? 12 : 14)\"")
      let narrowly = tics(wrappedAt: isCategory ? narrowWrap : wrap)
      lines.append("if (narrow) { set xtics (\(narrowly)) font \",\(isCategory || ticks.count > 6 ? 10 : 12)\" }")
    }
    return (lines + yAxis).map { "  " + $0 }.joined(separator: "\n")
  }

  private var yAxis: [String] {
    let range = yRange
    return [
      definition.logY ? "set logscale y" : "unset logscale y", "set ytics (\(Script.tics(yPlaces(count: 9))))",
      "if (narrow) { set ytics (\(Script.tics(yPlaces(count: 6)))) }",
      "set yrange [\(Script.number(range.lowerBound)):\(Script.number(range.upperBound))]",
    ]
  }

  private func yPlaces(count: Int) -> [Double] {
    let range = yRange
    if let reach = reachAroundOne {
      let step = Script.step(to: 2 * reach, count: count)
      return (Int((range.lowerBound / step).rounded(.up))...Int((range.upperBound / step).rounded(.down))).map {
        Double($0) * step
      }
    }
    return definition.logY
      ? Script.decades(from: range.lowerBound, to: range.upperBound) : Script.steps(to: range.upperBound, count: count)
  }

  /// A curve of ratios is drawn around one, as far as its medians go; nil of other charts. Single intervals may lie outside.
  private var reachAroundOne: Double? {
    guard definition.kind == .curve, definition.y.hasPrefix("grown_over_fresh") else { return nil }
    let medians = points.filter { $0.kind == .median }
    let most = medians.flatMap { [$0.y, $0.low, $0.high] }.map { abs($0 - 1) }.max() ?? 0
    return min(max(most * 1.2, 0.1), 0.9)
  }

  private var yRange: ClosedRange<Double> {
    let most = max(points.map(\.high).max() ?? 1, self.lines.filter { $0.axis == .y }.map(\.at).max() ?? 0)
    if let reach = reachAroundOne { return 1 - reach...1 + reach }
    guard definition.logY else { return 0...max(most, 1e-9) * (definition.kind == .bars ? 1.12 : 1.06) }
    let least = points.map(\.low).filter { $0 > 0 }.min() ?? 1
    // A share of the axis on both sides, on top more of it where numbers stand over the marks.
    let reach = max(10, most / least)
    return least / pow(reach, 0.05)...max(most, least) * pow(reach, definition.kind == .bars ? 0.12 : 0.05)
  }

  private var isLines: Bool { definition.kind == .lines || definition.kind == .curve }

  private var isCategory: Bool { definition.kind == .bars || ticks.contains { Double($0.label) == nil } }

  private func tics(wrappedAt width: Int) -> String {
    ticks.map { "\(Script.quoted(Script.wrapped(shown($0), at: width))) \(Script.number($0.x))" }
      .joined(separator: ", ")
  }

  /// A level as the axis names it: large numbers in few characters, bytes in their own units.
  func shown(_ tick: Tick) -> String {
    guard let value = Double(tick.label) else { return tick.label }
    return definition.xTitle.contains("byte") ? Script.binary(value) : Script.short(value)
  }

  /// Left, right, bottom and top of a panel as shares of the page.
  private func margins(_ index: Int, narrow: Bool) -> String {
    let left, right, bottom, top: Double
    if narrow {
      left = (Page.left + labelWidth) / Sheet.narrowWidth
      right = 1 - Page.right / Sheet.narrowWidth
      let under = narrowKeyHeight + narrowPanel * Double(panels.count - 1 - index)
      bottom = (under + narrowAxisHeight) / narrowHeight
      top = (under + narrowPanel - panelTitle) / narrowHeight
    } else {
      let first = Page.left + labelWidth
      let room = Sheet.width - first - Page.right - Page.gap * Double(panels.count - 1)
      let width = room / Double(panels.count)
      let start = first + (width + Page.gap) * Double(index)
      (left, right) = (start / Sheet.width, (start + width) / Sheet.width)
      bottom = (keyHeight + axisHeight) / height
      top = 1 - (Sheet.head + panelTitle) / height
    }
    return [("l", left), ("r", right), ("b", bottom), ("t", top)]
      .map { "set \($0.0)margin at screen \(Script.number($0.1))" }.joined(separator: "; ")
  }

  // MARK: Panels and key

  private func panel(_ index: Int) -> String {
    let panel = panels[index]
    var lines = [
      "if (narrow) { \(margins(index, narrow: true)) } else { \(margins(index, narrow: false)) }", "unset arrow",
      panels.count > 1 ? "set title \(Script.quoted(panel.label)) font \",14\" offset 0,-0.4" : "unset title",
      // gnuplot leaves room for one line of labels, whatever they have.
      "set xlabel \(Script.quoted(definition.xTitle)) "
        + "offset 0,screen (narrow ? \(down(narrowAxisHeight, of: narrowHeight)) : \(down(axisHeight, of: height)))",
      "set ylabel \(Script.quoted(definition.yTitle)) offset 0,0",
    ]
    if index < panels.count - 1 { lines.append("if (narrow) { unset xlabel }") }
    if index > 0 {
      lines.append("unset label")
      lines.append("if (!narrow) { unset ylabel; set ytics (\(Script.tics(yPlaces(count: 9), labelled: false))) }")
    }
    for (place, line) in self.lines.prefix(3).enumerated() { lines.append(contentsOf: reference(line, place)) }
    lines.append("plot " + plots(of: panel).joined(separator: ", \\\n    "))
    return lines.map { "  " + $0 }.joined(separator: "\n")
  }

  private func down(_ axis: Double, of height: Double) -> String { Script.number((Page.axis - axis) / height) }

  private func reference(_ line: Line, _ place: Int) -> [String] {
    let at = Script.number(line.at)
    let (from, to, label) =
      switch line.axis {
      case .x: ("\(at), graph 0", "\(at), graph 1", "\(at), graph 0.97 left offset 0.6,0")
      case .y: ("graph 0, first \(at)", "graph 1, first \(at)", "graph 0.99, first \(at) right offset 0,0.6")
      }
    return [
      "set arrow from \(from) to \(to) nohead lc rgb \"#666666\" dt (10,6) lw 1.4 back",
      "set label \(20 + place) \(Script.quoted(line.label)) at \(label) font \",11\" tc rgb \"#444444\" front",
    ]
  }

  /// A plot of nothing below the panels, so that the key has the whole width to itself.
  private var key: String {
    var entries = named.enumerated().map {
      "keyentry \(style($0.offset, $0.element)) title \(Script.quoted($0.element.label))"
    }
    if hasInvalid { entries.append("keyentry with points pt 6 ps 0.8 lw 1.3 lc rgb \"#444444\" title \"invalid run\"") }
    if !claimLabel.isEmpty {
      entries.append(
        "keyentry \(isLines ? claimStyle : "with lines lw 2.4 lc rgb \"#000000\"") title \(Script.quoted(claimLabel))"
      )
    }
    guard !entries.isEmpty else { return "  # The x axis names every series." }
    return """
        unset label; unset arrow; unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid
        unset logscale
        set lmargin at screen 0.02; set rmargin at screen 0.98; set bmargin at screen 0.005
        set tmargin at screen (narrow ? \(Script.number(narrowKeyHeight / narrowHeight)) : \(Script.number(keyHeight / height)))
        set key at screen 0.5, screen 0.012 center bottom Left reverse horizontal maxcols \(keyColumns) samplen 2.4 spacing 1.1 font ",12"
        if (narrow) { set key at screen 0.02, screen 0.012 left bottom Left reverse vertical maxcols 1 maxrows \(keys) spacing 1 }
        plot [0:1] [0:1] -1 notitle, \\
          \(entries.joined(separator: ", \\\n    "))
      """
  }

  private func style(_ index: Int, _ series: Series) -> String {
    let color = Script.color(index)
    if definition.kind == .bars {
      // On a logarithmic axis a bar has no length that means anything: its foot is wherever the axis begins.
      return definition.logY
        ? "with points pt \(Script.shape(index)) ps 1.2 lc rgb \"\(color)\""
        : "with boxes fs solid 0.75 noborder lc rgb \"\(color)\""
    }
    let dash = series.isControl ? " dt (8,4)" : ""
    if definition.kind == .curve { return "with lines lw 2.6\(dash) lc rgb \"\(color)\"" }
    let size = Set(points.map(\.x)).count > 16 ? 0.45 : 0.75
    return "with linespoints lw 2.2\(dash) pt \(Script.shape(index)) ps \(size) lc rgb \"\(color)\""
  }

  private var claimStyle: String { "with lines lw 2 dt (4,4) lc rgb \"#000000\"" }

  /// Back to front, layer by layer over all series: bands or bars, runs, medians or whiskers, invalid runs, the claim,
  /// and what the pointer finds.
  private func plots(of panel: Panel) -> [String] {
    let shown = series.enumerated().filter { entry in
      points.contains { $0.panel == panel.key && $0.series == entry.element.key }
    }
    let layers: [(Int, Series) -> String?] = isLines ? lineLayers(panel) : barLayers(panel)
    let common: [(Int, Series) -> String?] = [
      { index, one in
        points.contains { $0.kind == .invalid && $0.series == one.key && $0.panel == panel.key }
          ? "\(data(panel, one, .invalid)):6 with points pt 6 ps 0.8 lw 1.3 lc rgb "
            + "\"\(definition.kind == .bars ? "#222222" : Script.color(index))\" notitle"
          : nil
      },
      { _, one in claim(panel, one) },
      { index, one in
        "\(data(panel, one, .median)):6:(hover(\(Script.quoted(one.label)))) with labels hypertext "
          + "point pt 7 ps 1.2 lc rgb \"#fe\(Script.color(index).dropFirst())\" notitle"
      },
    ]
    return (layers + common).flatMap { layer in shown.compactMap { layer($0.offset, $0.element) } }
  }

  private func data(_ panel: Panel, _ series: Series, _ kind: Point.Kind, skip: String = "1") -> String {
    let picked = "pick(\(Script.quoted(panel.key)), \(Script.quoted(series.key)), \"\(kind.rawValue)\", 4)"
    return "data skip \(skip) using (\(picked)\(kind == .claim ? "" : aside(series)))"
  }

  private enum Aside {
    /// Two curves nearer than this share of the axis hide each other, and are drawn so much of the axis beside each other.
    static let near = 0.012, step = 0.012
  }

  /// What is added to a place on the x axis, so that no curve hides another of the same height.
  private func aside(_ series: Series) -> String {
    guard definition.kind == .lines, coincide, let index = self.series.firstIndex(of: series) else { return "" }
    let steps = Double(index) - Double(self.series.count - 1) / 2
    let xs = points.map(\.x)
    let (least, most) = (xs.min() ?? 0, xs.max() ?? 1)
    if definition.logX, !isCategory { return " * \(Script.number(pow(most / least, Aside.step * steps)))" }
    return " + \(Script.number((most - least) * Aside.step * steps))"
  }

  /// Whether two curves run into each other at two levels or more.
  private var coincide: Bool {
    let range = yRange
    func height(_ y: Double) -> Double {
      definition.logY && range.lowerBound > 0
        ? log(y / range.lowerBound) / log(range.upperBound / range.lowerBound)
        : (y - range.lowerBound) / (range.upperBound - range.lowerBound)
    }
    // Where places are many there is no room beside one.
    guard series.count > 1, !ticks.isEmpty else { return false }
    return panels.contains { panel in
      let medians = points.filter { $0.kind == .median && $0.panel == panel.key }
      return series.indices.contains { one in
        series.indices.dropFirst(one + 1).contains { other in
          medians.filter { $0.series == series[one].key }.count { point in
            medians.contains {
              $0.series == series[other].key && $0.level == point.level
                && abs(height($0.y) - height(point.y)) < Aside.near
            }
          } > 1
        }
      }
    }
  }

  private func lineLayers(_ panel: Panel) -> [(Int, Series) -> String?] {
    [
      { "\(data(panel, $1, .median)):7:8 with filledcurves lc rgb \"\(Script.color($0))\" notitle" },
      {
        "\(data(panel, $1, .raw, skip: "dotting")):6 with points pt 7 ps 0.28 lc rgb \"#70\(Script.color($0).dropFirst())\" notitle"
      },
      { "\(data(panel, $1, .median)):6 \(style($0, $1)) notitle" },
    ]
  }

  private func barLayers(_ panel: Panel) -> [(Int, Series) -> String?] {
    [
      { "\(data(panel, $1, .median)):6 \(style($0, $1)) notitle" },
      { "\(data(panel, $1, .raw)):6 with points pt 7 ps 0.35 lc rgb \"#50222222\" notitle" },
      {
        "\(data(panel, $1, .median)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb \"#222222\" notitle"
      },
      {
        "\(data(panel, $1, .median)):8:(crowded ? \"\" : over(column(6))) with labels center offset 0,0.7 font \",10\" "
          + "tc rgb \"#222222\" notitle"
      },
    ]
  }

  private func claim(_ panel: Panel, _ series: Series) -> String? {
    guard points.contains(where: { $0.kind == .claim && $0.series == series.key && $0.panel == panel.key }) else {
      return nil
    }
    if isLines { return "\(data(panel, series, .claim)):6 \(claimStyle) notitle" }
    let half = Script.number(barWidth / 2)
    let from = "(pick(\(Script.quoted(panel.key)), \(Script.quoted(series.key)), \"claim\", 4) - \(half))"
    return "data skip 1 using \(from):6:(2 * \(half)):(0) with vectors nohead lw 2.4 lc rgb \"#000000\" notitle"
  }

  private var barWidth: Double {
    let bars = definition.series == [definition.x] ? 1 : max(series.count, 1)
    return Chart.groupWidth / Double(bars) * 0.86
  }

  // MARK: Notes

  var replicateNote: String {
    let (least, most) = (replicates.lowerBound, replicates.upperBound)
    return "median of n = " + (least == most ? "\(least)" : "\(least)–\(most)")
  }
}
