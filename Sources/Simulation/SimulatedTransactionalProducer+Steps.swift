import Base
import Model
import NIOCore
import Wire

/// The steps of a transaction, and their requests.
extension SimulatedTransactionalProducer {
  // MARK: The plan

  func plan(_ outcome: TransactionLedger.Outcome) -> [Step] {
    let targets = drawTargets()
    var steps: [Step] = settings.isVersion2 ? [] : [.addPartitions(targets.map(\.partition))]
    for round in 0..<1 + random.below(3) {
      // The first round reaches all partitions.
      let chosen = round == 0 ? targets : targets.filter { _ in random.below(2) == 0 }
      if !chosen.isEmpty { steps.append(.produce(chosen.map { nextBatch(for: $0) })) }
    }
    if settings.copies != nil || settings.offsetsOf != nil && random.below(2) == 0 {
      steps += settings.isVersion2 ? [.commitOffsets] : [.addOffsets, .commitOffsets]
    }
    // A copier that is to come to its end is left alone.
    if !isStopping || settings.copies == nil, random.below(settings.interruptedOneIn) == 0 {
      steps.insert(.interrupt(random.pick([.crash, .stall, .replace])), at: 1 + random.below(steps.count))
    }
    return steps + [.end(outcome)]
  }

  private func drawTargets() -> [Target] {
    var left = settings.targets
    var targets: [Target] = []
    for _ in 0..<1 + random.below(3) where !left.isEmpty { targets.append(left.remove(at: random.below(left.count))) }
    return targets.sorted { $0.partition < $1.partition }
  }

  func makeBatch(for target: Target) -> Sent {
    let id = Ledger.BatchID(producer: settings.number, batch: nextBatch)
    nextBatch += 1
    let count = min(1 + random.below(settings.recordsMax), target.batchBytesMax / 64)
    let room = target.batchBytesMax / count - 48
    let batch = SimulatedBatch(
      id: id, count: count, timestamp: simulation.clientMs,
      valueBytes: min(Payload.headBytes + random.below(settings.valueBytesMax), room), sequence: 0)
    return Sent(target: target, batch: batch)
  }

  /// Makes the producer's next batch for a partition.
  private func nextBatch(for target: Target) -> Sent {
    var sent = makeBatch(for: target)
    sent.batch.sequence = sequences[target.partition] ?? 0
    sequences[target.partition] = sent.batch.sequence + Int32(sent.batch.count)
    return sent
  }

  // MARK: Steps

  func perform() {
    guard let transaction = current else { return }
    switch transaction.steps[transaction.done] {
    case .addPartitions(let partitions): add(partitions, transaction)
    case .produce(let batches): produce(batches, transaction)
    case .addOffsets: addOffsets(transaction)
    case .commitOffsets: commitOffsets(transaction)
    case .interrupt(let interruption): interrupt(interruption)
    case .end(let outcome): end(outcome, transaction)
    }
  }

  /// Goes on after a response of one code.
  private func answered(_ code: ErrorCode, _ what: String) {
    guard let transaction = current else { return }
    if code != .none { lastFailure = "\(what): \(code)" }
    switch code {
    case .none: done()
    case .concurrentTransactions, .notEnoughReplicas: tryAgain()
    case .coordinatorLoadInProgress, .coordinatorNotAvailable, .notCoordinator:
      client.coordinatorIsLost()
      tryAgain()
    case _ where simulation.movesLeaders && code.isOfMovingLeaders: tryAgain()
    // A produce that waits for its coordinator when the broker stops.
    case .notLeaderOrFollower where !simulation.mayConnect: tryAgain()
    case .producerFenced, .invalidProducerEpoch, .invalidTxnState, .transactionAbortable, .outOfOrderSequenceNumber,
      .unknownProducerId:
      // An end that is asked for again may have happened.
      let isRepeatedEnd = if case .end = transaction.steps[transaction.done] { transaction.attempts > 0 } else { false }
      let isUnverified = code == .invalidTxnState || code == .transactionAbortable
      if !isRepeatedEnd, !(isUnverified && simulation.hasDeposedCoordinator),
        ledger.isProducersAlone(transaction.id, at: simulation.timeoutClockMs)
      {
        simulation.violation(
          "\(client.name): \(what) is answered with \(code), and nobody else can have ended \(transaction.id)")
      }
      startOver()
    default:
      if !simulation.diskMayFail { simulation.violation("\(client.name): \(what) is answered with \(code)") }
      startOver()
    }
  }

  private func add(_ partitions: [TopicPartition], _ transaction: Transaction) {
    var request = AddPartitionsToTxnRequest()
    request.v3AndBelowTransactionalID = settings.transactionalID
    request.v3AndBelowProducerID = transaction.identity.id
    request.v3AndBelowProducerEpoch = transaction.identity.epoch
    for partition in partitions {
      if request.v3AndBelowTopics.last?.name != partition.topic {
        request.v3AndBelowTopics.append(.with { $0.name = partition.topic })
      }
      request.v3AndBelowTopics[request.v3AndBelowTopics.count - 1].partitions.append(partition.partition)
    }
    session.ask(request, version: 3) { [self] result in
      guard case .success(let answer) = result else { return tryAgain() }
      let codes = answer.resultsByTopicV3AndBelow.flatMap { $0.resultsByPartition.map(\.partitionErrorCode) }
      if codes.count != partitions.count {
        simulation.violation("\(client.name): AddPartitionsToTxn of \(partitions.count) has \(codes.count) results")
      }
      answered(codes.first { $0 != .none } ?? .none, "AddPartitionsToTxn")
    }
  }

