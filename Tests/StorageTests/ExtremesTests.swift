import Glibc
import Model
import NIOCore
import Testing

@testable import Storage

/// Numbers at which arithmetic gives way: the bounds of each width, their neighbours, and those around zero.
enum Extremes {
  static let timestamps: [Int64] = [
    .min, .min + 1, -EngineBench.now, -5000, -2, -1, 0, 1, EngineBench.now - 1, EngineBench.now, EngineBench.now + 1,
    .max - 1, .max,
  ]
  static let words: [Int64] = [
    .min, .min + 1, -2, -1, 0, 1, 2, Int64(Int32.max) - 1, Int64(Int32.max), Int64(Int32.max) + 1, Int64(UInt32.max),
    Offset.largestBase.rawValue - 1, Offset.largestBase.rawValue, Offset.largestBase.rawValue + 1, .max - 1, .max,
  ]
}

private let now = EngineBench.now
private let partition = TopicPartition("orders", 0)

@Suite("Numbers from outside, at their bounds: timestamps")
struct ExtremeTimestampTests {
  /// Everything that a broker does with a log, at `nowMs`.
  private func useAll(_ bench: EngineBench, nowMs: Int64, _ timestamps: [Int64]) throws {
    _ = bench.log.wantsFlush(nowMs: nowMs)
    bench.log.expireProducers(nowMs: nowMs, expirationMs: 86_400_000)
    for timestamp in timestamps { _ = try bench.log.offset(forTimestamp: timestamp) }
    _ = try bench.log.offsetOfMaxTimestamp()
    _ = bench.log.boundaries(writtenUpTo: .max, nowMs: nowMs, max: 10)
    _ = try bench.log.applyRetention(nowMs: nowMs, highWatermark: bench.log.logEndOffset)
    _ = try bench.log.purgeDeleted(nowMs: nowMs)
  }

  @Test("a batch of any timestamp after one of any other is taken, kept, found and aged", arguments: Arm.allCases)
  func pairs(_ arm: Arm) throws {
    for (index, first) in Extremes.timestamps.enumerated() {
      let bench = try EngineBench(arm)
      var sequence: Int32 = 0
      for second in Extremes.timestamps {
        for timestamp in [first, second] {
          _ = try bench.append(1, producer: 5, sequence: sequence, timestamp: timestamp)
          sequence += 1
        }
      }
      try useAll(bench, nowMs: now, Extremes.timestamps)
      try bench.reopen(clean: index % 2 == 0)
      try useAll(bench, nowMs: now, Extremes.timestamps)
      #expect(bench.log.logEndOffset == Offset(Int64(sequence)), "first \(first)")
    }
  }

  @Test("a producer whose last batch has no time, or one yet to come, is forgotten when it has been silent, not before")
  func producers() throws {
    for timestamp in [Int64.min, -2, -1, now + 1, .max] {
      var state = ProducerState()
      state.appended(
        Batches.make(
          records: 1, bodyBytes: 1, timestamp: timestamp, producerID: 5, producerEpoch: 0, baseSequence: 0
        ).header)
      state.expire(nowMs: now, expirationMs: 1000)
      #expect(state.count == 1, "\(timestamp) at the first look")
      state.expire(nowMs: now + 999, expirationMs: 1000)
      #expect(state.count == 1, "\(timestamp) before its time")
      state.expire(nowMs: now + 1000, expirationMs: 1000)
      #expect(state.count == 0, "\(timestamp) after its time")
    }
  }
}

/// One log on a fake disk, closed in order, to be damaged and opened again.
private struct Files {
  let disk = FakeDisk()
  let directory = "/orders-0"
  static let base = "00000000000000000000"

  init(batches: Int = 60) throws {
    var config = LogConfig()
    config.indexIntervalBytes = 200
    let log = try Log.create(
      disk: disk, directory: directory, partition: partition, topicID: nil, config: config, nowMs: now)
    for index in 0..<batches {
      let batch = Batches.make(
        records: 2, bodyBytes: 100, timestamp: now + Int64(index), producerID: 5, producerEpoch: 0,
        baseSequence: Int32(index) * 2)
      _ = try log.append(batch, leaderEpoch: LeaderEpoch(index / 20), nowMs: now)
    }
    try log.close(nowMs: now)
  }

