import Model
import NIOCore
import Storage
import Synchronization
import Wire

extension LocalBroker {
  /// Appends each partition's batch, in the order of the request. All of it is done before the connection's next
  /// request starts; the answer waits for a flush to disk, where one is asked for, and with acks=all for the replicas in sync.
  /// Batches that unpack to too much for an event loop are checked and appended off it, and the connection's next request waits.
  func produce(_ request: ProduceRequest, _ context: RequestContext) -> Reply<ProduceResponse> {
    var appends = Appends(acks: request.acks, version: context.version, nowMs: nowMs())
    appends.refusal = refusal(of: request)
    let image = image
    for topic in request.topicData {
      let found = image.named(topic.name)
      appends.topicIndex = appends.answer.responses.count
      var answers: [ProduceResponse.Partition] = []
      answers.reserveCapacity(topic.partitionData.count)
      for data in topic.partitionData {
        var answer = ProduceResponse.Partition()
        answer.index = data.index
        appends.partitionIndex = answers.count
        produce(data, to: found, &answer, &appends)
        answers.append(answer)
      }
      var answer = ProduceResponse.Topic()
      answer.name = topic.name
      answer.partitionResponses = answers
      appends.answer.responses.append(answer)
    }
    for waiter in appends.woken { waiter.wake(.satisfied) }
    guard appends.deferred.isEmpty else { return appendOffLoop(appends, timeoutMs: request.timeoutMs, context) }
    // Kafka's only way to tell a producer that wants no answers.
    if request.acks == 0 { return appends.hasFailed ? .close : .silent }
    guard !appends.unflushed.isEmpty || !appends.unreplicated.isEmpty else { return .now(appends.answer) }
    let pending = context.pending(ProduceResponse.self)
    answer(appends, until: pending.reply.eventLoop.now + .milliseconds(Int64(request.timeoutMs)), pending)
    return .later
  }

  /// Answers when the records are as durable as was asked for. From any thread.
  private func answer(_ appends: Appends, until deadline: NIODeadline, _ pending: PendingAnswer<ProduceResponse>) {
    let (answer, unreplicated) = (appends.answer, appends.unreplicated)
    let whenFlushed: @Sendable (Flusher.Failures) -> Void = { failed in
      let answer = answer.failing(failed)
      guard !unreplicated.isEmpty else { return pending.complete(answer) }
      pending.reply.onEventLoop { self.awaitReplicas(unreplicated, until: deadline, answer, pending) }
    }
    if appends.unflushed.isEmpty { whenFlushed([:]) } else { flusher.flush(appends.unflushed, done: whenFlushed) }
  }

  /// Checks and appends what was deferred on the unpack lane; then answers the whole request.
  private func appendOffLoop(
    _ appends: Appends, timeoutMs: Int32, _ context: RequestContext
  ) -> Reply<ProduceResponse> {
    let pending = context.pending(ProduceResponse.self)
    let deadline = pending.reply.eventLoop.now + .milliseconds(Int64(timeoutMs))
    pending.reply.holdConnection()
    offload.submit(.unpack) {
      var appends = appends
      appends.unpackAllowance = UnpackAllowance(offLoop: appends.unpackAllowance)
      let deferred = appends.deferred
      appends.deferred = []
      for batch in deferred {
        appends.partitionIndex = batch.partitionIndex
        appends.topicIndex = batch.topicIndex
        var answer = ProduceResponse.Partition()
        answer.index = batch.data.index
        self.produce(batch.data, to: batch.topic, &answer, &appends)
        appends.answer.responses[batch.topicIndex].partitionResponses[batch.partitionIndex] = answer
        self.waitingToUnpack.leave(batch.byteCount)
      }
      for waiter in appends.woken { waiter.wake(.satisfied) }
      pending.reply.releaseConnection()
      guard appends.acks == 0 else { return self.answer(appends, until: deadline, pending) }
      pending.reply.complete(appends.hasFailed ? .close : .silent)
    }
    return .later
  }

  /// Answers when every in-sync replica has the records, or the request's time is up: then REQUEST_TIMED_OUT, and the records stay.
  private func awaitReplicas(
    _ places: [Unreplicated], until deadline: NIODeadline, _ answer: ProduceResponse,
    _ pending: PendingAnswer<ProduceResponse>
  ) {
    let waiter = Waiter(lacking: places.count, eventLoop: pending.reply.eventLoop) { _ in
      pending.complete(answer.afterWaiting(for: places))
    }
    pending.reply.whenClosed { _ = waiter.cancel() }
    for place in places where !place.partition.park(waiter, for: .replicated(place.end)) {
      if waiter.gained(1) { return waiter.finish(.satisfied) }
    }
    waiter.start(until: deadline)
  }

  /// Records that not every in-sync replica has yet, with where their answer stands in the request's.
  struct Unreplicated: Sendable {
    var partition: Partition
    /// The offset after their last.
    var end: Offset
    var topicIndex: Int
    var partitionIndex: Int
  }

  /// What one request's appends leave behind.
  private struct Appends {
    let acks: Int16
    let version: Int16
    let nowMs: Int64
    /// The whole request is refused with this.
    var refusal: (code: ErrorCode, message: String)?
    var answer = ProduceResponse()
    var woken: [Waiter] = []
    var unreplicated: [Unreplicated] = []
    var unflushed: [Partition] = []
    /// Where the next partition's answer stands: of which topic, and within the topic.
    var topicIndex = 0
    var partitionIndex = 0
    var hasFailed = false
    var unpackAllowance = UnpackAllowance()
    /// The first batch that unpacks to too much for the event loop, and all behind it.
    var deferred: [Deferred] = []

