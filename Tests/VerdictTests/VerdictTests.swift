import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Verdict

@Suite("Verdict: each rule can come out each way")
struct VerdictRuleTests {
  private func judge(_ rule: VerdictRule, new: Double, old: Double, spread: Double = 0.02, count: Int = 7) -> Verdict {
    let rows =
      Fixture.rows("new", rule.metric, Fixture.around(new, spread: spread, count: count, seed: 1))
      + Fixture.rows("old", rule.metric, Fixture.around(old, spread: spread, count: count, seed: 2), role: .baseline)
      + Fixture.rows("old-again", rule.metric, Fixture.around(old, spread: spread, count: count, seed: 3), role: .again)
    return Verdict.judge(Fixture.pair([rule]), rows: rows.shuffled(), under: Fixture.calm)
  }

  let faster = Fixture.rule("faster", .ratio, metric: "mb_per_s", test: ["new"], baseline: ["old"], threshold: 1.5)
  let cheaper = Fixture.rule(
    "cheaper", .ratio, metric: "cpu_s_per_gb", better: .lower, test: ["new"], baseline: ["old"], threshold: 4.0 / 3)
  let same = Fixture.rule("same", .equal, metric: "mb_per_s", test: ["new"], baseline: ["old"], tolerance: 0.05)

  @Test("a ratio beyond the threshold is supported, below it refuted, across it undecided")
  func ratio() throws {
    let supported = judge(faster, new: 200, old: 100)
    #expect(supported.outcome == .supported, "\(supported.sentence)")
    #expect(supported.sentence.contains("threshold 1.50×") && supported.sentence.contains("2.0"))
    #expect(try #require(supported.findings.first?.floor) > 0)
    let refuted = judge(faster, new: 120, old: 100)
    #expect(refuted.outcome == .notSupported)
    #expect(refuted.findings[0].directionHolds, "20 % is beyond the noise, so the direction stands")
    #expect(refuted.sentence.contains("the direction holds, the size does not"))
    let wrong = judge(faster, new: 80, old: 100)
    #expect(wrong.outcome == .notSupported && !wrong.findings[0].directionHolds)
    let undecided = judge(faster, new: 150, old: 100, spread: 0.1)
    #expect(undecided.outcome == .inconclusive)
    #expect(undecided.sentence.contains("across the threshold"))
  }

  @Test("a definition that decides nothing is reported, with its figures, and a failed gate still counts")
  func reported() {
    var told = faster
    told.decides = false
    let verdict = judge(told, new: 80, old: 100)
    #expect(verdict.outcome == .reported)
    #expect(verdict.sentence.hasPrefix("Reported, without weight: faster"), "\(verdict.sentence)")
    #expect(verdict.findings[0].outcome == .notSupported)
    let empty = Verdict.judge(Fixture.pair([told]), rows: [], under: Fixture.calm)
    #expect(empty.outcome == .reported && empty.sentence.contains("no valid rows"), "\(empty.sentence)")
    var circumstances = Fixture.calm
    circumstances.failedGates = ["it was dark"]
    let failed = Verdict.judge(Fixture.pair([told]), rows: [], under: circumstances)
    #expect(failed.outcome == .inconclusive && failed.sentence.contains("it was dark"))
    let mixed = Verdict.judge(Fixture.pair([told, faster]), rows: [], under: Fixture.calm)
    #expect(mixed.outcome == .inconclusive, "one rule with weight is enough to be undecided")
  }

  @Test("a ratio that may be somewhat worse asks for no effect, and is told as it is read")
  func atMostSoMuchWorse() {
    let dear = Fixture.rule(
      "dear", .ratio, metric: "cpu_s_per_gb", better: .lower, test: ["new"], baseline: ["old"], threshold: 0.625)
    let held = judge(dear, new: 1.3, old: 1)
    #expect(held.outcome == .supported, "\(held.sentence)")
    #expect(held.sentence.contains("of old in s/GB, at most 1.60× wanted"), "\(held.sentence)")
    #expect(judge(dear, new: 2, old: 1).outcome == .notSupported)
    #expect(judge(dear, new: 1.6, old: 1, spread: 0.1).outcome == .inconclusive)
    let slow = Fixture.rule("slow", .ratio, metric: "mb_per_s", test: ["new"], baseline: ["old"], threshold: 0.85)
    #expect(judge(slow, new: 95, old: 100).outcome == .supported)
    #expect(judge(slow, new: 70, old: 100).sentence.contains("at least 0.850× wanted"))
  }

