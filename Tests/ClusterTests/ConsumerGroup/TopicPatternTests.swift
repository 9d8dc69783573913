import Base
import Testing

@testable import Cluster

@Suite("A pattern of names of topics")
struct TopicPatternTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var pattern: String
    var matching: [String]
    var others: [String]
    var testDescription: String { pattern }

    init(_ pattern: String, _ matching: [String], not others: [String]) {
      self.pattern = pattern
      self.matching = matching
      self.others = others
    }
  }

  static let cases = [
    Case("orders", ["orders"], not: ["orders2", "my-orders", ""]),
    Case("", [""], not: ["a"]),
    Case("orders-.*", ["orders-", "orders-eu"], not: ["orders", "x-orders-eu"]),
    Case("^orders-.*$", ["orders-eu"], not: ["my-orders-eu"]),
    Case("a|bc|", ["a", "bc", ""], not: ["b", "abc"]),
    Case("(a|ab)(c|bcd)?", ["a", "ab", "ac", "abc", "abcd", "abbcd"], not: ["abcdd"]),
    Case("x{2,3}y{2}z{1,}", ["xxyyz", "xxxyyzz"], not: ["xyyz", "xxxxyyz", "xxyyyz", "xxyy"]),
    Case("x{0}y", ["y"], not: ["xy"]),
    Case("a{,2}", ["a{,2}"], not: ["aa"]),
    Case("(?:ab)+?c*?", ["ab", "ababcc"], not: ["", "aba"]),
    Case("[a-c_][^0-9]", ["a-", "_x", "c."], not: ["d-", "a5", "a"]),
    Case("[]x-]+", ["x", "-x-", "]"], not: ["a"]),
    Case("[[:upper:][:digit:]]+[[:^alpha:]]", ["A1.", "9_"], not: ["a1.", "A1b"]),
    Case(#"\d\w\s?\D\W"#, ["5a-.", "5_x-"], not: ["aa-.", "5a5."]),
    Case(#"a\.b\-c\_d"#, ["a.b-c_d"], not: ["axb-c_d"]),
    Case(#"[\w.]+\x2d\x{41}"#, ["a.b-A"], not: ["a.b-B"]),
    Case(#"\Qa.*b\E+"#, ["a.*b", "a.*bb"], not: ["axxb", "a.*ba.*b"]),
    Case(#"a\\Q|\Q(x\"#, [#"a\Q"#, #"(x\"#], not: ["aQ", "x"]),
    Case(#"\Aa\b-\Bb\z|\ba.*"#, ["a", "a-c"], not: ["-a"]),
    Case("(?i)ab(?-i:C)[d-f]", ["abCd", "ABCF"], not: ["abcd"]),
    Case("((?i)a)b", ["ab", "Ab"], not: ["aB"]),
    Case("(?i)[^a]", ["b", "B"], not: ["a", "A"]),
    Case("(?P<name>a)(?<other>b)", ["ab"], not: ["a"]),
    Case("(a*)*b", ["b", "aaab"], not: ["aaa"]),
    Case("(|a)+b", ["b", "aab"], not: ["a"]),
    Case("größe|.", ["x"], not: ["groesse"]),
  ]

  @Test("matches whole names, as RE2 does", arguments: cases)
  func matching(pattern: Case) throws {
    let compiled = try TopicPattern(pattern.pattern)
    for name in pattern.matching { #expect(compiled.matches(name), "\(name)") }
    for name in pattern.others { #expect(!compiled.matches(name), "\(name)") }
  }

  @Test(
    "what is no pattern, or too large a one, is refused with what is wrong",
    arguments: [
      ("(a", "a ( has no )"), ("a)", "a ) has no ("), ("[a", "a [ has no ]"), ("[", "a [ has no ]"),
      ("*a", "a repetition has nothing to repeat"),
      ("a**", "a repetition is repeated"), ("a{2}{3}", "a repetition is repeated"),
      ("[b-a]", "a range in [ ] does not rise"),
      (#"[a-\d]"#, "a range in [ ] does not rise"), (#"(a)\1"#, #"\1 would refer back to a group, which RE2 does not"#),
      ("a(?=b)", "(?= is not known: there is no looking ahead or behind"),
      ("(?<!b)a", "(?< is not known: there is no looking ahead or behind"), (#"\"#, "it ends with a backslash"),
      (#"\y"#, #"\y is not known"#),
      (#"\p{L}"#, "classes of Unicode are not known: names of topics are ASCII"),
      (#"\x{}"#, #"\x has no hexadecimal number of a character"#),
      (#"\x4"#, #"\x has no hexadecimal number of a character"#), ("[[:no:]]", "a [: is no class of POSIX"),
      ("(?", "a ( has no )"),
      ("(?P<>a)", "a group has no name in its < >"), ("a{3,2}", "the bounds of a repetition are not 0 to 1000, rising"),
      ("a{1001}", "the bounds of a repetition are not 0 to 1000, rising"),
      ("(a{1000}){1000}", "it needs more than 2000 states"),
      (
        String(repeating: "(", count: 101) + String(repeating: ")", count: 101), "its groups are nested deeper than 100"
      ),
      (String(repeating: "a", count: 4097), "it has more than 4096 bytes"),
    ])
  func refused(pattern: String, problem: String) {
    #expect(throws: TopicPattern.Problem(problem)) { try TopicPattern(pattern) }
  }

  @Test("a pattern over which a search that goes back would take for ever is matched at once")
  func linear() throws {
    let name = String(repeating: "a", count: 249)
    #expect(try !TopicPattern("(a*)*(a*)*(a|aa)+b").matches(name))
    #expect(try TopicPattern("(a?){249}a{249}").matches(name))
  }

  @Test("agrees with Swift's own expressions on patterns made at random", arguments: UInt64(1)...20)
  func random(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    for _ in 0..<50 {
      let source = Self.source(depth: 3, &random)
      let pattern = try TopicPattern(source), other = try Regex(source)
      for _ in 0..<20 {
        let name = String((0..<Int.random(in: 0...6, using: &random)).map { _ in "ab.".randomElement(using: &random)! })
        #expect(
          try pattern.matches(name) == (other.wholeMatch(in: name) != nil), "\(source) over \(name), seed \(seed)")
      }
    }
  }

  private static func source(depth: Int, _ random: inout SplitMix) -> String {
    if depth == 0 { return ["a", "b", #"\."#, ".", "[ab]", "[^a]"].randomElement(using: &random)! }
    let first = source(depth: depth - 1, &random), second = source(depth: depth - 1, &random)
    switch Int.random(in: 0..<6, using: &random) {
    case 0: return "(?:\(first)|\(second))"
    case 1: return "(?:\(first))*\(second)"
    case 2: return "(?:\(first))+"
    case 3: return "(?:\(first)){1,2}\(second)"
    case 4: return "(?:\(first))?\(second)"
    default: return first + second
    }
  }
}
