import Cluster
import Model
import NIOCore
import Security
import Storage
import Wire

extension LocalBroker {
  /// Reads each partition in the order of the request, as file ranges. When all together have fewer bytes than `min.bytes`, and
  /// no partition has an error, the fetch parks until there are enough or `max.wait.ms` is over.
  func fetch(_ request: FetchRequest, _ context: RequestContext) -> HandlerResult<FetchResponse> {
    guard request.sessionID != 0 || request.sessionEpoch >= 0 else { return fetch(request, .sessionless, context) }
    let isAsBefore = request.topics.isEmpty && request.forgottenTopicsData.isEmpty
    var request = request
    let session = fetchSessions.begin(&request, version: context.version, nowMs: nowMs())
    guard case .refused(let code) = session else { return fetch(request, session, isAsBefore: isAsBefore, context) }
    var response = FetchResponse()
    response.errorCode = code
    return .now(response)
  }

  /// - Parameter isAsBefore: the fetch asks for what the session's last one did.
  private func fetch(
    _ request: FetchRequest, _ session: FetchSessionCache.Context, isAsBefore: Bool = false, _ context: RequestContext
  ) -> HandlerResult<FetchResponse> {
    let fetch = Fetch(
      request, session, version: context.version,
      maxBytes: min(config.fetchMaxBytes, context.charge?.responseBytesMax ?? .max), access: context.access,
      charge: context.charge)
    if fetch.wantsMessages { return fetchMessages(fetch, context) }
    let resting = fetch.leavesOutIdle ? fetchSessions.takeResting(of: session) : nil
    let mayResume = resting != nil && isAsBefore
    var first = fetch.read(self, isParked: mayResume)
    let isEnough = first.byteCount >= fetch.minBytes || first.mustNotWait || fetch.maxWaitMs <= 0 || fetch.isEmpty
    guard !isEnough, parkedFetches.enter(partitions: fetch.partitionCount, isFollower: fetch.isByFollower) else {
      resting?.wake(.released)
      fetch.finish(&first, self)
      return .spliced(first.response, first.ranges)
    }
    let pending = context.pending(FetchResponse.self)
    let deadline = pending.slot.eventLoop.now + .milliseconds(Int64(fetch.maxWaitMs))
    if let resting {
      if mayResume, fetch.isLast(first), resume(resting, fetch, after: first, until: deadline, pending) {
        return .pending
      }
      resting.wake(.released)
      if mayResume { first = fetch.read(self, isRepeated: true) }
    }
    park(fetch, after: first, until: deadline, pending)
    return .pending
  }

  /// Fetches for a client older than Kafka 0.11, off the event loop: its batches are read, unpacked and rewritten as messages, in
  /// memory.
  private func fetchMessages(_ fetch: Fetch, _ context: RequestContext) -> HandlerResult<FetchResponse> {
    let pending = context.pending(FetchResponse.self)
    let deadline = pending.slot.eventLoop.now + .milliseconds(Int64(fetch.maxWaitMs))
    offload.submit(.request) {
      let first = fetch.read(self)
      pending.slot.onEventLoop {
        if first.byteCount >= fetch.minBytes || first.mustNotWait || fetch.maxWaitMs <= 0 || fetch.isEmpty
          || !self.parkedFetches.enter(partitions: fetch.partitionCount)
        {
          var first = first
          fetch.finish(&first, self)
          return pending.complete(first.response, ranges: first.ranges)
        }
        self.park(fetch, after: first, until: deadline, pending)
      }
    }
    return .pending
  }
}

/// One Fetch request with the limits that hold for it. `read` is one attempt; a fetch that waits makes several.
struct Fetch: Sendable {
  private let request: FetchRequest
  let session: FetchSessionCache.Context
  private let version: Int16
  private let maxBytes: Int
  /// The broker that follows the partitions; negative for a consumer.
  let replica: BrokerID
  let replicaEpoch: Int64
  /// What the client may read; nil where it may read everything.
  private let access: Access?
  /// Counts what the client is sent; nil where nothing is limited.
  private let charge: QuotaCharge?
  let minBytes: Int
  let maxWaitMs: Int32

