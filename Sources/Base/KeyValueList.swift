/// Reads configurations from a command line: `KEY=VALUE,KEY=[A,B],…`, as Kafka's own tools do.
package enum KeyValueList {
  package struct Pair: Equatable, Sendable {
    package var key: String
    package var value: String

    package init(key: String, value: String) {
      self.key = key
      self.value = value
    }
  }

  /// Returns the pairs in their order; nil when the text is no such list. Brackets protect a value's commas and are removed.
  package static func pairs(in text: String) -> [Pair]? {
    guard let pieces = pieces(of: text) else { return nil }
    var pairs: [Pair] = []
    for piece in pieces where !piece.isEmpty {
      let parts = piece.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 2, !parts[0].isEmpty else { return nil }
      let isList = parts[1].hasPrefix("[") && parts[1].hasSuffix("]") && parts[1].count > 1
      pairs.append(Pair(key: parts[0], value: isList ? String(parts[1].dropFirst().dropLast()) : parts[1]))
    }
    return pairs
  }

  /// Splits at commas outside brackets; nil when a bracket is not closed.
  private static func pieces(of text: String) -> [String]? {
    var pieces: [String] = [""]
    var isInBrackets = false
    for character in text {
      if character == ",", !isInBrackets {
        pieces.append("")
      } else {
        if character == "[" { isInBrackets = true }
        if character == "]" { isInBrackets = false }
        pieces[pieces.count - 1].append(character)
      }
    }
    return isInBrackets ? nil : pieces
  }
}
