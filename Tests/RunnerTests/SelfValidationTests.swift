import Base
import Model
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Mechanisms
@testable import Results
@testable import Runner
@testable import Verdict

@Suite("Self-validation")
struct SelfValidationTests {
  static let experiment = "14-self-validation"

  /// Rows of E14 as a harness would measure them that sees so much of a stall, and is so far off a known rate.
  static func result(
    recovered: Double = 101, hidden: Double = 3, error: Double = 0.2, positives: Double = 9, chance: Double = 0.4,
    in scratch: Scratch
  ) throws -> StoredResult {
    var result = try Synthetic.store("11-zero-copy", .standard, in: scratch.path)
    result.experiment = try Synthetic.experiment(experiment)
    result.gates = []
    result.rows = Matrix(result.experiment).cells.flatMap { cell -> [Row] in
      guard let arm = result.experiment.arm(named: cell.arm) else { return [] }
      return (1...7).map { replicate in
        Row(
          order: replicate, replicate: replicate, arm: arm.name, tier: arm.tier, role: arm.role, startedAt: "",
          steadiness: .steady,
          metrics: [
            "stall_recovered_percent": recovered, "service_of_response_percent": hidden, "rate_error_percent": error,
            "false_positives": positives, "false_positive_chance": chance,
          ])
      }
    }
    return result
  }

  @Test("a harness that sees the stall, the rate and no effects passes; one that misses any of them fails")
  func eachFails() throws {
    let scratch = try Scratch()
    func outcome(
      recovered: Double = 101, hidden: Double = 3, error: Double = 0.2, positives: Double = 9, chance: Double = 0.4
    ) throws -> Verdict.Outcome {
      try Self.result(
        recovered: recovered, hidden: hidden, error: error, positives: positives, chance: chance, in: Scratch()
      ).verdict.outcome
    }
    _ = scratch
    #expect(try outcome() == .supported)
    #expect(try outcome(recovered: 10) == .notSupported, "a generator that waits for answers leaves the stall out")
    #expect(try outcome(recovered: 200) == .notSupported, "more than was put there")
    #expect(try outcome(hidden: 95) == .notSupported)
    #expect(try outcome(error: 3) == .notSupported)
    #expect(try outcome(positives: 30) == .notSupported)
    #expect(try outcome(chance: 0.0003) == .notSupported, "of 91 pairs 14 called a difference")
  }

  @Test("a failed self-validation makes every other verdict inconclusive; without one nothing may be quoted")
  func gate() throws {
    let experiment = try Sample.experiment()
    let passed = SelfValidation(result: "r", outcome: "SUPPORTED", sentence: "all hold")
    #expect(Gates.judge(passed, of: experiment).outcome == .passed)
    for outcome in ["NOT SUPPORTED", "INCONCLUSIVE"] {
      let failed = SelfValidation(result: "r", outcome: outcome, sentence: "the stall did not show")
      let gate = Gates.judge(failed, of: experiment)
      #expect(gate.outcome == .failed && gate.sentence.contains("the stall did not show"))
      let circumstances = Verdict.Circumstances(
        gates: [gate], profile: .standard, skipped: [:], isComplete: true, seed: 1)
      let rows = Fixture.rows("new", "mb_per_s", [3, 3, 3, 3, 3, 3, 3])
      #expect(Verdict.judge(experiment, rows: rows, under: circumstances).outcome == .inconclusive)
    }
    #expect(Gates.judge(nil as SelfValidation?, of: experiment).outcome == .shortcoming)
    #expect(Gates.judge(nil as SelfValidation?, of: try Synthetic.experiment(Self.experiment)).outcome == .passed)
  }

