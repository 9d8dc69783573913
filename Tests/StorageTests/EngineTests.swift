import Model
import NIOCore
import Testing

@testable import Storage

private let now = EngineBench.now

@Suite("An append, by every engine and switch")
struct EngineAppendTests {
  @Test("larger than the topic allows, or than a segment, is refused", arguments: Arm.allCases)
  func tooLarge(_ arm: Arm) throws {
    var config = LogConfig()
    config.maxMessageBytes = 200
    #expect(throws: AppendError.tooLarge(bytes: 261, limit: 200)) {
      _ = try EngineBench(arm, config).append(bytes: 200)
    }
    config.maxMessageBytes = 10_000
    config.segmentBytes = 1000
    #expect(throws: AppendError.largerThanSegment(bytes: 1061, limit: 1000)) {
      _ = try EngineBench(arm, config).append(bytes: 1000)
    }
  }

  @Test("too far from the broker's clock is refused, in either direction", arguments: Arm.allCases)
  func timestamps(_ arm: Arm) throws {
    var config = LogConfig()
    config.timestampAfterMaxMs = 3_600_000
    config.timestampBeforeMaxMs = 86_400_000
    let bench = try EngineBench(arm, config)
    _ = try bench.append(timestamp: now + 3_600_000)
    _ = try bench.append(timestamp: now - 86_400_000)
    _ = try bench.append(timestamp: -1)
    for timestamp in [now + 3_600_001, now - 86_400_001] {
      #expect(
        throws: AppendError.timestampOutOfRange(
          timestamp: timestamp, earliest: now - 86_400_000, latest: now + 3_600_000)
      ) { _ = try bench.append(timestamp: timestamp) }
    }
    #expect(bench.log.logEndOffset == 3)
  }

  @Test("to a topic of LogAppendTime gets the broker's clock, and a CRC that says so", arguments: Arm.allCases)
  func logAppendTime(_ arm: Arm) throws {
    var config = LogConfig()
    config.timestampType = .logAppendTime
    let bench = try EngineBench(arm, config)
    let appended = try bench.append(3, timestamp: 17)
    #expect(appended.logAppendTimeMs == now)
    let slice = try bench.log.read(from: 0, upTo: 3, maxBytes: 1000, atLeastOneBatch: true)
    let batch = try #require(try slice.bytes().batches().first)
    #expect(batch.header.attributes.isLogAppendTime)
    #expect(batch.header.maxTimestamp == now)
    #expect(batch.header.baseTimestamp == 17)
  }

  @Test(
    "of a batch that was sent before is answered with the first one's offset; a gap and an old epoch are refused",
    arguments: Arm.allCases)
  func idempotence(_ arm: Arm) throws {
    let bench = try EngineBench(arm)
    _ = try bench.append(10)
    for index in 0..<6 { _ = try bench.append(2, producer: 5, sequence: Int32(index) * 2) }
    for index in 1..<6 {
      let again = try bench.append(2, producer: 5, sequence: Int32(index) * 2)
      #expect(again.isDuplicate)
      #expect(again.baseOffset == Offset(10 + Int64(index) * 2))
      #expect(again.lastOffset == again.baseOffset + 1)
    }
    #expect(bench.log.logEndOffset == 22)
    #expect(throws: AppendError.outOfOrderSequence(producerID: 5, expected: 12, got: 0), "the sixth last is forgotten")
    {
      _ = try bench.append(2, producer: 5, sequence: 0)
    }
    #expect(throws: AppendError.outOfOrderSequence(producerID: 5, expected: 12, got: 13)) {
      _ = try bench.append(2, producer: 5, sequence: 13)
    }
    #expect(throws: AppendError.outOfOrderSequence(producerID: 5, expected: 0, got: 12)) {
      _ = try bench.append(2, producer: 5, epoch: 1, sequence: 12)
    }
    _ = try bench.append(2, producer: 5, epoch: 1, sequence: 0)
    #expect(throws: AppendError.invalidProducerEpoch(producerID: 5, latest: 1, got: 0)) {
      _ = try bench.append(2, producer: 5, epoch: 0, sequence: 12)
    }
    _ = try bench.append(2, producer: 6, sequence: 77)
  }

  @Test("goes on from sequence 0 after the largest", arguments: Arm.allCases)
  func wrap(_ arm: Arm) throws {
    let bench = try EngineBench(arm)
    _ = try bench.append(3, producer: 1, sequence: .max - 4)
    _ = try bench.append(4, producer: 1, sequence: .max - 1)
    let again = try bench.append(4, producer: 1, sequence: .max - 1)
    #expect(again.isDuplicate && again.baseOffset == 3)
    let next = try bench.append(1, producer: 1, sequence: 2)
    #expect(next.baseOffset == 7)
    _ = try bench.append(1, producer: 2, sequence: .max)
    #expect(try bench.append(1, producer: 2, sequence: 0).isDuplicate == false)
  }

  @Test(
    "of a transaction holds read-committed readers back until its marker is replicated", arguments: Arm.allCases)
  func transactions(_ arm: Arm) throws {
    let bench = try EngineBench(arm)
    var batch = Batches.make(records: 2, bodyBytes: 40, producerID: 9, producerEpoch: 0, baseSequence: 0)
    batch.header.attributes.isTransactional = true
    _ = try bench.append()
    _ = try bench.log.append(batch, leaderEpoch: 0, nowMs: now)
    _ = try bench.append()
    #expect(bench.log.lastStableOffset(highWatermark: 4) == 1)
    let abort = Batches.marker(commit: false, producerID: 9, producerEpoch: 0, coordinatorEpoch: 3, timestamp: now)
    _ = try bench.log.append(abort, leaderEpoch: 0, nowMs: now)
    #expect(bench.log.lastStableOffset(highWatermark: 4) == 1, "the marker is not replicated yet")
    #expect(bench.log.lastStableOffset(highWatermark: 5) == 5)
    #expect(
      try bench.log.abortedTransactions(from: 0, upTo: 5) == [
        AbortedTransaction(producerID: 9, firstOffset: 1, lastOffset: 4, lastStableOffset: 5)
      ])
    let old = Batches.marker(commit: true, producerID: 9, producerEpoch: 0, coordinatorEpoch: 2, timestamp: now)
    #expect(throws: AppendError.coordinatorFenced(producerID: 9, latest: 3, got: 2)) {
      _ = try bench.log.append(old, leaderEpoch: 0, nowMs: now)
    }
  }
}