  @Test("a value is held against a number, above it or below")
  func value() {
    let fast = Fixture.rule("fast", .value, metric: "mb_per_s", test: ["new"], baseline: [], threshold: 100)
    #expect(judge(fast, new: 120, old: 1).outcome == .supported)
    #expect(judge(fast, new: 80, old: 1).outcome == .notSupported)
    #expect(judge(fast, new: 100, old: 1, spread: 0.1).outcome == .inconclusive)
    #expect(judge(fast, new: 120, old: 1).sentence.contains("MB/s, at least 100 wanted; holds"))
    let small = Fixture.rule(
      "small", .value, metric: "cpu_s_per_gb", better: .lower, test: ["new"], baseline: [], threshold: 1)
    #expect(judge(small, new: 0.8, old: 1).outcome == .supported)
    #expect(judge(small, new: 1.2, old: 1).outcome == .notSupported)
    #expect(judge(fast, new: 120, old: 1, count: 2).outcome == .inconclusive)
  }

  @Test("where lower is better the ratio is turned over")
  func lower() {
    #expect(judge(cheaper, new: 0.5, old: 1).outcome == .supported)
    #expect(judge(cheaper, new: 0.9, old: 1).outcome == .notSupported)
    #expect(judge(cheaper, new: 0.75, old: 1, spread: 0.1).outcome == .inconclusive)
    #expect(judge(cheaper, new: 0.5, old: 1).sentence.contains("lower than old in s/GB"))
  }

  @Test("an effect inside the noise floor is no effect")
  func floor() {
    let direction = Fixture.rule("better", .ratio, metric: "mb_per_s", test: ["new"], baseline: ["old"], threshold: 1)
    let rows =
      Fixture.rows("new", "mb_per_s", Fixture.around(106, spread: 0.01, seed: 1))
      + Fixture.rows("old", "mb_per_s", Fixture.around(100, spread: 0.01, seed: 2))
    let noisy = Fixture.rows("old-again", "mb_per_s", Fixture.around(112, spread: 0.01, seed: 3), role: .again)
    let calm = Fixture.rows("old-again", "mb_per_s", Fixture.around(100, spread: 0.01, seed: 3), role: .again)
    let inside = Verdict.judge(Fixture.pair([direction]), rows: rows + noisy, under: Fixture.calm)
    #expect(inside.outcome == .inconclusive && inside.sentence.contains("inside the noise floor"))
    #expect(Verdict.judge(Fixture.pair([direction]), rows: rows + calm, under: Fixture.calm).outcome == .supported)
    let none = Verdict.judge(Fixture.pair([direction]), rows: rows, under: Fixture.calm)
    #expect(none.outcome == .inconclusive && none.sentence.contains("no A/A arm"))
  }

  @Test("a miss within the noise floor, or by the third digit, refutes nothing")
  func miss() {
    let direction = Fixture.rule(
      "not-slower", .ratio, metric: "mb_per_s", test: ["new"], baseline: ["old"], threshold: 0.95)
    func judge(_ new: Double, again: Double) -> Verdict {
      let rows =
        Fixture.rows("new", "mb_per_s", Fixture.around(new, spread: 0.01, seed: 1))
        + Fixture.rows("old", "mb_per_s", Fixture.around(100, spread: 0.01, seed: 2))
        + Fixture.rows("old-again", "mb_per_s", Fixture.around(again, spread: 0.01, seed: 3), role: .again)
      return Verdict.judge(Fixture.pair([direction]), rows: rows, under: Fixture.calm)
    }
    let noisy = judge(88, again: 114)
    #expect(noisy.outcome == .inconclusive && noisy.sentence.contains("less than the noise floor"), "\(noisy.sentence)")
    let near = judge(92.5, again: 100)
    #expect(near.outcome == .inconclusive && near.sentence.contains("less than 5 %"), "\(near.sentence)")
    #expect(judge(85, again: 100).outcome == .notSupported)
  }

