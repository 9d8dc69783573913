import ArgumentParser
import Base
import Cluster
import Coordination
import Foundation
import Measure
import Mechanisms
import Model
import Runner
import Synchronization

/// How long partitions have no leader when the broker that leads all of them goes.
///
/// One broker leads every partition of the topic; the others follow. It is killed, or stops in order, and a prober writes to
/// partitions of it every 10 ms meanwhile. What passes until the ensemble ends the broker's session is detection, and what passes from then
/// until the last partition takes a write is election.
struct ElectionTrial: Mechanism {
  static let configuration = CommandConfiguration(
    commandName: ClusterTrial.election.rawValue,
    abstract: "Stop the broker that leads all partitions, and see how long each has no leader.")

  private enum Limits {
    static let settleMs: Int64 = 500
    static let moveSeconds = 300.0
  }

  @Option(help: "Directory of the cluster's data.") var directory: String
  @Option(help: "Brokers.") var brokers = 3
  @Option(help: "Partitions, all led by one broker.") var partitions = 100
  @Option(help: "Replicas of each.") var replicationFactor = 2
  @Option(help: "millrace.election: serial or batched.") var election = "batched"
  @Option(help: "How the broker ends: kill or stop.") var ending = "kill"
  @Option(help: "Which broker leads them: controller or other.") var victim = "other"
  @Option(help: "Partitions that are probed, at most; spread over all, the last among them.") var probed = 256
  @Option(help: "zookeeper.session.timeout.ms: how long a killed broker is not missed.") var sessionTimeoutMs = 2_000
  @Option(help: "Seconds for which the cluster is looked at while nothing is done, before.") var idleSeconds = 0.0
  @Flag(help: "JSON is always printed, in the last line.") var json = false

  static func cost(of run: PricedRun) -> RunCost { ClusterTrial.election.cost(run) }

  func validate() throws {
    guard ["kill", "stop"].contains(ending) else { throw ValidationError("--ending: must be kill or stop") }
    guard ["controller", "other"].contains(victim) else {
      throw ValidationError("--victim: must be controller or other")
    }
    guard (2...9).contains(brokers), (2...brokers).contains(replicationFactor) else {
      throw ValidationError("--brokers 2 to 9, and --replication-factor 2 to as many")
    }
    guard (1...100_000).contains(partitions), probed > 0 else { throw ValidationError("--partitions: 1 to 100000") }
  }

  func measure() throws -> [String: Any] {
    try TrialCluster.with(
      brokers: brokers, directory: directory,
      overrides: [
        "millrace.election=\(election)", "zookeeper.session.timeout.ms=\(sessionTimeoutMs)",
        "auto.leader.rebalance.enable=false", "num.partitions=1",
      ]
    ) { cluster in
      let controller = try cluster.controller()
      let leader = victim == "controller" ? controller : cluster.ids.first { $0 != controller } ?? controller
      let others = cluster.ids.filter { $0 != leader }
      let replicas = (0..<partitions).map { index in
        [leader] + (0..<replicationFactor - 1).map { others[(index + $0) % others.count] }
      }
      var figures: [String: Any] = ["partitions": partitions]
      figures["creation_ms"] = try cluster.create("probed", replicas: replicas)
      if idleSeconds > 0 { figures.merge(idle(cluster)) { $1 } }
      let step = max(1, partitions / probed)
      let chosen = Array(stride(from: partitions - 1, through: 0, by: -step)).prefix(probed).reversed().map {
        Prober.Partition(index: Int32($0), replicas: replicas[$0])
      }
      figures.merge(try harm(cluster, leader, chosen)) { $1 }
      return figures
    }
  }

  /// CPU and memory of the brokers while nobody uses them.
  private func idle(_ cluster: TrialCluster) -> [String: Any] {
    // What creation left to be done is not idling.
    Clocks.nap(milliseconds: 2_000)
    func figures() -> [ProcessFigures] { cluster.ids.compactMap { cluster.local.figures(of: Int($0)) } }
    let (before, start) = (figures(), Moment.nowMs)
    Clocks.nap(milliseconds: Int64(idleSeconds * 1000))
    let (after, seconds) = (figures(), (Moment.nowMs - start) / 1000)
    let shares = zip(before, after).map { 100 * ($1.cpuSeconds - $0.cpuSeconds) / seconds }
    return [
      "idle_cpu_percent": shares.reduce(0, +), "idle_cpu_most_percent": shares.max() ?? 0,
      "rss_most_mib": after.map(\.residentMiB).max() ?? 0,
    ]
  }

  private func harm(
    _ cluster: TrialCluster, _ leader: BrokerID, _ chosen: [Prober.Partition]
  ) throws -> [String: Any] {
    let places = try Dictionary(uniqueKeysWithValues: cluster.ids.map { ($0, try cluster.endpoint(of: $0)) })
    let prober = try Prober("probed", chosen, at: places)
    defer { prober.stop() }
    guard
      Moment.wait(seconds: Limits.moveSeconds, until: { prober.outages.partitions.allSatisfy { $0.leader == leader } })
    else { throw TrialError(description: "the partitions do not all take writes at broker \(leader)") }
    Clocks.nap(milliseconds: Limits.settleMs)
    let gone = Mutex<Double?>(nil)
    let watched = try cluster.tree.exists(
      BrokerZNode.path(leader), watch: { _ in gone.withLock { $0 = $0 ?? Moment.nowMs } })
    guard watched != nil else { throw TrialError(description: "broker \(leader) is not registered") }
    prober.begin()
    let start = Moment.nowMs
    let ended: Double
    if ending == "kill" {
      cluster.kill(leader)
      ended = Moment.nowMs
    } else {
      cluster.stop(leader)
      ended = Moment.nowMs
    }
    let haveMoved = Moment.wait(seconds: Limits.moveSeconds) { prober.outages.haveMoved(from: leader) }
    let outages = prober.outages.partitions
    let lengths = outages.map(\.longestMs).sorted()
    // Of a stop in order the session's end is no detection: the broker has given its partitions away before.
    let detectedMs = ending == "kill" ? gone.withLock { $0 } ?? start : start
    let lastMs = outages.map(\.longestEndMs).max() ?? start
    return [
      "seconds": max(lastMs - start, 1) / 1000,
      "detection_ms": max(0, detectedMs - start), "election_ms": max(0, lastMs - detectedMs),
      "outage_p50_ms": lengths[lengths.count / 2], "outage_max_ms": lengths.last ?? 0,
      "outage_mean_ms": lengths.reduce(0, +) / Double(lengths.count),
      "leaderless": haveMoved ? 0 : outages.count { $0.leader == nil || $0.leader == leader },
      "stop_ms": ended - start, "probed": chosen.count,
    ]
  }
}
