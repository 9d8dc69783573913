import Glibc
import Results

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

  static func lines(_ text: String) -> Double { Double(text.split(separator: "\n").count) }

  // MARK: Axes

  /// 1, 2 or 5 times a power of ten, so that at most `count` steps reach `most`.
  static func step(to most: Double, count: Int) -> Double {
    let least = most / Double(count)
    let power = pow(10, log10(least).rounded(.down))
    return ([1, 2, 5].map { $0 * power }.first { $0 >= least }) ?? 10 * power
  }

  /// From 0 to `most` in such steps.
  static func steps(to most: Double, count: Int) -> [Double] {
    guard most > 0, most.isFinite else { return [0] }
    let step = step(to: most, count: count)
    return (0...Int((most / step).rounded(.down))).map { Double($0) * step }
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

  /// Places of an axis with their labels: `"5M" 5000000, "10M" 10000000`.
  static func tics(_ places: [Double], labelled: Bool = true) -> String {
    places.map { "\(quoted(labelled ? short($0) : "")) \(number($0))" }.joined(separator: ", ")
  }

  /// A number in as few characters as an axis has room for: `5000`, `20k`, `1.5M`, `3G`. Never rounded: what is not
  /// shorter that way stays as it is.
  static func short(_ value: Double) -> String {
    for (unit, size) in [("G", 1e9), ("M", 1e6), ("k", 1e3)] where abs(value) >= (size == 1e3 ? 1e4 : size) {
      let thousandths = (value / size * 1e3).rounded()
      let text = number(thousandths / 1e3) + unit
      let isExact = abs(thousandths * size / 1e3 - value) <= abs(value) * 1e-9
      if isExact, text.count < number(value).count { return text }
    }
    return number(value)
  }

  /// A level of bytes: `64 KiB` of 65536; as it is where it is no power's multiple.
  static func binary(_ value: Double) -> String {
    for (unit, size) in [("GiB", 1_073_741_824.0), ("MiB", 1_048_576), ("KiB", 1024)]
    where value >= size && value.truncatingRemainder(dividingBy: size) == 0 { return number(value / size) + " " + unit }
    return short(value)
  }

  // MARK: Lines

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