  @Test("an arm at its link's end is told as at least so much, and refutes nothing")
  func capped() throws {
    func judge(new: Double, percent: Double, metric: String = "link_percent", old: Double? = nil) -> Verdict {
      var rows =
        Fixture.rows("new", "mb_per_s", Fixture.around(new, spread: 0.01, seed: 1))
        + Fixture.rows("old", "mb_per_s", Fixture.around(100, spread: 0.01, seed: 2))
        + Fixture.rows("old-again", "mb_per_s", Fixture.around(100, spread: 0.01, seed: 3), role: .again)
      for index in rows.indices {
        rows[index].metrics[metric] = rows[index].arm == "new" ? percent : old ?? 20
      }
      return Verdict.judge(Fixture.pair([faster]), rows: rows, under: Fixture.calm)
    }
    let capped = judge(new: 120, percent: 94)
    #expect(capped.outcome == .inconclusive && capped.findings[0].cap == .link)
    #expect(
      capped.sentence.contains("at least 1.2") && capped.sentence.contains("capped by the link"), "\(capped.sentence)")
    #expect(judge(new: 120, percent: 80).outcome == .notSupported)
    #expect(judge(new: 200, percent: 94).outcome == .supported, "more than is claimed is enough, whatever capped it")
    let busy = judge(new: 120, percent: 97, metric: "machine_busy_percent")
    #expect(busy.outcome == .inconclusive && busy.findings[0].cap == .processors)
    let both = judge(new: 120, percent: 97, metric: "machine_busy_percent", old: 98)
    #expect(both.outcome == .notSupported, "what two arms do with all cores is their ratio")
  }

  @Test("of many comparisons one that misses by chance refutes nothing")
  func many() {
    // p of one is near 0.03: enough alone, and not among six.
    let rows =
      Fixture.rows("new", "mb_per_s", [92, 95, 94, 90, 93, 96, 91].map { $0 * 1.5 })
      + Fixture.rows("old", "mb_per_s", [100, 103, 98, 101, 99, 100, 100])
      + Fixture.rows("old-again", "mb_per_s", [100, 103, 98, 101, 99, 100, 100], role: .again)
    let one = Verdict.judge(Fixture.pair([faster]), rows: rows, under: Fixture.calm)
    #expect(one.outcome == .notSupported, "\(one.sentence)")
    let rules = (1...6).map {
      Fixture.rule("faster-\($0)", .ratio, metric: "mb_per_s", test: ["new"], baseline: ["old"], threshold: 1.5)
    }
    let six = Verdict.judge(Fixture.pair(rules), rows: rows, under: Fixture.calm)
    #expect(six.outcome == .inconclusive, "\(six.sentence)")
    #expect(six.findings[0].sentence.contains("among 6 comparisons"), "\(six.findings[0].sentence)")
  }

  @Test("a control band holds, fails, or is undecided at its edge")
  func equal() {
    #expect(judge(same, new: 101, old: 100).outcome == .supported)
    #expect(judge(same, new: 120, old: 100).outcome == .notSupported)
    #expect(judge(same, new: 80, old: 100).outcome == .notSupported)
    #expect(judge(same, new: 105, old: 100, spread: 0.05).outcome == .inconclusive)
  }

  @Test("the baseline is the best of several arms, by the rule's own direction")
  func best() {
    let rule = Fixture.rule(
      "cheaper", .ratio, metric: "cpu_s_per_gb", better: .lower, test: ["new"], baseline: ["old", "old-again"],
      threshold: 4.0 / 3)
    let rows =
      Fixture.rows("new", "cpu_s_per_gb", Fixture.around(0.5, seed: 1))
      + Fixture.rows("old", "cpu_s_per_gb", Fixture.around(0.58, seed: 2))
      + Fixture.rows("old-again", "cpu_s_per_gb", Fixture.around(0.55, seed: 3))
    let verdict = Verdict.judge(Fixture.pair([rule]), rows: rows, under: Fixture.calm)
    #expect(verdict.outcome == .notSupported, "against the best baseline, 0.55, the saving is 10 %")
    #expect(verdict.sentence.contains("old-again"))
  }

  @Test("invalid rows never count, and too few valid ones decide nothing")
  func invalid() {
    var rows =
      Fixture.rows("new", "mb_per_s", Fixture.around(200, seed: 1))
      + Fixture.rows("old", "mb_per_s", Fixture.around(100, seed: 2))
      + Fixture.rows("old-again", "mb_per_s", Fixture.around(100, seed: 3))
    rows[0].metrics["mb_per_s"] = 1
    rows[0].invalid = "the generator limited it"
    let verdict = Verdict.judge(Fixture.pair([faster]), rows: rows, under: Fixture.calm)
    #expect(verdict.outcome == .supported && verdict.state == .valid)
    #expect(verdict.stateReasons.contains("1 of 21 rows are invalid"))
    for index in 0..<3 { rows[index].invalid = "the generator limited it" }
    let few = Verdict.judge(Fixture.pair([faster]), rows: rows, under: Fixture.calm)
    #expect(few.outcome == .inconclusive && few.sentence.contains("4 valid replicates of 7"))
  }
}

