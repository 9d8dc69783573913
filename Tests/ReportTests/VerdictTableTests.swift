import Foundation
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Report
@testable import Results
@testable import Verdict

@Suite("The table of verdicts")
struct VerdictTableTests {
  private func table(_ scratch: ScratchDirectory) throws -> VerdictTable {
    for stem in ["06-throughput-over-volume", "11-zero-copy"] {
      try Synthetic.store(stem, .quick, in: "\(scratch.path)/results")
    }
    let stored = Report.stored(in: "\(scratch.path)/results")
    #expect(stored.unreadable.isEmpty)
    return VerdictTable(stored.results.map { $0[0] })
  }

  @Test("has a row for each experiment with its claim, original, ours, grade and limit")
  func rows() throws {
    let table = try table(try ScratchDirectory("table"))
    let lines = table.markdown.split(separator: "\n").dropFirst(2)
    #expect(lines.count == 2)
    for (line, result) in zip(lines, table.results) {
      let shown = Overview.line(result)
      #expect(
        line.hasPrefix("| [\(result.experiment.id)](experiments/\(result.experiment.stem).yaml) | \(shown.claim) | "))
      #expect(line.contains(" | \(shown.ours.text) | \(shown.grade.sign) \(shown.grade.brief) (quick profile) | "))
      #expect(line.replacing("\\|", with: "").count { $0 == "|" } == 7, "six cells: \(line)")
    }
    let last = try #require(lines.last)
    #expect(last.contains("✓ holds") && last.contains("×"))
  }

  @Test("table, page and history write an effect's kind alike", arguments: VerdictRule.Kind.allCases)
  func kinds(_ kind: VerdictRule.Kind) throws {
    let scratch = try ScratchDirectory("kinds")
    var result = try #require(try table(scratch).results.last)
    let rule = try #require(result.experiment.verdicts.first { $0.name == "bare-throughput" })
    var changed = rule
    (changed.kind, changed.per, changed.only) = (kind, [], [])
    (changed.threshold, changed.tolerance, changed.over) = (1, 0.5, "file_mb")
    result.experiment.verdicts = [changed]
    let finding = try #require(result.verdict.findings.first)
    guard let effect = finding.effect, kind != .flat else { return }
    #expect(kind.suffix == ([.ratio, .equal].contains(kind) ? "×" : ""))
    let page = try Report(
      entries: [Report.Entry(result: result, charts: [], history: [result])], writtenAt: "now"
    ).html()
    let told = try #require(Overview.told(finding, of: result.experiment)).text
    #expect(page.contains(">\(told)<"), "the page's table: \(told)")
    let trend = effect.value == 0 ? "" : ", 0 % since the first"
    #expect(page.contains(">\(Figures.text(effect.value))\(kind.suffix)\(trend)<"), "the page's history")
    #expect(VerdictTable([result]).markdown.contains(" \(told) "), "\(told)")
  }

  @Test("says of a claim that does not hold what was asked")
  func reasons() throws {
    let scratch = try ScratchDirectory("reasons")
    var result = try #require(try table(scratch).results.last)
    // The twin too: what an arm has against itself is noise.
    for index in result.rows.indices where result.rows[index].arm.hasPrefix("sendfile") {
      result.rows[index].metrics["mb_per_s"]? /= 1000
    }
    #expect(result.verdict.outcome == .notSupported)
    let line = VerdictTable([result]).markdown
    #expect(
      line.contains("✗ fails (quick profile)") && line.contains("| \(Overview.line(result).ours.text) |"), "\(line)")
  }

  @Test("replaces what stands between the two marks, and nothing else")
  func replaces() throws {
    let table = try table(try ScratchDirectory("marks"))
    let old = "before\n\(VerdictTable.begin)\nwhat was there before\n\(VerdictTable.end)\nafter\n"
    let new = try table.replaced(in: old)
    #expect(new.hasPrefix("before\n\(VerdictTable.begin)\n") && new.hasSuffix("\(VerdictTable.end)\nafter\n"))
    #expect(new.contains(table.markdown) && !new.contains("what was there before"))
    #expect(try table.replaced(in: new) == new)
    let reason = #expect(throws: VerdictTable.MarksMissing.self) { try table.replaced(in: "no place") }
    #expect(reason?.description.contains(VerdictTable.begin) == true)
  }

  @Test("of the README says what the committed results say")
  func readme() throws {
    let readme = try String(contentsOfFile: "\(Synthetic.root)/README.md", encoding: .utf8)
    let definitions = try DefinitionFiles(directory: Synthetic.directory).all().map(\.experiment)
    let stored = Report.stored(in: "\(Synthetic.root)/results", definitions: definitions)
    #expect(stored.unreadable.isEmpty)
    for result in stored.results.map({ $0[0] }) {
      let row = readme.split(separator: "\n").first { $0.hasPrefix("| [\(result.experiment.id)]") }
      let said = try #require(row, "README.md has no row for \(result.experiment.id)")
      #expect(said.contains(" \(result.verdict.grade.sign) "), "README.md on \(result.experiment.id): make readme")
    }
    guard readme.contains(VerdictTable.begin) else { return }
    #expect(
      try VerdictTable(stored.results.map { $0[0] }).replaced(in: readme) == readme, "README.md is behind: make readme")
  }
}
