import Experiment
import Glibc

/// The script of a heat map: cells coloured by a ratio, blue where the first arm wins and orange where the second does,
/// each with its number and interval, so that nothing hangs on telling colours apart.
extension Chart {
  private enum Field {
    /// Of title and note, and a little air.
    static let head = Sheet.head + 14, foot = 62.0, row = 88.0, narrowRow = 74.0
    static let left = 92.0, narrowLeft = 62.0
    static let right = 120.0, narrowRight = 74.0
  }

  private var field: Sheet {
    Sheet(
      stem: stem, title: definition.title, note: "\(replicateNote); [bootstrap 95 %] · \(caption)",
      narrowNote: "\(replicateNote) · \(caption)")
  }

  private var height: Double { Field.head + Field.row * Double(series.count) + Field.foot }
  private var narrowHeight: Double { field.narrowHead + Field.narrowRow * Double(series.count) + Field.foot }

  /// Half the colours' width in powers of ten: as far as the strongest ratio, and at least a factor of ten.
  private var reach: Double {
    max(1, points.map { abs(log10($0.y)) }.max() ?? 1)
  }

  var heatMapScript: String {
    let functions = """
      # The value of a column in the rows of one series, else nothing.
      pick(series, place) = (strcol(2) eq series && strcol(3) eq "median") ? column(place) : NaN
      ratio(unused) = shown(column(6)) . "×"
      interval(unused) = sprintf("[%s, %s]", shown(column(7)), shown(column(8)))
      hover(label) = sprintf("%s, %s: %s× [%s, %s], n = %d", \\
        label, strcol(5), shown(column(6)), shown(column(7)), shown(column(8)), column(9))
      """
    return """
      \(field.opening(functions))
      do for [output in "svg narrow png"] {
        narrow = output eq "narrow"
        # A font is a string, and no expression.
        tick_font = narrow ? ",10" : ",12"
        ratio_font = narrow ? ",12" : ",16"
        interval_font = narrow ? ",8" : ",11"
      \(field.page(height: height, narrowHeight: narrowHeight))
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

  private var xTics: String {
    ticks.map { "\(Script.quoted(shown($0))) \(Script.number($0.x))" }.joined(separator: ", ")
  }

  private var yTics: String {
    series.enumerated().map { "\(Script.quoted($0.element.label)) \($0.offset)" }.joined(separator: ", ")
  }

  private var colorTics: String {
    let whole = Int(reach.rounded(.down))
    return (-whole...whole).map { power in
      "\(Script.quoted(Script.short(pow(10, Double(power))) + "×")) \(power)"
    }.joined(separator: ", ")
  }

  private var fieldMargins: String {
    func margins(_ left: Double, _ right: Double, _ width: Double, _ head: Double, _ height: Double) -> String {
      [("l", left / width), ("r", 1 - right / width), ("b", Field.foot / height), ("t", 1 - head / height)]
        .map { "set \($0.0)margin at screen \(Script.number($0.1))" }.joined(separator: "; ")
    }
    let wide = margins(Field.left, Field.right, Sheet.width, Field.head, height)
    let narrow = margins(Field.narrowLeft, Field.narrowRight, Sheet.narrowWidth, field.narrowHead, narrowHeight)
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
