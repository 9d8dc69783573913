import ArgumentParser
import Base
import Cluster
import Compression
import Coordination
import Foundation
import Measure
import Mechanisms
import Model
import Wire

/// Who does what in a cluster: one controller, leaders that alone read and write, followers that are checked.
///
/// Everything is counted that should not be: a broker that names another controller, a follower that takes a write or gives records, a leader
/// that refuses them, a dead broker that stays in sync.
struct RolesTrial: Mechanism {
  static let configuration = CommandConfiguration(
    commandName: ClusterTrial.roles.rawValue,
    abstract: "Ask every broker for everything, and count who does what only others should.")

  private enum Limits {
    static let settleSeconds = 60.0
  }

  @Option(help: "Directory of the cluster's data.") var directory: String
  @Option(help: "Brokers.") var brokers = 3
  @Option(help: "Partitions, each with a replica on every broker.") var partitions = 6
  @Option(help: "zookeeper.session.timeout.ms.") var sessionTimeoutMs = 2_000
  @Option(help: "replica.lag.time.max.ms.") var lagMs = 1_000
  @Flag(help: "JSON is always printed, in the last line.") var json = false

  static func cost(of run: PricedRun) -> RunCost { ClusterTrial.roles.cost(run) }

  func validate() throws {
    guard (2...9).contains(brokers), (1...1000).contains(partitions) else {
      throw ValidationError("--brokers 2 to 9, --partitions 1 to 1000")
    }
  }

  func measure() throws -> [String: Any] {
    try TrialCluster.with(
      brokers: brokers, directory: directory,
      overrides: ["zookeeper.session.timeout.ms=\(sessionTimeoutMs)", "replica.lag.time.max.ms=\(lagMs)"]
    ) { cluster in
      let start = Moment.nowMs
      try cluster.create("roles", partitions: partitions, replicationFactor: brokers)
      let found = try cluster.partitions(of: "roles")
      let led = Dictionary(grouping: found, by: \.leaderID).mapValues(\.count)
      let leaders = cluster.ids.map { led[$0] ?? 0 }
      var seen = Seen()
      try ask(cluster, found, &seen)
      seen.wrongControllers += try wrongControllers(cluster)
      let epoch = try controllerEpoch(cluster)
      let controller = try cluster.controller()
      cluster.kill(controller)
      seen.deadInSync += try deadInSync(cluster, controller)
      // As many epochs as controllers: two at one time would have raised it twice.
      let wasReplaced = try Moment.wait(seconds: Limits.settleSeconds, everyMs: 20) {
        try cluster.controller() != controller
      }
      let raised = try controllerEpoch(cluster) - epoch
      seen.wrongControllers += (wasReplaced && raised == 1 ? 0 : 1) + (try wrongControllers(cluster))
      try ask(cluster, try cluster.partitions(of: "roles"), &seen)
      return [
        "seconds": (Moment.nowMs - start) / 1000, "wrong_controllers": seen.wrongControllers,
        "served_by_followers": seen.servedByFollowers, "refused_by_leaders": seen.refusedByLeaders,
        "dead_in_sync": seen.deadInSync, "leaders_least": leaders.min() ?? 0,
        "followers_least": leaders.map { partitions - $0 }.min() ?? 0, "asked": seen.asked,
      ]
    }
  }

  private struct Seen {
    var asked = 0
    var wrongControllers = 0, servedByFollowers = 0, refusedByLeaders = 0, deadInSync = 0
  }

  /// Writes to and reads from every partition at every broker that lives.
  private func ask(_ cluster: TrialCluster, _ partitions: [MetadataResponse.Partition], _ seen: inout Seen) throws {
    for partition in partitions {
      for id in cluster.living {
        let isLeader = partition.leaderID == id
        let written = try write(cluster, partition.partitionIndex, at: id)
        let read = try cluster.fetch("roles", Int(partition.partitionIndex), from: 0, at: id).1
        for code in [written, read] {
          seen.asked += 1
          if isLeader, code != .none { seen.refusedByLeaders += 1 }
          if !isLeader, code != .notLeaderOrFollower { seen.servedByFollowers += 1 }
        }
      }
    }
  }

  private func write(_ cluster: TrialCluster, _ partition: Int32, at id: BrokerID) throws -> ErrorCode {
    var builder = RecordBatchBuilder(capacity: 256)
    Array("role".utf8).withUnsafeBytes { builder.append(timestamp: Clocks.wallMs(), key: nil, value: $0) }
    let batch = Records.bytes(try builder.finish(codec: .none))
    var request = ProduceRequest()
    request.acks = 1
    request.timeoutMs = 1_000
    request.add(batch, to: TopicPartition("roles", partition))
    return try cluster.call(request, to: id).responses.first?.partitionResponses.first?.errorCode ?? .unknownServerError
  }

  /// Brokers that name another controller than the z-node does.
  private func wrongControllers(_ cluster: TrialCluster) throws -> Int {
    let controller = try cluster.controller()
    var wrong = 0
    for id in cluster.living {
      // A broker hears of a new controller by that one's first request.
      let agrees = try Moment.wait(seconds: Limits.settleSeconds, everyMs: 20) {
        try cluster.metadata(of: "roles", from: id).controllerID == controller
      }
      if !agrees { wrong += 1 }
    }
    return wrong
  }

  /// Partitions that have the dead broker as leader or in sync, when its session has ended and its lag is known.
  private func deadInSync(_ cluster: TrialCluster, _ dead: BrokerID) throws -> Int {
    var left = 0
    _ = try Moment.wait(seconds: Limits.settleSeconds, everyMs: 50) {
      left = try cluster.partitions(of: "roles").count { $0.leaderID == dead || $0.isrNodes.contains(dead) }
      return left == 0
    }
    return left
  }

  private func controllerEpoch(_ cluster: TrialCluster) throws -> Int32 {
    try ControllerEpochZNode.epoch(data: try cluster.tree.get(ControllerEpochZNode.path, watch: nil).data)
  }
}
