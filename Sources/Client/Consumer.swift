package import Model
package import NIOCore
import Wire

/// Holds a consumer's settings, named as Kafka's.
package struct ConsumerSettings: Sendable {
  package var topic: String
  package var minBytes = 1
  package var maxWaitMs = 500
  /// The most bytes of one fetch response.
  package var maxBytes = 8 << 20
  /// The most bytes of one partition in a fetch response.
  package var partitionMaxBytes = 1 << 20
  /// Fetches outstanding at each leader. Kafka's own consumers have one, so the leader idles between a response and the next
  /// request; with two, for different partitions, it does not.
  package var requestsInFlight = 1
  /// Verifies the checksum of each batch.
  package var checksCRC = true
  /// Reads up to the last stable offset, and skips records of aborted transactions (`isolation.level=read_committed`).
  package var readsCommitted = false
  /// The distance in records that reading keeps behind each partition's end; 0 reads to the end.
  package var lagRecords: Int64 = 0
  /// The time for which reconnecting to a lost leader is tried before the consumer fails.
  package var reconnectTimeoutMs = 120_000

  package init(topic: String) { self.topic = topic }
}

/// Reads assigned partitions of a topic from given offsets; `GroupConsumer` has them assigned by a consumer group.
///
/// The next fetch is sent as soon as a response's batch headers give the next offset, before the records are read, so that
/// broker and consumer work at the same time. Confined to one event loop.
package final class Consumer {
  package let settings: ConsumerSettings
  /// Called with each batch, in order within its partition; the time is the arrival of the whole response.
  package var received: (_ partition: Int32, _ batch: RecordBatch, _ atNs: UInt64) -> Void = { _, _, _ in }
  /// Called with each batch whose checksum is wrong, in the place where it stands; reading continues behind it.
  package var damaged: (_ partition: Int32, _ header: RecordBatchHeader, _ atNs: UInt64) -> Void = { _, _, _ in }
  /// Called after all batches of a response.
  package var answered: () -> Void = {}
  /// Called once, when a partition cannot be read further, or reconnecting has failed for `reconnectTimeoutMs`: nothing is read
  /// after that.
  package var failed: (ClientError) -> Void = { _ in }
  /// Called before each batch is delivered, if set, with its number of records; returns the nanoseconds to wait first. The
  /// next fetch is then sent when the whole response has been delivered.
  package var pauseNs: ((_ records: Int) -> UInt64)?
  /// Called before each fetch, if set; returns the offset to fetch from, instead of the end of the last response.
  package var nextOffset: ((_ partition: Int32) -> Offset)?

  let eventLoop: any EventLoop
  let now: () -> UInt64
  private let topicID: UUID128
  private var metadata: Metadata
  /// The lookups of leaders so far, and whether one is under way.
  private var leaderLookups = 0
  private var isLookingForLeaders = false
  let connect: (Metadata.Broker, @escaping (Result<BrokerConnection, ClientError>) -> Void) -> Void
  private var leaders: [Leader] = []
  /// The bytes of connections to brokers that lead no partition any more.
  private var pastBytes = (sent: 0, received: 0)
  private(set) var isClosed = false
  private(set) var hasFailed = false
  package internal(set) var requests = 0
  /// The records of aborted transactions that were skipped, with `readsCommitted`.
  package private(set) var abortedRecords = 0
  /// With `lagRecords`: the smallest and largest distance seen between a position and its partition's end.
  package private(set) var lagSeen: ClosedRange<Int64>?

  /// Holds the connection to one broker and the positions in the partitions that it leads.
  final class Leader {
    let broker: Metadata.Broker
    var connection: BrokerConnection?
    var partitions: [Position]
    /// Each group has one fetch outstanding.
    let groups: [FetchGroup]
    /// All partitions, for the long poll: a group's own long poll would hold up the others.
    let all: FetchGroup
    var outstanding = 0
    /// When the connection was lost; nil while connected.
    var lostNs: UInt64?
    /// The number of connections lost so far: responses and timers of an earlier connection are ignored.
    var epoch = 0
    /// The bytes sent and received over lost connections.
    var pastBytes = (sent: 0, received: 0)
    /// Groups whose last response was empty.
    var idle: [FetchGroup] = []

    init(_ broker: Metadata.Broker, _ partitions: [Position], requestsInFlight: Int) {
      self.broker = broker
      self.partitions = partitions
      all = FetchGroup(Array(partitions.indices))
      let count = min(requestsInFlight, partitions.count)
      groups = (0..<count).map { first in FetchGroup(Array(stride(from: first, to: partitions.count, by: count))) }
    }

    /// One fetch covers all partitions and may long-poll.
    var isSerial: Bool { groups.count == 1 }
  }

  /// Names partitions of one leader that are fetched together.
  final class FetchGroup {
    /// Indices of the leader's partitions.
    let members: [Int]
    /// The member that the next fetch names first, so that no partition is always served last.
    var rotation = 0
    /// The earliest time of the next ListOffsets for paused partitions (with `lagRecords`).
    var nextPollNs: UInt64 = 0

    init(_ members: [Int]) { self.members = members }
  }

  struct Position {
    let partition: Int32
    var offset: Offset
    var highWatermark: Offset = .unknown
  }

  /// - Parameter offsets: the first offset of each partition; partitions without one are not read.
  package init(
    _ settings: ConsumerSettings, _ metadata: Metadata, from offsets: [Int32: Offset], on eventLoop: any EventLoop,
    now: @escaping () -> UInt64,
    connect: @escaping (Metadata.Broker, @escaping (Result<BrokerConnection, ClientError>) -> Void) -> Void
  ) {
    self.settings = settings
    self.eventLoop = eventLoop
    self.now = now
    self.connect = connect
    topicID = metadata.topicID
    self.metadata = metadata
    leaders = makeLeaders(from: offsets)
  }

  private func makeLeaders(from offsets: [Int32: Offset]) -> [Leader] {
    Dictionary(grouping: metadata.partitions, by: \.leader).compactMap { broker, partitions in
      let positions = partitions.compactMap { partition in
        offsets[partition.index].map { Position(partition: partition.index, offset: $0) }
      }
      guard !positions.isEmpty else { return nil }
      return Leader(broker, positions, requestsInFlight: max(settings.requestsInFlight, 1))
    }
  }

  /// Reads these partitions from these offsets from now on, and no others. What was asked for before is not delivered any more.
  package func assign(_ offsets: [Int32: Offset]) {
    let old = leaders
    for leader in old { leader.epoch += 1 }
    leaders = makeLeaders(from: offsets)
    for leader in leaders {
      if let before = old.first(where: { $0.broker == leader.broker }) { take(over: before, leader) }
    }
    for leader in old where !leaders.contains(where: { $0.broker == leader.broker }) { retire(leader) }
    for leader in leaders {
      if leader.connection != nil { fetchAll(of: leader) } else { connectAnew(leader) }
    }
  }

  /// Asks for the partitions' present leaders, and reads on from those.
  func lookForLeaders() {
    guard !isLookingForLeaders, !isClosed, !hasFailed else { return }
    isLookingForLeaders = true
    leaderLookups += 1
    LeaderLookup.ask(settings.topic, metadata.brokers(from: leaderLookups), by: connect) { [weak self] found in
      guard let self, !self.isClosed, !self.hasFailed else { return }
      self.isLookingForLeaders = false
      if let found { self.follow(found) }
    }
  }

  private func follow(_ found: Metadata) {
    let before = metadata.partitions.map(\.leader)
    guard found.topicID == topicID else { return }
    metadata = found
    if found.partitions.map(\.leader) != before { assign(positions) }
  }

  private func take(over old: Leader, _ new: Leader) {
    new.pastBytes = old.pastBytes
    if let connection = old.connection { adopt(connection, new) }
    old.connection = nil
  }

  private func retire(_ leader: Leader) {
    pastBytes.sent += leader.pastBytes.sent + (leader.connection?.bytesSent ?? 0)
    pastBytes.received += leader.pastBytes.received + (leader.connection?.bytesReceived ?? 0)
    let connection = leader.connection
    leader.connection = nil
    connection?.close()
  }

  /// Connects to every leader; `then` gets the first error. `fetch` starts reading.
  package func start(then: @escaping (Result<Void, ClientError>) -> Void) {
    BrokerConnection.toAll(
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

  package var bytesSent: Int {
    leaders.reduce(pastBytes.sent) { $0 + $1.pastBytes.sent + ($1.connection?.bytesSent ?? 0) }
  }
  package var bytesReceived: Int {
    leaders.reduce(pastBytes.received) { $0 + $1.pastBytes.received + ($1.connection?.bytesReceived ?? 0) }
  }

  /// The next offset to read of each partition.
  package var positions: [Int32: Offset] {
    var positions: [Int32: Offset] = [:]
    for position in leaders.flatMap(\.partitions) { positions[position.partition] = position.offset }
    return positions
  }

  func fetchAll(of leader: Leader) {
    for group in leader.groups { fetch(group, of: leader) }
  }

  func fetch(_ group: FetchGroup, of leader: Leader) {
    guard !isClosed, !hasFailed, let connection = leader.connection, connection.isOpen else { return }
    let members = settings.lagRecords > 0 ? readable(group, of: leader) : group.members
    if members.isEmpty { return awaitEnds(group, of: leader) }
    if settings.lagRecords > 0 { pollPausedEnds(group, beside: members, of: leader) }
    if let nextOffset {
      for at in members { leader.partitions[at].offset = nextOffset(leader.partitions[at].partition) }
    }
    // Responses come in the order of their requests: a long poll would hold up the others.
    let mayWait = leader.isSerial || group === leader.all
    var request = FetchRequest()
    request.maxWaitMs = mayWait ? Int32(settings.maxWaitMs) : 0
    request.minBytes = mayWait ? Int32(settings.minBytes) : 0
    request.maxBytes = Int32(settings.maxBytes)
    request.isolationLevel = settings.readsCommitted ? 1 : 0
    let count = members.count
    let partitions = (0..<count).map { index in
      let position = leader.partitions[members[(index + group.rotation) % count]]
      return FetchRequest.Partition.with {
        $0.partition = position.partition
        $0.fetchOffset = position.offset
        $0.partitionMaxBytes = Int32(settings.partitionMaxBytes)
      }
    }
    group.rotation = (group.rotation + 1) % count
    request.topics = [
      .with {
        $0.topic = settings.topic
        $0.topicID = topicID
        $0.partitions = partitions
      }
    ]
    requests += 1
    leader.outstanding += 1
    // From version 13 Fetch names topics by id, which a broker may lack.
    let epoch = leader.epoch
    connection.send(request, limit: topicID == .zero ? 12 : .max) { [self] result in
      guard !isClosed, epoch == leader.epoch else { return }
      leader.outstanding -= 1
      switch result {
      case .failure(let error): lost(leader, error)
      case .success(let response): read(response, group, of: leader)
      }
    }
    connection.flush()
  }

  private func read(_ response: FetchResponse, _ group: FetchGroup, of leader: Leader) {
    guard !hasFailed else { return }
    let atNs = now()
    guard response.errorCode == .none else {
      return refuse(group, of: leader, response.errorCode, "fetching \(settings.topic)")
    }
    let answers = response.responses.flatMap(\.partitions)
    var spans: [Span] = []
    for answer in answers {
      guard let at = leader.partitions.firstIndex(where: { $0.partition == answer.partitionIndex }) else { continue }
      guard answer.errorCode == .none else {
        return refuse(group, of: leader, answer.errorCode, "fetching \(settings.topic)-\(answer.partitionIndex)")
      }
      leader.partitions[at].highWatermark = answer.highWatermark
      guard let bytes = answer.records.bytes, bytes.readableBytes > 0 else { continue }
      let from = leader.partitions[at].offset
      let aborted = AbortedTransactions(settings.readsCommitted ? answer.abortedTransactions : nil)
      spans.append(
        Span(partition: answer.partitionIndex, at: at, from: from, next: from, bytes: bytes, aborted: aborted))
      guard pauseNs == nil else { continue }
      if let next = Self.nextOffset(after: bytes) { leader.partitions[at].offset = max(from, next) }
      if settings.lagRecords > 0 { note(leader.partitions[at], from: from) }
    }
    guard pauseNs == nil else { return deliverAtPace(spans[...], after: group, of: leader, isEmpty: spans.isEmpty) }
    // The next fetches are in flight while these records are read.
    fetchNext(after: group, of: leader, isEmpty: spans.isEmpty)
    for span in spans {
      var span = span
      while let piece = nextPiece(of: &span, leader) { hand(piece, of: span, atNs) }
      // Behind a failure nothing has been read, whatever was fetched.
      if hasFailed { leader.partitions[span.at].offset = span.next }
    }
    answered()
  }

  func note(_ position: Position, from: Offset) {
    let nearest = position.highWatermark.rawValue - position.offset.rawValue
    let furthest = position.highWatermark.rawValue - from.rawValue
    lagSeen = min(lagSeen?.lowerBound ?? nearest, nearest)...max(lagSeen?.upperBound ?? furthest, furthest)
  }

  /// A group whose response was empty idles until another's is not; when all idle, one long poll covers everything.
  func fetchNext(after group: FetchGroup, of leader: Leader, isEmpty: Bool) {
    if leader.isSerial { return fetch(group, of: leader) }
    if isEmpty {
      if group !== leader.all { leader.idle.append(group) }
      if leader.outstanding == 0 { fetch(leader.all, of: leader) }
      return
    }
    let rested = group === leader.all ? leader.groups : leader.idle + [group]
    leader.idle = []
    for group in rested { fetch(group, of: leader) }
  }

  /// Returns the offset after the last whole batch, from the headers alone; nil without a whole batch.
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

  /// Holds the bytes of one partition in a response, from the next batch to deliver on.
  struct Span {
    let partition: Int32
    /// The index of the leader's partition.
    let at: Int
    /// The offset that was fetched.
    let from: Offset
    /// The offset after the last batch removed.
    var next: Offset
    var bytes: ByteBuffer
    var aborted: AbortedTransactions
  }

  /// A batch, or the header of one whose checksum is wrong.
  enum Piece {
    case batch(RecordBatch)
    case damaged(RecordBatchHeader)

    var header: RecordBatchHeader {
      switch self {
      case .batch(let batch): batch.header
      case .damaged(let header): header
      }
    }
  }

  /// Removes the next batch from a span that is not of an aborted transaction; nil at its end, and after a failure.
  func nextPiece(of span: inout Span, _ leader: Leader) -> Piece? {
    while let piece = nextWritten(of: &span, leader) {
      guard case .batch(let batch) = piece, span.aborted.skips(batch) else { return piece }
      abortedRecords += Int(batch.header.count)
    }
    return nil
  }

  private func nextWritten(of span: inout Span, _ leader: Leader) -> Piece? {
    guard !hasFailed, span.bytes.readableBytes >= BatchField.records else { return nil }
    do {
      let batch = try RecordBatch(viewing: span.bytes, checkingCRC: settings.checksCRC)
      span.bytes.moveReaderIndex(forwardBy: batch.sizeInBytes)
      span.next = max(span.next, batch.header.nextOffset)
      return .batch(batch)
    } catch .truncated {
      return nil  // The size limit truncated the last batch; the next fetch starts with it.
    } catch {
      let header = span.bytes.withUnsafeReadableBytes { RecordBatchHeader(reading: $0) }
      if case .badChecksum = error, isPlausible(header, in: span, leader) {
        span.bytes.moveReaderIndex(forwardBy: header.sizeInBytes)
        span.next = header.nextOffset
        return .damaged(header)
      }
      fail(.malformed(leader.broker.endpoint, what: "a batch of \(settings.topic)-\(span.partition): \(error)"))
      return nil
    }
  }

  /// Returns whether the offsets of a damaged batch may be believed: they continue the span within the log.
  private func isPlausible(_ header: RecordBatchHeader, in span: Span, _ leader: Leader) -> Bool {
    let end = leader.partitions[span.at].highWatermark
    return header.nextOffset > span.next && (span.next == span.from || header.baseOffset >= span.next)
      && (end == .unknown || header.nextOffset <= end)
  }

  func hand(_ piece: Piece, of span: Span, _ atNs: UInt64) {
    switch piece {
    case .batch(let batch):
      // A fetch from the middle of a batch gets all of it; the caller does not get its earlier records twice.
      if batch.header.lastOffset >= span.from && !batch.header.attributes.isControl {
        received(span.partition, batch, atNs)
      }
    case .damaged(let header): damaged(span.partition, header, atNs)
    }
  }

  func fail(_ error: ClientError) {
    guard !hasFailed else { return }
    hasFailed = true
    failed(error)
  }

  func refuse(_ group: FetchGroup, of leader: Leader, _ code: ErrorCode, _ what: String) {
    let error = ClientError.refused(leader.broker.endpoint, what: what, code: code, message: nil)
    guard code.isRetriable else { return fail(error) }
    if code.meansOldMetadata { lookForLeaders() }
    putOff(group, of: leader, .milliseconds(Int64(ClientLimits.retryBackoffMs)))
  }

  private func putOff(_ group: FetchGroup, of leader: Leader, _ time: TimeAmount) {
    // The group counts as outstanding, or `fetchNext` would fetch its partitions with `all` as well.
    leader.outstanding += 1
    let epoch = leader.epoch
    eventLoop.assumeIsolated().scheduleTask(in: time) { [weak self] in
      guard epoch == leader.epoch else { return }
      leader.outstanding -= 1
      self?.fetch(group, of: leader)
    }
  }
}