  @inline(__always)
  init(
    _ request: FetchRequest, _ session: FetchSessionCache.Context, version: Int16, maxBytes: Int, access: Access? = nil,
    charge: QuotaCharge? = nil
  ) {
    self.session = session
    self.charge = charge
    self.access = access
    if case .of = session {
      // A session has each partition once.
      self.request = request
    } else {
      self.request = request.namesOnePartition ? request : request.withoutDoubles
    }
    self.version = version
    replica = max(request.replicaID, request.replicaState.replicaID)
    replicaEpoch = request.replicaState.replicaEpoch
    let most = min(Int(request.maxBytes), maxBytes)
    // Messages are made in memory, so their response has a lower limit.
    self.maxBytes = Self.messageMagic(version) == nil ? most : min(most, Limits.messageResponseBytes)
    // The response can never have more bytes than its limit.
    minBytes = min(max(Int(request.minBytes), 0), self.maxBytes)
    maxWaitMs = request.maxWaitMs
  }

  /// Whether the client is older than record batches (Kafka 0.11).
  var wantsMessages: Bool { Self.messageMagic(version) != nil }

  var isByFollower: Bool { replica >= 0 }

  /// Whether the client is a consumer that knows that followers may serve it (KIP-392).
  var mayBeServedByFollower: Bool { replica < 0 && version >= 11 }

  var isEmpty: Bool { partitionCount == 0 }

  var partitionCount: Int { request.topics.reduce(0) { $0 + $1.partitions.count } }

  /// The response that one reading of all partitions gives, with what is needed to wait for more.
  struct Attempt: Sendable {
    var response = FetchResponse()
    var ranges: [FileRange] = []
    var byteCount = 0
    /// Those of throttled replicas.
    var throttledBytes = 0
    /// Those of the records in the response, which may be fewer where they are rewritten as messages.
    var recordBytes: Int {
      response.responses.reduce(0) { sum, topic in topic.partitions.reduce(sum) { $0 + $1.records.byteCount } }
    }
    /// The response is sent with however few bytes it has: a partition has an error, or a partition has more bytes than one read
    /// returns, so that waiting brings nothing (Kafka's DelayedFetch completes at once for a fetch on an older segment), or a follower does
    /// not know a high watermark yet.
    var mustNotWait = false
    /// The bytes that further batches may unpack to, in a response of messages.
    var unpackAllowance = Limits.downConvertedBytes
    /// The partitions that were read without an error, each with what must happen there before it is worth reading again.
    var places: [(partition: Partition, need: Need, byteCount: Int)] = []
  }

  /// - Parameters:
  ///   - isRepeated: the fetch reads again after a wait.
  ///   - isParked: a waiter is in all partitions, so the attempt need not name those that are idle.
  func read(_ broker: LocalBroker, isRepeated: Bool = false, isParked: Bool = false) -> Attempt {
    let image = broker.image
    let follower = isByFollower ? follower(broker, isRepeated: isRepeated) : nil
    var attempt = Attempt()
    for topic in request.topics {
      var (resolved, missing) = resolve(topic, image)
      if let access, !mayRead(resolved?.name ?? topic.topic, access) {
        (resolved, missing) = (nil, .topicAuthorizationFailed)
      }
      var topicResponse = FetchResponse.Topic()
      topicResponse.topic = topic.topic
      topicResponse.topicID = topic.topicID
      if !leavesOutIdle { topicResponse.partitions.reserveCapacity(topic.partitions.count) }
      for wanted in topic.partitions {
        let target = resolved?.partition(wanted.partition)
        var follower = follower?.asking(wanted)
        if leavesOutIdle, let target, leavesOut(wanted, from: target, broker, &follower) {
          if !isParked { attempt.places.append((target, .appended(past: wanted.fetchOffset), 0)) }
          continue
        }
        var partition = FetchResponse.Partition()
        partition.partitionIndex = wanted.partition
        partition.abortedTransactions = request.isolationLevel == 1 ? [] : nil
        if isTooOld(for: resolved) {
          partition.fail(.unsupportedCompressionType)
        } else if let target {
          if let follower {
            let isThrottled =
              resolved?.config.throttledLeaders.contains(wanted.partition, on: broker.brokerID) ?? false
            read(wanted, from: target, for: follower, broker, isThrottled: isThrottled, &partition, &attempt)
          } else if let rack = rack(broker), refer(wanted, of: target, to: rack, image, broker, &partition) {
            attempt.mustNotWait = true
          } else {
            read(wanted, from: target, &partition, &attempt)
          }
        } else {
          partition.fail(missing)
        }
        if partition.errorCode != .none { attempt.mustNotWait = true }
        topicResponse.partitions.append(partition)
      }
      if leavesOutIdle, topicResponse.partitions.isEmpty { continue }
      attempt.response.responses.append(topicResponse)
    }
    return attempt
  }

