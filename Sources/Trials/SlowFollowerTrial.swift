import ArgumentParser
import Base
import Foundation
import Glibc
import Measure
import Mechanisms
import Model
import Runner
import Wire

/// The in-sync replicas over time, while a follower is stopped or slowed.
///
/// Stopped (SIGSTOP) for longer than `replica.lag.time.max.ms` and shorter than its session, a follower leaves the ISR by its lag alone, and
/// is taken in again when it has caught up. Slowed, so that it runs for a part of each tenth of a second, it goes on
/// fetching, and belongs into the ISR all the time.
struct SlowFollowerTrial: Mechanism {
  static let configuration = CommandConfiguration(
    commandName: ClusterTrial.slowFollower.rawValue,
    abstract: "Stop or slow a follower, and watch the in-sync replicas shrink and grow.")

  private enum Limits {
    static let lookMs: Int64 = 20
    static let recoverSeconds = 60.0
    /// Of a slowed follower: how long it is stopped, and then runs.
    static let (stoppedMs, runningMs) = (Int64(80), Int64(20))
    static let settleMs: Int64 = 1_000
  }

  @Option(help: "Directory of the cluster's data.") var directory: String
  @Option(help: "Brokers, each with a replica of each partition.") var brokers = 3
  @Option(help: "Partitions, all led by one broker.") var partitions = 6
  @Option(help: "What becomes of one follower: stopped, slowed or nothing.") var follower = "stopped"
  @Option(help: "For how long, in milliseconds.") var slowMs = 3_000
  @Option(help: "replica.lag.time.max.ms.") var lagMs = 1_000
  @Option(help: "zookeeper.session.timeout.ms: longer than the follower is stopped.") var sessionTimeoutMs = 10_000
  @Option(help: "Records of a batch.") var batchRecords = 20
  @Option(help: "Milliseconds after the stop at which the ISR is reported, separated by commas.") var atMs = ""
  @Flag(help: "JSON is always printed, in the last line.") var json = false

  static func cost(of run: PricedRun) -> RunCost { ClusterTrial.slowFollower.cost(run) }

  func validate() throws {
    guard ["stopped", "slowed", "nothing"].contains(follower) else {
      throw ValidationError("--follower: must be stopped, slowed or nothing")
    }
    guard (2...9).contains(brokers), (1...64).contains(partitions) else {
      throw ValidationError("--brokers 2 to 9, --partitions 1 to 64")
    }
    guard levels.count == atMs.split(separator: ",").count else {
      throw ValidationError("--at-ms: numbers separated by commas are needed")
    }
  }

  private var levels: [Double] { atMs.split(separator: ",").compactMap { Double($0) } }

  func measure() throws -> [String: Any] {
    try TrialCluster.with(
      brokers: brokers, directory: directory,
      overrides: [
        "replica.lag.time.max.ms=\(lagMs)", "zookeeper.session.timeout.ms=\(sessionTimeoutMs)",
        "replica.fetch.wait.max.ms=\(min(lagMs / 2, 500))",
      ]
    ) { cluster in
      // The controller is not the one that is harmed: while it stands still nobody leaves the ISR.
      let controller = try cluster.controller()
      let others = cluster.ids.filter { $0 != controller }
      let slow = others[others.count - 1]
      let leader = others.count > 1 ? others[0] : controller
      let replicas = [leader] + cluster.ids.filter { $0 != leader }
      try cluster.create(
        "watched", replicas: Array(repeating: replicas, count: partitions),
        configs: [("min.insync.replicas", "\(brokers - 1)")])
      let places = try Dictionary(uniqueKeysWithValues: cluster.ids.map { ($0, try cluster.endpoint(of: $0)) })
      let writer = Writer(
        Writer.Settings(
          topic: "watched", partitions: partitions, acks: -1, records: batchRecords, recordBytes: 100, pauseMs: 5),
        at: places)
      defer { writer.stop() }
      Clocks.nap(milliseconds: Limits.settleMs)
      writer.begin()
      let start = Moment.nowMs
      let series = try watch(cluster, slow, asking: leader, from: start)
      writer.stop()
      try cluster.waitUntilInSync("watched", count: partitions)
      let found = try (0..<partitions).map { try cluster.numbers(of: "watched", $0) }
      var figures = series.figures(slowMs: Double(slowMs), replicas: brokers, at: levels)
      figures["seconds"] = (Moment.nowMs - start) / 1000
      figures["records"] = writer.acknowledgedRecords
      figures["lost_acknowledged"] = Writer.lost(writer.ledgers, records: batchRecords, found: found)
      figures["outage_max_ms"] = writer.ledgers.map(\.longestMs).max() ?? 0
      return figures
    }
  }

  /// Does the follower its harm for `slowMs`, and looks at the ISR until it is whole again and the last level has passed.
  private func watch(
    _ cluster: TrialCluster, _ slow: BrokerID, asking leader: BrokerID, from start: Double
  ) throws -> ISRSeries {
    var series = ISRSeries()
    let workers = Workers()
    if let pid = cluster.local.pid(of: Int(slow)), follower != "nothing" {
      let (mode, end) = (follower, start + Double(slowMs))
      workers.start { isOver in Self.harm(pid, mode, untilMs: end, isOver) }
    }
    defer {
      workers.stop()
      cluster.signal(slow, SIGCONT)
    }
    let lastMs = max(Double(slowMs), levels.max() ?? 0)
    let isWhole = try Moment.wait(seconds: Double(slowMs) / 1000 + Limits.recoverSeconds, everyMs: Limits.lookMs) {
      let found = try cluster.partitions(of: "watched", from: leader)
      let now = Moment.nowMs - start
      series.add(atMs: now, sizes: found.map(\.isrNodes.count))
      return now >= lastMs && series.isWhole(brokers)
    }
    guard isWhole else { throw TrialError(description: "the ISR is not whole again") }
    return series
  }

  private static func harm(_ pid: Int32, _ mode: String, untilMs end: Double, _ isOver: StopSign) {
    while !isOver.isRaised, Moment.nowMs < end {
      Glibc.kill(pid, SIGSTOP)
      Clocks.nap(milliseconds: mode == "slowed" ? Limits.stoppedMs : Int64(max(0, end - Moment.nowMs)))
      Glibc.kill(pid, SIGCONT)
      if mode == "slowed" { Clocks.nap(milliseconds: Limits.runningMs) }
    }
    Glibc.kill(pid, SIGCONT)
  }
}
