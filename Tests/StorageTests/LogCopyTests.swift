import Base
import DiskSupport
import Model
import NIOCore
import Synchronization
import Testing

@testable import Storage

private let now: Int64 = 1_700_000_000_000
private let partition = TopicPartition("t", 0)

/// A log in `/a` that is copied to `/b`.
private struct TwoDirectories {
  let a: LogDirectory
  let b: LogDirectory
  let log: Log
  /// How often a copy has to look for more.
  static let turnBytes = 700

  init(_ disk: any Disk, _ change: (inout LogConfig) -> Void = { _ in }) throws {
    a = try LogDirectory("/a", disk: disk)
    b = try LogDirectory("/b", disk: disk)
    for directory in [a, b] { try directory.begin() }
    var config = LogConfig()
    config.segmentBytes = 1_000
    config.indexIntervalBytes = 50
    config.fileDeleteDelayMs = 0
    change(&config)
    log = try a.create(partition, topicID: UUID128(high: 1, low: 2), config: config, nowMs: now)
  }

  func fill(batches: Int = 12, leaderEpoch: LeaderEpoch = 3) throws {
    for index in 0..<batches {
      let batch = Batches.make(
        records: 3, bodyBytes: 200, fill: UInt64(index), producerID: 7, producerEpoch: 0, baseSequence: Int32(3 * index)
      )
      _ = try log.append(batch, leaderEpoch: leaderEpoch, nowMs: now)
    }
  }

  func beginCopy() throws -> LogCopy {
    try LogCopy(of: partition, topicID: log.topicID, config: log.config, in: b, nowMs: now)
  }

  func grow(_ copy: LogCopy) throws {
    while true {
      let slice = try copy.next(of: log, maxBytes: Self.turnBytes, nowMs: now)
      if slice.isEmpty { return }
      try copy.take(slice, nowMs: now)
    }
  }

  func replace(with copy: LogCopy, maxBytes: Int = 10_000) throws -> Log? {
    try copy.replace(log, in: a, maxBytes: maxBytes, highWatermark: log.logEndOffset, nowMs: now)
  }

  func move() throws -> Log {
    let copy = try beginCopy()
    try grow(copy)
    return try #require(try replace(with: copy))
  }
}

extension Log {
  /// All that a reader gets from `offset` on.
  fileprivate func bytes(from offset: Offset) throws -> [UInt8] {
    var bytes: [UInt8] = []
    var next = offset
    while next < logEndOffset {
      let slice = try read(from: next, upTo: logEndOffset, maxBytes: 1 << 20, atLeastOneBatch: true)
      if slice.isEmpty { break }
      bytes += Array(buffer: try slice.bytes())
      next = slice.nextOffset
    }
    return bytes
  }
}

