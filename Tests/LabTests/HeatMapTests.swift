import Foundation
import Testing

@testable import Lab

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

@Suite("Verdict: exponent over a sweep")
struct ExponentTests {
  private static let sweep = Factor(name: "stored", levels: ["1000", "4000", "16000", "64000", "256000"])

  private func judge(
    tolerance: Double? = nil, threshold: Double? = nil, only: [Factor] = [], spread: Double = 0.01, replicates: Int = 7,
    _ rate: (Double) -> Double
  ) -> Verdict {
    let rule = Fixture.rule(
      "growth", .exponent, metric: "records_per_s", test: ["log"], baseline: [], only: only, threshold: threshold,
      tolerance: tolerance)
    let experiment = Fixture.experiment(
      number: 98, name: "growth", factors: [], sweep: Self.sweep, arms: [Fixture.arm("log", .test)],
      metrics: ["records_per_s"], verdicts: [rule])
    let rows = (0..<replicates).flatMap { replicate -> [Row] in
      let noise = Fixture.around(1, spread: spread, count: 5, seed: UInt64(replicate) + 1)
      return zip(Self.sweep.levels, noise).flatMap { level, noise -> [Row] in
        var rows = Fixture.rows(
          "log", "records_per_s", [rate(level.number ?? 0) * noise], levels: ["stored": level])
        for index in rows.indices { rows[index].replicate = replicate + 1 }
        return rows
      }
    }
    return Verdict.judge(experiment, rows: rows, under: Fixture.calm)
  }

  @Test("a steady rate has the exponent zero, and one that falls by a tenth a doubling has not")
  func flat() throws {
    let steady = judge(tolerance: 0.02) { _ in 1e6 }
    #expect(steady.outcome == .supported, "\(steady.sentence)")
    #expect(abs(try #require(steady.findings[0].effect).value) < 0.01)
    let falling = judge(tolerance: 0.02) { 1e6 * power($0, -0.152) }
    #expect(falling.outcome == .notSupported)
    #expect(abs(try #require(falling.findings[0].effect).value - 0.152) < 0.01)
    #expect(falling.sentence.contains("N^-b with b = 0.15"), "\(falling.sentence)")
    #expect(judge(tolerance: 0.02) { 1e6 * power($0, 0.152) }.outcome == .notSupported, "a rise is not flat either")
    #expect(judge(tolerance: 0.02, spread: 0.4) { _ in 1e6 }.outcome == .inconclusive)
  }

  @Test("above a threshold, on the levels the rule names")
  func above() {
    #expect(judge(threshold: 0) { 1e6 * power($0, -0.5) }.outcome == .supported)
    #expect(judge(threshold: 0) { 1e6 * power($0, 0.1) }.outcome == .notSupported)
    #expect(judge(threshold: 0, spread: 0.4) { _ in 1e6 }.outcome == .inconclusive)
    let beyond = Factor(name: "stored", levels: ["16000", "64000", "256000"])
    // Flat up to 16,000 and falling from there: only the levels beyond show all of it.
    let cliff = judge(threshold: 0.9, only: [beyond]) { $0 <= 16_000 ? 1e6 : 1e6 * 16_000 / $0 }
    #expect(cliff.outcome == .supported, "\(cliff.sentence)")
    #expect(judge(threshold: 0.9) { $0 <= 16_000 ? 1e6 : 1e6 * 16_000 / $0 }.outcome != .supported)
  }

  @Test("too few replicates or levels decide nothing")
  func few() {
    #expect(judge(tolerance: 0.02, replicates: 3) { _ in 1e6 }.outcome == .inconclusive)
    let two = Factor(name: "stored", levels: ["64000", "256000"])
    #expect(judge(tolerance: 0.02, only: [two]) { _ in 1e6 }.outcome == .inconclusive)
  }

  private func power(_ x: Double, _ exponent: Double) -> Double { Foundation.pow(x, exponent) }
}

