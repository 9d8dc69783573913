import Foundation
import Testing

/// docs/rigour.md: what the harness guarantees, and the test that proves each can fail.
@Suite("The page on rigour")
struct RigourTests {
  @Test("has the 26 guarantees, and every test and file it names is there")
  func names() throws {
    let rows = try SourceTree.text("docs/rigour.md").split(separator: "\n").filter { line in
      line.hasPrefix("| ") && line.dropFirst(2).first?.isNumber == true
    }
    #expect(rows.compactMap { Int($0.dropFirst(2).prefix { $0.isNumber }) } == Array(1...26))
    let tests = Self.testFiles()
    for row in rows {
      let cells = row.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
      try #require(cells.count == 6, "a row has four cells: \(row)")
      let sentences = cells[4].split(separator: "\"", omittingEmptySubsequences: false).enumerated()
        .filter { $0.offset % 2 == 1 }.map { String($0.element) }
      #expect(!sentences.isEmpty, "no test is named: \(row)")
      for sentence in sentences {
        #expect(tests.contains("\"\(sentence)\""), "no test is called \"\(sentence)\": rename it in docs/rigour.md too")
      }
      let files = cells[3].split(separator: "`", omittingEmptySubsequences: false).enumerated()
        .filter { $0.offset % 2 == 1 }.map { String($0.element) }
      for file in files { #expect(Self.isThere(file), "docs/rigour.md names \(file), which is not there") }
    }
  }

  /// A file or type of the lab by its name, or a path; a star stands for what follows.
  private static func isThere(_ name: String) -> Bool {
    let bare = name.split(separator: "(").first.map(String.init) ?? name
    let stem = bare.split(separator: ".").first.map(String.init) ?? bare
    let prefix = stem.hasSuffix("*") ? String(stem.dropLast()) : stem
    return SourceTree.swiftFiles.contains { file in
      let path = file.path.dropLast(".swift".count)
      let own = path.split(separator: "/").last.map(String.init) ?? ""
      return path.hasPrefix(prefix) || (stem.hasSuffix("*") ? own.hasPrefix(prefix) : own == prefix)
    }
  }

  private static func testFiles() -> String {
    let directory = SourceTree.root.appendingPathComponent("Tests")
    let files = (FileManager.default.enumerator(atPath: directory.path)?.compactMap { $0 as? String }) ?? []
    return files.filter { $0.hasSuffix(".swift") }
      .compactMap { try? SourceTree.text("Tests/\($0)") }.joined()
  }
}
