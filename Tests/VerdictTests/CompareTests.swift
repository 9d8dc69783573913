import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Verdict

@Suite("Compare", .serialized)
struct CompareTests {
  private func results(_ change: (inout StoredResult) -> Void) throws -> (StoredResult, StoredResult) {
    let scratch = try ScratchDirectory("compare")
    let first = try Synthetic.store("11-zero-copy", .quick, in: scratch.path, name: "a")
    var second = try Synthetic.store("11-zero-copy", .quick, in: scratch.path, name: "b")
    var kept = first
    // The fixture's one invalid run would leave four of five.
    for index in kept.rows.indices { kept.rows[index].invalid = "" }
    second.rows = kept.rows
    change(&second)
    return (kept, second)
  }

  @Test("the same rows are the same, and exit with 0")
  func same() throws {
    let (first, second) = try results { _ in }
    let comparison = try Comparison(first, second)
    #expect(comparison.configuration.isEmpty && comparison.environment.isEmpty)
    let chances = comparison.effects.compactMap(\.p)
    #expect(!chances.isEmpty && chances.allSatisfy { $0 > 0.9 }, "\(chances)")
    #expect(comparison.outcome != .worse && comparison.outcome != .better)
  }

  @Test("faster and cheaper is better; one slower arm makes it worse, and says which")
  func changes() throws {
    let (first, second) = try results { result in
      for index in result.rows.indices {
        result.rows[index].metrics["mb_per_s"]? *= 2
        result.rows[index].metrics["cpu_s_per_gb"]? *= 0.5
      }
    }
    let better = try Comparison(first, second)
    #expect(better.outcome == .better && better.exitCode == 0)
    #expect(better.effects.allSatisfy { $0.change == .better && $0.p.map { $0 < 0.01 } ?? false })
    let worse = try Comparison(second, first)
    #expect(worse.outcome == .worse && worse.exitCode == 1)
    #expect(worse.effects[0].sentence.contains("worse") && worse.effects[0].sentence.contains("p = 0.00"))
  }

  @Test("configuration and environment differ before numbers do")
  func differences() throws {
    let (first, second) = try results { result in
      result.machine.kernel = "7.0"
      result.profile = .standard
      result.experiment.fixed[0].value = "9"
    }
    let comparison = try Comparison(first, second)
    #expect(comparison.environment == ["kernel: 6.1.0 → 7.0"])
    var (limited, free) = (first, second)
    (limited.machine.processor.quotaCores, limited.machine.loopback) = (1.5, ["lo_mtu": "1500"])
    free.machine.loopback = ["lo_mtu": "65536"]
    let settings = try Comparison(limited, free).environment
    #expect(settings.contains("CPU quota, cores: 1.50 → unknown"), "\(settings)")
    #expect(settings.contains("lo_mtu: 1500 → 65536"), "\(settings)")
    #expect(comparison.configuration.contains("profile: quick → standard"))
    #expect(comparison.configuration.count == 2)
  }

  @Test("too few valid runs are inconclusive, and exit with 2")
  func few() throws {
    let (first, second) = try results { result in result.rows.removeAll { $0.replicate > 3 } }
    let comparison = try Comparison(first, second)
    #expect(comparison.outcome == .inconclusive && comparison.exitCode == 2)
  }

  @Test("other experiments, and other durability without the flag, are refused")
  func refused() throws {
    let (first, second) = try results { $0.experiment.id = "E9" }
    #expect(throws: Comparison.Refusal.otherExperiment("E11", "E9")) { try Comparison(first, second) }
    let (synced, lazy) = try results { $0.experiment.arms[0].durability = "fsync" }
    #expect(throws: Comparison.Refusal.self) { try Comparison(synced, lazy) }
    #expect(throws: Never.self) { try Comparison(synced, lazy, acrossDurability: true) }
  }

  @Test("Mann-Whitney matches scipy's exact test, and full enumeration with ties")
  func mannWhitney() {
    #expect(abs(Statistics.mannWhitney([1, 2, 3, 4, 5.5], [4.5, 6, 7, 8, 9]) - 0.015873015873015872) < 1e-12)
    #expect(Statistics.mannWhitney([1, 2, 3], [1, 2, 3]) == 1)
    #expect(abs(Statistics.mannWhitney([1, 1, 2], [2, 3, 3]) - 0.2) < 1e-12)
    #expect(Statistics.mannWhitney([], [1]) == 1)
    let low = (0..<30).map { Double($0) }, high = (0..<30).map { Double($0) + 12 }
    #expect(abs(Statistics.mannWhitney(low, high) - 0.0001) < 0.0003)
  }
}
