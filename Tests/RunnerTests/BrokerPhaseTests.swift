import Foundation
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Measure
@testable import Runner

/// What surrounds the measured load of an arm with a broker: what fills its topic, runs beside it, or comes after.
@Suite("Around the measured load")
struct BrokerPhaseTests {
  // MARK: Rewarming

  /// 10 MiB consumed a second for four seconds.
  static let consumed = IntervalSeries(
    moments: (1...40).map { .init(seconds: Double($0) / 10, bytes: Double($0) * 1_048_576, records: 0) })

  /// What the broker read from storage so far, looked at each tenth of a second.
  static func samples(_ read: (Double) -> Double) -> [Rewarming.Sample] {
    (-1...39).map { Rewarming.Sample(seconds: Double($0) / 10, readBytes: read(max(0, Double($0) / 10))) }
  }

  @Test("a cache is warm again at the end of the first slice that has 95 % of the hits before")
  func rewarming() throws {
    let mib = 1_048_576.0
    // For a second every byte comes from storage, then one in ten.
    let rebuilt = Rewarming(
      samples: Self.samples { min($0, 1) * 10 * mib + max(0, $0 - 1) * mib }, consumed: Self.consumed)
    // Slices of 4 MiB end at 0.4, 0.8, 1.2 (half of it cold), 1.6 s.
    #expect(abs(try #require(rebuilt.seconds(to: 0.9)) - 1.6) < 1e-9)
    #expect(abs(try #require(rebuilt.seconds(to: 0.45)) - 1.2) < 1e-9, "less was held before: it is there sooner")
    let kept = Rewarming(samples: Self.samples { _ in 0 }, consumed: Self.consumed)
    #expect(abs(try #require(kept.seconds(to: 1)) - 0.4) < 1e-9, "no sooner than the end of a slice")
    let never = Rewarming(samples: Self.samples { $0 * 10 * mib }, consumed: Self.consumed)
    #expect(never.seconds(to: 0.5) == nil)
    #expect(Rewarming(samples: [], consumed: Self.consumed).seconds(to: 0.5) == nil)
  }

  @Test("bytes at a moment lie between two moments in proportion, and behind the last there are none")
  func bytesAt() {
    #expect(Self.consumed.bytes(at: 0) == 0 && Self.consumed.bytes(at: -3) == 0)
    #expect(abs((Self.consumed.bytes(at: 0.25) ?? 0) - 2.5 * 1_048_576) < 1e-6)
    #expect(Self.consumed.bytes(at: 4.1) == nil)
  }

  // MARK: Beside

  @Test("a load beside is under way with its first records, not with its first line")
  func underWay() {
    #expect(!ProcessRunner.hasMoved(""))
    #expect(!ProcessRunner.hasMoved("0.0 s  0 records/s  0.0 MiB/s  errors 0\n"))
    #expect(
      ProcessRunner.hasMoved("0.0 s  0 records/s  0.0 MiB/s  errors 0\n0.0 s  1,250 records/s  1.2 MiB/s  errors 0\n"))
    #expect(ProcessRunner.hasMoved("0.0 s  50,000 records/s  1.2 MiB/s  errors 0\n"))
  }

  // MARK: Reconciliation

  @Test("reads that the device did not give, and consumers that lost their distance, are faults")
  func faults() {
    var good = Reconciliation()
    good.storageReads(charged: 100e6, device: 95e6)
    good.storageReads(charged: 100e6, device: 300e6)
    good.storageReads(charged: 100e6, device: nil)
    good.lag(asked: 0, least: nil, most: nil)
    good.lag(asked: 1000, least: 800, most: 1200)
    #expect(good.faults.isEmpty, "\(good.faults)")
    for spoil in [
      { (check: inout Reconciliation) in check.storageReads(charged: 100e6, device: 80e6) },
      { $0.lag(asked: 1000, least: nil, most: nil) }, { $0.lag(asked: 1000, least: 700, most: 1100) },
      { $0.lag(asked: 1000, least: 900, most: 1300) },
    ] as [(inout Reconciliation) -> Void] {
      var check = Reconciliation()
      spoil(&check)
      #expect(check.faults.count == 1, "\(check.faults)")
    }
  }

  // MARK: Definitions

  private static func arms(_ lines: String, program: String = "load consume") throws -> [Arm] {
    let arm = "  - name: through\n    role: control\n    program: \(program)\n"
    let added = arm + lines.split(separator: "\n").map { "    \($0)\n" }.joined()
    return try Sample.experiment { $0.replacingOccurrences(of: "metrics: [mb", with: added + "metrics: [mb") }.arms
  }

  @Test("fill, warm, beside and restart read back, with their placeholders")
  func keys() throws {
    let arm = try #require(
      try Self.arms(
        """
        fill: {num-records: "{size*1000}"}
        warm: {no-verify: "true"}
        beside: {program: load produce, options: {throughput: "{seconds}"}}
        restart: true
        """
      ).last)
    #expect(
      arm.broker?.phases.list == [
        .fill([Setting(name: "num-records", value: "{size*1000}")]), .warm([Setting(name: "no-verify", value: "true")]),
        .beside(.produce, [Setting(name: "throughput", value: "{seconds}")]), .measure(.consume, []), .restart,
      ])
  }

  @Test(
    "what an arm cannot have is refused with a reason",
    arguments: [
      ("fill: {num-records: \"{sise}\"}", "load consume", "is no factor or fixed value"),
      (
        "beside: {program: load produce, options: {topic: \"{nobody}\"}}", "load consume", "is no factor or fixed value"
      ),
      ("beside: {program: mechanism codec}", "load consume", "no load that runs until it is stopped"),
      ("beside: {options: {topic: t}}", "load consume", "the key `program` is missing"),
      ("fill: {num-records: 1}\nprepare: {num-records: 1}", "load consume", "not both"),
      ("restart: true", "load produce", "they belong to `load consume`"),
      ("warm: {no-verify: \"true\"}", "load end-to-end", "they belong to `load consume`"),
      ("beside: {program: load produce}", "mechanism codec", "no broker for another load"),
      ("restart: true", "mechanism codec", "no broker to start again"),
      ("fill: {num-records: 1}", "mechanism codec", "no broker to configure"),
    ])
  func refused(lines: String, program: String, reason: String) throws {
    let error = #expect(throws: DefinitionError.self) { try Self.arms(lines, program: program) }
    #expect("\(try #require(error))".contains(reason), "\(String(describing: error))")
  }

  // MARK: Plan

  @Test("a topic filled before each run costs each run time and disk, a second start its time")
  func cost() throws {
    func cost(_ lines: String, program: String = "load consume") throws -> Plan.Cost {
      let options = "options: {duration: 2}\n"
      let arm = try #require(try Self.arms(options + lines, program: program).last)
      let cell = Cell(arm: arm.name, levels: ["1", "red"], factors: ["size", "colour"])
      return Plan.cost(of: cell, arm, in: try Sample.experiment())
    }
    let plain = try cost("durability: none")
    let filled = try cost("fill: {num-records: 1000000, record-size: 1000}")
    let gigabyte = 1e9 / Plan.Rates.preparedBytesPerSecond
    #expect(abs(filled.seconds - plain.seconds - gigabyte) < 1e-9, "a gigabyte is written first")
    #expect(filled.diskBytes - plain.diskBytes > 1e9)
    #expect(try cost("restart: true").seconds > 2 * plain.seconds - 0.1)
  }
}
