import Foundation
import Results
import Verdict

/// A survey as files: tidy CSVs, and for each corpus a gnuplot script that draws from them alone.
extension CodecSurvey {
  package enum Name {
    package static let lines = "codecs.csv"
    package static let fronts = "codecs-fronts.csv"
    package static let runs = "codecs-runs.csv"
  }

  package static let columns: [String] =
    ["corpus", "batch_records", "codec", "level", "ratio"]
    + ["compress_mb_per_s", "decompress_mb_per_s", "compress_cpu_s_per_gb", "decompress_cpu_s_per_gb"]
    .flatMap { name in ["", "_low", "_high"].map { name + $0 } } + ["n", "compress_front", "decompress_front"]

  /// `codecs.csv`: a line a case.
  package var csv: String {
    lines.reduce(into: CSV.line(Self.columns)) { text, line in
      let estimates = [line.compress, line.decompress, line.compressCPU, line.decompressCPU]
      text += CSV.line(
        Self.identity(line.subject) + [CSV.number(line.ratio)]
          + estimates.flatMap { [CSV.number($0.value), CSV.number($0.low), CSV.number($0.high)] }
          + [String(line.compress.count)]
          + Direction.allCases.map { line.fronts.contains($0) ? "1" : "0" })
    }
  }

  /// `codecs-fronts.csv`: the fronts' corners in order, which lines need.
  package var frontsCSV: String {
    var text = CSV.line(["corpus", "batch_records", "direction", "codec", "level", "mb_per_s", "ratio"])
    for corpus in corpora {
      for batch in batches {
        for direction in Direction.allCases {
          for line in front(corpus, batch, direction) {
            text += CSV.line([
              corpus, String(batch), direction.rawValue, line.subject.codec, line.subject.level.map(String.init) ?? "",
              CSV.number(line.speed(direction).value), CSV.number(line.ratio),
            ])
          }
        }
      }
    }
    return text
  }

  /// `codecs-runs.csv`: every repetition, in the order of `runs`.
  package static func runsCSV(_ runs: [(subject: Case, sample: Sample)]) -> String {
    let names = [
      "order", "corpus", "batch_records", "codec", "level", "payload_bytes", "stored_bytes", "compress_mb_per_s",
      "decompress_mb_per_s", "compress_cpu_s_per_gb", "decompress_cpu_s_per_gb",
    ]
    return runs.enumerated().reduce(into: CSV.line(names)) { text, entry in
      let sample = entry.element.sample
      text += CSV.line(
        [String(entry.offset)] + identity(entry.element.subject) + [
          String(sample.payloadBytes), String(sample.storedBytes), CSV.number(sample.compressMBPerSecond),
          CSV.number(sample.decompressMBPerSecond), CSV.number(sample.compressCPUSecondsPerGB),
          CSV.number(sample.decompressCPUSecondsPerGB),
        ])
    }
  }

  private static func identity(_ one: Case) -> [String] {
    [one.corpus, String(one.batchRecords), one.codec, one.level.map(String.init) ?? ""]
  }

  /// Of one corpus: letters and digits of its name.
  package func stem(_ corpus: String) -> String {
    let name = corpus.split(separator: "/").last.map(String.init) ?? corpus
    let plain = name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? String($0) : "-" }.joined()
    // Two files of one name in different directories must not share a chart.
    let place = corpora.firstIndex(of: corpus) ?? 0
    let isShared = corpora[..<place].contains { stem($0) == "codecs-\(plain)" }
    return "codecs-\(plain)" + (isShared ? "-\(place + 1)" : "")
  }

  /// Writes the CSVs and scripts into `directory`, which is made when missing, and returns the charts' stems.
  package func write(into directory: String, runs: [(subject: Case, sample: Sample)]) throws -> [String] {
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    try SmallFile.replace("\(directory)/\(Name.lines)", csv)
    try SmallFile.replace("\(directory)/\(Name.fronts)", frontsCSV)
    try SmallFile.replace("\(directory)/\(Name.runs)", Self.runsCSV(runs))
    let stems = corpora.map(stem)
    for (corpus, stem) in zip(corpora, stems) { try SmallFile.replace("\(directory)/\(stem).gp", script(corpus)) }
    return stems
  }

  /// Draws one of them; throws when gnuplot is missing or refuses the script.
  package static func draw(_ stem: String, in directory: String) throws {
    try Chart.gnuplot("\(stem).gp", in: directory)
    for name in ["\(stem).svg", "\(stem)-narrow.svg"] {
      guard let text = SmallFile.read("\(directory)/\(name)") else {
        throw Chart.DrawError(reason: "\(directory)/\(name) was not drawn")
      }
      try SmallFile.replace("\(directory)/\(name)", Chart.withoutScript(text))
    }
  }
}

