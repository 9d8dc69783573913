import Base
import Glibc
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Verdict

/// Series of windows with a known truth.
private struct Noise {
  private var generator: SplitMix
  private var last = 0.0

  init(seed: UInt64) { generator = SplitMix(seed: seed) }

  private mutating func normal() -> Double {
    let (u, v) = (Double.random(in: 1e-12..<1, using: &generator), Double.random(in: 0..<1, using: &generator))
    return (-2 * log(u)).squareRoot() * cos(2 * .pi * v)
  }

  /// `count` values around 0 with a spread of 1, each correlated with the one before it.
  mutating func series(_ count: Int, correlation r: Double) -> [Double] {
    // What came before is forgotten.
    for _ in 0..<50 { last = r * last + (1 - r * r).squareRoot() * normal() }
    return (0..<count).map { _ in
      last = r * last + (1 - r * r).squareRoot() * normal()
      return last
    }
  }
}

@Suite("Verdict: drift")
struct DriftTests {
  // MARK: The slope

  private func missed(correlation: Double, slope: Double = 0, count: Int = 27, trials: Int = 400) -> (
    low: Int, high: Int
  ) {
    var noise = Noise(seed: 11)
    var missed = (low: 0, high: 0)
    for _ in 0..<trials {
      let points = noise.series(count, correlation: correlation).enumerated().map { index, value in
        (x: Double(index), y: 100 + slope * Double(index) + value)
      }
      guard let found = Statistics.drift(points) else { continue }
      if found.low > slope { missed.low += 1 }
      if found.high < slope { missed.high += 1 }
    }
    return missed
  }

  @Test(
    "of 400 series without a drift at most 5 in 100 show one for the worse, however alike neighbours are",
    arguments: [0, 0.3, 0.6, 0.8])
  func falsePositives(correlation: Double) {
    let missed = missed(correlation: correlation)
    #expect(missed.low <= 20 && missed.high <= 20, "\(missed)")
    #expect(missed.low + missed.high > 0, "an interval that never misses is too wide to show anything")
  }

  @Test("taken as independent, neighbours that are alike show drifts by the dozen")
  func naive() {
    var noise = Noise(seed: 11)
    let wrong = (0..<400).count { _ in
      let points = noise.series(27, correlation: 0.6).enumerated().map { (x: Double($0.offset), y: $0.element) }
      guard let found = Statistics.theilSen(points) else { return false }
      return found.low > 0 || found.high < 0
    }
    #expect(wrong > 60, "\(wrong) of 400")
  }

  @Test("a slope is within its interval in 93 of 100 series, and a steep one is seen", arguments: [(0, 0.3), (0.6, 1)])
  func known(correlation: Double, slope: Double) {
    let missed = missed(correlation: correlation, slope: slope)
    #expect(missed.low + missed.high <= 28, "\(missed)")
    var noise = Noise(seed: 5)
    let seen = (0..<100).count { _ in
      let points = noise.series(27, correlation: correlation).enumerated().map { index, value in
        (x: Double(index), y: slope * Double(index) + value)
      }
      return Statistics.drift(points).map { $0.low > 0 } ?? false
    }
    #expect(seen >= 90, "\(seen) of 100")
  }

  @Test("a constant series has no slope and no room for one, and one odd window makes some room")
  func constant() throws {
    let flat = try #require(Statistics.drift((0..<27).map { (x: Double($0), y: 42.0) }))
    #expect(flat.value == 0 && flat.low == 0 && flat.high == 0, "\(flat)")
    // One window in which one file more was open.
    let once = try #require(Statistics.drift((0..<27).map { (x: Double($0), y: $0 == 13 ? 43 : 42.0) }))
    #expect(once.value == 0 && once.low < 0 && once.high > 0 && once.high < 0.02, "\(once)")
    #expect(Statistics.drift([(0, 1), (1, 2), (2, 3), (3, 4)]) == nil)
    #expect(Statistics.drift((0..<9).map { (x: 1.0, y: Double($0)) }) == nil)
  }

