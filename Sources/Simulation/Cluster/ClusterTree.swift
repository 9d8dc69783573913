import Base
import Cluster
import Coordination
import Model
import NIOCore
import NIOEmbedded

/// The ensemble of a simulated cluster, with the sessions of its nodes: a session ends when the ensemble has not heard of it for its
/// timeout, because its node is dead, or its connection is cut.
final class ClusterTree: @unchecked Sendable {
  // Used by one thread, that of the simulation.

  private struct Held {
    let node: BrokerID
    let session: SharedSession
    let timeoutMs: Int
    var isCut = false
    /// Whether the client is gone for good.
    var isDead = false
  }

  private let server: SharedTree
  private let loop: EmbeddedEventLoop
  private var random: SplitMix
  private var held: [Held] = []
  private var cutNodes: Set<BrokerID> = []
  /// When each node's connection was last cut or mended.
  private var changed: [BrokerID: NIODeadline] = [:]
  /// The maximum delay of an event.
  var delayMicrosecondsMax: Int {
    get { delays.most }
    set { delays.most = newValue }
  }
  /// The maximum delays of events for nodes that hear of them later than others do.
  var delayMicrosecondsMaxOf: [BrokerID: Int] {
    get { delays.ofNode }
    set { delays.ofNode = newValue }
  }
  private let delays: Delays
  private var read = Read()
  /// The change after which `writtenTooLate` looked last.
  private var lookedAt: Int64 = -1
  /// The simulation's own session, which is never cut.
  let census: SharedSession

  init(loop: EmbeddedEventLoop, seed: UInt64, now: @escaping @Sendable () -> Int64) {
    self.loop = loop
    let delays = Delays(seed: seed)
    self.delays = delays
    random = SplitMix(seed: seed ^ 1)
    server = SharedTree(now: now) { session, body in
      loop.assumeIsolated().scheduleTask(in: .microseconds(Int64(delays.draw(for: session)))) { body() }
    }
    census = server.connect()
  }

  private final class Delays: @unchecked Sendable {
    var random: SplitMix
    var most = 2_000
    var ofNode: [BrokerID: Int] = [:]
    var nodes: [Int64: BrokerID] = [:]
    init(seed: UInt64) { random = SplitMix(seed: seed) }

    func draw(for session: Int64) -> Int { 1 + random.below(nodes[session].flatMap { ofNode[$0] } ?? most) }
  }

  func connect(_ node: BrokerID, timeoutMs: Int) throws(ZNodeError) -> any ZNodeTree {
    guard !cutNodes.contains(node) else {
      throw ZNodeError(.connectionLost, "", detail: "no server of the ensemble is reached")
    }
    let session = server.connect()
    delays.nodes[session.sessionID] = node
    held.removeAll { $0.isDead && !server.livingSessions.contains($0.session.sessionID) }
    held.append(Held(node: node, session: session, timeoutMs: timeoutMs))
    return session
  }

  // MARK: Faults

  func cut(_ node: BrokerID) {
    guard cutNodes.insert(node).inserted else { return }
    changed[node] = loop.now
    for index in held.indices where held[index].node == node { cut(index) }
  }

  private func cut(_ index: Int) {
    guard !held[index].isCut else { return }
    held[index].isCut = true
    let session = held[index].session
    server.cut(session, writeInFlight: random.below(2) == 0 ? .made : .lost)
    loop.assumeIsolated().scheduleTask(in: .milliseconds(Int64(held[index].timeoutMs))) { [self] in
      guard held.contains(where: { $0.session.sessionID == session.sessionID && $0.isCut }) else { return }
      server.expire(session)
    }
  }

  func mend(_ node: BrokerID) {
    guard cutNodes.remove(node) != nil else { return }
    changed[node] = loop.now
    for index in held.indices where held[index].node == node && held[index].isCut && !held[index].isDead {
      held[index].isCut = false
      server.mend(held[index].session)
    }
  }

  /// Whether a node has reached the tree for a time.
  func hasReached(_ node: BrokerID, for time: TimeAmount) -> Bool {
    !cutNodes.contains(node) && changed[node].map { loop.now - $0 > time } ?? true
  }

  func mendAll() { for node in cutNodes.sorted() { mend(node) } }

