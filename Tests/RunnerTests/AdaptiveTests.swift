import Base
import Foundation
import Model
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Measure
@testable import Results
@testable import Runner
@testable import Verdict

/// A runner whose figures scatter by `spread`, seeded by the place in the order.
private struct ScatteringRunner: CellRunner {
  let spread: Double
  var log: FakeRunner.Log
  var interruptAfter = Int.max

  func obstacle(to arm: Arm) -> String? { nil }

  mutating func measure(_ run: PlannedRun, arm: Arm, pace: Double?) throws(RunError) -> Measured {
    if log.ran.count >= interruptAfter { throw .interrupted }
    log.ran.append("\(run.order)")
    var generator = SplitMix(seed: UInt64(run.order))
    let center = arm.name == "old" ? 100.0 : 200
    let value = center * (1 + spread * Double.random(in: -1...1, using: &generator))
    return Measured(
      parts: [Measured.Part(metrics: ["mb_per_s": value])], cacheState: .hot,
      limitation: Limitation(.mechanism, of: .mechanism, [.cpu: 0.97]))
  }
}

@Suite("Adaptive replicates")
struct AdaptiveTests {
  static func yaml(_ text: String) -> String {
    text.replacingOccurrences(
      of: "replicates: 3\n", with: "replicates: 5\nadaptive: {width: 0.05, max: 12, minutes: 60}\n"
    )
    .replacingOccurrences(of: "size: [1, 2]", with: "size: [1]")
    .replacingOccurrences(of: "colour: [red, green, blue]", with: "colour: [red]")
    .replacingOccurrences(of: "quick: {replicates: 2, factors: {size: [1]}}", with: "quick: {replicates: 2}")
  }

  /// What the command line does: the blocks of one seed.
  static func block(_ experiment: Experiment) -> (Int, Int) -> [PlannedRun] {
    { replicate, from in
      var generator = SplitMix(seed: CampaignTests.seed)
      let matrix = Matrix(experiment)
      var runs: [PlannedRun] = []
      for one in 1...replicate { runs = matrix.block(one, from: from, using: &generator) }
      return runs
    }
  }

  static func results(_ path: String, _ experiment: Experiment) throws -> ResultDirectory {
    try ResultDirectory(
      creating: path, experiment: experiment, definition: yaml(Sample.yaml),
      begin: CampaignTests.begin(experiment, yaml(Sample.yaml)), machineJSON: try Fixture.machine().json())
  }

  static func run(spread: Double, at path: String, interruptAfter: Int = .max) throws -> (Campaign.Outcome, Int) {
    let experiment = try Sample.experiment(yaml)
    let log = FakeRunner.Log()
    var campaign = Campaign(
      experiment: experiment, results: try results(path, experiment),
      runner: ScatteringRunner(spread: spread, log: log, interruptAfter: interruptAfter), world: CampaignTests.world())
    let outcome = try campaign.run(CampaignTests.order(experiment), extending: block(experiment))
    return (outcome, log.ran.count)
  }

  @Test(
    "rows that agree end after the planned replicates; rows that scatter go on to the most, and the journal says why")
  func goesOn() throws {
    let scratch = try Scratch()
    #expect(try Self.run(spread: 0.001, at: scratch.path + "/calm") == (.complete, 15))
    let calm = try StoredResult(reading: scratch.path + "/calm")
    #expect(calm.extensions.isEmpty && calm.settled?.contains("narrow enough") == true)

    let (outcome, runs) = try Self.run(spread: 0.5, at: scratch.path + "/wild")
    #expect(outcome == .complete && runs == 36, "\(runs)")
    let wild = try StoredResult(reading: scratch.path + "/wild")
    #expect(wild.extensions.count == 7 && wild.plannedRuns == 36 && wild.finishedRuns == 36)
    #expect(wild.settled?.contains("12 replicates are the most") == true)
    #expect(wild.rows.map(\.order) == Array(0..<36))
    #expect(Set(wild.rows.map(\.replicate)) == Set(1...12))
  }

  @Test("interrupted within an added block and resumed, the rows are those of an uninterrupted campaign")
  func resumes() throws {
    let scratch = try Scratch()
    _ = try Self.run(spread: 0.5, at: scratch.path + "/whole")
    #expect(try Self.run(spread: 0.5, at: scratch.path + "/cut", interruptAfter: 20).0 == .interrupted)
    let experiment = try Sample.experiment(Self.yaml)
    var resumed = Campaign(
      experiment: experiment,
      results: try ResultDirectory(resuming: scratch.path + "/cut", experiment: experiment, at: "later"),
      runner: ScatteringRunner(spread: 0.5, log: FakeRunner.Log()), world: CampaignTests.world())
    #expect(try resumed.run(CampaignTests.order(experiment), extending: Self.block(experiment)) == .complete)
    #expect(SmallFile.bytes(scratch.path + "/cut/rows.csv") == SmallFile.bytes(scratch.path + "/whole/rows.csv"))
  }

