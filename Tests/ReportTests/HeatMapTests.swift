import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Report
@testable import Results

@Suite("Heat map")
struct HeatMapTests {
  private let definition = Fixture.chart(
    .heatmap, x: "block", y: "mb_per_s", series: ["depth"], arms: ["ordered", "scattered"])

  private var experiment: Experiment {
    Fixture.experiment(
      number: 99, name: "blocks",
      factors: [
        Factor(name: "block", levels: ["4096", "1048576"]), Factor(name: "depth", levels: ["1", "32"]),
      ],
      arms: [Fixture.arm("ordered", .test), Fixture.arm("scattered", .baseline)], metrics: ["mb_per_s"],
      verdicts: [], charts: [definition])
  }

  private func rows(_ arm: String, _ block: Level, _ depth: Level, _ values: [Double]) -> [Row] {
    Fixture.rows(arm, "mb_per_s", values, levels: ["block": block, "depth": depth])
  }

  private var rows: [Row] {
    rows("ordered", "4096", "1", [2000, 2100, 1900]) + rows("scattered", "4096", "1", [20, 21, 19])
      + rows("ordered", "4096", "32", [2000, 2100, 1900]) + rows("scattered", "4096", "32", [400, 410, 390])
      + rows("ordered", "1048576", "32", [1000, 1010, 990]) + rows("scattered", "1048576", "32", [2000, 2010, 1990])
      + rows("ordered", "1048576", "1", [2000, 2010])
  }

  private func chart(_ rows: [Row]) throws -> Chart {
    try #require(Chart(definition, of: experiment, rows: rows, seed: 1, caption: "made up"))
  }

  @Test("each cell is the first arm's median over the second's, with its interval, and a cell without both is empty")
  func ratios() throws {
    let chart = try chart(rows)
    #expect(chart.points.map(\.y) == [100, 5, 0.5])
    #expect(chart.points.map(\.x) == [0, 0, 1] && chart.points.map(\.series) == ["1", "32", "32"])
    #expect(chart.points.map(\.level) == ["4096", "4096", "1048576"])
    #expect(chart.points.allSatisfy { $0.low <= $0.y && $0.y <= $0.high && $0.count == 3 && $0.kind == .median })
  }

  @Test("invalid runs stay out of it")
  func invalid() throws {
    var spoiled = rows
    spoiled[0].metrics["mb_per_s"] = 90_000
    spoiled[0].invalid = "the data were to be cold and were hot"
    let cell = try #require(try chart(spoiled).points.first)
    #expect(cell.y == 100 && cell.count == 2)
  }

  @Test("draws, and redraws in an empty directory from its CSV alone")
  func redraws() throws {
    let chart = try chart(rows)
    let drawn = try DrawnTwice(chart)
    for end in [".csv", ".gp", ".svg", "-narrow.svg", ".png"] { #expect(drawn.first.exists(chart.stem + end)) }
    #expect(drawn.svg == drawn.again)
    let text = drawn.svg
    #expect(text.contains("100×") && text.contains("0.5×") && text.contains("<title>1, 4096: 100×"))
    #expect(!text.contains("onmousemove"))
  }

  @Test("no cell with both arms, no chart")
  func empty() {
    let rows = rows("ordered", "4096", "1", [1, 2])
    #expect(Chart(definition, of: experiment, rows: rows, seed: 1, caption: "") == nil)
  }
}
