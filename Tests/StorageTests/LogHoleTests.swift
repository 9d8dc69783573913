import Model
import NIOCore
import Testing

@testable import Storage

private let partition = TopicPartition("orders", 0)
private let now: Int64 = 1_700_000_000_000

/// Three segments of the offsets 0–4, 5–9 and 10–11, each record a batch of its own.
@Suite("A closed segment that was cut or removed while the broker was stopped")
struct LogHoleTests {
  let disk = FakeDisk()
  private var config = LogConfig()

  init() throws {
    let log = try Log.create(
      disk: disk, directory: "/orders-0", partition: partition, topicID: nil, config: config, nowMs: now)
    for index in 0..<12 {
      if index == 5 || index == 10 { try log.roll(nowMs: now) }
      _ = try log.append(Batches.make(records: 1, bodyBytes: 3000), leaderEpoch: 0, nowMs: now)
    }
    try log.flush(nowMs: now)
    try log.close(nowMs: now)
  }

  enum Harm: CaseIterable {
    /// Within the second of five batches, behind the first, everything, the file.
    case within, behind, all, removed
    /// Zeros behind the last batch, zeros instead of all but the first.
    case zerosBehind, zerosWithin
  }

  private static let batchBytes = 3000 + BatchField.records

  private func path(_ base: Offset) -> String { "/orders-0/\(Segment.name(base)).log" }

  private func harm(_ harm: Harm, _ base: Offset) throws {
    if harm == .removed { return try disk.remove(path(base)) }
    disk.overwrite(path(base)) { bytes in
      let size = bytes.count
      switch harm {
      case .within: bytes.removeLast(size - Self.batchBytes - 1000)
      case .behind, .zerosWithin: bytes.removeLast(size - Self.batchBytes)
      case .all, .removed: bytes = []
      case .zerosBehind: bytes += [UInt8](repeating: 0, count: 5000)
      }
      if harm == .zerosWithin { bytes += [UInt8](repeating: 0, count: size - Self.batchBytes) }
    }
  }

  /// The offsets that are missing then.
  private func missing(_ harm: Harm, _ base: Offset) -> Range<Offset> {
    switch harm {
    case .within, .behind, .zerosWithin: base + 1..<base + 5
    case .all, .removed: base..<base + 5
    case .zerosBehind: base + 5..<base + 5
    }
  }

  private func open(isClean: Bool, _ memory: LogMemory = LogMemory(recoveryPoint: 12)) throws -> Log {
    var memory = memory
    memory.isClean = isClean
    memory.hasLogStart = true
    return try Log.open(
      disk: disk, directory: "/orders-0", partition: partition, config: config, memory: memory, nowMs: now)
  }

  /// Reads from each offset to the end, and compares with what is still there.
  private func expectReads(_ log: Log, without missing: Range<Offset>, _ what: String) throws {
    for from in 0..<log.logEndOffset.rawValue where Offset(from) >= log.logStartOffset {
      var got: [Offset] = []
      var at = Offset(from)
      while at < log.logEndOffset {
        let slice = try log.read(from: at, upTo: log.logEndOffset, maxBytes: 1 << 20, atLeastOneBatch: true)
        try #require(slice.nextOffset > at, "\(what): a read from \(at) does not go on")
        at = slice.nextOffset
        var bytes = try slice.bytes()
        while bytes.readableBytes > 0 {
          let batch = try RecordBatch(viewing: bytes)
          got.append(batch.header.baseOffset)
          bytes.moveReaderIndex(forwardBy: batch.sizeInBytes)
        }
      }
      let expected = (from..<log.logEndOffset.rawValue).map { Offset($0) }.filter { !missing.contains($0) }
      #expect(got == expected, "\(what): from \(from)")
    }
  }

  @Test(
    "is told, and reads go on behind what is missing", arguments: Harm.allCases,
    [(true, 0), (true, 5), (false, 0), (false, 5)])
  func hole(harm: Harm, place: (isClean: Bool, base: Int64)) throws {
    let base = Offset(place.base)
    try self.harm(harm, base)
    let before = disk.fileBytes(path(base))
    for round in 1...2 {
      let log = try open(isClean: place.isClean)
      let what = "\(harm) of \(base), clean \(place.isClean), start \(round)"
      // Without its first segment a log that was not stopped in order may have been shortened by retention.
      let isFront = harm == .removed && base == 0
      let missing = missing(harm, base)
      let expected = missing.isEmpty || isFront && !place.isClean ? [] : [missing]
      #expect(log.holes.map(\.offsets) == expected, "\(what)")
      #expect(log.logEndOffset == 12, "\(what)")
      #expect(log.logStartOffset == (isFront ? 5 : 0), "\(what)")
      try expectReads(log, without: missing, what)
      #expect(disk.fileBytes(path(base)) == before, "\(what): the file has changed")
      disk.kill()
    }
  }

  @Test("keeps what follows it, when a crash comes before the next flush", arguments: [Harm.within, .behind, .all])
  func crashBehind(harm: Harm) throws {
    // The recovery point is where the active segment begins, so the closed one is read again.
    try self.harm(harm, 5)
    let log = try open(isClean: false, LogMemory(recoveryPoint: 10))
    #expect(log.logEndOffset == 12, "acknowledged records behind the hole were removed")
    #expect(log.holes.map(\.offsets) == [missing(harm, 5)])
    try expectReads(log, without: missing(harm, 5), "\(harm)")
  }

  @Test(
    "is no loss where the log has been compacted, unless the file contradicts its index or ends within a batch",
    arguments: Harm.allCases)
  mutating func compacted(harm: Harm) throws {
    config.compacts = true
    try self.harm(harm, 5)
    let log = try open(isClean: true)
    let isTold = [.within, .behind, .all, .zerosWithin].contains(harm)
    #expect(log.holes.map(\.offsets) == (isTold ? [missing(harm, 5)] : []), "\(harm)")
    try expectReads(log, without: missing(harm, 5), "\(harm)")
  }

  @Test("is no loss below the log's start")
  func belowStart() throws {
    try harm(.within, 0)
    #expect(try open(isClean: true, LogMemory(logStartOffset: 5, recoveryPoint: 12)).holes.isEmpty)
    #expect(
      try open(isClean: true, LogMemory(logStartOffset: 3, recoveryPoint: 12)).holes.map(\.offsets) == [3..<5])
  }
}
