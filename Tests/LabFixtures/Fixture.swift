// In a release build there is no testing, and these are nothing.
#if DEBUG
import Base

@testable import Experiment
@testable import Measure
@testable import Mechanisms
@testable import Verdict

/// Definitions and rows made up for tests: the shapes of the real experiments with known answers.
enum Fixture {
  // MARK: Definitions

  static func experiment(
    number: Int, name: String, factors: [Factor], sweep: Factor? = nil, arms: [Arm], metrics: [String],
    verdicts: [VerdictRule], charts: [ChartDefinition] = [], originals: [Original] = [], replicates: Int = 7
  ) -> Experiment {
    Experiment(
      id: "E\(number)", number: number, name: name, title: "\(name) made up", claims: ["S9"],
      claim: "A made-up claim & its <limits>.", quote: "as “they” put it", source: "A paper, 2011",
      originals: originals,
      errata: ["the original compares apples with pears"], hypothesis: "It holds.", factors: factors, sweep: sweep,
      fixed: [Setting(name: "memory_mib", value: "512")], arms: arms, metrics: metrics, replicates: replicates,
      profiles: [:], verdicts: verdicts, charts: charts,
      minimum: MinimumEnvironment(cores: 2, memoryGiB: 4, freeDiskGiB: 10, memoryCgroup: false),
      caveats: ["On loopback the link never limits."])
  }

  static func arm(
    _ name: String, _ role: Arm.Role, program: Arm.Program = .mechanism(.codec), repeats: String? = nil,
    ignores: [String] = [],
    label: String? = nil
  ) -> Arm {
    let work =
      switch program {
      case .mechanism(let mechanism): Arm.Work.bare(Arm.Bare(mechanism: mechanism, options: [], data: nil))
      case .load(let load):
        Arm.Work.through(Arm.Broker(settings: [], network: Arm.Network(), phases: Phases(measuring: load)))
      }
    return Arm(
      name: name, label: label, role: role, repeats: repeats, work: work, ignores: ignores, durability: .pageCache)
  }

  static func rule(
    _ name: String, _ kind: VerdictRule.Kind, metric: String, better: VerdictRule.Better = .higher,
    test: [String], baseline: [String], per: [String] = [], only: [Factor] = [], threshold: Double? = nil,
    tolerance: Double? = nil, tier: Arm.Tier = .bare, decides: Bool = true
  ) -> VerdictRule {
    VerdictRule(
      name: name, meaning: "What \(name) means.", kind: kind, tier: tier, metric: metric, better: better,
      test: Selection(arms: test), baseline: Selection(arms: baseline), per: per, only: only, threshold: threshold,
      tolerance: tolerance, lastDecile: kind == .flat ? 0.95 : nil, decides: decides)
  }

  static func chart(
    _ kind: ChartDefinition.Kind, name: String = "", x: String, y: String, series: [String], panels: String? = nil,
    arms: [String] = [], logX: Bool = false, logY: Bool = false, references: [ReferenceLine] = []
  ) -> ChartDefinition {
    ChartDefinition(
      name: name, kind: kind, title: "\(y) made up", x: x, y: y, series: series, panels: panels, only: [], arms: arms,
      xTitle: x, yTitle: y, logX: logX, logY: logY, references: references)
  }

  /// Two arms and an A/A copy of the baseline, no factors: the smallest thing a rule can judge.
  static func pair(_ rules: [VerdictRule], replicates: Int = 7) -> Experiment {
    experiment(
      number: 99, name: "pair", factors: [],
      arms: [arm("new", .test), arm("old", .baseline), arm("old-again", .again, repeats: "old")],
      metrics: ["mb_per_s", "cpu_s_per_gb"], verdicts: rules, replicates: replicates)
  }

  // MARK: Rows

  /// Values of one arm at given levels, one row a replicate.
  static func rows(
    _ arm: String, _ metric: String, _ values: [Double], levels: [String: Level] = [:], tier: Arm.Tier = .bare,
    role: Arm.Role = .test
  ) -> [Row] {
    values.enumerated().map { index, value in
      Row(
        order: index, replicate: index + 1, arm: arm, tier: tier, role: role, startedAt: "2026-01-01T00:00:00Z",
        levels: levels, cacheState: .hot, steadiness: .steady, durability: .pageCache,
        limitation: Limitation(.mechanism, of: .mechanism, [.cpu: 0.97]),
        metrics: [metric: value])
    }
  }

  /// `count` values around `center` within ± `spread` (a share), seeded.
  static func around(_ center: Double, spread: Double = 0.02, count: Int = 7, seed: UInt64) -> [Double] {
    var generator = SplitMix(seed: seed)
    return (0..<count).map { _ in center * (1 + spread * Double.random(in: -1...1, using: &generator)) }
  }

  static let calm = Verdict.Circumstances(profile: .standard, seed: 1)

  // MARK: Machines

  static func machine(_ change: (inout Machine) -> Void = { _ in }) -> Machine {
    var machine = Machine(
      time: "2026-01-01T00:00:00Z", kernel: "6.0",
      processor: .init(
        model: "a processor", cores: 4, governor: "performance", virtual: false, stealPercentSinceBoot: 0,
        loadAverage1: 0.1, busyPercentBefore: 1),
      memory: .init(
        totalMiB: 32768, availableMiB: 30000, swapUsedMiB: 0, transparentHugePages: "madvise", cgroup: "v1",
        cgroupObstacle: nil, dirtyRatioPercent: 20, dirtyBackgroundRatioPercent: 10),
      disk: .init(
        path: ".", device: "sda", fileSystem: "ext4", mountOptions: "rw", rotational: false, scheduler: "none",
        freeGiB: 100), build: .init(commit: "abc1234", dirty: false, optimized: true, swift: "6.3"),
      congestionControl: "cubic", congestionControlsAvailable: "reno cubic", isRoot: true)
    change(&machine)
    return machine
  }

  static let ceiling = Ceiling(
    figures: [
      "loopback_mb_per_s": 6000, "memcpy_mb_per_s": 10_000, "sequential_write_mb_per_s": 500,
      "sequential_read_mb_per_s": 800, "fsync_p50_ms": 0.5, "zstd_compress_mb_per_s": 300, "crc32c_mb_per_s": 20_000,
    ], seconds: 3, generatorRecordsPerSecond: ["new": 1_000_000])
}

/// Mechanisms by name, as definitions have them.
extension MechanismDescription {
  static func named(_ name: String) -> MechanismDescription {
    guard let found = MechanismList.descriptions.first(where: { $0.name == name }) else {
      fatalError("there is no mechanism `\(name)`")
    }
    return found
  }

  static var codec: Self { named("codec") }
  static var rawAppend: Self { named("raw-append") }
  static var blockIO: Self { named("block-io") }
}
#endif
