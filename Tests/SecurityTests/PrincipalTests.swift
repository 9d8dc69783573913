import Security
import Testing

@Suite struct PrincipalTests {
  @Test(arguments: ["User:alice", "User:CN=alice,O=Example", "User:a:b", "Group:admins", "User:ANONYMOUS", "User:*"])
  func `a principal is written as it is read`(text: String) throws {
    #expect(try #require(Principal(parsing: text)).description == text)
  }

  @Test(arguments: ["", ":", "alice", "User:", ":alice"])
  func `text without a type or a name is no principal`(text: String) {
    #expect(Principal(parsing: text) == nil)
  }

  @Test func `a connection that has not authenticated is User ANONYMOUS`() {
    #expect(Principal(parsing: "User:ANONYMOUS") == .anonymous)
    #expect(Principal(parsing: "user:ANONYMOUS") != .anonymous)
  }
}
