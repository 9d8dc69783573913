import Testing

@testable import Base

@Suite("The nearest spelling")
struct SpellingTests {
  @Test(
    "is the candidate with the fewest edits, a swap of neighbours being one",
    arguments: [
      ("lst", "list"), ("crate", "create"), ("LIST", "list"), ("craete", "create"), ("delet", "delete"),
      ("retention", nil), ("", nil),
    ] as [(String, String?)])
  func nearest(word: String, meant: String?) {
    #expect(Spelling.nearest(to: word, among: ["create", "delete", "list"]) == meant)
  }

  @Test("is within reach, and of equally near ones the first in alphabetical order")
  func reach() {
    #expect(Spelling.nearest(to: "abcd", among: ["abxy", "abzz"]) == "abxy")
    #expect(Spelling.nearest(to: "abcd", among: ["abxy"], reach: 1) == nil)
    #expect(Spelling.nearest(to: "abcd", among: []) == nil)
  }

  @Test("costs no table for candidates that are too long to be near")
  func long() {
    let long = String(repeating: "x", count: 1_000_000)
    #expect(Spelling.nearest(to: "abcd", among: [long, "abce"]) == "abce")
    #expect(Spelling.nearest(to: long, among: ["abcd"], reach: 2) == nil)
  }
}
