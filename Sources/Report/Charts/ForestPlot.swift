import Experiment
package import Results
import Verdict

/// All claims in one picture: a line for each, on a logarithmic axis of ratios the published figure and ours with its interval, what the
/// claim asks for, the noise floor, and an arrow where the machine capped ours.
///
/// Pure, as `Chart` is: two texts, of which gnuplot makes `plots/overview.svg` and its likes.
package struct ForestPlot: Sendable, Equatable {
  package static let stem = "overview"

  /// In the overview's order: those that decide of a claim, then the others.
  package var lines: [Overview.Line]
  /// Who measured what when: printed small.
  package var caption: String

  /// Nil when no line has a ratio to draw.
  package init?(_ overview: Overview, caption: String) {
    guard overview.lines.contains(where: { $0.ratio != nil }) else { return nil }
    lines = overview.lines
    self.caption = caption
  }

  package func draw(into plots: String) throws {
    try Chart.draw(Self.stem, csv: csv, script: script, into: plots)
  }

  package static let columns = [
    "place", "id", "claim", "grade", "original", "ours", "low", "high", "threshold", "floor", "cap",
  ]

  /// A line a claim, the first one on top; ratios are empty where there are none.
  package var csv: String {
    lines.enumerated().reduce(into: CSV.line(Self.columns)) { text, entry in
      let (place, line) = entry
      func number(_ value: Double?) -> String { value.map { CSV.number($0) } ?? "" }
      let ratio = line.ratio
      text += CSV.line([
        String(place), line.id, line.claim, line.grade.word, number(ratio?.original), number(ratio?.ours.value),
        number(ratio?.ours.low), number(ratio?.ours.high), number(ratio?.threshold), number(ratio?.floor),
        ratio?.cap?.word ?? "",
      ])
    }
  }

  // MARK: The page, in pixels of the SVG

  private enum Page {
    static let row = 37.0, narrowRow = 60.0
    /// Of the claims on the left, and of figures and grades on the right.
    static let left = 388.0, right = 236.0
    /// As many characters of a figure have room on the right.
    static let figureCharacters = 36
    static let narrowSide = 26.0
    static let axis = 52.0
    static let key = 56.0, narrowKey = 104.0
    /// Between the claims that are decided and the others, in rows.
    static let aside = 0.5
  }

  private var sheet: Sheet {
    Sheet(
      stem: Self.stem, title: "Kafka's claims, as published and as measured here",
      note:
        "ratios on a logarithmic axis; right of 1×: as the claim says; a slope: the ratio of a doubling · \(caption)",
      narrowNote: "ratios; right of 1×: as claimed · \(caption)")
  }

  private var rows: Double { Double(lines.count) + (hasAsides ? Page.aside : 0) }
  private var hasAsides: Bool { lines.contains(where: \.isAside) && !lines.allSatisfy(\.isAside) }
  private var height: Double { Sheet.head + Page.row * rows + Page.axis + Page.key }
  private var narrowHeight: Double { sheet.narrowHead + Page.narrowRow * rows + Page.axis + Page.narrowKey }

  /// Downwards from 0.
  private func y(_ place: Int) -> Double { Double(place) + (hasAsides && lines[place].isAside ? Page.aside : 0) }

  package var script: String {
    let functions = """
      # A column's value in the line at a place, else nothing.
      at(place, number) = column(1) == place ? column(number) : NaN
      hover(label) = sprintf("%s: %s× [%s, %s]", label, shown(column(6)), shown(column(7)), shown(column(8)))
      """
    return """
      \(sheet.opening(functions))
      do for [output in "svg narrow png"] {
        narrow = output eq "narrow"
      \(sheet.page(height: height, narrowHeight: narrowHeight))
        # A font is a string, and no expression.
        tick_font = narrow ? ",10" : ",12"
        set multiplot
        unset key
        set border 1 lc rgb "#444444"
        unset ytics
        set logscale x
        set xrange [\(Script.number(range.lowerBound)):\(Script.number(range.upperBound))]
        set yrange [\(Script.number(rows - 0.5)):-0.5]
        set xtics (\(tics)) nomirror out scale 0.6 textcolor rgb "#222222" font tick_font
        set grid xtics lc rgb "#e4e4e4" lt 1 lw 1
      \(margins)
        # Where a line's marks stand: on a narrow page under its words.
        down = narrow ? 0.27 : 0
        set arrow 1 from first 1, graph 0 to first 1, graph 1 nohead lc rgb "#888888" lw 1.2 back
      \(labels)
        plot \(layers.joined(separator: ", \\\n    "))
      \(key)
        unset multiplot
        unset output
      }

      """
  }

  /// Of everything drawn, with some air.
  private var range: ClosedRange<Double> {
    let ratios = lines.compactMap(\.ratio)
    let all =
      ratios.flatMap { one in
        [one.ours.low, one.ours.high, one.original, one.threshold, one.floor.map { 1 + $0 }].compactMap(\.self)
      }.filter { $0 > 0 } + [0.5, 2]
    return (all.min() ?? 0.5) / 1.4...(all.max() ?? 2) * (ratios.contains { $0.cap != nil } ? 2.5 : 1.6)
  }

  private var tics: String {
    Script.decades(from: range.lowerBound, to: range.upperBound)
      .map { "\(Script.quoted(Figures.times($0))) \(Script.number($0))" }.joined(separator: ", ")
  }

  private var margins: String {
    func margins(_ left: Double, _ right: Double, _ width: Double, _ head: Double, _ foot: Double, _ height: Double)
      -> String
    {
      [("l", left / width), ("r", 1 - right / width), ("b", foot / height), ("t", 1 - head / height)]
        .map { "set \($0.0)margin at screen \(Script.number($0.1))" }.joined(separator: "; ")
    }
    let wide = margins(Page.left, Page.right, Sheet.width, Sheet.head, Page.axis + Page.key, height)
    let narrow = margins(
      Page.narrowSide, Page.narrowSide, Sheet.narrowWidth, sheet.narrowHead, Page.axis + Page.narrowKey, narrowHeight)
    return "  if (narrow) { \(narrow) } else { \(wide) }"
  }

  /// The claim on the left and figure and grade on the right; on a narrow page one above the other.
  private var labels: String {
    lines.enumerated().flatMap { place, line -> [String] in
      let y = y(place)
      func label(_ number: Int, _ text: String, _ wide: String, _ narrow: String) -> String {
        let start = "set label \(number) \(Script.quoted(text))"
        return "  if (narrow) { \(start) \(narrow) } else { \(start) \(wide) }"
      }
      func position(_ x: Double, _ of: Double, _ y: Double, _ font: Int, _ colour: String, _ side: String = "left")
        -> String
      {
        "at screen \(Script.number(x / of)), first \(Script.number(y)) \(side) font \",\(font)\" tc rgb \"\(colour)\""
      }
      let (wide, narrow) = (Sheet.width, Sheet.narrowWidth)
      let grade = "\(line.grade.sign) \(line.grade.word)"
      let right = wide - Page.right + 14
      let none = line.ratio == nil ? [none(103 + 4 * place, y)] : []
      return none + [
        label(
          100 + 4 * place, "\(line.id)  \(line.claim)", position(14, wide, y, 12, "#111111"),
          position(12, narrow, y - 0.36, 11, "#111111")),
        label(
          101 + 4 * place, Self.fitting(line.ours.text), position(right, wide, y - 0.2, 11, "#111111"),
          position(12, narrow, y - 0.08, 10, "#444444")),
        label(
          102 + 4 * place, grade, position(right, wide, y + 0.22, 10, color(line.grade)),
          position(narrow - 12, narrow, y - 0.08, 10, color(line.grade), "right")),
      ]
    }.joined(separator: "\n")
  }

  /// A figure that is too long without the words before it, which the table has: `N^−0.12 [−0.17, −0.0693]`.
  static func fitting(_ figure: String) -> String {
    guard figure.count > Page.figureCharacters, let colon = figure.ranges(of: ": ").last else { return figure }
    return String(figure[colon.upperBound...])
  }

  /// In the place of marks.
  private func none(_ number: Int, _ y: Double) -> String {
    "  set label \(number) \"a figure that is no ratio\" at graph 0.5, first \(Script.number(y)) + (narrow ? 0.27 : 0) center "
      + "font \",10\" tc rgb \"#999999\""
  }

  /// Okabe and Ito's; the word and its sign say the same beside it.
  private func color(_ grade: Grade) -> String {
    switch grade {
    case .holds: "#0072B2"
    case .holdsInDirection: "#007A5A"
    case .fails: "#C04A00"
    case .capped: "#8A4F7D"
    case .undecided, .reported: "#666666"
    }
  }

  private var layers: [String] {
    func places(_ isWanted: (Overview.Ratio) -> Bool) -> [(place: Int, line: Overview.Line)] {
      lines.enumerated().filter { $0.element.ratio.map(isWanted) ?? false }.map { (place: $0.offset, line: $0.element) }
    }
    func row(_ place: Int, _ off: Double = 0) -> String { "(\(Script.number(y(place) + off)) + down)" }
    let data = "data skip 1 using"
    let floors = places { $0.floor != nil }.map { place, _ in
      "\(data) (1):\(row(place)):(1 / (1 + at(\(place), 10))):(1 + at(\(place), 10)):\(row(place, -0.2)):\(row(place, 0.2)) "
        + "with boxxyerror fs solid 1 noborder fc rgb \"#d5d5d5\" notitle"
    }
    let thresholds = places { $0.threshold != nil }.map { place, _ in
      "\(data) (at(\(place), 9)):\(row(place, -0.2)):(0):(0.4) with vectors nohead lw 2 lc rgb \"#222222\" notitle"
    }
    let intervals = places { _ in true }.map { place, line in
      "\(data) (at(\(place), 7)):\(row(place)):(at(\(place), 8) - at(\(place), 7)):(0) "
        + "with vectors nohead lw 3.4 lc rgb \"\(color(line.grade))\" notitle"
    }
    let caps = places { $0.cap != nil }.map { place, line in
      "\(data) (at(\(place), 8)):\(row(place)):(0.9 * at(\(place), 8)):(0) "
        + "with vectors head filled size screen 0.008,25 lw 2 lc rgb \"\(color(line.grade))\" notitle"
    }
    let ours = places { _ in true }.map { place, line in
      "\(data) (at(\(place), 6)):\(row(place)) with points pt 7 ps 1 lc rgb \"\(color(line.grade))\" notitle"
    }
    let originals = places { $0.original != nil }.map { place, _ in
      "\(data) (at(\(place), 5)):\(row(place)) with points pt 6 ps 1.25 lw 1.8 lc rgb \"#111111\" notitle"
    }
    let hovers = places { _ in true }.map { place, line in
      "\(data) (at(\(place), 6)):\(row(place)):(hover(\(Script.quoted("\(line.id), \(line.grade.text)")))) "
        + "with labels hypertext point pt 7 ps 1.2 lc rgb \"#fe111111\" notitle"
    }
    return floors + thresholds + intervals + caps + ours + originals + hovers
  }

  private var key: String {
    let ratios = lines.compactMap(\.ratio)
    var entries = [
      "keyentry with linespoints pt 7 ps 1 lw 3.4 lc rgb \"#0072B2\" title \"measured here, 95 % interval\""
    ]
    if ratios.contains(where: { $0.original != nil }) {
      entries.append("keyentry with points pt 6 ps 1.25 lw 1.8 lc rgb \"#111111\" title \"as published\"")
    }
    if ratios.contains(where: { $0.threshold != nil }) {
      entries.append("keyentry with points pt \"|\" ps 1 lc rgb \"#222222\" title \"what the claim asks for\"")
    }
    if ratios.contains(where: { $0.floor != nil }) {
      entries.append("keyentry with points pt 5 ps 1.3 lc rgb \"#d5d5d5\" title \"noise: an arm against itself\"")
    }
    if ratios.contains(where: { $0.cap != nil }) {
      entries.append(
        "keyentry with points pt \"→\" ps 1 lc rgb \"#8A4F7D\" title \"at least so much: the machine caps it\"")
    }
    return """
        unset label; unset arrow; unset xlabel; unset border; unset tics; unset grid; unset logscale
        set lmargin at screen 0.02; set rmargin at screen 0.98; set bmargin at screen 0.005
        set tmargin at screen (narrow ? \(Script.number(Page.narrowKey / narrowHeight)) : \(Script.number(Page.key / height)))
        set key at screen 0.5, screen 0.012 center bottom Left reverse horizontal maxcols 3 samplen 2.4 spacing 1.15 font ",12"
        if (narrow) { set key at screen 0.02, screen 0.012 left bottom Left reverse vertical maxcols 1 maxrows \(entries.count) spacing 1 font ",11" }
        plot [0:1] [0:1] -1 notitle, \\
          \(entries.joined(separator: ", \\\n    "))
      """
  }
}
