import Base
import Model
import NIOCore
import Wire

/// Simulates an administrator, who deletes records of the topics that allow it, changes configurations and checks that they stay
/// changed, and creates, fills, grows and deletes further topics.
final class SimulatedAdmin: @unchecked Sendable {
  let client: SimulatedClient
  private let simulation: Simulation
  private var random: SplitMix
  private var scratchNumber = 0
  private(set) var changes = 0
  /// The acknowledged values by topic and key. After a request without a response the value is unknown and left out.
  private var configured: [String: [String: String]] = [:]

  init(_ simulation: Simulation, seed: UInt64) {
    self.simulation = simulation
    random = SplitMix(seed: seed)
    client = SimulatedClient("admin", simulation)
  }

  func start() { next(after: 100_000) }

  private func next(after microseconds: Int) {
    simulation.after(microseconds: 1 + random.below(microseconds)) { [self] in
      guard !simulation.isOver, !simulation.isHealing else { return }
      guard simulation.mayConnect, client.connect() else { return next(after: 100_000) }
      switch random.below(5) {
      case 0: deleteRecords()
      case 1: look()
      case 2: alterConfig()
      case 3: describeConfig()
      default: useScratch()
      }
    }
  }

  private func deleteRecords() {
    let partitions = simulation.scenario.topics.filter(\.promise.mayDeleteRecords).flatMap { topic in
      (0..<topic.partitions).map { TopicPartition(topic.name, $0) }
    }
    guard !partitions.isEmpty else { return next(after: 500_000) }
    let partition = random.pick(partitions)
    let ledger = simulation.ledger(partition)
    let known = max(ledger.highWatermark, ledger.acknowledgedEnd)
    let offset = ledger.logStart + Int64(random.below(Int(max(0, known - ledger.logStart)) + 1))
    ledger.deletingRecords(before: offset)
    simulation.trace.note("admin deletes records of \(partition) before \(offset)")
    var wanted = DeleteRecordsRequest.Partition()
    wanted.partitionIndex = partition.partition
    wanted.offset = Offset(offset)
    var topic = DeleteRecordsRequest.Topic()
    topic.name = partition.topic
    topic.partitions = [wanted]
    var request = DeleteRecordsRequest()
    request.topics = [topic]
    request.timeoutMs = 30_000
    client.ask(request, version: 2) { [self] result in
      if case .success(let answer) = result, let moved = answer.topics.first?.partitions.first {
        switch moved.errorCode {
        case .none:
          changes += 1
          if moved.lowWatermark.rawValue < offset {
            simulation.violation(
              "\(partition): records before \(offset) are deleted, and it starts at \(moved.lowWatermark)")
          }
          ledger.saw(logStart: moved.lowWatermark.rawValue)
        case .offsetOutOfRange where ledger.hasLostRecords: break
        case _ where simulation.diskMayFail: break
        default:
          simulation.violation("\(partition): DeleteRecords before \(offset) is answered with \(moved.errorCode)")
        }
      }
      next(after: 1_000_000)
    }
  }

  private func look() {
    client.ask(MetadataRequest(), version: 9) { [self] result in
      if case .success(let answer) = result {
        for topic in simulation.scenario.topics {
          let found = answer.topics.first { $0.name == topic.name }
          if found?.partitions.count != Int(topic.partitions) {
            simulation.violation("Metadata has \(found?.partitions.count ?? 0) partitions of \(topic.name)")
          }
        }
      }
      next(after: 1_000_000)
    }
  }

  // MARK: Configurations

  /// Sets a key on which no other promise depends.
  private func alterConfig() {
    let topic = random.pick(simulation.scenario.topics)
    let (key, value) =
      switch random.below(4) {
      case 0: ("index.interval.bytes", random.below(4_000))
      case 1: ("segment.index.bytes", 1_024 + random.below(100_000))
      case 2: ("segment.bytes", topic.segmentBytes + random.below(100_000))
      default: ("file.delete.delay.ms", random.below(5_000))
      }
    var config = IncrementalAlterConfigsRequest.Config()
    config.name = key
    config.value = "\(value)"
    var resource = IncrementalAlterConfigsRequest.Resource()
    resource.resourceType = 2
    resource.resourceName = topic.name
    resource.configs = [config]
    var request = IncrementalAlterConfigsRequest()
    request.resources = [resource]
    simulation.trace.note("admin sets \(key) of \(topic.name) to \(value)")
    configured[topic.name, default: [:]][key] = nil
    client.ask(request, version: 1) { [self] result in
      guard case .success(let answer) = result, let altered = answer.responses.first else {
        return next(after: 500_000)
      }
      guard altered.errorCode == .none else { return failed("IncrementalAlterConfigs", altered.errorCode) }
      changes += 1
      configured[topic.name, default: [:]][key] = "\(value)"
      next(after: 1_000_000)
    }
  }

