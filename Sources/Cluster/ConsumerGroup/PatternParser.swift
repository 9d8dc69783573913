/// Reads a pattern in RE2's syntax.
///
///     choice    sequence | sequence ...
///     sequence  repeated ...
///     repeated  atom, then * + ? {n} {n,} {n,m}, then ? for the shortest match, which is the same here
///     atom      a character, . ^ $ [class] \escape (choice) (?:choice) (?P<name>choice) (?flags) (?flags:choice)
struct PatternParser {
  private let text: [Unicode.Scalar]
  private var place = 0
  private var depth = 0
  /// The flag `i`, up to the end of the group that sets it.
  private var ignoresCase = false

  init(_ source: String) { text = Self.unquoted(Array(source.unicodeScalars)) }

  /// Replaces what stands between \Q and \E, or the end, by the same with each character escaped that means something else.
  private static func unquoted(_ source: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var text: [Unicode.Scalar] = []
    var rest = source[...]
    var isQuoted = false
    while let scalar = rest.popFirst() {
      switch (scalar, rest.first, isQuoted) {
      case ("\\", "Q", false), ("\\", "E", true):
        isQuoted.toggle()
        rest.removeFirst()
      case ("\\", let escaped?, false):
        text += [scalar, escaped]
        rest.removeFirst()
      case (_, _, true) where scalar.isASCII && !NameCharacters.word.contains(UInt8(truncatingIfNeeded: scalar.value)):
        text += ["\\", scalar]
      default: text.append(scalar)
      }
    }
    return text
  }

  mutating func parse() throws(TopicPattern.Problem) -> PatternNode {
    let node = try choice()
    guard next == nil else { throw TopicPattern.Problem("a ) has no (") }
    return node
  }

  // MARK: The text

  private var next: Unicode.Scalar? { place < text.count ? text[place] : nil }

  private mutating func take() -> Unicode.Scalar? {
    guard let next else { return nil }
    place += 1
    return next
  }

  /// Takes `word` if it comes next.
  private mutating func take(_ word: String) -> Bool {
    let scalars = Array(word.unicodeScalars)
    guard text[place...].starts(with: scalars) else { return false }
    place += scalars.count
    return true
  }

  /// Takes everything up to `word`, and `word`; nil, and nothing, when it does not come.
  private mutating func take(upTo word: String) -> String? {
    let before = place
    var found = String.UnicodeScalarView()
    while !take(word) {
      guard let scalar = take() else {
        place = before
        return nil
      }
      found.append(scalar)
    }
    return String(found)
  }

  // MARK: Structure

  private mutating func choice() throws(TopicPattern.Problem) -> PatternNode {
    var branches = [try sequence()]
    while take("|") { branches.append(try sequence()) }
    return branches.count == 1 ? branches[0] : .choice(branches)
  }

  private mutating func sequence() throws(TopicPattern.Problem) -> PatternNode {
    var parts: [PatternNode] = []
    while let next, next != "|", next != ")" { parts.append(try repeated()) }
    return .sequence(parts)
  }

  private mutating func repeated() throws(TopicPattern.Problem) -> PatternNode {
    let part = try atom()
    guard let (least, most) = try repetition() else { return part }
    _ = take("?")
    if try repetition() != nil { throw TopicPattern.Problem("a repetition is repeated") }
    return .repetition(part, least: least, most: most)
  }

  private mutating func repetition() throws(TopicPattern.Problem) -> (least: Int, most: Int?)? {
    if take("*") { return (0, nil) }
    if take("+") { return (1, nil) }
    if take("?") { return (0, 1) }
    return try counts()
  }

