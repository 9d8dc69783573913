package import Model

// The requests of clients. Each is refused, or begins one change, which is answered when its record is in the log.

extension Transactions {
  /// Gives a producer the id and epoch under which it writes, and fences whoever had the transactional id before.
  ///
  /// A transaction under way is aborted first, with an epoch that nobody is given; the client gets CONCURRENT_TRANSACTIONS and asks again,
  /// for the epoch after that. Worked case: epoch 7 is Ongoing, and its producer has crashed. The new one's first request aborts with epoch
  /// 8, the second finds CompleteAbort and gets 9. A late batch of epoch 7 is refused by the marker's 8.
  mutating func initProducerID(_ request: RequestID, _ asked: InitProducerID, nowMs: Int64) -> [Effect] {
    let id = asked.transactionalID
    guard asked.timeoutMs > 0, asked.timeoutMs <= timeoutMsMax else {
      return refuse(request, .invalidTransactionTimeout)
    }
    guard let entry = entries[id] else { return initNew(request, asked, nowMs: nowMs) }
    let state = entry.state
    guard entry.pending == nil else { return refuse(request, .concurrentTransactions) }
    if let expected = asked.expected, !state.knows(expected) { return refuse(request, unknown(expected, state)) }
    switch state.status {
    case .prepareCommit, .prepareAbort:
      return refuse(request, .concurrentTransactions)
    case .ongoing:
      return begin(id, state.fenced(nowMs: nowMs), answering: request, .refused(.concurrentTransactions))
    case .empty, .completeCommit, .completeAbort, .dead, .prepareEpochFence:
      return initKnown(request, asked, state, nowMs: nowMs)
    }
  }

  private mutating func initNew(_ request: RequestID, _ asked: InitProducerID, nowMs: Int64) -> [Effect] {
    guard let newProducerID = asked.newProducerID else { return [.drawProducerID(.initProducerID(request, asked))] }
    let state = TransactionState(producerID: newProducerID, timeoutMs: asked.timeoutMs, nowMs: nowMs)
    return initialize(request, asked, state, nowMs: nowMs)
  }

  /// No transaction is under way. When the epochs of the producer id are used up, the client gets a new one.
  private mutating func initKnown(
    _ request: RequestID, _ asked: InitProducerID, _ state: TransactionState, nowMs: Int64
  ) -> [Effect] {
    guard state.isEpochExhausted, asked.expected.map({ $0.epoch == state.producerEpoch }) ?? true else {
      return initialize(request, asked, state, nowMs: nowMs)
    }
    guard let newProducerID = asked.newProducerID else { return [.drawProducerID(.initProducerID(request, asked))] }
    let next = state.rotated(
      to: newProducerID, keepsLastEpoch: asked.expected != nil, timeoutMs: asked.timeoutMs, nowMs: nowMs)
    return begin(asked.transactionalID, next, answering: request, next.producer)
  }

  private mutating func initialize(
    _ request: RequestID, _ asked: InitProducerID, _ state: TransactionState, nowMs: Int64
  ) -> [Effect] {
    let next = state.initialized(expectedEpoch: asked.expected?.epoch, timeoutMs: asked.timeoutMs, nowMs: nowMs)
    guard let next else { return refuse(request, asked.expected.map { unknown($0, state) } ?? .producerFenced) }
    return begin(asked.transactionalID, next, answering: request, next.producer)
  }

  /// Adds partitions to a transaction, which begins with the first.
  mutating func addPartitions(_ request: RequestID, _ asked: AddPartitions, nowMs: Int64) -> [Effect] {
    let entry: Entry
    switch find(asked.transactionalID, asked.producer) {
    case .failure(let refusal): return refuse(request, refusal.code)
    case .success(let found): entry = found
    }
    guard entry.pending == nil else { return refuse(request, .concurrentTransactions) }
    let isNothingNew = entry.state.status == .ongoing && entry.state.contains(asked.partitions)
    guard !isNothingNew, !asked.partitions.isEmpty else { return [.respond(request, .done)] }
    let next = entry.state.adding(asked.partitions, version: asked.version, nowMs: nowMs)
    return begin(asked.transactionalID, next, answering: request)
  }

  /// Whether each partition is part of the producer's transaction now: nil when it is. Changes nothing.
  package func verify(_ asked: AddPartitions) -> [ErrorCode?] {
    switch find(asked.transactionalID, asked.producer) {
    case .failure(let refusal): return asked.partitions.map { _ in refusal.code }
    case .success(let entry):
      let present = Set(entry.state.partitions)
      return asked.partitions.map { present.contains($0) ? nil : .transactionAbortable }
    }
  }

  private struct Refusal: Error { let code: ErrorCode }

  /// Finds the transactional id of a producer that is the present one, and whose last transaction is complete or under way.
  private func find(_ id: String, _ producer: ProducerIdentity) -> Result<Entry, Refusal> {
    guard let entry = entries[id] else { return .failure(Refusal(code: .invalidProducerIdMapping)) }
    let state = entry.state
    let isDecided = state.status.decided != nil
    if isDecided, state.isNext(producer) { return .failure(Refusal(code: .concurrentTransactions)) }
    guard state.producerID == producer.id else { return .failure(Refusal(code: .invalidProducerIdMapping)) }
    guard state.producerEpoch == producer.epoch else { return .failure(Refusal(code: unknown(producer, state))) }
    return isDecided ? .failure(Refusal(code: .concurrentTransactions)) : .success(entry)
  }

  // MARK: The end of a transaction