  @Test("one stall a hundred times as long as the rest moves neither the slope nor its interval by much")
  func stall() throws {
    var noise = Noise(seed: 7)
    let calm = noise.series(54, correlation: 0.3).enumerated().map { (x: Double($0.offset), y: 20 + $0.element) }
    var stalled = calm
    stalled[30].y = 2000
    let (one, other) = (try #require(Statistics.drift(calm)), try #require(Statistics.drift(stalled)))
    #expect(other.high - other.low < 2 * (one.high - one.low), "\(one) \(other)")
    #expect(abs(other.value - one.value) < one.high - one.low)
  }

  @Test("of series that wander one in six at the most shows a drift")
  func wandering() {
    var noise = Noise(seed: 3)
    let wrong = (0..<200).count { _ in
      var place = 0.0
      let walk = noise.series(54, correlation: 0).enumerated().map { index, step in
        place += step
        return (x: Double(index), y: place)
      }
      guard let found = Statistics.drift(walk) else { return false }
      return found.low > 0 || found.high < 0
    }
    #expect(wrong <= 33, "\(wrong) of 200")
  }

  @Test("neighbours' correlation is that of ranks, and one wild value does not hide it")
  func correlation() {
    let swing: [Double] = [1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2]
    let calm = Statistics.autocorrelation(swing)
    var wild = swing
    wild[6] = 1e9
    #expect(abs(Statistics.autocorrelation(wild) - calm) < 0.1 && abs(calm) < 0.2, "\(calm)")
    #expect(Statistics.autocorrelation((0..<20).map { Double($0) }) > 0.8)
    #expect(Statistics.autocorrelation([5, 5, 5, 5, 5]) == 0)
  }

  // MARK: The rule

  private static let levels = (1...30).map { Level(String($0 * 60)) }

  private func rule(
    _ metric: String = "rss_mib", _ better: VerdictRule.Better = .lower, tolerance: Double? = 0.02,
    threshold: Double? = nil, span: VerdictRule.Span? = nil
  ) -> VerdictRule {
    var rule = Fixture.rule(
      "memory", .drift, metric: metric, better: better, test: ["soak"], baseline: [], threshold: threshold,
      tolerance: tolerance, tier: .endToEnd)
    rule.span = span
    return rule
  }

  private func experiment(_ rules: [VerdictRule]) -> Experiment {
    Fixture.experiment(
      number: 18, name: "soak", factors: [], sweep: Factor(name: "elapsed_s", levels: Self.levels),
      arms: [Fixture.arm("soak", .test, program: .load(.endToEnd))], metrics: ["rss_mib", "lost"], verdicts: rules,
      replicates: 1)
  }

  /// A row for each window of each run; the log is full after `fullAfter` windows.
  private func rows(
    _ metric: String = "rss_mib", _ values: [[Double]], fullAfter: Int = 1
  ) -> [Row] {
    values.enumerated().flatMap { run, series in
      zip(Self.levels, series).enumerated().map { place, window in
        var row = Fixture.rows("soak", metric, [window.1], levels: ["elapsed_s": window.0], tier: .endToEnd)[0]
        (row.order, row.replicate) = (run, run + 1)
        row.metrics["log_mib"] = min(Double(place + 1) / Double(fullAfter), 1) * 1024
        return row
      }
    }
  }

  /// 64 MiB with a spread of 0.05, and so much more an hour.
  private func memory(growing mib: Double, from start: Int = 0, seed: UInt64 = 1) -> [Double] {
    var noise = Noise(seed: seed)
    return noise.series(30, correlation: 0.3).enumerated().map { index, value in
      64 + 0.05 * value + mib * Double(max(0, index - start)) / 60
    }
  }

  private func judge(_ values: [[Double]], _ rule: VerdictRule? = nil, fullAfter: Int = 1) -> Verdict {
    Verdict.judge(
      experiment([rule ?? self.rule()]), rows: rows(rule?.metric ?? "rss_mib", values, fullAfter: fullAfter).shuffled(),
      under: Fixture.calm)
  }

  @Test("memory that stays holds on one run alone, and the sentence tells the slope, its interval and what it rests on")
  func holds() {
    let verdict = judge([memory(growing: 0)])
    #expect(verdict.outcome == .supported, "\(verdict.sentence)")
    #expect(verdict.sentence.contains("an hour ["), "\(verdict.sentence)")
    #expect(verdict.sentence.contains("27 windows after 3 min"), "\(verdict.sentence)")
    #expect(verdict.sentence.contains("at most +2 % wanted") && verdict.sentence.hasSuffix("holds."))
    #expect(verdict.state == .valid, "one run is a shortcoming that is named, and no obstacle: \(verdict.stateReasons)")
    #expect(verdict.stateReasons.contains { $0.contains("1 replicates a cell") }, "\(verdict.stateReasons)")
  }

  @Test("a leak fails, one in three runs too, and memory that is given back does not")
  func leak() {
    // 4 MiB an hour of 64 are 6 %.
    let leaking = judge([memory(growing: 4)])
    #expect(leaking.outcome == .notSupported && leaking.grade == .fails, "\(leaking.sentence)")
    #expect(abs((leaking.findings[0].effect?.value ?? 0) - 0.0625) < 0.01, "\(leaking.sentence)")
    let one = judge([memory(growing: 0), memory(growing: 4, seed: 2), memory(growing: 0, seed: 3)])
    #expect(one.outcome == .notSupported && one.sentence.contains("the worst of 3 runs"), "\(one.sentence)")
    #expect(judge([memory(growing: -4)]).outcome == .supported)
  }

  @Test("what is near the tolerance, or too noisy, is left open, with what is known of it")
  func open() {
    var noise = Noise(seed: 9)
    let noisy = noise.series(30, correlation: 0.5).map { 64 + 3 * $0 }
    let verdict = judge([noisy])
    #expect(verdict.outcome == .inconclusive, "\(verdict.sentence)")
    guard case .undecided(let bound?) = verdict.grade else {
      Issue.record("\(verdict.grade)")
      return
    }
    #expect(bound.hasSuffix("an hour") && bound.contains(" to +"), "\(bound)")
  }

  @Test("the time until retention is reached is warm-up, and so is the first tenth")
  func warmUp() {
    // Grows with the log for ten windows, then stays.
    var values = memory(growing: 0)
    for index in 0..<10 { values[index] -= Double(10 - index) * 4 }
    #expect(judge([values], fullAfter: 10).outcome == .supported)
    #expect(judge([values], fullAfter: 1).outcome != .supported, "held against it, were it not for the log")
    let late = judge([values], fullAfter: 25)
    #expect(late.outcome == .inconclusive && late.sentence.contains("fewer than 10 windows"), "\(late.sentence)")
  }

  @Test("with a threshold the slope is told in the metric's unit, and over the run where the rule says so")
  func unit() {
    var descriptors = [Double](repeating: 120, count: 30)
    let threshold = rule("open_descriptors", tolerance: nil, threshold: 1)
    let still = judge([descriptors], threshold)
    #expect(
      still.outcome == .supported && still.sentence.contains("open_descriptors 0 an hour [0, 0]"), "\(still.sentence)")
    for index in descriptors.indices { descriptors[index] += Double(index / 3) }
    let leaking = judge([descriptors], threshold)
    #expect(leaking.outcome == .notSupported, "\(leaking.sentence)")
    let run = judge([memory(growing: 4)], rule(tolerance: 0.1, span: .run))
    #expect(run.outcome == .supported && run.sentence.contains("over 27 min ["), "\(run.sentence)")
  }