@Suite("A read, by every engine and switch")
struct EngineReadTests {
  @Test("outside the log says what the log has", arguments: Arm.allCases)
  func outOfRange(_ arm: Arm) throws {
    let bench = try EngineBench(arm)
    for _ in 0..<5 { _ = try bench.append() }
    try bench.log.deleteRecords(before: 2, nowMs: now)
    for offset in [1, 6] as [Offset] {
      #expect(throws: ReadError.outOfRange(logStart: 2, logEnd: 5)) {
        _ = try bench.log.read(from: offset, upTo: 5, maxBytes: 100, atLeastOneBatch: true)
      }
    }
    #expect(try bench.log.read(from: 5, upTo: 5, maxBytes: 100, atLeastOneBatch: true).isEmpty)
    #expect(try bench.log.read(from: 3, upTo: 3, maxBytes: 100, atLeastOneBatch: true).isEmpty)
  }

  @Test("what is appended is read back, byte for byte, with offsets and epoch filled in", arguments: Arm.allCases)
  func appendAndRead(_ arm: Arm) throws {
    let bench = try EngineBench(arm)
    for index in 0..<10 {
      let batch = Batches.make(records: 3, bodyBytes: 100, fill: UInt64(index))
      #expect(try bench.log.append(batch, leaderEpoch: 7, nowMs: now).baseOffset == Offset(Int64(index) * 3))
    }
    #expect(bench.log.logEndOffset == 30)
    let slice = try bench.log.read(from: 4, upTo: 30, maxBytes: 1 << 20, atLeastOneBatch: true)
    let batches = try slice.bytes().batches()
    #expect(batches.map(\.header.baseOffset) == (1..<10).map { Offset($0 * 3) })
    #expect(batches.allSatisfy { $0.header.partitionLeaderEpoch == 7 })
    #expect(slice.nextOffset == 30)
    #expect(slice.byteCount == 9 * 161)
    #expect(batches[0].body == Batches.make(records: 3, bodyBytes: 100, fill: 1).body)
  }

  @Test("ends before the batch that passes the limit of bytes, or the bound", arguments: Arm.allCases)
  func limits(_ arm: Arm) throws {
    let bench = try EngineBench(arm)
    for _ in 0..<5 { _ = try bench.append(2) }
    func read(_ from: Offset, _ upTo: Offset, _ bytes: Int, whole: Bool = false) throws -> (Offset, Int) {
      let slice = try bench.log.read(from: from, upTo: upTo, maxBytes: bytes, atLeastOneBatch: whole)
      return (slice.nextOffset, slice.byteCount)
    }
    #expect(try read(0, 10, 333) == (6, 333))
    #expect(try read(0, 10, 332) == (4, 222))
    #expect(try read(3, 10, 110) == (3, 0))
    #expect(try read(3, 10, 0, whole: true) == (4, 111))
    #expect(try read(0, 5, 1000) == (4, 222), "a batch that reaches past the bound stays away")
    #expect(try read(4, 5, 1000) == (4, 0))
  }
}

