/// JSON that keeps the order it was written in, which Foundation's encoder does not.
package enum JSONValue: Sendable {
  case null
  case bool(Bool)
  case int(Int)
  case double(Double)
  case text(String)
  case list([JSONValue])
  case object([(name: String, value: JSONValue)])

  /// p50 to max in milliseconds; null where there are too few samples to tell.
  static func latency(_ latency: Latency) -> JSONValue {
    func ms(_ ns: UInt64?) -> JSONValue { ns.map { .double(Double($0) / 1e6) } ?? .null }
    return .object([
      ("p50", ms(latency.percentile(0.5))), ("p90", ms(latency.percentile(0.9))), ("p99", ms(latency.percentile(0.99))),
      ("p99_9", ms(latency.percentile(0.999))), ("p99_99", ms(latency.percentile(0.9999))), ("max", ms(latency.maxNs)),
      ("mean", latency.meanNs.map { .double($0 / 1e6) } ?? .null), ("samples", .int(latency.count)),
    ])
  }

  package var json: String {
    switch self {
    case .null: return "null"
    case .bool(let value): return value ? "true" : "false"
    case .int(let value): return String(value)
    case .double(let value): return Number.exact(value)
    case .text(let value): return Self.quoted(value)
    case .list(let values): return "[" + values.map(\.json).joined(separator: ",") + "]"
    case .object(let fields):
      return "{" + fields.map { Self.quoted($0.name) + ":" + $0.value.json }.joined(separator: ",") + "}"
    }
  }

  /// As a CSV cell: quoted where it must be; null is empty, a list has semicolons.
  package var cell: String {
    switch self {
    case .null: return ""
    case .text(let value):
      guard value.contains(where: { ",\"\n\r".contains($0) }) else { return value }
      return "\"" + value.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    case .list(let values): return values.map(\.cell).joined(separator: ";")
    case .bool, .int, .double, .object: return json
    }
  }

  private static func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case let other where other.value < 0x20: out += "\\u" + hex(UInt64(other.value), 4)
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out + "\""
  }
}

/// Numbers as people and programs read them.
package enum Number {
  /// At most six digits after the point; no exponent, no infinity.
  package static func exact(_ value: Double) -> String {
    guard value.isFinite else { return "null" }
    if value == value.rounded(), abs(value) < 1e15 { return String(Int(value)) }
    return trimmed(fixed(value, 6))
  }

  /// With so many digits after the point.
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

  /// With thousands set apart: 1,234,567.
  package static func grouped(_ value: Int) -> String {
    let digits = String(abs(value))
    var out = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { out += "," }
      out.append(digit)
    }
    return (value < 0 ? "-" : "") + out
  }

  /// A whole number grouped, another with two digits.
  static func short(_ value: Double) -> String {
    value == value.rounded() ? grouped(Int(value)) : fixed(value, 2)
  }

  private static func trimmed(_ text: String) -> String {
    var text = text[...]
    while text.hasSuffix("0") { text = text.dropLast() }
    return String(text.hasSuffix(".") ? text.dropLast() : text)
  }
}
