import Model
import NIOCore
import Testing

@testable import Storage

@Suite("Segments that a cleaning replaces")
struct ReplacedSegmentsTests {
  private func filled(_ change: (inout LogConfig) -> Void = { _ in }) throws -> CompactedLog {
    let log = try CompactedLog(change)
    for round in 0..<3 {
      for key in 0..<4 { try log.append([("k\(key)", "\(round)")], sequence: -1) }
      try log.roll()
    }
    try log.append([("k0", "last")])
    return log
  }

  @Test("become one, with their names, indexes and times; the old files are deleted after the delay")
  func names() throws {
    let log = try filled { $0.fileDeleteDelayMs = 100 }
    #expect(try log.cleanClosed() == 12)
    #expect(log.log.baseOffsets == [0, 12])
    let zero = "00000000000000000000", twelve = "00000000000000000012"
    let expected =
      [".index", ".log", ".timeindex"].map { zero + $0 }
      + [".index", ".log", ".snapshot", ".timeindex"].map { twelve + $0 }
    #expect(try log.files.filter { $0.hasPrefix("0") } == expected)
    #expect(try log.disk.names(in: CompactedLog.directory).contains { $0.hasSuffix(".deleted") })
    #expect(try log.log.purgeDeleted(nowMs: log.nowMs + 100) == 1)
    #expect(try !log.disk.names(in: CompactedLog.directory).contains { $0.hasSuffix(".deleted") })
    #expect(log.log.sizeInBytes == log.log.segments.reduce(0) { $0 + $1.size })
    #expect(try log.log.offset(forTimestamp: log.nowMs)?.offset == 8)
    #expect(try log.log.indexFaults() == [])
    #expect(try LogDump(disk: log.disk) { _ in }.dump(CompactedLog.directory + "/\(zero).log") == [])
  }

  @Test("are dumped without a fault, and a dump names a time that no batch has")
  func dump() throws {
    let log = try filled()
    log.nowMs += 10
    try log.append([("k1", "late")])
    try log.clean()
    try log.log.close(nowMs: log.nowMs)
    #expect(try log.log.purgeDeleted(nowMs: .max) > 0)
    let names = try log.disk.names(in: CompactedLog.directory).filter { $0.hasPrefix("0") }
    for name in names {
      #expect(try LogDump(disk: log.disk) { _ in }.dump("\(CompactedLog.directory)/\(name)") == [], "\(name)")
    }
    let index = "\(CompactedLog.directory)/00000000000000000000.timeindex"
    log.disk.overwrite(index) { $0[7] ^= 1 }
    #expect(try LogDump(disk: log.disk) { _ in }.dump(index).count == 1)
  }

  @Test("are empty where nothing of them stays: readers pass over them, and an opening misses nothing")
  func empty() throws {
    let log = try CompactedLog { $0.segmentBytes = 300 }
    try log.append([("a", String(repeating: "x", count: 200))])
    try log.append([("a", String(repeating: "y", count: 200))])
    try log.append([("a", "z")])
    #expect(try log.clean() == 3)
    #expect(log.log.baseOffsets == [0, 1, 2, 3] && log.log.segments.prefix(2).allSatisfy { $0.size == 0 })
    #expect(try log.lines == ["2 a=z"])
    #expect(try log.log.indexFaults() == [])
    var config = log.log.config
    for compacts in [true, false] {
      config.compacts = compacts
      for isClean in [true, false] {
        log.disk.kill()
        let again = try Log.open(
          disk: log.disk, directory: CompactedLog.directory, partition: CompactedLog.partition, config: config,
          memory: LogMemory(recoveryPoint: 3, isClean: isClean, cleanedOffset: 3), nowMs: log.nowMs)
        #expect(again.holes == [] && again.logEndOffset == 3)
        #expect(try CompactedLog.batches(again).map(\.header.baseOffset) == [2])
      }
    }
  }

  @Test("a crash that takes a closed segment's unflushed end takes what follows it, also of a compacted log")
  func crashGap() throws {
    let log = try CompactedLog()
    try log.append([("a", "1")])
    try log.append([("b", "1")])
    try log.roll()
    try log.append([("c", "1")])
    let size = try log.batches[0].sizeInBytes
    log.disk.overwrite("\(CompactedLog.directory)/00000000000000000000.log") { $0.removeSubrange(size...) }
    log.disk.kill()
    #expect(try log.reopen(LogMemory(recoveryPoint: 1)).logEndOffset == 1)
  }

  @Test("keep the last batch that the cleaning has read, without records, until the next cleaning")
  func lastBatch() throws {
    let log = try CompactedLog()
    try log.append([("a", "1")])
    try log.append([(nil, "2")])
    try log.clean()
    #expect(try log.batches.map(\.header.count) == [1, 0])
    #expect(try log.batches.map(\.sizeInBytes).last == BatchField.records)
    try log.append([("b", "1")])
    try log.clean()
    #expect(try log.batches.map(\.header.baseOffset) == [0, 2])
  }

  @Test("are still read by who holds their bytes")
  func reader() throws {
    let log = try filled()
    let slice = try log.log.read(from: 0, upTo: 13, maxBytes: 10_000, atLeastOneBatch: true)
    let before = try slice.bytes()
    try log.cleanClosed()
    _ = try log.log.purgeDeleted(nowMs: .max)
    #expect(try slice.bytes() == before)
    #expect(try log.log.read(from: 0, upTo: 13, maxBytes: 10_000, atLeastOneBatch: true).bytes() != before)
  }