  @Test("the journal keeps what the self-validation said, and only one of this build on this machine counts")
  func applies() throws {
    let scratch = try Scratch()
    let result = try Self.result(in: scratch)
    let ours = SelfValidation(latestOf: [result], on: result.machine)
    #expect(ours.outcome == "SUPPORTED" && ours.result == result.name)
    var busy = result
    busy.gates = [Gate(name: "busy", outcome: .failed, sentence: "others used 80 % of the CPU")]
    #expect(busy.verdict.outcome == .inconclusive)
    #expect(SelfValidation(latestOf: [busy], on: result.machine).outcome == "SUPPORTED", "its rows show that it sees")
    var changes: [Machine] = []
    for change in 0..<3 {
      var machine = result.machine
      switch change {
      case 0: machine.build.commit = "other"
      case 1: machine.processor.model = "another"
      default: machine.kernel = "7"
      }
      changes.append(machine)
    }
    for machine in changes { #expect(SelfValidation(latestOf: [result], on: machine).outcome == nil) }
    try sureBuilds(result)
    #expect(SelfValidation(latestOf: [], on: result.machine).sentence.contains("never ran"))
    var partial = result
    partial.isComplete = false
    #expect(SelfValidation(latestOf: [partial], on: result.machine).outcome == nil)

    let experiment = try Sample.experiment()
    let directory = try CampaignTests.results(scratch.path + "/run", experiment)
    try directory.append(.validated(SelfValidation(result: "r", outcome: "NOT SUPPORTED", sentence: "blind")))
    let stored = try StoredResult(reading: scratch.path + "/run")
    #expect(stored.gates.contains { $0.name == "self-validation" && $0.outcome == .failed })
    #expect(stored.verdict.outcome == .inconclusive && stored.verdict.sentence.contains("blind"))
  }

  /// Changes that nobody committed, or a commit that nobody knows, may be any build.
  private func sureBuilds(_ result: StoredResult) throws {
    func told(_ now: (String?, Bool?), _ then: (String?, Bool?)) -> SelfValidation {
      var (machine, old) = (result.machine, result)
      (machine.build.commit, machine.build.dirty) = now
      (old.machine.build.commit, old.machine.build.dirty) = then
      return SelfValidation(latestOf: [old], on: machine)
    }
    #expect(told(("abc", false), ("abc", false)).outcome == "SUPPORTED")
    #expect(told(("abc", true), ("abc", true)).outcome == nil)
    #expect(told(("abc", true), ("abc", false)).sentence.contains("uncommitted changes"))
    #expect(told(("abc", false), ("abc", true)).sentence.contains("without changes"))
    #expect(told(("abc", nil), ("abc", false)).outcome == nil && told(("abc", false), ("abc", nil)).outcome == nil)
    #expect(told((nil, false), (nil, false)).sentence.contains("commit is not known"))
  }

  @Test("what a stall must make of the p99, by a schedule worked out record by record")
  func expected() throws {
    // 4,000 records at 1,000/s; from second 2 on the server answers nothing for 100 ms, then all at once.
    let due = (0..<4000).map { Double($0) }
    let response = due.map { $0 >= 2000 && $0 < 2100 ? 2100 - $0 : 0.1 }.sorted()
    let p99 = response[Int(0.99 * 4000)]
    let expected = try #require(Stall.expectedP99Ms(stallMs: 100, seconds: 4))
    #expect(abs(expected - p99) <= 1, "\(expected) and \(p99)")
    #expect(
      Stall.expectedP99Ms(stallMs: 100, seconds: 20) == nil, "half a per cent of the records does not reach the p99")

    var seen = ["response_p99_ms": 57.0, "service_p99_ms": 0.3, "seconds": 4]
    Stall.add(to: &seen, stallMs: 100)
    #expect(abs((seen["stall_recovered_percent"] ?? 0) - 95) < 1e-9)
    // The closed loop's view of the same run: five records waited, the rest were sent late and answered soon.
    var blind = ["response_p99_ms": 0.4, "service_p99_ms": 0.4, "seconds": 4]
    Stall.add(to: &blind, stallMs: 100)
    #expect((blind["stall_recovered_percent"] ?? 100) < 1)
    var none = ["response_p99_ms": 57.0]
    Stall.add(to: &none, stallMs: nil)
    #expect(none.count == 1)
  }

  @Test("the error of a known rate is without its sign, and only of a sink whose rate is known")
  func rateError() {
    func error(_ measured: Double, _ settings: [(String, String)]) -> Double? {
      var metrics = ["records_per_s": measured]
      ProcessRunner.addRateError(&metrics, settings.map { Setting(name: $0.0, value: Level($0.1)) })
      return metrics["rate_error_percent"]
    }
    let sink = [("null-sink-service-us", "2000"), ("batch-records", "100")]
    #expect(abs((error(49_000, sink) ?? 0) - 2) < 1e-9)
    #expect(abs((error(51_000, sink) ?? 0) - 2) < 1e-9)
    #expect(error(49_000, [("batch-records", "100")]) == nil)
  }

