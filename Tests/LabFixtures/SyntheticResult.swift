// In a release build there is no testing, and these are nothing.
#if DEBUG
import Base
import Foundation

@testable import Experiment
@testable import Measure
@testable import Mechanisms
@testable import Results
@testable import Verdict

/// Rows for the project's own definitions, made up with a known truth, so that verdicts, charts and report can be tested
/// without running anything.
enum Synthetic {
  static var root: String {
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
  }

  static var directory: String { "\(root)/experiments" }

  static func experiment(_ stem: String) throws -> Experiment {
    let path = "\(root)/experiments/\(stem).yaml"
    return try Experiment(
      file: path, yaml: String(contentsOfFile: path, encoding: .utf8), mechanisms: MechanismList.descriptions)
  }

  static let stems = [
    "01-sequential-random", "02-disk-against-memory", "03-page-cache", "05-log-against-tree",
    "06-throughput-over-volume", "07-linkedin", "08-message-size", "10-compression", "11-zero-copy", "15-partitions",
    "19-groups", "20-partitioner", "21-rebalance", "22-transactions",
  ]

  /// One row a replicate (and sweep level) of each cell, with every metric the charts and rules ask for.
  static func rows(of experiment: Experiment, seed: UInt64 = 1, noise: Double = 0.03) -> [Row] {
    var generator = SplitMix(seed: seed)
    let matrix = Matrix(experiment)
    var rows: [Row] = []
    for run in matrix.order(using: &generator) {
      guard let arm = experiment.arm(named: run.cell.arm) else { continue }
      let sweep = experiment.sweep?.levels ?? ["0"]
      for place in sweep.indices {
        var levels = Dictionary(uniqueKeysWithValues: zip(run.cell.factors, run.cell.levels))
        if let name = experiment.sweep?.name { levels[name] = sweep[place] }
        var row = Row(
          order: run.order, replicate: run.replicate, arm: arm.name, tier: arm.tier, role: arm.role,
          startedAt: "2026-01-01T00:00:00Z", levels: levels, cacheState: arm.cache == .cold ? .cold : .hot,
          steadiness: .steady,
          durability: .pageCache,
          limitation: Limitation(.mechanism, of: .mechanism, [.cpu: 0.97]))
        let truth = truth(experiment.number, arm, levels, share: Double(place) / Double(sweep.count))
        for (metric, value) in truth where experiment.metrics.contains(metric) {
          let exact = metric == "compression_ratio"
          row.metrics[metric] = value * (exact ? 1 : 1 + noise * Double.random(in: -1...1, using: &generator))
        }
        rows.append(row)
      }
    }
    if let last = rows.indices.last {
      rows[last].invalid = "the generator limited the run (98 % of a core)"
      for name in rows[last].metrics.keys { rows[last].metrics[name]? *= 0.8 }
    }
    return rows
  }

  /// The course of each run of an experiment that sweeps a stored volume, from 128 MiB on: fast until memory (512 MiB) is full.
  static func series(of experiment: Experiment, rows: [Row], seed: UInt64 = 1) -> [SeriesPoint] {
    guard experiment.sweep?.name == SeriesPoint.volume, let end = experiment.sweep?.levels.last?.number else {
      return []
    }
    var generator = SplitMix(seed: seed)
    let runs = Dictionary(grouping: rows, by: \.order).sorted { $0.key < $1.key }.compactMap(\.value.first)
    return runs.flatMap { row -> [SeriesPoint] in
      var seconds = 0.0
      return stride(from: 128.0, through: end, by: 128).map { stored in
        let level = (stored <= 512 ? 900.0 : 640) * (row.arm == "raw-append" ? 1.9 : 1)
        let rate = level * (1 + 0.1 * Double.random(in: -1...1, using: &generator))
        seconds += 128 / rate
        let cpu = 0.7 + 0.1 * Double.random(in: -1...1, using: &generator)
        return SeriesPoint(
          order: row.order, arm: row.arm, replicate: row.replicate, seconds: seconds, storedMiB: stored,
          mibPerSecond: rate, recordsPerSecond: rate * 1000,
          figures: ["p50_ms": 1, "p99_ms": 20, "cpu_s_per_gb": cpu, "fresh_cpu_s_per_gb": 0.7, "fresh_mib_per_s": 640])
      }
    }
  }

