import Glibc
import Model
import NIOCore
import Testing

@testable import Storage

private let partition = TopicPartition("orders", 0)
private let now: Int64 = 1_700_000_000_000

/// A log on a fake disk, and the disk.
private struct Bench {
  let disk = FakeDisk()
  let log: Log

  init(_ config: LogConfig = LogConfig()) throws {
    log = try Log.create(
      disk: disk, directory: "/orders-0", partition: partition, topicID: nil, config: config, nowMs: now)
  }

  func append(
    _ records: Int = 1, bytes: Int = 50, producer: Int64 = -1, epoch: Int16 = 0, sequence: Int32 = -1,
    timestamp: Int64 = now
  ) throws(AppendError) -> Appended {
    let batch = Batches.make(
      records: records, bodyBytes: bytes, timestamp: timestamp, producerID: producer,
      producerEpoch: producer < 0 ? -1 : epoch, baseSequence: sequence)
    return try log.append(batch, leaderEpoch: 0, nowMs: now)
  }
}

@Suite("An append")
struct LogAppendTests {
  @Test("is one write")
  func oneWrite() throws {
    let bench = try Bench()
    _ = try bench.append()
    let before = bench.disk.writes
    for _ in 0..<100 { _ = try bench.append(bytes: 5000) }
    #expect(bench.disk.writes == before + 100, "the index's entries wait in memory")
  }

  @Test("that the disk refuses leaves the log as it was", arguments: [0, 1, 60, 61, 100])
  func diskFull(bytesWritten: Int) throws {
    let bench = try Bench()
    _ = try bench.append()
    bench.disk.inject(.write(after: 0, bytesWritten: bytesWritten, code: ENOSPC))
    #expect(throws: AppendError.self) { _ = try bench.append() }
    #expect(bench.log.logEndOffset == 1)
    #expect(bench.disk.fileBytes("/orders-0/00000000000000000000.log")?.count == 111)
    #expect(try bench.append().baseOffset == 1)
    let slice = try bench.log.read(from: 0, upTo: 2, maxBytes: 1000, atLeastOneBatch: true)
    #expect(try slice.bytes().batches().count == 2)
  }

  @Test("after a failure that could not be undone is refused until the log is opened again")
  func offline() throws {
    let bench = try Bench()
    _ = try bench.append()
    bench.disk.inject(.write(after: 0, bytesWritten: 40, code: EIO))
    bench.disk.inject(.truncate(after: 0))
    #expect(throws: AppendError.self) { _ = try bench.append() }
    #expect(throws: AppendError.offline(DiskError("truncate", "/orders-0/00000000000000000000.log", code: EIO))) {
      _ = try bench.append()
    }
    #expect(throws: ReadError.self) { _ = try bench.log.read(from: 0, upTo: 1, maxBytes: 9, atLeastOneBatch: true) }
    let again = try Log.open(
      disk: bench.disk, directory: "/orders-0", partition: partition, config: LogConfig(), memory: LogMemory(),
      nowMs: now)
    #expect(again.logEndOffset == 1)
  }

}

@Suite("A read")
struct LogReadTests {
  @Test("of the newest batches asks the disk nothing")
  func tail() throws {
    let bench = try Bench()
    for _ in 0..<200 { _ = try bench.append(2, bytes: 900) }
    let before = bench.disk.reads
    for offset in stride(from: 400 - 100, to: 400, by: 2) as StrideTo<Int64> {
      let slice = try bench.log.read(from: Offset(offset), upTo: 400, maxBytes: 3000, atLeastOneBatch: true)
      #expect(slice.byteCount > 0)
    }
    #expect(bench.disk.reads == before)
  }

  @Test(
    "that goes on where the last ended costs one disk read, and one more where a block of the index begins",
    arguments: [150, 4000, 30_000])
  func sequential(bodyBytes: Int) throws {
    let bench = try Bench()
    for _ in 0..<2000 { _ = try bench.append(2, bytes: bodyBytes) }
    var offset: Offset = 0
    var reads: [Int] = []
    while offset < bench.log.logEndOffset {
      let before = bench.disk.reads
      let slice = try bench.log.read(from: offset, upTo: 4000, maxBytes: 65_536, atLeastOneBatch: true)
      reads.append(bench.disk.reads - before)
      offset = slice.nextOffset
    }
    // The first finds no block in memory and halves its way; at a block's edge the entry before it may be asked for too.
    #expect(reads.dropFirst().max() ?? 0 <= 3, "\(reads)")
    #expect(reads[0] <= 10)
  }

}

