/// JSON: a strict reader and a compact writer. Objects keep the order of their members, so that what is written is in a
/// z-node byte for byte what Kafka writes, and in a report in the order that was meant.
package enum JSON: Equatable, Sendable {
  case null
  case bool(Bool)
  case int(Int64)
  /// A number with a fraction or an exponent, or too large for an `int`.
  case double(Double)
  case string(String)
  case array([JSON])
  case object([Member])

  package struct Member: Equatable, Sendable {
    package var name: String
    package var value: JSON

    package init(name: String, value: JSON) {
      self.name = name
      self.value = value
    }
  }

  package static func object(_ members: KeyValuePairs<String, JSON>) -> JSON {
    .object(members.map { Member(name: $0.key, value: $0.value) })
  }

  /// The value of an object's member; of two of the same name the last.
  package subscript(name: String) -> JSON? {
    guard case .object(let members) = self else { return nil }
    return members.last { $0.name == name }?.value
  }

  package var asInt: Int64? { if case .int(let value) = self { value } else { nil } }
  package var asInt32: Int32? { asInt.flatMap { Int32(exactly: $0) } }
  package var asString: String? { if case .string(let value) = self { value } else { nil } }
  package var asArray: [JSON]? { if case .array(let values) = self { values } else { nil } }
  package var asMembers: [Member]? { if case .object(let members) = self { members } else { nil } }

  package static func integers(_ values: [Int32]) -> JSON { .array(values.map { .int(Int64($0)) }) }
  package var asIntegers: [Int32]? {
    guard let values = asArray else { return nil }
    let numbers = values.compactMap(\.asInt32)
    return numbers.count == values.count ? numbers : nil
  }
}

/// Where a text stops being JSON.
package struct JSONError: Error, Equatable, CustomStringConvertible {
  package var position: Int
  package var reason: String

  package var description: String { "not JSON at byte \(position): \(reason)" }
}

extension JSON {
  /// The bytes of the text, without any spaces.
  package var encoded: [UInt8] {
    var out: [UInt8] = []
    encode(into: &out)
    return out
  }

  private func encode(into out: inout [UInt8]) {
    switch self {
    case .null: out += Array("null".utf8)
    case .bool(let value): out += Array((value ? "true" : "false").utf8)
    case .int(let value): out += Array(String(value).utf8)
    case .double(let value):
      precondition(value.isFinite, "JSON has no infinity and no NaN")
      out += Array("\(value)".utf8)
    case .string(let value): Self.encode(value, into: &out)
    case .array(let values):
      out.append(UInt8(ascii: "["))
      for (index, value) in values.enumerated() {
        if index > 0 { out.append(UInt8(ascii: ",")) }
        value.encode(into: &out)
      }
      out.append(UInt8(ascii: "]"))
    case .object(let members):
      out.append(UInt8(ascii: "{"))
      for (index, member) in members.enumerated() {
        if index > 0 { out.append(UInt8(ascii: ",")) }
        Self.encode(member.name, into: &out)
        out.append(UInt8(ascii: ":"))
        member.value.encode(into: &out)
      }
      out.append(UInt8(ascii: "}"))
    }
  }

