import Base
import Glibc
import Testing

@testable import Experiment
@testable import Verdict

// Reference numbers: numpy 2 and scipy 1.17 on the same samples.

private func near(_ value: Double?, _ reference: Double, within tolerance: Double = 1e-9) -> Bool {
  guard let value else { return false }
  return abs(value - reference) <= tolerance * max(1, abs(reference))
}

@Suite("Statistics: known values")
struct StatisticsTests {
  let sample = [12.5, 9.1, 14.2, 11.1, 10.7, 30.3, 8.8]

  @Test("quantiles interpolate as numpy's do")
  func quantiles() {
    let reference: [(Double, Double)] = [(0, 8.8), (0.1, 8.98), (0.25, 9.9), (0.5, 11.1), (0.9, 20.64), (1, 30.3)]
    for (fraction, value) in reference { #expect(near(Statistics.quantile(sample, fraction), value)) }
    #expect(near(Statistics.median(Array(sample.prefix(6))), 11.8))
  }

  @Test("Student's t with degrees of freedom that are not whole has scipy's tails and quantile")
  func student() {
    #expect(near(Statistics.studentUpperTail(2, degrees: 5), 0.050969739414929174))
    #expect(near(Statistics.studentUpperTail(-1, degrees: 7.5), 0.8257619871846243))
    #expect(near(Statistics.studentUpperTail(30, degrees: 8), 8.26762837589488e-10))
    #expect(near(Statistics.studentQuantile975(degrees: 6.3), 2.418942809942905))
    #expect(Statistics.studentUpperTail(0, degrees: 3) == 0.5)
  }

  @Test("a ratio and its one-sided tests against a margin are scipy's Welch tests of the logarithms")
  func equivalence() throws {
    let (a, b) = ([100.0, 103, 98, 101, 99], [92.0, 95, 94, 90, 93, 96, 91])
    let found = try #require(Statistics.equivalence(a, b, margin: 0.05))
    #expect(near(found.ratio.value, 0.9280652417471392))
    #expect(near(found.ratio.low, 0.9029455923333602) && near(found.ratio.high, 0.9538837115461427))
    #expect(near(found.lessP, 0.030995062165663993))
    #expect(near(found.moreP, 0.999999044760926))
    #expect(near(found.sameP, 0.969004937834336))
    #expect(Statistics.equivalence([1, 2], [0, 1], margin: 0.05) == nil)
    #expect(Statistics.equivalence([5, 5], [5, 5], margin: 0.05)?.sameP == 0)
  }

  @Test(
    "Holm's correction multiplies the smallest by all, the next by one fewer, and never falls; what is missing has no part"
  )
  func holm() {
    let corrected = Statistics.holm([0.01, nil, 0.04, 0.03, 0.005])
    let due: [Double?] = [0.03, nil, 0.06, 0.06, 0.02]
    for (one, other) in zip(corrected, due) {
      #expect(one.map { ($0 * 1e12).rounded() } == other.map { ($0 * 1e12).rounded() })
    }
  }

  @Test("nothing has no median, no spread and no interval")
  func nothing() {
    #expect(Statistics.median([]) == nil)
    #expect(Statistics.medianInterval([], seed: 1) == nil)
    #expect(Statistics.ratioOfMedians([], over: [1], seed: 1) == nil)
    #expect(Statistics.ratioOfMedians([1], over: [0], seed: 1) == nil)
    #expect(Statistics.theilSen([(x: 1, y: 1), (x: 1, y: 2)]) == nil)
    #expect(Statistics.mannKendall([1, 2]) == nil)
    #expect(Statistics.settles([1, 1, 1, 1]) == nil)
  }

  @Test("the normal and Student distributions match scipy")
  func distributions() {
    for (z, p) in [(-2.5, 0.00620967), (-1, 0.15865525), (0, 0.5), (1.3, 0.90319952)] {
      #expect(near(Statistics.normalCumulative(z), p, within: 1e-7))
    }
    for (degrees, t) in [(4, 2.77645), (6, 2.44691), (9, 2.26216), (30, 2.04227)] {
      #expect(near(Statistics.student975(degrees: degrees), t, within: 4e-4), "\(degrees) degrees")
    }
  }

  @Test("bootstrap intervals match scipy's with 200,000 resamples")
  func bootstrap() throws {
    let test = [101.0, 99, 103, 97, 100, 105, 98], baseline = [50.0, 52, 49, 51, 48, 53, 50.5]
    let ratio = try #require(Statistics.ratioOfMedians(test, over: baseline, seed: 7))
    #expect(near(ratio.value, 1.9801980198019802))
    #expect(near(ratio.low, 1.9038461538461537, within: 0.005))
    #expect(near(ratio.high, 2.0625, within: 0.005))
    #expect(ratio.count == 7)
    let values = [12.5, 9.1, 14.2, 11.1, 10.7, 30.3, 8.8, 10.1, 11.9, 13.3, 12.2, 9.9, 10.4, 11.5, 12.8]
    let median = try #require(Statistics.medianInterval(values, seed: 7))
    #expect(near(median.value, 11.5) && near(median.low, 10.1) && near(median.high, 12.8))
  }

  @Test("the exact bootstrap is what many draws tend to, for odd and even samples", arguments: [3, 4, 7, 8, 13])
  func exact(count: Int) throws {
    var generator = SplitMix(seed: UInt64(count))
    let sample = (0..<count).map { _ in Double.random(in: 0...100, using: &generator) }.sorted()
    let exact = MedianDistribution(sample, seed: 1)
    #expect(near(exact.weights.reduce(0, +), 1))
    var drawn: [Double: Int] = [:]
    let rounds = 4000
    for _ in 0..<rounds {
      let draw = (0..<count).map { _ in sample[Int.random(in: 0..<count, using: &generator)] }.sorted()
      drawn[(draw[(count - 1) / 2] + draw[count / 2]) / 2, default: 0] += 1
    }
    for (value, weight) in zip(exact.values, exact.weights) where weight > 0.001 {
      let seen = Double(drawn[value] ?? 0) / Double(rounds)
      #expect(abs(seen - weight) < 5 * (weight / Double(rounds)).squareRoot() + 1e-9, "\(value): \(seen), \(weight)")
    }
  }

  @Test("long samples are drawn, and their interval is that of scipy within its noise")
  func long() throws {
    let sample = (1...101).map { Double($0) }
    let estimate = try #require(Statistics.medianInterval(sample, seed: 3))
    // scipy, 200,000 resamples, at the expanded level: 41 and 61.
    #expect(abs(estimate.low - 41) <= 1 && abs(estimate.high - 61) <= 1 && estimate.value == 51)
    let ratio = try #require(Statistics.ratioOfMedians(sample.map { $0 * 2 }, over: sample, seed: 3))
    #expect(near(ratio.value, 2) && ratio.low < 1.7 && ratio.high > 2.3)
  }

  @Test("Theil-Sen and its interval match scipy, with an outlier and with ties")
  func theilSen() throws {
    let y = [2.1, 3.9, 6.2, 7.8, 30, 12.1, 13.8, 16.2, 17.9, 20.3]
    let wild = try #require(Statistics.theilSen(y.enumerated().map { (x: Double($0.offset + 1), y: $0.element) }))
    #expect(near(wild.value, 2.0142857142857142))
    #expect(near(wild.low, 1.933333333333333) && near(wild.high, 2.05))
    let tied = zip([1.0, 1, 2, 2, 3, 4, 5, 5], [3.0, 4, 4, 5, 7, 7, 9, 8]).map { (x: $0, y: $1) }
    let slope = try #require(Statistics.theilSen(tied))
    #expect(near(slope.value, 1.25) && near(slope.low, 1) && near(slope.high, 2))
  }

  @Test("Mann-Kendall matches scipy, with ties")
  func trends() throws {
    let rising = try #require(Statistics.mannKendall([3, 4, 4, 5, 7, 7, 9, 8, 8, 12]))
    #expect(rising.s == 38 && near(rising.p, 0.0008086333048041412, within: 1e-6))
    let neither = try #require(Statistics.mannKendall([5, 3, 4, 5, 2, 6, 4, 5]))
    #expect(neither.s == 4 && near(neither.p, 0.7001155851110985, within: 1e-6))
  }

  @Test("a series settles after its warm-up, and a swinging or climbing one never does")
  func steadiness() {
    #expect(Statistics.settles([10, 40, 70, 95, 99, 101, 100, 102, 98]) == 3)
    #expect(Statistics.settles([100, 101, 99, 100, 102]) == 0)
    #expect(Statistics.settles((0..<20).map { Double(100 + 20 * $0) }) == nil)
    #expect(Statistics.settles((0..<20).map { $0 % 2 == 0 ? 50 : 150 }) == nil)
    #expect(Statistics.settles([0, 0, 0, 0, 0, 0]) == nil, "a run that moves nothing is not steady")
  }
}

@Suite("Statistics: properties")
struct StatisticsPropertyTests {
  static let seeds: [UInt64] = Array(1...20)

