import Model
import NIOCore
import Storage
import Wire

extension LocalBroker {
  /// Appends each partition's batch, in the order of the request. All of it is done before the connection's next
  /// request starts; only a flush to disk, where one is asked for, makes the answer wait.
  func produce(_ request: ProduceRequest, _ context: RequestContext) -> Reply<ProduceResponse> {
    var appends = Appends(acks: request.acks, version: context.version, nowMs: nowMs())
    appends.refusal = refusal(of: request)
    for topic in request.topicData {
      let found = topics.named(topic.name)
      var answers: [ProduceResponse.Partition] = []
      answers.reserveCapacity(topic.partitionData.count)
      for data in topic.partitionData {
        var answer = ProduceResponse.Partition()
        answer.index = data.index
        produce(data, to: found, &answer, &appends)
        if answer.errorCode != .none {
          answer.baseOffset = .unknown
          appends.hasFailed = true
        }
        answers.append(answer)
      }
      var answer = ProduceResponse.Topic()
      answer.name = topic.name
      answer.partitionResponses = answers
      appends.answer.responses.append(answer)
    }
    for fetch in appends.woken { fetch.wake(.grown) }
    // Kafka's only way to tell a producer that wants no answers.
    if request.acks == 0 { return appends.hasFailed ? .close : .silent }
    guard !appends.unflushed.isEmpty else { return .now(appends.answer) }
    let pending = context.pending(ProduceResponse.self)
    let answer = appends.answer
    flusher.flush(appends.unflushed) { failed in pending.complete(answer.failing(failed)) }
    return .later
  }

  /// What one request's appends leave behind.
  private struct Appends {
    let acks: Int16
    let version: Int16
    let nowMs: Int64
    /// The whole request is refused with this.
    var refusal: (code: ErrorCode, message: String)?
    var answer = ProduceResponse()
    var woken: [ParkedFetch] = []
    var unflushed: [Partition] = []
    var hasFailed = false
    /// Bytes that the batches may still unpack to.
    var unpackAllowance = Limits.unpackedRequestBytes

    init(acks: Int16, version: Int16, nowMs: Int64) {
      self.acks = acks
      self.version = version
      self.nowMs = nowMs
    }
  }

  private func refusal(of request: ProduceRequest) -> (ErrorCode, String)? {
    if ![-1, 0, 1].contains(request.acks) { return (.invalidRequiredAcks, "acks \(request.acks) is not -1, 0 or 1") }
    if request.transactionalID != nil { return (.invalidTxnState, "transactions are not served") }
    return nil
  }

  private func produce(
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
    guard appends.acks != -1 || topic.config.minInSyncReplicas <= 1 else {
      answer.errorCode = .notEnoughReplicas
      return
    }
    let batch: RecordBatch
    do throws(ProducedBatch.Refusal) {
      batch = try ProducedBatch.checked(
        data.records.bytes, for: topic.config, version: appends.version, nowMs: appends.nowMs,
        allowance: &appends.unpackAllowance)
    } catch {
      answer.refuse(error)
      return
    }
    do throws(PartitionError) {
      let placed = try partition.append(batch, nowMs: appends.nowMs)
      answer.baseOffset = placed.appended.baseOffset
      answer.logAppendTimeMs = placed.appended.logAppendTimeMs
      answer.logStartOffset = placed.appended.logStartOffset
      if placed.appended.needsFlush { appends.unflushed.append(partition) }
      appends.woken += placed.woken
    } catch {
      answer.errorCode = ErrorCode(error)
    }
  }
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
  /// The same answer with a storage error for partitions whose flush failed: their records may not survive.
  fileprivate func failing(_ partitions: Set<TopicPartition>) -> ProduceResponse {
    guard !partitions.isEmpty else { return self }
    var answer = self
    for (t, topic) in responses.enumerated() {
      for (p, partition) in topic.partitionResponses.enumerated()
      where partitions.contains(TopicPartition(topic.name, partition.index)) {
        answer.responses[t].partitionResponses[p].errorCode = .kafkaStorageError
        answer.responses[t].partitionResponses[p].baseOffset = .unknown
      }
    }
    return answer
  }
}
