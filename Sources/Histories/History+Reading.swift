import Model

/// Says in which line a text is no history.
package struct HistoryError: Error, Equatable, CustomStringConvertible {
  package var line: Int
  package var reason: String

  package init(line: Int, _ reason: String) {
    self.line = line
    self.reason = reason
  }

  package var description: String { "line \(line) is no event of a history: \(reason)" }
}

extension History {
  private enum Limits {
    /// The most records of a batch or run: a short text stands for no more work than this.
    static let recordsMax = 100_000
    /// 31 years: a time in ns fits 64 bits.
    static let secondsMax: UInt64 = 1_000_000_000
  }

  /// Reads the text of a history. Every number is checked: none makes the analysis trap.
  package init(text: some StringProtocol) throws(HistoryError) {
    self.init()
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let words = Words(line)
      guard let first = words.peek, !first.hasPrefix("#") else { continue }
      do throws(Malformed) {
        append(try Self.event(words))
      } catch {
        throw HistoryError(line: index + 1, error.reason)
      }
    }
  }

  private struct Malformed: Error { var reason: String }

  /// The words of a line, read from left to right.
  private struct Words {
    private var rest: ArraySlice<Substring>

    init(_ line: some StringProtocol) { rest = line.split(separator: " ").map { Substring($0) }[...] }

    var peek: Substring? { rest.first }

    mutating func next(_ what: String) throws(Malformed) -> Substring {
      guard let word = rest.popFirst() else { throw Malformed(reason: "\(what) is missing") }
      return word
    }

    mutating func number(_ what: String, upTo limit: Int) throws(Malformed) -> Int {
      try History.number(try next(what), what, upTo: limit)
    }

    /// Takes `word` if it comes next.
    mutating func skip(_ word: String) -> Bool {
      guard rest.first == word[...] else { return false }
      rest.removeFirst()
      return true
    }

    /// Reads words until the end, or until one of `ends` comes next.
    mutating func list<Item>(
      until ends: String..., as read: (Substring) throws(Malformed) -> Item
    ) throws(Malformed) -> [Item] {
      var items: [Item] = []
      while let word = rest.first, !ends.contains(String(word)) {
        rest.removeFirst()
        items.append(try read(word))
      }
      return items
    }

    func mustEnd() throws(Malformed) {
      if let word = rest.first { throw Malformed(reason: "'\(word)' is too much") }
    }
  }

  private static func event(_ words: Words) throws(Malformed) -> Event {
    var words = words
    let timeNs = try time(try words.next("the time"))
    let process = try words.number("the process", upTo: RecordID.processMax)
    let action = try Self.action(&words)
    try words.mustEnd()
    return Event(timeNs: timeNs, process: process, action)
  }

  private static func time(_ word: Substring) throws(Malformed) -> UInt64 {
    let parts = word.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 2, parts[1].count == 6, let seconds = UInt64(parts[0]), seconds <= Limits.secondsMax,
      let micros = UInt64(parts[1])
    else { throw Malformed(reason: "'\(word)' is no time such as 12.345678") }
    return (seconds * 1_000_000 + micros) * 1000
  }

  private static func action(_ words: inout Words) throws(Malformed) -> Action {
    let verb = try words.next("what happened")
    switch verb {
    case "send": return try send(&words)
    case "sent":
      return .sent(try words.number("a batch", upTo: RecordID.numberMax), try sendOutcome(&words))
    case "end": return try end(&words)
    case "ended": return .ended(transaction: try transactionNumber(&words), try outcome(&words))
    case "look":
      return .look(group: try group(&words), try words.list(as: partition))
    case "found": return .found(group: try group(&words), try words.list(as: position))
    case "assign": return try assign(&words)
    case "revoke": return .revoke(try words.list(as: partition))
    case "poll": return .poll(try partition(try words.next("a partition")), try words.list(as: run))
    case "commit": return try commit(&words)
    case "committed": return .committed(try transactionNumber(&words), try outcome(&words))
    default: throw Malformed(reason: "'\(verb)' is no verb of a history")
    }
  }

  private static func send(_ words: inout Words) throws(Malformed) -> Action {
    let (first, count) = try counted(try words.next("a batch"))
    let numbers = try Self.numbers(from: try number(first, "a record", upTo: RecordID.numberMax), count)
    guard words.skip("partition") else { throw Malformed(reason: "a partition is missing") }
    let partition = try Self.partition(try words.next("a partition"))
    return .send(numbers, partition: partition, transaction: try transaction(&words))
  }

  private static func sendOutcome(_ words: inout Words) throws(Malformed) -> SendOutcome {
    switch try words.next("an outcome") {
    case "failed": return .failed
    case "unknown": return .unknown
    case "ok":
      let word = try words.next("an offset")
      return .ok(word == "?" ? nil : try offset(word))
    case let word: throw Malformed(reason: "'\(word)' is no outcome")
    }
  }

  private static func end(_ words: inout Words) throws(Malformed) -> Action {
    let number = try transactionNumber(&words)
    switch try words.next("commit or abort") {
    case "commit": return .end(transaction: number, commits: true)
    case "abort": return .end(transaction: number, commits: false)
    case let word: throw Malformed(reason: "'\(word)' is neither commit nor abort")
    }
  }

  private static func assign(_ words: inout Words) throws(Malformed) -> Action {
    let positions = try words.list(until: "group", as: position)
    guard words.peek == "group" else { return .assign(positions, nil) }
    let group = try Self.group(&words)
    guard words.skip("generation") else { throw Malformed(reason: "a generation is missing") }
    let generation = try words.number("a generation", upTo: Int(Int32.max))
    return .assign(positions, Membership(group: group, generation: Int32(generation)))
  }

  private static func commit(_ words: inout Words) throws(Malformed) -> Action {
    let number = try transactionNumber(&words)
    let group = try Self.group(&words)
    let positions = try words.list(until: "transaction", as: position)
    return .commit(number, group: group, positions, transaction: try transaction(&words))
  }

  // MARK: Parts

  private static func number(_ word: Substring, _ what: String, upTo limit: Int) throws(Malformed) -> Int {
    guard let number = Int(word), (0...limit).contains(number) else {
      throw Malformed(reason: "\(what) is a number from 0 to \(limit), not '\(word)'")
    }
    return number
  }

  private static func transactionNumber(_ words: inout Words) throws(Malformed) -> Int {
    try words.number("a number", upTo: Int(Int32.max))
  }

  private static func transaction(_ words: inout Words) throws(Malformed) -> Int? {
    words.skip("transaction") ? try transactionNumber(&words) : nil
  }

  private static func group(_ words: inout Words) throws(Malformed) -> String {
    guard words.skip("group") else { throw Malformed(reason: "a group is missing") }
    return String(try words.next("a group's name"))
  }

  private static func outcome<Outcome: RawRepresentable<String>>(_ words: inout Words) throws(Malformed) -> Outcome {
    let word = try words.next("an outcome")
    guard let outcome = Outcome(rawValue: String(word)) else { throw Malformed(reason: "'\(word)' is no outcome") }
    return outcome
  }

  private static func partition(_ word: Substring) throws(Malformed) -> Int32 {
    Int32(try number(word, "a partition", upTo: Int(Int32.max)))
  }

  private static func offset(_ word: Substring) throws(Malformed) -> Offset {
    guard let value = Int64(word), let offset = Offset(stored: value) else {
      throw Malformed(reason: "'\(word)' is no offset")
    }
    return offset
  }

  /// `5@18`, or `5@10..18`.
  private static func position(_ word: Substring) throws(Malformed) -> Position {
    let parts = word.split(separator: "@", omittingEmptySubsequences: false)
    guard parts.count == 2 else { throw Malformed(reason: "'\(word)' is no position such as 5@18") }
    let partition = try Self.partition(parts[0])
    guard let dots = parts[1].firstRange(of: "..") else { return Position(partition, try offset(parts[1])) }
    let from = try offset(parts[1][..<dots.lowerBound])
    return Position(partition, try offset(parts[1][dots.upperBound...]), from: from)
  }

  /// `2001=3.17+8`.
  private static func run(_ word: Substring) throws(Malformed) -> RecordRun {
    let sides = word.split(separator: "=", omittingEmptySubsequences: false)
    guard sides.count == 2 else { throw Malformed(reason: "'\(word)' is no run of records such as 2001=3.17+8") }
    let (name, count) = try counted(sides[1])
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 2 else { throw Malformed(reason: "'\(name)' is no record such as 3.17") }
    let process = try number(parts[0], "a process", upTo: RecordID.processMax)
    let numbers = try Self.numbers(from: try number(parts[1], "a record", upTo: RecordID.numberMax), count)
    return RecordRun(
      offset: try offset(sides[0]), first: RecordID(process: process, number: numbers.lowerBound), count: count)
  }

  /// `17+8`: what begins, and how many there are.
  private static func counted(_ word: Substring) throws(Malformed) -> (first: Substring, count: Int) {
    let parts = word.split(separator: "+", omittingEmptySubsequences: false)
    guard parts.count == 2 else { throw Malformed(reason: "'\(word)' is no count such as 17+8") }
    let count = try number(parts[1], "a count", upTo: Limits.recordsMax)
    guard count > 0 else { throw Malformed(reason: "'\(word)' counts nothing") }
    return (parts[0], count)
  }

  private static func numbers(from first: Int, _ count: Int) throws(Malformed) -> Range<Int> {
    guard first + count - 1 <= RecordID.numberMax else { throw Malformed(reason: "\(first)+\(count) is too far") }
    return first..<first + count
  }
}
