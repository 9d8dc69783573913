import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Report
@testable import Results
@testable import Verdict

@Suite("A chart of the runs' course")
struct CurveTests {
  private let experiment = Fixture.experiment(
    number: 6, name: "volume", factors: [], sweep: Factor(name: "stored_mib", levels: ["4096", "8192", "16384"]),
    arms: [Fixture.arm("broker", .control, program: .load(.produce), label: "broker, one long run")],
    metrics: ["mib_per_s"], verdicts: [])

  /// 900 MiB/s until memory (512 MiB) is full, then 400; a step of 128 MiB each.
  private func points(runs: Int, last: Double = 16384) -> [SeriesPoint] {
    var points: [SeriesPoint] = []
    for run in 0..<runs {
      let late = 400 + Double(run)
      for stored in stride(from: 128.0, through: last, by: 128) {
        let seconds = min(stored, 512) / 900 + max(stored - 512, 0) / late
        points.append(
          SeriesPoint(
            order: run, arm: "broker", replicate: run + 1, seconds: seconds, storedMiB: stored,
            mibPerSecond: stored <= 512 ? 900 : late, recordsPerSecond: 1, figures: ["p50_ms": 1, "p99_ms": 20]))
      }
    }
    return points
  }

  private func rows(runs: Int) -> [Row] {
    Fixture.rows("broker", "mib_per_s", Array(repeating: 400, count: runs), tier: .endToEnd)
  }

  private func drawn(_ definition: ChartDefinition, runs: Int = 3, rows: [Row]? = nil) -> Chart? {
    Chart(
      curve: definition, of: experiment, rows: rows ?? self.rows(runs: runs), series: points(runs: runs),
      ceiling: Fixture.ceiling, seed: 1, caption: "made up")
  }

  private func definition(_ y: String, other: [String] = []) -> ChartDefinition {
    var chart = Fixture.chart(
      .curve, x: "stored_mib", y: y, series: [], arms: ["broker"], logX: true,
      references: [
        ReferenceLine(axis: .x, at: "{memory_mib}", label: "memory"),
        ReferenceLine(axis: .y, at: "{device_write_mib_per_s}", label: "device"),
      ])
    chart.otherY = other
    return chart
  }

  @Test("has a dot for each interval and a line through medians of a quarter of a doubling")
  func points() throws {
    let chart = try #require(drawn(definition("mib_per_s")))
    #expect(chart.points.count { $0.kind == .raw } == 128)
    let line = chart.points.filter { $0.kind == .median }
    #expect(line.count > 15 && line.count < 29, "\(line.count)")
    #expect(line.first.map { Int($0.y.rounded()) } == 900 && line.last.map { Int($0.y.rounded()) } == 401)
    #expect(chart.replicates == 3...3)
  }