@Suite("Figures of a sweep")
struct SweepFiguresTests {
  @Test("what a program says of each level is found under that level, and nothing else")
  func levels() throws {
    let output = #"{"at":{"1000":{"records_per_s":5,"oddity":1},"10":{"records_per_s":7}},"records_per_s":6}"#
    let figures = try #require(ReportedFigures(output: output))
    #expect(figures.metrics(at: "1000") == ["records_per_s": 5])
    #expect(figures.metrics(at: "10") == ["records_per_s": 7] && figures.metrics(at: "100").isEmpty)
    #expect(figures.metrics["records_per_s"] == 6)
  }

  @Test("a latency under its own name is kept, and one under the generator's is found")
  func latencies() throws {
    let own = try #require(ReportedFigures(output: #"{"service_p99_ms":3}"#))
    #expect(own.metrics == ["service_p99_ms": 3])
    let generator = try #require(ReportedFigures(output: #"{"service_latency_ms":{"p99":4}}"#))
    #expect(generator.metrics["service_p99_ms"] == 4)
  }

  @Test("cold data that the kernel did not charge for make a run invalid")
  func cold() {
    var check = Reconciliation()
    check.coldReads(charged: 95, of: 100, expectsCold: true)
    check.coldReads(charged: 10, of: 100, expectsCold: false)
    check.coldReads(charged: nil, of: 100, expectsCold: true)
    #expect(check.faults.isEmpty)
    check.coldReads(charged: 10, of: 100, expectsCold: true)
    #expect(check.faults.count == 1 && check.faults[0].contains("cold"))
  }
}

@Suite("Definitions of heat maps and exponents")
struct HeatMapDefinitionTests {
  private func chart(_ text: String) throws -> Experiment {
    try Sample.experiment {
      $0.replacingOccurrences(of: "{title: A chart, x: size, y: mb_per_s, series: [arm],", with: text)
    }
  }

  @Test("a heat map needs two arms and two factors, and says so")
  func heatMap() throws {
    let read = try chart(
      "{title: A chart, kind: heatmap, x: size, y: mb_per_s, series: [colour], arms: [new, old],")
    #expect(read.charts[0].kind == .heatmap && read.charts[0].arms == ["new", "old"])
    for wrong in [
      "{title: A chart, kind: heatmap, x: size, y: mb_per_s, series: [colour], arms: [new],",
      "{title: A chart, kind: heatmap, x: size, y: mb_per_s, series: [size], arms: [new, old],",
      "{title: A chart, kind: heatmap, x: size, y: mb_per_s, arms: [new, old],",
      "{title: A chart, kind: heatmap, x: size, y: mb_per_s, series: [colour], panels: arm, arms: [new, old],",
    ] {
      let error = #expect(throws: DefinitionError.self, "\(wrong)") { try chart(wrong) }
      #expect(error?.message.contains("heat map") == true)
    }
  }

  @Test("an exponent needs a sweep, and a tolerance or a threshold but not both")
  func exponent() throws {
    func experiment(_ rule: String, sweep: Bool = true) throws -> Experiment {
      try Sample.experiment {
        $0.replacingOccurrences(of: "    kind: ratio\n", with: "    kind: exponent\n")
          .replacingOccurrences(of: "    threshold: 1.5\n", with: rule)
          .replacingOccurrences(of: "fixed:\n", with: (sweep ? "sweep: {stored: [1, 2, 4]}\n" : "") + "fixed:\n")
      }
    }
    #expect(try experiment("    tolerance: 0.02\n").verdicts[0].kind == .exponent)
    #expect(try experiment("    threshold: 0\n").verdicts[0].threshold == 0)
    for (rule, sweep) in [
      ("", true), ("    tolerance: 0.02\n    threshold: 0\n", true), ("    tolerance: 0.02\n", false),
    ] {
      #expect(throws: DefinitionError.self, "\(rule)") { try experiment(rule, sweep: sweep) }
    }
  }
}
