import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Measure
@testable import Results

@Suite("CSV: strict both ways")
struct CSVTests {
  let experiment = Fixture.experiment(
    number: 11, name: "paths", factors: [Factor(name: "path", levels: ["copy, 4K", "sendfile"])],
    sweep: Factor(name: "stored_mib", levels: ["1", "2"]), arms: [Fixture.arm("bare", .test)],
    metrics: ["mb_per_s", "cpu_s_per_gb"], verdicts: [])

  private func row() -> Row {
    Row(
      order: 3, replicate: 2, arm: "bare", tier: .bare, role: .test, startedAt: "2026-01-01T00:00:00Z",
      levels: ["path": "copy, 4K", "stored_mib": "1"], invalid: "it said \"no\",\nthen stopped", warnings: "steal 3 %",
      cacheState: .hot, steadiness: .steady, durability: .pageCache,
      limitation: Limitation(.mechanism, of: .mechanism, [.cpu: 0.98765]),
      metrics: ["mb_per_s": 1234.5678901234567, "cpu_s_per_gb": 0.1])
  }

  @Test("rows come back as they were written, commas, quotes and line breaks included")
  func roundTrip() throws {
    var bare = row()
    bare.levels = [:]
    bare.metrics = [:]
    bare.invalid = ""
    let rows = [row(), bare, row()]
    #expect(try CSV.rows(reading: CSV.text(rows, of: experiment), file: "rows.csv", of: experiment) == rows)
  }

  @Test("series come back as they were written")
  func series() throws {
    let points = [
      SeriesPoint(
        order: 0, arm: "bare", replicate: 1, seconds: 0.5, storedMiB: 12.25, mibPerSecond: 24.5,
        recordsPerSecond: 1e7, dirtyMiB: 3, deviceWrittenMiB: nil)
    ]
    let text = points.reduce(into: CSV.seriesHeader(of: experiment)) { $0 += CSV.line($1, of: experiment) }
    #expect(try CSV.series(reading: text, file: "series.csv") == points)
  }

  @Test("series over time have the broker's columns as well, and series without them are as short as before")
  func seriesOverTime() throws {
    var timed = experiment
    timed.sweep = Factor(name: "elapsed_s", levels: ["1", "2"])
    let point = SeriesPoint(
      order: 0, arm: "bare", replicate: 1, seconds: 0.5, storedMiB: 12.25, mibPerSecond: 24.5, recordsPerSecond: 1e7,
      figures: ["p99_ms": 3, "rss_mib": 48.5, "open_descriptors": 21])
    let text = CSV.seriesHeader(of: timed) + CSV.line(point, of: timed)
    #expect(try CSV.series(reading: text, file: "series.csv") == [point])
    #expect(!CSV.seriesHeader(of: experiment).contains("rss_mib"))
    #expect(
      CSV.line(point, of: experiment).split(separator: "\n")[0].filter { $0 == "," }.count
        == CSV.seriesHeader(of: experiment).filter { $0 == "," }.count)
  }

  @Test(
    "every finite number survives",
    arguments: [0, -0.0, 1e300, .leastNonzeroMagnitude, 1 / 3.0, 123_456_789_012_345_680, -2.5])
  func numbers(value: Double) {
    #expect(Double(CSV.number(value)) == value)
  }

  @Test("what was not measured is an empty cell", arguments: [Double.nan, .infinity, nil])
  func unmeasured(value: Double?) {
    #expect(CSV.number(value) == "")
  }

  @Test(
    "a damaged file is refused with its line",
    arguments: [
      ("", 0, "empty"), ("a,b\n1\n", 2, "1 cells"), ("a,b\n1,2,3\n", 2, "3 cells"), ("a,b\n1,2", 2, "unfinished"),
      ("a,b\n\"1,2\n", 3, "never closes"), ("a,b\n\"1\"x,2\n", 2, "after a closing quote"),
      ("a,b\n1\"x,2\n", 2, "quote inside"),
    ])
  func damaged(text: String, line: Int, reason: String) {
    #expect {
      try CSV.table(reading: text, file: "f.csv")
    } throws: { error in
      guard let error = error as? CSVError else { return false }
      return error.line == line && error.reason.contains(reason) && error.description.hasPrefix("f.csv:\(line): ")
    }
  }

  @Test("columns the definition does not have, or has and are missing, and cells of the wrong kind are named")
  func columns() {
    let good = CSV.text([row()], of: experiment)
    let changes: [(String, String, String)] = [
      ("mb_per_s", "mb_per_sec", "mb_per_sec is not in the definition"), ("mb_per_s", "arm", "arm is there twice"),
      (",0.1,", ",fast,", "\"fast\" is not a number"), (",hot,", ",warm,", "one of cold, lukewarm, hot, unknown"),
      ("\n3,", "\nthree,", "is not a whole number"), (",0.1,", ",inf,", "is not a number"),
    ]
    for (old, new, reason) in changes {
      let text = good.replacing(old, with: new, maxReplacements: 1)
      #expect(text != good)
      #expect {
        try CSV.rows(reading: text, file: "rows.csv", of: experiment)
      } throws: {
        ("\($0)").contains(reason)
      }
    }
    #expect {
      try CSV.rows(reading: "order,arm\n1,a\n", file: "rows.csv", of: experiment)
    } throws: {
      ("\($0)").contains("column replicate is missing")
    }
  }

  @Test("the schema names every column once, with its unit and meaning")
  func schema() throws {
    let schema = try CSV.table(reading: CSV.schema(of: experiment), file: "schema.csv")
    let rows = try CSV.table(reading: CSV.rowsHeader(of: experiment), file: "rows.csv")
    #expect(schema.records.map { $0.cells[0] } == rows.columns)
    #expect(schema.records.allSatisfy { !$0.cells[3].isEmpty })
  }
}
