import Base
import Compression
import Model
import NIOCore
import Wire

/// Simulates a producer to one partition, which sends batches in order, several in flight, and retries unacknowledged ones.
final class SimulatedProducer: @unchecked Sendable {
  struct Settings {
    var number: UInt32
    var partition: TopicPartition
    var acks: Int16
    var codec: Codec
    var isIdempotent: Bool
    var inFlightMax: Int
    var intervalMicroseconds: Int
    var recordsMax: Int
    var valueBytesMax: Int
    /// The most bytes of a batch, which must fit a segment.
    var batchBytesMax: Int
    var version: Int16
    /// The number of keys of a compacted topic; nil for records without keys.
    var keys: Int?
  }

  private struct Pending {
    var batch: SimulatedBatch
    var isInFlight = false
    var wasSent = false
    /// The node's life in which the batch was sent first.
    var firstLife = 0
  }

  let settings: Settings
  let client: SimulatedClient
  private let simulation: Simulation
  private var random: SplitMix
  private var pending: [Pending] = []
  private var nextBatch: UInt32 = 0
  private var identity: ProducerIdentity?
  private var isAskingIdentity = false
  private var nextSequence: Int32 = 0
  /// Whether a request failed: nothing is sent until all responses have arrived and a pause has passed.
  private var isBackingOff = false
  private var isResting = false
  private var builder = RecordBatchBuilder(capacity: 4096)
  /// Whether the producer makes no new batches.
  var isStopping = false
  private(set) var acknowledged = 0

  init(_ settings: Settings, _ simulation: Simulation, seed: UInt64) {
    self.settings = settings
    self.simulation = simulation
    random = SplitMix(seed: seed)
    client = SimulatedClient("producer \(settings.number)", simulation)
  }

  var isIdle: Bool { pending.isEmpty }
  private var ledger: Ledger { simulation.ledger(settings.partition) }
  private var inFlight: Int { pending.count { $0.isInFlight } }

  func start() { tick() }

  private func tick() {
    guard !simulation.isOver else { return }
    if !isStopping, pending.count < 10 { makeBatch() }
    pump()
    simulation.after(microseconds: 1 + random.below(settings.intervalMicroseconds)) { [self] in tick() }
  }

  private func makeBatch() {
    let id = Ledger.BatchID(producer: settings.number, batch: nextBatch)
    nextBatch += 1
    let count = min(1 + random.below(settings.recordsMax), settings.batchBytesMax / 64)
    let room = settings.batchBytesMax / count - 48
    pending.append(
      Pending(
        batch: SimulatedBatch(
          id: id, count: count, timestamp: simulation.clientMs,
          valueBytes: min(Payload.headBytes + random.below(settings.valueBytesMax), room))))
  }

  private func pump() {
    guard !pending.isEmpty, !isBackingOff, simulation.mayConnect, client.connect() else { return }
    if settings.isIdempotent, identity == nil { return askIdentity() }
    while inFlight < settings.inFlightMax, let index = pending.firstIndex(where: { !$0.isInFlight }) { send(index) }
  }

  private func askIdentity() {
    guard !isAskingIdentity else { return }
    isAskingIdentity = true
    var request = InitProducerIdRequest()
    request.transactionTimeoutMs = 60_000
    client.ask(request, version: 4) { [self] result in
      isAskingIdentity = false
      guard case .success(let answer) = result else { return }
      guard answer.errorCode == .none else {
        if !simulation.diskMayFail {
          simulation.violation("\(client.name): no producer id: \(answer.errorCode)")
        }
        return
      }
      identity = ProducerIdentity(id: answer.producerID, epoch: answer.producerEpoch)
      nextSequence = 0
      for index in pending.indices { pending[index].batch.sequence = -1 }
      pump()
    }
  }

