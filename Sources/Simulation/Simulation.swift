import Base
import Broker
import Logging
import Model
import NIOCore
import NIOEmbedded
import Wire

/// Runs one deterministic simulation of the shipped broker: its `Connection`, handlers, partitions and logs over a simulated
/// loop, network and disk, with producers, consumers, an administrator, and faults, all derived from a seed.
///
/// ```
/// let outcome = Simulation.run(seed: 42)
/// outcome.violations   // empty if all checks passed
/// outcome.hash         // the same on every machine
/// ```
///
/// Everything happens on the calling thread, in virtual time.
package final class Simulation: @unchecked Sendable {
  /// Reports the outcome of a run.
  package struct Outcome: Sendable {
    package var seed: UInt64
    /// Hash of all events.
    package var hash: UInt64
    package var events: Int
    /// The failed checks in order. A run ends soon after the first.
    package var violations: [String]
    /// The last events, oldest first.
    package var lastEvents: [String]
    /// The amount of work done: a run that does nothing finds nothing.
    package var counts: Counts
  }

  package struct Counts: Sendable, Equatable {
    package var batchesAcknowledged = 0
    package var recordsRead = 0
    package var adminChanges = 0
    /// Assignments that group members got, and commits that were acknowledged to them.
    package var assignments = 0
    package var offsetCommits = 0
    /// Transactions that were ended by their producers.
    package var transactions = 0
    /// Connections of those who do not belong.
    package var strangers = 0
    /// Number of faults, by name.
    package var faults: [String: Int] = [:]

    package init() {}
  }

  /// The allowed lateness of a response: several times that of the slowest disk and network.
  static let slackMs: Int64 = 3_000
  /// The most bytes of one response to a simulated client: a fetch of 1 MiB, one batch more, and headers.
  static let responseBytesMax = 2 << 20
  /// The time in which the healed node must acknowledge and serve everything.
  static let healingSeconds = 120
  /// The time limit of a start or stop, recovery included.
  private static let restartSeconds = 120

  let seed: UInt64
  let scenario: Scenario
  let loop = EmbeddedEventLoop()
  let trace: Trace
  let network: SimulatedNetwork
  let disk: SimulatedDisk
  let offload: SimulatedOffload
  var random: SplitMix
  var node: Node?
  private(set) var ledgers: [TopicPartition: Ledger] = [:]
  private(set) var producers: [SimulatedProducer] = []
  private(set) var consumers: [SimulatedConsumer] = []
  private(set) var admin: SimulatedAdmin?
  private(set) var members: [SimulatedGroupMember] = []
  /// By the groups' names.
  private(set) var groupLedgers: [String: GroupLedger] = [:]
  private(set) var transactionalProducers: [SimulatedTransactionalProducer] = []
  private(set) var strangers: [SimulatedStranger] = []
  private(set) lazy var transactions = TransactionLedger { [unowned self] in violation($0) }
  private(set) var violations: [String] = []
  var counts = Counts()
  /// The node's wall clock is off by `clockOffsetMs`.
  var clockOffsetMs: Int64 = 0 {
    didSet {
      clockOffsetMsMost = max(clockOffsetMsMost, clockOffsetMs)
      clockForwardMs += max(0, clockOffsetMs - oldValue)
    }
  }
  private(set) var clockOffsetMsMost: Int64 = 0
  /// All jumps forward of the node's clock together.
  private var clockForwardMs: Int64 = 0
  var coldOneIn = 0
  /// Whether the disk has had a fault since the last restart, so that storage errors are expected.
  var diskMayFail = false
  /// Whether clients may connect: a node runs, and its ends have been checked.
  private(set) var mayConnect = false
  /// The number of starts of the node.
  private(set) var lives = 0
  var isHealing = false
  var isOver = false

  private static let epochMs: Int64 = 1_700_000_000_000

  private init(seed: UInt64, echo: ((String) -> Void)?) {
    self.seed = seed
    scenario = Scenario(seed: seed)
    random = SplitMix(seed: seed ^ 0x5EED)
    trace = Trace(loop: loop, echo: echo)
    disk = SimulatedDisk(seed: random.next())
    network = SimulatedNetwork(loop: loop, disk: disk, seed: random.next())
    offload = SimulatedOffload(loop: loop, seed: random.next())
  }

  /// Runs one seed to its end.
  ///
  /// - Parameter echo: also gets each event as it happens.
  package static func run(seed: UInt64, echo: ((String) -> Void)? = nil) -> Outcome {
    let simulation = Simulation(seed: seed, echo: echo)
    simulation.run()
    return Outcome(
      seed: seed, hash: simulation.trace.hash, events: simulation.trace.events, violations: simulation.violations,
      lastEvents: simulation.trace.last, counts: simulation.counts)
  }

  // MARK: For the clients

  var login: Scenario.Login? { scenario.strangers > 0 ? .client : nil }

  /// The virtual time.
  ///
  /// Clients use this instead of `loop.now`: a file that imports NIOCore alone would get the default of the `EventLoop` protocol,
  /// which is the machine's clock, and not `EmbeddedEventLoop`'s.
  var now: NIODeadline { loop.now }

  /// The clients' clock, in milliseconds since 1970; it never jumps.
  var clientMs: Int64 { Self.epochMs + Int64(loop.now.uptimeNanoseconds / 1_000_000) }

  /// The node's clock.
  var wallMs: Int64 { clientMs + clockOffsetMs }
  /// Worked case: a transaction begins before the clock jumps an hour back, and reaches the node after it. When the clock is set right the
  /// node's clock has advanced by an hour and more since, though it has never been later than when the transaction began.
  var timeoutClockMs: Int64? { clientMs + clockForwardMs }

  func ledger(_ partition: TopicPartition) -> Ledger {
    guard let ledger = ledgers[partition] else { preconditionFailure("\(partition) is none of the scenario's") }
    return ledger
  }

  /// Returns whether records may be removed without a fault: by retention or DeleteRecords.
  func mayShrink(_ partition: TopicPartition) -> Bool {
    scenario.topics.contains { topic in
      topic.name == partition.topic && (topic.promise.retentionBytes != nil || topic.promise.mayDeleteRecords)
    } || ledger(partition).hasLostRecords
  }

  func violation(_ what: String) {
    guard violations.count < 20 else { return }
    violations.append(what)
    trace.note("VIOLATION \(what)")
  }

  func after(microseconds: Int, _ body: @escaping () -> Void) {
    loop.assumeIsolated().scheduleTask(in: .microseconds(Int64(microseconds)), body)
  }

  func appended(to partition: TopicPartition, bytes: Int, from base: Int64) {
    for consumer in consumers { consumer.appended(to: partition, bytes: bytes, from: base) }
  }

  // MARK: The run

  private func run() {
    start()
    makeTopics()
    makeClients()
    let began = loop.now
    for fault in scenario.faults {
      advance(to: began + .milliseconds(Int64(fault.afterMs)))
      guard violations.isEmpty else { break }
      cause(fault.kind)
    }
    advance(to: began + .seconds(Int64(scenario.seconds)))
    heal()
    finish()
    isOver = true
    if node != nil { crash(restarting: false) }
    loop.advanceTime(by: .seconds(60))
    counts.batchesAcknowledged = producers.reduce(0) { $0 + $1.acknowledged }
    counts.recordsRead = consumers.reduce(0) { $0 + $1.records } + members.reduce(0) { $0 + $1.reader.records }
    counts.adminChanges = admin?.changes ?? 0
    counts.assignments = members.reduce(0) { $0 + $1.rebalances }
    counts.transactions = transactionalProducers.reduce(0) { $0 + $1.ended }
    counts.offsetCommits = members.reduce(0) { $0 + $1.commits }
    counts.strangers = strangers.reduce(0) { $0 + $1.attempts }
    strangers = []
    producers = []
    consumers = []
    admin = nil
    members = []
    transactionalProducers = []
    groupLedgers = [:]
    ledgers = [:]
    try? loop.syncShutdownGracefully()
  }

  /// Advances virtual time to `deadline`, or to the first violation.
  func advance(to deadline: NIODeadline) {
    while violations.isEmpty, loop.now < deadline {
      loop.advanceTime(to: min(deadline, loop.now + .milliseconds(50)))
      for consumer in consumers { consumer.checkWait() }
      checkRebalanceWaits()
      checkMemory()
    }
  }

  /// Advances virtual time until `isDone`; reports `what` as a violation after `seconds`.
  func advance(seconds: Int, until isDone: () -> Bool, orElse what: @autoclosure () -> String) {
    let deadline = loop.now + .seconds(Int64(seconds))
    while violations.isEmpty, !isDone() {
      guard loop.now < deadline else { return violation(what()) }
      loop.advanceTime(by: .milliseconds(5))
    }
  }

  func outcome<Value: Sendable>(of future: EventLoopFuture<Value>, _ what: String) -> Value? {
    var result: Result<Value, any Error>?
    future.assumeIsolated().whenComplete { result = $0 }
    advance(seconds: Self.restartSeconds, until: { result != nil }, orElse: "\(what) does not end")
    switch result {
    case .success(let value): return value
    case .failure(let error):
      violation("\(what) fails: \(error)")
      return nil
    case nil: return nil
    }
  }

  // MARK: The node

  private func start() {
    lives += 1
    let config: Config
    do { config = try Config(overrides: scenario.configuration) } catch {
      preconditionFailure("the scenario's configuration is refused: \(error)")
    }
    let node = Node(makeWorld(), config, log: Logger(label: "node") { _ in SimulationLog(self) })
    trace.note("the node starts")
    guard outcome(of: node.start(), "the start") != nil else { return }
    self.node = node
    mayConnect = true
  }

  private func makeWorld() -> World {
    var world = World(
      loops: loop, disk: disk.mount(),
      pageCache: PageCache(
        isCold: { _ in self.coldOneIn > 0 && self.random.below(self.coldOneIn) == 0 }, warm: { _ in }),
      network: network, offload: offload, descriptorsMax: 10_000,
      wallMs: { self.wallMs },
      random: { SplitMix(seed: self.random.next()) })
    if login != nil { world.witness = { self.sawRequest(of: $0, api: $1) } }
    return world
  }

  /// Checks that a handler has got the request of somebody who is known; ApiVersions may be asked before.
  private func sawRequest(of user: String, api: Int16) {
    let known = [Scenario.Login.client.user, Scenario.Login.guest.user]
    guard api != ApiVersionsRequest.api.key, !known.contains(user) else { return }
    violation("a handler got a request of \(user), who is nobody, for API \(api)")
  }

  func stop(restarting: Bool) {
    guard let node else { return }
    trace.note("the node stops")
    mayConnect = false
    // With a failing disk a stop may write no more than a crash does.
    let isOrderly = !diskMayFail
    _ = outcome(of: node.stop(), "the stop")
    self.node = nil
    checkAfterStop()
    disk.kill()
    if restarting { restart(lostPower: false, isOrderly: isOrderly) }
  }

  func crash(lostPower: Bool = false, restarting: Bool = true) {
    guard let node else { return }
    trace.note(lostPower ? "the machine loses power" : "the node is killed")
    mayConnect = false
    network.cutAll()
    if lostPower { disk.losePower() } else { disk.kill() }
    let before = violations
    var hasEnded = false
    node.abandon().assumeIsolated().whenComplete { _ in hasEnded = true }
    let deadline = loop.now + .seconds(Int64(Self.restartSeconds))
    while !hasEnded, loop.now < deadline { loop.advanceTime(by: .milliseconds(1)) }
    if !hasEnded, violations == before { violation("an abandoned node does not end") }
    self.node = nil
    if restarting { restart(lostPower: lostPower, isOrderly: false) }
  }

  private func restart(lostPower: Bool, isOrderly: Bool) {
    advance(to: loop.now + .milliseconds(Int64(random.below(2_000))))
    guard violations.isEmpty else { return }
    diskMayFail = false
    disk.writesToFail = 0
    disk.syncsToFail = 0
    disk.capacity = .max
    start()
    guard node != nil else { return }
    mayConnect = false
    let found = ends()
    for (partition, range) in found {
      trace.note("\(partition) has \(range.lowerBound) to \(range.upperBound)")
      ledger(partition).restarted(
        logStart: range.lowerBound, end: range.upperBound, lostPower: lostPower, isOrderly: isOrderly)
    }
    mayConnect = true
  }

  // MARK: Topics and clients

  private func makeTopics() {
    let client = SimulatedClient("setup", self)
    var request = CreateTopicsRequest()
    request.timeoutMs = 30_000
    for topic in scenario.topics {
      var asked = CreateTopicsRequest.Topic()
      asked.name = topic.name
      asked.numPartitions = topic.partitions
      asked.replicationFactor = 1
      asked.configs = topic.configuration.map { name, value in
        var config = CreateTopicsRequest.Config()
        config.name = name
        config.value = value
        return config
      }
      request.topics.append(asked)
      for index in 0..<topic.partitions {
        let partition = TopicPartition(topic.name, index)
        ledgers[partition] = Ledger(partition, topic.promise) { [unowned self] in violation($0) }
      }
    }
    var isMade = false
    advance(seconds: 10, until: { client.connect() }, orElse: "nobody can connect")
    client.ask(request, version: 5) { result in
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
    producers = scenario.producers.map { SimulatedProducer($0, self, seed: random.next()) }
    consumers = scenario.consumers.map { SimulatedConsumer($0, self, seed: random.next()) }
    if scenario.hasAdmin { admin = SimulatedAdmin(self, seed: random.next()) }
    for producer in producers {
      let settings = producer.settings
      trace.note(
        "\(producer.client.name) writes to \(settings.partition), acks=\(settings.acks), \(settings.codec), "
          + "\(settings.inFlightMax) in flight\(settings.isIdempotent ? ", idempotent" : "")")
      producer.start()
    }
    for consumer in consumers {
      let settings = consumer.settings
      trace.note(
        "\(consumer.client.name) reads \(settings.partitions.map { "\($0)" }.joined(separator: ", ")), "
          + "min.bytes \(settings.minBytes), max.wait \(settings.maxWaitMs) ms, max.bytes \(settings.maxBytes), "
          + "of a partition \(settings.partitionMaxBytes)\(settings.isReadCommitted ? ", read_committed" : "")")
      consumer.start()
    }
    admin?.start()
    makeGroups()
    makeTransactionalProducers()
    // Seeds of their own, so that the others' are what they were.
    for number in 0..<scenario.strangers {
      let stranger = SimulatedStranger(number, self, seed: seed ^ UInt64(0x57_4A + number))
      strangers.append(stranger)
      stranger.start()
    }
  }

  private func makeTransactionalProducers() {
    guard !scenario.transactionalProducers.isEmpty else { return }
    for ledger in ledgers.values { ledger.transactions = transactions }
    for settings in scenario.transactionalProducers {
      let producer = SimulatedTransactionalProducer(settings, self, seed: random.next())
      trace.note(
        "\(producer.client.name) writes to \(settings.targets.map(\.partition)), transaction timeout "
          + "\(settings.timeoutMs) ms\(settings.isVersion2 ? ", version 2" : "")"
          + "\(settings.offsetsOf == nil ? "" : ", commits offsets")")
      transactionalProducers.append(producer)
      producer.start()
    }
  }

  private func makeGroups() {
    for group in scenario.groups {
      let ledger = GroupLedger(group.name) { [unowned self] in violation($0) }
      groupLedgers[group.name] = ledger
      for settings in group.members {
        let member = SimulatedGroupMember(settings, ledger, self, seed: random.next())
        trace.note(
          "\(member.client.name) is of \(group.name), which reads \(group.partitions), session \(settings.sessionTimeoutMs) ms, "
            + "rebalance \(settings.rebalanceTimeoutMs) ms\(settings.instanceID.map { ", as \($0)" } ?? "")")
        members.append(member)
        member.start()
      }
    }
  }

  var clients: [any RequestSender] {
    var all: [any RequestSender] = producers.map(\.client) + consumers.map(\.client)
    all += members.flatMap { [$0.client, $0.fetcher] }
    return all + transactionalProducers.map(\.client)
  }
}

/// Adds the node's log lines to the trace. An error while the disk is sound is a violation.
private struct SimulationLog: LogHandler {
  private let simulation: Simulation
  var logLevel: Logger.Level = .info
  var metadata: Logger.Metadata = [:]

  init(_ simulation: Simulation) { self.simulation = simulation }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let details = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    let line = "\(event.message) \(details.joined(separator: " "))"
    simulation.trace.note("log \(event.level): \(line)")
    if event.level >= .error, simulation.mayConnect, !simulation.diskMayFail {
      simulation.violation("an error is logged with a sound disk: \(line)")
    }
  }
}
