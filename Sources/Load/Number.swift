/// Formats numbers for people and programs.
package enum Number {
  /// Formats a number with at most six digits after the point, without an exponent; `null` for what is not finite.
  package static func exact(_ value: Double) -> String {
    guard value.isFinite else { return "null" }
    if value == value.rounded(), abs(value) < 1e15 { return String(Int(value)) }
    return trimmed(fixed(value, 6))
  }

  /// Formats a number with `digits` digits after the point.
  package static func fixed(_ value: Double, _ digits: Int) -> String {
    guard value.isFinite else { return "-" }
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let scaled = (abs(value) * scale).rounded()
    guard scaled < 9e18 else { return String(value) }
    let sign = value < 0 && scaled > 0 ? "-" : ""
    let whole = String(Int(scaled / scale))
    guard digits > 0 else { return sign + whole }
    let rest = String(Int(scaled) % Int(scale))
    return sign + whole + "." + String(repeating: "0", count: digits - rest.count) + rest
  }

  /// Formats a number with separated thousands: 1,234,567.
  package static func grouped(_ value: Int) -> String {
    let digits = String(abs(value))
    var out = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { out += "," }
      out.append(digit)
    }
    return (value < 0 ? "-" : "") + out
  }

  /// Formats a whole number grouped, another with two decimals.
  static func short(_ value: Double) -> String {
    value == value.rounded() ? grouped(Int(value)) : fixed(value, 2)
  }

  /// Formats records per second: below 100 with two decimals, else rounded and grouped.
  static func rate(_ value: Double) -> String {
    value.isFinite && abs(value) < 9e18 && (abs(value) * 100).rounded() >= 10_000
      ? grouped(Int(value.rounded())) : fixed(value, 2)
  }

  private static func trimmed(_ text: String) -> String {
    var text = text[...]
    while text.hasSuffix("0") { text = text.dropLast() }
    return String(text.hasSuffix(".") ? text.dropLast() : text)
  }
}
