import Foundation
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Report
@testable import Results
@testable import Verdict

@Suite("The picture of all claims", .serialized)
struct ForestPlotTests {
  private func line(_ id: String, _ ratio: Overview.Ratio?, _ grade: Grade = .holds, aside: Bool = false)
    -> Overview.Line
  {
    Overview.Line(
      id: id, stem: "01-\(id)", claim: "the claim of \(id)", original: "",
      ours: Overview.Told(value: "5×", interval: "[4, 6]"),
      grade: grade, limit: "", isAside: aside, ratio: ratio)
  }

  private func ratio(cap: Cap? = nil) -> Overview.Ratio {
    Overview.Ratio(
      ours: Estimate(value: 5, low: 4, high: 6, count: 7), original: 10, threshold: 2, floor: 0.05, cap: cap)
  }

  private func plot(_ lines: [Overview.Line]) throws -> ForestPlot {
    var overview = Overview([])
    overview.lines = lines
    return try #require(ForestPlot(overview, caption: "a caption"))
  }

  @Test("has a line for each claim, the first on top, and its marks in the CSV that its script draws from")
  func lines() throws {
    let plot = try plot([
      line("E1", ratio()), line("E2", nil, .fails), line("E3", ratio(cap: .link), .capped(by: .link, atLeast: 5)),
      line("E4", ratio(), .reported, aside: true),
    ])
    let rows = plot.csv.split(separator: "\n")
    #expect(rows[0] == "place,id,claim,grade,original,ours,low,high,threshold,floor,cap")
    #expect(rows[1] == "0,E1,the claim of E1,holds,10,5,4,6,2,0.05,")
    #expect(rows[2] == "1,E2,the claim of E2,fails,,,,,,,")
    #expect(rows[3].hasSuffix(",the link") && rows.count == 5)
    let scratch = try ScratchDirectory("forest")
    try plot.draw(into: scratch.path)
    for name in ["overview.svg", "overview-narrow.svg"] {
      let svg = try #require(SmallFile.read("\(scratch.path)/\(name)"))
      for id in ["E1", "E2", "E3", "E4"] { #expect(svg.contains("the claim of \(id)"), "\(name)") }
      #expect(
        svg.contains("at least so much") && svg.contains("a figure that is no ratio") && svg.contains("as published"))
      #expect(svg.ranges(of: "<title>E").count == 3, "a hover text for each ratio")
    }
    #expect(scratch.exists("overview.png"))
  }

  @Test("a figure that has no room leaves out the words before it")
  func long() throws {
    #expect(ForestPlot.fitting("knee at 2,850 B [2,490, 3,210]") == "knee at 2,850 B [2,490, 3,210]")
    let figure = "CPU, one broker / three replicas: 0.141× [0.132, 0.184]"
    #expect(ForestPlot.fitting(figure) == "0.141× [0.132, 0.184]")
    let words = "a figure that is long and has no words before it"
    #expect(ForestPlot.fitting(words) == words)
    var one = line("E1", ratio())
    one.ours = Overview.Told(value: "CPU, one broker / three replicas: 0.141×", interval: "[0.132, 0.184]")
    let script = try plot([one]).script
    #expect(script.contains("\"0.141× [0.132, 0.184]\"") && !script.contains("three replicas"))
  }

  @Test("without a cap there is no arrow in the key, and without any ratio no picture")
  func without() throws {
    let plain = try plot([line("E1", ratio())])
    #expect(!plain.script.contains("at least so much") && !plain.script.contains("vectors head filled"))
    var none = Overview([])
    none.lines = [line("E1", nil)]
    #expect(ForestPlot(none, caption: "") == nil)
  }
}