@Suite("Verdict: flatness")
struct FlatnessTests {
  static let sweep = Factor(name: "stored_mib", levels: (0..<10).map { Level(String(64 << $0)) })
  let experiment = Fixture.experiment(
    number: 6, name: "volume", factors: [], sweep: sweep,
    arms: [
      Fixture.arm("broker", .test, program: .load(.produce)),
      Fixture.arm("raw", .control, program: .mechanism(.rawAppend)),
    ],
    metrics: ["mib_per_s"],
    verdicts: [
      Fixture.rule(
        "flat", .flat, metric: "mib_per_s", test: ["broker"], baseline: ["raw"], tolerance: 0.02, tier: .endToEnd)
    ])

  /// The broker at `share(level)` of a control that itself loses half on the way.
  private func judge(spread: Double = 0.005, _ share: (Int) -> Double) -> Verdict {
    var rows: [Row] = []
    for replicate in 1...7 {
      let noise = Fixture.around(1, spread: spread, count: 20, seed: UInt64(replicate))
      for (index, level) in Self.sweep.levels.enumerated() {
        let control = 1000 - 50 * Double(index)
        for (arm, value) in [("raw", control), ("broker", control * share(index))] {
          var row = Fixture.rows(arm, "mib_per_s", [value * noise[index + (arm == "raw" ? 0 : 10)]])[0]
          row.replicate = replicate
          row.levels["stored_mib"] = level
          rows.append(row)
        }
      }
    }
    return Verdict.judge(experiment, rows: rows, under: Fixture.calm)
  }

  @Test("flat against a falling control is supported: what the disk loses is not the broker's")
  func flat() {
    let verdict = judge { _ in 0.8 }
    #expect(verdict.outcome == .supported, "\(verdict.sentence)")
  }

  @Test("a fall of 5 % a doubling is refuted, and so is a rise")
  func slope() {
    #expect(judge { 0.8 - 0.04 * Double($0) }.outcome == .notSupported)
    #expect(judge { 0.8 + 0.04 * Double($0) }.outcome == .notSupported)
  }

  @Test("a cliff at the very end is refuted by the last tenth alone")
  func cliff() throws {
    let verdict = judge { $0 == 9 ? 0.6 : 0.8 }
    #expect(verdict.outcome == .notSupported)
    let slope = try #require(verdict.findings[0].effect)
    #expect(abs(slope.value) < 0.02, "the slope alone would have passed it")
    #expect(verdict.sentence.contains("band ± 2 % (holds)") && verdict.sentence.contains("wanted (does not hold)"))
  }

  @Test("noise wider than the band leaves it undecided")
  func noise() {
    #expect(judge(spread: 0.3) { _ in 0.8 }.outcome == .inconclusive)
  }

  @Test("without its control nothing is decided")
  func noControl() {
    let rows = Fixture.rows("broker", "mib_per_s", Fixture.around(100, seed: 1), levels: ["stored_mib": "64"])
    #expect(Verdict.judge(experiment, rows: rows, under: Fixture.calm).outcome == .inconclusive)
  }
}

@Suite("Verdict: flatness of a ratio measured side by side")
struct TwinFlatnessTests {
  static let sweep = Factor(name: "stored_mib", levels: ["2048", "4096", "8192", "16384", "32768"])
  let experiment: Experiment = {
    var rule = Fixture.rule(
      "flat", .flat, metric: "grown_over_fresh_cpu", better: .lower, test: ["twin"], baseline: [], tolerance: 0.02,
      tier: .endToEnd)
    rule.lastDecile = 0.9
    return Fixture.experiment(
      number: 6, name: "volume", factors: [], sweep: sweep,
      arms: [
        Fixture.arm("twin", .test, program: .load(.twin)),
        Fixture.arm("twin-again", .again, program: .load(.twin), repeats: "twin"),
      ],
      metrics: ["grown_over_fresh_cpu"], verdicts: [rule])
  }()

