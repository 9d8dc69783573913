import Model
import Testing

@Suite("JavaProperties")
struct JavaPropertiesTests {
  @Test(
    "entries are split as java.util.Properties splits them",
    arguments: [
      ("a=b", "a", "b"), ("a = b", "a", "b"), ("a:b", "a", "b"), ("a : b ", "a", "b "), ("a b", "a", "b"),
      ("  a\tb", "a", "b"),
      ("a", "a", ""), ("a=", "a", ""), ("a==b", "a", "=b"), ("a = = b", "a", "= b"), ("a b=c", "a", "b=c"),
      (#"a\=b=c"#, "a=b", "c"), (#"a\ b:c"#, "a b", "c"), (#"a=\tb\nc"#, "a", "\tb\nc"),
      (#"a=\u00e9\u0041"#, "a", "éA"),
      (#"a=C:\\dir"#, "a", #"C:\dir"#), (#"a=\q"#, "a", "q"), ("a=x\\\n   y\\\n  z", "a", "xyz"),
      ("a=x\\\n#y", "a", "x#y"),
      ("a=b\\\\\nc=d", "a", #"b\"#), ("a=b\\", "a", "b"), ("\r\na=b\r\n", "a", "b"), ("a=é", "a", "é"),
    ])
  func split(text: String, key: String, value: String) throws {
    let entry = try #require(JavaProperties(text).entries.first)
    #expect(entry.key == key)
    #expect(entry.value == value)
  }

  @Test("comments and blank lines are no entries, and lines are counted through continuations")
  func lines() {
    let text = "# c\n! d\n\n  # e\na=1\nb=2 \\\n  3\r\nc=4\rd=5"
    #expect(
      JavaProperties(text).entries.map { "\($0.line) \($0.key)=\($0.value)" } == [
        "5 a=1", "6 b=2 3", "8 c=4", "9 d=5",
      ])
  }
}
