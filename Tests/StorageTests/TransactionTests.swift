import Model
import NIOCore
import Testing

@testable import Storage
@testable import StorageArms

private let now = EngineBench.now

/// Transactions in a log: what readers of committed records see, and what is kept of producers.
@Suite("A transaction in a log, by every engine")
struct TransactionTests {
  static let arms: [Arm] = [.page, .btree]

  @Test("is stable when it has ended, and all that began before it have", arguments: arms)
  func overlapping(_ arm: Arm) throws {
    let bench = try EngineBench(arm)
    try bench.write(1, records: 2)
    try bench.write(2)
    try bench.write(3)
    #expect(bench.stable == 0)
    try bench.end(2, .commit)
    #expect(bench.stable == 0, "producer 1 began before")
    try bench.end(1, .abort)
    #expect(bench.stable == 3, "producer 3 is open")
    try bench.end(3, .commit)
    #expect(bench.log.lastStableOffset(highWatermark: 6) == 3, "the last marker is not replicated")
    #expect(bench.stable == 7)
  }

  @Test(
    "that was aborted is named to whoever reads its records, however the log ended", arguments: arms, [true, false])
  func aborted(_ arm: Arm, clean: Bool) throws {
    let bench = try EngineBench(arm)
    // 0, 1: producer 1; 2: producer 2; segments end in the midst of both.
    try bench.write(1, records: 2)
    try bench.roll()
    try bench.write(2)
    try bench.end(1, .abort)
    try bench.roll()
    try bench.write(1, sequence: 2)
    try bench.end(2, .abort)
    try bench.end(1, .commit)
    func check() throws {
      let first = AbortedTransaction(producerID: 1, firstOffset: 0, lastOffset: 3, lastStableOffset: 2)
      let second = AbortedTransaction(producerID: 2, firstOffset: 2, lastOffset: 5, lastStableOffset: 4)
      #expect(try bench.log.abortedTransactions(from: 0, upTo: 7) == [first, second])
      #expect(try bench.log.abortedTransactions(from: 0, upTo: 2) == [first])
      #expect(try bench.log.abortedTransactions(from: 4, upTo: 7) == [second])
      #expect(try bench.log.abortedTransactions(from: 6, upTo: 7) == [])
      #expect(bench.stable == 7)
    }
    try check()
    try bench.reopen(LogMemory(recoveryPoint: 0), clean: clean)
    try check()
  }

  @Test("is still open after a restart, and its marker is taken then", arguments: arms, [true, false])
  func reopened(_ arm: Arm, clean: Bool) throws {
    let bench = try EngineBench(arm)
    try bench.write(1)
    try bench.write(2)
    try bench.end(2, .commit, coordinatorEpoch: 4)
    try bench.reopen(LogMemory(recoveryPoint: 0), clean: clean)
    #expect(bench.stable == 0)
    #expect(bench.log.activeProducers.map(\.id) == [1, 2])
    #expect(bench.log.activeProducers.map(\.state.transactionStart) == [0, nil])
    #expect(bench.log.activeProducers.map(\.state.coordinatorEpoch) == [-1, 4])
    try bench.end(1, .abort)
    #expect(bench.stable == 4)
    #expect(try bench.log.abortedTransactions(from: 0, upTo: 4).map(\.producerID) == [1])
  }

  @Test("is open again when its marker is cut off", arguments: arms)
  func truncated(_ arm: Arm) throws {
    let bench = try EngineBench(arm)
    try bench.write(1)
    try bench.end(1, .abort)
    try bench.write(2)
    try bench.end(2, .abort)
    try bench.log.truncate(to: 3, nowMs: now)
    #expect(bench.stable == 2)
    #expect(try bench.log.abortedTransactions(from: 0, upTo: 3).map(\.producerID) == [1])
    try bench.end(2, .commit)
    #expect(bench.stable == 4)
    #expect(try bench.log.abortedTransactions(from: 0, upTo: 4).map(\.producerID) == [1])
  }

  @Test("whose first records are deleted holds readers back from the log's start on", arguments: arms)
  func startDeleted(_ arm: Arm) throws {
    let bench = try EngineBench(arm)
    try bench.write(1, records: 3)
    _ = try bench.append(2)
    try bench.log.deleteRecords(before: 2, nowMs: now)
    #expect(bench.stable == 2)
    try bench.end(1, .commit)
    #expect(bench.stable == 6)
  }

  @Test("ends by a marker of any size and time that the topic would not take of a client", arguments: arms)
  func smallLimit(_ arm: Arm) throws {
    let bench = try EngineBench(arm)
    try bench.write(1)
    bench.log.config.maxMessageBytes = 10
    bench.log.config.segmentBytes = 20
    bench.log.config.timestampAfterMaxMs = 0
    try bench.end(1, .abort, timestamp: now + 5)
    #expect(bench.stable == 2)
    #expect(throws: AppendError.self) { try bench.write(1, sequence: 1) }
  }

