import Glibc

/// The script of a heat map: cells coloured by a ratio, blue where the first arm wins and orange where the second does,
/// each with its number and interval, so that nothing hangs on telling colours apart.
extension Chart {
  private enum Field {
    static let width = 960.0, narrowWidth = 400.0
    static let head = 92.0, foot = 62.0, row = 88.0, narrowRow = 74.0
    static let left = 92.0, narrowLeft = 62.0
    static let right = 120.0, narrowRight = 74.0
  }

  private var narrowTitle: String { Script.wrapped(definition.title, at: 38) }
  private var narrowNote: String { Script.wrapped("\(replicateNote) · \(caption)", at: 56) }
  private var narrowHead: Double { 40 + 17 * Script.lines(narrowTitle) + 13 * Script.lines(narrowNote) }
  private var height: Double { Field.head + Field.row * Double(series.count) + Field.foot }
  private var narrowHeight: Double { narrowHead + Field.narrowRow * Double(series.count) + Field.foot }

  /// Half the colours' width in powers of ten: as far as the strongest ratio, and at least a factor of ten.
  private var reach: Double {
    max(1, points.map { abs(log10($0.y)) }.max() ?? 1)
  }

  var heatMapScript: String {
    """
    # \(definition.title)
    # Draws \(stem).svg, \(stem)-narrow.svg and \(stem).png from \(stem).csv in this directory:
    #   gnuplot \(stem).gp
    # Written by `millrace plot`; changes are lost.
    set encoding utf8
    set datafile separator comma
    data = \(Script.quoted(stem + ".csv"))
    # The value of a column in the rows of one series, else nothing.
    pick(series, place) = (strcol(2) eq series && strcol(3) eq "median") ? column(place) : NaN
    shown(value) = value >= 100 ? sprintf("%.0f", value) : sprintf("%.3g", value)
    ratio(unused) = shown(column(6)) . "×"
    interval(unused) = sprintf("[%s, %s]", shown(column(7)), shown(column(8)))
    hover(label) = sprintf("%s, %s: %s× [%s, %s], n = %d", \\
      label, strcol(5), shown(column(6)), shown(column(7)), shown(column(8)), column(9))
    do for [output in "svg narrow png"] {
      narrow = output eq "narrow"
      # A font is a string, and no expression.
      tick_font = narrow ? ",10" : ",12"
      ratio_font = narrow ? ",12" : ",16"
      interval_font = narrow ? ",8" : ",11"
    \(fieldTerminals)
      unset key
      set border 0
      set tics out scale 0 textcolor rgb "#222222"
      set xrange [-0.5:\(Script.number(Double(ticks.count) - 0.5))]
      set yrange [-0.5:\(Script.number(Double(series.count) - 0.5))]
      set xtics (\(xTics)) nomirror
      set ytics (\(yTics)) nomirror
      set xlabel \(Script.quoted(definition.xTitle)) offset 0,0.1
      set ylabel \(Script.quoted(definition.yTitle)) offset 0.6,0
      set palette defined (-1 "#E69F00", 0 "#ffffff", 1 "#56B4E9")
      set cbrange [\(Script.number(-reach)):\(Script.number(reach))]
      set cbtics (\(colorTics)) font tick_font
    \(fieldMargins)
      plot \(fieldLayers.joined(separator: ", \\\n    "))
      unset output
    }

    """
  }

  private var fieldTerminals: String {
    let font = "\"DejaVu Sans,14\" background \"#ffffff\""
    return """
        if (output eq "svg") {
          set terminal svg size \(Int(Field.width)),\(Int(height)) dynamic font \(font)
          set output \(Script.quoted(stem + ".svg"))
        }
        if (narrow) {
          set terminal svg size \(Int(Field.narrowWidth)),\(Int(narrowHeight)) dynamic font \(font)
          set output \(Script.quoted(stem + "-narrow.svg"))
        }
        if (output eq "png") {
          set terminal pngcairo size \(Int(Field.width)),\(Int(height)) font "DejaVu Sans,11" background "#ffffff"
          set output \(Script.quoted(stem + ".png"))
        }
        set termoption noenhanced
        unset label
        set label 1 \(Script.quoted(definition.title)) at screen 0.5, screen 1 offset 0,-1.1 center font ",17"
        set label 2 \(Script.quoted(fieldNote)) at screen 0.5, screen 1 offset 0,-2.5 center font ",11" tc rgb "#555555"
        if (narrow) {
          set label 1 \(Script.quoted(narrowTitle)) font ",14"
          set label 2 \(Script.quoted(narrowNote)) font ",10" offset 0,\(-1.2 - 1.1 * Script.lines(narrowTitle))
        }
      """
  }

  private var fieldNote: String { "\(replicateNote); [bootstrap 95 %] · \(caption)" }

  private var xTics: String {
    ticks.map { "\(Script.quoted($0.label)) \(Script.number($0.x))" }.joined(separator: ", ")
  }

  private var yTics: String {
    series.enumerated().map { "\(Script.quoted($0.element.label)) \($0.offset)" }.joined(separator: ", ")
  }

  private var colorTics: String {
    let whole = Int(reach.rounded(.down))
    return (-whole...whole).map { power in
      "\(Script.quoted(Script.number(pow(10, Double(power))) + "×")) \(power)"
    }.joined(separator: ", ")
  }

  private var fieldMargins: String {
    func margins(_ left: Double, _ right: Double, _ width: Double, _ head: Double, _ height: Double) -> String {
      [("l", left / width), ("r", 1 - right / width), ("b", Field.foot / height), ("t", 1 - head / height)]
        .map { "set \($0.0)margin at screen \(Script.number($0.1))" }.joined(separator: "; ")
    }
    let wide = margins(Field.left, Field.right, Field.width, Field.head - 12, height)
    let narrow = margins(Field.narrowLeft, Field.narrowRight, Field.narrowWidth, narrowHead, narrowHeight)
    return "  if (narrow) { \(narrow) } else { \(wide) }"
  }

  private var fieldLayers: [String] {
    let rows = series.enumerated().map { (row: $0.offset, key: Script.quoted($0.element.key), one: $0.element) }
    let cells = rows.map { row, key, _ in
      let x = "pick(\(key), 4)"
      return "data skip 1 using (\(x)):(\(row)):(\(x) - 0.48):(\(x) + 0.48):(\(row) - 0.46):(\(row) + 0.46)"
        + ":(log10(pick(\(key), 6))) with boxxyerror fs solid 1 border lc rgb \"#cccccc\" fc palette notitle"
    }
    let ratios = rows.map { row, key, _ in
      "data skip 1 using (pick(\(key), 4)):(\(row)):(ratio(0)) with labels center offset 0,0.5 "
        + "font ratio_font tc rgb \"#111111\" notitle"
    }
    let intervals = rows.map { row, key, _ in
      "data skip 1 using (pick(\(key), 4)):(\(row)):(interval(0)) with labels center offset 0,-0.8 "
        + "font interval_font tc rgb \"#333333\" notitle"
    }
    let hovers = rows.map { row, key, one in
      "data skip 1 using (pick(\(key), 4)):(\(row)):(hover(\(Script.quoted(one.label)))) with labels hypertext "
        + "point pt 7 ps 1.2 lc rgb \"#fe111111\" notitle"
    }
    return cells + ratios + intervals + hovers
  }
}
