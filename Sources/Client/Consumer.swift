package import Model
package import NIOCore
import Wire

/// How a consumer fetches. The names are those of Kafka's consumer.
package struct ConsumerSettings: Sendable {
  package var topic: String
  package var minBytes = 1
  package var maxWaitMs = 500
  /// Of one answer.
  package var maxBytes = 8 << 20
  /// Of one partition in one answer.
  package var partitionMaxBytes = 1 << 20
  /// Whether batches' checksums are compared.
  package var checksCRC = true

  package init(topic: String) { self.topic = topic }
}

/// Reads assigned partitions, from given offsets, without a group.
///
/// One request a leader is outstanding at any time: the next one leaves as soon as an answer's batch headers tell where to
/// go on, before its records are looked at, so that broker and consumer work at the same time. Confined to one event loop.
package final class Consumer {
  package let settings: ConsumerSettings
  /// Called with each batch, in order within its partition; the time is when its answer had arrived whole.
  package var received: (_ partition: Int32, _ batch: RecordBatch, _ atNs: UInt64) -> Void = { _, _, _ in }
  /// Called after all batches of an answer.
  package var answered: () -> Void = {}
  /// Called when a partition cannot be read on, or a connection does not come back.
  package var failed: (ClientError) -> Void = { _ in }

  private let eventLoop: any EventLoop
  private let now: () -> UInt64
  private let topicID: UUID128
  private let connect: (Metadata.Broker, @escaping (Result<Connection, ClientError>) -> Void) -> Void
  private var routes: [Route] = []
  private var isClosed = false
  package private(set) var requests = 0

  /// One leader: the connection, and the partitions read from it.
  final class Route {
    let broker: Metadata.Broker
    var connection: Connection?
    var partitions: [Position]
    /// Where the next request's list begins, so that no partition is always served last.
    var rotation = 0

    init(_ broker: Metadata.Broker, _ partitions: [Position]) {
      self.broker = broker
      self.partitions = partitions
    }
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
      if !positions.isEmpty { routes.append(Route(broker, positions)) }
    }
  }

  /// Connects to every leader; `then` gets the first error when one cannot be reached. `fetch` begins to read.
  package func start(then: @escaping (Result<Void, ClientError>) -> Void) {
    var missing = routes.count
    guard missing > 0 else { return then(.success(())) }
    for route in routes {
      connect(route.broker) { [self] result in
        guard missing > 0 else { return }
        switch result {
        case .failure(let error):
          missing = 0
          then(.failure(error))
        case .success(let connection):
          route.connection = connection
          connection.onEnd = { [weak self] error in
            guard let self, !self.isClosed else { return }
            self.failed(error)
          }
          missing -= 1
          if missing == 0 { then(.success(())) }
        }
      }
    }
  }

  package func fetch() {
    for route in routes { fetch(route) }
  }

  package func close() {
    isClosed = true
    for route in routes { route.connection?.close() }
  }

  package var bytesSent: Int { routes.reduce(0) { $0 + ($1.connection?.bytesSent ?? 0) } }
  package var bytesReceived: Int { routes.reduce(0) { $0 + ($1.connection?.bytesReceived ?? 0) } }

  /// The next offset to read of each partition.
  package var positions: [Int32: Offset] {
    var positions: [Int32: Offset] = [:]
    for position in routes.flatMap(\.partitions) { positions[position.partition] = position.offset }
    return positions
  }

  private func fetch(_ route: Route) {
    guard !isClosed, let connection = route.connection, connection.isOpen else { return }
    var request = FetchRequest()
    request.maxWaitMs = Int32(settings.maxWaitMs)
    request.minBytes = Int32(settings.minBytes)
    request.maxBytes = Int32(settings.maxBytes)
    let count = route.partitions.count
    let partitions = (0..<count).map { index in
      let position = route.partitions[(index + route.rotation) % count]
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
    // From version 13 topics go by id; a broker without ids for its topics cannot be asked so.
    connection.send(request, limit: topicID == .zero ? 12 : .max) { [self] result in
      guard !isClosed else { return }
      switch result {
      case .failure(let error): failed(error)
      case .success(let response): read(response, route)
      }
    }
    connection.flush()
  }

  private func read(_ response: FetchResponse, _ route: Route) {
    let atNs = now()
    guard response.errorCode == .none else { return refuse(route, response.errorCode, "fetching \(settings.topic)") }
    let answers = response.responses.flatMap(\.partitions)
    var spans: [(partition: Int32, from: Offset, bytes: ByteBuffer)] = []
    for answer in answers {
      guard let at = route.partitions.firstIndex(where: { $0.partition == answer.partitionIndex }) else { continue }
      guard answer.errorCode == .none else {
        return refuse(route, answer.errorCode, "fetching \(settings.topic)-\(answer.partitionIndex)")
      }
      route.partitions[at].highWatermark = answer.highWatermark
      guard let bytes = answer.records.bytes, bytes.readableBytes > 0 else { continue }
      let from = route.partitions[at].offset
      spans.append((answer.partitionIndex, from, bytes))
      if let next = Self.nextOffset(after: bytes) { route.partitions[at].offset = max(from, next) }
    }
    // The next request is under way while these records are looked at.
    fetch(route)
    for span in spans { deliver(span.partition, span.from, span.bytes, route, atNs) }
    answered()
  }

  /// The offset after the last whole batch, from the headers alone; nil when there is no whole batch.
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

  private func deliver(_ partition: Int32, _ from: Offset, _ bytes: ByteBuffer, _ route: Route, _ atNs: UInt64) {
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
          .malformed(route.broker.endpoint, what: "a batch of \(settings.topic)-\(partition): \(error)"))
      }
    }
  }

  private func refuse(_ route: Route, _ code: ErrorCode, _ what: String) {
    let error = ClientError.refused(route.broker.endpoint, what: what, code: code, message: nil)
    guard code.isRetriable else { return failed(error) }
    let backoff = TimeAmount.milliseconds(Int64(ClientLimits.retryBackoffMs))
    eventLoop.assumeIsolated().scheduleTask(in: backoff) { [weak self] in self?.fetch(route) }
  }
}