  /// {n}, {n,} or {n,m}; a { that begins none of these is a character.
  private mutating func counts() throws(TopicPattern.Problem) -> (least: Int, most: Int?)? {
    let before = place
    guard take("{"), let inside = take(upTo: "}") else {
      place = before
      return nil
    }
    let bounds = inside.split(separator: ",", omittingEmptySubsequences: false).map { number(String($0)) }
    switch (bounds.count, bounds.first ?? nil, bounds.last ?? nil) {
    case (1, let count?, _): return try checked(count, count)
    case (2, let least?, let most?): return try checked(least, most)
    case (2, let least?, nil) where inside.hasSuffix(","): return try checked(least, nil)
    default:
      place = before
      return nil
    }
  }

  private func number(_ text: String) -> Int? {
    text.utf8.allSatisfy(NameCharacters.digit.contains) && text.utf8.count < 10 ? Int(text) : nil
  }

  private func checked(_ least: Int, _ most: Int?) throws(TopicPattern.Problem) -> (least: Int, most: Int?) {
    guard least <= most ?? least, most ?? least <= GroupLimits.patternRepetitions else {
      throw TopicPattern.Problem("the bounds of a repetition are not 0 to \(GroupLimits.patternRepetitions), rising")
    }
    return (least, most)
  }

  // MARK: Atoms

  private mutating func atom() throws(TopicPattern.Problem) -> PatternNode {
    switch take() {
    case "(": return try group()
    case "[": return .character(of: cased(try characterClass()))
    case ".": return .character(of: .all)
    case "^": return .assertion(.start)
    case "$": return .assertion(.end)
    case "\\": return try escape()
    case "*", "+", "?": throw TopicPattern.Problem("a repetition has nothing to repeat")
    case let scalar?: return character(scalar)
    case nil: return .sequence([])
    }
  }

  private func character(_ scalar: Unicode.Scalar) -> PatternNode {
    var characters = NameCharacters()
    characters.insert(scalar)
    return .character(of: cased(characters))
  }

  private func cased(_ characters: NameCharacters) -> NameCharacters {
    ignoresCase ? characters.ignoringCase : characters
  }

  private mutating func group() throws(TopicPattern.Problem) -> PatternNode {
    guard depth < GroupLimits.patternDepth else {
      throw TopicPattern.Problem("its groups are nested deeper than \(GroupLimits.patternDepth)")
    }
    let outer = ignoresCase
    if take("?") {
      // Flags without a group hold up to the end of the group around them.
      if try opening() { return .sequence([]) }
    }
    depth += 1
    let inside = try choice()
    depth -= 1
    ignoresCase = outer
    guard take(")") else { throw TopicPattern.Problem("a ( has no )") }
    return inside
  }

  /// What follows "(?". Returns whether that was all of it.
  private mutating func opening() throws(TopicPattern.Problem) -> Bool {
    if take("P<") || (next == "<" && !isLookBehind && take("<")) {
      guard let name = take(upTo: ">"), !name.isEmpty, name.utf8.allSatisfy(NameCharacters.word.contains) else {
        throw TopicPattern.Problem("a group has no name in its < >")
      }
      return false
    }
    var isOn = true
    while let flag = take() {
      switch flag {
      case "i": ignoresCase = isOn
      // Names have no lines, and the longest match is as good as the shortest.
      case "s", "m", "U": break
      case "-": isOn = false
      case ":": return false
      case ")": return true
      default: throw TopicPattern.Problem("(?\(flag) is not known: there is no looking ahead or behind")
      }
    }
    throw TopicPattern.Problem("a ( has no )")
  }

  private var isLookBehind: Bool {
    let after = place + 1 < text.count ? text[place + 1] : nil
    return after == "=" || after == "!"
  }

  private mutating func escape() throws(TopicPattern.Problem) -> PatternNode {
    switch next {
    case "A": place += 1; return .assertion(.start)
    case "z": place += 1; return .assertion(.end)
    case "b": place += 1; return .assertion(.wordBoundary)
    case "B": place += 1; return .assertion(.noWordBoundary)
    default: return .character(of: cased(try escaped().characters))
    }
  }