// MARK: - The chart

extension CodecSurvey {
  private enum Page {
    static let columns = 4
    static let width = 1040.0, narrowWidth = 400.0
    static let panel = 230.0, narrowPanel = 190.0
    static let head = 74.0, key = 44.0, narrowKey = 64.0
    static let left = 62.0, right = 14.0, gap = 16.0, axis = 52.0, title = 24.0
  }

  private static let colors = [
    "none": "#555555", "gzip": "#D55E00", "snappy": "#009E73", "lz4": "#E69F00", "zstd": "#0072B2",
  ]
  private static let shapes = ["none": 4, "gzip": 5, "snappy": 9, "lz4": 11, "zstd": 7]

  /// Ratio over speed, a panel for each batch size and direction, the front as a dashed line. Wide: batch sizes side by
  /// side, compressing above decompressing; narrow: the two side by side, batch sizes below each other.
  package func script(_ corpus: String) -> String {
    let name = stem(corpus)
    let panels = batches.count * Direction.allCases.count
    let height = Page.head + 2 * (Page.panel + Page.axis + Page.title) + Page.key
    let narrowHeight =
      Page.head + Double(batches.count) * (Page.narrowPanel + Page.axis + Page.title) + Page.narrowKey
    return """
      # Compression ratio over speed: \(corpus), \(panels) panels
      # Draws \(name).svg, \(name)-narrow.svg and \(name).png from \(Name.lines) and \(Name.fronts) in this directory:
      #   gnuplot \(name).gp
      # Written by `millrace codecs`; changes are lost.
      set encoding utf8
      set datafile separator comma
      lines = "\(Name.lines)"
      fronts = "\(Name.fronts)"
      pick(batch, codec, place) = \\
        (strcol(1) eq \(Self.quoted(corpus)) && column(2) == batch && strcol(3) eq codec) ? column(place) : NaN
      corner(batch, direction, place) = \\
        (strcol(1) eq \(Self.quoted(corpus)) && column(2) == batch && strcol(3) eq direction) ? column(place) : NaN
      name(dummy) = strcol(3) . (strcol(4) eq "" ? "" : ":" . strcol(4))
      shown(value) = value >= 100 ? sprintf("%.0f", value) : sprintf("%.3g", value)
      hover(place) = sprintf("%s: ratio %s, %s MB/s [%s, %s], n = %d", \\
        name(0), shown(column(5)), shown(column(place)), shown(column(place + 1)), shown(column(place + 2)), column(18))
      do for [output in "svg narrow png"] {
        narrow = output eq "narrow"
        if (output eq "svg") {
          set terminal svg size \(Int(Page.width)),\(Int(height)) dynamic font "DejaVu Sans,13" background "#ffffff"
          set output "\(name).svg"
        }
        if (narrow) {
          set terminal svg size \(Int(Page.narrowWidth)),\(Int(narrowHeight)) dynamic font "DejaVu Sans,12" \\
            background "#ffffff"
          set output "\(name)-narrow.svg"
        }
        if (output eq "png") {
          set terminal pngcairo size \(Int(Page.width)),\(Int(height)) font "DejaVu Sans,10" background "#ffffff"
          set output "\(name).png"
        }
        set termoption noenhanced
        unset label
        set label 1 \(Self.quoted("What codecs save, and how fast: \(corpus)")) at screen 0.5, screen 1 offset 0,-1.1 \\
          center font (narrow ? ",13" : ",17")
        set label 2 (narrow ? \(Self.quoted(narrowNote)) : \(Self.quoted(note))) \\
          at screen 0.5, screen 1 offset 0,-2.6 center font (narrow ? ",9" : ",11") tc rgb "#555555"
        set multiplot
        unset key
        set border 3 lc rgb "#444444"
        set tics out scale 0.6 textcolor rgb "#222222" font ",10"
        set xtics nomirror; set ytics nomirror
        set grid lc rgb "#e2e2e2" lt 1 lw 1
        set logscale x
        set logscale y
        set ytics (0.5, 0.7, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256, 512, 1024)
        set yrange [\(CSV.number(ratioRange.lowerBound)):\(CSV.number(ratioRange.upperBound))]
      \(panelsScript(corpus, height, narrowHeight))
      \(keyScript(height, narrowHeight))
        unset multiplot
        unset output
      }

      """
  }

