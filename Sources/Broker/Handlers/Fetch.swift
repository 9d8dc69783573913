import Model
import NIOCore
import Storage
import Wire

extension LocalBroker {
  /// Reads each partition in the order of the request, as file ranges. When all together are fewer bytes than the client
  /// wants, and nothing went wrong, the fetch parks until there are enough or its time is up.
  func fetch(_ request: FetchRequest, _ context: RequestContext) -> Reply<FetchResponse> {
    var answer = FetchResponse()
    // Sessions are never granted: a client that asks for one gets session 0 and goes on with full fetches (KIP-227).
    // A client that speaks of a session has it from another broker.
    if request.sessionID != 0, request.sessionEpoch > 0 {
      answer.errorCode = .fetchSessionIdNotFound
      return .now(answer)
    }
    let fetch = Fetch(request, version: context.version, maxBytes: config.fetchMaxBytes)
    if fetch.wantsMessages { return fetchMessages(fetch, context) }
    let first = fetch.read(self)
    if first.byteCount >= fetch.minBytes || first.mustNotWait || fetch.maxWaitMs <= 0 || fetch.isEmpty {
      return .spliced(first.answer, first.ranges)
    }
    guard parkedFetches.enter(partitions: fetch.partitionCount) else { return .spliced(first.answer, first.ranges) }
    let pending = context.pending(FetchResponse.self)
    park(fetch, after: first, until: pending.reply.eventLoop.now + .milliseconds(Int64(fetch.maxWaitMs)), pending)
    return .later
  }

  /// The same for a client that wants messages older than Kafka 0.11: its batches are read and unpacked in memory, which takes too
  /// long for an event loop.
  private func fetchMessages(_ fetch: Fetch, _ context: RequestContext) -> Reply<FetchResponse> {
    let pending = context.pending(FetchResponse.self)
    let deadline = pending.reply.eventLoop.now + .milliseconds(Int64(fetch.maxWaitMs))
    offload.submit(.request) {
      let first = fetch.read(self)
      pending.reply.onEventLoop {
        if first.byteCount >= fetch.minBytes || first.mustNotWait || fetch.maxWaitMs <= 0 || fetch.isEmpty
          || !self.parkedFetches.enter(partitions: fetch.partitionCount)
        {
          return pending.complete(first.answer, ranges: first.ranges)
        }
        self.park(fetch, after: first, until: deadline, pending)
      }
    }
    return .later
  }

  /// Parks on every partition that was read; one that has changed since makes it read again at once. A wake that finds too
  /// little after all (a partition grew between read and parking) parks again.
  private func park(
    _ fetch: Fetch, after read: Fetch.Found, until deadline: NIODeadline, _ pending: PendingAnswer<FetchResponse>
  ) {
    let waiter = Waiter(lacking: fetch.minBytes - read.byteCount, eventLoop: pending.reply.eventLoop) { reason in
      guard fetch.wantsMessages else {
        return self.answer(fetch, fetch.read(self), after: reason, until: deadline, pending)
      }
      self.offload.submit(.request) {
        let found = fetch.read(self)
        pending.reply.onEventLoop { self.answer(fetch, found, after: reason, until: deadline, pending) }
      }
    }
    pending.reply.whenClosed {
      if waiter.cancel() { self.parkedFetches.leave(partitions: fetch.partitionCount) }
    }
    for place in read.places where !place.partition.park(waiter, for: place.need) {
      waiter.wake(.satisfied)
      return
    }
    waiter.start(until: deadline)
  }

  private func answer(
    _ fetch: Fetch, _ found: Fetch.Found, after reason: Waiter.Reason, until deadline: NIODeadline,
    _ pending: PendingAnswer<FetchResponse>
  ) {
    guard found.byteCount >= fetch.minBytes || found.mustNotWait || reason != .satisfied else {
      return park(fetch, after: found, until: deadline, pending)
    }
    parkedFetches.leave(partitions: fetch.partitionCount)
    pending.complete(found.answer, ranges: found.ranges)
  }
}

/// One fetch, resolved to partitions, and read as often as it needs to be.
struct Fetch: Sendable {
  private let request: FetchRequest
  private let version: Int16
  private let maxBytes: Int
  let minBytes: Int
  let maxWaitMs: Int32

