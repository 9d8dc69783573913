import Foundation
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Verdict

@Suite("Noise history")
struct NoiseHistoryTests {
  private static let direction = Fixture.rule(
    "better", .ratio, metric: "mb_per_s", test: ["new"], baseline: ["old"], threshold: 1)

  /// Rows of three arms, each with the same seven values around its center.
  private func rows(new: Double, old: Double, again: Double) -> [Row] {
    func rows(_ arm: String, _ center: Double, _ role: Arm.Role) -> [Row] {
      Fixture.rows(arm, "mb_per_s", (-3...3).map { center * (1 + 0.001 * Double($0)) }, role: role)
    }
    return rows("new", new, .test) + rows("old", old, .baseline) + rows("old-again", again, .again)
  }

  private func result(_ name: String, again: Double, change: (inout StoredResult) -> Void = { _ in }) throws
    -> StoredResult
  {
    let scratch = try ScratchDirectory("noise")
    var result = try Synthetic.store("11-zero-copy", .standard, in: scratch.path, name: "a")
    result.path = "results/99-pair/\(name)"
    result.experiment = Fixture.pair([Self.direction])
    result.rows = rows(new: 110, old: 100, again: again)
    result.machine = Fixture.machine()
    result.isComplete = true
    change(&result)
    return result
  }

  private func history(_ results: [StoredResult]) -> NoiseHistory {
    NoiseHistory(of: results, profile: .standard, on: Fixture.machine())
  }

  private func floor(again: Double, _ history: NoiseHistory?) throws -> Double {
    var calm = Fixture.calm
    calm.noise = history
    let verdict = Verdict.judge(
      Fixture.pair([Self.direction]), rows: rows(new: 110, old: 100, again: again), under: calm)
    return try #require(verdict.findings.first?.floor)
  }

  @Test("the floor is how far the A/A medians are apart, whichever is larger, and not how sure they are")
  func own() throws {
    #expect(abs(try floor(again: 102, nil) - 0.02) < 1e-9)
    #expect(abs(try floor(again: 100 / 1.02, nil) - 0.02) < 1e-9)
    #expect(try floor(again: 100, nil) == 0)
  }

  @Test("with earlier campaigns the floor is the median over all of them")
  func pooled() throws {
    let history = history([try result("1", again: 104), try result("2", again: 106)])
    #expect(history.distances.map { ($0.distance * 100).rounded() } == [4, 6])
    #expect(abs(try floor(again: 100, history) - 0.04) < 1e-9, "the median of 0, 4 and 6 %")
    #expect(abs(try floor(again: 120, history) - 0.06) < 1e-9, "one noisy campaign is one of three")
  }

  @Test("other machines, profiles and results that were not finished have no part in it")
  func foreign() throws {
    let foreign = [
      try result("1", again: 104) { $0.machine.processor.cores = 8 },
      try result("2", again: 104) { $0.machine.disk.device = "nvme0n1" },
      try result("3", again: 104) { $0.profile = .quick }, try result("4", again: 104) { $0.isComplete = false },
    ]
    #expect(history(foreign).isEmpty)
    let ours = try result("5", again: 104) { $0.machine.kernel = "7.0" }
    #expect(history([ours]).distances.count == 1, "another kernel is the same machine")
  }

  @Test("a result passes on what it began with, each campaign once, the latest ten")
  func carried() throws {
    let first = try result("01", again: 101)
    let second = try result("02", again: 102) { $0.noise = history([first]) }
    #expect(history([second]).distances.map(\.campaign) == ["01", "02"])
    #expect(history([first, second]).distances.map(\.campaign) == ["01", "02"])
    let many = try (1...13).map { try result($0 < 10 ? "0\($0)" : "\($0)", again: 101) }
    #expect(history(many).distances.map(\.campaign) == ["04", "05", "06", "07", "08", "09", "10", "11", "12", "13"])
  }

  @Test("pairs are those of the deciding rules, one value a run, at each combination of levels")
  func pairs() throws {
    var result = try result("1", again: 104)
    #expect(result.twinPairs.map(\.twin) == ["old-again"] && result.twinPairs.map(\.metric) == ["mb_per_s"])
    #expect(result.twinPairs[0].values.count == 7 && result.twinPairs[0].again.count == 7)
    var rule = Self.direction
    rule.decides = false
    result.experiment = Fixture.pair([rule])
    #expect(result.twinPairs.isEmpty, "what decides nothing is not looked through")
  }
}
