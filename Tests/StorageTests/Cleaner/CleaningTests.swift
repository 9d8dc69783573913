import Compression
import Model
import NIOCore
import Testing

@testable import Storage

@Suite("A cleaning keeps")
struct CleaningRecordsTests {
  @Test("the last record of each key, at its offset", arguments: Codec.allCases)
  func last(codec: Codec) throws {
    let log = try CompactedLog()
    try log.append([("a", "1"), ("b", "1"), ("a", "2")], codec: codec)
    try log.append([("c", "1"), ("b", "2")], codec: codec)
    #expect(try log.clean() == 5)
    try log.append([("a", "3")])
    #expect(try log.lines == ["2 a=2", "3 c=1", "4 b=2", "5 a=3"])
    #expect(try log.batches.map(\.header.attributes.codecNumber) == [codec.rawValue, codec.rawValue, 0])
    #expect(try log.batches.map(\.header.baseOffset) == [0, 3, 5])
    #expect(try log.log.indexFaults() == [])
  }

  @Test("what was cleaned before, but for what a later record replaces")
  func twice() throws {
    let log = try CompactedLog()
    try log.append([("a", "1"), ("b", "1"), ("c", "1")])
    try log.clean()
    try log.append([("b", "2")])
    #expect(try log.clean() == 4)
    #expect(try log.lines == ["0 a=1", "2 c=1", "3 b=2"])
    #expect(log.log.cleanedOffset == 4)
    #expect(try log.clean() == nil, "nothing is dirty")
  }

  @Test("batches whose records all stay, byte for byte")
  func untouched() throws {
    let log = try CompactedLog()
    try log.append([("a", "1"), ("b", "1")], codec: .zstd)
    try log.append([("c", "1")])
    let before = try log.batches
    try log.clean()
    #expect(try log.batches.map(\.header) == before.map(\.header))
    #expect(try log.batches.map(\.body) == before.map(\.body))
  }

  @Test("no record without a key")
  func keyless() throws {
    let log = try CompactedLog()
    try log.append([(nil, "x"), ("a", "1"), (nil, "y")])
    try log.append([(nil, "z")])
    try log.append([("b", "1")])
    try log.clean()
    #expect(try log.lines == ["1 a=1", "4 b=1"])
  }

  @Test("no record at or above where it must end: the active segment, the high watermark")
  func bounds() throws {
    let log = try CompactedLog()
    try log.append([("a", "1")])
    try log.append([("a", "2")])
    #expect(try log.cleanClosed() == nil, "only the active segment")
    try log.roll()
    try log.append([("a", "3")])
    try log.roll()
    #expect(try log.cleanClosed(highWatermark: 2) == 2)
    #expect(try log.lines == ["1 a=2", "2 a=3"])
    #expect(try log.cleanClosed(highWatermark: 3) == 3)
    #expect(try log.lines == ["2 a=3"])
  }

  @Test("tombstones until their delete horizon, which the first cleaning sets")
  func tombstones() throws {
    let log = try CompactedLog()
    try log.append([("a", "1"), ("b", "1")])
    try log.append([("a", nil), ("c", "1")], codec: .lz4)
    log.nowMs += 50_000
    try log.clean()
    #expect(try log.lines == ["1 b=1", "2 a", "3 c=1"], "the value is gone, the tombstone is new to the cleaner")
    let batch = try #require(try log.batches.last)
    #expect(batch.header.attributes.hasDeleteHorizon && batch.header.baseTimestamp == log.nowMs + 1_000)
    #expect(try batch.records().map(\.timestamp) == [1_700_000_000_000, 1_700_000_000_001])
    log.nowMs += 999
    try log.append([("d", "1")])
    try log.clean()
    #expect(try log.lines == ["1 b=1", "2 a", "3 c=1", "4 d=1"])
    log.nowMs += 1
    try log.append([("e", "1")])
    try log.clean()
    #expect(try log.lines == ["1 b=1", "3 c=1", "4 d=1", "5 e=1"])
  }

  @Test("no tombstone that a later record of the key replaces")
  func replacedTombstone() throws {
    let log = try CompactedLog()
    try log.append([("a", nil)])
    try log.append([("a", "2"), ("b", nil), ("b", "1")])
    try log.clean()
    #expect(try log.lines == ["1 a=2", "3 b=1"])
    #expect(try log.batches.allSatisfy { !$0.header.attributes.hasDeleteHorizon })
  }

  @Test("of a batch with a log append time that time")
  func logAppendTime() throws {
    let log = try CompactedLog { $0.timestampType = .logAppendTime }
    try log.append([("a", "1"), ("b", nil), ("a", "2")])
    log.nowMs += 5000
    try log.clean()
    #expect(try log.batches[0].records().map(\.timestamp) == [1_700_000_000_000, 1_700_000_000_000])
    #expect(try log.log.offset(forTimestamp: 1_700_000_000_000)?.offset == 1)
  }

