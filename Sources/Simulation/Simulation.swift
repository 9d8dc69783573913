import Base
import Broker
import Logging
import Model
import NIOCore
import NIOEmbedded
import Wire

/// One run of the shipped broker in a world that follows from a seed: its own `Connection`, handlers, partitions and logs over
/// a simulated loop, network and disk, with producers, consumers and an administrator, and with faults.
///
/// ```
/// let outcome = Simulation.run(seed: 42)
/// outcome.violations   // empty: everything held
/// outcome.hash         // the same on every machine
/// ```
///
/// Everything happens on the calling thread, in virtual time.
package final class Simulation: @unchecked Sendable {
  /// How a run went.
  package struct Outcome: Sendable {
    package var seed: UInt64
    /// Of everything that happened.
    package var hash: UInt64
    package var events: Int
    /// What did not hold, in the order it was found. A run ends soon after the first.
    package var violations: [String]
    /// The last events, oldest first.
    package var lastEvents: [String]
    /// How much was done: a run that does nothing finds nothing.
    package var counts: Counts
  }

  package struct Counts: Sendable, Equatable {
    package var batchesAcknowledged = 0
    package var recordsRead = 0
    package var adminChanges = 0
    /// By the name of the fault.
    package var faults: [String: Int] = [:]

    package init() {}
  }

  /// What an answer may be late by: the slowest disk and network, several times over.
  static let slackMs: Int64 = 3_000
  /// How long the healed node may take to finish everything.
  private static let healingSeconds = 120
  /// A start or stop takes less, whatever it has to recover.
  private static let restartSeconds = 120

  let seed: UInt64
  let scenario: Scenario
  let loop = EmbeddedEventLoop()
  let trace: Trace
  let network: SimulatedNetwork
  private let disk: SimulatedDisk
  private let offload: SimulatedOffload
  private var random: SplitMix
  private var node: Node?
  private var ledgers: [TopicPartition: Ledger] = [:]
  private var producers: [SimulatedProducer] = []
  private var consumers: [SimulatedConsumer] = []
  private var admin: SimulatedAdmin?
  private var violations: [String] = []
  private var counts = Counts()
  /// The node's wall clock is off by so much.
  private var clockOffsetMs: Int64 = 0
  private var coldOneIn = 0
  /// A fault of the disk since the last restart: storage errors are then right.
  private(set) var diskMayFail = false
  /// Clients may connect: a node runs, and its ends have been looked at.
  private(set) var mayConnect = false
  private(set) var isHealing = false
  private(set) var isOver = false

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

  // MARK: What the clients ask

  /// The clients' clock, in milliseconds since 1970; it never jumps.
  var clientMs: Int64 { Self.epochMs + Int64(loop.now.uptimeNanoseconds / 1_000_000) }

  func ledger(_ partition: TopicPartition) -> Ledger {
    guard let ledger = ledgers[partition] else { preconditionFailure("\(partition) is none of the scenario's") }
    return ledger
  }

  /// Records may go for other reasons than a fault.
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
    counts.recordsRead = consumers.reduce(0) { $0 + $1.records }
    counts.adminChanges = admin?.changes ?? 0
    producers = []
    consumers = []
    admin = nil
    ledgers = [:]
    try? loop.syncShutdownGracefully()
  }

  /// Lets virtual time pass, until something does not hold.
  private func advance(to deadline: NIODeadline) {
    while violations.isEmpty, loop.now < deadline {
      loop.advanceTime(to: min(deadline, loop.now + .milliseconds(50)))
      for consumer in consumers { consumer.checkWait() }
    }
  }

  /// Lets virtual time pass until `isDone`; otherwise `what` did not hold.
  private func advance(seconds: Int, until isDone: () -> Bool, orElse what: @autoclosure () -> String) {
    let deadline = loop.now + .seconds(Int64(seconds))
    while violations.isEmpty, !isDone() {
      guard loop.now < deadline else { return violation(what()) }
      loop.advanceTime(by: .milliseconds(5))
    }
  }

  private func outcome<Value: Sendable>(of future: EventLoopFuture<Value>, _ what: String) -> Value? {
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
    World(
      loops: loop, disk: disk.mount(),
      pageCache: PageCache(
        isCold: { _ in self.coldOneIn > 0 && self.random.below(self.coldOneIn) == 0 }, warm: { _ in }),
      network: network, offload: offload, descriptorsMax: 10_000,
      wallMs: { Self.epochMs + Int64(self.loop.now.uptimeNanoseconds / 1_000_000) + self.clockOffsetMs },
      random: { SplitMix(seed: self.random.next()) })
  }

  private func stop(restarting: Bool) {
    guard let node else { return }
    trace.note("the node stops")
    mayConnect = false
    // With a disk that fails, a stop can write down no more than a crash does.
    let isOrderly = !diskMayFail
    _ = outcome(of: node.stop(), "the stop")
    self.node = nil
    checkAfterStop()
    disk.kill()
    if restarting { restart(lostPower: false, isOrderly: isOrderly) }
  }

  private func crash(lostPower: Bool = false, restarting: Bool = true) {
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
    if !hasEnded, violations == before { violation("a node that was abandoned does not end") }
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

  /// The ends of every partition, asked for over a connection of its own.
  private func ends() -> [(TopicPartition, Range<Int64>)] {
    let partitions = ledgers.keys.sorted()
    let client = SimulatedClient("census", self)
    var starts: [TopicPartition: Int64] = [:]
    var ends: [TopicPartition: Int64] = [:]
    advance(seconds: 10, until: { client.connect() }, orElse: "nobody can connect")
    for (timestamp, isStart) in [(Int64(-2), true), (-1, false)] {
      client.ask(ListOffsetsRequest.of(partitions, at: timestamp), version: 5) { result in
        guard case .success(let answer) = result else { return self.violation("the census is not answered") }
        for topic in answer.topics {
          for found in topic.partitions {
            let partition = TopicPartition(topic.name, found.partitionIndex)
            guard found.errorCode == .none else {
              self.violation("ListOffsets of \(partition) is answered with \(found.errorCode)")
              continue
            }
            if isStart { starts[partition] = found.offset.rawValue } else { ends[partition] = found.offset.rawValue }
          }
        }
      }
    }
    advance(
      seconds: 20, until: { starts.count == partitions.count && ends.count == partitions.count },
      orElse: "the census is not answered")
    client.leave()
    return partitions.compactMap { partition in
      guard let start = starts[partition], let end = ends[partition] else { return nil }
      guard start <= end else {
        violation("\(partition) starts at \(start) and ends at \(end)")
        return nil
      }
      return (partition, start..<end)
    }
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
    for producer in producers { producer.start() }
    for consumer in consumers { consumer.start() }
    admin?.start()
  }

  private var clients: [SimulatedClient] { producers.map(\.client) + consumers.map(\.client) }

  // MARK: Faults

  private func cause(_ fault: Scenario.Fault.Kind) {
    counts.faults[fault.rawValue, default: 0] += 1
    trace.note("fault: \(fault.rawValue)")
    switch fault {
    case .stop: stop(restarting: true)
    case .kill:
      awaitFlight()
      crash()
    case .powerFailure:
      awaitFlight()
      crash(lostPower: true)
    case .breakConnection: random.pick(clients).breakConnection()
    case .breakAllConnections: for client in clients { client.breakConnection() }
    case .failWrite:
      diskMayFail = true
      disk.writesToFail = 1 + random.below(3)
    case .failSync:
      diskMayFail = true
      disk.syncsToFail = 1 + random.below(2)
    case .fullDisk:
      diskMayFail = true
      disk.capacity = 0
      after(microseconds: 1 + random.below(3_000_000)) { self.disk.capacity = .max }
    case .slowDisk:
      offload.delayMicrosecondsMax = 200_000
      after(microseconds: 1 + random.below(5_000_000)) { self.offload.delayMicrosecondsMax = 2_000 }
    case .coldCache: coldOneIn = 1 + random.below(4)
    case .clockForward: clockOffsetMs += Int64(random.below(7_200_000))
    case .clockBack: clockOffsetMs -= Int64(random.below(7_200_000))
    case .slowNetwork:
      network.delayMicrosecondsMax = 50_000
      after(microseconds: 1 + random.below(5_000_000)) { self.network.delayMicrosecondsMax = 500 }
    }
  }

  /// Waits for a moment in which a batch is likely to be in the log and its acknowledgement under way: a crash then has the
  /// producer send again what is there.
  private func awaitFlight() {
    let age = TimeAmount.microseconds(Int64(300 + random.below(800)))
    let deadline = loop.now + .seconds(2)
    while violations.isEmpty, loop.now < deadline {
      let isInFlight = producers.contains { producer in
        guard producer.settings.isIdempotent, let sent = producer.client.oldestSent else { return false }
        return loop.now - sent >= age
      }
      if isInFlight { return }
      loop.advanceTime(by: .microseconds(100))
    }
  }

  // MARK: The end

  /// Nothing fails any more: everything that was sent is acknowledged, and everything acknowledged is read.
  private func heal() {
    guard violations.isEmpty else { return }
    trace.note("no more faults")
    isHealing = true
    coldOneIn = 0
    offload.delayMicrosecondsMax = 2_000
    network.delayMicrosecondsMax = 500
    // A log that has met a failed write or flush stays offline until a restart.
    if diskMayFail { crash() }
    for producer in producers { producer.isStopping = true }
    for consumer in consumers { consumer.isCatchingUp = true }
    advance(
      seconds: Self.healingSeconds, until: { self.producers.allSatisfy(\.isIdle) },
      orElse: "after the faults, not every batch is acknowledged")
    advance(
      seconds: Self.healingSeconds, until: { self.consumers.allSatisfy(\.isAtEnd) },
      orElse: "after the faults, not every record is read")
  }

  /// Reads everything, stops in order, starts again, and reads everything once more.
  private func finish() {
    guard violations.isEmpty else { return }
    for client in clients { client.leave() }
    admin?.client.leave()
    isOver = true
    readEverything()
    if violations.isEmpty, let running = node?.running {
      advance(
        seconds: 60, until: { running.server.connectionCount == 0 },
        orElse: "connections stay when their clients have left")
    }
    stop(restarting: true)
    guard violations.isEmpty else { return }
    readEverything()
    stop(restarting: false)
  }

  private func readEverything() {
    let client = SimulatedClient("reader", self)
    advance(seconds: 10, until: { client.connect() }, orElse: "nobody can connect")
    for (partition, range) in ends() {
      let ledger = ledger(partition)
      var reader = Ledger.Seen()
      ledger.saw(highWatermark: range.upperBound, logStart: range.lowerBound, by: &reader)
      var position = range.lowerBound
      while position < range.upperBound, violations.isEmpty {
        guard let next = read(client, partition, from: position) else { return }
        // Retention may remove what is about to be read.
        if next < 0, mayShrink(partition), let now = ends().first(where: { $0.0 == partition })?.1 {
          ledger.saw(logStart: now.lowerBound)
          position = now.lowerBound
          continue
        }
        guard next > position else { return violation("\(partition): nothing can be read at \(position) of \(range)") }
        position = next
      }
      ledger.finish(end: range.upperBound)
    }
    client.leave()
  }

  /// Where to go on; -1 when the position is out of range.
  private func read(_ client: SimulatedClient, _ partition: TopicPartition, from position: Int64) -> Int64? {
    var wanted = FetchRequest.Partition()
    wanted.partition = partition.partition
    wanted.fetchOffset = Offset(position)
    wanted.partitionMaxBytes = 1 << 20
    var topic = FetchRequest.Topic()
    topic.topic = partition.topic
    topic.partitions = [wanted]
    var request = FetchRequest()
    request.maxWaitMs = 0
    request.maxBytes = 1 << 20
    request.topics = [topic]
    var next: Int64?
    client.ask(request, version: 11) { result in
      guard case .success(let answer) = result, let found = answer.responses.first?.partitions.first else {
        return self.violation("a fetch of \(partition) is not answered")
      }
      if found.errorCode == .offsetOutOfRange {
        next = -1
        return
      }
      guard found.errorCode == .none else { return self.violation("\(partition) at \(position): \(found.errorCode)") }
      next = found.records.bytes.map { self.ledger(partition).read($0, from: position) } ?? position
    }
    advance(seconds: 20, until: { next != nil }, orElse: "a fetch of \(partition) is not answered")
    return next
  }

  /// What an orderly stop leaves on the disk.
  private func checkAfterStop() {
    guard violations.isEmpty else { return }
    if disk.openFiles != 0 { violation("\(disk.openFiles) files stay open when the node has stopped") }
    let names = disk.list("/data")
    if !diskMayFail, !names.contains(".kafka_cleanshutdown") { violation("no clean mark after an orderly stop") }
    for (name, checkpoint) in [
      ("replication-offset-checkpoint", { (ledger: Ledger) in ledger.highWatermark }),
      ("log-start-offset-checkpoint", { (ledger: Ledger) in ledger.logStart }),
    ] where !diskMayFail {
      let lines = String(decoding: disk.contents("/data/\(name)") ?? [], as: UTF8.self).split(separator: "\n")
      var marks: [String: Int64] = [:]
      for line in lines.dropFirst(2) {
        let words = line.split(separator: " ")
        if words.count == 3, let offset = Int64(words[2]) { marks["\(words[0])-\(words[1])"] = offset }
      }
      for partition in ledgers.keys.sorted() {
        let known = checkpoint(ledger(partition))
        if marks["\(partition)"] ?? 0 < known {
          violation("\(name) says \(marks["\(partition)"] ?? 0) of \(partition), and clients were told \(known)")
        }
      }
    }
  }
}

/// The node's log lines, as events of the trace. An error while the disk is sound is something that does not hold.
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