  private var ratios: [Double] { lines.map(\.ratio) }
  private var ratioRange: ClosedRange<Double> { (ratios.min() ?? 1) * 0.9...(ratios.max() ?? 1) * 1.15 }
  private var repetitions: Int { lines.map(\.compress.count).max() ?? 0 }
  private var narrowNote: String { "medians of n = \(repetitions), 95 % intervals; dashed: nothing beats these" }
  private var note: String {
    "medians of \(repetitions) interleaved repetitions with 95 % intervals; one thread; "
      + "dashed: nothing is smaller and faster"
  }

  private func panelsScript(_ corpus: String, _ height: Double, _ narrowHeight: Double) -> String {
    Direction.allCases.enumerated().flatMap { row, direction in
      let speeds = lines.filter { $0.subject.corpus == corpus }.map { $0.speed(direction) }
      let least = (speeds.map(\.low).min() ?? 1) / 1.5, most = (speeds.map(\.high).max() ?? 1) * 2.2
      return batches.enumerated().map { column, batch in
        let what = batch == 1 ? "each message alone" : "batches of \(batch)"
        return """
            if (narrow) {
              \(margins(column, row, wide: false, narrowHeight))
            } else {
              \(margins(row, column, wide: true, height))
            }
            set title \(Self.quoted(what)) font (narrow ? ",10" : ",12") offset 0,-0.6
            set xrange [\(CSV.number(least)):\(CSV.number(most))]
            set xlabel "\(direction.rawValue), MB/s" font ",10" offset 0,0.6
            if (narrow ? \(row) == 0 : \(column) == 0) { set ylabel "ratio" font ",11" offset 1,0 } else { unset ylabel }
            if (narrow) {
            \(labels(corpus, batch, direction, x: least...most, wide: false))
            } else {
            \(labels(corpus, batch, direction, x: least...most, wide: true))
            }
            plot \(plots(batch, direction).joined(separator: ", \\\n      "))
            unset label
          """
      }
    }.joined(separator: "\n")
  }

  /// Levels beside their points, those of the front first.
  private func labels(
    _ corpus: String, _ batch: Int, _ direction: Direction, x: ClosedRange<Double>, wide: Bool
  ) -> String {
    let all = lines(corpus, batch)
    let ordered = all.filter { $0.fronts.contains(direction) } + all.filter { !$0.fronts.contains(direction) }
    let places = LabelPlaces(
      width: panelWidth(wide: wide), height: wide ? Page.panel : Page.narrowPanel, x: x, y: ratioRange)
    let points = ordered.map { line in
      let text = line.subject.level.map { line.subject.label == line.subject.name ? String($0) : "fast" } ?? ""
      return (text: text, x: line.speed(direction).value, y: line.ratio)
    }
    return places.labels(points).enumerated().map { number, label in
      let colour = Self.colors[ordered[label.point].subject.codec] ?? "#333333"
      return
        "      set label \(10 + number) \(Self.quoted(label.text)) at first \(CSV.number(label.x)), first \(CSV.number(label.y)) "
        + "\(label.side) font \",9\" tc rgb \"\(colour)\" front"
    }.joined(separator: "\n")
  }