  private func sample(_ seed: UInt64, count: Int? = nil) -> [Double] {
    var generator = SplitMix(seed: seed)
    return (0..<(count ?? 2 + generator.below(20))).map { _ in Double.random(in: 1...1000, using: &generator) }
  }

  @Test("an interval contains its median, stays within the sample, and is the same for the same seed", arguments: seeds)
  func intervalContains(seed: UInt64) throws {
    let values = sample(seed)
    let estimate = try #require(Statistics.medianInterval(values, seed: seed))
    #expect(estimate.low <= estimate.value && estimate.value <= estimate.high)
    #expect(try #require(values.min()) <= estimate.low && estimate.high <= #require(values.max()))
    #expect(Statistics.medianInterval(values.shuffled(), seed: seed) == estimate, "order must not matter")
  }

  @Test("a ratio scales with its arms and turns over when they change places", arguments: seeds)
  func ratioScales(seed: UInt64) throws {
    let test = sample(seed), baseline = sample(seed + 1000)
    let ratio = try #require(Statistics.ratioOfMedians(test, over: baseline, seed: seed))
    let tripled = try #require(Statistics.ratioOfMedians(test.map { $0 * 3 }, over: baseline, seed: seed))
    #expect(near(tripled.value, ratio.value * 3) && near(tripled.low, ratio.low * 3))
    let turned = try #require(Statistics.ratioOfMedians(baseline, over: test, seed: seed))
    #expect(near(turned.value, ratio.inverse.value))
    #expect(ratio.low <= ratio.value && ratio.value <= ratio.high)
  }