  /// Checks that DescribeConfigs returns the acknowledged values.
  private func describeConfig() {
    let topic = random.pick(simulation.scenario.topics)
    var resource = DescribeConfigsRequest.Resource()
    resource.resourceType = 2
    resource.resourceName = topic.name
    var request = DescribeConfigsRequest()
    request.resources = [resource]
    client.ask(request, version: 4) { [self] result in
      guard case .success(let answer) = result, let described = answer.results.first else {
        return next(after: 500_000)
      }
      guard described.errorCode == .none else { return failed("DescribeConfigs", described.errorCode) }
      for (key, value) in (configured[topic.name] ?? [:]).sorted(by: { $0.key < $1.key }) {
        let found = described.configs.first { $0.name == key }?.value
        if found != value {
          simulation.violation("\(key) of \(topic.name) was set to \(value), and is \(found ?? "not described")")
        }
      }
      next(after: 1_000_000)
    }
  }

  // MARK: A topic that comes and goes

  /// Creates, fills, grows and deletes a scratch topic, whose offsets must begin at 0 even if the name was used before.
  private func useScratch() {
    scratchNumber += 1
    let (name, mark) = ("scratch", UInt32(1_000_000 + scratchNumber))
    var topic = CreateTopicsRequest.Topic()
    topic.name = name
    topic.numPartitions = 1 + Int32(random.below(3))
    topic.replicationFactor = 1
    var request = CreateTopicsRequest()
    request.topics = [topic]
    request.timeoutMs = 30_000
    client.ask(request, version: 5) { [self] result in
      guard case .success(let answer) = result, let made = answer.topics.first else { return next(after: 500_000) }
      switch made.errorCode {
      case .none:
        changes += 1
        simulation.trace.note("admin made \(name), life \(scratchNumber)")
        fill(name, mark)
      case .topicAlreadyExists: delete(name)
      default: failed("CreateTopics", made.errorCode)
      }
    }
  }

  private func fill(_ name: String, _ mark: UInt32) {
    var builder = RecordBatchBuilder(capacity: 1024)
    let id = Ledger.RecordID(batch: Ledger.BatchID(producer: mark, batch: 0), index: 0)
    builder.append(Record(offset: 0, timestamp: simulation.clientMs, key: nil, value: Payload.value(id, bytes: 100)))
    guard let bytes = try? builder.finish() else { return }
    var request = ProduceRequest()
    request.acks = -1
    request.timeoutMs = 30_000
    request.add(.bytes(bytes), to: TopicPartition(name, 0))
    client.ask(request, version: 8) { [self] result in
      guard case .success(let answer) = result, let placed = answer.responses.first?.partitionResponses.first else {
        return next(after: 500_000)
      }
      guard placed.errorCode == .none else { return failed("Produce", placed.errorCode) }
      if placed.baseOffset != 0 {
        simulation.violation("the first record of a new topic \(name) is at \(placed.baseOffset)")
      }
      grow(name)
    }
  }

  private func grow(_ name: String) {
    var topic = CreatePartitionsRequest.Topic()
    topic.name = name
    topic.count = 4
    var request = CreatePartitionsRequest()
    request.topics = [topic]
    request.timeoutMs = 30_000
    client.ask(request, version: 1) { [self] result in
      guard case .success(let answer) = result, let grown = answer.results.first else { return next(after: 500_000) }
      guard grown.errorCode == .none else { return failed("CreatePartitions", grown.errorCode) }
      changes += 1
      if random.below(2) == 0 { delete(name) } else { next(after: 1_000_000) }
    }
  }

  private func delete(_ name: String) {
    var request = DeleteTopicsRequest()
    request.topicNames = [name]
    request.timeoutMs = 30_000
    client.ask(request, version: 5) { [self] result in
      guard case .success(let answer) = result, let deleted = answer.responses.first else {
        return next(after: 500_000)
      }
      guard deleted.errorCode == .none else { return failed("DeleteTopics", deleted.errorCode) }
      changes += 1
      simulation.trace.note("admin deleted \(name)")
      next(after: 1_000_000)
    }
  }

  private func failed(_ what: String, _ code: ErrorCode) {
    // A node that stops makes no more changes, and says so.
    let isOfStop = code == .notController && !simulation.mayConnect
    if !simulation.diskMayFail, !isOfStop {
      simulation.violation("admin: \(what) is answered with \(code) with a sound disk")
    }
    next(after: 500_000)
  }
}