@Suite("A log that moves to another directory")
struct LogCopyTests {
  private func expectEqual(_ moved: Log, _ log: Log, _ when: String = "") throws {
    #expect(moved.logStartOffset == log.logStartOffset && moved.logEndOffset == log.logEndOffset, "\(when)")
    // An opening reads them from batches where the log has none.
    if moved.sizeInBytes > 0 { #expect(moved.epochs == log.epochs, "\(when)") }
    #expect(moved.activeProducers.map(\.id) == log.activeProducers.map(\.id), "\(when)")
    #expect(moved.topicID == log.topicID, "\(when)")
    #expect(try moved.bytes(from: moved.logStartOffset) == log.bytes(from: log.logStartOffset), "\(when)")
    #expect(try moved.indexFaults() == [], "\(when)")
  }

  @Test("a follower's log that is truncated while it is copied, and goes on with other records, is copied anew")
  func truncated() throws {
    let two = try TwoDirectories(FakeDisk())
    try two.fill()
    let copy = try two.beginCopy()
    try two.grow(copy)
    #expect(!copy.isOutdated(by: two.log))
    try two.log.truncate(to: 9, nowMs: now)
    #expect(copy.isOutdated(by: two.log))
    for index in 0..<20 {
      let batch = Batches.make(records: 3, bodyBytes: 200, fill: UInt64(100 + index))
      _ = try two.log.append(batch, leaderEpoch: 5, nowMs: now)
    }
    try two.grow(copy)
    let expected = try two.log.bytes(from: 0)
    let moved = try #require(try two.replace(with: copy))
    #expect(try moved.bytes(from: 0) == expected)
    #expect(moved.epochs == two.log.epochs)
  }

  @Test("has there what it had, while appends go on; its old directory goes")
  func whole() throws {
    let disk = FakeDisk()
    let two = try TwoDirectories(disk)
    try two.fill()
    let copy = try two.beginCopy()
    try two.grow(copy)
    #expect(copy.endOffset == 36 && copy.sizeInBytes == two.log.sizeInBytes)
    #expect(try two.b.copies() == [partition] && two.b.list() == [] && two.b.strays() == [])
    _ = try two.log.append(Batches.make(records: 2, bodyBytes: 90), leaderEpoch: 4, nowMs: now)
    let before = try two.log.bytes(from: 0)
    let moved = try #require(try two.replace(with: copy))
    #expect(moved.directory == "/b/t-0" && moved.logEndOffset == 38 && moved.flushedOffset == 38)
    #expect(try moved.bytes(from: 0) == before)
    // Its files were renamed: of those that are open, readers go on.
    #expect(moved.epochs == two.log.epochs && moved.leaderEpoch == 4)
    let next = Batches.make(records: 3, bodyBytes: 200, producerID: 7, producerEpoch: 0, baseSequence: 36)
    #expect(try moved.append(next, leaderEpoch: 4, nowMs: now).baseOffset == 38)
    #expect(try two.a.list() == [] && two.b.list() == [partition] && two.b.copies() == [])
    #expect(try two.a.purgeDeleted(nowMs: now) == 1)
    #expect(two.b.read(.recoveryPoint) == [partition: 38] && two.b.read(.highWatermark) == [partition: 38])
  }

  @Test("is the same after a stop and after a crash")
  func reopened() throws {
    for isClean in [true, false] {
      let disk = FakeDisk()
      let two = try TwoDirectories(disk)
      try two.fill()
      let moved = try two.move()
      if isClean { try moved.close(nowMs: now) } else { disk.kill() }
      two.b.unlock()
      let again = try LogDirectory("/b", disk: disk)
      try expectEqual(try again.open(partition, config: moved.config, nowMs: now), two.log, "clean: \(isClean)")
    }
  }

  @Test("begins where its start lies within a batch, and when retention overtakes the copy")
  func start() throws {
    let two = try TwoDirectories(FakeDisk())
    try two.fill()
    try two.log.deleteRecords(before: 4, nowMs: now)
    let copy = try two.beginCopy()
    try copy.take(try copy.next(of: two.log, maxBytes: 300, nowMs: now), nowMs: now)
    #expect(copy.endOffset == 6)
    try two.log.deleteRecords(before: 20, nowMs: now)
    try two.grow(copy)
    try expectEqual(try #require(try two.replace(with: copy)), two.log)
    #expect(two.b.read(.logStart) == [partition: 20])
  }

  @Test("that is empty, or has lost its last batches to compaction, keeps its end")
  func emptyEnd() throws {
    let empty = try TwoDirectories(FakeDisk())
    try expectEqual(try empty.move(), empty.log)
    let deleted = try TwoDirectories(FakeDisk())
    try deleted.fill()
    try deleted.log.deleteRecords(before: 36, nowMs: now)
    try expectEqual(try deleted.move(), deleted.log)
    let cut = try TwoDirectories(FakeDisk())
    try cut.fill(batches: 2)
    try cut.log.roll(nowMs: now)
    // As a cleaning does to a closed segment whose records are all replaced.
    let segment = cut.log.segments[0]
    try segment.truncate(toPosition: segment.size / 2, offset: 3)
    cut.log.places.forget()
    let moved = try cut.move()
    try expectEqual(moved, cut.log)
    #expect(moved.logEndOffset == 6)
  }

  @Test("waits with the last step while more is missing than that may copy")
  func tooMuch() throws {
    let two = try TwoDirectories(FakeDisk())
    try two.fill()
    let copy = try two.beginCopy()
    #expect(try two.replace(with: copy, maxBytes: 600) == nil)
    #expect(try two.a.list() == [partition])
    try two.grow(copy)
    try expectEqual(try #require(try two.replace(with: copy, maxBytes: 600)), two.log)
  }

  @Test("a flush that began before the move says nothing of the log after it")
  func flush() throws {
    let two = try TwoDirectories(FakeDisk())
    try two.fill()
    let ticket = try #require(two.log.flushTicket())
    let moved = try two.move()
    _ = try moved.append(Batches.make(records: 1, bodyBytes: 50), leaderEpoch: 3, nowMs: now)
    #expect(moved.complete(ticket, .failure(DiskError("sync", "/a", code: 5)), nowMs: now) == nil)
    #expect(moved.failure == nil && moved.flushedOffset == 36)
  }

  @Test("a damaged batch is not copied, and the log stays")
  func damaged() throws {
    let disk = FakeDisk()
    let two = try TwoDirectories(disk)
    try two.fill(batches: 2)
    disk.overwrite("/a/t-0/00000000000000000000.log") { $0[200] ^= 1 }
    #expect(throws: LogCopyError.damaged(at: 0)) { _ = try two.move() }
    #expect(try two.a.list() == [partition] && two.log.failure == nil)
  }

  @Test("every name is on the disk before the next is changed, so that a power failure leaves one whole log")
  func order() throws {
    let disk = NotingDisk()
    let two = try TwoDirectories(disk)
    try two.fill()
    let copy = try two.beginCopy()
    try two.grow(copy)
    disk.forget()
    _ = try two.replace(with: copy)
    let names = disk.noted.filter { !$0.hasSuffix("checkpoint") && !$0.contains(".tmp") }
      .map { $0.replacing(/\.[0-9a-f]{32}-delete/, with: "-delete") }
    let last = try #require(names.firstIndex { $0.hasPrefix("rename /b/t-0.0-future") })
    #expect(names[..<last].contains("sync /b/t-0.0-future"))
    #expect(
      names[last...].filter { $0.hasPrefix("rename") || ["sync /a", "sync /b"].contains($0) } == [
        "rename /b/t-0.0-future to /b/t-0.0-moved", "sync /b",
        // The checkpoints of the new directory, each a file that replaces another.
        "sync /b", "sync /b", "sync /b", "sync /b",
        "rename /a/t-0 to /a/t-0-delete", "sync /a",
        "rename /b/t-0.0-moved to /b/t-0", "sync /b",
      ])
  }

  @Test("killed at any change, there is one log at the next start, with all that was appended")
  func killed() throws {
    var count = 0
    while true {
      let disk = MortalDisk()
      let two = try TwoDirectories(disk)
      try two.fill()
      try two.log.deleteRecords(before: 7, nowMs: now)
      try two.log.flush(nowMs: now)
      for checkpoint in OffsetCheckpoint.allCases where checkpoint != .cleaner {
        try two.a.write(checkpoint, [partition: checkpoint == .logStart ? 7 : 36])
      }
      let before = (count: disk.changes, bytes: try two.log.bytes(from: 7))
      disk.allow(count)
      var isComplete = true
      do { _ = try two.move() } catch { isComplete = false }
      disk.allow(.max)
      disk.real.kill()
      let when = "killed after \(count) changes"
      let directories = try ["/a", "/b"].map { path in try LogDirectory(path, disk: disk) }
      try LogDirectory.finishMoves(among: directories)
      let holding = try directories.filter { try $0.list() == [partition] }
      try #require(holding.count == 1, "\(when)")
      let log = try holding[0].open(partition, config: two.log.config, nowMs: now)
      #expect(log.logStartOffset == 7 && log.logEndOffset == 36 && log.holes == [], "\(when)")
      #expect(try log.bytes(from: 7) == before.bytes, "\(when)")
      #expect(log.activeProducers.map(\.id) == [7] && log.leaderEpoch == 3, "\(when)")
      // What a copy has left is known, and goes.
      for directory in directories {
        #expect(try directory.strays() == [], "\(when)")
        for copy in try directory.copies() { try directory.removeCopy(of: copy) }
        #expect(try directory.copies() == [], "\(when)")
      }
      count += 1
      if isComplete {
        #expect(disk.changes > before.count && count > 40, "\(count) changes")
        return
      }
    }
  }
}

/// Notes the names that change and the syncs, in their order.
private final class NotingDisk: ForwardingDisk {
  let real = FakeDisk()
  private let state = Mutex<[String]>([])

  var noted: [String] { state.withLock { $0 } }
  func forget() { state.withLock { $0 = [] } }

  func rename(_ from: String, to: String) throws(DiskError) {
    state.withLock { $0.append("rename \(from) to \(to)") }
    try real.rename(from, to: to)
  }
  func syncDirectory(_ path: String) throws(DiskError) {
    state.withLock { $0.append("sync \(path)") }
    try real.syncDirectory(path)
  }
}
