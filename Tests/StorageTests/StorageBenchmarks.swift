import Glibc
import Model
import NIOCore
import Synchronization
import Testing

@testable import Storage

extension Tag {
  @Tag static var benchmark: Self
}

/// How long the log itself takes. Small with every test, so that it does not rot; `BENCH=1` for figures (release build).
@Suite("Benchmarks of the log", .tags(.benchmark), .serialized)
struct StorageBenchmarks {
  private static let isReal = getenv("BENCH") != nil
  private let temporary: TemporaryDirectory

  init() throws { temporary = try TemporaryDirectory() }

  private func nanoseconds(_ clock: clockid_t = CLOCK_MONOTONIC) -> Int {
    var time = timespec()
    clock_gettime(clock, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
  }

  private func report(_ what: String, _ count: Int, wall: Int, cpu: Int, checksum: Int) {
    let line =
      "\(what): \(wall / max(1, count)) ns, \(cpu / max(1, count)) ns of CPU each (\(count)), checksum \(checksum)\n"
    var bytes = Array(line.utf8)
    _ = write(2, &bytes, bytes.count)
  }

  @Test("an append to the page cache", arguments: [1024, 16_384, 65_536])
  func append(batchBytes: Int) throws {
    // Half a GiB, in segments that are overwritten in memory that is warm: retention deletes as it goes.
    let count = (Self.isReal ? 512 << 20 : 1 << 20) / batchBytes
    var config = LogConfig()
    config.segmentBytes = 64 << 20
    config.retentionBytes = 64 << 20
    config.fileDeleteDelayMs = 0
    let log = try Log.create(
      disk: RealDisk(), directory: "\(temporary.path)/t-0", partition: TopicPartition("t", 0), topicID: nil,
      config: config, nowMs: 0)
    let batch = Batches.make(records: batchBytes / 100, bodyBytes: batchBytes - BatchField.records)
    var checksum = 0
    let (wall, cpu) = (nanoseconds(), nanoseconds(CLOCK_THREAD_CPUTIME_ID))
    for index in 0..<count {
      checksum &+= Int(try log.append(batch, leaderEpoch: 0, nowMs: 0).baseOffset.rawValue)
      if index & 0xFFF == 0xFFF {
        _ = try log.applyRetention(nowMs: 0, highWatermark: log.logEndOffset)
        _ = try log.purgeDeleted(nowMs: 1)
      }
    }
    report(
      "append of \(batchBytes) bytes", count, wall: nanoseconds() - wall,
      cpu: nanoseconds(CLOCK_THREAD_CPUTIME_ID) - cpu, checksum: checksum)
    #expect(log.logEndOffset == Offset(Int64(count * (batchBytes / 100))))
  }

  @Test("finding what to read", arguments: [true, false])
  func read(atTail: Bool) throws {
    let log = try Log.create(
      disk: RealDisk(), directory: "\(temporary.path)/t-0", partition: TopicPartition("t", 0), topicID: nil,
      config: LogConfig(), nowMs: 0)
    let batch = Batches.make(records: 10, bodyBytes: 1000)
    for _ in 0..<(Self.isReal ? 200_000 : 2000) { _ = try log.append(batch, leaderEpoch: 0, nowMs: 0) }
    let end = log.logEndOffset
    var count = 0
    var checksum = 0
    let (wall, cpu) = (nanoseconds(), nanoseconds(CLOCK_THREAD_CPUTIME_ID))
    for _ in 0..<(Self.isReal ? 20 : 1) {
      var offset: Offset = atTail ? end - 500 : 0
      while offset < end {
        let slice = try log.read(from: offset, upTo: end, maxBytes: atTail ? 2500 : 65_536, atLeastOneBatch: true)
        checksum &+= slice.byteCount
        offset = slice.nextOffset
        count += 1
      }
    }
    report(
      "finding \(atTail ? "the newest" : "64 KiB in order")", count, wall: nanoseconds() - wall,
      cpu: nanoseconds(CLOCK_THREAD_CPUTIME_ID) - cpu, checksum: checksum)
    #expect(count > 0)
  }

  @Test("a start with many partitions", arguments: [true, false])
  func start(clean: Bool) throws {
    let count = Self.isReal ? 1000 : 20
    let path = "\(temporary.path)/logs"
    do {
      let directory = try LogDirectory(path)
      var ends: [TopicPartition: Offset] = [:]
      for number in 0..<count {
        let partition = TopicPartition("t", Int32(number))
        let log = try directory.create(partition, topicID: nil, config: LogConfig(), nowMs: 0)
        for _ in 0..<20 {
          _ = try log.append(Batches.make(records: 10, bodyBytes: 1000), leaderEpoch: 0, nowMs: 0)
        }
        if clean { try log.close(nowMs: 0) }
        ends[partition] = log.logEndOffset
      }
      try directory.write(.recoveryPoint, clean ? ends : [:])
      if clean { try directory.closeCleanly() } else { directory.unlock() }
    }
    let wall = nanoseconds()
    let cpu = nanoseconds(CLOCK_PROCESS_CPUTIME_ID)
    let directory = try LogDirectory(path)
    let total = Total()
    try directory.openAll(
      threads: 2, nowMs: 0, config: { _ in LogConfig() },
      opened: { log, _ in total.add(Int(log.logEndOffset.rawValue)) }, failed: { _, _ in })
    report(
      "opening a partition after \(clean ? "an orderly stop" : "a crash")", count, wall: nanoseconds() - wall,
      cpu: nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu, checksum: total.value)
    #expect(total.value == count * 200)
  }

  private final class Total: Sendable {
    private let sum = Atomic<Int>(0)
    func add(_ value: Int) { sum.add(value, ordering: .relaxed) }
    var value: Int { sum.load(ordering: .relaxed) }
  }
}
