import Base
import Broker
import Cluster
import Model
import NIOCore
import NIOEmbedded
import Wire

/// Checks the cluster when the faults have ended: it works again, has lost nothing, and its nodes agree.
extension ClusterSimulation {
  /// Ends all faults, and waits until everything works again.
  func heal() {
    guard violations.isEmpty else { return }
    trace.note("no more faults")
    isHealing = true
    network.heal()
    tree.mendAll()
    tree.delayMicrosecondsMax = 2_000
    tree.delayMicrosecondsMaxOf = [:]
    for node in nodes {
      node.offload.delayMicrosecondsMax = 2_000
      node.clockOffsetMs = 0
    }
    advance(
      seconds: Self.healingSeconds, until: { self.nodes.allSatisfy { $0.phase == .running } },
      orElse: "after the faults, not every node runs: \(nodes.map { "\($0.name) is \($0.phase)" })")
    advance(
      seconds: Self.healingSeconds, until: { self.isWhole },
      orElse: "after the faults, the cluster is not whole: \(self.states)")
    for producer in producers { producer.isStopping = true }
    for consumer in consumers { consumer.isCatchingUp = true }
    advance(
      seconds: Self.healingSeconds, until: { self.producers.allSatisfy(\.isIdle) },
      orElse: "after the faults, not every batch is acknowledged: "
        + "\(producers.filter { !$0.isIdle }.map { "\($0.client.name): \($0.lastFailure)" })")
    settleTransactions()
    advance(
      seconds: Self.healingSeconds, until: { self.consumers.allSatisfy(\.isAtEnd) },
      orElse: "after the faults, not every record is read: "
        + "\(consumers.filter { !$0.isAtEnd }.map { "\($0.client.name) at \($0.position): \($0.lastFailure)" })")
    settleGroups()
    advance(
      seconds: Self.healingSeconds, until: { self.isWhole },
      orElse: "at the end, the cluster is not whole: \(self.states)")
  }

  /// Whether there is one controller, and each partition has a leader and all replicas in sync.
  private var isWhole: Bool {
    guard let controller = tree.controller, nodes.allSatisfy({ tree.isRegistered($0.id) }) else { return false }
    let controlling = nodes.filter { $0.running?.broker.controller.cluster.brokers.isEmpty == false }.map(\.id)
    guard controlling == [controller] else { return false }
    return partitions.allSatisfy { partition in
      tree.state(of: partition).map { $0.leader >= 0 && $0.inSyncReplicas.count == tree.replicas(of: partition).count }
        ?? false
    }
  }

  private var states: String {
    let controlling = nodes.filter { $0.running?.broker.controller.cluster.brokers.isEmpty == false }.map(\.id)
    let partitions = partitions.map { partition -> String in
      guard let state = tree.state(of: partition) else { return "\(partition) has no state" }
      return "\(partition) leader \(state.leader) epoch \(state.leaderEpoch) in sync \(state.inSyncReplicas)"
    }
    return
      ([
        "controller \(tree.controller ?? -1)", "controllers \(controlling)", "registered \(tree.brokers.keys.sorted())",
      ]
      + partitions).joined(separator: "; ")
  }

  /// Reads all records, compares the replicas and what the nodes show, and stops all nodes in order.
  func finish() {
    guard violations.isEmpty else { return }
    for client in clients { client.leave() }
    advance(
      seconds: 30, until: { self.disagreement == nil }, orElse: "the nodes do not agree: \(self.disagreement ?? "")")
    advance(
      seconds: 30, until: { self.differences.isEmpty },
      orElse: "the replicas differ: \(self.differences.joined(separator: "; "))")
    readEverything()
    checkCommittedOffsets()
    checkTransactionalOffsets()
    guard violations.isEmpty else { return }
    for node in nodes {
      node.staysDown = true
      node.stop()
    }
    advance(
      seconds: 120, until: { self.nodes.allSatisfy { $0.phase == .down } },
      orElse: "not every node stops: \(nodes.map { "\($0.name) is \($0.phase)" })")
  }