@Suite("A log by every engine and switch, opened again")
struct EngineReopenTests {
  @Test("comes back after an orderly stop and after a kill", arguments: Arm.allCases, [true, false])
  func reopening(_ arm: Arm, clean: Bool) throws {
    var config = LogConfig()
    config.segmentBytes = 20_000
    let bench = try EngineBench(arm, config)
    for index in 0..<200 {
      let batch = Batches.make(records: 2, bodyBytes: 500, fill: UInt64(index))
      _ = try bench.log.append(batch, leaderEpoch: index < 100 ? 1 : 4, nowMs: now)
    }
    try bench.reopen(clean: clean)
    #expect(bench.log.logEndOffset == 400)
    #expect(bench.log.sizeInBytes == 200 * 561)
    #expect(bench.log.epochs.entries == [.init(epoch: 1, startOffset: 0), .init(epoch: 4, startOffset: 200)])
    #expect(try bench.bases(maxBytes: 3000) == (0..<200).map { Offset($0 * 2) })
    #expect(try bench.append().baseOffset == 400)
  }

  @Test("knows the last five batches of a producer after a kill", arguments: Arm.allCases)
  func lastFive(_ arm: Arm) throws {
    let bench = try EngineBench(arm)
    for index in 0..<8 { _ = try bench.append(2, producer: 5, sequence: Int32(index) * 2) }
    try bench.reopen(LogMemory(recoveryPoint: 16), clean: false)
    for index in 3..<8 {
      let retried = try bench.append(2, producer: 5, sequence: Int32(index) * 2)
      #expect(retried.isDuplicate && retried.baseOffset == Offset(Int64(index) * 2), "batch \(index)")
    }
    #expect(throws: AppendError.outOfOrderSequence(producerID: 5, expected: 16, got: 4)) {
      _ = try bench.append(2, producer: 5, sequence: 4)
    }
    #expect(try bench.append(2, producer: 5, sequence: 16).isDuplicate == false)
  }

  @Test(
    "knows producers of before its snapshots, of which it keeps few", arguments: [Arm.page, .btree], [true, false])
  func snapshots(_ arm: Arm, clean: Bool) throws {
    var config = LogConfig()
    config.segmentBytes = 8 << 20
    let bench = try EngineBench(arm, config)
    _ = try bench.append(1, producer: 1, sequence: 0)
    for index in 0..<60 { _ = try bench.append(2, bytes: 1_000_000, producer: 2, sequence: Int32(index) * 2) }
    try bench.reopen(LogMemory(recoveryPoint: 121), clean: clean)
    #expect(bench.log.producerCount == 2)
    #expect(try bench.append(1, producer: 1, sequence: 0).isDuplicate)
    #expect(try bench.append(2, bytes: 1_000_000, producer: 2, sequence: 118).isDuplicate)
    #expect(try bench.append(1, producer: 1, sequence: 1).baseOffset == 121)
  }

  @Test("has its start where DeleteRecords put it, and forgets what lies before", arguments: Arm.allCases)
  func start(_ arm: Arm) throws {
    let bench = try EngineBench(arm)
    for index in 0..<6 { _ = try bench.append(5, timestamp: now + Int64(index), leaderEpoch: LeaderEpoch(index)) }
    try bench.log.deleteRecords(before: 12, nowMs: now)
    try bench.reopen(LogMemory(logStartOffset: 12, recoveryPoint: 0), clean: false)
    #expect(bench.log.logStartOffset == 12)
    #expect(bench.log.epochs.entries.first == .init(epoch: 2, startOffset: 12))
    #expect(try bench.log.read(from: 12, upTo: 30, maxBytes: 111, atLeastOneBatch: true).nextOffset == 15)
    #expect(throws: ReadError.outOfRange(logStart: 12, logEnd: 30)) {
      _ = try bench.log.read(from: 11, upTo: 30, maxBytes: 9, atLeastOneBatch: true)
    }
  }

  @Test("goes on where it ended though all its records were deleted", arguments: Arm.allCases, [true, false])
  func emptied(_ arm: Arm, clean: Bool) throws {
    var config = LogConfig()
    config.retentionMs = 10_000
    let bench = try EngineBench(arm, config)
    for _ in 0..<5 { _ = try bench.append(3) }
    #expect(try bench.log.applyRetention(nowMs: now + 10_001, highWatermark: 15) > 0)
    #expect(bench.log.sizeInBytes == 0)
    try bench.reopen(LogMemory(logStartOffset: 15, recoveryPoint: 15), clean: clean)
    #expect(bench.log.logStartOffset == 15)
    #expect(bench.log.logEndOffset == 15)
    #expect(try bench.append().baseOffset == 15)
  }

  @Test("begins where its checkpoint says when less was left than that", arguments: Arm.allCases)
  func beyondEnd(_ arm: Arm) throws {
    let bench = try EngineBench(arm)
    _ = try bench.append(3)
    try bench.reopen(LogMemory(logStartOffset: 10), clean: false)
    #expect(bench.log.logStartOffset == 10)
    #expect(bench.log.sizeInBytes == 0)
    #expect(try bench.append().baseOffset == 10)
  }

  @Test("keeps what a truncation left, and what was appended after it", arguments: Arm.allCases)
  func truncated(_ arm: Arm) throws {
    let bench = try EngineBench(arm)
    for epoch: LeaderEpoch in 0..<4 { _ = try bench.append(5, leaderEpoch: epoch) }
    try bench.log.truncate(to: 12, nowMs: now)
    #expect(bench.log.logEndOffset == 10, "the batch that holds 12 goes whole")
    #expect(bench.log.leaderEpoch == 1)
    _ = try bench.append(3, leaderEpoch: 9)
    try bench.reopen(clean: false)
    #expect(try bench.bases() == [0, 5, 10])
    #expect(bench.log.logEndOffset == 13)
    #expect(bench.log.epochs.entries.last == .init(epoch: 9, startOffset: 10))
    try bench.log.truncateFullyAndStart(at: 100, nowMs: now)
    try bench.reopen(LogMemory(logStartOffset: 100, recoveryPoint: 100), clean: false)
    #expect(bench.log.logStartOffset == 100 && bench.log.logEndOffset == 100)
    #expect(try bench.append().baseOffset == 100)
  }

  @Test("follows a leader's batches, offsets and epochs and all", arguments: Arm.allCases)
  func follower(_ arm: Arm) throws {
    let bench = try EngineBench(arm)
    var bytes = ByteBuffer()
    for base: Int64 in [0, 4, 9] {
      let batch = Batches.make(records: 4, bodyBytes: 30, baseOffset: Offset(base), leaderEpoch: LeaderEpoch(base))
      bytes.writeImmutableBuffer(Batches.bytes(batch))
    }
    bytes.writeBytes([1, 2, 3])
    #expect(try bench.log.appendAsFollower(bytes, nowMs: now)?.lastOffset == 12)
    try bench.reopen(clean: false)
    #expect(try bench.bases() == [0, 4, 9], "8 is a gap, as compaction leaves them")
    #expect(bench.log.epochs.entries.map(\.epoch) == [0, 4, 9])
    #expect(throws: AppendError.unexpectedOffset(got: 0, expected: 13)) {
      _ = try bench.log.appendAsFollower(bytes, nowMs: now)
    }
  }
}

