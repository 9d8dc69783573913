/// A set of ASCII characters: names of topics have no others.
struct NameCharacters: Equatable, Sendable {
  private var low: UInt64 = 0, high: UInt64 = 0

  static let all = NameCharacters(0...127)
  static let digit = NameCharacters(UInt8(ascii: "0")...UInt8(ascii: "9"))
  static let lower = NameCharacters(UInt8(ascii: "a")...UInt8(ascii: "z"))
  static let upper = NameCharacters(UInt8(ascii: "A")...UInt8(ascii: "Z"))
  static let word = lower.union(upper).union(digit).union("_")
  static let hexadecimal = digit.union("abcdefABCDEF")
  static let space = NameCharacters("\t\n\u{0C}\r ")

  /// The classes of POSIX, by name.
  static let posix: [String: NameCharacters] = [
    "alnum": lower.union(upper).union(digit), "alpha": lower.union(upper), "ascii": all, "blank": "\t ",
    "cntrl": NameCharacters(0...31).union(NameCharacters(127...127)), "digit": digit,
    "graph": NameCharacters(33...126), "lower": lower, "print": NameCharacters(32...126),
    "punct": NameCharacters(33...126).intersection(lower.union(upper).union(digit).inverted),
    "space": space.union("\u{0B}"), "upper": upper, "word": word,
    "xdigit": hexadecimal,
  ]

  init() {}

  init(_ range: ClosedRange<UInt8>) {
    for character in range { insert(character) }
  }

  /// The characters of a text; those that are not ASCII are left out.
  init(_ text: String) {
    for scalar in text.unicodeScalars { insert(scalar) }
  }

  private mutating func insert(_ character: UInt8) {
    if character < 64 { low |= 1 << character } else if character < 128 { high |= 1 << (character - 64) }
  }

  mutating func insert(_ scalar: Unicode.Scalar) {
    if scalar.isASCII { insert(UInt8(truncatingIfNeeded: scalar.value)) }
  }

  /// Inserts a range, which may reach beyond ASCII.
  mutating func insert(_ range: ClosedRange<Unicode.Scalar>) {
    guard range.lowerBound.isASCII else { return }
    for value in range.lowerBound.value...min(range.upperBound.value, 127) { insert(UInt8(truncatingIfNeeded: value)) }
  }

  func contains(_ character: UInt8) -> Bool {
    character < 64 ? low >> character & 1 == 1 : character < 128 && high >> (character - 64) & 1 == 1
  }

  func union(_ other: NameCharacters) -> NameCharacters { combined(other) { $0 | $1 } }
  func intersection(_ other: NameCharacters) -> NameCharacters { combined(other) { $0 & $1 } }
  var inverted: NameCharacters { combined(self) { first, _ in ~first } }

  /// With each letter in both its cases.
  var ignoringCase: NameCharacters {
    var both = self
    for letter in UInt8(ascii: "a")...UInt8(ascii: "z") {
      if contains(letter) { both.insert(letter - 32) }
      if contains(letter - 32) { both.insert(letter) }
    }
    return both
  }

  private func combined(_ other: NameCharacters, _ combine: (UInt64, UInt64) -> UInt64) -> NameCharacters {
    var combined = NameCharacters()
    combined.low = combine(low, other.low)
    combined.high = combine(high, other.high)
    return combined
  }
}

extension NameCharacters: ExpressibleByStringLiteral {
  init(stringLiteral text: String) { self.init(text) }
}