  private func send(_ index: Int) {
    if settings.isIdempotent, pending[index].batch.sequence < 0 {
      pending[index].batch.sequence = nextSequence
      nextSequence += Int32(pending[index].batch.count)
    }
    let (batch, wasSent) = (pending[index].batch, pending[index].wasSent)
    let bytes = batch.bytes(
      keys: settings.keys, codec: settings.codec, producer: identity, with: &builder)
    ledger.sending(
      batch.id, count: batch.count, bytes: bytes.readableBytes, timestamp: batch.timestamp,
      isIdempotent: settings.isIdempotent)
    if wasSent, !settings.isIdempotent { ledger.mayRepeat(batch.id) }
    pending[index].isInFlight = true
    if !wasSent { pending[index].firstLife = simulation.lives }
    pending[index].wasSent = true
    var request = ProduceRequest()
    request.acks = settings.acks
    request.timeoutMs = 30_000
    request.add(.bytes(bytes), to: settings.partition)
    simulation.trace.note("\(client.name) sends \(batch.id.batch), \(batch.count) records, sequence \(batch.sequence)")
    if settings.acks == 0 {
      client.ask(request, version: settings.version, isSilent: true) { _ in }
      pending.removeAll { $0.batch.id == batch.id }
      return
    }
    client.ask(request, version: settings.version) { [self] result in answered(batch.id, bytes.readableBytes, result) }
  }

  private func answered(_ id: Ledger.BatchID, _ bytes: Int, _ result: Result<ProduceResponse, NoAnswer>) {
    guard let index = pending.firstIndex(where: { $0.batch.id == id }) else { return }
    pending[index].isInFlight = false
    guard case .success(let answer) = result else { return backOff() }
    guard let partition = answer.responses.first?.partitionResponses.first else {
      return simulation.violation("\(client.name): a response without its partition")
    }
    switch partition.errorCode {
    case .none, .duplicateSequenceNumber:
      let base = partition.errorCode == .none ? partition.baseOffset.rawValue : -1
      simulation.trace.note("\(client.name) has \(id.batch) acknowledged at \(base)")
      ledger.acknowledged(id, at: base, logStart: partition.logStartOffset.rawValue)
      acknowledged += 1
      pending.remove(at: index)
      simulation.appended(to: settings.partition, bytes: bytes, from: base)
      if isBackingOff { backOff() } else { pump() }
    case .outOfOrderSequenceNumber, .unknownProducerId, .invalidProducerEpoch:
      // After a failed batch every later one is out of order. The oldest never is, unless a crash lost the batch before it, or
      // a snapshot left that out.
      if index == 0 {
        guard ledger.hasLostRecords || mayHaveBeenForgotten else {
          return simulation.violation("\(client.name): \(partition.errorCode) for batch \(id.batch), the oldest")
        }
        identity = nil
        for waiting in pending { ledger.mayRepeat(waiting.batch.id) }
      }
      backOff()
    case .kafkaStorageError, .notLeaderOrFollower, .leaderNotAvailable:
      if !simulation.diskMayFail {
        return simulation.violation("\(client.name): \(partition.errorCode) for batch \(id.batch) with a sound disk")
      }
      backOff()
    default:
      simulation.violation(
        "\(client.name): \(partition.errorCode) for batch \(id.batch): \(partition.errorMessage ?? "")")
    }
  }

  /// Whether the node may have forgotten batches. A producer snapshot, as Kafka writes it, holds only each producer's last
  /// batch. Of several batches in the log whose responses a restart lost, the node may then take all but the last for new ones.
  private var mayHaveBeenForgotten: Bool {
    pending.count { $0.wasSent && $0.firstLife < simulation.lives } > 1
  }

  /// Waits for the outstanding responses, then sends all pending batches again, in order.
  private func backOff() {
    isBackingOff = true
    guard inFlight == 0, !isResting else { return }
    isResting = true
    simulation.after(microseconds: 10_000 + random.below(90_000)) { [self] in
      isBackingOff = false
      isResting = false
      pump()
    }
  }
}