  @Test("as many keys as its memory has room for, and goes on where it has ended", arguments: [2, 3, 7, 100])
  func parts(keys: Int) throws {
    let log = try CompactedLog()
    for round in 0..<3 {
      for key in 0..<10 { try log.append([("k\(key)", "\(round)")]) }
    }
    try log.roll()
    log.resources.dedupeBytes = (keys + 1) * OffsetMap.slotBytes
    log.resources.loadFactor = 0.99
    var passes = 0
    var ends: [Offset] = []
    while let end = try log.cleanClosed() {
      ends.append(end)
      passes += 1
      try #require(passes < 40)
    }
    #expect(ends == ends.sorted() && ends.last == 30)
    #expect(passes > 1 || keys == 100)
    #expect(try log.lines == (20..<30).map { "\($0) k\($0 - 20)=2" })
    #expect(try log.log.indexFaults() == [])
  }

  @Test("a log with a batch of more keys than its memory has room for as it is, with an error")
  func tooManyKeys() throws {
    let log = try CompactedLog()
    try log.append((0..<20).map { ("k\($0)", "1") })
    try log.roll()
    log.resources.dedupeBytes = 10 * OffsetMap.slotBytes
    #expect(throws: CleaningError.tooManyKeys(memoryBytes: 240)) { try log.cleanClosed() }
    #expect(try log.lines.count == 20)
  }

  @Test("within its memory, whatever the log has")
  func memory() throws {
    let log = try CompactedLog()
    for round in 0..<5 { try log.append((0..<200).map { ("key \($0) \(round % 2)", "\(round)") }) }
    try log.roll()
    try log.log.flush(nowMs: log.nowMs)
    log.resources = CleaningResources(dedupeBytes: 12_000, loadFactor: 0.9, bufferBytes: 1024)
    let (plan, cleaning) = try #require(try log.begin())
    let largest = try log.batches.map(\.sizeInBytes).max() ?? 0
    _ = try CompactedLog.finish(cleaning, plan, log.log, nowMs: log.nowMs)
    #expect(cleaning.memoryBytes <= 12_000 + 1024 + max(1024, largest))
  }
}

@Suite("A cleaning of transactions")
struct CleaningTransactionsTests {
  /// What a consumer of committed records gets: it skips those of aborted transactions, as the broker lists them.
  static func committed(_ log: Log) throws -> [String] {
    var aborted = try log.abortedTransactions(from: log.logStartOffset, upTo: log.logEndOffset)
      .sorted { $0.firstOffset > $1.firstOffset }
    var skipped: Set<Int64> = []
    var lines: [String] = []
    for batch in try CompactedLog.batches(log) {
      while let next = aborted.last, next.firstOffset <= batch.header.lastOffset {
        skipped.insert(next.producerID)
        aborted.removeLast()
      }
      if batch.header.attributes.isControl {
        skipped.remove(batch.header.producerID)
      } else if !batch.header.attributes.isTransactional || !skipped.contains(batch.header.producerID) {
        lines += try batch.records().map { "\($0.offset) \(String(buffer: $0.key ?? ByteBuffer()))" }
      }
    }
    return lines
  }

  @Test(
    "removes what was aborted at once, its marker only behind a horizon, and takes no aborted record for the last of its key"
  )
  func aborted() throws {
    let log = try CompactedLog()
    try log.append([("a", "1")])
    try log.append([("a", "2"), ("b", "2")], producer: 7, sequence: 0, transactional: true)
    try log.end(7, commit: false)
    try log.append([("c", "1")], producer: 7, sequence: 2)
    try log.clean()
    #expect(try log.lines == ["0 a=1", "3 -", "4 c=1"])
    #expect(try log.log.abortedTransactions(from: 0, upTo: 9).map(\.lastOffset) == [3], "batches of it were there")
    try log.append([("d", "1")])
    try log.clean()
    let marker = try #require(try log.batches.first { $0.header.attributes.isControl })
    #expect(marker.header.attributes.hasDeleteHorizon && marker.header.baseTimestamp == log.nowMs + 1_000)
    #expect(try EndTransactionMarker(reading: marker)?.outcome == .abort)
    #expect(try log.log.abortedTransactions(from: 0, upTo: 9) == [])
    log.nowMs += 1_000
    try log.append([("e", "1")])
    try log.clean()
    #expect(try log.lines == ["0 a=1", "4 c=1", "5 d=1", "6 e=1"])
    #expect(try log.log.indexFaults() == [])
  }

  @Test("keeps a commit's marker while a record of it is there")
  func committed() throws {
    let log = try CompactedLog()
    try log.append([("a", "1"), ("b", "1")], producer: 7, sequence: 0, transactional: true)
    try log.end(7, commit: true)
    try log.append([("x", "1")], producer: 7, sequence: 2)
    for round in 0..<3 {
      log.nowMs += 5_000
      try log.append([("c", "\(round)")])
      try log.clean()
      #expect(try log.lines.contains("2 -"))
    }
    try log.append([("a", "2"), ("b", "2")])
    try log.clean()
    #expect(try log.lines.contains("2 -"), "its records were there until now")
    log.nowMs += 5_000
    try log.append([("d", "1")])
    try log.clean()
    #expect(try log.lines.contains("2 -"), "now it gets its horizon")
    log.nowMs += 5_000
    try log.append([("e", "1")])
    try log.clean()
    #expect(try log.lines.contains("2 -") == false)
  }

