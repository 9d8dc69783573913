package import Compression
package import Model
package import NIOCore
import Wire

/// Reports the outcome of one batch.
package struct Delivery {
  /// The number that `Producer.seal` gave the batch.
  package var number: Int
  package var partition: Int32
  package var records: Int
  /// The bytes of keys and values.
  package var payloadBytes: Int
  /// Bytes of the batch before compression and as sent, headers included.
  package var plainBytes: Int, sentBytes: Int
  /// When each record should have been sent; empty when the caller keeps no schedule.
  package var intendedNs: [UInt64]
  /// When the last request with the batch was handed to the connection: just before it was written, with the others that left with it.
  package var sentNs: UInt64
  /// When the read that brought the response, or the error, was handled first.
  package var doneNs: UInt64
  /// How often the batch was sent: after more than once a refusal leaves open whether an earlier attempt was appended.
  package var attempts: Int
  /// The first record's offset; `.unknown` with acks=0.
  package var result: Result<Offset, ClientError>
}

/// Collects records into batches, one open batch per partition, and bounds the requests in flight to each leader.
///
/// Confined to one event loop. The caller checks `batchesFree(lane)` before it fills a batch, so the producer's memory is
/// bounded by (in-flight requests + batches being compressed) x batch bytes x brokers. A lane is the index of a partition's queue.
///
/// A batch that fails with a retriable error is sent again, and later batches of its partition wait for it. Worked case,
/// with sequence numbers: batches 1 2 3 are in flight and 1 is refused. 2 and 3 are then refused as out of order. The
/// partition recovers only when all three responses have arrived, and sends 1 2 3 again, in that order.
package final class Producer {
  package let settings: ProducerSettings
  /// Called for each batch when it is acknowledged or given up.
  package var delivered: (Delivery) -> Void = { _ in }
  /// Called after `delivered`: once for all the responses of one read, so that what is then sent leaves together.
  package var settled: () -> Void = {}
  /// Called after reconnecting: more batches may be sealed.
  package var resumed: () -> Void = {}
  /// The number of batches that were sent more than once.
  package private(set) var retries = 0
  package private(set) var requests = 0

  /// Compresses the batches; nil compresses them on the event loop.
  package var compression: (any BatchCompression)?

  let eventLoop: any EventLoop
  let now: () -> UInt64
  let connect: (Metadata.Broker, @escaping (Result<BrokerConnection, ClientError>) -> Void) -> Void
  /// As last heard of.
  var metadata: Metadata
  /// The lookups of leaders so far, and whether one is under way.
  var leaderLookups = 0
  var isLookingForLeaders = false
  var lanes: [PartitionQueue]
  var leaders: [LeaderConnection]
  /// Who produces, in the present epoch; nil without idempotence.
  package internal(set) var identity: ProducerIdentity?
  /// How often the epoch was raised because a broker did not know the producer's sequences any more (KIP-360).
  package internal(set) var epochRises = 0
  /// A raise of the epoch is due: nothing is sent that was not sent before, until no sent batch is unacknowledged.
  var isRaisingEpoch = false
  /// Called once for each lane of a transaction, before its first batch is sent; `release` lets the lane's batches go. Nil
  /// outside transactions.
  var laneNeeded: ((_ lane: Int) -> Void)?
  /// Called with the error of each batch that was given up.
  var gaveUp: (ClientError) -> Void = { _ in }
  private(set) var isClosed = false
  private var spare: [OpenBatch] = []
  /// Batches that are acknowledged or given up, for reuse with their memory: at most as many as were unacknowledged at once.
  private var spareBatches: [Batch] = []
  private var sealedCount = 0
  /// The reads being handled (one inside the other where a callback's send fails), and when the outermost began.
  private var readDepth = 0, readNs: UInt64 = 0
  private var hasDelivered = false

  /// Holds the connection to one leader, and the batches to send over it.
  final class LeaderConnection {
    var broker: Metadata.Broker
    var connection: BrokerConnection? {
      didSet { frame = nil }
    }
    /// What the requests over this connection share; nil before the first, and for versions that it does not write.
    var frame: ProduceFrame?
    var inFlight = 0
    /// Sealed batches in the order to send them.
    var ready = CircularBuffer<Batch>()
    var isConnecting = false

    init(_ broker: Metadata.Broker) { self.broker = broker }
  }

  /// Holds the batches of one partition.
  struct PartitionQueue {
    let partition: Int32
    var leader: Int
    /// The batch being filled; nil while empty.
    var open: OpenBatch?
    /// Sealed batches not yet acknowledged, in order.
    var unacknowledged = CircularBuffer<Batch>()
    var nextSequence: Int32 = 0
    /// A batch failed: nothing of this partition is sent until none of its batches is in flight.
    var isRecovering = false
    /// The partition is not in the transaction yet: nothing of it is sent.
    var isHeld = false
    /// The broker does not know the producer's sequences: the epoch is to be raised.
    var needsEpoch = false
  }

  /// - Parameter connect: connects to a broker, on this event loop; called again when a connection is lost.
  package init(
    _ settings: ProducerSettings, _ metadata: Metadata, on eventLoop: any EventLoop, now: @escaping () -> UInt64,
    connect: @escaping (Metadata.Broker, @escaping (Result<BrokerConnection, ClientError>) -> Void) -> Void
  ) {
    self.settings = settings
    self.eventLoop = eventLoop
    self.now = now
    self.connect = connect
    self.metadata = metadata
    identity = settings.identity
    lanes = []
    leaders = []
    for partition in metadata.partitions {
      let leader = leaderIndex(of: partition.leader)
      lanes.append(PartitionQueue(partition: partition.index, leader: leader))
    }
  }

  /// Connects to every leader; `then` gets the first error.
  package func start(then: @escaping (Result<Void, ClientError>) -> Void) {
    BrokerConnection.toAll(
      leaders, by: { connect($0.broker, $1) }, adopt: { [self] leader, connection in adopt(connection, leader) },
      then: then)
  }

  package func close() {
    isClosed = true
    for leader in leaders { leader.connection?.close() }
  }

  package var laneCount: Int { lanes.count }
  package func partition(ofLane lane: Int) -> Int32 { lanes[lane].partition }
  package var bytesSent: Int { leaders.reduce(0) { $0 + ($1.connection?.bytesSent ?? 0) } }
  package var bytesReceived: Int { leaders.reduce(0) { $0 + ($1.connection?.bytesReceived ?? 0) } }
  /// The number of batches sealed and not yet acknowledged.
  package var unacknowledged: Int { lanes.reduce(0) { $0 + $1.unacknowledged.count } }

  // MARK: Filling

  /// Returns how many more batches may be sealed for the leader of `lane` within the limit on requests in flight.
  package func batchesFree(_ lane: Int) -> Int {
    let leader = leaders[lanes[lane].leader]
    let isWaiting = lanes[lane].isRecovering || isRaisingEpoch
    let held = lanes[lane].isHeld ? lanes[lane].unacknowledged.count : 0
    return sealedMax - leader.inFlight - leader.ready.count - held - (isWaiting ? .max / 2 : 0)
  }

  /// The most batches for a leader that are sealed and not acknowledged.
  private var sealedMax: Int {
    guard let compression else { return settings.inFlightMax }
    return settings.inFlightMax + compression.ahead
  }

  /// Lets `body` append to the open batch of `lane`: records to the builder, while `hasRoom`, and their intended times to the
  /// array if the caller keeps a schedule. `body` returns the bytes of keys and values it appended.
  ///
  /// - Parameter nowNs: the present time, where the caller has read the clock.
  package func fill(
    _ lane: Int, at nowNs: UInt64? = nil, _ body: (inout RecordBatchBuilder, inout [UInt64]) -> Int
  ) {
    if let open = lanes[lane].open {
      open.payloadBytes += body(&open.builder, &open.intendedNs)
      return
    }
    let open = spare.popLast() ?? OpenBatch(settings)
    open.openedNs = nowNs ?? now()
    lanes[lane].open = open
    open.payloadBytes += body(&open.builder, &open.intendedNs)
  }

  /// When the open batch of `lane` got its first record; nil when it is empty.
  package func openedNs(_ lane: Int) -> UInt64? { lanes[lane].open?.openedNs }

  /// Seals the open batch of `lane`, if it holds records, and queues it; `flush` sends it.
  ///
  /// - Parameter nowNs: the present time, where the caller has read the clock.
  /// - Returns: the batch's number, which its `Delivery` has; nil without records.
  @discardableResult
  package func seal(_ lane: Int, at nowNs: UInt64? = nil) throws(CompressionError) -> Int? {
    guard let open = lanes[lane].open, !open.builder.isEmpty else { return nil }
    let batch = freeBatch()
    let records = open.builder.count
    batch.begin(number: sealedCount, lane: lane, open, sealedNs: nowNs ?? now())
    let sequence = identity == nil ? -1 : lanes[lane].nextSequence
    if let compression, settings.codec != .none {
      compress(open, as: batch, baseSequence: sequence, by: compression)
    } else {
      open.builder.recycle(batch.takeBytes())
      batch.bytes = try open.finish(settings, identity, baseSequence: sequence)
    }
    let number = sealedCount
    sealedCount += 1
    lanes[lane].open = nil
    open.reset()
    spare.append(open)
    lanes[lane].nextSequence = Self.sequence(lanes[lane].nextSequence, after: records)
    lanes[lane].unacknowledged.append(batch)
    if lanes[lane].isHeld, lanes[lane].unacknowledged.count == 1 { laneNeeded?(lane) }
    if !lanes[lane].isRecovering, !lanes[lane].isHeld, !isRaisingEpoch {
      leaders[lanes[lane].leader].ready.append(batch)
    }
    return number
  }

  /// Returns a batch that nobody else holds.
  private func freeBatch() -> Batch {
    if var batch = spareBatches.popLast(), isKnownUniquelyReferenced(&batch) { return batch }
    return Batch(of: self)
  }

  /// Sequences wrap from Int32.max to 0.
  static func sequence(_ sequence: Int32, after records: Int) -> Int32 {
    Int32((Int64(sequence) + Int64(records)) & 0x7FFF_FFFF)
  }

  /// Sends queued batches, within the limit on requests in flight.
  package func flush() {
    for leader in leaders { send(leader) }
  }

  // MARK: Sending

  func send(_ leader: LeaderConnection) {
    guard leader.inFlight < settings.inFlightMax, leader.ready.first?.isCompressing == false else { return }
    guard let connection = leader.connection, connection.isOpen else { return }
    if leader.frame == nil { leader.frame = makeFrame(connection) }
    var unanswered: [Batch] = []
    var sentAny = false
    // The requests leave together, after all of them are written: nothing of a latency is left out.
    let sentNs = now()
    while leader.inFlight < settings.inFlightMax, let batch = leader.ready.first, !batch.isCompressing {
      leader.ready.removeFirst()
      // `recover` will queue the batch again.
      guard !lanes[batch.lane].isRecovering else { continue }
      send(batch, leader, connection, sentNs)
      if settings.acks == 0 { unanswered.append(batch) }
      sentAny = true
    }
    guard sentAny else { return }
    if unanswered.isEmpty { return connection.flush() }
    let batches = unanswered
    connection.flush { [self] in
      reading(begins: true)
      for batch in batches where batch.isInFlight { acknowledged(batch, leader, .unknown) }
      reading(begins: false)
    }
  }

  /// From version 12 a transaction's batch adds its partition to the transaction, whose epoch then rises at its end (KIP-890).
  private var versionMax: Int16 { settings.transactionalID == nil ? .max : 11 }

  /// Returns nil where the broker has no version that `ProduceFrame` writes.
  private func makeFrame(_ connection: BrokerConnection) -> ProduceFrame? {
    guard let version = connection.versions.version(of: ProduceRequest.api, limit: versionMax),
      ProduceFrame.versions.contains(version)
    else { return nil }
    return ProduceFrame(
      version: version, clientID: connection.clientID, transactionalID: settings.transactionalID, acks: settings.acks,
      timeoutMs: Int32(settings.requestTimeoutMs), topic: settings.topic)
  }

  private func send(
    _ batch: Batch, _ leader: LeaderConnection, _ connection: BrokerConnection, _ sentNs: UInt64
  ) {
    leader.inFlight += 1
    requests += 1
    if batch.attempts > 0 { retries += 1 }
    batch.attempts += 1
    batch.isInFlight = true
    batch.sentNs = sentNs
    // Only a request with a response fails with its connection.
    guard settings.acks != 0 || connection.isOpen else {
      return failed(batch, leader, .closed(leader.broker.endpoint, reason: "ended while it was written to"))
    }
    guard let frame = leader.frame else { return sendDecoded(batch, leader, connection) }
    batch.leader = leader
    connection.send(
      frame, partition: lanes[batch.lane].partition, batch.bytes, for: settings.acks == 0 ? nil : batch,
      sentNs: sentNs)
  }

  /// Sends a batch to a broker of a version that `ProduceFrame` does not write.
  private func sendDecoded(_ batch: Batch, _ leader: LeaderConnection, _ connection: BrokerConnection) {
    var request = ProduceRequest()
    request.transactionalID = settings.transactionalID
    request.acks = settings.acks
    request.timeoutMs = Int32(settings.requestTimeoutMs)
    request.add(.bytes(batch.bytes), to: TopicPartition(settings.topic, lanes[batch.lane].partition))
    guard settings.acks != 0 else {
      do {
        try connection.sendUnanswered(request)
      } catch {
        failed(batch, leader, error)
      }
      return
    }
    connection.send(request, limit: versionMax) { [self] result in answered(batch, leader, result) }
  }

  /// Handles the outcome of the plain case, without an error and without a value for the response.
  func acknowledged(_ batch: Batch, _ leader: LeaderConnection, _ receipt: ProduceReceipt) {
    guard receipt.partition == lanes[batch.lane].partition else { return misplaced(batch, leader) }
    acknowledged(batch, leader, Offset(receipt.baseOffset))
  }

  private func misplaced(_ batch: Batch, _ leader: LeaderConnection) {
    failed(batch, leader, .malformed(leader.broker.endpoint, what: "a Produce response without the partition"))
  }

  func answered(_ batch: Batch, _ leader: LeaderConnection, _ result: Result<ProduceResponse, ClientError>) {
    switch result {
    case .failure(let error):
      failed(batch, leader, error)
    case .success(let response):
      let partition = lanes[batch.lane].partition
      guard let answer = response.responses.first?.partitionResponses.first, answer.index == partition else {
        return misplaced(batch, leader)
      }
      // The broker already has the batch, from an attempt whose response was lost.
      let isDuplicate = answer.errorCode == .duplicateSequenceNumber
      if answer.errorCode == .none || isDuplicate {
        return acknowledged(batch, leader, isDuplicate ? .unknown : answer.baseOffset)
      }
      let what = "producing to \(settings.topic)-\(partition)"
      failed(
        batch, leader,
        .refused(leader.broker.endpoint, what: what, code: answer.errorCode, message: answer.errorMessage))
    }
  }

  private func acknowledged(_ batch: Batch, _ leader: LeaderConnection, _ offset: Offset) {
    leaveFlight(batch, leader)
    finish(batch, .success(offset))
    if lanes[batch.lane].isRecovering { recoverWhenQuiet(batch.lane) }
    if isRaisingEpoch { raiseEpochWhenQuiet() }
  }

  func leaveFlight(_ batch: Batch, _ leader: LeaderConnection) {
    precondition(batch.isInFlight, "a batch left flight twice")
    batch.isInFlight = false
    leader.inFlight -= 1
  }

  /// Removes the batch from its queue and reports its delivery.
  func finish(_ batch: Batch, _ result: Result<Offset, ClientError>) {
    let lane = batch.lane
    if lanes[lane].unacknowledged.first === batch {
      lanes[lane].unacknowledged.removeFirst()
    } else if let index = lanes[lane].unacknowledged.firstIndex(where: { $0 === batch }) {
      lanes[lane].unacknowledged.remove(at: index)
    }
    hasDelivered = true
    delivered(
      Delivery(
        number: batch.number, partition: lanes[lane].partition, records: batch.records,
        payloadBytes: batch.payloadBytes,
        plainBytes: batch.plainBytes, sentBytes: batch.bytes.readableBytes, intendedNs: batch.intendedNs,
        sentNs: batch.sentNs, doneNs: readDepth > 0 ? readNs : now(), attempts: batch.attempts, result: result))
    if case .failure(let error) = result { gaveUp(error) }
    batch.intendedNs = []
    spareBatches.append(batch)
    if readDepth == 0 { settle() }
  }

  /// Notes that the responses of a read are about to be handled, or have been.
  func reading(begins: Bool) {
    if begins {
      if readDepth == 0 { readNs = now() }
      readDepth += 1
    } else {
      readDepth -= 1
      if readDepth == 0 { settle() }
    }
  }

  private func settle() {
    guard hasDelivered else { return }
    hasDelivered = false
    settled()
  }

  func adopt(_ connection: BrokerConnection, _ leader: LeaderConnection) {
    leader.connection = connection
    leader.isConnecting = false
    connection.reading = { [weak self] begins in self?.reading(begins: begins) }
    connection.onEnd = { [weak self] error in
      guard let self, !self.isClosed else { return }
      self.lost(leader, error)
    }
  }

  func leaderIndex(of broker: Metadata.Broker) -> Int {
    if let index = leaders.firstIndex(where: { $0.broker.id == broker.id }) { return index }
    leaders.append(LeaderConnection(broker))
    return leaders.count - 1
  }
}

extension Producer {
  /// Whether any leader may get one more batch.
  package var hasFreeBatch: Bool {
    leaders.contains { sealedMax - $0.inFlight - $0.ready.count > 0 && $0.connection != nil }
  }

  /// Returns whether the open batch of `lane` has no room for one more value of `valueBytes` bytes.
  package func isFull(_ lane: Int, valueBytes: Int, keyBytes: Int = 0) -> Bool {
    guard let open = lanes[lane].open else { return false }
    return !settings.hasRoom(open.builder, keyBytes: keyBytes, valueBytes: valueBytes)
  }
}