  private static func truth(_ number: Int, _ arm: Arm, _ levels: [String: Level], share: Double) -> [String: Double] {
    switch number {
    case 1:
      let isOrdered = arm.name.hasPrefix("sequential") || arm.name.hasPrefix("write-seq") || arm.name == "write-behind"
      let depth = levels["queue_depth"]?.number ?? 1
      let block = levels["block_bytes"]?.number ?? 4096
      let rate = isOrdered ? 2000 : min(2000, block * depth / 80)
      return ["mb_per_s": rate, "values_per_s": arm.name == "values-sequential" ? 4e8 : 1e4]
    case 2:
      let rates = ["memory-sequential": 2e9, "memory-random": 6e7, "memory-random-huge": 9e7, "memory-chained": 9e6]
      return ["values_per_s": rates[arm.name] ?? 4e8]
    case 3:
      let sizes: [String: Double] = ["boxed": 60, "arena": 115, "both": 90]
      let held = sizes[arm.name] ?? 118
      let working = (levels["working_set_mb"]?.number ?? 0) / 1.048_576
      let hit = min(1, held / max(working, 1))
      return [
        "cached_mib": min(held, working), "mb_per_s": 200 + 3000 * hit, "hit_ratio": hit,
        "rewarm_ms": arm.name.hasPrefix("page-cache") ? 20 : 1500,
      ]
    case 5:
      let stored = levels["stored_records"]?.number ?? 1
      let falls = arm.name == "lmdb-random" || arm.name == "sqlite-random"
      let rate = falls ? 1e5 * pow(stored / 1e5, -0.4) : 1e5
      return [
        "records_per_s": rate, "gets_per_s": rate / 3, "write_amplification": falls ? 40 : 1.3,
        "pages_per_append": 1e5 / rate, "cpu_us_per_append": 2,
      ]
    case 6:
      return [
        "mib_per_s": (share < 0.15 ? 900 : 640) * (arm.name == "raw-append" ? 1.9 : 1), "grown_over_fresh_cpu": 1,
        "grown_over_fresh_rate": 1,
      ]
    case 7:
      let rates: [String: Double] = [
        "three-producers": 1.5e6, "consumer": 9e6, "three-consumers": 14e6, "producer-and-consumer": 0.7e6, "sink": 3e7,
      ]
      return [
        "records_per_s": rates[arm.name] ?? 1e6, "cpu_s_per_million_records": 0.4, "machine_busy_percent": 90,
        "mib_per_s": (rates[arm.name] ?? 1e6) / 1e4,
      ]
    case 8:
      let size = levels["record_bytes"]?.number ?? 1
      let rate = (arm.name == "sink" ? 1e9 : 4e8) / (size + (arm.name.hasPrefix("append") ? 1000 : 40))
      return [
        "records_per_s": rate, "operations_per_s": rate, "mib_per_s": rate * size / 1_048_576,
        "cpu_s_per_gb": 0.2 + 10 / size,
      ]
    case 15:
      let partitions = levels["partitions"]?.number ?? 1
      let workers = min(partitions, levels["consumers"]?.number ?? 1, 4)
      return [
        "mb_per_s": 900 * workers, "mb_per_s_per_worker": 900, "reordered": 0,
        "out_of_global_order": partitions > 1 ? 1e6 : 0, "out_of_global_order_percent": partitions > 1 ? 60 : 0,
        "records_per_s_per_group": 1e6 / (arm.name == "groups" ? levels["groups"]?.number ?? 1 : 1), "read_twice": 0,
        "left_out": 0, "shared_partitions": 0,
      ]
    case 19:
      return [
        "records_per_s_per_group": 2e5, "restart_unread_ms": 30, "read_twice": 0, "left_out": 0, "shared_partitions": 0,
        "offsets_not_rising": 0,
      ]
    case 20:
      let partitions = levels["partitions"]?.number ?? 1
      let keys = levels["distinct_keys"]?.number ?? 1e5
      return [
        "records_per_batch": arm.name.hasPrefix("sticky") ? 100 : 100 / partitions, "misplaced_keys": 0,
        "partition_skew_percent": arm.name == "few-keys" ? 600 / keys.squareRoot() : 3,
        "response_p99_ms": arm.name.hasPrefix("sticky") ? 3 : 4,
      ]
    case 21:
      let members = levels["members"]?.number ?? 1
      let isEager = arm.name.hasPrefix("eager")
      let pause = isEager ? 100 : (arm.name == "consumer" ? 120 : 150) / (members + 1)
      return [
        "interrupted_percent": isEager ? 100 : 100 / (members + 1), "join_unread_ms": pause, "leave_unread_ms": pause,
        "longest_unread_ms": isEager ? 200 : 150, "read_twice": 0, "left_out": 0, "shared_partitions": 0,
      ]
    case 22:
      let size = levels["transaction_records"]?.number ?? 0
      let isTransactional = arm.name.hasSuffix("transactional")
      let rate = arm.name.hasPrefix("plain") ? 4e5 : 4.2e5
      return [
        "records_per_s": isTransactional ? rate * size / (size + 500) : rate, "service_p99_ms": 3,
        "end_to_end_p50_ms": isTransactional ? 1.5 + size / 40 : 1.5, "transaction_p50_ms": 1 + size / 400,
      ]
    case 10:
      let ratios: [String: Double] = ["gzip": 4.8, "snappy": 2.8, "lz4": 2.9, "zstd": 5.2]
      let speeds: [String: Double] = ["gzip": 60.0, "snappy": 650, "lz4": 700, "zstd": 360]
      let codec = levels["codec"]?.text ?? ""
      let (best, speed) = (ratios[codec] ?? 1, speeds[codec] ?? 1)
      let batch = levels["batch_records"]?.number ?? 1
      let gain = levels["corpus"] == "random" ? 0 : min(1, 0.15 + 0.32 * log10(batch))
      return ["compression_ratio": 1 + (best - 1) * gain, "compress_mb_per_s": speed * (0.4 + 0.6 * gain)]
    default:
      let name = arm.name.replacing("broker-", with: "").replacing("-again", with: "")
      let rates: [String: (Double, Double)] = [
        "sendfile": (6500, 0.08), "read-write-4k": (1400, 0.71), "read-write-64k": (2300, 0.44),
        "read-write-1m": (4100, 0.24), "mmap-write": (3600, 0.27), "splice": (5900, 0.11), "copy-4k": (1100, 0.9),
        "copy-64k": (2000, 0.5), "copy-1m": (2600, 0.38), "mmap": (2500, 0.4),
      ]
      let (speed, cost) = rates[name] ?? (1, 1)
      return ["mb_per_s": speed, "cpu_s_per_gb": cost]
    }
  }
}

