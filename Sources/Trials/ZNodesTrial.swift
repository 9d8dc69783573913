import ArgumentParser
import Base
import Cluster
import Coordination
import Foundation
import Glibc
import Measure
import Mechanisms
import Model
import Runner
import Wire

/// The state of a cluster as z-nodes, held against what its brokers say, and listed by ZooKeeper's own shell.
struct ZNodesTrial: Mechanism {
  static let configuration = CommandConfiguration(
    commandName: ClusterTrial.zNodes.rawValue,
    abstract: "Hold the z-nodes of a cluster against what its brokers say.")

  private enum Limits {
    static let settleSeconds = 60.0
    static let shellSeconds = 60.0
    static let shells = ["/usr/share/zookeeper/bin/zkCli.sh", "/opt/zookeeper/bin/zkCli.sh"]
    /// What Kafka 3.x has in ZooKeeper whether or not there are topics.
    static let roots = ["/cluster/id", "/controller", "/controller_epoch", "/brokers/seqid"] + ZNodeRoots.persistent
  }

  @Option(help: "Directory of the cluster's data.") var directory: String
  @Option(help: "Brokers.") var brokers = 3
  @Option(help: "Partitions, each with a replica on every broker.") var partitions = 6
  @Option(help: "zookeeper.session.timeout.ms.") var sessionTimeoutMs = 2_000
  @Flag(help: "JSON is always printed, in the last line.") var json = false

  static func cost(of run: PricedRun) -> RunCost { ClusterTrial.zNodes.cost(run) }

  func validate() throws {
    guard (2...9).contains(brokers), (1...1000).contains(partitions) else {
      throw ValidationError("--brokers 2 to 9, --partitions 1 to 1000")
    }
  }

  func measure() throws -> [String: Any] {
    try TrialCluster.with(
      brokers: brokers, directory: directory, overrides: ["zookeeper.session.timeout.ms=\(sessionTimeoutMs)"]
    ) { cluster in
      let start = Moment.nowMs
      try cluster.create(
        "listed", partitions: partitions, replicationFactor: brokers, configs: [("retention.ms", "3600000")])
      var request = InitProducerIdRequest()
      request.transactionTimeoutMs = 1_000
      _ = try cluster.call(request, to: cluster.ids[0])
      var compared = 0
      let missing = try Limits.roots.count { try cluster.tree.exists($0, watch: nil) == nil }
      var differing = try differences(cluster, &compared)
      // The state follows what happens.
      let gone = try cluster.leader(of: "listed", 0)
      cluster.kill(gone)
      var after = 0
      _ = try Moment.wait(seconds: Limits.settleSeconds, everyMs: 100) {
        let found = try cluster.partitions(of: "listed")
        var seen = 0
        after = try differences(cluster, &seen)
        return after == 0 && found.allSatisfy { $0.leaderID != gone && !$0.isrNodes.contains(gone) }
      }
      differing += after
      let shell = try shellDifferences(cluster, &compared)
      return [
        "seconds": (Moment.nowMs - start) / 1000, "znodes_missing": missing, "znodes_differing": differing,
        "shell_differing": shell, "znodes_compared": compared + Limits.roots.count,
      ]
    }
  }

  /// Nodes that say other things than the brokers do.
  private func differences(_ cluster: TrialCluster, _ compared: inout Int) throws -> Int {
    let tree = cluster.tree
    let metadata = try cluster.metadata(of: "listed")
    guard let topic = metadata.topics.first else { throw TrialError(description: "the topic is unknown") }
    var wrong = 0
    func hold(_ isRight: Bool) {
      compared += 1
      if !isRight { wrong += 1 }
    }
    hold(try ClusterIDZNode(data: try tree.get(ClusterIDZNode.path, watch: nil).data).id == metadata.clusterID)
    hold(try cluster.controller() == metadata.controllerID)
    let registered = try tree.children(of: BrokerZNode.parent, watch: nil).compactMap { BrokerID($0) }
    hold(Set(registered) == Set(metadata.brokers.map(\.nodeID)))
    for broker in metadata.brokers {
      guard let node = try? tree.get(BrokerZNode.path(broker.nodeID), watch: nil) else {
        hold(false)
        continue
      }
      let said = try BrokerZNode(id: broker.nodeID, data: node.data)
      hold(said.endpoints.contains { $0.host == broker.host && $0.port == broker.port })
      // A registration ends with its session.
      hold(node.stat.ephemeralOwner != 0)
    }
    let listed = try TopicZNode(name: "listed", data: try tree.get(TopicZNode.path("listed"), watch: nil).data)
    hold(listed.id == topic.topicID)
    hold(listed.replicas.count == topic.partitions.count)
    for partition in topic.partitions {
      let (number, path) = (Int(partition.partitionIndex), PartitionStateZNode.path("listed", partition.partitionIndex))
      let state = try PartitionStateZNode("listed", partition.partitionIndex, data: try tree.get(path, watch: nil).data)
      hold(listed.replicas.indices.contains(number) && listed.replicas[number] == partition.replicaNodes)
      hold(state.leader == partition.leaderID && state.leaderEpoch == partition.leaderEpoch)
      hold(Set(state.inSyncReplicas) == Set(partition.isrNodes))
    }
    let config = try tree.get("/config/topics/listed", watch: nil)
    hold(String(decoding: config.data, as: UTF8.self).contains("\"retention.ms\":\"3600000\""))
    return wrong
  }

  /// `ls` in ZooKeeper's shell, of four paths: what it does not show, or shows beside what there is.
  private func shellDifferences(_ cluster: TrialCluster, _ compared: inout Int) throws -> Int {
    guard let shell = Limits.shells.first(where: { access($0, X_OK) == 0 }) else {
      throw TrialError(description: "there is no zkCli.sh: install Debian's package `zookeeper`")
    }
    var wrong = 0
    for path in ["/", "/brokers/ids", "/brokers/topics", "/brokers/topics/listed/partitions"] {
      let out = "\(cluster.directory)/shell.out"
      let child = try ChildProcess(
        program: shell, arguments: ["-server", cluster.local.zooKeeperAddress, "ls", path], outPath: out,
        errPath: "\(cluster.directory)/shell.err")
      guard Moment.wait(seconds: Limits.shellSeconds, until: { child.poll() != nil }) else {
        throw TrialError(description: "zkCli.sh does not end")
      }
      // The last line in brackets: `[1, 2, 3]`.
      let line = ((try? String(contentsOfFile: out, encoding: .utf8)) ?? "").split(separator: "\n")
        .last { $0.hasPrefix("[") && $0.hasSuffix("]") }
      let names = line?.dropFirst().dropLast().split(separator: ",").map { String($0.drop { $0 == " " }) } ?? []
      let there = try cluster.tree.children(of: path, watch: nil)
      compared += 1
      if Set(names) != Set(there) { wrong += 1 }
    }
    return wrong
  }
}