  @Test("where higher is better, falling is the drift")
  func higher() {
    #expect(judge([memory(growing: -4)], rule("records_per_s", .higher)).outcome == .notSupported)
    let rising = judge([memory(growing: 4)], rule("records_per_s", .higher))
    #expect(rising.outcome == .supported && rising.sentence.contains("not below −2 % wanted"), "\(rising.sentence)")
  }

  @Test("a share of a level of zero is no share, and a metric that nobody measured has no drift")
  func nothing() {
    let zero = judge([[Double](repeating: 0, count: 30)])
    #expect(zero.outcome == .inconclusive && zero.sentence.contains("level above zero"), "\(zero.sentence)")
    let missing = Verdict.judge(
      experiment([rule("threads")]), rows: rows("rss_mib", [memory(growing: 0)]), under: Fixture.calm)
    #expect(missing.outcome == .inconclusive && missing.sentence.contains("no valid run has threads"))
  }

  @Test("of one long run it is enough that nothing was lost; one lost record fails")
  func never() {
    let rule = Fixture.rule(
      "lost", .never, metric: "lost", better: .lower, test: ["soak"], baseline: [], tier: .endToEnd)
    func judge(_ lost: Double) -> Verdict {
      Verdict.judge(
        experiment([rule]),
        rows: Fixture.rows("soak", "lost", [lost], levels: ["elapsed_s": "1800"], tier: .endToEnd), under: Fixture.calm)
    }
    #expect(judge(0).outcome == .supported && judge(0).sentence.contains("not once in 1 runs"))
    #expect(judge(1).outcome == .notSupported)
  }
}
