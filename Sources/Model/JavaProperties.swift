/// A Java `.properties` text, as `java.util.Properties.load` reads it (in UTF-8, not Latin-1):
/// `key=value`, `key: value` or `key value` lines, `#` and `!` comments, a backslash at the end of a line to continue it,
/// and the escapes `\t \n \r \f \uXXXX`, where any other escaped character stands for itself.
package struct JavaProperties: Sendable, Equatable {
  package struct Entry: Sendable, Equatable {
    package var key: String
    package var value: String
    /// Counted from 1: where the entry begins.
    package var line: Int
  }

  /// In the order of the text; a key may be there twice, and then the last is meant.
  package private(set) var entries: [Entry] = []

  package init(_ text: String) {
    var lines = Lines(bytes: Array(text.utf8))
    while let (bytes, line) = lines.next() { entries.append(Self.entry(bytes, line: line)) }
  }

  /// Splits one logical line: the key ends at the first unescaped `=`, `:` or space.
  private static func entry(_ bytes: [UInt8], line: Int) -> Entry {
    var end = 0
    while end < bytes.count {
      if bytes[end] == UInt8(ascii: "\\") {
        end += 2
        continue
      }
      if isSpace(bytes[end]) || bytes[end] == UInt8(ascii: "=") || bytes[end] == UInt8(ascii: ":") { break }
      end += 1
    }
    end = min(end, bytes.count)
    var start = end
    while start < bytes.count, isSpace(bytes[start]) { start += 1 }
    if start < bytes.count, bytes[start] == UInt8(ascii: "=") || bytes[start] == UInt8(ascii: ":") {
      start += 1
      while start < bytes.count, isSpace(bytes[start]) { start += 1 }
    }
    return Entry(key: unescaped(bytes[..<end]), value: unescaped(bytes[start...]), line: line)
  }

  private static func unescaped(_ bytes: ArraySlice<UInt8>) -> String {
    var out: [UInt8] = []
    out.reserveCapacity(bytes.count)
    var index = bytes.startIndex
    while index < bytes.endIndex {
      let byte = bytes[index]
      index += 1
      guard byte == UInt8(ascii: "\\"), index < bytes.endIndex else {
        out.append(byte)
        continue
      }
      let escaped = bytes[index]
      index += 1
      switch escaped {
      case UInt8(ascii: "t"): out.append(0x09)
      case UInt8(ascii: "n"): out.append(0x0A)
      case UInt8(ascii: "r"): out.append(0x0D)
      case UInt8(ascii: "f"): out.append(0x0C)
      case UInt8(ascii: "u"):
        let digits = String(decoding: bytes[index..<min(index + 4, bytes.endIndex)], as: UTF8.self)
        if digits.utf8.count == 4, let code = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(code) {
          out.append(contentsOf: String(Character(scalar)).utf8)
          index += 4
        } else {
          out.append(escaped)
        }
      default: out.append(escaped)
      }
    }
    return String(decoding: out, as: UTF8.self)
  }

  fileprivate static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0C }
}

/// The logical lines of a text: blank and comment lines left out, continued lines joined without the leading spaces of
/// their continuation. A comment cannot be continued; a continuation that looks like a comment is none.
private struct Lines {
  let bytes: [UInt8]
  var position = 0
  var lineNumber = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func next() -> (bytes: [UInt8], line: Int)? {
    while var line = nextNatural() {
      guard let first = line.first, first != UInt8(ascii: "#"), first != UInt8(ascii: "!") else { continue }
      let begun = lineNumber
      while Self.isContinued(line) {
        line.removeLast()
        guard let more = nextNatural() else { break }
        line += more
      }
      return (Array(line), begun)
    }
    return nil
  }

  /// One line of the file without its leading spaces and its end (`\n`, `\r` or both).
  private mutating func nextNatural() -> ArraySlice<UInt8>? {
    guard position < bytes.count else { return nil }
    lineNumber += 1
    var start = position
    while position < bytes.count, bytes[position] != 0x0A, bytes[position] != 0x0D { position += 1 }
    let end = position
    if position < bytes.count {
      let isPair = bytes[position] == 0x0D && position + 1 < bytes.count && bytes[position + 1] == 0x0A
      position += isPair ? 2 : 1
    }
    while start < end, JavaProperties.isSpace(bytes[start]) { start += 1 }
    return bytes[start..<end]
  }

  /// An odd number of backslashes at the end: an even number are escaped backslashes.
  private static func isContinued(_ line: ArraySlice<UInt8>) -> Bool {
    line.reversed().prefix { $0 == UInt8(ascii: "\\") }.count % 2 == 1
  }
}
