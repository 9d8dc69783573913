import Base
import Foundation
import Glibc
import Model
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Measure
@testable import Results
@testable import Runner
@testable import Verdict

/// A runner that measures nothing: figures follow from the cell, and it stops or fails when told to.
struct FakeRunner: CellRunner {
  final class Log {
    var ran: [String] = []
    var paces: [Double?] = []
  }

  let log: Log
  var obstacles: [String: String] = [:]
  var failing: Set<String> = []
  /// Interrupts instead of running once this many have run.
  var interruptAfter = Int.max
  /// By place in the order: how often the hypervisor takes the CPU from the run.
  var stealing: [Int: Int] = [:]

  func obstacle(to arm: Arm) -> String? { obstacles[arm.name] }

  mutating func measure(_ run: PlannedRun, arm: Arm, pace: Double?) throws(RunError) -> Measured {
    if log.ran.count >= interruptAfter { throw .interrupted }
    log.ran.append("\(run.cell) #\(run.replicate)")
    log.paces.append(pace)
    if failing.contains(arm.name) { throw .failed("broken on purpose") }
    let stolen = stealing[run.order, default: 0]
    stealing[run.order] = stolen - 1
    let speed = Double(run.order) + (arm.name == "new" ? 300 : 100)
    let point = SeriesPoint(
      order: run.order, arm: arm.name, replicate: run.replicate, seconds: 1, storedMiB: 2, mibPerSecond: speed,
      recordsPerSecond: 4)
    return Measured(
      parts: [
        Measured.Part(metrics: [
          "mb_per_s": speed, "mib_per_s": speed, "not_a_metric": 1, "steal_percent": stolen > 0 ? 45 : 1,
        ])
      ],
      series: [point],
      cacheState: .hot, warnings: ["one, with a comma", "two"],
      limitation: Limitation(.mechanism, of: .mechanism, [.cpu: 0.97]))
  }
}

@Suite("Campaigns")
struct CampaignTests {
  static let seed: UInt64 = 7

  static func order(_ experiment: Experiment) -> [PlannedRun] {
    var generator = SplitMix(seed: seed)
    return Matrix(experiment).order(using: &generator)
  }

  static func world(stop: @escaping () -> Bool = { false }, note: @escaping (Campaign.Progress) -> Void = { _ in })
    -> Campaign.World
  {
    var seconds = 0.0
    return Campaign.World(
      now: {
        seconds += 1
        return seconds
      }, utc: { "2026-01-01T00:00:00Z" }, stopRequested: stop, settle: {}, progress: note)
  }

  static func begin(_ experiment: Experiment, _ yaml: String = Sample.yaml) -> JournalEntry.Begin {
    JournalEntry.Begin(
      experiment: experiment.stem, definition: Fingerprint.of(yaml), profile: "standard", seed: seed,
      runs: order(experiment).count, startedAt: "2026-01-01T00:00:00Z")
  }

  static func results(_ path: String, _ experiment: Experiment) throws -> ResultDirectory {
    try ResultDirectory(
      creating: path, experiment: experiment, definition: Sample.yaml, begin: begin(experiment),
      machineJSON: try Fixture.machine().json())
  }

  @Test("a whole campaign leaves a row a run, in the seeded order, and reads back")
  func whole() throws {
    let scratch = try Scratch()
    let experiment = try Sample.experiment()
    let path = scratch.path + "/run"
    let log = FakeRunner.Log()
    var progress: [Campaign.Progress] = []
    var campaign = Campaign(
      experiment: experiment, results: try Self.results(path, experiment), runner: FakeRunner(log: log),
      world: Self.world(note: { progress.append($0) }))
    let order = Self.order(experiment)
    #expect(try campaign.run(order) == .complete)
    #expect(log.ran == order.map { "\($0.cell) #\($0.replicate)" })
    #expect(progress.last?.done == order.count)
    #expect(progress.last?.secondsLeft == 0)
    let first = progress.prefix { $0.done < Matrix(experiment).cells.count }
    #expect(first.allSatisfy { $0.width == nil }, "one replicate has no interval")
    #expect((progress.last?.width ?? 0) > 0)

    let stored = try StoredResult(reading: path)
    #expect(stored.isComplete)
    #expect(stored.rows.map(\.order) == Array(0..<order.count))
    #expect(stored.rows[0].warnings == "one, with a comma; two")
    #expect(stored.rows[0].metrics["mib_per_s"] == nil, "not a metric of this experiment")
    #expect(stored.series.count == order.count)
    #expect(stored.seed == Self.seed)
    #expect(stored.rows.first { $0.arm == "new-again" }?.levels == ["size": "1"])
  }

