import Base
import Client
import Compression
import Histories
import Model
import NIOCore
import Wire

/// Sends batches of named records by a producer, and notes them and what becomes of them. A process of the history.
final class RecordedProducer {
  let producer: Producer
  let process: Int
  private let scene: CheckScene
  private var nextNumber = 0
  /// The first records of batches that have no outcome, by the producer's number of the batch.
  private var firsts: [Int: Int] = [:]
  private var value: [UInt8]

  init(_ settings: ProducerSettings, _ scene: CheckScene) {
    self.scene = scene
    process = scene.recorder.newProcess()
    producer = Producer(
      settings, scene.metadata, on: scene.eventLoop, now: Clocks.monotonicNs, connect: scene.connector())
    value = [UInt8](repeating: UInt8(ascii: "."), count: scene.plan.recordBytes)
    producer.delivered = { [weak self] in self?.delivered($0) }
  }

  static func settings(_ scene: CheckScene, _ random: inout SplitMix) -> ProducerSettings {
    var settings = ProducerSettings(topic: scene.metadata.topic)
    settings.acks = -1
    settings.codec = random.pick([.none, .lz4, .snappy, .gzip, .zstd])
    settings.requestTimeoutMs = scene.plan.requestTimeoutMs
    settings.deliveryTimeoutMs = scene.deliveryTimeoutMs
    settings.transactionTimeoutMs = scene.plan.transactionTimeoutMs
    return settings
  }

  /// Sends a batch to a partition, by its lane.
  func send(_ count: Int, lane: Int, transaction: Int? = nil) {
    let numbers = nextNumber..<nextNumber + count
    nextNumber += count
    producer.fill(lane) { builder, _ in
      for number in numbers { append(number, to: &builder) }
      return count * value.count
    }
    scene.recorder.note(
      process, .send(numbers, partition: producer.partition(ofLane: lane), transaction: transaction))
    do throws(CompressionError) {
      if let batch = try producer.seal(lane) { firsts[batch] = numbers.lowerBound }
    } catch {
      preconditionFailure("the codec refused a batch: \(error)")
    }
    producer.flush()
  }

  private func append(_ number: Int, to builder: inout RecordBatchBuilder) {
    let record = RecordID(process: process, number: number)
    value.withUnsafeMutableBytes { CheckValue.write(record, mark: scene.recorder.mark, to: $0) }
    value.withUnsafeBytes { builder.append(timestamp: Clocks.wallMs(), key: nil, value: $0) }
  }

  private func delivered(_ delivery: Delivery) {
    if case .success = delivery.result { scene.wrote(delivery.partition, delivery.doneNs) }
    guard let first = firsts.removeValue(forKey: delivery.number) else { return }
    scene.recorder.note(process, .sent(first, Self.outcome(delivery)))
  }

  /// A batch has surely not been appended when it was never sent, or was refused the only time that it was.
  static func outcome(_ delivery: Delivery) -> History.SendOutcome {
    switch delivery.result {
    case .success(let offset): .ok(offset == .unknown ? nil : offset)
    case .failure where delivery.attempts == 0: .failed
    case .failure(.refused(_, _, let code, _)) where delivery.attempts == 1 && isBeforeAppend(code): .failed
    case .failure: .unknown
    }
  }

  /// Whether a broker that answers with the error has not appended the batch.
  private static func isBeforeAppend(_ code: ErrorCode) -> Bool {
    switch code {
    case .corruptMessage, .messageTooLarge, .recordListTooLarge, .invalidRecord, .policyViolation, .invalidTxnState,
      .producerFenced, .invalidProducerEpoch, .outOfOrderSequenceNumber, .unknownProducerId, .topicAuthorizationFailed:
      true
    default: false
    }
  }
}

/// An idempotent producer: sends batches to partitions drawn at random, and now and then ends its session, in order or as a crash
/// does, and begins another with another producer id.
final class CheckProducer: CheckClient {
  private enum Limits {
    /// A session lasts for this many batches on average.
    static let batchesOfSession = 400
    static let pauseMs = 200
  }

  private let scene: CheckScene
  private var random: SplitMix
  private var session: RecordedProducer?
  private var isStopping = false
  /// The session ends when each of its batches has an answer.
  private var isEnding = false

  init(_ scene: CheckScene, seed: UInt64) {
    self.scene = scene
    random = SplitMix(seed: seed)
  }

  var name: String { "an idempotent producer" }
  var isDone: Bool { session == nil && isStopping }

  func start() {
    let leader = scene.metadata.partitions[random.below(scene.metadata.partitions.count)].leader
    scene.connector()(leader) { [weak self] result in
      guard let self else { return }
      switch result {
      case .failure: self.startLater()
      case .success(let connection): self.askForIdentity(connection)
      }
    }
  }

  private func startLater() {
    guard !isStopping else { return }
    scene.after(Limits.pauseMs) { [weak self] in self?.start() }
  }

  private func askForIdentity(_ connection: BrokerConnection) {
    var request = InitProducerIdRequest()
    request.transactionTimeoutMs = Int32(scene.plan.transactionTimeoutMs)
    connection.send(request) { [weak self] result in
      connection.close()
      guard let self, !self.isStopping else { return }
      guard case .success(let answer) = result, answer.errorCode == .none else { return self.startLater() }
      self.begin(as: ProducerIdentity(id: answer.producerID, epoch: answer.producerEpoch))
    }
    connection.flush()
  }

  private func begin(as identity: ProducerIdentity) {
    var settings = RecordedProducer.settings(scene, &random)
    settings.identity = identity
    let session = RecordedProducer(settings, scene)
    self.session = session
    isEnding = false
    session.producer.start { [weak self] result in
      guard let self else { return }
      if case .success = result { return self.step(session) }
      self.end(session)
    }
  }

  /// One batch, and what comes after it.
  private func step(_ session: RecordedProducer) {
    guard session === self.session else { return }
    if isEnding || isStopping {
      if session.producer.unacknowledged == 0 { return end(session) }
    } else if random.below(Limits.batchesOfSession) == 0 {
      if random.below(2) == 0 { return end(session) }
      isEnding = true
    } else {
      let lane = random.below(session.producer.laneCount)
      if session.producer.batchesFree(lane) > 0 {
        session.send(1 + random.below(CheckPlan.Limits.batchRecords), lane: lane)
      }
    }
    scene.after(scene.plan.batchIntervalMs) { [weak self] in self?.step(session) }
  }

  private func end(_ session: RecordedProducer) {
    session.producer.close()
    self.session = nil
    startLater()
  }

  func stop() { isStopping = true }

  func close() { session?.producer.close() }
}