  private func panelWidth(wide: Bool) -> Double {
    let count = Double(wide ? batches.count : Direction.allCases.count)
    let width = wide ? Page.width - Page.left : Page.narrowWidth - 46
    return (width - Page.right - (wide ? Page.gap + 22 : Page.gap + 24) * (count - 1)) / count
  }

  private func plots(_ batch: Int, _ direction: Direction) -> [String] {
    let place = direction == .compress ? 6 : 9
    let present = codecs.filter { codec in lines.contains { $0.subject.codec == codec } }
    var plots = [
      "fronts skip 1 using (corner(\(batch), \"\(direction.rawValue)\", 6)):7 "
        + "with lines lw 1.6 dt (6,4) lc rgb \"#888888\" notitle"
    ]
    for codec in present {
      let color = Self.colors[codec] ?? "#333333"
      let at = "(pick(\(batch), \"\(codec)\", \(place)))"
      plots.append(
        "lines skip 1 using \(at):5:\(place + 1):\(place + 2) with xerrorbars "
          + "pt \(Self.shapes[codec] ?? 6) ps 0.9 lw 1.4 lc rgb \"\(color)\" notitle")
      plots.append(
        "lines skip 1 using \(at):5:(hover(\(place))) with labels hypertext point pt 7 ps 1.2 "
          + "lc rgb \"#fe\(color.dropFirst())\" notitle")
    }
    return plots
  }

  /// Of the panel in `row` and `column` of the page's grid.
  private func margins(_ row: Int, _ column: Int, wide: Bool, _ height: Double) -> String {
    let width = wide ? Page.width : Page.narrowWidth
    let left = wide ? Page.left : 46
    let count = Double(wide ? batches.count : Direction.allCases.count)
    let rows = Double(wide ? Direction.allCases.count : batches.count)
    let gap = wide ? Page.gap + 22 : Page.gap + 24
    let panel = wide ? Page.panel : Page.narrowPanel
    let room = (width - left - Page.right - gap * (count - 1)) / count
    let start = left + (room + gap) * Double(column)
    let under =
      (wide ? Page.key : Page.narrowKey) + (panel + Page.axis + Page.title) * (rows - 1 - Double(row)) + Page.axis
    return [
      ("l", start / width), ("r", (start + room) / width), ("b", under / height), ("t", (under + panel) / height),
    ]
    .map { "set \($0.0)margin at screen \(CSV.number(($0.1 * 1e5).rounded() / 1e5))" }.joined(separator: "; ")
  }

  private func keyScript(_ height: Double, _ narrowHeight: Double) -> String {
    let entries = codecs.map { codec -> String in
      let hasLevels = lines.contains { $0.subject.codec == codec && $0.subject.level != nil }
      return "keyentry with points pt \(Self.shapes[codec] ?? 6) ps 1.1 lc rgb \"\(Self.colors[codec] ?? "#333333")\" "
        + "title \"\(codec)\(hasLevels ? " (number: level)" : "")\""
    }
    return """
        unset label; unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid; unset logscale
        set lmargin at screen 0.02; set rmargin at screen 0.98; set bmargin at screen 0.002
        set tmargin at screen (narrow ? \(CSV.number(Page.narrowKey / narrowHeight)) : \(CSV.number(Page.key / height)))
        set key at screen 0.5, screen 0.006 center bottom Left reverse horizontal samplen 1 font ",11"
        set key maxcols (narrow ? 2 : 5)
        set xrange [0:1]; set yrange [0:1]
        plot -1 notitle, \(entries.joined(separator: ", "))
      """
  }

  private static func quoted(_ text: String) -> String {
    "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("`", with: "'") + "\""
  }
}