  func produceRequest(_ batches: [Sent], _ transaction: Transaction) -> ProduceRequest {
    var request = ProduceRequest()
    request.transactionalID = settings.transactionalID
    request.acks = -1
    request.timeoutMs = 30_000
    for sent in batches {
      let bytes = sent.batch.bytes(
        keys: sent.target.keys, codec: settings.codec, producer: transaction.identity, isTransactional: true,
        with: &builder)
      ledger.sending(sent.batch.id, in: transaction.id)
      simulation.ledger(sent.target.partition).sending(
        sent.batch.id, count: sent.batch.count, bytes: bytes.readableBytes, timestamp: sent.batch.timestamp,
        isIdempotent: true)
      request.add(.bytes(bytes), to: sent.target.partition)
    }
    return request
  }

  private func produce(_ batches: [Sent], _ transaction: Transaction) {
    let left = batches.filter { !$0.isAcknowledged }
    guard !left.isEmpty else { return done() }
    session.ask(produceRequest(left, transaction), version: settings.isVersion2 ? 12 : 9) { [self] result in
      guard case .success(let answer) = result else { return tryAgain() }
      var refusal = ErrorCode.none
      for topic in answer.responses {
        for found in topic.partitionResponses {
          let partition = TopicPartition(topic.name, found.index)
          if found.errorCode == .none || found.errorCode == .duplicateSequenceNumber {
            acknowledged(found, partition, transaction.id)
          } else if refusal == .none {
            refusal = found.errorCode
          }
        }
      }
      answered(refusal, "a produce")
    }
  }

  private func acknowledged(
    _ found: ProduceResponse.Partition, _ partition: TopicPartition, _ id: TransactionLedger.ID
  ) {
    guard let transaction = current, case .produce(var batches) = transaction.steps[transaction.done],
      let index = batches.firstIndex(where: { $0.target.partition == partition })
    else { return simulation.violation("\(client.name): a response for \(partition), which nothing was sent to") }
    let base = found.errorCode == .none ? found.baseOffset.rawValue : -1
    batches[index].isAcknowledged = true
    current?.steps[transaction.done] = .produce(batches)
    let batch = batches[index].batch
    simulation.trace.note("\(client.name) has \(batch.id.batch) acknowledged at \(base) of \(partition)")
    simulation.ledger(partition).acknowledged(batch.id, at: base, logStart: found.logStartOffset.rawValue)
    ledger.acknowledged(at: base, in: partition, id)
  }

  private func addOffsets(_ transaction: Transaction) {
    var request = AddOffsetsToTxnRequest()
    request.transactionalID = settings.transactionalID
    request.producerID = transaction.identity.id
    request.producerEpoch = transaction.identity.epoch
    request.groupID = settings.group
    session.ask(request, version: 3) { [self] result in
      guard case .success(let answer) = result else { return tryAgain() }
      answered(answer.errorCode, "AddOffsetsToTxn")
    }
  }

  private func commitOffsets(_ transaction: Transaction) {
    guard let partition = settings.copies?.source ?? settings.offsetsOf else { return done() }
    let offset = transaction.copied?.upperBound ?? TransactionLedger.offset(of: transaction.id)
    var request = TxnOffsetCommitRequest()
    request.transactionalID = settings.transactionalID
    request.groupID = settings.group
    request.producerID = transaction.identity.id
    request.producerEpoch = transaction.identity.epoch
    request.topics = [
      .with { topic in
        topic.name = partition.topic
        topic.partitions = [
          .with {
            $0.partitionIndex = partition.partition
            $0.committedOffset = Offset(offset)
          }
        ]
      }
    ]
    session.ask(request, version: settings.isVersion2 ? 5 : 3) { [self] result in
      guard case .success(let answer) = result else { return tryAgain() }
      let code = answer.topics.first?.partitions.first?.errorCode ?? .unknownServerError
      if code == .none, settings.copies == nil { ledger.acknowledgedOffsets(transaction.id) }
      answered(code, "TxnOffsetCommit")
    }
  }

  func endRequest(_ transaction: Transaction, _ outcome: TransactionLedger.Outcome) -> EndTxnRequest {
    var request = EndTxnRequest()
    request.transactionalID = settings.transactionalID
    request.producerID = transaction.identity.id
    request.producerEpoch = transaction.identity.epoch
    request.committed = outcome == .commit
    return request
  }

  private func end(_ outcome: TransactionLedger.Outcome, _ transaction: Transaction) {
    guard simulation.mayConnect, client.connect() else { return soon { [self] in perform() } }
    ledger.ending(transaction.id, outcome)
    session.ask(endRequest(transaction, outcome), version: settings.isVersion2 ? 5 : 3) { [self] result in
      guard case .success(let answer) = result else { return tryAgain() }
      if answer.errorCode == .none {
        simulation.trace.note("\(transaction.id) has ended in \(outcome)")
        ledger.observed(transaction.id, outcome, "EndTxn was answered")
        if settings.isVersion2 { take(ProducerIdentity(id: answer.producerID, epoch: answer.producerEpoch)) }
      }
      answered(answer.errorCode, "EndTxn")
    }
  }

  // MARK: Offsets

  /// Checks the offset of its group between two transactions.
  func lookAtOffset() {
    guard let partition = settings.offsetsOf else { return beginLater() }
    let floor = ledger.committedOffset(of: settings.number)
    session.ask(OffsetFetchRequest.of([partition], group: settings.group), version: 7) { [self] result in
      if case .success(let answer) = result, answer.errorCode == .none {
        for (_, offset, error) in answer.offsets where error == .none {
          ledger.fetchedOffset(offset, of: settings.number, floor: floor)
        }
      }
      beginLater()
    }
  }
}
