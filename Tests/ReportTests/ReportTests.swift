import Foundation
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Measure
@testable import Report
@testable import Results
@testable import Verdict

@Suite("Report", .serialized)
struct ReportTests {
  /// Results of the experiments as a campaign would leave them, charts drawn, page written.
  private func write(_ scratch: ScratchDirectory, stems: [String] = Synthetic.stems) throws -> (Report, String) {
    for stem in stems { try Synthetic.store(stem, .quick, in: "\(scratch.path)/results") }
    let report = try Report.write(results: "\(scratch.path)/results", plots: "\(scratch.path)/plots")
    return (report, try #require(SmallFile.read("\(scratch.path)/results/index.html")))
  }

  @Test("the page has every experiment, verdict and chart, and asks the world for nothing")
  func complete() throws {
    let scratch = try ScratchDirectory("report")
    let (report, html) = try write(scratch)
    let ids = [1, 2, 3, 5, 6, 7, 8, 10, 11, 15, 19, 20, 21, 22].map { "E\($0)" }
    #expect(report.entries.map(\.result.experiment.id) == ids)
    #expect(report.unreadable.isEmpty)
    for entry in report.entries {
      let experiment = entry.result.experiment
      #expect(entry.charts.count == experiment.charts.count && entry.chartFailures.isEmpty)
      #expect(html.contains("id=\"\(experiment.id.lowercased())\""))
      for caveat in experiment.caveats { #expect(html.contains(escaped(caveat)), "\(caveat)") }
      for original in experiment.originals { #expect(html.contains(escaped(original.label))) }
      for erratum in experiment.errata { #expect(html.contains(escaped(erratum))) }
      for finding in entry.result.verdict.findings {
        #expect(html.ranges(of: escaped(finding.sentence)).count == 1, "\(finding.sentence)")
      }
      #expect(html.contains(escaped(experiment.quote)))
    }
    #expect(html.ranges(of: "<svg ").count == 2 * (1 + report.entries.map(\.charts.count).reduce(0, +)))
    #expect(html.utf8.count < 1_500_000)
    try checkReferences(html, from: "\(scratch.path)/results")
    checkIdentities(html)
  }

  @Test("no sentence is on the page twice, and a folded page has its claims, a picture and a card for each")
  func once() throws {
    let scratch = try ScratchDirectory("once")
    let (report, html) = try write(scratch)
    var text = html
    for whole in [#/<svg .*?<\/svg>/#, #/<style>.*?<\/style>/#, #/<script>.*?<\/script>/#] {
      text = text.replacing(whole.dotMatchesNewlines(), with: "")
    }
    let meanings = Set(Metric.catalogue.map { escaped($0.meaning) })
    var seen: Set<String> = []
    // Sources are cited by all who quote them.
    text = text.replacing(#/<blockquote>.*?<\/blockquote>\s*<p class="fine">[^<]*</#, with: "<")
    for match in text.matches(of: #/>([^<]+)</#) where !meanings.contains(String(match.output.1)) {
      for sentence in match.output.1.split(separator: #/[.;:] /#) where sentence.split(separator: " ").count >= 9 {
        #expect(seen.insert(sentence.trimmingCharacters(in: .whitespacesAndNewlines)).inserted, "twice: \(sentence)")
      }
    }
    #expect(!seen.isEmpty)
    let cards = html.matches(of: #/<details id="([^"]*)" class="experiment">/#).map { String($0.output.1) }
    #expect(cards == report.entries.map { $0.result.experiment.id.lowercased() })
    #expect(html.contains("<section class=\"picture\">") && html.contains("<nav "))
    for line in Overview(report.entries.map(\.result)).lines {
      #expect(html.contains("<td>\(escaped(line.claim))"), "\(line.claim)")
    }
  }

  @Test("a page that would be too large has its folded charts once, and those in sight twice")
  func budget() throws {
    let scratch = try ScratchDirectory("budget")
    let (report, whole) = try write(scratch, stems: ["11-zero-copy", "06-throughput-over-volume"])
    let small = try report.html(bytesMax: 1000)
    let charts = report.entries.map(\.charts.count).reduce(0, +)
    #expect(whole.ranges(of: "<svg ").count == 2 * (charts + 1))
    #expect(small.ranges(of: "<svg ").count == 2 * (report.entries.count + 1) + charts - report.entries.count)
    #expect(small.utf8.count < whole.utf8.count && small.contains("<div class=\"scroll\"><svg "))
    checkIdentities(small)
  }

  @Test("words and charts of a stored result are today's, and what decides is what was fixed before the run")
  func presented() throws {
    let scratch = try ScratchDirectory("presented")
    let result = try Synthetic.store("11-zero-copy", .quick, in: scratch.path)
    var today = result.experiment
    today.brief = "mended"
    today.charts[0].title = "A mended title"
    today.charts[1].y = "tau"
    today.verdicts = []
    let shown = result.presented(by: [today])
    #expect(shown.experiment.shortClaim == "mended" && shown.experiment.charts[0].title == "A mended title")
    #expect(shown.experiment.charts.count == today.charts.count - 1, "a chart of a metric that no row has")
    #expect(shown.experiment.verdicts == result.experiment.verdicts && shown.verdict == result.verdict)
    today.id = "E99"
    #expect(result.presented(by: [today]).experiment == result.experiment)
  }

  private func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
      .replacing("\"", with: "&quot;").replacing("'", with: "&#39;")
  }

  /// Links are anchors of the page or files that exist; nothing else names another place.
  private func checkReferences(_ html: String, from directory: String) throws {
    let namespaces = ["http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"]
    let bare = namespaces.reduce(html) { $0.replacing("=\"\($1)\"", with: "") }
    #expect(!bare.contains("http://") && !bare.contains("https://"))
    #expect(bare.ranges(of: "<script").count == 1 && bare.contains("<script>\(Report.hoverScript)</script>"))
    #expect(!Report.hoverScript.contains("innerHTML") && !Report.hoverScript.contains("fetch"))
    #expect(!bare.contains("@import") && !bare.contains("src=") && !bare.contains("onmouse"))
    let identities = Set(identities(html))
    for match in html.matches(of: #/href=["']([^"']*)["']/#) {
      let target = String(match.output.1)
      if target == "data:," { continue }
      if let anchor = target.wholeMatch(of: #/#(.*)/#)?.output.1 {
        #expect(identities.contains(anchor), "no anchor \(anchor)")
      } else {
        #expect(FileManager.default.fileExists(atPath: "\(directory)/\(target)"), "no file \(target)")
      }
    }
  }

  private func checkIdentities(_ html: String) {
    var seen: Set<Substring> = []
    for identity in identities(html) { #expect(seen.insert(identity).inserted, "id \(identity) is there twice") }
  }

  private func identities(_ html: String) -> [Substring] {
    html.matches(of: #/ id=["']([^"']*)["']/#).map(\.output.1)
  }

  @Test("definitions cannot write markup into the page")
  func escaping() throws {
    let scratch = try ScratchDirectory("escaping")
    let result = try Synthetic.store("11-zero-copy", .quick, in: "\(scratch.path)/results")
    var hostile = result
    hostile.experiment.claim = "<script>alert(1)</script> & more"
    hostile.experiment.caveats = ["{{style}} <b>"]
    let html = try Report(
      entries: [Report.Entry(result: hostile, charts: [])], writtenAt: "2026-01-01T00:00:00Z"
    ).html()
    #expect(!html.contains("<script>alert") && html.contains("&lt;script&gt;") && html.contains("{{style}} &lt;b&gt;"))
  }

  @Test("an unreadable result is said on the page, and the others stand")
  func unreadable() throws {
    let scratch = try ScratchDirectory("unreadable")
    let damaged = try Synthetic.store("10-compression", .quick, in: "\(scratch.path)/results")
    try SmallFile.replace("\(damaged.path)/\(ResultDirectory.Name.definition)", "id: E10\n")
    let (report, html) = try write(scratch, stems: ["11-zero-copy"])
    #expect(report.entries.count == 1 && report.unreadable.count == 1)
    #expect(html.contains("differs from what was fixed before the run"))
  }

  @Test("an empty results directory makes a page that says what to do")
  func empty() throws {
    let scratch = try ScratchDirectory("empty")
    try FileManager.default.createDirectory(atPath: "\(scratch.path)/results", withIntermediateDirectories: true)
    let (_, html) = try write(scratch, stems: [])
    #expect(html.contains("No results yet"))
  }

  @Test("the latest result is shown and the earlier one listed; charts follow the latest")
  func history() throws {
    let scratch = try ScratchDirectory("history")
    let older = try Synthetic.store("11-zero-copy", .quick, in: "\(scratch.path)/results", name: "20250101T000000Z-0aa")
    _ = try Chart.draw(older, into: "\(scratch.path)/plots")
    let (report, html) = try write(scratch, stems: ["11-zero-copy"])
    #expect(report.entries[0].history.map(\.name) == ["20250101T000000Z-0aa"])
    #expect(report.entries[0].charts.allSatisfy { $0.wide.contains(Synthetic.resultName) })
    #expect(report.forest?.wide.contains("sendfile is faster and cheaper than copying") == true)
    #expect(html.contains("All results of this experiment") && html.contains("class=\"spark\""))
    #expect(html.contains("20250101T000000Z-0aa: ") && html.contains("since the first"))
    try checkReferences(html, from: "\(scratch.path)/results")
  }

  @Test("a result of another profile is listed, and drawn in no line with the latest")
  func unlike() throws {
    let scratch = try ScratchDirectory("unlike")
    let older = try Synthetic.store(
      "11-zero-copy", .standard, in: "\(scratch.path)/results", name: "20250101T000000Z-0aa")
    let (_, html) = try write(scratch, stems: ["11-zero-copy"])
    #expect(html.contains("\(older.name)/rows.csv") && !html.contains("class=\"spark\""))
  }

  @Test("the page has ours beside the original, the ceiling when there is one, and how every result was made")
  func panels() throws {
    let scratch = try ScratchDirectory("panels")
    let result = try Synthetic.store("11-zero-copy", .quick, in: "\(scratch.path)/results")
    let bare = try Report(entries: [Report.Entry(result: result, charts: [])], writtenAt: "now").html()
    #expect(bare.contains("No ceiling was probed before this campaign.") && bare.contains("Durability: "))
    for topic in ["Replicates", "Page cache, as proved", "Steadiness", "Noise floor (A/A)"] {
      #expect(bare.contains("<dt>\(topic)</dt>"), "\(topic)")
    }
    for reason in result.verdict.stateReasons { #expect(bare.ranges(of: escaped(reason)).count == 1, "\(reason)") }
    var probed = result
    probed.ceiling = Ceiling(figures: ["loopback_mb_per_s": 7000, "memcpy_mb_per_s": 12_000])
    let page = try Report(entries: [Report.Entry(result: probed, charts: [])], writtenAt: "now").html()
    let share = try #require(probed.ceilingShares.max { $0.share.share < $1.share.share })
    #expect(page.contains(escaped(share.share.sentence)) && !page.contains("No ceiling was probed"))
    let test = try #require(result.experiment.verdicts.first?.test.arms.first)
    #expect(bare.contains("<dt>\(escaped(result.experiment.arm(named: test)?.label ?? ""))</dt>"))
  }

  @Test("comparisons stand under their rule, which is told once, and say why when they do not hold")
  func comparisons() throws {
    let scratch = try ScratchDirectory("comparisons")
    var result = try Synthetic.store("11-zero-copy", .quick, in: "\(scratch.path)/results")
    for index in result.rows.indices where result.rows[index].arm == "sendfile" {
      result.rows[index].metrics["mb_per_s"]? /= 1000
    }
    let html = try Report(entries: [Report.Entry(result: result, charts: [])], writtenAt: "now").html()
    for rule in result.experiment.verdicts {
      #expect(html.ranges(of: "<br>\(escaped(rule.meaning))").count == 1, "\(rule.name)")
    }
    let findings = result.verdict.findings
    #expect(Set(findings.map(\.outcome)).count > 1, "some hold and some do not")
    for finding in findings {
      let told = html.contains("<br><span class=\"fine\">\(escaped(finding.sentence))</span>")
      #expect(told == (finding.outcome != .supported), "\(finding.sentence)")
    }
  }

  @Test("a comparison has a page of the same style, with every effect and what else differs")
  func comparison() throws {
    let scratch = try ScratchDirectory("comparison")
    let first = try Synthetic.store("11-zero-copy", .quick, in: scratch.path, name: "a")
    var second = try Synthetic.store("11-zero-copy", .quick, in: scratch.path, name: "b")
    second.machine.kernel = "7.0 <b>"
    let comparison = try Comparison(first, second)
    let html = try comparison.html(first, second, writtenAt: "2026-01-01T00:00:00Z")
    #expect(html.contains("kernel: 6.1.0 → 7.0 &lt;b&gt;") && html.contains(Report.style))
    #expect(html.ranges(of: "class=\"spark effect\"").count == comparison.effects.count)
    #expect(html.contains("exit code \(comparison.exitCode)") && !html.contains("https://"))
  }

  @Test(
    "links between directories are relative",
    arguments: [("/a/results", "/a/plots", "../plots"), ("/a/r", "/a/r/p", "p"), ("/a/b/c", "/a/d", "../../d")])
  func links(from: String, to: String, link: String) {
    #expect(Report.link(from: from, to: to) == link)
  }
}