  @inline(__always)
  init(_ request: FetchRequest, version: Int16, maxBytes: Int) {
    if request.namesOnePartition { self.request = request } else { self.request = request.withoutDoubles }
    self.version = version
    let most = min(Int(request.maxBytes), maxBytes)
    // Messages are made in memory, and a request may name one partition many thousand times.
    self.maxBytes = Self.messageMagic(version) == nil ? most : min(most, Limits.messageAnswerBytes)
    // More than the answer may hold can never be reached.
    minBytes = min(max(Int(request.minBytes), 0), self.maxBytes)
    maxWaitMs = request.maxWaitMs
  }

  /// The client is older than batches.
  var wantsMessages: Bool { Self.messageMagic(version) != nil }

  var isEmpty: Bool { partitionCount == 0 }

  var partitionCount: Int { request.topics.reduce(0) { $0 + $1.partitions.count } }

  /// An answer so far, with what it takes to wait for more.
  struct Found: Sendable {
    var answer = FetchResponse()
    var ranges: [FileRange] = []
    var byteCount = 0
    /// The answer goes out however few bytes it has: a partition failed, or more is in the partition than one read returns, so that
    /// waiting would bring nothing (Kafka's DelayedFetch completes at once for a fetch on an older segment).
    var mustNotWait = false
    /// Bytes that batches may still unpack to, where they are answered as messages.
    var unpackAllowance = Limits.downConvertedBytes
    /// What was read, and what each must have for it to be worth reading again.
    var places: [(partition: Partition, need: Need)] = []
  }

  func read(_ broker: LocalBroker) -> Found {
    let image = broker.image
    var found = Found()
    for topic in request.topics {
      let (resolved, missing) = resolve(topic, image)
      var answered = FetchResponse.Topic()
      answered.topic = topic.topic
      answered.topicID = topic.topicID
      answered.partitions.reserveCapacity(topic.partitions.count)
      for wanted in topic.partitions {
        var partition = FetchResponse.Partition()
        partition.partitionIndex = wanted.partition
        partition.abortedTransactions = request.isolationLevel == 1 ? [] : nil
        if let target = resolved?.partition(wanted.partition) {
          read(wanted, from: target, &partition, &found)
        } else {
          partition.fail(missing)
        }
        if partition.errorCode != .none { found.mustNotWait = true }
        answered.partitions.append(partition)
      }
      found.answer.responses.append(answered)
    }
    return found
  }

  /// The magic of the messages, older than Kafka 0.11, that a version wants; nil for batches, as they are in the log.
  private static func messageMagic(_ version: Int16) -> Int8? {
    switch version {
    case ..<2: 0
    case 2...3: 1
    default: nil
    }
  }

  private func resolve(_ topic: FetchRequest.Topic, _ image: MetadataImage) -> (Topic?, missing: ErrorCode) {
    guard version >= 13 else { return (image.named(topic.topic), .unknownTopicOrPartition) }
    let resolved = image.withID(topic.topicID)
    return (resolved, resolved == nil ? .unknownTopicId : .unknownTopicOrPartition)
  }

