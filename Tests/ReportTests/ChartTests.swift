import Foundation
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Report
@testable import Results

/// A chart drawn, and its script run again in a directory that has nothing but the script and its CSV.
struct DrawnTwice {
  let first: ScratchDirectory
  let second: ScratchDirectory
  let svg: String
  let again: String

  init(_ chart: Chart) throws {
    first = try ScratchDirectory("first")
    second = try ScratchDirectory("second")
    try chart.draw(into: first.path)
    for end in [".csv", ".gp"] {
      try FileManager.default.copyItem(
        atPath: "\(first.path)/\(chart.stem)\(end)", toPath: "\(second.path)/\(chart.stem)\(end)")
    }
    try Chart.gnuplot("\(chart.stem).gp", in: second.path)
    svg = try #require(SmallFile.read("\(first.path)/\(chart.stem).svg"))
    again = Chart.withoutScript(try #require(SmallFile.read("\(second.path)/\(chart.stem).svg")))
  }
}

@Suite("Chart")
struct ChartTests {
  private func charts(_ stem: String, _ profile: Profile = .standard) throws -> [Chart] {
    let experiment = try Synthetic.experiment(stem).under(profile)
    let rows = Synthetic.rows(of: experiment)
    return experiment.charts.compactMap {
      Chart(
        $0, of: experiment, rows: rows, series: Synthetic.series(of: experiment, rows: rows), seed: 1,
        caption: "\(profile.rawValue) profile · 20260101T000000Z-0000000")
    }
  }