  /// What stands after a backslash, of characters: a class, or one character.
  private mutating func escaped() throws(TopicPattern.Problem) -> (characters: NameCharacters, scalar: Unicode.Scalar?)
  {
    guard let scalar = take() else { throw TopicPattern.Problem("it ends with a backslash") }
    switch scalar {
    case "d": return (.digit, nil)
    case "D": return (NameCharacters.digit.inverted, nil)
    case "s": return (.space, nil)
    case "S": return (NameCharacters.space.inverted, nil)
    case "w": return (.word, nil)
    case "W": return (NameCharacters.word.inverted, nil)
    case "a": return one("\u{07}")
    case "f": return one("\u{0C}")
    case "n": return one("\n")
    case "r": return one("\r")
    case "t": return one("\t")
    case "v": return one("\u{0B}")
    case "x": return one(try hexadecimal())
    case "1"..."9": throw TopicPattern.Problem("\\\(scalar) would refer back to a group, which RE2 does not")
    case "p", "P": throw TopicPattern.Problem("classes of Unicode are not known: names of topics are ASCII")
    default:
      guard !scalar.isASCII || !NameCharacters.word.contains(UInt8(truncatingIfNeeded: scalar.value)) || scalar == "_"
      else { throw TopicPattern.Problem("\\\(scalar) is not known") }
      return one(scalar)
    }
  }

  private func one(_ scalar: Unicode.Scalar) -> (characters: NameCharacters, scalar: Unicode.Scalar?) {
    var characters = NameCharacters()
    characters.insert(scalar)
    return (characters, scalar)
  }

  /// \x7F or \x{7F}.
  private mutating func hexadecimal() throws(TopicPattern.Problem) -> Unicode.Scalar {
    let digits: String?
    if take("{") {
      digits = take(upTo: "}")
    } else {
      digits = place + 2 <= text.count ? String(String.UnicodeScalarView(text[place..<place + 2])) : nil
      place = min(place + 2, text.count)
    }
    guard let digits, !digits.isEmpty, digits.utf8.allSatisfy(NameCharacters.hexadecimal.contains),
      let scalar = UInt32(digits, radix: 16).flatMap(Unicode.Scalar.init)
    else { throw TopicPattern.Problem("\\x has no hexadecimal number of a character") }
    return scalar
  }

  // MARK: Classes

  private mutating func characterClass() throws(TopicPattern.Problem) -> NameCharacters {
    let isInverted = take("^")
    var found = NameCharacters()
    // A ] at the start is a character.
    var isFirst = true
    while isFirst || next != "]" {
      isFirst = false
      guard next != nil else { throw TopicPattern.Problem("a [ has no ]") }
      found = found.union(try item())
    }
    _ = take()
    // Of a class that is turned around, the letters that it leaves out are left out in both cases.
    if isInverted { return cased(found).inverted }
    return found
  }

  private mutating func item() throws(TopicPattern.Problem) -> NameCharacters {
    if take("[:") { return try posixClass() }
    let (characters, first) = try end()
    // A - before the ] is a character.
    guard next == "-", place + 1 < text.count, text[place + 1] != "]" else { return characters }
    _ = take()
    let (_, last) = try end()
    guard let first, let last, first <= last else { throw TopicPattern.Problem("a range in [ ] does not rise") }
    var range = NameCharacters()
    range.insert(first...last)
    return range
  }

  /// One end of a range, or a class that can be none.
  private mutating func end() throws(TopicPattern.Problem) -> (characters: NameCharacters, scalar: Unicode.Scalar?) {
    guard let scalar = take() else { throw TopicPattern.Problem("a [ has no ]") }
    return scalar == "\\" ? try escaped() : one(scalar)
  }

  private mutating func posixClass() throws(TopicPattern.Problem) -> NameCharacters {
    let isInverted = take("^")
    guard let name = take(upTo: ":]"), let known = NameCharacters.posix[name] else {
      throw TopicPattern.Problem("a [: is no class of POSIX")
    }
    return isInverted ? known.inverted : known
  }
}