  private func read(
    _ wanted: FetchRequest.Partition, from partition: Partition, _ answer: inout FetchResponse.Partition,
    _ found: inout Found
  ) {
    let left = max(0, maxBytes - found.byteCount)
    do throws(PartitionError) {
      let read = try partition.read(
        Partition.Wanted(
          offset: wanted.fetchOffset, maxBytes: min(Int(wanted.partitionMaxBytes), left),
          // The first batch of an answer may pass every limit, or a consumer would wait for it for ever. Before version 3
          // Kafka gave each partition a part of a message, from which old clients learned to ask for more: they get it whole,
          // as long as the answer has room.
          atLeastOneBatch: found.byteCount == 0 || (version < 3 && left > 0),
          isReadCommitted: request.isolationLevel == 1,
          currentLeaderEpoch: wanted.currentLeaderEpoch,
          lastFetchedEpoch: version >= 12 ? wanted.lastFetchedEpoch : -1))
      answer.highWatermark = read.highWatermark
      answer.lastStableOffset = read.lastStableOffset
      answer.logStartOffset = read.logStartOffset
      if let diverging = read.diverging {
        answer.divergingEpoch.epoch = diverging.epoch
        answer.divergingEpoch.endOffset = diverging.endOffset
        found.mustNotWait = true
        return
      }
      if (4..<10).contains(version), !read.slice.isEmpty, try partition.hasZstd(read.slice) {
        return answer.fail(.unsupportedCompressionType)
      }
      if request.isolationLevel == 1 {
        answer.abortedTransactions = read.aborted.map {
          var aborted = FetchResponse.AbortedTransaction()
          aborted.producerID = $0.producerID
          aborted.firstOffset = $0.firstOffset
          return aborted
        }
      }
      if let magic = Self.messageMagic(version) {
        let messages = try partition.messages(
          read.slice, magic: magic, from: wanted.fetchOffset, maxBytes: Int(wanted.partitionMaxBytes),
          allowance: &found.unpackAllowance)
        guard let messages else { return answer.fail(.unsupportedCompressionType) }
        answer.records = .bytes(messages)
      } else {
        if read.slice.byteCount > 0 { answer.records = .spliced(byteCount: read.slice.byteCount) }
        if found.ranges.isEmpty { found.ranges = read.slice.ranges } else { found.ranges += read.slice.ranges }
      }
      found.byteCount += read.slice.byteCount
      if read.slice.isCutBySegment { found.mustNotWait = true }
      // A fetch that has enough does not wait.
      if found.byteCount >= minBytes { return }
      if request.isolationLevel == 1, read.lastStableOffset < read.highWatermark {
        // An open transaction: what is appended cannot be read before it is decided.
        found.places.append((partition, .stable(past: read.lastStableOffset)))
      } else {
        found.places.append((partition, .bytes(past: read.highWatermark)))
      }
    } catch {
      answer.fail(ErrorCode(error))
      if case .fencedLeaderEpoch = error {
        answer.currentLeader.leaderEpoch = partition.leaderEpoch
      }
    }
  }
}

extension FetchResponse.Partition {
  /// As Kafka answers a partition it cannot read: no marks, and records that are empty but not null.
  fileprivate mutating func fail(_ code: ErrorCode) {
    errorCode = code
    highWatermark = .unknown
    lastStableOffset = .unknown
    logStartOffset = .unknown
  }
}

extension FetchRequest {
  /// True for the request that needs no look for doubles.
  fileprivate var namesOnePartition: Bool { topics.count == 1 && topics[0].partitions.count == 1 }

  /// The request with each partition once, at its first mention. Kafka too keeps one of several; what a fetch costs is then
  /// bounded by the partitions there are.
  fileprivate var withoutDoubles: FetchRequest {
    guard mayHaveDoubles else { return self }
    struct Key: Hashable {
      let topic: String
      let id: TopicID
      let partition: Int32
    }
    var seen: Set<Key> = []
    var request = self
    request.topics = topics.compactMap { topic in
      var kept = topic
      kept.partitions = topic.partitions.filter {
        seen.insert(Key(topic: topic.topic, id: topic.topicID, partition: $0.partition)).inserted
      }
      return kept.partitions.isEmpty && !topic.partitions.isEmpty ? nil : kept
    }
    return request
  }

  /// Seen without memory of its own for what consumers send: few topics, partitions in rising order or rotated.
  private var mayHaveDoubles: Bool {
    guard topics.count <= 8 else { return true }
    // By index: a loop over the elements would copy each, and count references for it, on every fetch.
    for index in topics.indices {
      for earlier in 0..<index
      where topics[earlier].topic == topics[index].topic && topics[earlier].topicID == topics[index].topicID {
        return true
      }
      if !topics[index].isRisingOrRotated { return true }
    }
    return false
  }
}

extension FetchRequest.Topic {
  fileprivate var isRisingOrRotated: Bool {
    guard var last = partitions.first?.partition else { return true }
    let first = last
    var hasTurned = false
    for next in partitions.dropFirst() {
      if next.partition <= last {
        if hasTurned { return false }
        hasTurned = true
      }
      if hasTurned, next.partition >= first { return false }
      last = next.partition
    }
    return true
  }
}