  @Test("every chart of the definitions draws as SVG, narrow SVG and PNG", arguments: Synthetic.stems)
  func draws(stem: String) throws {
    let scratch = try ScratchDirectory("plots")
    let drawn = try charts(stem)
    #expect(drawn.count == (try Synthetic.experiment(stem).charts.count))
    for chart in drawn {
      try chart.draw(into: scratch.path)
      for end in [".csv", ".gp", ".svg", "-narrow.svg", ".png"] { #expect(scratch.exists(chart.stem + end)) }
      let svg = try #require(SmallFile.read("\(scratch.path)/\(chart.stem).svg"))
      #expect(svg.contains("<title>") && !svg.contains("onmousemove"))
      #expect(svg.contains(chart.definition.title.replacing("&", with: "&amp;")))
    }
  }

  @Test("the quick profile draws too", arguments: Synthetic.stems)
  func quick(stem: String) throws {
    let scratch = try ScratchDirectory("quick")
    for chart in try charts(stem, .quick) { try chart.draw(into: scratch.path) }
  }

  @Test("a script redraws in an empty directory from its CSV alone")
  func redraws() throws {
    let chart = try #require(try charts("11-zero-copy").first)
    let drawn = try DrawnTwice(chart)
    #expect(drawn.svg == drawn.again)
    #expect(!chart.script.contains(drawn.second.path) && !chart.script.contains(drawn.first.path))
  }

  @Test("on a logarithmic axis a median is a point: a bar would be as long as the axis happens to reach")
  func logarithmicBars() throws {
    let chart = try #require(try charts("02-disk-against-memory").first)
    #expect(chart.definition.kind == .bars && chart.definition.logY)
    #expect(!chart.script.contains("with boxes") && chart.script.contains("with points pt 7 ps 1.2"))
    let linear = try #require(try charts("11-zero-copy").first)
    #expect(linear.definition.kind == .bars && !linear.definition.logY && linear.script.contains("with boxes"))
  }

  @Test(
    "an axis names large numbers in few characters, and never rounds",
    arguments: [
      (0.05, "0.05"), (5000.0, "5000"), (20_000.0, "20k"), (1_500_000.0, "1.5M"), (3e9, "3G"),
      (12_345_678.0, "12345678"),
    ])
  func short(value: Double, label: String) { #expect(Script.short(value) == label) }

  @Test(
    "bytes have their own units",
    arguments: [(100.0, "100"), (4096, "4 KiB"), (1_048_576, "1 MiB"), (98_304, "96 KiB")])
  func binary(value: Double, label: String) { #expect(Script.binary(value) == label) }

  @Test("no number is told with an exponent", arguments: Synthetic.stems)
  func withoutExponents(stem: String) throws {
    let scratch = try ScratchDirectory("exponents")
    for chart in try charts(stem) {
      try chart.draw(into: scratch.path)
      for end in [".svg", "-narrow.svg"] {
        let svg = try #require(SmallFile.read("\(scratch.path)/\(chart.stem)\(end)"))
        #expect(svg.firstMatch(of: #/>[^<]*[0-9]e[+-]?[0-9]+[^<]*</#)?.output == nil, "\(chart.stem)\(end)")
      }
    }
  }

  @Test("a relative directory, with a quote in its name, serves as well")
  func relative() throws {
    let scratch = try ScratchDirectory("it's here")
    let here = FileManager.default.currentDirectoryPath
    let chart = try #require(try charts("11-zero-copy", .quick).first)
    try chart.draw(into: Report.link(from: here, to: scratch.path))
    #expect(scratch.exists(chart.stem + ".png"))
  }

  @Test("a script gnuplot refuses is an error that names it")
  func refused() throws {
    let scratch = try ScratchDirectory("refused")
    try SmallFile.replace("\(scratch.path)/bad.gp", "plot \"nothing.csv\" using (\n")
    #expect {
      try Chart.gnuplot("bad.gp", in: scratch.path)
    } throws: {
      ("\($0)").contains("bad.gp")
    }
  }

  @Test("medians carry their interval and n, invalid runs stay out of them and are drawn hollow")
  func points() throws {
    let experiment = Fixture.experiment(
      number: 11, name: "paths", factors: [Factor(name: "mb", levels: ["7", "98"])],
      arms: [Fixture.arm("sendfile", .test), Fixture.arm("copy", .baseline, label: "read & \"write\"")],
      metrics: ["mb_per_s"],
      verdicts: [
        Fixture.rule("r", .ratio, metric: "mb_per_s", test: ["sendfile"], baseline: ["copy"], threshold: 1.5)
      ],
      originals: [Original(label: "IBM", value: 2, unit: "times", note: "", at: "98")])
    var rows =
      Fixture.rows("sendfile", "mb_per_s", [300, 310, 290], levels: ["mb": "98"])
      + Fixture.rows("copy", "mb_per_s", [100, 110, 90], levels: ["mb": "98"], role: .baseline)
    rows[1].invalid = "the generator limited it"
    let definition = Fixture.chart(.bars, x: "mb", y: "mb_per_s", series: ["arm"])
    let chart = try #require(Chart(definition, of: experiment, rows: rows, seed: 1, caption: "c"))
    let median = try #require(chart.points.first { $0.kind == .median && $0.series == "sendfile" })
    #expect(median.y == 295 && median.count == 2 && median.low <= 295 && median.high >= 295)
    #expect(chart.points.filter { $0.kind == .invalid }.map(\.y) == [310])
    #expect(chart.replicates == 2...3)
    let claim = try #require(chart.points.first { $0.kind == .claim })
    #expect(claim.y == 200 && claim.x == median.x, "the original's ratio of our baseline's median, at sendfile's bar")
    #expect(chart.ticks.map(\.label) == ["98"] && chart.series.map(\.label) == ["sendfile", "read & \"write\""])
    let scratch = try ScratchDirectory("points")
    try chart.draw(into: scratch.path)
    let table = try CSV.table(reading: chart.csv, file: "c.csv")
    #expect(table.columns == Chart.columns.map(\.name) && table.records.count == chart.points.count)
  }

  @Test("where arms have a bar each, a rule's expected ratio marks its test's bar")
  func shapeClaim() throws {
    var rule = Fixture.rule("shape", .equal, metric: "mb_per_s", test: ["new"], baseline: ["old"], tolerance: 0.15)
    rule.around = 2.5
    let rows =
      Fixture.rows("new", "mb_per_s", [190, 200, 210]) + Fixture.rows("old", "mb_per_s", [90, 100, 110])
    func claims(_ rule: VerdictRule) throws -> [Chart.Point] {
      let definition = Fixture.chart(.bars, x: "arm", y: "mb_per_s", series: ["arm"])
      let chart = try #require(Chart(definition, of: Fixture.pair([rule]), rows: rows, seed: 1, caption: "c"))
      return chart.points.filter { $0.kind == .claim }
    }
    let claim = try #require(try claims(rule).first)
    #expect(claim.series == "new" && claim.y == 250, "two and a half times the baseline's 100, at the other's bar")
    rule.around = 1
    #expect(try claims(rule).isEmpty, "a control that must show nothing has no mark")
  }

  @Test("the claim of flatness is a line at the level of the first tenth")
  func flatClaim() throws {
    let sweep = Factor(name: "stored_mib", levels: (1...10).map { Level(String($0 * 64)) })
    let definition = Fixture.chart(
      .lines, x: "stored_mib", y: "mib_per_s", series: ["arm"],
      references: [ReferenceLine(axis: .x, at: "{memory_mib}", label: "memory")])
    let experiment = Fixture.experiment(
      number: 6, name: "volume", factors: [], sweep: sweep,
      arms: [Fixture.arm("broker", .test), Fixture.arm("raw", .control)], metrics: ["mib_per_s"],
      verdicts: [
        Fixture.rule("flat", .flat, metric: "mib_per_s", test: ["broker"], baseline: ["raw"], tolerance: 0.02)
      ])
    let rows = sweep.levels.flatMap { level in
      Fixture.rows("broker", "mib_per_s", [level == "64" ? 900 : 640], levels: ["stored_mib": level])
        + Fixture.rows("raw", "mib_per_s", [700], levels: ["stored_mib": level])
    }
    let chart = try #require(Chart(definition, of: experiment, rows: rows, seed: 1, caption: ""))
    let claim = chart.points.filter { $0.kind == .claim }
    #expect(claim.count == 10 && claim.allSatisfy { $0.y == 900 })
    #expect(chart.lines == [Chart.Line(axis: .x, at: 512, label: "memory")])
  }

  @Test("no rows, no chart")
  func empty() throws {
    let experiment = try Synthetic.experiment("11-zero-copy")
    #expect(Chart(experiment.charts[0], of: experiment, rows: [], seed: 1, caption: "") == nil)
  }

  @Test("curves of the same height are drawn beside each other, and others where they are")
  func beside() throws {
    let chart = try #require(try charts("03-page-cache").first)
    func shifts(_ script: String) -> Int { script.ranges(of: #/"median", 4\) \* [0-9.]+\)/#).count }
    var apart = chart
    for index in apart.points.indices {
      let place = Double(apart.series.firstIndex { $0.key == apart.points[index].series } ?? 0)
      apart.points[index].y = 20 * (place + 1)
    }
    #expect(shifts(apart.script) == 0)
    var together = apart
    for index in together.points.indices { together.points[index].y = 20 }
    #expect(shifts(together.script) > 0)
    #expect(
      together.csv.split(separator: "\n").count == chart.csv.split(separator: "\n").count, "the CSV has the true places"
    )
  }

  @Test("among lines an arm that does not depend on x is level, and among bars it has no place")
  func level() throws {
    let chart = try #require(try charts("22-transactions").first)
    let plain = chart.points.filter { $0.kind == .median && $0.series == "plain" }
    #expect(plain.map(\.level) == ["10", "100", "1000", "10000", "100000"])
    #expect(Set(plain.map(\.y)).count == 1)
    var definition = chart.definition
    definition.kind = .bars
    let experiment = try Synthetic.experiment("22-transactions")
    let bars = Chart(definition, of: experiment, rows: Synthetic.rows(of: experiment), seed: 1, caption: "")
    #expect(try #require(bars).series.map(\.key) == ["transactional"])
  }

  @Test("consumers over partitions have the ideal beside them: one's rate for each that can work")
  func ideal() throws {
    let chart = try #require(try charts("15-partitions").first)
    #expect(chart.claimLabel.hasPrefix("ideal"))
    let ideal = chart.points.filter { $0.kind == .claim }
    let medians = chart.points.filter { $0.kind == .median }
    #expect(ideal.count == medians.count)
    // The rows are made up with 900 MB/s for each of at most four workers.
    for point in ideal {
      let partitions = try #require(Double(point.series)), consumers = try #require(Double(point.level))
      let expected = 900 * min(partitions, consumers, 4)
      #expect(abs(point.y / expected - 1) < 0.1, "\(point)")
    }
  }
}
