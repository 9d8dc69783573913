import Base
import Model
import NIOCore
import Wire

/// Simulates a consumer of some partitions, which long-polls, seeks anywhere, and at times stops reading its socket.
final class SimulatedConsumer: @unchecked Sendable {
  struct Settings {
    var number: Int
    var partitions: [TopicPartition]
    var minBytes: Int32
    var maxWaitMs: Int32
    var maxBytes: Int32
    var partitionMaxBytes: Int32
    var version: Int16
    var isReadCommitted: Bool
    /// One fetch in `seekEvery` is preceded by a seek.
    var seekEvery: Int
    var isSlow: Bool
  }

  let settings: Settings
  let client: SimulatedClient
  private let simulation: Simulation
  private var random: SplitMix
  private var positions: [TopicPartition: Int64] = [:]
  private var reader: SimulatedReader
  private var fetchSent: NIODeadline?
  private var fetchNumber = 0
  private var mustAnswerBy: NIODeadline?
  private var isReading = true
  /// Whether the consumer has stopped seeking and reads to the end.
  var isCatchingUp = false
  /// Whether it fetches now and then only, while the simulation waits for others.
  var isResting = false

  init(_ settings: Settings, _ simulation: Simulation, seed: UInt64) {
    self.settings = settings
    self.simulation = simulation
    random = SplitMix(seed: seed)
    client = SimulatedClient("consumer \(settings.number)", simulation)
    reader = SimulatedReader(client.name, isReadCommitted: settings.isReadCommitted)
    for partition in settings.partitions { positions[partition] = 0 }
  }

  func start() { next() }

  var records: Int { reader.records }

  private func later(_ microseconds: Int, _ body: @escaping () -> Void) {
    simulation.after(microseconds: microseconds, body)
  }

  private func next() {
    guard !simulation.isOver else { return }
    guard simulation.mayConnect, client.connect() else {
      return later(20_000 + random.below(30_000)) { [self] in next() }
    }
    if !isCatchingUp, random.below(settings.seekEvery) == 0 { seek() }
    fetch()
  }

  private func seek() {
    let partition = random.pick(settings.partitions)
    let ledger = simulation.ledger(partition)
    let (low, high) = (ledger.logStart, max(ledger.highWatermark, ledger.acknowledgedEnd))
    positions[partition] = low + Int64(random.below(Int(max(0, high - low)) + 1))
  }

  private func fetch() {
    var request = FetchRequest()
    request.maxWaitMs = isCatchingUp ? min(settings.maxWaitMs, 500) : settings.maxWaitMs
    request.minBytes = isCatchingUp ? min(settings.minBytes, 1) : settings.minBytes
    request.maxBytes = isCatchingUp ? 1 << 20 : settings.maxBytes
    request.isolationLevel = settings.isReadCommitted ? 1 : 0
    let partitionMaxBytes = isCatchingUp ? 1 << 20 : settings.partitionMaxBytes
    for partition in settings.partitions {
      request.want(partition, from: positions[partition] ?? 0, maxBytes: partitionMaxBytes)
    }
    simulation.trace.note("\(client.name) fetches")
    fetchNumber += 1
    let number = fetchNumber
    fetchSent = simulation.now
    mustAnswerBy = nil
    let asked = positions
    if settings.isSlow, !isCatchingUp, random.below(6) == 0 { stopReading() }
    client.ask(request, version: settings.version) { [self] result in
      guard number == fetchNumber else { return }
      fetchSent = nil
      mustAnswerBy = nil
      switch result {
      case .success(let answer): answered(answer, asked)
      case .failure: later(10_000 + random.below(50_000)) { [self] in next() }
      }
    }
    if random.below(4) == 0 { askBehindFetch() }
  }

  /// Sends ListOffsets by time behind the fetch: the response is ready first and must still arrive after the fetch's.
  private func askBehindFetch() {
    for _ in 0..<1 + random.below(2) {
      let partition = random.pick(settings.partitions)
      let time = simulation.clientMs - Int64(random.below(30_000))
      let end = simulation.ledger(partition).acknowledgedEnd
      client.ask(ListOffsetsRequest.of([partition], at: time), version: 5) { [self] result in
        guard case .success(let answer) = result, let found = answer.topics.first?.partitions.first else { return }
        guard found.errorCode == .none else {
          if !simulation.diskMayFail {
            simulation.violation(
              "\(client.name): ListOffsets of \(partition) by time is answered with \(found.errorCode)")
          }
          return
        }
        let ledger = simulation.ledger(partition)
        ledger.found(
          found.offset.rawValue, timestamp: found.timestamp, asked: time, end: min(end, ledger.acknowledgedEnd),
          isWhole: !simulation.mayShrink(partition))
      }
    }
  }

