import Base
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Measure
@testable import Results
@testable import Runner

@Suite("A run in windows of time")
struct TimeWindowsTests {
  /// Ten records of 1 MiB a second for twelve seconds; p99 is the second.
  private static let series = IntervalSeries(moments: (1...12).map { moment(Double($0)) })

  private static func moment(_ second: Double) -> IntervalSeries.Moment {
    let figures: [String: Double] = [
      "response_p99_ms": second, "response_max_ms": second == 7 ? 80 : 20, "p99_ms": 2 * second,
      "produced_records_per_s": 11, "lag_records": second,
    ]
    return .init(seconds: second, bytes: second * 10_485_760, records: second * 10, figures: figures)
  }

  /// 40 MiB and one more each second; a tenth of a core.
  private static let samples = (0...12).map { second in
    BrokerWatch.Sample(
      seconds: Double(second), cpuSeconds: 0.1 * Double(second), residentMiB: 40 + Double(second), openDescriptors: 20,
      threads: 9, logMiB: 100)
  }

  private func parts(_ levels: [Level], _ windows: TimeWindows? = nil) -> [Measured.Part] {
    let all = TimeWindows(series: Self.series, samples: Self.samples, dirty: [(2, 5), (3, 7), (9, 1)])
    return (windows ?? all).parts(endingAt: levels, ofRun: ["lost": 0, "rss_mib": 999])
  }

