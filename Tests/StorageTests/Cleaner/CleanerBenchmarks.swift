import Base
import Compression
import Glibc
import Model
import NIOCore
import Testing

@testable import Storage

/// How fast one core compacts. Small with every test, so that it does not rot; `BENCH=1` for figures (release build).
@Suite("Benchmarks of the cleaner", .tags(.benchmark), .serialized)
struct CleanerBenchmarks {
  private static let isReal = getenv("BENCH") != nil

  /// The log's bytes are in the page cache, so the time is the processor's: reading twice, hashing keys, writing what stays, syncs aside.
  @Test(
    "a cleaning in which half of the records stay",
    arguments: [(100, Codec.none), (1000, .none), (1000, .lz4), (1000, .zstd), (10_000, .none)])
  func clean(valueBytes: Int, codec: Codec) throws {
    let temporary = try TemporaryDirectory()
    var config = LogConfig()
    config.compacts = true
    config.segmentBytes = 64 << 20
    let log = try Log.create(
      disk: RealDisk(), directory: "\(temporary.path)/t-0", partition: TopicPartition("t", 0), topicID: nil,
      config: config, nowMs: 0)
    let bytes = Self.isReal ? 512 << 20 : 1 << 20
    let records = bytes / (valueBytes + 30)
    try Self.fill(log, records: records, keys: records / 2, valueBytes: valueBytes, codec: codec)
    try log.roll(nowMs: 0)
    try log.flush(nowMs: 0)
    let size = log.sizeInBytes
    let plan = try #require(try log.planCleaning(highWatermark: log.logEndOffset, nowMs: 0))
    let cleaning = Cleaning(
      plan, CleaningResources(dedupeBytes: 128 << 20, loadFactor: 0.9, bufferBytes: 256 << 10),
      hash: KeyHash128(key: 1, 2))
    let cpu = Self.nanoseconds(CLOCK_THREAD_CPUTIME_ID), wall = Self.nanoseconds(CLOCK_MONOTONIC)
    _ = try CompactedLog.finish(cleaning, plan, log, nowMs: 0, turnBytes: 8 << 20)
    let cpuNs = Self.nanoseconds(CLOCK_THREAD_CPUTIME_ID) - cpu, wallNs = Self.nanoseconds(CLOCK_MONOTONIC) - wall
    #expect(log.sizeInBytes < size && log.cleanedOffset == log.logEndOffset)
    Self.report(
      "cleaning \(size >> 20) MiB of \(valueBytes) bytes, \(codec.name), to \(log.sizeInBytes >> 20) MiB: "
        + "\(size * 1000 / max(1, cpuNs)) MB/s of CPU, \(size * 1000 / max(1, wallNs)) MB/s, "
        + "memory \(cleaning.memoryBytes >> 20) MiB")
  }

  private static func fill(_ log: Log, records: Int, keys: Int, valueBytes: Int, codec: Codec) throws {
    var random = SplitMix(seed: 5)
    var builder = RecordBatchBuilder(capacity: 64 << 10)
    let value = [UInt8](unsafeUninitializedCapacity: valueBytes) { bytes, count in
      for index in 0..<valueBytes { bytes[index] = UInt8(truncatingIfNeeded: index % 7 == 0 ? random.next() : 32) }
      count = valueBytes
    }
    for record in 0..<records {
      let key = Array("key-\(random.below(max(1, keys)))".utf8)
      key.withUnsafeBytes { key in
        value.withUnsafeBytes { builder.append(timestamp: Int64(record), key: key, value: $0) }
      }
      guard builder.sizeInBytes > 60 << 10 || record == records - 1 else { continue }
      _ = try log.append(RecordBatch(viewing: builder.finish(codec: codec)), leaderEpoch: 0, nowMs: 0)
    }
  }

  private static func nanoseconds(_ clock: clockid_t) -> Int {
    var time = timespec()
    clock_gettime(clock, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
  }

  private static func report(_ line: String) {
    var bytes = Array((line + "\n").utf8)
    _ = write(2, &bytes, bytes.count)
  }
}
