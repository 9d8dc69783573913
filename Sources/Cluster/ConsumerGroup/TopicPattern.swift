/// A regular expression over names of topics, to which members of a consumer group subscribe (KIP-848), in the syntax of RE2, which is Kafka's.
///
/// A name matches as a whole. It is matched by following all ways through the pattern at once, so the time grows with the pattern's size
/// times the name's length, whatever the pattern (R. Cox, "Regular Expression Matching Can Be Simple And Fast", 2007):
/// ```
/// (a|ab)*c   over "abc":   a: after a, or in ab    b: at the start again    c: matched
/// ```
/// Names of topics are ASCII; what is not in a pattern matches nothing. Unicode classes (`\p{Greek}`) are not known.
package struct TopicPattern: Equatable, Sendable {
  /// Why a text is no pattern.
  package struct Problem: Error, Equatable, Sendable {
    package let description: String

    init(_ description: String) { self.description = description }
  }

  /// One state of the automaton, and the state that comes after it.
  enum State: Equatable, Sendable {
    case character(of: NameCharacters, then: Int)
    case either(Int, Int)
    case assertion(Assertion, then: Int)
    case end
  }

  /// What must hold between two characters.
  enum Assertion: Equatable, Sendable { case start, end, wordBoundary, noWordBoundary }

  private let states: [State]
  private let start: Int

  /// - Throws: what is wrong with the pattern, or that it is larger than `GroupLimits` allow.
  package init(_ source: String) throws(Problem) {
    guard source.utf8.count <= GroupLimits.patternBytes else {
      throw Problem("it has more than \(GroupLimits.patternBytes) bytes")
    }
    var parser = PatternParser(source)
    var program = PatternProgram()
    start = try program.add(try parser.parse(), then: 0)
    states = program.states
  }

  package func matches(_ name: String) -> Bool {
    let characters = Array(name.utf8)
    var reached = closure(of: [start], characters, at: 0)
    for (position, character) in characters.enumerated() where !reached.isEmpty {
      reached = closure(of: reached.compactMap { after($0, character) }, characters, at: position + 1)
    }
    return reached.contains { states[$0] == .end }
  }

  private func after(_ state: Int, _ character: UInt8) -> Int? {
    guard case .character(let characters, let next) = states[state] else { return nil }
    return characters.contains(character) ? next : nil
  }

  /// The states that wait for a character, or are the end, on all ways from `origins` that take none; each once.
  private func closure(of origins: [Int], _ characters: [UInt8], at position: Int) -> [Int] {
    var isSeen = [Bool](repeating: false, count: states.count)
    var pending = origins
    var found: [Int] = []
    while let state = pending.popLast() {
      if isSeen[state] { continue }
      isSeen[state] = true
      switch states[state] {
      case .either(let first, let second): pending += [first, second]
      case .assertion(let assertion, let next):
        if assertion.holds(in: characters, at: position) { pending.append(next) }
      case .character, .end: found.append(state)
      }
    }
    return found
  }
}

extension TopicPattern.Assertion {
  fileprivate func holds(in characters: [UInt8], at position: Int) -> Bool {
    switch self {
    case .start: position == 0
    case .end: position == characters.count
    case .wordBoundary: isBoundary(characters, position)
    case .noWordBoundary: !isBoundary(characters, position)
    }
  }

  private func isBoundary(_ characters: [UInt8], _ position: Int) -> Bool {
    let before = position > 0 && NameCharacters.word.contains(characters[position - 1])
    let after = position < characters.count && NameCharacters.word.contains(characters[position])
    return before != after
  }
}