    init(acks: Int16, version: Int16, nowMs: Int64) {
      self.acks = acks
      self.version = version
      self.nowMs = nowMs
    }
  }

  /// A partition's data that wait for the unpack lane, in memory of their own: the receive buffer is used again meanwhile.
  private struct Deferred {
    var topic: Topic
    var data: ProduceRequest.Partition
    var byteCount: Int
    var topicIndex: Int
    var partitionIndex: Int
  }

  private func refusal(of request: ProduceRequest) -> (ErrorCode, String)? {
    if !(-1...1).contains(request.acks) { return (.invalidRequiredAcks, "acks \(request.acks) is not -1, 0 or 1") }
    if request.transactionalID != nil { return (.invalidTxnState, "transactions are not served") }
    return nil
  }

  private func produce(
    _ data: ProduceRequest.Partition, to topic: Topic?, _ answer: inout ProduceResponse.Partition,
    _ appends: inout Appends
  ) {
    append(data, to: topic, &answer, &appends)
    if answer.errorCode != .none {
      answer.baseOffset = .unknown
      appends.hasFailed = true
    }
  }

  @inline(__always)
  private func append(
    _ data: ProduceRequest.Partition, to topic: Topic?, _ answer: inout ProduceResponse.Partition,
    _ appends: inout Appends
  ) {
    if let refusal = appends.refusal {
      answer.errorCode = refusal.code
      answer.errorMessage = refusal.message
      return
    }
    guard let topic, let partition = topic.partition(data.index) else {
      answer.errorCode = .unknownTopicOrPartition
      return
    }
    if !appends.deferred.isEmpty { return wait(data, of: topic, &answer, &appends) }
    let batch: RecordBatch
    do throws(ProducedBatch.Refusal) {
      batch = try ProducedBatch.checked(
        data.records.bytes, for: topic.config, version: appends.version, nowMs: appends.nowMs,
        allowance: &appends.unpackAllowance)
    } catch {
      if appends.unpackAllowance.wantsOffload { return wait(data, of: topic, &answer, &appends) }
      answer.refuse(error)
      return
    }
    do throws(PartitionError) {
      let placed = try partition.append(batch, forAllInSync: appends.acks == -1, nowMs: appends.nowMs)
      answer.baseOffset = placed.appended.baseOffset
      answer.logAppendTimeMs = placed.appended.logAppendTimeMs
      answer.logStartOffset = placed.appended.logStartOffset
      if placed.appended.needsFlush { appends.unflushed.append(partition) }
      if appends.acks == -1, !placed.isReplicated {
        appends.unreplicated.append(
          Unreplicated(
            partition: partition, end: placed.appended.lastOffset + 1, topicIndex: appends.topicIndex,
            partitionIndex: appends.partitionIndex))
      }
      if !placed.woken.isEmpty { appends.woken += placed.woken }
    } catch {
      answer.errorCode = ErrorCode(error)
    }
  }
}

extension LocalBroker {
  /// Leaves a partition's data to the unpack lane, unless too much waits there.
  @inline(never)
  private func wait(
    _ data: ProduceRequest.Partition, of topic: Topic, _ answer: inout ProduceResponse.Partition,
    _ appends: inout Appends
  ) {
    let byteCount = data.records.bytes?.readableBytes ?? 0
    guard waitingToUnpack.enter(byteCount) else {
      return answer.refuse(
        ProducedBatch.Refusal(
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

/// Bytes of produced batches that wait for the unpack lane, over all connections.
final class WaitingToUnpack: Sendable {
  private let bytes = Atomic(0)

  /// False: too many wait already.
  func enter(_ count: Int) -> Bool {
    if bytes.wrappingAdd(count, ordering: .relaxed).newValue <= Limits.waitingToUnpackBytes { return true }
    leave(count)
    return false
  }

  func leave(_ count: Int) { bytes.wrappingSubtract(count, ordering: .relaxed) }
}

extension ProduceResponse.Partition {
  fileprivate mutating func refuse(_ refusal: ProducedBatch.Refusal) {
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
  /// The same answer with an error for every partition whose records are not on all replicas in sync, or on too few of them.
  fileprivate func afterWaiting(for places: [LocalBroker.Unreplicated]) -> ProduceResponse {
    var answer = self
    for place in places {
      let code: ErrorCode
      switch place.partition.replicated(upTo: place.end) {
      case .success: continue
      case nil: code = .requestTimedOut
      case .failure(let error): code = ErrorCode(error)
      }
      let partition = answer.responses[place.topicIndex].partitionResponses[place.partitionIndex]
      // A failed flush was told already.
      guard partition.errorCode == .none else { continue }
      answer.responses[place.topicIndex].partitionResponses[place.partitionIndex].errorCode = code
      answer.responses[place.topicIndex].partitionResponses[place.partitionIndex].baseOffset = .unknown
    }
    return answer
  }

  /// The same answer with an error for partitions that were not flushed: their records may not survive.
  fileprivate func failing(_ partitions: Flusher.Failures) -> ProduceResponse {
    guard !partitions.isEmpty else { return self }
    var answer = self
    for (t, topic) in responses.enumerated() {
      for (p, partition) in topic.partitionResponses.enumerated() {
        guard let code = partitions[TopicPartition(topic.name, partition.index)] else { continue }
        answer.responses[t].partitionResponses[p].errorCode = code
        answer.responses[t].partitionResponses[p].baseOffset = .unknown
      }
    }
    return answer
  }
}