  @Test("a slope is unmoved by a shift and scales with y", arguments: seeds)
  func slope(seed: UInt64) throws {
    let points = sample(seed, count: 12).enumerated().map { (x: Double($0.offset), y: $0.element) }
    let slope = try #require(Statistics.theilSen(points))
    let moved = try #require(Statistics.theilSen(points.map { (x: $0.x + 5, y: $0.y * 2 + 100) }))
    #expect(near(moved.value, slope.value * 2) && near(moved.low, slope.low * 2))
    #expect(slope.low <= slope.value && slope.value <= slope.high)
  }

  @Test("medians are as far apart seen from either side, and not at all where they are equal", arguments: seeds)
  func distance(seed: UInt64) throws {
    let arm = sample(seed, count: 7), again = sample(seed + 500, count: 7)
    let distance = try #require(Statistics.distanceOfMedians(arm, again))
    #expect(distance > 0 && distance == Statistics.distanceOfMedians(again, arm))
    #expect(Statistics.distanceOfMedians([4, 5, 9], [5, 5, 5]) == 0)
    #expect(Statistics.distanceOfMedians([5], [0]) == nil)
  }
}

@Suite("Statistics: coverage")
struct CoverageTests {
  /// Normal noise by Box and Muller.
  private func noisy(_ count: Int, around center: Double, spread: Double, using generator: inout SplitMix)
    -> [Double]
  {
    (0..<count).map { _ in
      let radius = (-2 * log(Double.random(in: .leastNonzeroMagnitude...1, using: &generator))).squareRoot()
      return center + spread * radius * cos(2 * .pi * Double.random(in: 0..<1, using: &generator))
    }
  }

  @Test("the interval of a median covers the truth about 95 % of the time", arguments: [5, 7, 12])
  func median(count: Int) throws {
    var generator = SplitMix(seed: 95)
    let trials = 300
    var covered = 0
    for trial in 0..<trials {
      let values = noisy(count, around: 100, spread: 5, using: &generator)
      let estimate = try #require(Statistics.medianInterval(values, seed: UInt64(trial)))
      if estimate.low <= 100, 100 <= estimate.high { covered += 1 }
    }
    // 94.6 % expected at n = 5 (its widest possible interval): 273 of 300 is three standard errors below.
    #expect(covered >= 273, "covered \(covered) of \(trials)")
    #expect(covered <= 300)
  }

  @Test("200 A/A comparisons call no more differences than chance allows at 5 %", arguments: [5, 7])
  func falsePositives(count: Int) throws {
    var generator = SplitMix(seed: 5)
    var called = 0
    for trial in 0..<200 {
      let arm = noisy(count, around: 100, spread: 5, using: &generator)
      let again = noisy(count, around: 100, spread: 5, using: &generator)
      let ratio = try #require(Statistics.ratioOfMedians(arm, over: again, seed: UInt64(trial)))
      if ratio.low > 1 || ratio.high < 1 { called += 1 }
    }
    #expect(called <= 18, "\(called) of 200")
  }

  @Test("a real difference of 30 % is seen through 5 % noise nearly every time")
  func power() throws {
    var generator = SplitMix(seed: 30)
    var seen = 0
    for trial in 0..<100 {
      let fast = noisy(5, around: 130, spread: 6.5, using: &generator)
      let slow = noisy(5, around: 100, spread: 5, using: &generator)
      let ratio = try #require(Statistics.ratioOfMedians(fast, over: slow, seed: UInt64(trial)))
      if ratio.low > 1.05 { seen += 1 }
    }
    #expect(seen >= 95, "saw \(seen) of 100")
  }
}
