import Glibc

/// Words of gnuplot's language.
enum Script {
  /// Okabe and Ito's colours, which the colour-blind tell apart; black is the claim's. Shapes differ as well.
  private static let colors = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#555555"]
  private static let shapes = [7, 5, 9, 11, 13, 15, 6, 4]

  static func color(_ index: Int) -> String { colors[index % colors.count] }
  static func shape(_ index: Int) -> Int { shapes[index % shapes.count] }

  /// Double quotes, for the line breaks.
  static func quoted(_ text: String) -> String {
    let escaped = text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    return "\"" + escaped.replacing("`", with: "'") + "\""
  }

  static func number(_ value: Double) -> String { CSV.number((value * 1e6).rounded() / 1e6) }

  /// `2.5 M`, `200 k`, `40`.
  static func short(_ value: Double) -> String {
    switch abs(value) {
    case 1e6...: Figures.text(value / 1e6) + " M"
    case 1e3...: Figures.text(value / 1e3) + " k"
    default: Figures.text(value)
    }
  }

  static func lines(_ text: String) -> Double { Double(text.split(separator: "\n").count) }

  /// 1, 2 or 5 times a power of ten, so that at most `count` steps reach `most`.
  static func step(to most: Double, count: Int) -> Double {
    let least = most / Double(count)
    let power = pow(10, log10(least).rounded(.down))
    return ([1, 2, 5].map { $0 * power }.first { $0 >= least }) ?? 10 * power
  }

  /// 1, 2 and 5 of each power of ten between two positive numbers.
  static func decades(from low: Double, to high: Double) -> [Double] {
    guard low > 0, high > low else { return [] }
    let powers = Int(log10(low).rounded(.down))...Int(log10(high).rounded(.up))
    let all = powers.flatMap { power in [1, 2, 5].map { $0 * pow(10, Double(power)) } }.filter {
      low <= $0 && $0 <= high
    }
    return all.count <= 12 ? all : all.filter { log10($0) == log10($0).rounded() }
  }

  /// Breaks at spaces so that no line is longer than `width`, where words allow.
  static func wrapped(_ text: String, at width: Int) -> String {
    var lines: [String] = []
    for word in text.split(separator: " ") {
      if let last = lines.last, last.count + 1 + word.count <= width {
        lines[lines.count - 1] += " " + word
      } else {
        lines.append(String(word))
      }
    }
    return lines.joined(separator: "\n")
  }
}
