/// Kafka's rules for topic names.
package enum TopicName {
  package static let bytesMax = 249

  /// Topics that the cluster keeps for itself.
  package static let groupOffsets = "__consumer_offsets", transactionState = "__transaction_state"

  package static func isInternal(_ name: String) -> Bool { name == groupOffsets || name == transactionState }

  /// Why `name` is no topic's name, in Kafka's words; nil when it can be one.
  package static func problem(with name: String) -> String? {
    if name.isEmpty { return "Topic name is invalid: the empty string is not allowed" }
    if name == "." || name == ".." { return "Topic name is invalid: '\(name)' is not allowed" }
    guard name.utf8.count <= bytesMax else {
      return "Topic name is invalid: the length of '\(name)' is longer than the max allowed length \(bytesMax)"
    }
    guard name.utf8.allSatisfy(isOfName) else {
      return
        "Topic name is invalid: '\(name)' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
    }
    return nil
  }

  package static func isValid(_ name: String) -> Bool { problem(with: name) == nil }

  /// Kafka's metrics write `_` for `.`, so two names that differ in those alone cannot both be: `a.b` and `a_b`.
  package static func collides(_ a: String, with b: String) -> Bool { metricName(a) == metricName(b) }

  package static func metricName(_ name: String) -> String {
    String(decoding: name.utf8.map { $0 == UInt8(ascii: ".") ? UInt8(ascii: "_") : $0 }, as: UTF8.self)
  }

  private static func isOfName(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"): true
    default: false
    }
  }
}
