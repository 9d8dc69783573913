package import Model

/// Tracks a log's idempotent producers: detects retried batches, refuses gaps in sequences, and finds the start of the first
/// open transaction.
///
/// Owned by one `Log`; `check` before a batch is written, `appended` after.
package struct ProducerState {
  /// Kafka's clients keep at most this many requests in flight, so that a retry is one of the last five.
  static let batchesKept = 5
  /// Producers of one log that wait for their coordinators at the same time, some 60 bytes each.
  static let verifyingMax = 10_000

  /// One batch a producer wrote.
  package struct Batch: Hashable, Sendable {
    package var lastSequence: Int32 = -1
    package var lastOffset: Offset = .unknown
    /// Last offset less the first.
    package var offsetDelta: Int32 = 0
    package var timestamp: Int64 = -1

    package var firstOffset: Offset { lastOffset - Int(offsetDelta) }
    package var firstSequence: Int32 { lastSequence < 0 ? -1 : (lastSequence &- offsetDelta) & .max }
  }

  package struct Producer: Sendable {
    package var epoch: Int16
    /// The coordinator epoch of the last transaction marker; -1 before one.
    package var coordinatorEpoch: Int32 = -1
    /// The time of the last batch or marker in milliseconds: expiry is measured from it.
    package var lastTimestamp: Int64 = -1
    /// First offset of the transaction under way.
    package var transactionStart: Offset?
    /// Oldest first; the first `batchCount` are set.
    private var batches: InlineArray<5, Batch> = .init(repeating: Batch())
    private var batchCount = 0

    init(epoch: Int16) { self.epoch = epoch }

    package var lastBatch: Batch? { batchCount == 0 ? nil : batches[batchCount - 1] }

    mutating func remember(_ batch: Batch) {
      if batchCount == ProducerState.batchesKept {
        for index in 1..<batchCount { batches[index - 1] = batches[index] }
        batchCount -= 1
      }
      batches[batchCount] = batch
      batchCount += 1
    }

    mutating func forgetBatches() { batchCount = 0 }

    func batch(firstSequence: Int32, lastSequence: Int32) -> Batch? {
      for index in 0..<batchCount
      where batches[index].lastSequence == lastSequence && batches[index].firstSequence == firstSequence {
        return batches[index]
      }
      return nil
    }
  }

  /// A transaction that a marker has ended.
  package struct Completed: Hashable {
    var producerID: Int64
    var firstOffset: Offset
    /// The marker's.
    var lastOffset: Offset
    var isAborted: Bool
  }

  /// The last that a producer has written: while it is known, the log keeps the batch.
  package enum LastRecord: Hashable, Sendable {
    /// Its last batch, which ends at this offset.
    case batch(lastOffset: Offset)
    /// A marker of this epoch: no batch of it is known.
    case marker(epoch: Int16)

    init(_ producer: Producer) {
      self = producer.lastBatch.map { .batch(lastOffset: $0.lastOffset) } ?? .marker(epoch: producer.epoch)
    }
  }

  /// A producer whose first batch of a transaction waits for the coordinator's answer.
  private struct Verifying {
    let number: UInt64
    var epoch: Int16
    /// Of the batches that wait.
    var lowestSequence: Int32
    let sinceMs: Int64
  }

  private(set) var producers: [Int64: Producer] = [:]
  private var verifying: [Int64: Verifying] = [:]
  private var lastVerification: UInt64 = 0
  /// Transactions without a marker yet, oldest first.
  private var open: [(producerID: Int64, firstOffset: Offset)] = []
  /// Transactions whose marker the high watermark has not passed, oldest first: still unstable.
  private var unreplicated: [Completed] = []
  /// What the state has seen: everything below.
  package var endOffset: Offset = 0

  package init() {}

  package var count: Int { producers.count }
  var undecidedCount: Int { unreplicated.count }
  /// What compaction must keep of each producer, by its id.
  var lastRecords: [Int64: LastRecord] { producers.mapValues(LastRecord.init) }
  package func producer(_ id: Int64) -> Producer? { producers[id] }

  // MARK: Before a batch is written

  /// Checks whether a batch may follow what its producer wrote; returns the earlier batch when a client's batch is a retry.
  func check(_ header: RecordBatchHeader, from origin: AppendOrigin = .client) throws(AppendError) -> Batch? {
    // Unknown, or removed by expiry: any sequence will do.
    guard let producer = producers[header.producerID] else { return nil }
    guard header.producerEpoch >= producer.epoch else {
      throw .invalidProducerEpoch(producerID: header.producerID, latest: producer.epoch, got: header.producerEpoch)
    }
    guard origin == .client, !header.attributes.isControl else { return nil }
    guard header.producerEpoch == producer.epoch else {
      guard header.baseSequence == 0 else {
        throw .outOfOrderSequence(producerID: header.producerID, expected: 0, got: header.baseSequence)
      }
      return nil
    }
    let (first, last) = (header.baseSequence, header.lastSequence)
    if let earlier = producer.batch(firstSequence: first, lastSequence: last) { return earlier }
    guard let previous = producer.lastBatch else {
      // Only markers so far in this epoch: it begins at 0.
      guard first == 0 else { throw .outOfOrderSequence(producerID: header.producerID, expected: 0, got: first) }
      return nil
    }
    let expected = previous.lastSequence == .max ? 0 : previous.lastSequence + 1
    guard first == expected else {
      throw .outOfOrderSequence(producerID: header.producerID, expected: expected, got: first)
    }
    return nil
  }

  /// Whether a transaction marker's coordinator is still the one that owns the producer.
  func check(_ marker: EndTransactionMarker, of producerID: Int64) throws(AppendError) {
    guard let producer = producers[producerID], marker.coordinatorEpoch < producer.coordinatorEpoch else { return }
    throw .coordinatorFenced(
      producerID: producerID, latest: producer.coordinatorEpoch, got: marker.coordinatorEpoch)
  }

  // MARK: Verification

  /// See `Log.beginVerification`.
  mutating func beginVerification(of header: RecordBatchHeader, nowMs: Int64) -> TransactionVerification? {
    if isOpen(header) { return nil }
    if var present = verifying[header.producerID] {
      if present.epoch < header.producerEpoch {
        (present.epoch, present.lowestSequence) = (header.producerEpoch, header.baseSequence)
      } else if present.epoch == header.producerEpoch {
        present.lowestSequence = min(present.lowestSequence, header.baseSequence)
      }
      verifying[header.producerID] = present
      return TransactionVerification(number: present.number)
    }
    // Those that are forgotten here are refused when they come to be appended.
    if verifying.count >= Self.verifyingMax { verifying = [:] }
    lastVerification += 1
    verifying[header.producerID] = Verifying(
      number: lastVerification, epoch: header.producerEpoch, lowestSequence: header.baseSequence, sinceMs: nowMs)
    return TransactionVerification(number: lastVerification)
  }

  private func isOpen(_ header: RecordBatchHeader) -> Bool {
    guard let producer = producers[header.producerID] else { return false }
    return producer.transactionStart != nil && producer.epoch == header.producerEpoch
  }

  /// Whether the transaction of a batch is open, or was confirmed and has not ended since. Of batches that wait at the same time the first
  /// sequence goes first: a log that knows nothing of the producer could not tell that one is missing.
  func check(_ verification: TransactionVerification, of header: RecordBatchHeader) throws(AppendError) {
    if isOpen(header) { return }
    guard let present = verifying[header.producerID], present.number == verification.number else {
      throw .unverified(producerID: header.producerID)
    }
    guard present.epoch != header.producerEpoch || header.baseSequence <= present.lowestSequence else {
      throw .outOfOrderSequence(
        producerID: header.producerID, expected: present.lowestSequence, got: header.baseSequence)
    }
  }

  // MARK: After it was written

  /// Takes note of a batch of records, its offsets assigned.
  package mutating func appended(_ header: RecordBatchHeader) {
    endOffset = header.nextOffset
    guard header.hasProducer else { return }
    update(header.producerID, epoch: header.producerEpoch) { producer in
      producer.remember(
        Batch(
          lastSequence: header.lastSequence, lastOffset: header.lastOffset, offsetDelta: header.lastOffsetDelta,
          timestamp: header.maxTimestamp))
      producer.lastTimestamp = header.maxTimestamp
    }
    if header.attributes.isTransactional, producers[header.producerID]?.transactionStart == nil {
      producers[header.producerID]?.transactionStart = header.baseOffset
      open.append((header.producerID, header.baseOffset))
      verifying[header.producerID] = nil
    }
  }

  /// Puts back what a producer was before batches of it were noted that were then not written.
  ///
  /// - Precondition: they were of no transaction.
  mutating func restore(_ producer: Producer?, of id: Int64, endOffset: Offset) {
    producers[id] = producer
    self.endOffset = endOffset
  }

  /// Takes note of a control batch that ends no transaction. One that compaction has emptied is kept for its producer's epoch.
  package mutating func appendedControl(_ header: RecordBatchHeader) {
    endOffset = header.nextOffset
    guard header.hasProducer, header.count == 0 else { return }
    update(header.producerID, epoch: header.producerEpoch) { $0.lastTimestamp = header.maxTimestamp }
  }

  /// Takes note of a transaction marker; returns the transaction it ended, nil when the transaction had no records.
  package mutating func appended(_ marker: EndTransactionMarker, _ header: RecordBatchHeader) -> Completed? {
    endOffset = header.nextOffset
    var start: Offset?
    update(header.producerID, epoch: header.producerEpoch) { producer in
      start = producer.transactionStart
      producer.transactionStart = nil
      producer.coordinatorEpoch = marker.coordinatorEpoch
      producer.lastTimestamp = header.maxTimestamp
    }
    verifying[header.producerID] = nil
    guard let start else { return nil }
    open.removeAll { $0.producerID == header.producerID }
    let completed = Completed(
      producerID: header.producerID, firstOffset: start, lastOffset: header.lastOffset,
      isAborted: marker.outcome == .abort)
    unreplicated.append(completed)
    return completed
  }

  private mutating func update(_ id: Int64, epoch: Int16, _ change: (inout Producer) -> Void) {
    var producer = producers[id] ?? Producer(epoch: epoch)
    if producer.epoch != epoch {
      producer.epoch = epoch
      producer.forgetBatches()
    }
    change(&producer)
    producers[id] = producer
  }

  // MARK: Transactions

  /// First offset of the oldest transaction that has no marker below `highWatermark`: what read_committed must not pass.
  mutating func firstUnstableOffset(highWatermark: Offset) -> Offset? {
    let undecided = open.first?.firstOffset
    // So it is with each read of most logs.
    if unreplicated.isEmpty { return undecided }
    unreplicated.removeAll { $0.lastOffset < highWatermark }
    let decided = unreplicated.map(\.firstOffset).min()
    guard let undecided, let decided else { return undecided ?? decided }
    return min(undecided, decided)
  }

  /// Where the last stable offset stands once `completed` is decided: what the transaction index notes.
  func lastStableOffset(after completed: Completed) -> Offset {
    open.first?.firstOffset ?? completed.lastOffset + 1
  }

  // MARK: Forgetting

  /// Forgets producers silent for `expirationMs`, unless a transaction is under way.
  ///
  /// A last batch without timestamp, or of a time that is yet to come, counts as written now: it would be forgotten at once, or
  /// never.
  mutating func expire(nowMs: Int64, expirationMs: Int64) {
    for (id, producer) in producers where producer.transactionStart == nil {
      if producer.lastTimestamp < 0 || producer.lastTimestamp > nowMs {
        producers[id]?.lastTimestamp = nowMs
      } else if nowMs - producer.lastTimestamp >= expirationMs {
        producers[id] = nil
      }
    }
    verifying = verifying.filter { nowMs.subtractingClamped($0.value.sinceMs) < expirationMs }
  }

  /// Puts in a producer as a snapshot remembers it.
  mutating func restore(_ id: Int64, _ producer: Producer) {
    producers[id] = producer
    if let start = producer.transactionStart {
      open.append((id, start))
      open.sort { $0.firstOffset < $1.firstOffset }
    }
  }
}

/// Says that a batch's transaction was confirmed by its coordinator, after `Log.beginVerification`.
package struct TransactionVerification: Hashable, Sendable {
  let number: UInt64

  /// For a batch whose transaction was open in its log: if it has ended since, the batch is refused.
  package static let open = TransactionVerification(number: 0)
}
