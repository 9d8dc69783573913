import Foundation
import Testing
import Wire

/// docs/protocol.md names the APIs and versions the codec knows. The table is written by this test
/// (`MILLRACE_REWRITE_DOCS=1 swift test --filter SupportedVersions`) and checked by it ever after.
@Suite("SupportedVersions")
struct SupportedVersionsTests {
  static let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../docs/protocol.md").standardized
  static let begin = "<!-- begin: written by SupportedVersionsTests -->"
  static let end = "<!-- end -->"

  static var table: String {
    let rows = Messages.requests.map { request in
      let (name, api) = (request.name, request.api)
      return "| \(api.key) | \(name) | \(api.versions.lowerBound)-\(api.versions.upperBound) "
        + "| \(api.flexibleFrom.map { "\($0)+" } ?? "none") |"
    }
    return (["| Key | API | Versions | Flexible |", "|---|---|---|---|"] + rows).joined(separator: "\n")
  }

  @Test("the table of APIs in docs/protocol.md is that of the code")
  func table() throws {
    let text = try String(contentsOf: Self.page, encoding: .utf8)
    let before = try #require(text.range(of: Self.begin), "docs/protocol.md lacks \(Self.begin)")
    let after = try #require(text.range(of: Self.end, range: before.upperBound..<text.endIndex))
    let written = text[before.upperBound..<after.lowerBound].trimmingCharacters(in: .newlines)
    if ProcessInfo.processInfo.environment["MILLRACE_REWRITE_DOCS"] != nil {
      let page = text[..<before.upperBound] + "\n\n\(Self.table)\n\n" + text[after.lowerBound...]
      try page.write(to: Self.page, atomically: true, encoding: .utf8)
    } else {
      #expect(written == Self.table, "run MILLRACE_REWRITE_DOCS=1 swift test --filter SupportedVersions")
    }
  }

  @Test("keys are unique and rise")
  func keys() {
    let keys = Messages.requests.map { $0.api.key }
    #expect(keys == keys.sorted())
    #expect(Set(keys).count == keys.count)
  }
}
