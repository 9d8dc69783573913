import Base
import Model
import NIOCore
import Storage
import Synchronization
import Wire

extension LocalBroker {
  /// Appends each partition's batch, in the order of the request, before the connection's next request starts. The response
  /// waits for the flush to disk, where the flush settings ask for one, and with acks=all for the in-sync replicas. Batches that
  /// unpack to more than `Limits.unpackedOnLoopBytes` are checked and appended off the event loop.
  func produce(_ request: ProduceRequest, _ context: RequestContext) -> HandlerResult<ProduceResponse> {
    var appends = Appends(acks: request.acks, version: context.version, nowMs: nowMs())
    appends.refusal = refusal(of: request)
    let image = image
    if request.transactionalID != nil, appends.refusal == nil {
      appends.transaction = transactionalBatches(
        of: request, version: context.version, image, nowMs: appends.nowMs)
    }
    for topic in request.topicData {
      let found = image.named(topic.name)
      appends.topicIndex = appends.response.responses.count
      var partitions: [ProduceResponse.Partition] = []
      partitions.reserveCapacity(topic.partitionData.count)
      for data in topic.partitionData {
        var response = ProduceResponse.Partition()
        response.index = data.index
        appends.partitionIndex = partitions.count
        produce(data, to: found, &response, &appends)
        partitions.append(response)
      }
      var response = ProduceResponse.Topic()
      response.name = topic.name
      response.partitionResponses = partitions
      appends.response.responses.append(response)
    }
    for waiter in appends.woken { waiter.wake(.satisfied) }
    guard appends.deferred.isEmpty else { return appendOffLoop(appends, timeoutMs: request.timeoutMs, context) }
    // With acks=0 Kafka's only way to report an error to the producer is to close the connection.
    if request.acks == 0 { return appends.hasFailed ? .close : .silent }
    guard !appends.wait.isEmpty else { return .now(appends.response) }
    let pending = context.pending(ProduceResponse.self)
    respond(
      appends.response, after: appends.wait,
      until: pending.slot.eventLoop.now + .milliseconds(Int64(request.timeoutMs)), pending)
    return .pending
  }

  /// What a response waits for.
  struct ProduceWait: Sendable {
    var unreplicated: [Unreplicated] = []
    var unflushed: [Partition] = []

    var isEmpty: Bool { unreplicated.isEmpty && unflushed.isEmpty }
  }

  /// Responds when the records are as durable as was asked for. Called on any thread.
  func respond(
    _ response: ProduceResponse, after wait: ProduceWait, until deadline: NIODeadline,
    _ pending: PendingResponse<ProduceResponse>
  ) {
    let unreplicated = wait.unreplicated
    let whenFlushed: @Sendable (Flusher.Failures) -> Void = { failed in
      let response = response.failing(failed)
      guard !unreplicated.isEmpty else { return pending.complete(response) }
      pending.slot.onEventLoop { self.awaitReplicas(unreplicated, until: deadline, response, pending) }
    }
    if wait.unflushed.isEmpty { whenFlushed([:]) } else { flusher.flush(wait.unflushed, done: whenFlushed) }
  }

  /// Checks and appends the deferred batches on the unpack lane, then responds to the whole request. The connection's next request
  /// starts when they are appended. Batches whose turn has not come when the broker stops, or when the client that wants an
  /// acknowledgement has gone, are not looked at: unpacking a queue of them may take minutes.
  private func appendOffLoop(
    _ appends: Appends, timeoutMs: Int32, _ context: RequestContext
  ) -> HandlerResult<ProduceResponse> {
    let pending = context.pending(ProduceResponse.self)
    let deadline = pending.slot.eventLoop.now + .milliseconds(Int64(timeoutMs))
    pending.slot.holdConnection()
    let abandoned = StopFlag()
    if appends.acks != 0 { pending.slot.whenClosed { abandoned.raise() } }
    whenAnswered(appends) { appends in
      var appends = appends
      appends.unpackAllowance = UnpackAllowance(offLoop: appends.unpackAllowance)
      let deferred = appends.deferred
      appends.deferred = []
      for batch in deferred {
        appends.partitionIndex = batch.partitionIndex
        appends.topicIndex = batch.topicIndex
        var response = ProduceResponse.Partition()
        response.index = batch.data.index
        if self.stopping.isRaised || abandoned.isRaised {
          response.refuse(ProduceError(.notLeaderOrFollower, "the broker stops"))
          response.baseOffset = .unknown
          appends.hasFailed = true
        } else {
          self.produce(batch.data, to: batch.topic, &response, &appends)
        }
        appends.response.responses[batch.topicIndex].partitionResponses[batch.partitionIndex] = response
        self.waitingToUnpack.leave(batch.byteCount)
      }
      for waiter in appends.woken { waiter.wake(.satisfied) }
      pending.slot.releaseConnection()
      guard appends.acks == 0 else {
        return self.respond(appends.response, after: appends.wait, until: deadline, pending)
      }
      pending.slot.complete(appends.hasFailed ? .close : .silent)
    }
    return .pending
  }