  @Test("a rate is that of 128 MiB at least, bytes over time, however short the intervals were")
  func rates() throws {
    // 16 MiB at 100 MiB/s and 16 at 900, by turns: 180 MiB/s.
    var seconds = 0.0
    let series = (1...64).map { index in
      let rate = index % 2 == 0 ? 900.0 : 100
      seconds += 16 / rate
      return SeriesPoint(
        order: 0, arm: "broker", replicate: 1, seconds: seconds, storedMiB: 16 * Double(index), mibPerSecond: rate,
        recordsPerSecond: 1)
    }
    let chart = try #require(
      Chart(
        curve: definition("mib_per_s"), of: experiment, rows: rows(runs: 1), series: series, ceiling: nil, seed: 1,
        caption: ""))
    let dots = chart.points.filter { $0.kind == .raw }
    #expect(dots.count == 8 && dots.allSatisfy { abs($0.y - 180) < 0.01 }, "\(dots.map(\.y))")
  }

  @Test("a run of few MiB has rates too, each of an eighth of it")
  func small() throws {
    // 32 MiB at 100 MiB/s, an interval for each MiB.
    let series = (1...32).map { stored in
      SeriesPoint(
        order: 0, arm: "broker", replicate: 1, seconds: Double(stored) / 100, storedMiB: Double(stored),
        mibPerSecond: 100, recordsPerSecond: 1)
    }
    let chart = try #require(
      Chart(
        curve: definition("mib_per_s"), of: experiment, rows: rows(runs: 1), series: series, ceiling: nil, seed: 1,
        caption: "made up"))
    let dots = chart.points.filter { $0.kind == .raw }
    #expect(dots.map(\.x) == stride(from: 4.0, through: 32, by: 4).map { $0 })
    #expect(dots.allSatisfy { abs($0.y - 100) < 1e-9 })
  }

  @Test("draws the claim at the level after memory is full, not at the burst before")
  func claim() throws {
    let chart = try #require(drawn(definition("mib_per_s")))
    let claim = chart.points.filter { $0.kind == .claim }
    #expect(!claim.isEmpty && claim.allSatisfy { abs($0.y - 401) < 0.01 && $0.x >= 1000 }, "\(claim)")
    #expect(chart.claimLabel.contains("memory had just filled"))
  }

  @Test("over time it has a place for each sixtieth of the run, dots as they are, and neither doublings nor a claim")
  func overTime() throws {
    var chart = definition("mib_per_s")
    (chart.x, chart.logX) = (SeriesPoint.minutes, false)
    let series = (1...600).map { second in
      SeriesPoint(
        order: 0, arm: "broker", replicate: 1, seconds: Double(second), storedMiB: Double(second), mibPerSecond: 1,
        recordsPerSecond: 1, figures: ["rss_mib": second <= 300 ? 40 : 50])
    }
    func drawn(_ definition: ChartDefinition) -> Chart? {
      Chart(
        curve: definition, of: experiment, rows: rows(runs: 1), series: series, ceiling: nil, seed: 1, caption: "")
    }
    let rates = try #require(drawn(chart))
    let line = rates.points.filter { $0.kind == .median }
    #expect(line.count == 60 && line.allSatisfy { $0.y == 1 } && line.last.map { $0.x > 9.9 && $0.x < 10 } == true)
    #expect(rates.ticks.isEmpty && rates.claimLabel.isEmpty)
    #expect(rates.points.count { $0.kind == .raw } == 300, "every second one of 600")
    (chart.y, chart.otherY) = ("rss_mib", ["mib_per_s"])
    let memory = try #require(drawn(chart))
    #expect(memory.series.first?.label == "broker, one long run, resident memory")
    #expect(memory.points.filter { $0.kind == .median && $0.series == "broker/rss_mib" }.map(\.y).last == 50)
  }

  @Test("marks memory from the definition and the device's own rate from the probe")
  func marks() throws {
    let chart = try #require(drawn(definition("mib_per_s")))
    #expect(chart.lines.map(\.label) == ["memory", "device"])
    #expect(chart.lines[0].at == 512 && abs(chart.lines[1].at - 500 / 1.048_576) < 1e-6)
  }

  @Test("has a line for each of several columns, named in words")
  func columns() throws {
    let chart = try #require(drawn(definition("p50_ms", other: ["p99_ms"])))
    #expect(chart.series.map(\.label) == ["broker, one long run, median", "broker, one long run, 99th percentile"])
    #expect(chart.claimLabel.isEmpty)
  }

  @Test("stays when a stored result is shown with today's charts, though what it draws is no metric of rows")
  func presented() throws {
    let scratch = try ScratchDirectory("presented")
    let result = try Synthetic.store("06-throughput-over-volume", .standard, in: scratch.path)
    let today = try Synthetic.experiment("06-throughput-over-volume")
    #expect(result.presented(by: [today]).experiment.charts.map(\.name) == today.charts.map(\.name))
  }

  @Test("leaves out runs that do not count, and is not there without any")
  func invalid() {
    var rows = rows(runs: 3)
    for index in rows.indices { rows[index].invalid = "a reason" }
    #expect(drawn(definition("mib_per_s"), rows: rows) == nil)
  }

  @Test("thins its dots, never its line, where runs are long")
  func thinned() throws {
    let chart = try #require(
      Chart(
        curve: definition("mib_per_s"), of: experiment, rows: rows(runs: 1), series: points(runs: 1, last: 131_072),
        ceiling: nil, seed: 1, caption: ""))
    #expect(chart.points.count { $0.kind == .raw } <= 320)
    #expect(chart.lines.count == 1, "no probe, no line of the device")
  }
}