@Suite("Time, by every engine and switch")
struct EngineTimeTests {
  /// Each batch is one record.
  private func bench(_ arm: Arm, _ timestamps: [Int64]) throws -> EngineBench {
    let bench = try EngineBench(arm)
    for (index, timestamp) in timestamps.enumerated() {
      let batch = Batches.make(timestamps: [timestamp], valueBytes: 5, seed: UInt64(index))
      _ = try bench.log.append(batch, leaderEpoch: 3, nowMs: now)
    }
    return bench
  }

  @Test("the first record, by offset, that is late enough is found", arguments: Arm.allCases)
  func lookup(_ arm: Arm) throws {
    let bench = try bench(arm, [10, 5, 30, 7, 30, 40, 20])
    for (timestamp, offset) in [(0, 0), (10, 0), (11, 2), (30, 2), (31, 5), (40, 5)] as [(Int64, Offset)] {
      #expect(try bench.log.offset(forTimestamp: timestamp)?.offset == offset, "at \(timestamp)")
    }
    #expect(try bench.log.offset(forTimestamp: 41) == nil)
    #expect(try bench.log.offsetOfMaxTimestamp() == TimedOffset(timestamp: 40, offset: 5, leaderEpoch: 3))
  }

  @Test("records whose earlier like are deleted are found all the same", arguments: Arm.allCases, [true, false])
  func afterDeletion(_ arm: Arm, reopening: Bool) throws {
    let bench = try bench(arm, [10, 5, 7, 20])
    try bench.log.deleteRecords(before: 1, nowMs: now)
    if reopening { try bench.reopen(LogMemory(logStartOffset: 1), clean: false) }
    for (timestamp, offset) in [(0, 1), (6, 2), (8, 3)] as [(Int64, Offset)] {
      #expect(try bench.log.offset(forTimestamp: timestamp)?.offset == offset, "at \(timestamp)")
    }
  }