  private static func encode(_ text: String, into out: inout [UInt8]) {
    out.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): out += [UInt8(ascii: "\\"), byte]
      case 0x08: out += Array(#"\b"#.utf8)
      case 0x09: out += Array(#"\t"#.utf8)
      case 0x0A: out += Array(#"\n"#.utf8)
      case 0x0C: out += Array(#"\f"#.utf8)
      case 0x0D: out += Array(#"\r"#.utf8)
      case 0..<0x20:
        let digits = Array("0123456789ABCDEF".utf8)
        out += Array(#"\u00"#.utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      default: out.append(byte)
      }
    }
    out.append(UInt8(ascii: "\""))
  }

  package init(_ bytes: [UInt8]) throws(JSONError) {
    var parser = JSONParser(bytes: bytes)
    self = try parser.value(depth: 0)
    parser.skipSpaces()
    guard parser.position == bytes.count else { throw parser.error("something after the value") }
  }
}

private struct JSONParser {
  /// A z-node's values and a report's are three or four deep; a hostile text must not exhaust the stack.
  static let depthMax = 64

  let bytes: [UInt8]
  var position = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  func error(_ reason: String) -> JSONError { JSONError(position: position, reason: reason) }

  mutating func skipSpaces() {
    while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) { position += 1 }
  }

  /// The next byte that is no space, left in place.
  private mutating func peek() throws(JSONError) -> UInt8 {
    skipSpaces()
    guard position < bytes.count else { throw error("the text ends") }
    return bytes[position]
  }

  private mutating func take(_ byte: UInt8) throws(JSONError) -> Bool {
    guard try peek() == byte else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ byte: UInt8) throws(JSONError) {
    guard try take(byte) else { throw error("expected \(Character(Unicode.Scalar(byte)))") }
  }

  mutating func value(depth: Int) throws(JSONError) -> JSON {
    guard depth < Self.depthMax else { throw error("nested deeper than \(Self.depthMax)") }
    switch try peek() {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return try number()
    }
  }

  private mutating func object(depth: Int) throws(JSONError) -> JSON {
    try expect(UInt8(ascii: "{"))
    var members: [JSON.Member] = []
    if try take(UInt8(ascii: "}")) { return .object([]) }
    while true {
      guard try peek() == UInt8(ascii: "\"") else { throw error("expected a name") }
      let name = try string()
      try expect(UInt8(ascii: ":"))
      members.append(JSON.Member(name: name, value: try value(depth: depth + 1)))
      if try take(UInt8(ascii: ",")) { continue }
      try expect(UInt8(ascii: "}"))
      return .object(members)
    }
  }

  private mutating func array(depth: Int) throws(JSONError) -> JSON {
    try expect(UInt8(ascii: "["))
    var values: [JSON] = []
    if try take(UInt8(ascii: "]")) { return .array([]) }
    while true {
      values.append(try value(depth: depth + 1))
      if try take(UInt8(ascii: ",")) { continue }
      try expect(UInt8(ascii: "]"))
      return .array(values)
    }
  }

  private mutating func word(_ word: String, _ value: JSON) throws(JSONError) -> JSON {
    guard bytes[position...].starts(with: word.utf8) else { throw error("expected \(word)") }
    position += word.utf8.count
    return value
  }

  private mutating func number() throws(JSONError) -> JSON {
    let start = position
    func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
    while position < bytes.count, isDigit(bytes[position]) || Array("+-.eE".utf8).contains(bytes[position]) {
      position += 1
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    let digits = text.utf8.drop { $0 == UInt8(ascii: "-") }
    // No leading plus, point or zero: Swift's own readers are laxer than JSON.
    let isLax = digits.first.map { !isDigit($0) } ?? true
    let hasLeadingZero = digits.count > 1 && digits.first == UInt8(ascii: "0") && isDigit(digits.dropFirst().first ?? 0)
    if !isLax, !hasLeadingZero {
      if let value = Int64(text) { return .int(value) }
      if let value = Double(text), value.isFinite { return .double(value) }
    }
    position = start
    throw error("expected a value")
  }

  private mutating func string() throws(JSONError) -> String {
    position += 1
    var out: [UInt8] = []
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let text = String(validating: out, as: UTF8.self) else { throw error("text that is not UTF-8") }
        return text
      case UInt8(ascii: "\\"): try escape(into: &out)
      case 0..<0x20: throw error("a control character in text")
      default: out.append(byte)
      }
    }
    throw error("text without its end")
  }

  private mutating func escape(into out: inout [UInt8]) throws(JSONError) {
    guard position < bytes.count else { throw error("text without its end") }
    let byte = bytes[position]
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): out.append(byte)
    case UInt8(ascii: "b"): out.append(0x08)
    case UInt8(ascii: "f"): out.append(0x0C)
    case UInt8(ascii: "n"): out.append(0x0A)
    case UInt8(ascii: "r"): out.append(0x0D)
    case UInt8(ascii: "t"): out.append(0x09)
    case UInt8(ascii: "u"): out += Array(String(Character(try scalar())).utf8)
    default: throw error("an unknown escape")
    }
  }

  /// After `\u`: four digits, or a surrogate pair.
  private mutating func scalar() throws(JSONError) -> Unicode.Scalar {
    let high = try hexadecimal()
    if let scalar = Unicode.Scalar(high) { return scalar }
    guard (0xD800..<0xDC00).contains(high), bytes[position...].starts(with: #"\u"#.utf8) else {
      throw error("half a surrogate pair")
    }
    position += 2
    let low = try hexadecimal()
    guard (0xDC00..<0xE000).contains(low), let scalar = Unicode.Scalar(0x10000 + (high - 0xD800) << 10 + (low - 0xDC00))
    else { throw error("half a surrogate pair") }
    return scalar
  }

  private mutating func hexadecimal() throws(JSONError) -> UInt32 {
    guard position + 4 <= bytes.count else { throw error("text without its end") }
    let digits = String(decoding: bytes[position..<position + 4], as: UTF8.self)
    guard digits.utf8.count == 4, !digits.hasPrefix("+"), !digits.hasPrefix("-"), let value = UInt32(digits, radix: 16)
    else { throw error("expected four hexadecimal digits") }
    position += 4
    return value
  }
}