  @Test("200 A/A comparisons of synthetic rows call no more differences than chance", arguments: [1, 2, 3] as [UInt64])
  func synthetic(seed: UInt64) {
    let result = FalsePositives(seed: seed).synthetic()
    #expect(result.comparisons == 200)
    #expect(result.falsePositives <= FalsePositives.Limits.allowed, "\(result.falsePositives)")
  }

  @Test("the A/A pairs of the committed results are called different no more often than chance makes likely")
  func committed() throws {
    let results = StoredResult.latest(at: "\(Synthetic.root)/results").results
    let pairs = results.flatMap { result in
      result.twinPairs.map {
        FalsePositives.Pair(name: "\(result.experiment.id) \($0.twin) \($0.metric)", values: $0.values, again: $0.again)
      }
    }
    let result = FalsePositives(seed: 11).run(on: pairs)
    #expect(result.comparisons >= 30, "\(result.comparisons) pairs")
    #expect(result.chance >= 0.01, "\(result.falsePositives) of \(result.comparisons): \(result.called)")
  }

  @Test("pairs of different things are called, by name, and so many have next to no chance")
  func differing() {
    let pairs = (0..<40).map { index in
      let values = Fixture.around(100, spread: 0.02, seed: UInt64(index))
      return FalsePositives.Pair(
        name: "pair \(index)", values: values, again: values.map { $0 * (index < 10 ? 1.2 : 1) })
    }
    let result = FalsePositives(seed: 1).run(on: pairs)
    #expect(result.comparisons == 40 && result.called == (0..<10).map { "pair \($0)" })
    #expect(result.chance < 0.001)
    #expect(FalsePositives(seed: 1).run(on: []) == FalsePositives.Result(), "no pairs, no comparisons")
    let few = FalsePositives.Pair(name: "few", values: [1, 1, 1, 1], again: [2, 2, 2, 2])
    #expect(FalsePositives(seed: 1).run(on: [few]).comparisons == 0, "four values decide nothing")
  }

  /// Of 91 comparisons at 5 %: 1 - the binomial's sum below, by a table's arithmetic.
  @Test("the chance of so many false positives is the binomial's upper tail")
  func tail() {
    func chance(_ count: Int, of comparisons: Int) -> Double {
      FalsePositives.Result(comparisons: comparisons, called: (0..<count).map { "\($0)" }).chance
    }
    #expect(chance(0, of: 91) == 1)
    #expect(abs(chance(1, of: 1) - 0.05) < 1e-12)
    #expect(abs(chance(1, of: 2) - (1 - 0.95 * 0.95)) < 1e-12)
    #expect(abs(chance(2, of: 2) - 0.0025) < 1e-12)
    #expect(chance(3, of: 91) > 0.8 && chance(12, of: 91) < 0.01)
  }

  @Test("and the same comparison does call differences where there are some")
  func power() throws {
    let values = try Self.realRows(of: "sendfile")
    let slower = values.map { $0 / 2 }
    var generator = SplitMix(seed: 3)
    var called = 0
    for trial in 0..<200 {
      let arm = (0..<7).map { _ in values[generator.below(values.count)] }
      let other = (0..<7).map { _ in slower[generator.below(slower.count)] }
      let ratio = try #require(Statistics.ratioOfMedians(arm, over: other, seed: UInt64(trial)))
      if ratio.low > 1 { called += 1 }
    }
    #expect(called >= 150, "\(called) of 200")
  }

  /// Of the committed result of E11: each level's rows over their own median, so that all are rows of one thing.
  private static func realRows(of arm: String) throws -> [Double] {
    let experiment = try Synthetic.experiment("11-zero-copy")
    let path = try #require(
      StoredResult.directories(of: experiment, under: "\(Synthetic.root)/results").first, "no committed result of E11")
    let result = try StoredResult(reading: path)
    let groups = Dictionary(grouping: result.rows.filter { $0.arm == arm && $0.isValid }, by: \.levels)
    let values = groups.values.flatMap { rows -> [Double] in
      let found = rows.compactMap { $0.metrics["mb_per_s"] }
      let center = Statistics.median(found) ?? 1
      return found.map { $0 / center }
    }
    try #require(values.count >= 5, "\(arm) has \(values.count) rows")
    return values.sorted()
  }
}
