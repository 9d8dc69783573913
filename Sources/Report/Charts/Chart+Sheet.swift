/// The sheet a chart is drawn on, in pixels of the SVG: one script, three outputs of the same look, title and note on top.
struct Sheet {
  let stem: String
  let title: String
  /// Under the title, in small print, and the same for a narrow page.
  let note: String
  let narrowNote: String

  static let width = 960.0, narrowWidth = 400.0
  /// What title and note take of a wide sheet.
  static let head = 66.0

  /// On a narrow sheet both are broken into lines.
  var narrowTitle: String { Script.wrapped(title, at: 38) }
  private var narrowLines: String { Script.wrapped(narrowNote, at: 56) }
  var narrowHead: Double { 44 + 17 * Script.lines(narrowTitle) + 13 * Script.lines(narrowLines) }

  /// The script's first lines: where the data are, and how numbers are told.
  ///
  /// - Parameter functions: of gnuplot, besides.
  func opening(_ functions: String) -> String {
    """
    # \(title)
    # Draws \(stem).svg, \(stem)-narrow.svg and \(stem).png from \(stem).csv in this directory:
    #   gnuplot \(stem).gp
    # Written by `millrace plot`; changes are lost.
    set encoding utf8
    set datafile separator comma
    data = \(Script.quoted(stem + ".csv"))
    # Three digits and never an exponent: 12.3k, 425M, 3.59G.
    told(value, unit) = sprintf(value >= 99.95 ? "%.0f%s" : "%.3g%s", value, unit)
    shown(value) = value >= 999.5e6 ? told(value / 1e9, "G") : value >= 999.5e3 ? told(value / 1e6, "M") : \\
      value >= 9999.5 ? told(value / 1e3, "k") : told(value, "")
    \(functions)
    """
  }

  /// Chooses the output and writes title and note. The same size in all three: a font's points are pixels in an SVG, and three
  /// quarters of that in a PNG.
  func page(height: Double, narrowHeight: Double) -> String {
    let font = "\"DejaVu Sans,14\" background \"#ffffff\""
    return """
        if (output eq "svg") {
          set terminal svg size \(Int(Sheet.width)),\(Int(height)) dynamic font \(font)
          set output \(Script.quoted(stem + ".svg"))
        }
        if (narrow) {
          set terminal svg size \(Int(Sheet.narrowWidth)),\(Int(narrowHeight)) dynamic font \(font)
          set output \(Script.quoted(stem + "-narrow.svg"))
        }
        if (output eq "png") {
          set terminal pngcairo size \(Int(Sheet.width)),\(Int(height)) fontscale 0.75 font \(font)
          set output \(Script.quoted(stem + ".png"))
        }
        set termoption noenhanced
        unset label
        set label 1 \(Script.quoted(title)) at screen 0.5, screen 1 offset 0,-1.1 center font ",17"
        set label 2 \(Script.quoted(note)) at screen 0.5, screen 1 offset 0,-2.4 center font ",11" tc rgb "#555555"
        if (narrow) {
          set label 1 \(Script.quoted(narrowTitle)) font ",14"
          set label 2 \(Script.quoted(narrowLines)) font ",10" offset 0,\(-1.1 - 1.1 * Script.lines(narrowTitle))
        }
      """
  }
}