  /// How what a node shows differs from the tree; nil where nothing does.
  private var disagreement: String? {
    for node in nodes {
      guard let image = node.running?.broker.image else { return "\(node.name) does not run" }
      guard image.controllerID == tree.controller else {
        return "\(node.name) has controller \(image.controllerID), the tree \(tree.controller ?? -1)"
      }
      guard image.brokers.map(\.id).sorted() == tree.brokers.keys.sorted() else {
        return "\(node.name) has brokers \(image.brokers.map(\.id))"
      }
      for partition in partitions {
        guard let state = tree.state(of: partition) else { return "\(partition) has no state" }
        guard let topic = image.named(partition.topic), Int(partition.partition) < topic.description.partitions.count
        else { return "\(node.name) does not have \(partition)" }
        let shown = topic.description.partitions[Int(partition.partition)]
        guard shown.leader == state.leader, shown.leaderEpoch == state.leaderEpoch,
          Set(shown.inSyncReplicas) == Set(state.inSyncReplicas)
        else {
          return "\(node.name) has for \(partition) leader \(shown.leader), epoch \(shown.leaderEpoch), in sync "
            + "\(shown.inSyncReplicas), the tree leader \(state.leader), epoch \(state.leaderEpoch), in sync "
            + "\(state.inSyncReplicas)"
        }
        guard tree.replicas(of: partition).contains(node.id) else { continue }
        let leadership = topic.partition(partition.partition)?.leadership
        guard leadership?.isLeader == (state.leader == node.id), leadership?.epoch == state.leaderEpoch else {
          return "\(node.name) is of \(partition) \(leadership.map { "\($0)" } ?? "nothing"), the tree has leader "
            + "\(state.leader), epoch \(state.leaderEpoch)"
        }
      }
    }
    return nil
  }

  // MARK: Replicas

  /// The batches of a replica's log, from its files.
  private func batches(of partition: TopicPartition, on node: ClusterNode) -> [String] {
    let directory = "/data/\(partition.topic)-\(partition.partition)"
    var found: [String] = []
    for name in node.disk.list(directory) where name.hasSuffix(".log") {
      var rest = ByteBuffer(bytes: node.disk.contents("\(directory)/\(name)") ?? [])
      while rest.readableBytes > 0 {
        guard let batch = try? RecordBatch(viewing: rest) else {
          found.append("an invalid batch in \(name)")
          break
        }
        rest.moveReaderIndex(forwardBy: batch.sizeInBytes)
        let header = batch.header
        found.append(
          "\(header.baseOffset)..<\(header.nextOffset) epoch \(header.partitionLeaderEpoch) crc \(header.crc)")
      }
    }
    return found
  }

  /// Where the replicas of a partition differ.
  private var differences: [String] {
    var different: [String] = []
    for partition in partitions {
      let replicas = tree.replicas(of: partition)
      let nodes = nodes.filter { replicas.contains($0.id) }
      guard let one = nodes.first else { continue }
      let first = batches(of: partition, on: one)
      for node in nodes.dropFirst() {
        let other = batches(of: partition, on: node)
        guard first != other else { continue }
        let index = zip(first, other).enumerated().first { $1.0 != $1.1 }?.offset ?? min(first.count, other.count)
        func at(_ list: [String]) -> String { index < list.count ? list[index] : "nothing" }
        different.append(
          "\(partition): batch \(index) is \(at(first)) on \(one.name), \(at(other)) on \(node.name)")
      }
    }
    return different
  }

  /// Reads each partition from its start, from its leader, and checks that nothing is missing.
  private func readEverything() {
    for (partition, ledger) in ledgers.sorted(by: { $0.key < $1.key }) where violations.isEmpty {
      let end =
        nodes.compactMap { $0.replica(of: partition) }.first { $0.leadership.isLeader }?.highWatermark.rawValue ?? 0
      var whole = WholeReading(partition, transactions)
      readAll(partition, upTo: max(end, ledger.acknowledgedEnd), isReadCommitted: false) { batch, id in
        if let wrong = whole.take(batch, id) { self.violation("\(partition): \(wrong)") }
      }
      for transaction in whole.left { violation("\(partition): \(transaction) has no marker") }
      guard violations.isEmpty else { return }
      ledger.finish(end: end)
      if ledger.transactions != nil { readAll(partition, upTo: end, isReadCommitted: true) { _, _ in } }
    }
  }

  private func readAll(
    _ partition: TopicPartition, upTo end: Int64, isReadCommitted: Bool,
    each: @escaping (RecordBatch, Ledger.BatchID?) -> Void
  ) {
    let settings = ClusterConsumer.Settings(
      number: 0, partition: partition, maxWaitMs: 0, partitionMaxBytes: 1 << 20, rereadEvery: .max,
      isReadCommitted: isReadCommitted)
    let reader = ClusterConsumer(settings, self, seed: 1, name: "the last reader")
    reader.isCatchingUp = true
    reader.each = each
    reader.start()
    advance(
      seconds: 60, until: { reader.position >= end },
      orElse: "\(partition) cannot be read past \(reader.position): \(reader.lastFailure)")
    counts.recordsRead += reader.records
    reader.isDone = true
    reader.client.leave()
  }
}