  private func rows(_ arm: String, spread: Double, replicates: Int, _ ratio: (Int) -> Double) -> [Row] {
    (1...replicates).flatMap { replicate -> [Row] in
      let noise = Fixture.around(1, spread: spread, count: 5, seed: UInt64(replicate * 7 + arm.count))
      return Self.sweep.levels.enumerated().map { index, level in
        var row = Fixture.rows(arm, "grown_over_fresh_cpu", [ratio(index) * noise[index]])[0]
        row.replicate = replicate
        row.levels["stored_mib"] = level
        return row
      }
    }
  }

  private func judge(spread: Double = 0.005, again: Double = 0, _ ratio: (Int) -> Double) -> Verdict {
    let rows =
      rows("twin", spread: spread, replicates: 7, ratio)
      + rows("twin-again", spread: 0.002, replicates: 3) { 1 + again * Double($0) }
    return Verdict.judge(experiment, rows: rows, under: Fixture.calm)
  }

  @Test("the same cost at each volume is flat; cost that rises by 4 % a doubling is not, and is told as a loss")
  func rising() throws {
    #expect(judge { _ in 1 }.outcome == .supported)
    let verdict = judge { 1 + 0.04 * Double($0) }
    #expect(verdict.outcome == .notSupported, "\(verdict.sentence)")
    #expect(try #require(verdict.findings[0].effect).value < -0.03, "\(verdict.sentence)")
  }

  @Test("a slope that the A/A twin has as well refutes nothing")
  func ownNoise() {
    #expect(judge(again: -0.05) { 1 + 0.03 * Double($0) }.outcome == .inconclusive)
  }

  @Test("where it stays open the bound that is known is told")
  func bound() {
    let verdict = judge(spread: 0.2) { _ in 1 }
    #expect(verdict.outcome == .inconclusive)
    #expect(verdict.sentence.contains("it loses at most"), "\(verdict.sentence)")
  }