  @Test("ends with the epoch of its marker: older batches are refused, and the next epoch begins at 0", arguments: arms)
  func fenced(_ arm: Arm) throws {
    let bench = try EngineBench(arm)
    try bench.write(1, sequence: 7)
    try bench.end(1, .abort, epoch: 1)
    #expect(throws: AppendError.invalidProducerEpoch(producerID: 1, latest: 1, got: 0)) {
      try bench.write(1, sequence: 8)
    }
    #expect(throws: AppendError.outOfOrderSequence(producerID: 1, expected: 0, got: 8)) {
      try bench.write(1, epoch: 1, sequence: 8)
    }
    try bench.write(1, epoch: 1, sequence: 0)
    #expect(throws: AppendError.invalidProducerEpoch(producerID: 1, latest: 1, got: 0)) {
      try bench.end(1, .commit, epoch: 0)
    }
    try bench.end(1, .commit, epoch: 1)
    try bench.write(1, epoch: 1, sequence: 1)
    #expect(bench.stable == 4)
  }

  @Test("keeps its producer known, however long it is silent", arguments: arms)
  func expiry(_ arm: Arm) throws {
    let bench = try EngineBench(arm)
    try bench.write(1)
    try bench.write(2)
    try bench.end(2, .commit)
    bench.log.expireProducers(nowMs: now + 1000, expirationMs: 1000)
    #expect(bench.log.activeProducers.map(\.id) == [1])
    try bench.end(1, .commit)
    bench.log.expireProducers(nowMs: now + 1000, expirationMs: 1000)
    #expect(bench.log.activeProducers.isEmpty)
    try bench.write(1, sequence: 40)
    #expect(bench.log.activeProducers.map(\.id) == [1], "an unknown producer begins with any sequence")
  }
}

/// What is asked of a batch that begins a transaction in a log.
@Suite("The verification of a transaction")
struct TransactionVerificationTests {
  let bench: EngineBench
  private var log: Log { bench.log }

  init() throws { bench = try EngineBench(.page) }

  private func header(_ producer: Int64 = 1, epoch: Int16 = 0, sequence: Int32 = 0) -> RecordBatchHeader {
    EngineBench.batch(producer, epoch: epoch, sequence: sequence).header
  }

  @Test("is asked for until the transaction is open, and again for the next")
  func once() throws {
    let first = try #require(log.beginVerification(of: header(), nowMs: now))
    try bench.write(1, verification: first)
    #expect(log.beginVerification(of: header(sequence: 1), nowMs: now) == nil)
    try bench.write(1, sequence: 1, verification: .open)
    try bench.end(1, .commit)
    let second = try #require(log.beginVerification(of: header(sequence: 2), nowMs: now))
    #expect(second != first)
    try bench.write(1, sequence: 2, verification: second)
  }

  @Test("is void when the transaction has ended meanwhile")
  func ended() throws {
    let given = try #require(log.beginVerification(of: header(), nowMs: now))
    try bench.end(1, .abort)
    #expect(throws: AppendError.unverified(producerID: 1)) { try bench.write(1, verification: given) }
    #expect(throws: AppendError.unverified(producerID: 1)) { try bench.write(1, verification: .open) }
    #expect(bench.stable == 1, "nothing was appended behind the marker")
  }

  @Test("of a fenced producer does not let its batch in")
  func fenced() throws {
    let given = try #require(log.beginVerification(of: header(), nowMs: now))
    let newer = try #require(log.beginVerification(of: header(epoch: 1), nowMs: now))
    #expect(given == newer)
    try bench.write(1, epoch: 1, verification: newer)
    #expect(throws: AppendError.invalidProducerEpoch(producerID: 1, latest: 1, got: 0)) {
      try bench.write(1, verification: given)
    }
  }

  @Test("lets the first of several batches go first: the log could not tell that it is missing")
  func lowest() throws {
    let second = try #require(log.beginVerification(of: header(sequence: 3), nowMs: now))
    let first = try #require(log.beginVerification(of: header(sequence: 0), nowMs: now))
    #expect(throws: AppendError.outOfOrderSequence(producerID: 1, expected: 0, got: 3)) {
      try bench.write(1, sequence: 3, verification: second)
    }
    try bench.write(1, records: 3, sequence: 0, verification: first)
    try bench.write(1, sequence: 3, verification: second)
    #expect(bench.stable == 0)
    #expect(log.logEndOffset == 4)
  }
}

extension EngineBench {
  fileprivate var stable: Offset { log.lastStableOffset(highWatermark: log.logEndOffset) }

  /// A tree has no segments.
  fileprivate func roll() throws { if engine == .append { try log.roll(nowMs: Self.now) } }

  fileprivate static func batch(
    _ producer: Int64, epoch: Int16, records: Int = 1, sequence: Int32
  ) -> RecordBatch {
    Batches.make(
      body: ByteBuffer(repeating: 7, count: 40), records: records, timestamp: now, producerID: producer,
      producerEpoch: epoch, baseSequence: sequence, transactional: true)
  }

  fileprivate func write(
    _ producer: Int64, epoch: Int16 = 0, records: Int = 1, sequence: Int32 = 0,
    verification: TransactionVerification? = nil
  ) throws {
    _ = try log.append(
      Self.batch(producer, epoch: epoch, records: records, sequence: sequence), leaderEpoch: 0, nowMs: Self.now,
      verification: verification)
  }

  fileprivate func end(
    _ producer: Int64, _ outcome: EndTransactionMarker.Outcome, epoch: Int16 = 0, coordinatorEpoch: Int32 = 0,
    timestamp: Int64 = now
  ) throws {
    let marker = Batches.marker(
      commit: outcome == .commit, producerID: producer, producerEpoch: epoch, coordinatorEpoch: coordinatorEpoch,
      timestamp: timestamp)
    _ = try log.append(marker, leaderEpoch: 0, nowMs: Self.now)
  }
}
