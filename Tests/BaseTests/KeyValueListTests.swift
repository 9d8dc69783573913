import Base
import Testing

struct KeyValueListTests {
  @Test("brackets protect a value's commas and are removed; empty pieces are none")
  func pairs() {
    let pairs = KeyValueList.pairs(in: "a=1,b=[x,y],,c=,d=e=f,")
    #expect(
      pairs == [
        .init(key: "a", value: "1"), .init(key: "b", value: "x,y"), .init(key: "c", value: ""),
        .init(key: "d", value: "e=f"),
      ])
    #expect(KeyValueList.pairs(in: "") == [])
  }

  @Test("what has no key or an open bracket is no list", arguments: ["a", "=1", "a=1,b", "a=[x", "a=1,=2"])
  func malformed(text: String) { #expect(KeyValueList.pairs(in: text) == nil) }
}
