import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Verdict

/// The definitions about groups, the partitioner, rebalances and transactions: what their rules make of rows with a known truth.
@Suite("Experiments with groups, keys and transactions")
struct GroupExperimentTests {
  /// A change of rows that refutes a claim.
  struct Plant: Sendable, CustomTestStringConvertible {
    let stem: String
    let metric: String
    /// Of the rows that are changed; nil: one row of whatever arm.
    var arm: String?
    let value: Double

    var testDescription: String { "\(stem): \(metric) \(arm.map { "of \($0) " } ?? "")is \(value)" }

    func changed(_ rows: [Row]) -> [Row] {
      var rows = rows
      for index in rows.indices where rows[index].metrics[metric] != nil && rows[index].invalid.isEmpty {
        guard let arm else {
          guard ["test", "baseline"].contains(rows[index].role.rawValue) else { continue }
          rows[index].metrics[metric] = value
          return rows
        }
        // With its A/A twin, or their difference would be noise.
        if [arm, arm + "-again"].contains(rows[index].arm) {
          rows[index].metrics[metric] = value * (1 + 0.001 * Double(rows[index].replicate))
        }
      }
      return rows
    }
  }

  private static let plants = [
    Plant(stem: "19-groups", metric: "read_twice", value: 1),
    Plant(stem: "19-groups", metric: "left_out", value: 1),
    Plant(stem: "19-groups", metric: "shared_partitions", value: 1),
    Plant(stem: "19-groups", metric: "offsets_not_rising", value: 1),
    Plant(stem: "20-partitioner", metric: "misplaced_keys", arm: "read-keys", value: 1),
    Plant(stem: "20-partitioner", metric: "records_per_batch", arm: "sticky", value: 7),
    Plant(stem: "20-partitioner", metric: "partition_skew_percent", arm: "keyed", value: 20),
    Plant(stem: "21-rebalance", metric: "interrupted_percent", arm: "cooperative", value: 90),
    Plant(stem: "21-rebalance", metric: "leave_unread_ms", arm: "consumer", value: 130),
    Plant(stem: "21-rebalance", metric: "left_out", value: 3),
    Plant(stem: "22-transactions", metric: "records_per_s", arm: "idempotent", value: 3.5e5),
    Plant(stem: "22-transactions", metric: "records_per_s", arm: "transactional", value: 3e5),
  ]

  private func judge(_ stem: String, _ plant: Plant? = nil) throws -> Verdict {
    let experiment = try Synthetic.experiment(stem)
    let rows = Synthetic.rows(of: experiment)
    return Verdict.judge(experiment, rows: plant?.changed(rows) ?? rows, under: Fixture.calm)
  }

  @Test(
    "are supported by rows that are as the claims say",
    arguments: ["19-groups", "20-partitioner", "21-rebalance", "22-transactions"])
  func supported(stem: String) throws {
    let verdict = try judge(stem)
    #expect(verdict.outcome == .supported, "\(verdict.sentence)\n\(verdict.findings.map(\.sentence))")
  }

  @Test(
    "keep rules that decide in the quick profile, which a run of all leaves out",
    arguments: ["19-groups", "20-partitioner", "21-rebalance", "22-transactions"])
  func quick(stem: String) throws {
    let quick = try Synthetic.experiment(stem).under(.quick)
    #expect(quick.verdicts.contains { $0.decides && $0.kind != .never } && !quick.isInAll)
    #expect(quick.arms.contains { $0.role == .again })
  }

  @Test("are refuted by rows that are not", arguments: plants)
  func refuted(plant: Plant) throws {
    let verdict = try judge(plant.stem, plant)
    #expect(verdict.outcome == .notSupported, "\(verdict.sentence)\n\(verdict.findings.map(\.sentence))")
  }

  @Test("of groups: a partition's second reader, a record read twice or left out counts against E15 as well")
  func partitions() throws {
    let experiment = try Synthetic.experiment("15-partitions")
    for name in ["groups-read-once", "groups-leave-nothing-out", "one-reader", "order-within"] {
      let rule = try #require(experiment.verdicts.first { $0.name == name })
      #expect(rule.kind == .never && rule.decides && Set(rule.test.arms).isSuperset(of: ["groups", "groups-away"]))
    }
    #expect(experiment.claims == ["S11", "S13"])
  }
}
