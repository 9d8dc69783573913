import Foundation

/// How numbers are written in sentences, tables and charts: three significant digits, never an exponent.
package enum Figures {
  /// `0.0123`, `1.23`, `123`, `12,300`; a whole number below 10,000 stays whole.
  package static func text(_ value: Double, digits: Int = 3) -> String {
    guard value.isFinite else { return value.isNaN ? "–" : (value > 0 ? "∞" : "−∞") }
    guard value != 0 else { return "0" }
    let size = abs(value)
    if size < 10_000, size == size.rounded() { return sign(value) + String(Int(size)) }
    let place = digits - 1 - Int(log10(size).rounded(.down))
    if place > 0 { return sign(value) + String(format: "%.\(min(place, 9))f", size) }
    let step = pow(10, Double(-place))
    return sign(value) + grouped(Int((size / step).rounded() * step))
  }

  /// `2.31×`.
  package static func times(_ ratio: Double) -> String { text(ratio) + "×" }

  /// `4.2 %` of 0.042, with its sign when `signed`.
  package static func percent(_ share: Double, signed: Bool = false) -> String {
    let shown = String(format: "%.1f", abs(share) * 100)
    let bare = shown.hasSuffix(".0") ? String(shown.dropLast(2)) : shown
    return (share < 0 && bare != "0" ? "−" : (signed && share > 0 && bare != "0" ? "+" : "")) + bare + " %"
  }

  /// `2.31 [2.20, 2.40]`.
  package static func interval(_ estimate: Estimate, suffix: String = "") -> String {
    "\(text(estimate.value))\(suffix) [\(text(estimate.low)), \(text(estimate.high))]"
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
}
