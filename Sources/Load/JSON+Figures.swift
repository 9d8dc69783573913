package import Base

extension JSON {
  static func count(_ value: Int) -> JSON { .int(Int64(value)) }

  /// Formats a measured number with at most six decimals; null if not finite.
  static func figure(_ value: Double) -> JSON {
    guard value.isFinite else { return .null }
    if value == value.rounded(), abs(value) < 1e15 { return .int(Int64(value)) }
    return Double(Number.exact(value)).map { .double($0) } ?? .null
  }

  /// Formats p50 to max in milliseconds; null with too few samples.
  static func latency(_ latency: Latency) -> JSON {
    func ms(_ ns: UInt64?) -> JSON { ns.map { figure(Double($0) / 1e6) } ?? .null }
    return object([
      ("p50", ms(latency.percentile(0.5))), ("p90", ms(latency.percentile(0.9))), ("p99", ms(latency.percentile(0.99))),
      ("p99_9", ms(latency.percentile(0.999))), ("p99_99", ms(latency.percentile(0.9999))), ("max", ms(latency.maxNs)),
      ("mean", latency.meanNs.map { figure($0 / 1e6) } ?? .null), ("samples", count(latency.count)),
    ])
  }

  package static func object(_ fields: [(name: String, value: JSON)]) -> JSON {
    .object(fields.map { Member(name: $0.name, value: $0.value) })
  }

  package var text: String { String(decoding: encoded, as: UTF8.self) }

  /// The value as a CSV cell: quoted if necessary; null is empty, list elements are separated by semicolons.
  package var cell: String {
    switch self {
    case .null: return ""
    case .string(let value):
      guard value.contains(where: { ",\"\n\r".contains($0) }) else { return value }
      return "\"" + value.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    case .array(let values): return values.map(\.cell).joined(separator: ";")
    case .double(let value): return Number.exact(value)
    case .bool, .int, .object: return text
    }
  }
}