  @Test("a run from which the hypervisor took the CPU is made again, four times at most, and the result says so")
  func disturbed() throws {
    let scratch = try Scratch()
    let experiment = try Sample.experiment()
    let log = FakeRunner.Log()
    var progress: [Campaign.Progress] = []
    let path = scratch.path + "/run"
    var campaign = Campaign(
      experiment: experiment, results: try Self.results(path, experiment),
      runner: FakeRunner(log: log, stealing: [0: 1, 3: 9]), world: Self.world(note: { progress.append($0) }))
    let order = Self.order(experiment)
    #expect(try campaign.run(order) == .complete)
    #expect(log.ran.count == order.count + 1 + 3)
    let told = progress.filter { if case .disturbed = $0.moment { true } else { false } }
    #expect(told.count == 4)
    let stored = try StoredResult(reading: path)
    #expect(stored.rows.map(\.order) == Array(0..<order.count))
    let gate = try #require(stored.gates.first { $0.name == "repeats" })
    #expect(gate.outcome == .shortcoming)
    #expect(gate.sentence.hasPrefix("4 runs beside these \(order.count) were thrown away"))
  }

  @Test("where repeats are left out, a disturbed run counts as it is and its row says so")
  func notRepeated() throws {
    let scratch = try Scratch()
    let experiment = try Sample.experiment()
    let log = FakeRunner.Log()
    var world = Self.world()
    world.repeatsDisturbed = false
    var campaign = Campaign(
      experiment: experiment, results: try Self.results(scratch.path + "/run", experiment),
      runner: FakeRunner(log: log, stealing: [0: 1]), world: world)
    let order = Self.order(experiment)
    #expect(try campaign.run(order) == .complete)
    #expect(log.ran.count == order.count)
    let rows = try StoredResult(reading: scratch.path + "/run").rows
    #expect(rows.filter { $0.warnings.contains("not made again") }.map(\.order) == [0])
  }

  @Test("killed at any byte of any file, a campaign resumes with the missing runs only and ends the same")
  func resumes() throws {
    let scratch = try Scratch()
    let experiment = try Sample.experiment().under(.quick)
    let order = Self.order(experiment)
    let whole = scratch.path + "/whole"
    var campaign = Campaign(
      experiment: experiment, results: try Self.results(whole, experiment), runner: FakeRunner(log: .init()),
      world: Self.world())
    _ = try campaign.run(order)
    let journal = try #require(SmallFile.bytes("\(whole)/journal"))
    let rows = try #require(SmallFile.bytes("\(whole)/rows.csv"))
    let series = try #require(SmallFile.bytes("\(whole)/series.csv"))
    let beginLength = (journal.firstIndex(of: UInt8(ascii: "\n")) ?? 0) + 1

    for cut in stride(from: beginLength, through: journal.count, by: 7) {
      // The files may hold more than the journal vouches for, never less: keep them whole, or with junk.
      let path = "\(scratch.path)/cut-\(cut)"
      try FileManager.default.copyItem(atPath: whole, toPath: path)
      try Data(journal[..<cut]).write(to: URL(filePath: "\(path)/journal"))
      try Data(rows + Array("half a li".utf8)).write(to: URL(filePath: "\(path)/rows.csv"))
      let log = FakeRunner.Log()
      let history = ResultDirectory.History(try Journal.read("\(path)/journal"))
      var resumed = Campaign(
        experiment: experiment,
        results: try ResultDirectory(resuming: path, experiment: experiment, at: "2026-01-01T00:00:00Z"),
        runner: FakeRunner(log: log), world: Self.world())
      #expect(try resumed.run(order) == .complete)
      #expect(log.ran.count == order.count - history.finished.count, "cut at \(cut)")
      #expect(SmallFile.bytes("\(path)/rows.csv") == rows, "cut at \(cut)")
      #expect(SmallFile.bytes("\(path)/series.csv") == series, "cut at \(cut)")
    }
  }

  @Test("Ctrl-C leaves a valid partial result that says it is incomplete, and resumes")
  func interrupted() throws {
    let scratch = try Scratch()
    let experiment = try Sample.experiment()
    let order = Self.order(experiment)
    let path = scratch.path + "/run"
    var campaign = Campaign(
      experiment: experiment, results: try Self.results(path, experiment),
      runner: FakeRunner(log: .init(), interruptAfter: 5), world: Self.world())
    #expect(try campaign.run(order) == .interrupted)
    let partial = try StoredResult(reading: path)
    #expect(!partial.isComplete)
    #expect(partial.rows.count == 5)
    #expect(partial.verdict.state == .informative)
    #expect(partial.verdict.stateReasons.contains { $0.contains("interrupted") })

    let log = FakeRunner.Log()
    var resumed = Campaign(
      experiment: experiment, results: try ResultDirectory(resuming: path, experiment: experiment, at: "later"),
      runner: FakeRunner(log: log), world: Self.world())
    #expect(try resumed.run(order) == .complete)
    #expect(log.ran.count == order.count - 5)
    #expect(try StoredResult(reading: path).isComplete)
  }

