import Glibc

/// How numbers are written in sentences, tables and charts: three significant digits, never an exponent.
package enum Figures {
  /// `0.0123`, `1.23`, `123`, `12,300`; a whole number below 10,000 stays whole.
  package static func text(_ value: Double, digits: Int = 3) -> String {
    guard value.isFinite else { return value.isNaN ? "–" : (value > 0 ? "∞" : "−∞") }
    guard value != 0 else { return "0" }
    let size = abs(value)
    if size < 10_000, size == size.rounded() { return sign(value) + String(Int(size)) }
    let place = digits - 1 - Int(log10(size).rounded(.down))
    if place > 0 { return sign(value) + fixed(size, places: min(place, 9)) }
    let step = pow(10, Double(-place))
    return sign(value) + grouped(Int((size / step).rounded() * step))
  }

  /// `2.31×`.
  package static func times(_ ratio: Double) -> String { text(ratio) + "×" }

  /// `4.2 %` of 0.042, with its sign when `signed`.
  package static func percent(_ share: Double, signed: Bool = false) -> String {
    let shown = fixed(abs(share) * 100, places: 1)
    let bare = shown.hasSuffix(".0") ? String(shown.dropLast(2)) : shown
    return (share < 0 && bare != "0" ? "−" : (signed && share > 0 && bare != "0" ? "+" : "")) + bare + " %"
  }

  /// `551 M`, `42.2 k`, `0.61`: three digits and the thousands as a letter, for where a reader compares sizes.
  package static func short(_ value: Double) -> String {
    let steps: [(size: Double, letter: String)] = [(1e9, " G"), (1e6, " M"), (1e3, " k")]
    guard let step = steps.first(where: { abs(value) >= $0.size }), abs(value) >= 10_000 else {
      return text(value)
    }
    return text(value / step.size) + step.letter
  }

  /// A figure with its unit as a reader compares it: `551 M/s`, `551 MB/s`, `21.6 GB/s`, `1.9 s`, `0.2 %`.
  package static func amount(_ value: Double, unit: String) -> String {
    if unit.isEmpty { return short(value) }
    if unit == "1/s" { return short(value) + "/s" }
    if unit == "B" {
      let steps = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")]
      let step = steps.first { abs(value) >= $0.0 }
      return step.map { "\(text(value / $0.0)) \($0.1)" } ?? "\(text(value)) B"
    }
    for (rate, larger, step) in [("MB/s", "GB/s", 1e3), ("MiB/s", "GiB/s", 1024)] where unit == rate {
      return abs(value) < 10_000 ? "\(text(value)) \(rate)" : "\(text(value / step)) \(larger)"
    }
    // `53.2 M 4-byte values/s`: the letter stands for itself, for no prefix of a unit.
    return "\(short(value)) \(unit)"
  }

  /// `12,345`.
  package static func grouped(_ number: Int) -> String {
    var shown = ""
    for (index, digit) in String(abs(number)).reversed().enumerated() {
      if index > 0, index % 3 == 0 { shown.append(",") }
      shown.append(digit)
    }
    return (number < 0 ? "−" : "") + String(shown.reversed())
  }

  private static func sign(_ value: Double) -> String { value < 0 ? "−" : "" }

  /// `1.50` for 1.5 with two places.
  private static func fixed(_ value: Double, places: Int) -> String {
    var buffer = [CChar](repeating: 0, count: Digits.longest + places)
    let count = withVaList([Int32(places), value]) { vsnprintf(&buffer, buffer.count, "%.*f", $0) }
    return String(decoding: buffer.prefix(Int(count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  private enum Digits {
    /// A sign, the digits of the largest Double, a point and the end of the string.
    static let longest = 312
  }
}