  @Test("a log without timestamps, and an empty one, have none", arguments: Arm.allCases)
  func none(_ arm: Arm) throws {
    let bench = try EngineBench(arm)
    #expect(try bench.log.offset(forTimestamp: 0) == nil)
    #expect(try bench.log.offsetOfMaxTimestamp() == nil)
    _ = try bench.append(timestamp: -1)
    #expect(try bench.log.offset(forTimestamp: 0) == nil)
    #expect(try bench.log.offsetOfMaxTimestamp() == nil)
  }

  @Test(
    "what is older than retention.ms or more than retention.bytes goes, never past the high watermark",
    arguments: Arm.allCases)
  func retention(_ arm: Arm) throws {
    var config = LogConfig()
    // A segment for each batch, so that both engines have the same grain.
    config.segmentBytes = 120
    config.retentionMs = 10_000
    let bench = try EngineBench(arm, config)
    for index in 0..<9 { _ = try bench.append(timestamp: now + Int64(index) * 1000) }
    #expect(try bench.log.applyRetention(nowMs: now + 10_000, highWatermark: 9) == 0)
    #expect(try bench.log.applyRetention(nowMs: now + 12_500, highWatermark: 2) == 2)
    #expect(bench.log.logStartOffset == 2)
    #expect(try bench.log.applyRetention(nowMs: now + 12_500, highWatermark: 9) == 1)
    bench.log.config.retentionMs = -1
    bench.log.config.retentionBytes = 250
    #expect(try bench.log.applyRetention(nowMs: now, highWatermark: 9) == 3)
    #expect(bench.log.logStartOffset == 6)
    #expect(bench.log.sizeInBytes == 333)
    #expect(try bench.bases() == [6, 7, 8])
  }
}

@Suite("A flush, by every engine and switch")
struct EngineFlushTests {
  @Test("is due after flush.messages records, and after flush.ms", arguments: Arm.allCases)
  func due(_ arm: Arm) throws {
    var config = LogConfig()
    config.flushMessages = 3
    config.flushMs = 1000
    let bench = try EngineBench(arm, config)
    #expect(try bench.append(2).needsFlush == false)
    #expect(!bench.log.wantsFlush(nowMs: now + 999))
    #expect(bench.log.wantsFlush(nowMs: now + 1000))
    #expect(try bench.append(1).needsFlush)
    try bench.log.flush(nowMs: now)
    #expect(!bench.log.wantsFlush(nowMs: now + 5000))
    #expect(try bench.append(2).needsFlush == false)
  }

  @Test("asked for by many before it ends is one more, not many", arguments: Arm.allCases)
  func groupCommit(_ arm: Arm) throws {
    let bench = try EngineBench(arm)
    _ = try bench.append()
    let ticket = try #require(bench.log.flushTicket())
    for _ in 0..<5 {
      _ = try bench.append()
      #expect(bench.log.flushTicket() == nil)
    }
    try ticket.run()
    let next = try #require(bench.log.complete(ticket, .success(()), nowMs: now))
    #expect(bench.log.flushedOffset == 1)
    try next.run()
    #expect(bench.log.complete(next, .success(()), nowMs: now) == nil)
    #expect(bench.log.flushedOffset == 6)
    #expect(bench.log.flushTicket() == nil)
  }

  @Test("before acknowledging: an append has been flushed, or asks to be", arguments: Arm.allCases)
  func beforeAcknowledging(_ arm: Arm) throws {
    var config = LogConfig()
    config.flushBeforeAcknowledge = true
    let bench = try EngineBench(arm, config)
    let appended = try bench.append()
    #expect(appended.needsFlush != (bench.log.flushedOffset == 1))
    try bench.log.flush(nowMs: now)
    #expect(bench.log.flushedOffset == 1)
    bench.log.config.flushBeforeAcknowledge = false
    #expect(try bench.append().needsFlush == false)
    #expect(bench.log.flushedOffset == 1)
  }
}
