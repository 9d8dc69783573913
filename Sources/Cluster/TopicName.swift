/// Applies Kafka's rules for topic names.
package enum TopicName {
  package static let bytesMax = 249

  /// The internal topics.
  package static let groupOffsets = "__consumer_offsets", transactionState = "__transaction_state"

  package static func isInternal(_ name: String) -> Bool { name == groupOffsets || name == transactionState }

  /// Returns Kafka's error message for an invalid topic name; nil for a valid one.
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

  /// Returns whether two names are equal in metrics, which write `_` for `.`: `a.b` and `a_b` cannot both exist.
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