  /// Runs `body` on the unpack lane, after the coordinator's answer where the batches wait for one.
  private func whenAnswered(_ appends: Appends, _ body: @escaping @Sendable (Appends) -> Void) {
    guard let answer = appends.transaction?.answer else { return offload.submit(.unpack) { body(appends) } }
    answer.whenGiven { response in
      var appends = appends
      appends.transaction?.take(response)
      let answered = appends
      self.offload.submit(.unpack) { body(answered) }
    }
  }

  /// Responds when every in-sync replica has the records; at `deadline` with REQUEST_TIMED_OUT, and the records stay in the log.
  private func awaitReplicas(
    _ places: [Unreplicated], until deadline: NIODeadline, _ response: ProduceResponse,
    _ pending: PendingResponse<ProduceResponse>
  ) {
    let waiter = Waiter(lacking: places.count, eventLoop: pending.slot.eventLoop) { _ in
      pending.complete(response.afterWaiting(for: places))
    }
    pending.slot.whenClosed { _ = waiter.cancel() }
    // A partition that does not take the waiter has nothing left to wait for: it counts as done.
    for place in places where !place.partition.park(waiter, for: .replicated(place.end)) {
      if waiter.gained(1) { return waiter.finish(.satisfied) }
    }
    waiter.start(until: deadline)
  }

  /// Records that not every in-sync replica has yet, with their place in the response.
  struct Unreplicated: Sendable {
    var partition: Partition
    /// The offset after the last of them.
    var end: Offset
    var topicIndex: Int
    var partitionIndex: Int
  }

  /// The response of one request so far, and what is left to do before it is sent.
  private struct Appends {
    let acks: Int16
    let version: Int16
    let nowMs: Int64
    /// The error of the whole request: nothing is appended.
    var refusal: (code: ErrorCode, message: String)?
    var response = ProduceResponse()
    var woken: [Waiter] = []
    var wait = ProduceWait()
    /// The place of the next partition in the response: the index of its topic, and its index within the topic.
    var topicIndex = 0
    var partitionIndex = 0
    var hasFailed = false
    var unpackAllowance = UnpackAllowance()
    /// Nil when the request is of no transaction.
    var transaction: TransactionalBatches?
    /// The first batch that unpacks to too much for the event loop, and all batches behind it.
    var deferred: [Deferred] = []

    init(acks: Int16, version: Int16, nowMs: Int64) {
      self.acks = acks
      self.version = version
      self.nowMs = nowMs
    }
  }

  /// The data of a partition that wait for the unpack lane, copied out of the receive buffer, which is reused meanwhile.
  private struct Deferred {
    var topic: Topic
    var data: ProduceRequest.Partition
    var byteCount: Int
    var topicIndex: Int
    var partitionIndex: Int
  }

  /// Whether a produce with acks=all waits for the replicas: always, but for a planted fault.
  static var waitsForReplicas: Bool {
    #if DEBUG
    !PlantedFault.acknowledgesBeforeTheISRHasIt.isPlanted
    #else
    true
    #endif
  }

  private func refusal(of request: ProduceRequest) -> (ErrorCode, String)? {
    if !(-1...1).contains(request.acks) { return (.invalidRequiredAcks, "acks \(request.acks) is not -1, 0 or 1") }
    if request.transactionalID != nil, request.acks != -1 {
      return (.invalidRequiredAcks, "acks is \(request.acks); a transaction's records need acks=all")
    }
    return nil
  }

  private func produce(
    _ data: ProduceRequest.Partition, to topic: Topic?, _ response: inout ProduceResponse.Partition,
    _ appends: inout Appends
  ) {
    append(data, to: topic, &response, &appends)
    if response.errorCode != .none {
      response.baseOffset = .unknown
      appends.hasFailed = true
    }
  }

