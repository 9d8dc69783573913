/// A pattern as its syntax has it.
indirect enum PatternNode: Equatable, Sendable {
  case character(of: NameCharacters)
  case assertion(TopicPattern.Assertion)
  case sequence([PatternNode])
  case choice([PatternNode])
  /// - Parameter most: nil without a limit.
  case repetition(PatternNode, least: Int, most: Int?)
}

/// The automaton of a pattern while it is built, from its end to its start. State 0 is the end.
struct PatternProgram {
  private(set) var states: [TopicPattern.State] = [.end]

  /// Adds the states of a node.
  ///
  /// - Parameter next: the state that comes after it.
  /// - Returns: its first state.
  /// - Throws: when the states become more than `GroupLimits.patternStates`.
  mutating func add(_ node: PatternNode, then next: Int) throws(TopicPattern.Problem) -> Int {
    switch node {
    case .character(let characters): return try append(.character(of: characters, then: next))
    case .assertion(let assertion): return try append(.assertion(assertion, then: next))
    case .sequence(let parts):
      var first = next
      for part in parts.reversed() { first = try add(part, then: first) }
      return first
    case .choice(let branches):
      var first = try add(branches[branches.count - 1], then: next)
      for branch in branches.dropLast().reversed() { first = try append(.either(try add(branch, then: next), first)) }
      return first
    case .repetition(let body, let least, let most): return try add(body, least, most, then: next)
    }
  }

  /// x{2,4} is xx(x(x)?)?, and x{2,} is xxx*.
  private mutating func add(
    _ body: PatternNode, _ least: Int, _ most: Int?, then next: Int
  ) throws(TopicPattern.Problem) -> Int {
    var first = next
    if let most {
      for _ in least..<most { first = try append(.either(try add(body, then: first), next)) }
    } else {
      first = try append(.end)
      states[first] = .either(try add(body, then: first), next)
    }
    for _ in 0..<least { first = try add(body, then: first) }
    return first
  }

  private mutating func append(_ state: TopicPattern.State) throws(TopicPattern.Problem) -> Int {
    guard states.count < GroupLimits.patternStates else {
      throw TopicPattern.Problem("it needs more than \(GroupLimits.patternStates) states")
    }
    states.append(state)
    return states.count - 1
  }
}
