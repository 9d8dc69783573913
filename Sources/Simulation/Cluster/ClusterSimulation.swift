import Base
import Broker
import Cluster
import Model
import NIOCore
import NIOEmbedded
import Wire

/// Runs one deterministic simulation of a cluster: three nodes of the shipped code, the tree that they share, the network between
/// them, their disks, clients and faults, all derived from a seed.
///
/// ```
/// let outcome = ClusterSimulation.run(seed: 42)
/// outcome.violations   // empty if all checks passed
/// ```
///
/// Everything happens on the calling thread, in virtual time.
package final class ClusterSimulation: CoordinatedWorld, @unchecked Sendable {
  static let port: UInt16 = 9092
  /// The place of all clients in the network.
  static let clients = "clients"
  /// The time in which the healed cluster must work again.
  static let healingSeconds = 90
  /// The time limit of a node's start or stop.
  private static let changeSeconds: Int64 = 120

  let seed: UInt64
  let scenario: ClusterScenario
  let loop = EmbeddedEventLoop()
  let trace: Trace
  let network: SimulatedNetwork
  let tree: ClusterTree
  var random: SplitMix
  private(set) var nodes: [ClusterNode] = []
  /// Of the partitions whose acknowledged records may not be lost.
  private(set) var ledgers: [TopicPartition: Ledger] = [:]
  private(set) var producers: [ClusterProducer] = []
  private(set) var consumers: [ClusterConsumer] = []
  var members: [SimulatedGroupMember] = []
  /// By the groups' names.
  var groupLedgers: [String: GroupLedger] = [:]
  var transactionalProducers: [SimulatedTransactionalProducer] = []
  private(set) lazy var transactions = TransactionLedger { [unowned self] in violation($0) }
  /// The ways of groups' members and transactional producers to the cluster.
  var senders: [ClusterSender] = []
  private(set) var violations: [String] = []
  var counts = Simulation.Counts()
  var isHealing = false
  private(set) var isOver = false
  /// The node that led each partition in each leader epoch.
  private var leaders: [TopicPartition: [LeaderEpoch: BrokerID]] = [:]
  /// Who got each producer id.
  private var producerIDs: [Int64: String] = [:]
  /// What is checked of followers that lag.
  var lag = Lag()
  /// The node that has lost records and may not have all of them again; the others keep them meanwhile.
  var damaged: ClusterNode?
  private var looks = 0

  private static let epochMs: Int64 = 1_700_000_000_000

  private init(seed: UInt64, echo: ((String) -> Void)?) {
    self.seed = seed
    scenario = ClusterScenario(seed: seed)
    random = SplitMix(seed: seed ^ 0xC1_57E4)
    trace = Trace(loop: loop, echo: echo)
    network = SimulatedNetwork(loop: loop, disk: SimulatedDisk(seed: 0), seed: random.next())
    let loop = loop
    tree = ClusterTree(loop: loop, seed: random.next()) {
      Self.epochMs + Int64(loop.now.uptimeNanoseconds / 1_000_000)
    }
    for id in 1...ClusterScenario.brokers { nodes.append(ClusterNode(BrokerID(id), self, seed: random.next())) }
  }

  /// Runs one seed to its end.
  ///
  /// - Parameter echo: also gets each event as it happens.
  package static func run(seed: UInt64, echo: ((String) -> Void)? = nil) -> Simulation.Outcome {
    let simulation = ClusterSimulation(seed: seed, echo: echo)
    simulation.run()
    return Simulation.Outcome(
      seed: seed, hash: simulation.trace.hash, events: simulation.trace.events, violations: simulation.violations,
      lastEvents: simulation.trace.last, counts: simulation.counts)
  }

  // MARK: For the nodes and clients

  static func address(of broker: BrokerID) -> String { "10.0.0.\(broker)" }

  func disk(of address: String) -> SimulatedDisk {
    nodes.first { $0.host.name == address }?.disk ?? network.disk
  }

  var now: NIODeadline { loop.now }
  /// Milliseconds since 1970.
  var wallMs: Int64 { Self.epochMs + Int64(loop.now.uptimeNanoseconds / 1_000_000) }

  func violation(_ what: String) {
    guard violations.count < 20 else { return }
    violations.append(what)
    trace.note("VIOLATION \(what)")
  }

  func after(microseconds: Int, _ body: @escaping () -> Void) {
    loop.assumeIsolated().scheduleTask(in: .microseconds(Int64(microseconds)), body)
  }

  func after(milliseconds: Int, _ body: @escaping () -> Void) { after(microseconds: 1_000 * milliseconds, body) }

  /// Records that a producer got an id, which nobody else may have.
  func named(_ producerID: Int64, by name: String) {
    if let other = producerIDs[producerID] { violation("producer id \(producerID) is \(name)'s and \(other)'s") }
    producerIDs[producerID] = name
  }

  /// The partitions of the scenario's topics, and those of the coordinators' topics that there are.
  var partitions: [TopicPartition] {
    var all = scenario.topics.flatMap { topic in (0..<topic.partitions).map { TopicPartition(topic.name, $0) } }
    guard hasCoordinators else { return all }
    for (topic, prefix) in [
      (TopicName.groupOffsets, "offsets.topic."), (TopicName.transactionState, "transaction.state.log."),
    ] where tree.hasTopic(topic) {
      let count = Int32(scenario.configuration[prefix + "num.partitions"] ?? "") ?? 0
      all += (0..<count).map { TopicPartition(topic, $0) }
    }
    return all
  }

  var clients: [ClusterClient] { producers.map(\.client) + consumers.map(\.client) + senders.map(\.client) }

  // MARK: The run

  private func run() {
    for node in nodes { after(milliseconds: random.below(1_000)) { node.start() } }
    advance(
      seconds: 30,
      until: { self.nodes.contains { $0.running?.broker.controller.cluster.brokers.count == self.nodes.count } },
      orElse: "the cluster does not start")
    makeTopics()
    makeClients()
    let began = loop.now
    if let ambush = scenario.ambush { after(milliseconds: 3_000) { [self] in lay(ambush) } }
    for fault in scenario.faults {
      advance(to: began + .milliseconds(Int64(fault.afterMs)))
      guard violations.isEmpty else { break }
      cause(fault.kind)
    }
    advance(to: began + .seconds(Int64(scenario.seconds)))
    heal()
    finish()
    end()
  }

  private func end() {
    isOver = true
    for node in nodes { node.staysDown = true }
    let before = violations
    let deadline = loop.now + .seconds(60)
    while loop.now < deadline, !nodes.allSatisfy({ $0.phase == .down }) {
      for node in nodes where node.phase == .running { node.crash(.process) }
      loop.advanceTime(by: .milliseconds(100))
    }
    if before.isEmpty, let node = nodes.first(where: { $0.phase != .down }) { violation("\(node.name) does not end") }
    loop.advanceTime(by: .seconds(30))
    counts.batchesAcknowledged = producers.reduce(0) { $0 + $1.acknowledged }
    counts.recordsRead += consumers.reduce(0) { $0 + $1.records } + members.reduce(0) { $0 + $1.reader.records }
    countCoordinated()
    producers = []
    consumers = []
    (members, groupLedgers, transactionalProducers, senders) = ([], [:], [], [])
    ledgers = [:]
    nodes = []
    try? loop.syncShutdownGracefully()
  }

  /// Advances virtual time to `deadline`, or to the first violation.
  func advance(to deadline: NIODeadline) {
    while violations.isEmpty, loop.now < deadline {
      loop.advanceTime(to: min(deadline, loop.now + .milliseconds(20)))
      look()
    }
  }

  /// Advances virtual time until `isDone`; reports `what` as a violation after `seconds`.
  func advance(seconds: Int, until isDone: () -> Bool, orElse what: @autoclosure () -> String) {
    let deadline = loop.now + .seconds(Int64(seconds))
    while violations.isEmpty, !isDone() {
      guard loop.now < deadline else { return violation(what()) }
      loop.advanceTime(by: .milliseconds(20))
      look()
    }
  }

  /// Checks what must hold at any time.
  private func look() {
    checkStates()
    for client in clients { client.checkTimeouts() }
    for node in nodes {
      switch node.phase {
      case .stopping, .dying, .starting:
        if isHealing || node.phase != .starting, now - node.since > .seconds(Self.changeSeconds) {
          violation("\(node.name) is \(node.phase) for \(Self.changeSeconds) s")
        }
      case .running: checkLeaderships(of: node)
      case .down: break
      }
    }
  }

  /// Checks that no controller writes after another was elected, and that a replica leaves the ISR which cannot follow.
  private func checkStates() {
    if let wrong = tree.writtenTooLate(of: { self.partitions }) { violation(wrong) }
    looks += 1
    if looks % 5 == 0 { checkLagging(partitions) }
  }

  /// Checks that no two nodes lead a partition in one leader epoch.
  private func checkLeaderships(of node: ClusterNode) {
    guard let broker = node.running?.broker else { return }
    for topic in broker.image.all {
      for partition in topic.partitions {
        let leadership = partition.leadership
        guard leadership.isLeader else { continue }
        let other = leaders[partition.name, default: [:]].updateValue(node.id, forKey: leadership.epoch)
        if let other, other != node.id {
          violation("\(partition.name) is led by \(other) and by \(node.id) in leader epoch \(leadership.epoch)")
        }
      }
    }
  }

  // MARK: Topics and clients

  private func makeTopics() {
    let client = ClusterClient("setup", self, seed: 1)
    var request = CreateTopicsRequest()
    request.timeoutMs = 30_000
    for topic in scenario.topics {
      var asked = CreateTopicsRequest.Topic()
      asked.name = topic.name
      asked.numPartitions = topic.partitions
      asked.replicationFactor = Int16(ClusterScenario.brokers)
      asked.configs = topic.configuration.map { name, value in
        var config = CreateTopicsRequest.Config()
        config.name = name
        config.value = value
        return config
      }
      request.topics.append(asked)
      guard topic.isSafe else { continue }
      for index in 0..<topic.partitions {
        let partition = TopicPartition(topic.name, index)
        let promise = Ledger.Promise(
          flushesBeforeAck: false, flushMessages: .max, retentionBytes: nil, mayDeleteRecords: false,
          isLogAppendTime: false, keys: nil)
        ledgers[partition] = Ledger(partition, promise) { [unowned self] in violation($0) }
      }
    }
    guard violations.isEmpty, let controller = tree.controller else { return }
    var isMade = false
    client.ask(request, to: controller, version: 5) { result in
      guard case .success(let answer) = result else { return self.violation("CreateTopics is not answered") }
      for made in answer.topics where made.errorCode != .none {
        self.violation("CreateTopics of \(made.name): \(made.errorCode) \(made.errorMessage ?? "")")
      }
      isMade = true
    }
    advance(seconds: 20, until: { isMade }, orElse: "CreateTopics is not answered")
    client.leave()
  }

  private func makeClients() {
    guard violations.isEmpty else { return }
    producers = scenario.producers.map { ClusterProducer($0, self, seed: random.next()) }
    consumers = scenario.consumers.map { ClusterConsumer($0, self, seed: random.next()) }
    for producer in producers {
      let settings = producer.settings
      trace.note(
        "\(producer.client.name) writes to \(settings.partition), acks=\(settings.acks), \(settings.codec), "
          + "\(settings.inFlightMax) in flight\(settings.isIdempotent ? ", idempotent" : "")")
      producer.start()
    }
    for consumer in consumers {
      trace.note("\(consumer.client.name) reads \(consumer.settings.partition)")
      consumer.start()
    }
    makeGroups()
    makeTransactionalProducers()
  }
}
