import Foundation
import Model
import Security
import Testing

@testable import Broker

/// The table of rights in docs/authorization.md is written from the code.
@Suite("docs/authorization.md")
struct AccessDocsTests {
  static let begin = "<!-- begin: written by AccessDocsTests -->"
  static let end = "<!-- end -->"

  /// `MILLRACE_WRITE_DOCS=1 swift test --filter AccessDocsTests` writes the table.
  @Test("the table says what the code asks for")
  func page() throws {
    let root = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
    let path = "/\(root)/docs/authorization.md"
    let page = try String(contentsOfFile: path, encoding: .utf8)
    let before = try #require(page.range(of: Self.begin))
    let after = try #require(page.range(of: Self.end, range: before.upperBound..<page.endIndex))
    if ProcessInfo.processInfo.environment["MILLRACE_WRITE_DOCS"] != nil {
      let written = page[..<before.upperBound] + "\n\n\(Self.table)\n\n" + page[after.lowerBound...]
      try written.write(toFile: path, atomically: true, encoding: .utf8)
      return
    }
    let told = page[before.upperBound..<after.lowerBound].trimmingCharacters(in: .newlines)
    #expect(told == Self.table, "write it anew: MILLRACE_WRITE_DOCS=1 swift test --filter AccessDocsTests")
  }

  private static var table: String {
    var rows: [Int16: String] = [:]
    for sample in AccessSample.all {
      let name = "\(type(of: sample.request))".replacing("Request", with: "")
      let needs = sample.row.needs.map { text($0) } + (sample.row.note.map { [$0] } ?? [])
      rows[sample.key] = "| \(sample.key) | \(name) | \(needs.isEmpty ? "nothing" : needs.joined(separator: "<br>")) |"
    }
    return
      (["| Key | API | What it asks for, and what a refusal looks like |", "|---|---|---|"]
      + rows.sorted { $0.key < $1.key }.map(\.value)).joined(separator: "\n")
  }

  private static func text(_ need: AccessNeed) -> String {
    let operations = need.operations.map(\.name).joined(separator: " or ")
    let refusal =
      switch need.refusal {
      case .part(let code): "else \(code.name) in its place"
      case .leftOut: "else left out"
      case .whole(let code): "else \(code.name) for all"
      }
    let when = need.when.map { ", when \($0)" } ?? ""
    return "**\(operations)** on \(need.resource.name)\(when); \(refusal)"
  }
}