  @inline(__always)
  private func append(
    _ data: ProduceRequest.Partition, to topic: Topic?, _ response: inout ProduceResponse.Partition,
    _ appends: inout Appends
  ) {
    if let refusal = appends.refusal {
      response.errorCode = refusal.code
      response.errorMessage = refusal.message
      return
    }
    guard let topic, let partition = topic.partition(data.index) else {
      response.errorCode = .unknownTopicOrPartition
      return
    }
    if let refusal = appends.transaction?.refusals[partition.name] { return response.refuse(refusal) }
    if !appends.deferred.isEmpty || appends.transaction?.answer != nil {
      return deferToUnpackLane(data, of: topic, &response, &appends)
    }
    let batch: RecordBatch
    do throws(ProduceError) {
      batch = try ProducedBatch.checked(
        data.records.bytes, for: topic.config, version: appends.version, nowMs: appends.nowMs,
        allowance: &appends.unpackAllowance)
    } catch {
      if appends.unpackAllowance.wantsOffload { return deferToUnpackLane(data, of: topic, &response, &appends) }
      response.refuse(error)
      return
    }
    if batch.header.attributes.isTransactional, appends.transaction == nil {
      return response.refuse(
        ProduceError(.transactionalIdAuthorizationFailed, "a transactional batch in a request without transactional id")
      )
    }
    do throws(PartitionError) {
      let placed = try partition.append(
        batch, forAllInSync: appends.acks == -1, nowMs: appends.nowMs,
        verification: batch.header.attributes.isTransactional
          ? appends.transaction?.verification(of: partition.name) : nil)
      response.baseOffset = placed.appended.baseOffset
      response.logAppendTimeMs = placed.appended.logAppendTimeMs
      response.logStartOffset = placed.appended.logStartOffset
      if placed.appended.needsFlush { appends.wait.unflushed.append(partition) }
      if appends.acks == -1, Self.waitsForReplicas, !placed.isReplicated {
        appends.wait.unreplicated.append(
          Unreplicated(
            partition: partition, end: placed.appended.lastOffset + 1, topicIndex: appends.topicIndex,
            partitionIndex: appends.partitionIndex))
      }
      if !placed.woken.isEmpty { appends.woken += placed.woken }
    } catch {
      response.errorCode = ErrorCode(error)
      if response.errorCode == .kafkaStorageError { appendFailed(partition, error) }
    }
  }
}

extension LocalBroker {
  /// Defers the data of a partition to the unpack lane; with `Limits.waitingToUnpackBytes` waiting there, refuses them.
  @inline(never)
  private func deferToUnpackLane(
    _ data: ProduceRequest.Partition, of topic: Topic, _ response: inout ProduceResponse.Partition,
    _ appends: inout Appends
  ) {
    let byteCount = data.records.bytes?.readableBytes ?? 0
    guard waitingToUnpack.enter(byteCount) else {
      return response.refuse(
        ProduceError(
          .requestTimedOut, "more than \(Limits.waitingToUnpackBytes) bytes of compressed batches wait to be unpacked"))
    }
    var own = data
    own.records = .bytes(data.records.bytes.map { ByteBuffer(bytes: $0.readableBytesView) })
    appends.deferred.append(
      Deferred(
        topic: topic, data: own, byteCount: byteCount, topicIndex: appends.topicIndex,
        partitionIndex: appends.partitionIndex))
  }
}

/// Counts the bytes of produced batches that wait for the unpack lane, over all connections.
final class WaitingToUnpack: Sendable {
  private let bytes = Atomic(0)

  /// Adds `count` bytes; returns false, and adds nothing, when that would exceed `Limits.waitingToUnpackBytes`.
  func enter(_ count: Int) -> Bool {
    if bytes.wrappingAdd(count, ordering: .relaxed).newValue <= Limits.waitingToUnpackBytes { return true }
    leave(count)
    return false
  }

  /// The bytes that wait now.
  var current: Int { bytes.load(ordering: .relaxed) }

  func leave(_ count: Int) { bytes.wrappingSubtract(count, ordering: .relaxed) }
}

extension ProduceResponse.Partition {
  fileprivate mutating func refuse(_ refusal: ProduceError) {
    errorCode = refusal.code
    errorMessage = refusal.message
    recordErrors = refusal.records.map { fault in
      var record = ProduceResponse.RecordError()
      record.batchIndex = fault.index
      record.batchIndexErrorMessage = fault.message
      return record
    }
  }
}

extension ProduceResponse {
  /// The same response with an error for every partition whose records are not on all in-sync replicas, or whose ISR is smaller
  /// than `min.insync.replicas`.
  fileprivate func afterWaiting(for places: [LocalBroker.Unreplicated]) -> ProduceResponse {
    var response = self
    for place in places {
      let code: ErrorCode
      switch place.partition.replicated(upTo: place.end) {
      case .success: continue
      case nil: code = .requestTimedOut
      case .failure(let error): code = ErrorCode(error)
      }
      let partition = response.responses[place.topicIndex].partitionResponses[place.partitionIndex]
      // The response has the error of a failed flush already.
      guard partition.errorCode == .none else { continue }
      response.responses[place.topicIndex].partitionResponses[place.partitionIndex].errorCode = code
      response.responses[place.topicIndex].partitionResponses[place.partitionIndex].baseOffset = .unknown
    }
    return response
  }

  /// The same response with an error for every partition whose flush failed: its records may not survive a crash.
  fileprivate func failing(_ partitions: Flusher.Failures) -> ProduceResponse {
    guard !partitions.isEmpty else { return self }
    var response = self
    for (t, topic) in responses.enumerated() {
      for (p, partition) in topic.partitionResponses.enumerated() {
        guard let code = partitions[TopicPartition(topic.name, partition.index)] else { continue }
        response.responses[t].partitionResponses[p].errorCode = code
        response.responses[t].partitionResponses[p].baseOffset = .unknown
      }
    }
    return response
  }
}