  /// Decides a transaction's outcome.
  mutating func end(_ request: RequestID, _ asked: End, nowMs: Int64) -> [Effect] {
    guard let entry = entries[asked.transactionalID] else { return refuse(request, .invalidProducerIdMapping) }
    if asked.version >= TransactionState.Limits.epochRisesFrom {
      return endRaisingEpoch(request, asked, entry, nowMs: nowMs)
    }
    let state = entry.state
    guard state.producerID == asked.producer.id else { return refuse(request, .invalidProducerIdMapping) }
    guard state.producerEpoch == asked.producer.epoch else { return refuse(request, unknown(asked.producer, state)) }
    guard entry.pending == nil else { return refuse(request, .concurrentTransactions) }
    if state.status == .ongoing {
      let next = state.decided(asked.outcome, version: asked.version, nowMs: nowMs)
      return begin(asked.transactionalID, next, answering: request, next.producer)
    }
    // A client that has lost the response asks again.
    if state.status.completed == asked.outcome { return [.respond(request, state.producer)] }
    return refuse(request, state.status.decided == asked.outcome ? .concurrentTransactions : .invalidTxnState)
  }

  /// Decides a transaction's outcome for a client of version 2: its epoch rises with each, so that an end with the epoch before the
  /// present one is a repetition, and an end with the present one is the next transaction's. That may be one to which nothing was added,
  /// which can be aborted, because a client may not know whether its first produce arrived.
  ///
  /// | state | repeated abort | abort | repeated commit | commit |
  /// |---|---|---|---|---|
  /// | Empty | fenced | aborted | fenced | INVALID_TXN_STATE |
  /// | CompleteAbort | done | aborted | INVALID_TXN_STATE | INVALID_TXN_STATE |
  /// | CompleteCommit | INVALID_TXN_STATE | aborted | done | INVALID_TXN_STATE |
  private mutating func endRaisingEpoch(
    _ request: RequestID, _ asked: End, _ entry: Entry, nowMs: Int64
  ) -> [Effect] {
    let state = entry.state
    if state.isNext(asked.producer) { return refuse(request, .concurrentTransactions) }
    let isAfterRotation = state.isRotation(of: asked.producer)
    guard state.producerID == asked.producer.id || isAfterRotation else {
      return refuse(request, .invalidProducerIdMapping)
    }
    let isRepeated = isAfterRotation || state.isBump(of: asked.producer)
    let isPresent = state.producer == .producer(id: asked.producer.id, epoch: asked.producer.epoch)
    guard isPresent && state.status.decided == nil || isRepeated && state.hasDecided else {
      return refuse(request, unknown(asked.producer, state))
    }
    guard entry.pending == nil else { return refuse(request, .concurrentTransactions) }
    if isRepeated {
      if state.status.completed == asked.outcome { return [.respond(request, state.producer)] }
      return refuse(request, state.status.decided == asked.outcome ? .concurrentTransactions : .invalidTxnState)
    }
    guard state.status == .ongoing || asked.outcome == .abort else { return refuse(request, .invalidTxnState) }
    if state.isEpochExhausted, asked.newProducerID == nil { return [.drawProducerID(.end(request, asked))] }
    let newProducerID = state.isEpochExhausted ? asked.newProducerID ?? -1 : -1
    let next = state.decided(asked.outcome, version: asked.version, newProducerID: newProducerID, nowMs: nowMs)
    return begin(asked.transactionalID, next, answering: request, next.completed(nowMs: nowMs).producer)
  }

  /// The error for a producer whose epoch is not the present one: a newer producer has fenced it, or a newer coordinator has made it.
  private func unknown(_ producer: ProducerIdentity, _ state: TransactionState) -> ErrorCode {
    let isLater = producer.id == state.producerID && producer.epoch > state.producerEpoch
    return mayBeSucceeded && isLater ? .notCoordinator : .producerFenced
  }

  private func refuse(_ request: RequestID, _ code: ErrorCode) -> [Effect] { [.respond(request, .refused(code))] }
}

extension TransactionState {
  fileprivate var producer: Transactions.Response { .producer(id: producerID, epoch: producerEpoch) }

  /// Whether an outcome is decided or carried out.
  fileprivate var hasDecided: Bool { status.decided != nil || status.completed != nil }

  /// Whether a client that says it has this producer id may have it: it is the present one, or the one before, whose epochs were used up
  /// by the request that is repeated now.
  fileprivate func knows(_ expected: ProducerIdentity) -> Bool {
    isUnborn || expected.id == producerID
      || expected.id == previousProducerID && Self.isExhausted(expected.epoch)
  }

  /// Whether `producer` is what the client is from now on: it has its next producer id with the response to its end, before the markers
  /// are written.
  fileprivate func isNext(_ producer: ProducerIdentity) -> Bool {
    nextProducerID >= 0 && producer == .init(id: nextProducerID, epoch: 0)
  }

  /// Whether this is the state after an end by `producer` that made the epoch rise.
  fileprivate func isBump(of producer: ProducerIdentity) -> Bool {
    // A client is never told of the last epoch but by the producer id that follows.
    producerID == producer.id && Int(producerEpoch) == Int(producer.epoch) + 1
      && (producerEpoch <= Limits.lastEpoch || nextProducerID >= 0)
  }

  /// Whether this is the state after an end by `producer` that used up its epochs.
  fileprivate func isRotation(of producer: ProducerIdentity) -> Bool {
    previousProducerID == producer.id && producer.epoch == Limits.lastEpoch && producerEpoch == 0
  }
}