  @Test("that the broker was left out is the journal's word, and of old ones the planned runs', whatever was added")
  func bareOnly() throws {
    let scratch = try Scratch()
    let experiment = try Sample.experiment(Self.yaml)
    let planned = Self.planned(experiment)
    func stored(_ name: String, runs: Int, bareOnly: Bool?) throws -> StoredResult {
      var begin = CampaignTests.begin(experiment, Self.yaml(Sample.yaml))
      (begin.runs, begin.bareOnly) = (runs, bareOnly)
      let path = "\(scratch.path)/\(name)"
      let directory = try ResultDirectory(
        creating: path, experiment: experiment, definition: Self.yaml(Sample.yaml), begin: begin,
        machineJSON: try Fixture.machine().json())
      // So many replicates are added that more runs are planned in the end than the whole matrix had at first.
      for replicate in 6...12 {
        try directory.append(.extended(replicate: replicate, runs: 2, reason: "too wide"))
      }
      return try StoredResult(reading: path)
    }
    let bare = try stored("bare", runs: planned - 5, bareOnly: true)
    #expect(bare.plannedRuns > planned && bare.isBareOnly)
    #expect(try stored("old-bare", runs: planned - 5, bareOnly: nil).isBareOnly)
    #expect(try !stored("old-whole", runs: planned, bareOnly: nil).isBareOnly)
    #expect(try !stored("whole", runs: planned, bareOnly: false).isBareOnly)
    #expect(try stored("nothing-else", runs: planned, bareOnly: true).isBareOnly, "asked for, whatever it left out")
    // An entry of before the field was there reads as one that does not say.
    let old =
      #"{"definition":"ab","experiment":"99-sample","profile":"quick","runs":2,"seed":1,"startedAt":"now"}"#
    #expect(try JSONDecoder().decode(JournalEntry.Begin.self, from: Data(old.utf8)).bareOnly == nil)
  }

  private static func planned(_ experiment: Experiment) -> Int { CampaignTests.order(experiment).count }

  @Test("where arms are left out of the order, added runs get places of their own")
  func gaps() throws {
    let scratch = try Scratch()
    let experiment = try Sample.experiment(Self.yaml)
    var campaign = Campaign(
      experiment: experiment, results: try Self.results(scratch.path + "/run", experiment),
      runner: ScatteringRunner(spread: 0.5, log: FakeRunner.Log()), world: CampaignTests.world())
    let kept = CampaignTests.order(experiment).filter { $0.cell.arm != "new-again" }
    #expect(kept.map(\.order) != Array(kept.indices), "the order has gaps")
    let block = Self.block(experiment)
    #expect(try campaign.run(kept) { block($0, $1).filter { $0.cell.arm != "new-again" } } == .complete)
    let orders = try StoredResult(reading: scratch.path + "/run").rows.map(\.order)
    #expect(orders.count == 24 && Set(orders).count == 24)
  }

  @Test("only width decides, and the time ends it")
  func decides() throws {
    let experiment = try Sample.experiment(Self.yaml)
    let adaptive = try #require(experiment.adaptive)
    func rows(_ spread: Double, center: Double) -> [Row] {
      ["new", "old"].flatMap { arm in
        Fixture.rows(arm, "mb_per_s", Fixture.around(center, spread: spread, seed: 3))
      }
    }
    func decide(_ rows: [Row], done: Int = 5, seconds: Double = 10) -> AdaptiveReplicates.Decision {
      adaptive.decide(experiment, rows: rows, done: done, seconds: seconds, seed: 1)
    }
    guard case .more(let reason) = decide(rows(0.4, center: 100)) else {
      Issue.record("an interval far too wide was enough")
      return
    }
    #expect(reason.contains("wanted ± 5 %"))
    guard case .enough = decide(rows(0.4, center: 100), seconds: 3600) else {
      Issue.record("the time was up")
      return
    }
    // The same scatter around another place is the same width: where values lie has no say.
    #expect(decide(rows(0.4, center: 100)).reason.suffix(12) == decide(rows(0.4, center: 7)).reason.suffix(12))
    #expect(decide([]) == .enough(reason: "no deciding metric has an interval"))
  }

  @Test("a definition that asks for it without a width or a bound is refused")
  func reads() throws {
    for broken in ["{max: 12}", "{width: 0.05}", "{width: 0, max: 12}", "{width: 0.05, max: 12, munites: 3}"] {
      #expect(throws: DefinitionError.self, "\(broken)") {
        try Sample.experiment {
          $0.replacingOccurrences(of: "replicates: 3\n", with: "replicates: 5\nadaptive: \(broken)\n")
        }
      }
    }
  }
}
