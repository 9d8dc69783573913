package import Compression
package import Model
package import NIOCore
import Wire

/// Settings of a producer, named as those of Kafka's.
package struct ProducerSettings: Sendable {
  package var topic: String
  /// The replicas that must have a batch before it is acknowledged: 0 none, 1 the leader, -1 all in sync.
  package var acks: Int16 = 1
  /// The most bytes of one batch before compression; a batch always takes one record, however large.
  package var batchBytes = 65_536
  /// The most records of one batch.
  package var batchRecords = Int.max
  /// The most requests of one connection that are sent and not answered.
  package var inFlightMax = 5
  package var codec = Codec.none
  package var level: Int?
  /// Set for an idempotent producer: the broker drops what it has already, so that retries append nothing twice and in order.
  package var identity: ProducerIdentity?
  package var requestTimeoutMs = 30_000
  /// The age at which a batch is given up.
  package var deliveryTimeoutMs = 120_000

  package init(topic: String) { self.topic = topic }

  /// Whether a record of these sizes still fits the batch. An empty batch takes any.
  package func hasRoom(_ builder: borrowing RecordBatchBuilder, keyBytes: Int, valueBytes: Int) -> Bool {
    builder.isEmpty
      || (builder.sizeAtMost(afterKey: keyBytes, value: valueBytes) <= batchBytes && builder.count < batchRecords)
  }

  /// Returns how many records without keys, of `valueBytes` bytes each, surely fit; 0 when there is no room for one.
  package func recordsFitting(_ builder: borrowing RecordBatchBuilder, valueBytes: Int) -> Int {
    let each = builder.sizeAtMost(afterKey: 0, value: valueBytes) - builder.sizeInBytes
    let fitting = min((batchBytes - builder.sizeInBytes) / each, batchRecords - builder.count)
    return builder.isEmpty ? max(1, fitting) : max(0, fitting)
  }
}

/// The outcome of one batch.
package struct Delivery {
  package var partition: Int32
  package var records: Int
  /// The bytes of keys and values.
  package var payloadBytes: Int
  /// Bytes of the batch before compression and as sent, headers included.
  package var plainBytes: Int, sentBytes: Int
  /// When each record should have been sent; empty when the caller keeps no schedule.
  package var intendedNs: [UInt64]
  /// When the request was handed to the connection, the last time.
  package var sentNs: UInt64
  package var doneNs: UInt64
  /// The first record's offset: `.unknown` with acks=0.
  package var result: Result<Offset, ClientError>
}

