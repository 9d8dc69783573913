package import Measure

/// The trials of a cluster: each starts ZooKeeper and brokers of its own, does them some harm or looks at them, and says what it saw.
/// Definitions name them as they name mechanisms; they are carried out by the module Trials, above the runner that knows clusters.
package enum ClusterTrial: String, Sendable, CaseIterable {
  case election = "cluster-election"
  case failover = "cluster-failover"
  case slowFollower = "cluster-isr"
  case rollingRestart = "cluster-restart"
  case roles = "cluster-roles"
  case zNodes = "cluster-znodes"

  private enum Rates {
    /// ZooKeeper and three brokers, started and stopped.
    static let clusterSeconds = 5.0
    /// Of partitions with their replicas, made and known to all.
    static let partitionsPerSecond = 1_000.0
    /// Of a leader's end that nobody told of, beyond the session's timeout.
    static let failoverSeconds = 1.0
    /// A broker started again until all its replicas are in sync.
    static let restartSeconds = 2.5
    static let partitionBytes = 1_000.0
  }

  /// Roughly what a run takes.
  package func cost(_ run: PricedRun) -> RunCost {
    let partitions = run.option("partitions")
    var seconds = Rates.clusterSeconds + partitions / Rates.partitionsPerSecond
    switch self {
    case .election:
      seconds += run.option("session-timeout-ms") / 1000 + run.option("idle-seconds") + Rates.failoverSeconds
    case .failover:
      let each = run.option("session-timeout-ms") / 1000 + Rates.failoverSeconds + Rates.restartSeconds
      seconds += max(1, run.option("kills")) * each
    case .slowFollower: seconds += run.option("slow-ms") / 1000 + 3
    case .rollingRestart: seconds += 3 * Rates.restartSeconds + 2
    case .roles: seconds += run.option("session-timeout-ms") / 1000 + Rates.failoverSeconds
    case .zNodes: seconds += 1
    }
    return RunCost(seconds: seconds, bytes: 0, diskBytes: 50e6 + partitions * Rates.partitionBytes)
  }

  package var description: MechanismDescription {
    MechanismDescription(
      name: rawValue, writesIntervals: false, needsCluster: true, cost: { cost($0) }, ceilings: { _, _ in [] })
  }
}