  @Test("each has its own rates, its intervals' median percentiles, its stalls, and the broker as it was")
  func figures() throws {
    let parts = parts(["4", "8", "12"])
    #expect(parts.map(\.sweepLevel) == ["4", "8", "12"])
    let second = parts[1].metrics
    #expect(second[.recordsPerSecond] == 10 && second[.mibPerSecond] == 10 && second[.producedRecordsPerSecond] == 11)
    #expect(second[.responseP99Ms] == 6.5 && second[.endToEndP99Ms] == 13 && second[.responseMaxMs] == 80)
    let stalls: [Double?] = parts.map { $0.metrics[.stalls] }
    #expect(stalls == [0, 1, 0])
    #expect(
      second[.rssMiB] == 46.5 && second[.openDescriptors] == 20 && second[.threads] == 9 && second[.logMiB] == 100)
    #expect(second[.lagMaxRecords] == 8)
    // A tenth of a core for 10 MiB a second.
    let cost = try #require(second[.cpuSecondsPerGB])
    #expect(abs(cost - 9.5367431640625) < 1e-9)
    let dirty: [Double?] = parts.map { $0.metrics[.dirtyMaxMiB] }
    #expect(dirty == [7, nil, 1])
  }

  @Test("what is one value a run stands in the last, where no window has its own")
  func ofRun() {
    let parts = parts(["4", "8", "12"])
    let lost: [Double?] = parts.map { $0.metrics[.lost] }
    #expect(lost == [nil, nil, 0] && parts[2].metrics[.rssMiB] == 50.5)
  }

  @Test("a run that ends early has the windows it reached; the last takes what is left over")
  func ends() {
    #expect(parts(["4", "8", "12", "16"]).map(\.sweepLevel) == ["4", "8", "12"])
    #expect(parts(["4", "8", "12.05"]).count == 3, "a moment is missing")
    #expect(parts(["4", "8", "11"])[2].metrics[.responseP99Ms] == 10.5, "the twelfth second is of the last window")
    #expect(parts(["4"], TimeWindows(series: IntervalSeries(moments: []))).isEmpty)
  }

  @Test("without looks at a broker there are rates and latencies, and nothing of it")
  func unwatched() {
    let alone = parts(["6", "12"], TimeWindows(series: Self.series))
    #expect(alone[0].metrics[.responseP99Ms] == 3.5 && alone[0].metrics[.rssMiB] == nil)
    #expect(alone[0].metrics[.cpuSecondsPerGB] == nil)
  }

  @Test("a line of the series has the last look before it")
  func looks() {
    let late = TimeWindows(series: Self.series, samples: Array(Self.samples.dropFirst(3)).filter { $0.seconds != 6 })
    let looks = late.looks
    #expect(looks.count == 12 && looks[0].isEmpty && looks[1].isEmpty)
    #expect(looks[2]["rss_mib"] == 43 && looks[5]["rss_mib"] == 45 && looks[11]["rss_mib"] == 52)
  }

  @Test("dirty pages are looked at in bounded memory, and their most is not forgotten")
  func dirty() {
    var pages = DirtyPages()
    for tenth in 0..<100_000 { pages.look(at: Double(tenth) / 10) { (30..<40).contains(tenth) ? 9 : 1 } }
    #expect(pages.samples.count < 20_000 && pages.maxMiB == 9)
    #expect(zip(pages.samples, pages.samples.dropFirst()).allSatisfy { $0.seconds < $1.seconds })
    #expect((pages.samples.last?.seconds ?? 0) > 9_990)
  }

  @Test("a broker is looked at once a period, and is not seen when it has ended")
  func watch() throws {
    let watch = BrokerWatch(members: { [1] }, logBytes: { 2 << 20 }, periodSeconds: 1)
    for tenth in 0...25 { watch.look(at: Double(tenth) / 10) }
    let gone = BrokerWatch(members: { [Int32.max] }, logBytes: { 0 }, periodSeconds: 1)
    gone.look(at: 0)
    // Another's process may hide its files.
    #expect(watch.samples.isEmpty || watch.samples.map(\.seconds) == [0, 1, 2])
    #expect(gone.samples.isEmpty && watch.samples.allSatisfy { $0.logMiB == 2 })
  }

  // MARK: Its cost and its rate

  private func soak(hours: Double) throws -> Plan {
    let experiment = try Synthetic.experiment("18-soak").changed(by: RunChanges(hours: hours))
    return Plan(
      experiment, runs: [PlannedRun(order: 0, replicate: 1, cell: Cell(arm: "soak", levels: [], factors: []))])
  }

  @Test("hours cost time and bytes moved, and no more disk than retention keeps")
  func cost() throws {
    let (one, eight) = (try soak(hours: 1), try soak(hours: 8))
    #expect(one.seconds > 3600 && one.seconds < 3700 && eight.seconds > 8 * 3600)
    #expect(eight.bytes > 7 * one.bytes && eight.diskBytes == one.diskBytes && one.diskBytes < 5e9)
  }

  @Test("the soak keeps to the rate that the search's own run found, and the journal says so; no pilot runs beside it")
  func pace() throws {
    let scratch = try Scratch()
    let (results, log) = try campaign(in: scratch, stealPercent: 1)
    #expect(log.ran == ["search #1", "soak #1"] && log.paces == [nil, 84_000])
    #expect(results.history.paces == ["search": 84_000])
    let entries = try Journal.read(scratch.path + "/run/journal")
    #expect(entries.contains(.searched(arm: "search", recordsPerSecond: 84_000)))
  }

  @Test("a run that others disturbed is not made again, however long it was, and its row says so")
  func disturbed() throws {
    let scratch = try Scratch()
    let (results, log) = try campaign(in: scratch, stealPercent: 45)
    #expect(log.ran == ["search #1", "soak #1"])
    let rows = try results.recordedRows()
    #expect(
      rows.count == 2 && rows.allSatisfy { $0.warnings.contains("was not made again") }, "\(rows.map(\.warnings))")
  }

  private func campaign(in scratch: Scratch, stealPercent: Double) throws -> (ResultDirectory, FakeRunner.Log) {
    let experiment = try Synthetic.experiment("18-soak")
    let results = try ResultDirectory(
      creating: scratch.path + "/run", experiment: experiment, definition: "",
      begin: CampaignTests.begin(experiment, ""), machineJSON: try Fixture.machine().json())
    let runner = SearchRunner(log: FakeRunner.Log(), stealPercent: stealPercent)
    var campaign = Campaign(experiment: experiment, results: results, runner: runner, world: CampaignTests.world())
    #expect(try campaign.run(CampaignTests.order(experiment)) == .complete)
    return (results, runner.log)
  }

  /// Finds 84,000 records a second.
  private struct SearchRunner: CellRunner {
    let log: FakeRunner.Log
    let stealPercent: Double
    func obstacle(to arm: Arm) -> String? { nil }

    mutating func measure(_ run: PlannedRun, arm: Arm, pace: Double?) throws(RunError) -> Measured {
      log.ran.append("\(run.cell) #\(run.replicate)")
      log.paces.append(pace)
      let metrics = ["sustainable_records_per_s": 84_000, "steal_percent": stealPercent]
      return Measured(parts: [Measured.Part(metrics: metrics)])
    }
  }
}
