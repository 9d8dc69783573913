package import Model
package import NIOCore
import Wire

/// Settings of a consumer, named as those of Kafka's.
package struct ConsumerSettings: Sendable {
  package var topic: String
  package var minBytes = 1
  package var maxWaitMs = 500
  /// The most bytes of one answer.
  package var maxBytes = 8 << 20
  /// The most bytes of one partition in an answer.
  package var partitionMaxBytes = 1 << 20
  /// Requests outstanding at each leader at a time. Kafka's own consumers have one, so the leader waits for them between two
  /// answers; with two, of different partitions, it does not.
  package var requestsInFlight = 1
  /// Whether batches' checksums are compared.
  package var checksCRC = true
  /// How many records each partition is read behind its end; 0: to the end.
  package var lagRecords: Int64 = 0
  /// How long a lost leader is tried again before the consumer fails.
  package var reconnectTimeoutMs = 120_000

  package init(topic: String) { self.topic = topic }
}

/// Reads assigned partitions, from given offsets, without a group.
///
/// The next request leaves as soon as an answer's batch headers tell where to go on, before its records are looked at, so that
/// broker and consumer work at the same time. Confined to one event loop.
package final class Consumer {
  package let settings: ConsumerSettings
  /// Called with each batch, in order within its partition; the time is when its answer had arrived whole.
  package var received: (_ partition: Int32, _ batch: RecordBatch, _ atNs: UInt64) -> Void = { _, _, _ in }
  /// Called after all batches of an answer.
  package var answered: () -> Void = {}
  /// Called when a partition cannot be read on, or a connection does not come back.
  package var failed: (ClientError) -> Void = { _ in }
  /// Called before each request, if set: returns the nanoseconds to wait first.
  package var pauseNs: (() -> UInt64)?
  /// Called before each request, if set: returns the offset to read next, in place of where the last answer ended.
  package var place: ((_ partition: Int32) -> Offset)?

  let eventLoop: any EventLoop
  let now: () -> UInt64
  private let topicID: UUID128
  let connect: (Metadata.Broker, @escaping (Result<Connection, ClientError>) -> Void) -> Void
  private var leaders: [Leader] = []
  private(set) var isClosed = false
  package internal(set) var requests = 0
  /// With `lagRecords`: how near to a partition's end an answer brought it, and how far behind one found it.
  package private(set) var lagSeen: ClosedRange<Int64>?

  /// One broker that leads partitions we read: the connection, and where we are in each.
  final class Leader {
    let broker: Metadata.Broker
    var connection: Connection?
    var partitions: [Position]
    /// Partitions that are asked for together: one request of a route is outstanding at any time.
    let routes: [Route]
    /// All partitions in one request: what waits for new records, so that no route waits behind another's request.
    let all: Route
    var outstanding = 0
    /// When the connection was lost; nil while there is one.
    var lostNs: UInt64?
    /// The number of connections lost so far: answers and timers of an earlier one are ignored.
    var epoch = 0
    /// The bytes of the connections that were lost.
    var pastBytes = (sent: 0, received: 0)
    /// Routes whose last answer was empty.
    var idle: [Route] = []

    init(_ broker: Metadata.Broker, _ partitions: [Position], requestsInFlight: Int) {
      self.broker = broker
      self.partitions = partitions
      all = Route(Array(partitions.indices))
      let count = min(requestsInFlight, partitions.count)
      routes = (0..<count).map { first in Route(Array(stride(from: first, to: partitions.count, by: count))) }
    }

    /// Everything is asked for by one request at a time, which may wait at the broker.
    var isSerial: Bool { routes.count == 1 }
  }

  final class Route {
    /// Indices of the leader's partitions.
    let members: [Int]
    /// Where the next request's list begins, so that no partition is always served last.
    var rotation = 0
    /// With `lagRecords`: not before this time are the ends of those asked for that rest while others are read.
    var nextLookNs: UInt64 = 0

    init(_ members: [Int]) { self.members = members }
  }

  struct Position {
    let partition: Int32
    var offset: Offset
    var highWatermark: Offset = .unknown
  }

  /// - Parameter offsets: where to begin; partitions without one are not read.
  package init(
    _ settings: ConsumerSettings, _ metadata: Metadata, from offsets: [Int32: Offset], on eventLoop: any EventLoop,
    now: @escaping () -> UInt64,
    connect: @escaping (Metadata.Broker, @escaping (Result<Connection, ClientError>) -> Void) -> Void
  ) {
    self.settings = settings
    self.eventLoop = eventLoop
    self.now = now
    self.connect = connect
    topicID = metadata.topicID
    for (broker, partitions) in Dictionary(grouping: metadata.partitions, by: \.leader) {
      let positions = partitions.compactMap { partition in
        offsets[partition.index].map { Position(partition: partition.index, offset: $0) }
      }
      guard !positions.isEmpty else { continue }
      leaders.append(Leader(broker, positions, requestsInFlight: max(settings.requestsInFlight, 1)))
    }
  }

  /// Connects to every leader; `then` gets the first error when one cannot be reached. `fetch` begins to read.
  package func start(then: @escaping (Result<Void, ClientError>) -> Void) {
    Connection.toAll(
      leaders, by: { connect($0.broker, $1) },
      adopt: { [self] leader, connection in
        adopt(connection, leader)
      }, then: then)
  }

  package func fetch() {
    for leader in leaders { fetchAll(of: leader) }
  }

  package func close() {
    isClosed = true
    for leader in leaders { leader.connection?.close() }
  }

  package var bytesSent: Int { leaders.reduce(0) { $0 + $1.pastBytes.sent + ($1.connection?.bytesSent ?? 0) } }
  package var bytesReceived: Int {
    leaders.reduce(0) { $0 + $1.pastBytes.received + ($1.connection?.bytesReceived ?? 0) }
  }

  /// The next offset to read of each partition.
  package var positions: [Int32: Offset] {
    var positions: [Int32: Offset] = [:]
    for position in leaders.flatMap(\.partitions) { positions[position.partition] = position.offset }
    return positions
  }

  func fetchAll(of leader: Leader) {
    for route in leader.routes { fetch(route, of: leader) }
  }

  func fetch(_ route: Route, of leader: Leader) {
    guard !isClosed, let connection = leader.connection, connection.isOpen else { return }
    if let pauseNs = pauseNs?(), pauseNs > 0 { return putOff(route, of: leader, .nanoseconds(Int64(pauseNs))) }
    let members = settings.lagRecords > 0 ? readable(route, of: leader) : route.members
    if members.isEmpty { return awaitEnds(route, of: leader) }
    if settings.lagRecords > 0 { lookAtResting(route, beside: members, of: leader) }
    if let place { for at in members { leader.partitions[at].offset = place(leader.partitions[at].partition) } }
    // Answers come in the order of their requests: one that waited at the broker would hold up the others.
    let mayWait = leader.isSerial || route === leader.all
    var request = FetchRequest()
    request.maxWaitMs = mayWait ? Int32(settings.maxWaitMs) : 0
    request.minBytes = mayWait ? Int32(settings.minBytes) : 0
    request.maxBytes = Int32(settings.maxBytes)
    let count = members.count
    let partitions = (0..<count).map { index in
      let position = leader.partitions[members[(index + route.rotation) % count]]
      return FetchRequest.Partition.with {
        $0.partition = position.partition
        $0.fetchOffset = position.offset
        $0.partitionMaxBytes = Int32(settings.partitionMaxBytes)
      }
    }
    route.rotation = (route.rotation + 1) % count
    request.topics = [
      .with {
        $0.topic = settings.topic
        $0.topicID = topicID
        $0.partitions = partitions
      }
    ]
    requests += 1
    leader.outstanding += 1
    // From version 13 topics go by id; a broker without ids for its topics cannot be asked so.
    let epoch = leader.epoch
    connection.send(request, limit: topicID == .zero ? 12 : .max) { [self] result in
      guard !isClosed, epoch == leader.epoch else { return }
      leader.outstanding -= 1
      switch result {
      case .failure(let error): lost(leader, error)
      case .success(let response): read(response, route, of: leader)
      }
    }
    connection.flush()
  }

  private func read(_ response: FetchResponse, _ route: Route, of leader: Leader) {
    let atNs = now()
    guard response.errorCode == .none else {
      return refuse(route, of: leader, response.errorCode, "fetching \(settings.topic)")
    }
    let answers = response.responses.flatMap(\.partitions)
    var spans: [(partition: Int32, from: Offset, bytes: ByteBuffer)] = []
    for answer in answers {
      guard let at = leader.partitions.firstIndex(where: { $0.partition == answer.partitionIndex }) else { continue }
      guard answer.errorCode == .none else {
        return refuse(route, of: leader, answer.errorCode, "fetching \(settings.topic)-\(answer.partitionIndex)")
      }
      leader.partitions[at].highWatermark = answer.highWatermark
      guard let bytes = answer.records.bytes, bytes.readableBytes > 0 else { continue }
      let from = leader.partitions[at].offset
      spans.append((answer.partitionIndex, from, bytes))
      if let next = Self.nextOffset(after: bytes) { leader.partitions[at].offset = max(from, next) }
      if settings.lagRecords > 0 { note(leader.partitions[at], from: from) }
    }
    // The next requests are under way while these records are looked at.
    fetchNext(after: route, of: leader, isEmpty: spans.isEmpty)
    for span in spans { deliver(span.partition, span.from, span.bytes, leader, atNs) }
    answered()
  }

  private func note(_ position: Position, from: Offset) {
    let nearest = position.highWatermark.rawValue - position.offset.rawValue
    let furthest = position.highWatermark.rawValue - from.rawValue
    lagSeen = min(lagSeen?.lowerBound ?? nearest, nearest)...max(lagSeen?.upperBound ?? furthest, furthest)
  }

  /// A route whose answer was empty rests until another's is not; when all rest, one request for everything waits.
  private func fetchNext(after route: Route, of leader: Leader, isEmpty: Bool) {
    if leader.isSerial { return fetch(route, of: leader) }
    if isEmpty {
      if route !== leader.all { leader.idle.append(route) }
      if leader.outstanding == 0 { fetch(leader.all, of: leader) }
      return
    }
    let rested = route === leader.all ? leader.routes : leader.idle + [route]
    leader.idle = []
    for route in rested { fetch(route, of: leader) }
  }

  /// Returns the offset after the last whole batch, from the headers alone; nil when there is no whole batch.
  static func nextOffset(after bytes: ByteBuffer) -> Offset? {
    bytes.withUnsafeReadableBytes { raw in
      var next: Offset?
      var at = 0
      while raw.count - at >= BatchField.records {
        let header = RecordBatchHeader(reading: UnsafeRawBufferPointer(rebasing: raw[at...]))
        guard header.length >= 0, at + header.sizeInBytes <= raw.count else { break }
        next = header.nextOffset
        at += header.sizeInBytes
      }
      return next
    }
  }

  private func deliver(_ partition: Int32, _ from: Offset, _ bytes: ByteBuffer, _ leader: Leader, _ atNs: UInt64) {
    var bytes = bytes
    while bytes.readableBytes >= BatchField.records {
      do {
        let batch = try RecordBatch(viewing: bytes, checkingCRC: settings.checksCRC)
        bytes.moveReaderIndex(forwardBy: batch.sizeInBytes)
        // A fetch in the middle of a batch gets all of it; what was read before is not the caller's again.
        if batch.header.lastOffset >= from && !batch.header.attributes.isControl { received(partition, batch, atNs) }
      } catch .truncated {
        return  // The last batch was cut off at the size limit; the next fetch begins with it.
      } catch {
        return failed(
          .malformed(leader.broker.endpoint, what: "a batch of \(settings.topic)-\(partition): \(error)"))
      }
    }
  }

  func refuse(_ route: Route, of leader: Leader, _ code: ErrorCode, _ what: String) {
    let error = ClientError.refused(leader.broker.endpoint, what: what, code: code, message: nil)
    guard code.isRetriable else { return failed(error) }
    putOff(route, of: leader, .milliseconds(Int64(ClientLimits.retryBackoffMs)))
  }

  private func putOff(_ route: Route, of leader: Leader, _ time: TimeAmount) {
    // It is still under way: what looks for routes that all rest must not ask for its partitions as well.
    leader.outstanding += 1
    let epoch = leader.epoch
    eventLoop.assumeIsolated().scheduleTask(in: time) { [weak self] in
      guard epoch == leader.epoch else { return }
      leader.outstanding -= 1
      self?.fetch(route, of: leader)
    }
  }
}
