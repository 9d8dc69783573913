import Base
import Client
import Compression
import Model
import NIOCore

/// Holds what all event loops of a run share.
struct RunSetup: Sendable {
  var plan: LoadPlan
  var metadata: Metadata
  /// Marks this run's stamps, so that records of an earlier run in the same topic are not taken for ours.
  var run: Int
  /// One identity per producing connection, with `--idempotent`.
  var identities: [ProducerIdentity]
  var connection: ConnectionOptions
  /// The first offset to consume of each partition; empty for produce.
  var from: [Int32: Offset]
  /// The offsets of each partition to draw from, with `--order random`.
  var ranges: [Int32: Range<Offset>]
  /// The end offset of each partition; nil when consuming ends otherwise.
  var ends: [Int32: Offset]?
  let progress: RunProgress
  /// Compresses batches beside the event loops, with `--compression-threads`.
  var compression: CompressionThreads?

  /// Returns whether a consumer reads a partition: of each fan-out copy one connection does.
  func reads(_ partition: Int32, _ consumer: Int) -> Bool {
    // End to end, each generator of a shared run has a topic of its own.
    let share = plan.command == .consume ? plan.share : .whole
    return Int(partition) % (plan.connections * share.count) == share.index * plan.connections + consumer
      % plan.connections
  }

  /// The records per second of each consumer that has records to read; nil for no limit. Consumers without records get no
  /// share of the rate.
  var readerPace: Double? {
    guard plan.command == .consume, let rate = plan.throughput else { return nil }
    // Which member reads what is the group's decision.
    if plan.group != nil { return rate / Double(plan.connections * plan.fanOut) }
    let partitions = from.filter { partition, start in ends.map { start < $0[partition] ?? 0 } ?? true }.keys
    let readers = (0..<plan.connections * plan.fanOut).count { number in partitions.contains { reads($0, number) } }
    return rate / Double(max(readers, 1))
  }
}

/// Runs one event loop's share of a run: its producers, its consumers, their counts. Confined to the loop.
final class LoopRun {
  let setup: RunSetup
  private let readerPace: Double?
  let eventLoop: any EventLoop
  let counts = LoopCounts()
  private var producers: [(index: Int, producer: Producer, worker: ProduceWorker)] = []
  /// The transactions of each producer, with `--transaction-records`.
  private var transactions: [TransactionalProducer] = []
  /// The memberships of the consumers, with `--group`; those that have left stay in the list.
  var members: [(number: Int, copy: Int, group: GroupConsumer)] = []
  private(set) var consumers: [(consumer: Consumer, worker: ConsumeWorker)] = []
  private var stopwatch = ThreadStopwatch()
  private(set) var congestionControl: String?

  /// - Parameters:
  ///   - producing: the indices of this loop's producers.
  ///   - consuming: the indices of this loop's consumers.
  init(_ setup: RunSetup, producing: [Int], consuming: [Int], on eventLoop: any EventLoop) {
    self.setup = setup
    readerPace = setup.readerPace
    self.eventLoop = eventLoop
    if !producing.isEmpty {
      let payload = Payload(
        corpus: setup.plan.corpus, recordSize: setup.plan.recordSize,
        poolBytes: max(Limits.poolBytes, 4 * setup.plan.batchBytes),
        seed: setup.plan.seed &+ UInt64(producing.first ?? 0))
      for index in producing { addProducer(index, payload) }
    }
    for index in consuming { addConsumer(index, copy: index / setup.plan.connections) }
  }

  /// Connects all producers and consumers; `then` gets the first error.
  func connect(then: @escaping (Result<Void, ClientError>) -> Void) {
    var missing = producers.count + consumers.count
    guard missing > 0 else { return then(.success(())) }
    let one = { (result: Result<Void, ClientError>) in
      guard missing > 0 else { return }
      if case .failure = result {
        missing = 0
        return then(result)
      }
      missing -= 1
      if missing == 0 { then(.success(())) }
    }
    for transactional in transactions { transactional.start(then: one) }
    for (_, producer, _) in producers where transactions.isEmpty { producer.start(then: one) }
    for (consumer, _) in consumers { consumer.start(then: one) }
  }

  func startConsuming() {
    stopwatch.start()
    for (_, worker) in consumers { worker.start() }
  }

  func startProducing(at startNs: UInt64) {
    if consumers.isEmpty { stopwatch.start() }
    for (_, _, worker) in producers { worker.start(at: startNs) }
  }

