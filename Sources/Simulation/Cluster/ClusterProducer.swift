import Base
import Broker
import Compression
import Model
import NIOCore
import Wire

/// Simulates a producer to one partition of a cluster, which follows the partition's leader, sends batches in order, several in flight, and
/// retries unacknowledged ones.
final class ClusterProducer: @unchecked Sendable {
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
  }

  private struct Pending {
    var batch: SimulatedBatch
    var isInFlight = false
    var wasSent = false
  }

  let settings: Settings
  let client: ClusterClient
  private let cluster: ClusterSimulation
  private var random: SplitMix
  private var pending: [Pending] = []
  private var nextBatch: UInt32 = 0
  private var identity: ProducerIdentity?
  private var isAskingIdentity = false
  private var nextSequence: Int32 = 0
  private var isBackingOff = false
  private var isResting = false
  private var builder = RecordBatchBuilder(capacity: 4096)
  /// Whether the producer makes no new batches.
  var isStopping = false
  private(set) var acknowledged = 0
  private(set) var lastFailure = "nothing has failed"

  init(_ settings: Settings, _ cluster: ClusterSimulation, seed: UInt64) {
    self.settings = settings
    self.cluster = cluster
    random = SplitMix(seed: seed)
    client = ClusterClient("producer \(settings.number)", cluster, seed: random.next())
  }

  var isIdle: Bool { pending.isEmpty }
  private var ledger: Ledger? { cluster.ledgers[settings.partition] }
  private var inFlight: Int { pending.count { $0.isInFlight } }

  func start() { tick() }

  private func tick() {
    guard !cluster.isOver else { return }
    if !isStopping, pending.count < 10 { makeBatch() }
    pump()
    cluster.after(microseconds: 1 + random.below(settings.intervalMicroseconds)) { [self] in tick() }
  }

  private func makeBatch() {
    let id = Ledger.BatchID(producer: settings.number, batch: nextBatch)
    nextBatch += 1
    let count = min(1 + random.below(settings.recordsMax), settings.batchBytesMax / 64)
    let room = settings.batchBytesMax / count - 48
    pending.append(
      Pending(
        batch: SimulatedBatch(
          id: id, count: count, timestamp: cluster.wallMs,
          valueBytes: min(Payload.headBytes + random.below(settings.valueBytesMax), room))))
  }

  private func pump() {
    guard !pending.isEmpty, !isBackingOff, !cluster.isOver else { return }
    guard let leader = client.leaders[settings.partition], leader.broker >= 0 else {
      return backOff("no leader is known")
    }
    if settings.isIdempotent, identity == nil { return askIdentity() }
    while inFlight < settings.inFlightMax, !isBackingOff, let index = pending.firstIndex(where: { !$0.isInFlight }) {
      send(index, to: leader)
    }
  }

  private func askIdentity() {
    guard !isAskingIdentity else { return }
    isAskingIdentity = true
    var request = InitProducerIdRequest()
    request.transactionTimeoutMs = 60_000
    client.ask(request, to: client.pickNode(), version: 4) { [self] result in
      isAskingIdentity = false
      guard case .success(let answer) = result, answer.errorCode == .none else {
        if case .success(let answer) = result { return backOff("no producer id: \(answer.errorCode)") }
        return backOff("no producer id: no response")
      }
      identity = ProducerIdentity(id: answer.producerID, epoch: answer.producerEpoch)
      cluster.named(answer.producerID, by: client.name)
      nextSequence = 0
      for index in pending.indices { pending[index].batch.sequence = -1 }
      pump()
    }
  }

  private func send(_ index: Int, to leader: ClusterClient.Leader) {
    if settings.isIdempotent, pending[index].batch.sequence < 0 {
      pending[index].batch.sequence = nextSequence
      nextSequence += Int32(pending[index].batch.count)
    }
    let (batch, wasSent) = (pending[index].batch, pending[index].wasSent)
    let bytes = batch.bytes(keys: nil, codec: settings.codec, producer: identity, with: &builder)
    ledger?.sending(
      batch.id, count: batch.count, bytes: bytes.readableBytes, timestamp: batch.timestamp,
      isIdempotent: settings.isIdempotent)
    if wasSent, !settings.isIdempotent { ledger?.mayRepeat(batch.id) }
    pending[index].isInFlight = true
    pending[index].wasSent = true
    var request = ProduceRequest()
    request.acks = settings.acks
    request.timeoutMs = 2_000
    request.add(.bytes(bytes), to: settings.partition)
    cluster.trace.note(
      "\(client.name) sends \(batch.id.batch) to \(leader.broker), \(batch.count) records, sequence \(batch.sequence)")
    client.ask(request, to: leader.broker, version: 9) { [self] result in answered(batch.id, by: leader, result) }
  }

  private func answered(
    _ id: Ledger.BatchID, by leader: ClusterClient.Leader, _ result: Result<ProduceResponse, NoAnswer>
  ) {
    guard let index = pending.firstIndex(where: { $0.batch.id == id }) else { return }
    pending[index].isInFlight = false
    guard case .success(let answer) = result else { return backOff("no response from \(leader.broker)") }
    guard let partition = answer.responses.first?.partitionResponses.first else {
      return cluster.violation("\(client.name): a response without its partition")
    }
    switch partition.errorCode {
    case .none:
      let base = partition.baseOffset.rawValue
      cluster.trace.note("\(client.name) has \(id.batch) acknowledged by \(leader.broker) at \(base)")
      ledger?.acknowledged(id, at: base, logStart: partition.logStartOffset.rawValue)
      acknowledged += 1
      pending.remove(at: index)
      if isBackingOff { rest() } else { pump() }
    case .outOfOrderSequenceNumber, .unknownProducerId, .duplicateSequenceNumber:
      // After a failed batch every later one is out of order. The oldest never is, unless a node has forgotten all but the producer's last
      // batch: its snapshot, as Kafka writes it, has no more.
      if index == 0 {
        guard pending.count(where: \.wasSent) > 1 else {
          return cluster.violation("\(client.name): \(partition.errorCode) for batch \(id.batch), the only one sent")
        }
        identity = nil
        for waiting in pending { ledger?.mayRepeat(waiting.batch.id) }
      }
      backOff("\(partition.errorCode)")
    case .notLeaderOrFollower, .leaderNotAvailable, .notEnoughReplicas, .notEnoughReplicasAfterAppend, .requestTimedOut,
      .unknownTopicOrPartition, .kafkaStorageError:
      cluster.trace.note("\(client.name): \(partition.errorCode) for \(id.batch) from \(leader.broker)")
      backOff("\(partition.errorCode) from \(leader.broker)")
    default:
      cluster.violation(
        "\(client.name): \(partition.errorCode) for batch \(id.batch): \(partition.errorMessage ?? "")")
    }
  }

  /// Waits for the outstanding responses, looks for the leader, and then sends all pending batches again, in order.
  private func backOff(_ why: String) {
    lastFailure = why
    isBackingOff = true
    rest()
  }

  private func rest() {
    guard inFlight == 0, !isResting else { return }
    isResting = true
    cluster.after(microseconds: 20_000 + random.below(80_000)) { [self] in
      client.refresh { [self] in
        isBackingOff = false
        isResting = false
        pump()
      }
    }
  }
}
