import ArgumentParser
import Base
import Cluster
import Coordination
import Foundation
import Measure
import Mechanisms
import Model
import Synchronization

/// What becomes of acknowledged records when the leader of their partitions is killed, again and again.
struct FailoverTrial: Mechanism {
  static let configuration = CommandConfiguration(
    commandName: ClusterTrial.failover.rawValue,
    abstract: "Kill the leader while records are written, and count the acknowledged ones that are gone.")

  private enum Limits {
    static let recoverSeconds = 120.0
  }

  @Option(help: "Directory of the cluster's data.") var directory: String
  @Option(help: "Brokers.") var brokers = 3
  @Option(help: "Replicas of each partition.") var replicationFactor = 3
  @Option(help: "min.insync.replicas of the topic.") var minInsync = 2
  @Option(help: "What an acknowledgement means: 1 the leader has it, all every in-sync replica has it.") var acks =
    "all"
  @Option(help: "Partitions, all with the same first leader.") var partitions = 3
  @Option(help: "Records of a batch.") var batchRecords = 50
  @Option(help: "Bytes of a record's value.") var recordSize = 100
  @Option(help: "How often the leader is killed.") var kills = 1
  @Option(help: "Milliseconds of writing before each kill.") var writingMs = 500
  @Option(help: "zookeeper.session.timeout.ms: how long a killed broker is not missed.") var sessionTimeoutMs = 2_000
  @Flag(help: "JSON is always printed, in the last line.") var json = false

  static func cost(of run: PricedRun) -> RunCost { ClusterTrial.failover.cost(run) }

  func validate() throws {
    guard ["1", "all"].contains(acks) else { throw ValidationError("--acks: must be 1 or all") }
    guard (2...9).contains(brokers), (2...brokers).contains(replicationFactor) else {
      throw ValidationError("--brokers 2 to 9, and --replication-factor 2 to as many")
    }
    guard (1...64).contains(partitions), (1...10_000).contains(batchRecords), (1...1000).contains(kills) else {
      throw ValidationError("--partitions 1 to 64, --batch-records 1 to 10000, --kills 1 to 1000")
    }
  }

  func measure() throws -> [String: Any] {
    try TrialCluster.with(
      brokers: brokers, directory: directory,
      overrides: ["zookeeper.session.timeout.ms=\(sessionTimeoutMs)", "unclean.leader.election.enable=false"]
    ) { cluster in
      let start = Moment.nowMs
      let replicas = (0..<replicationFactor).map { cluster.ids[$0] }
      try cluster.create(
        "written", replicas: Array(repeating: replicas, count: partitions),
        configs: [("min.insync.replicas", "\(minInsync)")])
      let places = try Dictionary(uniqueKeysWithValues: cluster.ids.map { ($0, try cluster.endpoint(of: $0)) })
      let writer = Writer(
        Writer.Settings(
          topic: "written", partitions: partitions, acks: acks == "all" ? -1 : 1, records: batchRecords,
          recordBytes: recordSize), at: places)
      defer { writer.stop() }
      var waits: [Double] = []
      var detections: [Double] = []
      for _ in 0..<kills {
        let (wait, detection) = try kill(cluster, writer)
        waits.append(wait)
        detections.append(detection)
      }
      writer.stop()
      try cluster.waitUntilInSync("written", count: partitions)
      let ledgers = writer.ledgers
      let found = try (0..<partitions).map { try cluster.numbers(of: "written", $0) }
      let lost = Writer.lost(ledgers, records: batchRecords, found: found)
      return [
        "seconds": (Moment.nowMs - start) / 1000, "records": writer.acknowledgedRecords, "lost_acknowledged": lost,
        "lost_per_kill": Double(lost) / Double(kills), "kills": kills, "outage_max_ms": waits.max() ?? 0,
        "outage_mean_ms": waits.reduce(0, +) / Double(kills),
        "detection_ms": detections.reduce(0, +) / Double(kills),
        "writes_again_ms": zip(waits, detections).map { max(0, $0 - $1) }.max() ?? 0,
      ]
    }
  }

  /// Kills the leader while it acknowledges, and starts it again when another has taken its place.
  ///
  /// - Returns: the longest wait for an acknowledgement, and how long the broker was not missed, in milliseconds.
  private func kill(_ cluster: TrialCluster, _ writer: Writer) throws -> (Double, Double) {
    Clocks.nap(milliseconds: Int64(writingMs))
    let leader = try cluster.leader(of: "written", 0)
    let gone = Mutex<Double?>(nil)
    _ = try cluster.tree.exists(
      BrokerZNode.path(leader), watch: { _ in gone.withLock { $0 = $0 ?? Moment.nowMs } })
    writer.begin()
    // Right behind an acknowledgement: what the leader has and no other.
    let before = writer.ledgers.map(\.next)
    _ = Moment.wait(seconds: 5, everyMs: 0) { writer.ledgers.map(\.next) != before }
    let start = Moment.nowMs
    cluster.kill(leader)
    // Until each partition has an acknowledgement of after the leader's end was noticed, from another broker.
    let isBack = Moment.wait(seconds: Limits.recoverSeconds) {
      guard let gone = gone.withLock({ $0 }) else { return false }
      return writer.ledgers.allSatisfy { ($0.lastMs ?? 0) > gone }
    }
    guard isBack else {
      throw TrialError(description: "no writes after the leader's end for \(Int(Limits.recoverSeconds)) s")
    }
    let wait = writer.ledgers.map(\.longestMs).max() ?? 0
    try cluster.start(leader)
    try cluster.waitUntilInSync("written", count: partitions)
    return (wait, (gone.withLock { $0 } ?? start) - start)
  }
}