extension Synthetic {
  static let resultName = "20260101T000000Z-abc1234"

  /// A result directory with everything a campaign leaves, read back.
  @discardableResult
  static func store(
    _ stem: String, _ profile: Profile, in results: String, name: String = resultName
  ) throws -> StoredResult {
    let definition = try String(contentsOfFile: "\(root)/experiments/\(stem).yaml", encoding: .utf8)
    let experiment = try experiment(stem).under(profile)
    let rows = rows(of: experiment)
    let series = Dictionary(grouping: series(of: experiment, rows: rows), by: \.order)
    let path = "\(results)/\(stem)/\(name)"
    let begin = JournalEntry.Begin(
      experiment: experiment.name, definition: Fingerprint.of(definition), profile: profile.rawValue, seed: 7,
      runs: Set(rows.map(\.order)).count, startedAt: "2026-01-01T00:00:00Z")
    let directory = try ResultDirectory(
      creating: path, experiment: experiment, definition: definition, begin: begin, machineJSON: try machine.json())
    for (order, ours) in Dictionary(grouping: rows, by: \.order).sorted(by: { $0.key < $1.key }) {
      let run = PlannedRun(
        order: order, replicate: ours[0].replicate, cell: Cell(arm: ours[0].arm, levels: [], factors: []))
      try directory.record(run, rows: ours, series: series[order] ?? [])
    }
    try directory.append(.end(complete: true, at: "2026-01-01T00:10:00Z"))
    return try StoredResult(reading: path)
  }

  static var machine: Machine {
    Machine(
      time: "2026-01-01T00:00:00Z", kernel: "6.1.0",
      processor: Machine.Processor(
        model: "A Processor", cores: 4, governor: nil, virtual: true, stealPercentSinceBoot: 0.1, loadAverage1: 0.2,
        busyPercentBefore: 5),
      memory: Machine.Memory(
        totalMiB: 16384, availableMiB: 12000, swapUsedMiB: 0, transparentHugePages: "madvise", cgroup: "v1",
        cgroupObstacle: nil, dirtyRatioPercent: 20, dirtyBackgroundRatioPercent: 10),
      disk: Machine.Disk(
        path: ".", device: "vda", fileSystem: "ext4", mountOptions: "rw", rotational: false, scheduler: "none",
        freeGiB: 100),
      build: Machine.Build(commit: "abc1234", dirty: false, optimized: true, swift: "6.3"),
      congestionControl: "bbr", congestionControlsAvailable: "cubic bbr", isRoot: true)
  }
}
#endif