  /// Has the session, if there is one, take in the response and leave out of it what is not new; counts what is throttled.
  func finish(_ attempt: inout Attempt, _ broker: LocalBroker) {
    if attempt.throttledBytes > 0 {
      broker.leaderThrottle.record(bytes: attempt.throttledBytes, nowMs: broker.uptimeMs())
    }
    if let charge, !charge.consume(attempt.recordBytes) { return withhold(&attempt) }
    if case .sessionless = session { return }
    let isServed = broker.fetchSessions.finish(
      session, request, version: version, &attempt.response, nowMs: broker.nowMs())
    if !isServed { attempt.ranges = [] }
  }

  /// Leaves nothing in the response of a client that has had too many bytes: it asks for the same again. Its session, if it has one, stays as it is.
  @inline(never)
  private func withhold(_ attempt: inout Attempt) {
    attempt.ranges = []
    attempt.response = FetchResponse()
    if case .of(let id, _) = session { attempt.response.sessionID = id }
  }

  /// Whether the client may read a topic: a follower needs a right on the cluster, and a topic that is named by an unknown id is nobody's.
  @inline(never)
  private func mayRead(_ topic: String, _ access: Access) -> Bool {
    if isByFollower { return access.allowsOnCluster(.clusterAction) }
    return topic.isEmpty || access.allows(.read, .topic, topic)
  }

  /// The magic of the messages, older than Kafka 0.11, that a version wants; nil for batches, as they are in the log.
  private static func messageMagic(_ version: Int16) -> Int8? {
    switch version {
    case ..<2: 0
    case 2...3: 1
    default: nil
    }
  }

  /// Whether a client of before Fetch version 10, which does not know zstd, asks for a topic that is compressed with it. As in Kafka
  /// the topic's configuration alone decides: under `producer` such a client may know zstd all the same, and gets the batches as they are.
  private func isTooOld(for topic: Topic?) -> Bool { version < 10 && topic?.config.compressionType == .zstd }

  private func resolve(_ topic: FetchRequest.Topic, _ image: MetadataImage) -> (Topic?, missing: ErrorCode) {
    guard version >= 13 else { return (image.named(topic.topic), .unknownTopicOrPartition) }
    let resolved = image.withID(topic.topicID)
    return (resolved, resolved == nil ? .unknownTopicId : .unknownTopicOrPartition)
  }

  /// The rack of a consumer that is to read from a replica near to it; nil where every consumer reads from the leader.
  @inline(__always)
  private func rack(_ broker: LocalBroker) -> String? {
    broker.config.readsFromNearest && version >= 11 && !request.rackID.isEmpty ? request.rackID : nil
  }