  @Test("are not replaced when the log has changed meanwhile: by retention, by DeleteRecords, by a truncation")
  func changed() throws {
    let changes: [(Log, Int64) throws -> Void] = [
      { log, now in try log.deleteRecords(before: 5, nowMs: now) },
      { log, now in try log.truncate(to: 6, nowMs: now) },
      { log, now in try log.truncateFullyAndStart(at: 100, nowMs: now) },
    ]
    for change in changes {
      let log = try filled()
      try log.log.flush(nowMs: log.nowMs)
      let (plan, cleaning) = try #require(try log.begin())
      let all = cleaning.sourcesLeft
      #expect(log.log.holds(all, of: plan))
      let group = try Self.firstGroup(cleaning)
      try change(log.log, log.nowMs)
      #expect(try !log.log.replace(with: group, recoveryPoint: 100, nowMs: log.nowMs))
      #expect(!log.log.holds(all, of: plan))
      cleaning.abandon()
      #expect(try !log.files.contains { $0.hasSuffix(".cleaned") || $0.hasSuffix(".swap") })
      #expect(try log.log.indexFaults() == [])
    }
  }

  private static func firstGroup(_ cleaning: Cleaning) throws -> CleanedGroup {
    while true {
      switch try cleaning.advance(bytes: 1) {
      case .worked: continue
      case .cleaned(let group): return group
      case .finished(let end): throw Wrong("the cleaning has ended at \(end) without a segment")
      }
    }
  }

  @Test("are not replaced before all that the cleaning has seen is flushed, and the recovery point written down")
  func unflushed() throws {
    let log = try filled()
    let (plan, cleaning) = try #require(try log.begin())
    let group = try Self.firstGroup(cleaning)
    #expect(plan.durableEnd == 13)
    #expect(try !log.log.replace(with: group, recoveryPoint: 13, nowMs: log.nowMs))
    try log.log.flush(nowMs: log.nowMs)
    #expect(try !log.log.replace(with: group, recoveryPoint: 12, nowMs: log.nowMs))
    #expect(try log.log.replace(with: group, recoveryPoint: 13, nowMs: log.nowMs))
  }

  @Test("are where a truncation leaves them, and the log is then clean only up to there")
  func truncation() throws {
    let log = try filled()
    try log.cleanClosed()
    #expect(log.log.cleanedOffset == 12)
    try log.log.truncate(to: 10, nowMs: log.nowMs)
    #expect(log.log.cleanedOffset == log.log.logEndOffset)
    #expect(try log.lines == ["8 k0=2", "9 k1=2"])
    try log.log.truncateFullyAndStart(at: 50, nowMs: log.nowMs)
    #expect(log.log.cleanedOffset == nil)
  }

  @Test("are damaged where a bit has changed: the log keeps them, and the error says where")
  func damage() throws {
    let log = try filled()
    try log.log.flush(nowMs: log.nowMs)
    let path = "\(CompactedLog.directory)/00000000000000000004.log"
    let first = try log.batches.first { $0.header.baseOffset == 4 }?.sizeInBytes ?? 0
    log.disk.overwrite(path) { $0[first + 70] ^= 1 }
    let (plan, cleaning) = try #require(try log.begin())
    #expect(
      throws: CleaningError.damaged(
        path: path, position: first, problem: "the batch's checksum is not that of its bytes")
    ) { try CompactedLog.finish(cleaning, plan, log.log, nowMs: log.nowMs) }
    cleaning.abandon()
    #expect(log.log.baseOffsets == [0, 4, 8, 12] && log.log.failure == nil)
    #expect(log.log.holds(cleaning.sourcesLeft, of: plan))
  }

  @Test(
    "are damaged where offsets do not rise within the segment, whatever number is there",
    arguments: [
      Int64.min, -1, 3, 4, 8, .max, .max - 1,
    ])
  func offsets(base: Int64) throws {
    let log = try filled()
    try log.log.flush(nowMs: log.nowMs)
    let first = try log.batches.first { $0.header.baseOffset == 4 }?.sizeInBytes ?? 0
    // The base offset is not covered by the CRC.
    log.disk.overwrite("\(CompactedLog.directory)/00000000000000000004.log") { bytes in
      withUnsafeBytes(of: base.bigEndian) { bytes.replaceSubrange(first..<first + 8, with: $0) }
    }
    let (plan, cleaning) = try #require(try log.begin())
    let error = #expect(throws: CleaningError.self) {
      try CompactedLog.finish(cleaning, plan, log.log, nowMs: log.nowMs)
    }
    guard case .damaged(_, first, _) = error else { throw Wrong("\(error.map { "\($0)" } ?? "no error")") }
  }

  @Test("are in place as soon as a `.log.swap` is there, with its indexes or without", arguments: [true, false])
  func swap(withIndexes: Bool) throws {
    let log = try filled()
    try log.log.flush(nowMs: log.nowMs)
    let (_, cleaning) = try #require(try log.begin())
    _ = try Self.firstGroup(cleaning)
    let zero = "\(CompactedLog.directory)/00000000000000000000"
    for suffix in [".index", ".timeindex", ".log"] {
      if withIndexes || suffix == ".log" {
        try log.disk.rename(zero + suffix + ".cleaned", to: zero + suffix + ".swap")
      }
    }
    log.disk.kill()
    let again = try log.reopen(LogMemory(recoveryPoint: 12))
    #expect(again.baseOffsets == [0, 12])
    #expect(try CompactedLog.batches(again).map(\.header.baseOffset) == [8, 9, 10, 11, 12])
    #expect(try again.indexFaults() == [])
    #expect(try log.files.filter { $0.contains(".swap") || $0.contains(".cleaned") } == [])
  }
}