/// Collects records into batches, one open batch a partition, and keeps a bounded number of requests in flight to each
/// leader.
///
/// Confined to one event loop. The caller asks `slots(lane)` before it fills a batch: the producer never buffers more
/// than what is in flight or about to be, so its memory is bounded by in-flight requests x batch bytes x brokers.
///
/// A batch that fails in a way that may pass is sent again, and the batches of its partition after it wait for it. Worked
/// case, with sequence numbers: batches 1 2 3 are in flight and 1 is refused. 2 and 3 are then refused as out of order.
/// The lane recovers only when all three have been answered, and sends 1 2 3 again, in that order.
package final class Producer {
  package let settings: ProducerSettings
  /// Called for each batch when it is acknowledged or given up.
  package var delivered: (Delivery) -> Void = { _ in }
  /// Called when a lost connection has been made again: lanes have slots again.
  package var resumed: () -> Void = {}
  /// The number of batches that were sent more than once.
  package private(set) var retries = 0
  package private(set) var requests = 0

  let eventLoop: any EventLoop
  let now: () -> UInt64
  let connect: (Metadata.Broker, @escaping (Result<Connection, ClientError>) -> Void) -> Void
  var lanes: [Lane]
  var routes: [Route]
  private var isClosed = false
  private var spare: [OpenBatch] = []

  /// A leader and the connection to it.
  final class Route {
    var broker: Metadata.Broker
    var connection: Connection?
    var inFlight = 0
    /// Sealed batches in the order to send them.
    var ready = CircularBuffer<Batch>()
    var isConnecting = false

    init(_ broker: Metadata.Broker) { self.broker = broker }
  }

  /// One partition.
  struct Lane {
    let partition: Int32
    var route: Int
    /// The batch being filled; nil while it would be empty.
    var open: OpenBatch?
    /// Sealed batches not yet acknowledged, in order.
    var unacknowledged = CircularBuffer<Batch>()
    var nextSequence: Int32 = 0
    /// A batch was refused: nothing of this partition is sent until all that is in flight has been answered.
    var isRecovering = false
  }

  /// A sealed batch that is not yet acknowledged.
  final class Batch {
    let lane: Int
    let bytes: ByteBuffer
    let records: Int, payloadBytes: Int, plainBytes: Int
    let intendedNs: [UInt64]
    let sealedNs: UInt64
    var sentNs: UInt64 = 0
    var isInFlight = false
    var attempts = 0

    init(lane: Int, bytes: ByteBuffer, _ open: OpenBatch, records: Int, plainBytes: Int, sealedNs: UInt64) {
      self.lane = lane
      self.bytes = bytes
      self.records = records
      payloadBytes = open.payloadBytes
      intendedNs = open.intendedNs
      self.plainBytes = plainBytes
      self.sealedNs = sealedNs
    }
  }

  /// - Parameter connect: makes a connection to a broker, on this event loop; called again when one is lost.
  package init(
    _ settings: ProducerSettings, _ metadata: Metadata, on eventLoop: any EventLoop, now: @escaping () -> UInt64,
    connect: @escaping (Metadata.Broker, @escaping (Result<Connection, ClientError>) -> Void) -> Void
  ) {
    self.settings = settings
    self.eventLoop = eventLoop
    self.now = now
    self.connect = connect
    lanes = []
    routes = []
    for partition in metadata.partitions {
      let route = routeIndex(of: partition.leader)
      lanes.append(Lane(partition: partition.index, route: route))
    }
  }

  /// Connects to every leader. `then` gets the first error when one cannot be reached.
  package func start(then: @escaping (Result<Void, ClientError>) -> Void) {
    Connection.toAll(
      routes, by: { connect($0.broker, $1) }, adopt: { [self] route, connection in adopt(connection, route) },
      then: then)
  }

  package func close() {
    isClosed = true
    for route in routes { route.connection?.close() }
  }

  package var laneCount: Int { lanes.count }
  package func partition(ofLane lane: Int) -> Int32 { lanes[lane].partition }
  package var bytesSent: Int { routes.reduce(0) { $0 + ($1.connection?.bytesSent ?? 0) } }
  package var bytesReceived: Int { routes.reduce(0) { $0 + ($1.connection?.bytesReceived ?? 0) } }
  /// The number of batches sealed and not yet acknowledged.
  package var unacknowledged: Int { lanes.reduce(0) { $0 + $1.unacknowledged.count } }

  // MARK: Filling

  /// How many more batches of this lane's leader may be sealed before it is over its requests in flight.
  package func slots(_ lane: Int) -> Int {
    let route = routes[lanes[lane].route]
    return settings.inFlightMax - route.inFlight - route.ready.count - (lanes[lane].isRecovering ? .max / 2 : 0)
  }

  /// Lets `body` append to the lane's open batch: to Model's builder, as long as `hasRoom`, and, if the caller keeps a
  /// schedule, each record's intended time to the array. `body` returns the bytes of keys and values it appended.
  package func fill(_ lane: Int, _ body: (inout RecordBatchBuilder, inout [UInt64]) -> Int) {
    let open = lanes[lane].open ?? spare.popLast() ?? OpenBatch(settings)
    if lanes[lane].open == nil {
      open.openedNs = now()
      lanes[lane].open = open
    }
    open.payloadBytes += body(&open.builder, &open.intendedNs)
  }

  /// When the lane's open batch got its first record; nil when it is empty.
  package func openedNs(_ lane: Int) -> UInt64? { lanes[lane].open?.openedNs }

  /// Closes the lane's open batch, if it holds anything, and queues it; `flush` sends.
  package func seal(_ lane: Int) throws(CompressionError) {
    guard let open = lanes[lane].open, !open.builder.isEmpty else { return }
    let sequence = settings.identity == nil ? -1 : lanes[lane].nextSequence
    let (records, plainBytes) = (open.builder.count, open.builder.sizeInBytes)
    let bytes = try open.finish(settings, baseSequence: sequence)
    let batch = Batch(lane: lane, bytes: bytes, open, records: records, plainBytes: plainBytes, sealedNs: now())
    lanes[lane].open = nil
    open.reset()
    spare.append(open)
    // Sequences wrap from Int32.max to 0.
    lanes[lane].nextSequence = Int32((Int64(lanes[lane].nextSequence) + Int64(records)) & 0x7FFF_FFFF)
    lanes[lane].unacknowledged.append(batch)
    if !lanes[lane].isRecovering { routes[lanes[lane].route].ready.append(batch) }
  }

  /// Sends what is queued, as far as requests in flight allow.
  package func flush() {
    for route in routes { send(route) }
  }

  // MARK: Sending

  func send(_ route: Route) {
    guard let connection = route.connection, connection.isOpen else { return }
    var unanswered: [Batch] = []
    var sentAny = false
    while route.inFlight < settings.inFlightMax, let batch = route.ready.popFirst() {
      // Its lane began to recover after it was queued: it will be queued again.
      guard !lanes[batch.lane].isRecovering else { continue }
      send(batch, route, connection)
      if settings.acks == 0 { unanswered.append(batch) }
      sentAny = true
    }
    guard sentAny else { return }
    if unanswered.isEmpty { return connection.flush() }
    let batches = unanswered
    connection.flush { [self] in
      for batch in batches where batch.isInFlight { acknowledged(batch, route, .unknown) }
    }
  }

  private func send(_ batch: Batch, _ route: Route, _ connection: Connection) {
    var request = ProduceRequest()
    request.acks = settings.acks
    request.timeoutMs = Int32(settings.requestTimeoutMs)
    request.topicData = [
      .with {
        $0.name = settings.topic
        $0.partitionData = [
          .with {
            $0.index = lanes[batch.lane].partition
            $0.records = .bytes(batch.bytes)
          }
        ]
      }
    ]
    route.inFlight += 1
    requests += 1
    if batch.attempts > 0 { retries += 1 }
    batch.attempts += 1
    batch.isInFlight = true
    batch.sentNs = now()
    guard settings.acks != 0 else {
      do {
        try connection.sendUnanswered(request)
      } catch {
        failed(batch, route, error)
      }
      return
    }
    connection.send(request) { [self] result in answered(batch, route, result) }
  }

  private func answered(_ batch: Batch, _ route: Route, _ result: Result<ProduceResponse, ClientError>) {
    switch result {
    case .failure(let error):
      failed(batch, route, error)
    case .success(let response):
      let partition = lanes[batch.lane].partition
      guard let answer = response.responses.first?.partitionResponses.first, answer.index == partition else {
        return failed(batch, route, .malformed(route.broker.endpoint, what: "a produce answer without the partition"))
      }
      // The broker has the batch already, from an attempt whose answer was lost.
      let isDuplicate = answer.errorCode == .duplicateSequenceNumber
      if answer.errorCode == .none || isDuplicate {
        return acknowledged(batch, route, isDuplicate ? .unknown : answer.baseOffset)
      }
      let what = "producing to \(settings.topic)-\(partition)"
      failed(
        batch, route,
        .refused(route.broker.endpoint, what: what, code: answer.errorCode, message: answer.errorMessage))
    }
  }

  private func acknowledged(_ batch: Batch, _ route: Route, _ offset: Offset) {
    leaveFlight(batch, route)
    finish(batch, .success(offset))
    if lanes[batch.lane].isRecovering { recoverWhenQuiet(batch.lane) }
  }

  func leaveFlight(_ batch: Batch, _ route: Route) {
    precondition(batch.isInFlight, "a batch was answered twice")
    batch.isInFlight = false
    route.inFlight -= 1
  }

  /// Takes the batch out of its lane and tells the caller.
  func finish(_ batch: Batch, _ result: Result<Offset, ClientError>) {
    if let index = lanes[batch.lane].unacknowledged.firstIndex(where: { $0 === batch }) {
      lanes[batch.lane].unacknowledged.remove(at: index)
    }
    delivered(
      Delivery(
        partition: lanes[batch.lane].partition, records: batch.records, payloadBytes: batch.payloadBytes,
        plainBytes: batch.plainBytes, sentBytes: batch.bytes.readableBytes, intendedNs: batch.intendedNs,
        sentNs: batch.sentNs, doneNs: now(), result: result))
  }

  func adopt(_ connection: Connection, _ route: Route) {
    route.connection = connection
    route.isConnecting = false
    connection.onEnd = { [weak self] error in
      guard let self, !self.isClosed else { return }
      self.lost(route, error)
    }
  }

  func routeIndex(of broker: Metadata.Broker) -> Int {
    if let index = routes.firstIndex(where: { $0.broker.id == broker.id }) { return index }
    routes.append(Route(broker))
    return routes.count - 1
  }
}

extension Producer {
  /// Whether any leader may be sent one more batch.
  package var hasSlot: Bool {
    routes.contains { settings.inFlightMax - $0.inFlight - $0.ready.count > 0 && $0.connection != nil }
  }

  /// Whether the lane's open batch has no room for one more value of `valueBytes` bytes.
  package func isFull(_ lane: Int, valueBytes: Int, keyBytes: Int = 0) -> Bool {
    guard let open = lanes[lane].open else { return false }
    return !settings.hasRoom(open.builder, keyBytes: keyBytes, valueBytes: valueBytes)
  }
}