  @Test("a stop asked for between runs is honoured before the next starts")
  func stop() throws {
    let scratch = try Scratch()
    let experiment = try Sample.experiment()
    let log = FakeRunner.Log()
    var campaign = Campaign(
      experiment: experiment, results: try Self.results(scratch.path + "/run", experiment),
      runner: FakeRunner(log: log), world: Self.world(stop: { log.ran.count == 2 }))
    #expect(try campaign.run(Self.order(experiment)) == .interrupted)
    #expect(log.ran.count == 2)
  }

  @Test("an arm that cannot run is skipped by name, one that keeps failing is given up, and the verdict says so")
  func skips() throws {
    let scratch = try Scratch()
    let experiment = try Sample.experiment()
    let path = scratch.path + "/run"
    let log = FakeRunner.Log()
    var campaign = Campaign(
      experiment: experiment, results: try Self.results(path, experiment),
      runner: FakeRunner(log: log, obstacles: ["new-again": "needs root"], failing: ["old"]), world: Self.world())
    #expect(try campaign.run(Self.order(experiment)) == .complete)
    let stored = try StoredResult(reading: path)
    #expect(stored.skipped["new-again"] == "needs root")
    #expect(stored.skipped["old"]?.contains("broken on purpose") == true)
    #expect(stored.rows.count { $0.arm == "old" } == 3, "given up after three failures")
    #expect(stored.rows.filter { $0.arm == "old" }.allSatisfy { !$0.isValid })
    #expect(!stored.rows.contains { $0.arm == "new-again" })
    let reasons = stored.verdict.stateReasons.joined(separator: "; ")
    #expect(reasons.contains("arm new-again was skipped: needs root"), "\(reasons)")
    #expect(stored.verdict.outcome == .inconclusive)
  }

  @Test("a paced arm gets the pilot's pace, which the journal keeps for a resume")
  func paces() throws {
    let scratch = try Scratch()
    let paced = { (text: String) in
      text.replacingOccurrences(
        of: "    role: baseline\n", with: "    role: baseline\n    pace_of: new\n"
      ).replacingOccurrences(of: "read-write, size", with: "read-write, pace: \"{pace_mib_per_s}\", size")
    }
    let experiment = try Sample.experiment(paced)
    let path = scratch.path + "/run"
    let results = try ResultDirectory(
      creating: path, experiment: experiment, definition: paced(Sample.yaml),
      begin: Self.begin(experiment, paced(Sample.yaml)), machineJSON: try Fixture.machine().json())
    let log = FakeRunner.Log()
    var campaign = Campaign(
      experiment: experiment, results: results, runner: FakeRunner(log: log), world: Self.world())
    #expect(try campaign.run(Self.order(experiment)) == .complete)
    #expect(log.ran.count { $0.hasPrefix("new size") && $0.hasSuffix("#0") } == 1, "one pilot")
    let stored = try StoredResult(reading: path)
    let pace = try #require(stored.paces["new"])
    #expect(log.paces.compactMap { $0 }.allSatisfy { $0 == pace })
    #expect(log.paces.compactMap { $0 }.count == 18)
    #expect(!stored.rows.contains { $0.replicate == 0 }, "a pilot leaves no row")
  }

  @Test("a result is never overwritten")
  func neverOverwritten() throws {
    let scratch = try Scratch()
    let experiment = try Sample.experiment()
    _ = try Self.results(scratch.path + "/run", experiment)
    #expect(throws: ResultDirectory.Failure.self) { try Self.results(scratch.path + "/run", experiment) }
  }

  @Test("a definition changed after the run is found out by its hash")
  func changedDefinition() throws {
    let scratch = try Scratch()
    let experiment = try Sample.experiment()
    let path = scratch.path + "/run"
    _ = try Self.results(path, experiment)
    let changed = Sample.yaml.replacingOccurrences(of: "threshold: 1.5", with: "threshold: 1.1")
    try Data(changed.utf8).write(to: URL(filePath: "\(path)/experiment.yaml"))
    #expect(throws: StoredResult.Failure.self) { try StoredResult(reading: path) }
  }
}