  @Test("goes no further than the first open transaction")
  func open() throws {
    let log = try CompactedLog()
    try log.append([("a", "1")])
    try log.roll()
    try log.append([("a", "2")], producer: 7, sequence: 0, transactional: true)
    try log.roll()
    try log.append([("a", "3")])
    try log.roll()
    #expect(try log.cleanClosed() == 1)
    #expect(try log.lines == ["0 a=1", "1 a=2", "2 a=3"])
    try log.end(7, commit: false)
    try log.roll()
    #expect(try log.cleanClosed() == 4)
    #expect(try log.lines == ["2 a=3", "3 -"])
  }

  @Test("leaves to a consumer of committed records what it had before, when the marker is in a later segment")
  func acrossSegments() throws {
    let log = try CompactedLog()
    try log.append([("a", "1")])
    try log.append([("a", "2")], producer: 7, sequence: 0, transactional: true)
    try log.append([("b", "2")], producer: 8, sequence: 0, transactional: true)
    try log.roll()
    try log.append([("a", "3")], producer: 7, sequence: 1, transactional: true)
    try log.end(8, commit: true)
    try log.roll()
    try log.end(7, commit: false)
    let before = try Self.committed(log.log)
    #expect(before == ["0 a", "2 b"])
    // The markers of 7 are in the active segment, which is not read.
    #expect(try log.cleanClosed() == 5)
    #expect(try Self.committed(log.log) == before)
    try log.clean()
    #expect(try Self.committed(log.log) == before)
  }

  @Test("knows the keys of a transaction that follows an aborted one of the same producer, which was cleaned before")
  func afterAnAbortedOne() throws {
    let log = try CompactedLog()
    try log.append([("a", "1"), ("c", "1")])
    try log.append([("b", "1")], producer: 7, sequence: 0, transactional: true)
    try log.end(7, commit: false)
    #expect(try log.clean() == 4)
    try log.append([("a", nil)], producer: 7, sequence: 1, transactional: true)
    try log.end(7, commit: true)
    #expect(try log.clean() == 6)
    #expect(
      try log.lines.filter { !$0.hasSuffix("-") } == ["1 c=1", "4 a"], "the value that the tombstone replaces is gone")
  }

  @Test("keeps the last batch of a producer, emptied, so that its sequence goes on after a crash")
  func lastBatch() throws {
    let log = try CompactedLog()
    try log.append([("a", "1"), ("b", "1")], producer: 7, sequence: 0)
    try log.append([("a", "2"), ("b", "2")], producer: 7, sequence: 2)
    try log.append([("a", "3"), ("b", "3")])
    try log.clean()
    #expect(try log.lines == ["4 a=3", "5 b=3"])
    #expect(try log.batches.map(\.header.baseOffset) == [2, 4], "the emptied one has the offsets 2 and 3")
    log.disk.kill()
    let again = try log.reopen(LogMemory(cleanedOffset: 6))
    let next = try CompactedLog.batch([("a", "4")], timestamp: log.nowMs, producer: 7, sequence: 4)
    #expect(try again.append(next, leaderEpoch: 0, nowMs: log.nowMs).baseOffset == 6)
    let gap = try CompactedLog.batch([("a", "5")], timestamp: log.nowMs, producer: 7, sequence: 9)
    #expect(throws: AppendError.self) { try again.append(gap, leaderEpoch: 0, nowMs: log.nowMs) }
  }

  @Test(
    "keeps the marker of a producer of which nothing else is known, emptied, so that older epochs stay fenced after a crash"
  )
  func lastMarker() throws {
    let log = try CompactedLog()
    try log.append([("a", "1")], producer: 7, epoch: 3, sequence: 0, transactional: true)
    try log.end(7, commit: false, epoch: 4)
    try log.append([("b", "1")])
    for _ in 0..<3 {
      try log.append([("c", "1")])
      try log.clean()
      log.nowMs += 2_000
    }
    let control = try #require(try log.batches.first { $0.header.attributes.isControl })
    #expect(control.header.count == 0 && control.header.producerEpoch == 4)
    log.disk.kill()
    let again = try log.reopen()
    let stale = try CompactedLog.batch([("a", "2")], timestamp: log.nowMs, producer: 7, epoch: 3, sequence: 1)
    #expect(throws: AppendError.invalidProducerEpoch(producerID: 7, latest: 4, got: 3)) {
      try again.append(stale, leaderEpoch: 0, nowMs: log.nowMs)
    }
  }
}