  /// Stops reading for a while, so that bytes stay in the network.
  private func stopReading() {
    simulation.trace.note("\(client.name) stops reading")
    isReading = false
    client.setReading(false)
    later(1 + random.below(2_000_000)) { [self] in
      simulation.trace.note("\(client.name) reads again")
      isReading = true
      mustAnswerBy = nil
      fetchSent = fetchSent.map { _ in simulation.now }
      client.setReading(true)
    }
  }

  private func answered(_ answer: FetchResponse, _ asked: [TopicPartition: Int64]) {
    guard answer.errorCode == .none else {
      return simulation.violation("\(client.name): a fetch is answered with \(answer.errorCode)")
    }
    let lost = reader.take(answer, asked: asked, moving: &positions, in: simulation)
    simulation.trace.note(
      "\(client.name) is at \(settings.partitions.map { "\($0) \(positions[$0] ?? 0)" }.joined(separator: ", "))")
    guard lost.isEmpty else { return findStart(of: lost) }
    later(isResting ? 500_000 : 1 + random.below(isCatchingUp ? 2_000 : 30_000)) { [self] in next() }
  }

  private func findStart(of partitions: [TopicPartition]) {
    client.ask(ListOffsetsRequest.of(partitions, at: -2), version: 5) { [self] result in
      if case .success(let answer) = result {
        for topic in answer.topics {
          for found in topic.partitions where found.errorCode == .none {
            positions[TopicPartition(topic.name, found.partitionIndex)] = found.offset.rawValue
          }
        }
      }
      later(1 + random.below(3_000)) { [self] in next() }
    }
  }

  // MARK: What the simulation checks

  /// Whether all acknowledged records have been read.
  var isAtEnd: Bool { settings.partitions.allSatisfy { positions[$0] ?? 0 >= simulation.ledger($0).acknowledgedEnd } }

  /// Records an acknowledged append: a delayed fetch that it satisfies must complete within `Simulation.slackMs`. One of committed records may
  /// wait for a transaction.
  func appended(to partition: TopicPartition, bytes: Int, from base: Int64) {
    guard let sent = fetchSent, isReading, client.isConnected, let position = positions[partition], position <= base,
      !settings.isReadCommitted || simulation.transactionalProducers.isEmpty,
      bytes >= Int(settings.minBytes), simulation.now - sent > .milliseconds(100)
    else { return }
    // A fetch whose own size limits are below its min_bytes waits for its deadline, as in Kafka.
    guard settings.minBytes <= 1 || min(settings.maxBytes, settings.partitionMaxBytes) >= 1 << 20 else { return }
    let due = simulation.now + .milliseconds(Simulation.slackMs)
    mustAnswerBy = min(mustAnswerBy ?? due, due)
  }

  /// Reports a fetch that has waited for too long.
  func checkWait() {
    guard let sent = fetchSent, isReading, client.isConnected else { return }
    let now = simulation.now
    if let due = mustAnswerBy, now > due {
      simulation.violation("\(client.name): a fetch still waits \(Simulation.slackMs) ms after the bytes it waits for")
    } else if now - sent > .milliseconds(Int64(settings.maxWaitMs) + Simulation.slackMs) {
      simulation.violation("\(client.name): a fetch with a limit of \(settings.maxWaitMs) ms is not answered")
    }
  }
}

extension ListOffsetsRequest {
  /// Builds a request with one timestamp for several partitions.
  static func of(_ partitions: [TopicPartition], at timestamp: Int64) -> ListOffsetsRequest {
    var request = ListOffsetsRequest()
    request.replicaID = -1
    for partition in partitions {
      var wanted = ListOffsetsRequest.Partition()
      wanted.partitionIndex = partition.partition
      wanted.timestamp = timestamp
      if request.topics.last?.name != partition.topic {
        var topic = ListOffsetsRequest.Topic()
        topic.name = partition.topic
        request.topics.append(topic)
      }
      request.topics[request.topics.count - 1].partitions.append(wanted)
    }
    return request
  }
}