  func stopProducing() {
    for (_, _, worker) in producers { worker.stop() }
  }

  func takeInterval() -> RunCounts {
    stopwatch.look(lastNs: lastNs)
    return counts.takeInterval()
  }

  /// The time at which the last record was acknowledged or arrived.
  private var lastNs: UInt64 {
    max(producers.reduce(0) { max($0, $1.worker.lastNs) }, consumers.reduce(0) { max($0, $1.worker.lastNs) })
  }

  /// The number of records sent to each stream, all of which consumers must receive.
  var given: [(stream: StreamID, count: UInt64)] {
    producers.flatMap { index, _, worker in
      worker.given.filter { $0.count > 0 }.map { partition, count in
        (StreamID(run: setup.run, producer: index, partition: Int(partition)), count)
      }
    }
  }

  /// Returns whether every consumer has read its partitions to their ends.
  func hasRead(to ends: [Int32: Offset]) -> Bool { consumers.allSatisfy { $0.worker.hasRead(to: ends) } }

  /// Closes the loop's connections and returns its results.
  ///
  /// - Parameter ends: the partitions' log ends; nil if ListOffsets failed.
  func finish(given: [(stream: StreamID, count: UInt64)], ends: [Int32: Offset]?) -> LoopResult {
    var result = LoopResult()
    stopwatch.look(lastNs: lastNs)
    result.cpuShare = stopwatch.share
    _ = counts.takeInterval()
    result.counts = counts.total
    for (_, _, worker) in producers {
      result.add(firstNs: worker.firstNs, lastNs: worker.lastNs)
      result.requests += worker.requests
      result.retries += worker.retries
      result.wireBytesSent += worker.bytesSent
      result.wireBytesReceived += worker.bytesReceived
      result.counts.valueBytes += worker.valueBytes.made
      result.counts.packedValueBytes += worker.valueBytes.packed
      result.transactions.add(worker.transactionFigures)
    }
    for (_, worker) in consumers {
      result.add(firstNs: worker.firstNs, lastNs: worker.lastNs)
      result.requests += worker.requests
      result.wireBytesSent += worker.bytesSent
      result.wireBytesReceived += worker.bytesReceived
      result.add(lag: worker.lagSeen)
      result.transactions.skippedRecords += worker.abortedRecords
      result.spans += worker.spans
      result.readings.append(worker.reading)
    }
    for member in members { result.groups.add(member.group.counts) }
    addIntegrity(to: &result, given, ends)
    for (_, _, worker) in producers { worker.close() }
    for transactional in transactions { transactional.close() }
    for (_, worker) in consumers { worker.close() }
    return result
  }

  /// Adds the integrity counts. A stream's partition is read by one consumer of each fan-out copy, which counts the records
  /// missing at the stream's end; with `--lag-records` nobody reads that far.
  private func addIntegrity(
    to result: inout LoopResult, _ given: [(stream: StreamID, count: UInt64)], _ ends: [Int32: Offset]?
  ) {
    for (at, pair) in consumers.enumerated() {
      for (stream, count) in given
      where setup.plan.lagRecords == 0 && setup.reads(Int32(stream.partition), consumerIndices[at]) {
        pair.worker.addMissing(stream, given: count, ends: ends)
      }
      result.integrity.append(pair.worker.integrity)
      result.outOfGlobalOrder += pair.worker.outOfGlobalOrder
      result.offsetsNotRising += pair.worker.offsetsNotRising
      result.misplacedKeys += pair.worker.misplacedKeys
    }
  }

  private var consumerIndices: [Int] = []