  @Test("adaptive replicates go on until the slope is known to the wanted share of its tolerance")
  func adaptive() {
    let adaptive = AdaptiveReplicates(width: 0.5, max: 9, minutes: .infinity)
    func decide(_ spread: Double) -> AdaptiveReplicates.Decision {
      adaptive.decide(
        experiment, rows: rows("twin", spread: spread, replicates: 7) { _ in 1 }, done: 7, seconds: 0, seed: 1)
    }
    guard case .enough = decide(0.003) else { return #expect(Bool(false), "\(decide(0.003))") }
    guard case .more(let reason) = decide(0.1) else { return #expect(Bool(false), "\(decide(0.1))") }
    #expect(reason.contains("the slope of flat, of its tolerance"), "\(reason)")
  }
}

@Suite("Verdict: conjunctions, combinations and states")
struct VerdictStateTests {
  let faster = Fixture.rule("faster", .ratio, metric: "mb_per_s", test: ["new"], baseline: ["old"], threshold: 1.5)
  let cheaper = Fixture.rule(
    "cheaper", .ratio, metric: "cpu_s_per_gb", better: .lower, test: ["new"], baseline: ["old"], threshold: 4.0 / 3)

  private func rows(speed: Double, cost: Double) -> [Row] {
    func arm(_ name: String, _ speed: Double, _ cost: Double, _ seed: UInt64) -> [Row] {
      zip(Fixture.around(speed, seed: seed), Fixture.around(cost, seed: seed + 50)).enumerated().map { index, pair in
        var row = Fixture.rows(name, "mb_per_s", [pair.0])[0]
        row.metrics["cpu_s_per_gb"] = pair.1
        row.replicate = index + 1
        return row
      }
    }
    return arm("new", speed, cost, 1) + arm("old", 100, 1, 2) + arm("old-again", 100, 1, 3)
  }

  @Test("both parts must hold; a part without weight is printed and does not count")
  func conjunction() {
    func judge(_ rules: [VerdictRule], _ rows: [Row]) -> Verdict {
      Verdict.judge(Fixture.pair(rules), rows: rows, under: Fixture.calm)
    }
    #expect(judge([faster, cheaper], rows(speed: 200, cost: 0.5)).outcome == .supported)
    let one = judge([faster, cheaper], rows(speed: 120, cost: 0.5))
    #expect(one.outcome == .notSupported && one.findings.map(\.outcome) == [.notSupported, .supported])
    #expect(one.sentence.contains("1 of 2 comparisons is against the claim"))
    var weightless = faster
    weightless.decides = false
    let reported = judge([weightless, cheaper], rows(speed: 120, cost: 0.5))
    #expect(reported.outcome == .supported && reported.findings.count == 2)
    #expect(judge([], rows(speed: 200, cost: 0.5)).outcome == .inconclusive)
  }

  @Test("a failed gate makes the best of results inconclusive and informative")
  func gate() {
    var circumstances = Fixture.calm
    circumstances.failedGates = ["client and broker bytes differ by 3 %"]
    let verdict = Verdict.judge(Fixture.pair([faster]), rows: rows(speed: 200, cost: 1), under: circumstances)
    #expect(verdict.outcome == .inconclusive && verdict.state == .informative)
    #expect(verdict.sentence.contains("client and broker bytes differ by 3 %"))
    #expect(verdict.findings[0].outcome == .supported, "the finding itself is still shown")
  }

  @Test("the states: reportable, valid, informative, each with its reason")
  func states() {
    let rows = rows(speed: 200, cost: 0.5)
    func state(replicates: Int = 7, _ change: (inout Verdict.Circumstances) -> Void) -> Verdict {
      var circumstances = Fixture.calm
      change(&circumstances)
      return Verdict.judge(Fixture.pair([faster], replicates: replicates), rows: rows, under: circumstances)
    }
    #expect(state { _ in }.state == .reportable)
    #expect(state { $0.profile = .quick }.state == .valid)
    #expect(state { $0.shortcomings = ["the disk is virtual"] }.stateReasons == ["the disk is virtual"])
    #expect(state(replicates: 5) { _ in }.state == .valid)
    #expect(state(replicates: 3) { _ in }.state == .informative)
    #expect(state { $0.belowMinimum = ["1 core of 2"] }.state == .informative)
    #expect(state { $0.isComplete = false }.stateReasons == ["the campaign was interrupted"])
  }

  @Test("each combination of levels is judged apart, within the rule's restriction")
  func combinations() {
    let experiment = Fixture.experiment(
      number: 10, name: "codecs",
      factors: [
        Factor(name: "codec", levels: ["gzip", "lz4"]), Factor(name: "corpus", levels: ["json", "log", "random"]),
      ],
      arms: [
        Fixture.arm("batch", .test), Fixture.arm("message", .baseline),
        Fixture.arm("batch-again", .again, repeats: "batch"),
      ],
      metrics: ["compression_ratio"],
      verdicts: [
        Fixture.rule(
          "text", .ratio, metric: "compression_ratio", test: ["batch"], baseline: ["message"],
          per: ["codec", "corpus"], only: [Factor(name: "corpus", levels: ["json", "log"])], threshold: 1.5),
        Fixture.rule(
          "control", .equal, metric: "compression_ratio", test: ["batch"], baseline: ["message"], per: ["codec"],
          only: [Factor(name: "corpus", levels: ["random"])], tolerance: 0.05),
      ])
    var rows: [Row] = []
    for codec in ["gzip", "lz4"] {
      for (corpus, batch, message) in [("json", 5.0, 1.5), ("log", 4.0, 1.4), ("random", 1.0, 1.0)] {
        let levels = ["codec": Level(codec), "corpus": Level(corpus)]
        rows += Fixture.rows("batch", "compression_ratio", .init(repeating: batch, count: 7), levels: levels)
        rows += Fixture.rows("message", "compression_ratio", .init(repeating: message, count: 7), levels: levels)
        rows += Fixture.rows("batch-again", "compression_ratio", .init(repeating: batch, count: 7), levels: levels)
      }
    }
    let verdict = Verdict.judge(experiment, rows: rows, under: Fixture.calm)
    #expect(verdict.outcome == .supported, "\(verdict.sentence)")
    #expect(
      verdict.findings.map(\.combination) == ["gzip, json", "gzip, log", "lz4, json", "lz4, log", "gzip", "lz4"])
    #expect(verdict.findings[0].floor == 0, "a ratio of bytes does not vary between runs")
    #expect(verdict.outcome(of: .bare) == .supported && verdict.outcome(of: .endToEnd) == nil)
  }

  @Test("rules whose arms a profile leaves out are named and carry no weight")
  func leftOut() {
    var experiment = Fixture.pair([
      faster, Fixture.rule("other", .ratio, metric: "mb_per_s", test: ["gone"], baseline: ["old"], threshold: 1),
    ])
    experiment.replicates = 7
    let verdict = Verdict.judge(experiment, rows: rows(speed: 200, cost: 1), under: Fixture.calm)
    #expect(verdict.outcome == .supported && verdict.findings.count == 2)
    #expect(verdict.findings[1].sentence.contains("does not run gone"))
  }

  @Test("a level that the test names holds for the baseline too, unless the baseline names its own")
  func inheritedLevels() {
    func judge(_ baseline: Selection) -> Verdict {
      let experiment = Fixture.experiment(
        number: 1, name: "blocks", factors: [Factor(name: "block", levels: ["4", "1024"])],
        arms: [
          Fixture.arm("ordered", .test), Fixture.arm("random", .baseline),
          Fixture.arm("ordered-again", .again, repeats: "ordered"),
        ],
        metrics: ["mb_per_s"],
        verdicts: [
          VerdictRule(
            name: "order", meaning: "", kind: .ratio, tier: .bare, metric: "mb_per_s", better: .higher,
            test: Selection(arms: ["ordered"], levels: [Setting(name: "block", value: "4")]), baseline: baseline,
            per: [], only: [], threshold: 10, tolerance: nil, lastDecile: nil, decides: true)
        ])
      let rates = [("ordered", "4", 900.0), ("ordered", "1024", 1000), ("random", "4", 30), ("random", "1024", 950)]
      let rows = (rates + [("ordered-again", "4", 900)]).flatMap { arm, block, rate in
        Fixture.rows(
          arm, "mb_per_s", Fixture.around(rate, seed: UInt64(rate)), levels: ["block": Level(block)],
          role: arm == "ordered-again" ? .again : .test)
      }
      return Verdict.judge(experiment, rows: rows, under: Fixture.calm)
    }
    let same = judge(Selection(arms: ["random"]))
    #expect(same.outcome == .supported, "\(same.sentence)")
    #expect((29.0...31).contains(same.findings[0].effect?.value ?? 0), "30 times at 4, and not a mean over both blocks")
    let other = judge(Selection(arms: ["random"], levels: [Setting(name: "block", value: "1024")]))
    #expect(other.outcome == .notSupported, "\(other.sentence)")
  }

  @Test("the noise floor never pools rows of different levels")
  func floorByLevel() {
    let experiment = Fixture.experiment(
      number: 10, name: "levels", factors: [Factor(name: "size", levels: ["1", "100"])],
      arms: [Fixture.arm("codec", .test), Fixture.arm("codec-again", .again, repeats: "codec")],
      metrics: ["compression_ratio"],
      verdicts: [
        VerdictRule(
          name: "batch", meaning: "", kind: .ratio, tier: .bare, metric: "compression_ratio", better: .higher,
          test: Selection(arms: ["codec"], levels: [Setting(name: "size", value: "100")]),
          baseline: Selection(arms: ["codec"], levels: [Setting(name: "size", value: "1")]), per: [], only: [],
          threshold: 1.5, tolerance: nil, lastDecile: nil, decides: true)
      ])
    let rows = ["codec", "codec-again"].flatMap { arm in
      [("1", 1.2), ("100", 4.8)].flatMap { size, ratio in
        Fixture.rows(
          arm, "compression_ratio", .init(repeating: ratio, count: 7), levels: ["size": Level(size)],
          role: arm == "codec" ? .test : .again)
      }
    }
    let verdict = Verdict.judge(experiment, rows: rows, under: Fixture.calm)
    #expect(verdict.outcome == .supported && verdict.findings[0].floor == 0, "\(verdict.sentence)")
  }

  @Test("40 A/A experiments give no more wrong verdicts than chance allows at 5 %")
  func falsePositives() {
    let direction = Fixture.rule("better", .ratio, metric: "mb_per_s", test: ["new"], baseline: ["old"], threshold: 1)
    var called = 0
    for trial in 0..<40 {
      let seed = UInt64(trial) * 10
      let rows =
        Fixture.rows("new", "mb_per_s", Fixture.around(100, spread: 0.1, seed: seed))
        + Fixture.rows("old", "mb_per_s", Fixture.around(100, spread: 0.1, seed: seed + 1))
        + Fixture.rows("old-again", "mb_per_s", Fixture.around(100, spread: 0.1, seed: seed + 2))
      if Verdict.judge(Fixture.pair([direction]), rows: rows, under: Fixture.calm).outcome == .supported { called += 1 }
    }
    #expect(called <= 6, "\(called) of 40")
  }
}