  /// Ends the sessions of a node.
  ///
  /// - Parameter silently: whether the node does not hear of it until the tree is mended.
  func expire(_ node: BrokerID, silently: Bool) {
    if silently { cut(node) }
    for held in held where held.node == node && !held.isDead { server.expire(held.session) }
  }

  func deleteController() { try? census.delete(ControllerZNode.path) }

  /// Handles the death of a node: its session ends after its timeout.
  func died(_ node: BrokerID) {
    for index in held.indices where held[index].node == node {
      cut(index)
      held[index].isDead = true
    }
  }

  /// Handles the orderly end of a node, which has closed its session.
  func forget(_ node: BrokerID) { died(node) }

  // MARK: What the tree says

  func hasTopic(_ name: String) -> Bool { (try? census.exists(TopicZNode.path(name))) != nil }

  /// What was read of the tree since its last change.
  private struct Read {
    var zxid: Int64 = -1
    var states: [TopicPartition: PartitionStateZNode?] = [:]
    var brokers: [BrokerID: Int64]?
    var controller: BrokerID??
  }

  /// Forgets what was read before the last change; returns whether there was one.
  @discardableResult
  private func refresh() -> Bool {
    let zxid = server.lastZxid
    guard read.zxid != zxid else { return false }
    read = Read(zxid: zxid)
    return true
  }

  /// The replicas of a partition: a coordinators' topic may have been made when one broker was away.
  func replicas(of partition: TopicPartition) -> [BrokerID] {
    guard let node = try? census.find(TopicZNode.path(partition.topic)),
      let topic = try? TopicZNode(name: partition.topic, data: node.data),
      topic.replicas.indices.contains(Int(partition.partition))
    else { return [] }
    return topic.replicas[Int(partition.partition)]
  }

  func state(of partition: TopicPartition) -> PartitionStateZNode? {
    refresh()
    if let known = read.states[partition] { return known }
    let found = findState(of: partition)
    read.states[partition] = .some(found)
    return found
  }

  private func findState(of partition: TopicPartition) -> PartitionStateZNode? {
    guard let node = try? census.find(PartitionStateZNode.path(partition.topic, partition.partition)) else {
      return nil
    }
    return try? PartitionStateZNode(partition.topic, partition.partition, data: node.data)
  }

  /// A partition whose state was written by a controller after another one had been elected; nil where there is none.
  ///
  /// - Parameter partitions: not asked for when nothing has changed since the last look.
  func writtenTooLate(of partitions: () -> [TopicPartition]) -> String? {
    guard server.lastZxid != lookedAt else { return nil }
    lookedAt = server.lastZxid
    guard let node = try? census.find(ControllerEpochZNode.path),
      let epoch = try? ControllerEpochZNode.epoch(data: node.data)
    else { return nil }
    for partition in partitions() {
      guard let state = try? census.find(PartitionStateZNode.path(partition.topic, partition.partition)),
        state.stat.mzxid > node.stat.mzxid, let said = self.state(of: partition)?.controllerEpoch, said < epoch
      else { continue }
      return "the state of \(partition) was written by the controller of epoch \(said) in epoch \(epoch)"
    }
    return nil
  }

  /// The broker that is the controller; nil where there is none.
  var controller: BrokerID? {
    refresh()
    if let known = read.controller { return known }
    let node = try? census.find(ControllerZNode.path)
    let found = node.flatMap { try? ControllerZNode(data: $0.data).brokerID }
    read.controller = .some(found)
    return found
  }

  /// The registered brokers, with the sessions that own the registrations.
  var brokers: [BrokerID: Int64] {
    refresh()
    if let known = read.brokers { return known }
    var found: [BrokerID: Int64] = [:]
    for name in (try? census.children(of: BrokerZNode.parent)) ?? [] {
      guard let id = BrokerID(name), let stat = try? census.exists(BrokerZNode.path(id)) else { continue }
      found[id] = stat.ephemeralOwner
    }
    read.brokers = found
    return found
  }

  /// Whether a broker is registered by its present session, which is connected.
  func isRegistered(_ node: BrokerID) -> Bool {
    guard let owner = brokers[node] else { return false }
    return held.contains { $0.node == node && $0.session.sessionID == owner && !$0.isCut && !$0.isDead }
  }
}