  private func addProducer(_ index: Int, _ payload: Payload) {
    let plan = setup.plan
    var settings = ProducerSettings(topic: setup.metadata.topic)
    settings.acks = plan.acks.rawValue
    settings.batchBytes = plan.batchBytes
    settings.batchRecords = plan.batchRecords ?? .max
    settings.inFlightMax = plan.inFlight
    // Batches of values that are compressed alone are not compressed again.
    settings.codec = plan.compressesEachMessage ? .none : plan.codec
    settings.level = plan.compressesEachMessage ? nil : plan.level
    settings.identity = setup.identities.isEmpty ? nil : setup.identities[index]
    settings.requestTimeoutMs = plan.requestTimeoutMs
    settings.deliveryTimeoutMs = plan.deliveryTimeoutMs
    if plan.transactionRecords != nil {
      settings.transactionalID = "\(plan.transactionalID)-\(plan.firstNumber + index)"
      settings.transactionTimeoutMs = plan.transactionTimeoutMs
    }
    let connect = connector(from: setup.plan.sourceAddress(ofProducer: index))
    let producer = Producer(settings, setup.metadata, on: eventLoop, now: Clocks.monotonicNs, connect: connect)
    producer.compression = setup.compression
    let source = RecordSource(
      plan, payload: payload, settings: settings, run: setup.run, producer: index,
      partitions: setup.metadata.partitions.map(\.index))
    let worker = ProduceWorker(
      plan, producer: producer, source: source, counts: counts, progress: setup.progress, on: eventLoop, index: index)
    if let records = plan.transactionRecords {
      let transactional = TransactionalProducer(producer, setup.metadata, on: eventLoop, connect: connect)
      worker.produce(by: transactional, in: TransactionSchedule(records: records, abortEvery: plan.abortEvery))
      transactions.append(transactional)
    }
    producers.append((index, producer, worker))
  }

  /// - Parameters:
  ///   - number: the index among all consumers, in which the connections of one fan-out copy are adjacent.
  ///   - copy: the fan-out copy, which with a group is a group of its own.
  func addConsumer(_ number: Int, copy: Int) {
    let plan = setup.plan
    var settings = ConsumerSettings(topic: plan.topic)
    settings.minBytes = plan.fetchMinBytes
    settings.maxWaitMs = plan.fetchMaxWaitMs
    settings.maxBytes = plan.fetchMaxBytes
    settings.partitionMaxBytes = plan.fetchPartitionMaxBytes
    settings.requestsInFlight = plan.fetchesInFlight
    settings.checksCRC = plan.checksCRC
    settings.lagRecords = Int64(plan.lagRecords)
    settings.readsCommitted = plan.readsCommitted
    // A run without records for `--timeout` ends: report the connection's error, not the timeout.
    settings.reconnectTimeoutMs = min(plan.deliveryTimeoutMs, plan.timeoutMs)
    // A group assigns the partitions.
    let from = plan.group == nil ? setup.from.filter { setup.reads($0.key, number) } : [:]
    let consumer = Consumer(
      settings, setup.metadata, from: from, on: eventLoop, now: Clocks.monotonicNs,
      connect: connector(consuming: true, from: plan.sourceAddress(ofConsumer: number)))
    let worker = ConsumeWorker(
      plan, consumer: consumer, counts: counts, progress: setup.progress, from: from,
      ends: setup.ends?.filter { from[$0.key] != nil }, recordsPerSecond: readerPace,
      ownRun: plan.readsToTheEnd ? setup.run : nil, copy: copy, partitions: setup.metadata.partitions.count)
    if plan.order == .random {
      worker.readAnywhere(in: setup.ranges, seed: SplitMix.mixed(plan.seed &+ UInt64(number)))
    }
    if let name = plan.group { join(name, consumer, worker, number, copy) }
    consumers.append((consumer, worker))
    consumerIndices.append(number)
  }

  func connector(
    consuming: Bool = false, from sourceAddress: String?, requestTimeoutMs: Int? = nil
  ) -> (Metadata.Broker, @escaping (Result<BrokerConnection, ClientError>) -> Void) -> Void {
    let eventLoop = eventLoop
    var options = setup.connection
    options.sourceAddress = sourceAddress
    options.requestTimeoutMs = requestTimeoutMs ?? options.requestTimeoutMs
    options.receiveBytes = setup.plan.receiveBufferBytes ?? (consuming ? 1 << 20 : 64 << 10)
    guard !setup.plan.usesNullSink else {
      let serviceNs = UInt64(setup.plan.nullSinkServiceUs * 1000)
      return { broker, then in
        let sink = NullSink(on: eventLoop, serviceNs: serviceNs)
        let connection = BrokerConnection(
          broker.endpoint, on: eventLoop, transport: sink, clientID: options.clientID,
          requestTimeoutMs: options.requestTimeoutMs, now: options.now)
        sink.connection = connection
        then(.success(connection))
      }
    }
    return { [weak self] broker, then in
      BrokerConnection.connect(to: broker.endpoint, on: eventLoop, options) { result in
        if case .success(let connection) = result { self?.congestionControl = connection.congestionControl }
        then(result)
      }
    }
  }
}
