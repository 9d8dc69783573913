import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Measure
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
    #expect(!comparison.effects.isEmpty)
    #expect(comparison.outcome == .same && comparison.exitCode == 0)
    #expect(
      comparison.summary.hasPrefix("0 of \(comparison.effects.count) worse by more than 5 %"), "\(comparison.summary)")
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
    #expect(worse.effects[0].sentence.contains("p < 0.001: worse"), "\(worse.effects[0].sentence)")
    #expect(worse.summary.hasPrefix("\(worse.effects.count) of \(worse.effects.count) worse, the largest −50 % ("))
  }

  @Test("a difference within the margin is the same; the margin is a choice")
  func margin() throws {
    let (first, second) = try results { result in
      for index in result.rows.indices {
        // The fixture's own noise would hide a few per cent.
        let value = 100 + Double(result.rows[index].replicate) * 0.1
        for name in ["mb_per_s", "cpu_s_per_gb"] { result.rows[index].metrics[name] = value }
      }
    }
    var slower = second
    for index in slower.rows.indices { slower.rows[index].metrics["mb_per_s"]? *= 0.97 }
    let within = try Comparison(second, slower)
    #expect(within.effects.allSatisfy { $0.change == .same } && within.exitCode == 0)
    let beyond = try Comparison(second, slower, margin: 0.01)
    #expect(
      beyond.effects.filter { $0.metric == "mb_per_s" }.allSatisfy { $0.change == .worse } && beyond.exitCode == 1)
    _ = first
  }

  @Test("an arm whose A/A twin differs by more than the margin has that for its margin")
  func floor() throws {
    let (first, second) = try results { result in
      let twin = result.experiment.arms.first { $0.role == .again }?.name
      for index in result.rows.indices {
        let value = 100 + Double(result.rows[index].replicate) * 0.1
        result.rows[index].metrics["mb_per_s"] = result.rows[index].arm == twin ? value * 1.2 : value
      }
    }
    _ = first
    var slower = second
    for index in slower.rows.indices { slower.rows[index].metrics["mb_per_s"]? *= 0.85 }
    let repeated = try #require(second.experiment.arms.first { $0.role == .again }?.repeats)
    let effects = try Comparison(second, slower).effects.filter { $0.metric == "mb_per_s" && $0.arm == repeated }
    #expect(!effects.isEmpty)
    for effect in effects {
      #expect(abs(effect.margin - 0.2) < 1e-9 && effect.change == .same, "\(effect.sentence)")
    }
  }

  @Test("a metric that neither result has in a cell is no effect; one that a side lacks is told")
  func absent() throws {
    let (first, second) = try results { _ in }
    let name = try #require(first.experiment.arms.first { $0.role != .again }?.name)
    var (left, right) = (first, second)
    for index in left.rows.indices where left.rows[index].arm == name { left.rows[index].metrics["mb_per_s"] = nil }
    let oneSide = try Comparison(left, right).effects.filter { $0.arm == name && $0.metric == "mb_per_s" }
    #expect(!oneSide.isEmpty && oneSide.allSatisfy { $0.missing == "in the second result alone" })
    for index in right.rows.indices where right.rows[index].arm == name { right.rows[index].metrics["mb_per_s"] = nil }
    #expect(try Comparison(left, right).effects.allSatisfy { $0.arm != name || $0.metric != "mb_per_s" })
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

  @Test("what must never be is compared as it is: none in both is the same, one more than none is worse")
  func never() throws {
    let (first, second) = try results { _ in }
    func result(_ result: StoredResult, first: Double, others: Double) -> StoredResult {
      var result = result
      result.experiment.verdicts = [result.experiment.verdicts[0]]
      result.experiment.verdicts[0].kind = .never
      result.experiment.verdicts[0].metric = "lost"
      result.experiment.metrics.append("lost")
      for index in result.rows.indices {
        result.rows[index].metrics["lost"] = result.rows[index].replicate == 1 ? first : others
      }
      return result
    }
    let (clean, lossy) = (result(first, first: 0, others: 0), result(second, first: 3, others: 0))
    let same = try Comparison(clean, clean)
    #expect(same.outcome == .same && same.exitCode == 0 && same.effects.allSatisfy { $0.change == .same })
    let worse = try Comparison(clean, lossy)
    #expect(worse.outcome == .worse && worse.exitCode == 1)
    let told = worse.ranked[0].sentence
    #expect(told.hasSuffix("at most 0 in the first, 3 in the second: worse"), "\(told)")
    #expect(worse.summary.contains("at most 0 in the first, 3 in the second"), "\(worse.summary)")
    #expect(try Comparison(lossy, clean).outcome == .better)
    // Some in both: the ratio is to say, and cannot where a run has none.
    #expect(try Comparison(lossy, lossy).outcome == .inconclusive)
    let steady = result(first, first: 2, others: 2)
    #expect(try Comparison(steady, steady).outcome == .same)
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
    #expect(throws: ComparisonError.otherExperiment("E11", "E9")) { try Comparison(first, second) }
    let (synced, lazy) = try results { $0.experiment.arms[0].durability = .syncedBatch }
    #expect(throws: ComparisonError.self) { try Comparison(synced, lazy) }
    #expect(throws: Never.self) { try Comparison(synced, lazy, acrossDurability: true) }
  }
}
