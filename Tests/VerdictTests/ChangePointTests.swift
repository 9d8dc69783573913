import Base
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Verdict

@Suite("Change points")
struct ChangePointTests {
  /// Levels of so many values each, with 3 % of noise.
  private func series(_ levels: [(value: Double, count: Int)], seed: UInt64) -> [Double] {
    var generator = SplitMix(seed: seed)
    return levels.flatMap { level, count in
      (0..<count).map { _ in level * (1 + 0.03 * Double.random(in: -1...1, using: &generator)) }
    }
  }

  @Test("each change of level is found where it is, up or down", arguments: [1, 2, 3, 4, 5] as [UInt64])
  func finds(seed: UInt64) {
    let found = Statistics.changePoints(series([(100, 30), (60, 25), (90, 40)], seed: seed), seed: seed)
    #expect(found.map(\.index) == [30, 55], "\(found)")
    #expect(zip(found.map(\.before), [100.0, 60]).allSatisfy { abs($0 - $1) < 3 })
    #expect(zip(found.map(\.after), [60.0, 90]).allSatisfy { abs($0 - $1) < 3 })
    #expect(found.allSatisfy { $0.p <= 0.02 })
  }

  @Test("a series of one level has none, but for chance", arguments: [0.0, 0.03])
  func none(noise: Double) {
    var called = 0
    for seed in 1...40 {
      var generator = SplitMix(seed: UInt64(seed))
      let values = (0..<60).map { _ in 100 * (1 + noise * Double.random(in: -1...1, using: &generator)) }
      if !Statistics.changePoints(values, seed: UInt64(seed)).isEmpty { called += 1 }
    }
    #expect(called <= 3, "\(called) of 40")
  }

  @Test("a change too small to matter is left out, however sure; a few values have none")
  func small() {
    #expect(
      Statistics.changePoints(series([(100, 40)], seed: 1).map { $0.rounded() * 0 + 100 } + [100], seed: 1).isEmpty)
    let steps = Array(repeating: 100.0, count: 30) + Array(repeating: 103.0, count: 30)
    #expect(Statistics.changePoints(steps, seed: 1).isEmpty, "3 % is below the limit of 5 %")
    let larger = Array(repeating: 100.0, count: 30) + Array(repeating: 110.0, count: 30)
    #expect(Statistics.changePoints(larger, seed: 1).map(\.index) == [30])
    #expect(Statistics.changePoints([1, 2, 3, 40, 50, 60, 70], seed: 1).isEmpty)
    #expect(Statistics.changePoints([], seed: 1).isEmpty)
  }

  @Test("a long series is averaged down, and its change is still at its place; the seed decides the rest")
  func long() {
    let values = series([(100, 2000), (50, 1000)], seed: 9)
    let found = Statistics.changePoints(values, seed: 9)
    #expect(found.count == 1 && abs((found.first?.index ?? 0) - 2000) <= 13, "\(found)")
    #expect(found == Statistics.changePoints(values, seed: 9))
  }

  @Test("a stored result lists the change of level of its runs")
  func told() throws {
    let scratch = try Scratch()
    var result = try Synthetic.store("11-zero-copy", .quick, in: scratch.path)
    #expect(result.changePoints.isEmpty)
    result.series = (0..<60).map { place in
      SeriesPoint(
        order: 4, arm: "splice", replicate: 1, seconds: Double(place), storedMiB: 0,
        mibPerSecond: place < 30 ? 100 : 40, recordsPerSecond: 0)
    }
    let listed = result.changePoints
    #expect(listed.map(\.order) == [4] && listed.first?.change.index == 30)
  }
}