  /// Names the replica in the consumer's rack, and sends no records; returns false where the consumer is to read here.
  @inline(never)
  private func refer(
    _ wanted: FetchRequest.Partition, of partition: Partition, to rack: String, _ image: MetadataImage,
    _ broker: LocalBroker, _ response: inout FetchResponse.Partition
  ) -> Bool {
    let found = partition.nearest(to: rack, reading: self.wanted(wanted, after: 0), nowMs: broker.uptimeMs()) {
      image.broker($0)?.rack
    }
    guard let found else { return false }
    response.preferredReadReplica = found.replica
    response.highWatermark = found.read.highWatermark
    response.lastStableOffset = found.read.lastStableOffset
    response.logStartOffset = found.read.logStartOffset
    return true
  }

  private func read(
    _ wanted: FetchRequest.Partition, from partition: Partition, _ response: inout FetchResponse.Partition,
    _ attempt: inout Attempt
  ) {
    do throws(PartitionError) {
      let read = try partition.read(self.wanted(wanted, after: attempt.byteCount))
      response.highWatermark = read.highWatermark
      response.lastStableOffset = read.lastStableOffset
      response.logStartOffset = read.logStartOffset
      if let diverging = read.diverging {
        response.divergingEpoch.epoch = diverging.epoch
        response.divergingEpoch.endOffset = diverging.endOffset
        attempt.mustNotWait = true
        return
      }
      if request.isolationLevel == 1 {
        response.abortedTransactions = read.aborted.map {
          var aborted = FetchResponse.AbortedTransaction()
          aborted.producerID = $0.producerID
          aborted.firstOffset = $0.firstOffset
          return aborted
        }
      }
      if let magic = Self.messageMagic(version) {
        let messages = try partition.messages(
          read.slice, magic: magic, from: wanted.fetchOffset, maxBytes: Int(wanted.partitionMaxBytes),
          allowance: &attempt.unpackAllowance)
        guard let messages else { return response.fail(.unsupportedCompressionType) }
        response.records = .bytes(messages)
      } else {
        if read.slice.byteCount > 0 { response.records = .spliced(byteCount: read.slice.byteCount) }
        if let range = read.slice.range { attempt.ranges.append(range) }
      }
      attempt.byteCount += read.slice.byteCount
      if read.slice.isCutBySegment { attempt.mustNotWait = true }
      // A fetch that has enough does not wait.
      if attempt.byteCount >= minBytes { return }
      if request.isolationLevel == 1, read.lastStableOffset < read.highWatermark {
        // A transaction is open: records appended now cannot be read before it is committed or aborted.
        attempt.places.append((partition, .stable(past: read.lastStableOffset), read.slice.byteCount))
      } else {
        attempt.places.append((partition, .bytes(past: read.highWatermark), read.slice.byteCount))
      }
    } catch { refuse(error, partition, &response) }
  }

  @inline(__always)
  func wanted(_ wanted: FetchRequest.Partition, after byteCount: Int) -> Partition.Wanted {
    let left = max(0, maxBytes - byteCount)
    return Partition.Wanted(
      offset: wanted.fetchOffset, maxBytes: min(Int(wanted.partitionMaxBytes), left),
      // The first batch of a response may exceed every limit, or a consumer would wait for it for ever. Before version 3
      // Kafka cut the first message at the limit, upon which clients asked for more bytes: here they get it whole, as
      // long as the response has room.
      atLeastOneBatch: byteCount == 0 || (version < 3 && left > 0),
      isReadCommitted: request.isolationLevel == 1,
      currentLeaderEpoch: wanted.currentLeaderEpoch,
      lastFetchedEpoch: version >= 12 ? wanted.lastFetchedEpoch : -1,
      mayBeFollower: mayBeServedByFollower)
  }

  func refuse(_ error: PartitionError, _ partition: Partition, _ response: inout FetchResponse.Partition) {
    response.fail(ErrorCode(error))
    if case .fencedLeaderEpoch = error { response.currentLeader.leaderEpoch = partition.leaderEpoch }
  }
}

extension FetchResponse.Partition {
  /// Sets the error as Kafka does for a partition that cannot be read: offsets of -1, and records that are empty but not null.
  fileprivate mutating func fail(_ code: ErrorCode) {
    errorCode = code
    highWatermark = .unknown
    lastStableOffset = .unknown
    logStartOffset = .unknown
  }
}