  /// Opens the log, after a clean stop and after a crash, and uses it: errors are fine, traps are not.
  func use(_ memory: LogMemory = LogMemory(recoveryPoint: 120)) {
    for clean in [true, false] {
      var memory = memory
      memory.isClean = clean
      guard
        let log = try? Log.open(
          disk: disk, directory: directory, partition: partition, config: LogConfig(), memory: memory, nowMs: now)
      else { continue }
      for offset in [log.logStartOffset, 3, 60, 119, log.logEndOffset] {
        _ = try? log.read(from: offset, upTo: log.logEndOffset, maxBytes: 500, atLeastOneBatch: true)
        _ = log.epochs.epoch(at: offset)
      }
      for time in Extremes.timestamps { _ = try? log.offset(forTimestamp: time) }
      for epoch in [LeaderEpoch.min, -1, 0, 1, 2, 3, .max] { _ = log.endOffset(forEpoch: epoch) }
      _ = try? log.offsetOfMaxTimestamp()
      _ = try? log.abortedTransactions(from: 0, upTo: log.logEndOffset)
      _ = try? log.append(
        Batches.make(records: 2, bodyBytes: 9, producerID: 5, producerEpoch: 0, baseSequence: 118), leaderEpoch: 9,
        nowMs: now)
      _ = try? log.append(Batches.make(records: 2, bodyBytes: 9), leaderEpoch: 9, nowMs: now)
      log.expireProducers(nowMs: now, expirationMs: 1000)
      _ = try? log.applyRetention(nowMs: now, highWatermark: log.logEndOffset)
      _ = try? log.truncate(to: 50, nowMs: now)
      _ = try? log.append(Batches.make(records: 2, bodyBytes: 9), leaderEpoch: 9, nowMs: now)
    }
  }
}

@Suite("Numbers from outside, at their bounds: files")
struct ExtremeFileTests {
  private func put(_ value: Int64, _ width: Int, at position: Int, in bytes: inout [UInt8]) {
    for index in 0..<width where position + index < bytes.count {
      bytes[position + index] = UInt8(truncatingIfNeeded: value >> Int64(8 * (width - 1 - index)))
    }
  }

  /// Each column of each of some entries gets each extreme number; the log is opened and used each time.
  private func damage(_ suffix: String, entryBytes: Int, _ columns: [(at: Int, width: Int)], header: Int = 0) throws {
    let path = "/orders-0/\(Files.base)\(suffix)"
    let original = try #require(try Files().disk.fileBytes(path))
    try #require(original.count >= header + entryBytes, "\(suffix) has no entry")
    let count = (original.count - header) / entryBytes
    for entry in Set([0, count / 2, count - 1]).sorted() {
      for column in columns {
        for value in Extremes.words {
          let files = try Files()
          files.disk.overwrite(path) { put(value, column.width, at: header + entry * entryBytes + column.at, in: &$0) }
          files.use()
          // `dump` reads what is there, and says what is wrong with it.
          _ = try? LogDump(disk: files.disk) { _ in }.dump(files.directory)
        }
      }
    }
  }

  @Test("no number in an offset index traps")
  func offsetIndex() throws {
    try damage(OffsetIndex.suffix, entryBytes: OffsetIndex.entryBytes, [(0, 4), (4, 4)])
  }

  @Test("no number in a time index traps")
  func timeIndex() throws {
    try damage(TimeIndex.suffix, entryBytes: TimeIndex.entryBytes, [(0, 8), (8, 4)])
  }

  @Test("no number in a batch header traps, its CRC made right again")
  func batchHeaders() throws {
    let fields: [(at: Int, width: Int)] = [
      (BatchField.baseOffset, 8), (BatchField.length, 4), (BatchField.partitionLeaderEpoch, 4), (BatchField.magic, 1),
      (BatchField.attributes, 2), (BatchField.lastOffsetDelta, 4), (BatchField.baseTimestamp, 8),
      (BatchField.maxTimestamp, 8), (BatchField.producerID, 8), (BatchField.producerEpoch, 2),
      (BatchField.baseSequence, 4), (BatchField.count, 4),
    ]
    for field in fields {
      for batch in [0, 30, 59] {
        for value in Extremes.words {
          let files = try Files()
          files.disk.overwrite("/orders-0/\(Files.base).log") { bytes in
            let start = batch * 161
            put(value, field.width, at: start + field.at, in: &bytes)
            let read = bytes[start...].withUnsafeBytes { RecordBatchHeader(reading: $0) }
            guard read.sizeInBytes > 61, start + read.sizeInBytes <= bytes.count else { return }
            let body = ByteBuffer(bytes: bytes[(start + 61)..<(start + read.sizeInBytes)])
            put(Int64(read.checksum(of: body)), 4, at: start + BatchField.crc, in: &bytes)
          }
          files.use(LogMemory())
        }
      }
    }
  }

  @Test("no number in a producer snapshot traps, its CRC made right again")
  func snapshots() throws {
    let columns: [(at: Int, width: Int)] = [(0, 8), (8, 2), (10, 4), (14, 8), (22, 4), (26, 8), (34, 4), (38, 8)]
    let path = "/orders-0/\(Segment.name(120))\(ProducerSnapshot.suffix)"
    for (at, width) in columns + [(-4, 4)] {
      for value in Extremes.words {
        let files = try Files()
        files.disk.overwrite(path) { bytes in
          put(value, width, at: ProducerSnapshot.headerBytes + at, in: &bytes)
          put(Int64(crc(bytes[6...])), 4, at: 2, in: &bytes)
        }
        let decoded = ProducerSnapshot.decode(try #require(files.disk.fileBytes(path)), endOffset: 120)
        files.use()
        if let producer = decoded?.producer(5), let batch = producer.lastBatch {
          #expect(batch.firstOffset >= 0 && batch.lastOffset < 120, "\(value) at \(at)")
        }
      }
    }
  }

  private func crc(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    // The header's own function covers its attributes and what is behind them: 40 bytes of zeros undone would be more code.
    var crc: UInt32 = 0xFFFF_FFFF
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
    }
    return ~crc
  }