@Suite("Time and space")
struct LogRetentionTests {
  @Test("old segments go by their newest record, all of them when the topic falls silent; files go after the delay")
  func byTime() throws {
    var config = LogConfig()
    config.segmentBytes = 400
    config.retentionMs = 10_000
    let bench = try Bench(config)
    for index in 0..<9 { _ = try bench.append(bytes: 50, timestamp: now + Int64(index) * 1000) }
    #expect(bench.log.baseOffsets == [0, 3, 6])
    // The first segment's newest record is 2 s old at now + 2 s.
    #expect(try bench.log.applyRetention(nowMs: now + 12_000, highWatermark: 9) == 0)
    #expect(try bench.log.applyRetention(nowMs: now + 12_001, highWatermark: 2) == 0, "not replicated")
    #expect(try bench.log.applyRetention(nowMs: now + 12_001, highWatermark: 9) == 1)
    #expect(bench.log.logStartOffset == 3)
    #expect(bench.disk.fileBytes("/orders-0/00000000000000000000.log.deleted") != nil)
    #expect(try bench.log.purgeDeleted(nowMs: now + 72_000) == 0)
    #expect(try bench.log.purgeDeleted(nowMs: now + 72_001) == 1)
    #expect(bench.disk.fileBytes("/orders-0/00000000000000000000.log.deleted") == nil)
    #expect(try bench.log.applyRetention(nowMs: now + 100_000, highWatermark: 9) == 2)
    #expect(bench.log.logStartOffset == 9)
    #expect(bench.log.sizeInBytes == 0)
    #expect(try bench.append().baseOffset == 9)
  }

  @Test("a segment is closed when its records span segment.ms")
  func rollByTime() throws {
    var config = LogConfig()
    config.segmentMs = 5000
    let bench = try Bench(config)
    for offset in [0, 5000, 5001, 5002] as [Int64] { _ = try bench.append(timestamp: now + offset) }
    #expect(bench.log.baseOffsets == [0, 2])
  }
}

@Suite("A flush")
struct LogFlushTests {
  @Test("asked for by many before it ends is one more, not many")
  func groupCommit() throws {
    var config = LogConfig()
    config.flushBeforeAcknowledge = true
    let bench = try Bench(config)
    #expect(try bench.append().needsFlush)
    let ticket = try #require(bench.log.flushTicket())
    for _ in 0..<5 {
      _ = try bench.append()
      #expect(bench.log.flushTicket() == nil)
    }
    try ticket.run()
    let next = try #require(bench.log.complete(ticket, .success(()), nowMs: now))
    #expect(bench.log.flushedOffset == 1)
    let before = bench.disk.syncs
    try next.run()
    #expect(bench.disk.syncs == before + 1)
    #expect(bench.log.complete(next, .success(()), nowMs: now) == nil)
    #expect(bench.log.flushedOffset == 6)
    #expect(bench.log.flushTicket() == nil)
  }

  @Test("that fails takes the log offline: nobody knows what the disk holds")
  func failure() throws {
    let bench = try Bench()
    _ = try bench.append()
    bench.disk.inject(.sync(after: 0))
    #expect(throws: DiskError.self) { try bench.log.flush(nowMs: now) }
    #expect(throws: AppendError.self) { _ = try bench.append() }
  }
}

@Suite("Leader epochs")
struct LeaderEpochsTests {
  @Test("an epoch ends where the next begins; the latest at the log's end")
  func ends() {
    var epochs = LeaderEpochs()
    #expect(epochs.end(of: 0, logEnd: 5) == nil)
    for (epoch, start) in [(1, 0), (4, 10), (6, 25)] as [(LeaderEpoch, Offset)] {
      let isNews = epochs.assign(epoch, startOffset: start)
      #expect(isNews)
      let isNewsAgain = epochs.assign(epoch, startOffset: start + 1)
      #expect(!isNewsAgain)
    }
    let cases: [(LeaderEpoch, LeaderEpoch?, Offset?)] = [
      (0, 0, 0), (1, 1, 10), (2, 1, 10), (4, 4, 25), (5, 4, 25), (6, 6, 40), (7, nil, nil), (-1, nil, nil),
    ]
    for (asked, epoch, end) in cases {
      let found = epochs.end(of: asked, logEnd: 40)
      #expect(found?.epoch == epoch)
      #expect(found?.endOffset == end)
    }
  }

  @Test("cut at either end, and replaced by a leader that begins further back")
  func cuts() {
    var epochs = LeaderEpochs([
      .init(epoch: 1, startOffset: 0), .init(epoch: 2, startOffset: 10), .init(epoch: 3, startOffset: 20),
    ])
    _ = epochs.raiseStart(to: 15)
    #expect(epochs.entries == [.init(epoch: 2, startOffset: 15), .init(epoch: 3, startOffset: 20)])
    #expect(epochs.epoch(at: 19) == 2)
    _ = epochs.truncate(to: 20)
    #expect(epochs.entries == [.init(epoch: 2, startOffset: 15)])
    _ = epochs.assign(5, startOffset: 15)
    #expect(epochs.entries == [.init(epoch: 5, startOffset: 15)])
  }
}
