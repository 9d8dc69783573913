import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Measure
@testable import Results
@testable import Verdict

@Suite("Ceilings")
struct CeilingTests {
  static let known = Fixture.ceiling

  private func arm(_ program: Arm.Program, durability: Durability = .pageCache, cache: Arm.Cache = .any) -> Arm {
    var arm = Fixture.arm("new", .test, program: program)
    arm.durability = durability
    arm.cache = cache
    return arm
  }

  @Test("each metric is held against the ceiling that its bytes pass, the lowest where several hold")
  func shares() throws {
    func share(_ metric: String, _ value: Double, _ arm: Arm, _ levels: [String: Level] = [:]) -> Ceiling.Share? {
      Self.known.share(of: metric, value: value, arm: arm, levels: levels)
    }
    let consumed = try #require(share("mb_per_s", 3000, arm(.load(.consume))))
    #expect(consumed.bound.name == "loopback TCP" && consumed.share == 0.5)
    #expect(share("mb_per_s", 400, arm(.load(.consume), cache: .cold))?.bound.name == "sequential direct reads")
    #expect(share("mb_per_s", 3000, arm(.load(.produce)))?.bound.name == "loopback TCP")
    #expect(share("mb_per_s", 100, arm(.load(.produce), durability: .syncedBatch))?.bound.value == 500)
    #expect(share("mb_per_s", 100, arm(.mechanism(.rawAppend)))?.bound.name == "one copy in memory")
    #expect(share("mb_per_s", 100, arm(.mechanism(.blockIO)))?.bound.name == "one copy in memory")
    #expect(
      share("mb_per_s", 100, arm(.mechanism(.blockIO), durability: .syncedMebibyte))?.bound.name
        == "sequential direct writes")
    #expect(share("compress_mb_per_s", 150, arm(.mechanism(.codec)), ["codec": "zstd:19"])?.share == 0.5)
    let records = try #require(share("records_per_s", 250_000, arm(.load(.produce))))
    #expect(records.share == 0.25)
    // In MiB the ceiling is the same one.
    let mebibytes = try #require(share("mib_per_s", 3000 / 1.048_576, arm(.load(.consume))))
    #expect(abs(mebibytes.share - 0.5) < 1e-9)
  }

  @Test(
    "no run is more than all: where one passes the probe, the best run is the ceiling, and the probe is told as none")
  func passed() throws {
    let above = try #require(Self.known.share(of: "mb_per_s", value: 8_500, arm: arm(.load(.consume)), levels: [:]))
    #expect(above.share == 1 && above.bound.value == 8_500 && above.probed == 6_000)
    #expect(
      above.sentence.contains("100 % of the best run (8500 MB/s); the probe is not the ceiling"), "\(above.sentence)")
    let other = try #require(
      Self.known.share(
        of: "mb_per_s", value: 4_250, arm: arm(.load(.consume)), levels: [:], best: ["loopback TCP": 8_500]))
    #expect(other.share == 0.5)
  }

  @Test("where lower is better the share is the floor's part of the value")
  func floors() {
    #expect(Self.known.share(of: "cpu_s_per_gb", value: 0.4, arm: arm(.load(.consume)), levels: [:]) == nil)
    let synced = arm(.load(.produce), durability: .syncedBatch)
    #expect(Self.known.share(of: "response_p50_ms", value: 1, arm: synced, levels: [:])?.share == 0.5)
    #expect(Self.known.share(of: "response_p50_ms", value: 1, arm: arm(.load(.produce)), levels: [:]) == nil)
    #expect(Self.known.share(of: "compression_ratio", value: 3, arm: arm(.mechanism(.codec)), levels: [:]) == nil)
    #expect(
      Ceiling().share(of: "mb_per_s", value: 3, arm: arm(.load(.consume)), levels: [:]) == nil, "nothing was probed")
  }

  @Test("a latency is told as so many times its floor, a rate as a share of its ceiling")
  func told() throws {
    let synced = arm(.load(.produce), durability: .syncedBatch)
    let slow = try #require(Self.known.share(of: "response_p50_ms", value: 2.5, arm: synced, levels: [:]))
    #expect(slow.sentence == "5 times an fsync (0.500 ms)", "\(slow.sentence)")
    let below = try #require(Self.known.share(of: "service_p50_ms", value: 0.4, arm: synced, levels: [:]))
    #expect(below.sentence.hasPrefix("0.80 times an fsync"), "\(below.sentence)")
    let line = CeilingShare(arm: "synced", levels: [:], value: 2.5, share: slow)
    #expect(line.sentence.hasPrefix("synced: 2.50 ms is 5 times an fsync"), "\(line.sentence)")
    let rate = try #require(Self.known.share(of: "mb_per_s", value: 1200, arm: arm(.load(.consume)), levels: [:]))
    #expect(rate.sentence == "20 % of loopback TCP (6000 MB/s)")
  }

  @Test("ceilings that are missing, left out or refused are said, and only then")
  func gate() {
    #expect(Gates.judge(Self.known).outcome == .passed)
    #expect(Gates.judge(nil as Ceiling?).outcome == .shortcoming)
    let skipped = Gates.judge(Ceiling(skipped: "--without ceiling-probe"))
    #expect(skipped.outcome == .shortcoming && skipped.sentence.contains("--without ceiling-probe"))
    let refused = Gates.judge(Ceiling(figures: ["memcpy_mb_per_s": 1], obstacles: ["disk": "no O_DIRECT"]))
    #expect(refused.outcome == .shortcoming && refused.sentence.contains("disk (no O_DIRECT)"))
  }

  @Test("an arm as fast as the generator against its null sink fails the gate, unless it is declared a part of it")
  func generator() {
    func rows(_ rate: Double) -> [Row] { Fixture.rows("new", "records_per_s", [rate, rate, rate]) }
    var experiment = Fixture.pair([])
    func outcomes(_ rate: Double) -> [Gate.Outcome] {
      Gates.judge(generator: Self.known, experiment, rows(rate)).map(\.outcome)
    }
    #expect(outcomes(500_000) == [.passed])
    #expect(outcomes(950_000) == [.failed])
    experiment.arms[0].client = .part
    #expect(outcomes(950_000) == [])
  }

  @Test("the file reads back as written, and a result carries its shares")
  func stored() throws {
    #expect(try Ceiling(json: Self.known.json()) == Self.known)
    let scratch = try Scratch()
    let plain = try Synthetic.store("11-zero-copy", .quick, in: scratch.path)
    #expect(plain.ceiling == nil && plain.ceilingShares.isEmpty)
    #expect(plain.gates.contains { $0.name == "ceiling" && $0.outcome == .shortcoming })
    try SmallFile.replace("\(plain.path)/ceiling.json", Self.known.json())
    let result = try StoredResult(reading: plain.path)
    let share = try #require(result.ceilingShares.first { $0.arm == "sendfile" && $0.share.metric == "mb_per_s" })
    #expect(share.share.bound.name == "loopback TCP")
    // The fixture's rows pass its probe.
    #expect(
      share.sentence.contains("the probe is not the ceiling, it found 6000 MB/s for loopback TCP"), "\(share.sentence)")
    #expect(result.ceilingShares.allSatisfy { $0.share.share <= 1 }, "no share is more than all")
    #expect(result.gates.contains { $0.name == "ceiling" && $0.outcome == .passed })
  }

}