  @Test("no number in the checkpoints traps, and none that is no offset is believed")
  func checkpoints() throws {
    for value in Extremes.words.map({ "\($0)" }) + ["9223372036854775808", "-", "+0", "1e3", "99999999999999999999"] {
      for text in [
        "0\n1\norders 0 \(value)\n", "0\n\(value)\norders 0 5\n", "0\n1\norders \(value) 5\n", "\(value)\n1\n",
      ] {
        let disk = FakeDisk()
        try disk.makeDirectory("/data")
        for checkpoint in OffsetCheckpoint.allCases {
          try disk.open("/data/\(checkpoint.rawValue)", creating: true).write(Array(text.utf8), at: 0)
        }
        let directory: LogDirectory
        do throws(LogDirectoryError) { directory = try LogDirectory("/data", disk: disk) } catch {
          // Deleted records would come back; the other checkpoints are wrong in the same way.
          guard case .damaged = error else { throw error }
          try disk.remove("/data/\(OffsetCheckpoint.logStart.rawValue)")
          let others = try LogDirectory("/data", disk: disk)
          #expect(others.damaged.map(\.checkpoint) == [.recoveryPoint, .highWatermark, .cleaner], "\(text)")
          others.unlock()
          continue
        }
        for checkpoint in OffsetCheckpoint.allCases {
          for offset in directory.read(checkpoint).values {
            #expect((0...Offset.largestBase).contains(offset), "\(text)")
          }
        }
        let log = try directory.create(partition, topicID: nil, config: LogConfig(), nowMs: now)
        _ = try log.append(Batches.make(records: 1, bodyBytes: 9), leaderEpoch: 0, nowMs: now)
        directory.unlock()
      }
      let files = try Files()
      for text in ["0\n1\n\(value) 5\n", "0\n1\n1 \(value)\n", "0\n2\n0 \(value)\n1 7\n", "0\n\(value)\n0 0\n"] {
        files.disk.overwrite("/orders-0/leader-epoch-checkpoint") { $0 = Array(text.utf8) }
        files.use()
      }
    }
  }

  @Test("a segment named with any 20 digits is the log's, or no file of it; what cannot be numbered is refused")
  func names() throws {
    for digits in ["09223372036854775807", "09223372034707292159", "09223372034707292160", "99999999999999999999"] {
      let disk = FakeDisk()
      try disk.makeDirectory("/orders-0")
      for suffix in [".log", ".index", ".timeindex"] {
        _ = try disk.open("/orders-0/\(digits)\(suffix)", creating: true)
      }
      for clean in [true, false] {
        let log = try Log.open(
          disk: disk, directory: "/orders-0", partition: partition, config: LogConfig(),
          memory: LogMemory(isClean: clean), nowMs: now)
        func append(_ records: Int) -> AppendError? {
          do throws(AppendError) {
            _ = try log.append(Batches.make(records: records, bodyBytes: 9), leaderEpoch: 0, nowMs: now)
            return nil
          } catch { return error }
        }
        guard log.logEndOffset >= .largestBase else {
          #expect(log.logEndOffset < 20 && append(9) == nil, "\(digits)")
          continue
        }
        if log.logEndOffset == .largestBase { #expect(append(9) == nil) }
        let refusal = AppendError.diskFailed(DiskError("find offsets for a batch", "/orders-0", code: 75))
        #expect(append(1) == refusal, "\(digits)")
        #expect(digits == "09223372034707292159")
      }
    }
  }

  @Test("a transaction index of extreme numbers is read without a trap")
  func transactionIndex() throws {
    for value in Extremes.words {
      let files = try Files()
      let entry = AbortedTransaction(
        producerID: value, firstOffset: Offset(value), lastOffset: Offset(value), lastStableOffset: Offset(value))
      let path = "/orders-0/\(Files.base)\(TransactionIndex.suffix)"
      try files.disk.open(path, creating: true).write(TransactionIndex.encode(entry), at: 0)
      files.use()
    }
  }
}

@Suite("Numbers from outside, at their bounds: arithmetic")
struct ClampedTests {
  @Test("a result beyond the bounds is the nearer bound, any other is exact")
  func clamped() {
    for a in Extremes.words {
      for b in Extremes.words {
        let (wideA, wideB) = (Int128(a), Int128(b))
        #expect(Int128(a.addingClamped(b)) == min(max(wideA + wideB, Int128(Int64.min)), Int128(Int64.max)))
        #expect(Int128(a.subtractingClamped(b)) == min(max(wideA - wideB, Int128(Int64.min)), Int128(Int64.max)))
        #expect(Int128(a.multipliedClamped(by: b)) == min(max(wideA * wideB, Int128(Int64.min)), Int128(Int64.max)))
      }
    }
  }
}
