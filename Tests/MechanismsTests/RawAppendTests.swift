import Testing

@testable import Mechanisms

@Suite("Raw append", .serialized)
struct RawAppendTests {
  @Test("all bytes are written in segments, the series adds up, and nothing is left")
  func adds() throws {
    let scratch = try Scratch()
    let plan = RawAppend(
      directory: scratch.path, bytes: 10_000_000, writeBytes: 65_536, segmentBytes: 1 << 20, intervalBytes: 1 << 20)
    let result = try plan.run()
    #expect(result.bytes == 10_000_000 && result.writes == 153 && result.segments == 10)
    #expect(result.intervals.last?.storedBytes == 10_000_000)
    #expect(result.intervals.count == 10)
    #expect(result.syncs == 0 && result.scheduleLagMaxMs == 0)
    var last = 0.0, stored = 0
    for interval in result.intervals {
      #expect(interval.seconds > last && interval.storedBytes > stored && interval.mibPerSecond > 0)
      last = interval.seconds
      stored = interval.storedBytes
    }
    #expect(last <= result.seconds && result.cpuSeconds > 0)
    #expect(scratch.entries.isEmpty)
  }

  @Test("syncs are as many as asked for")
  func syncs() throws {
    let scratch = try Scratch()
    var plan = RawAppend(directory: scratch.path, bytes: 1 << 20, writeBytes: 65_536, segmentBytes: 1 << 30)
    plan.sync = .eachWrite
    #expect(try plan.run().syncs == 16)
    plan.sync = .every(bytes: 262_144)
    #expect(try plan.run().syncs == 4)
  }

  @Test("direct writes are whole pages, or refused")
  func direct() throws {
    let scratch = try Scratch()
    var plan = RawAppend(directory: scratch.path, bytes: 1 << 20, writeBytes: 65_536, segmentBytes: 1 << 30)
    plan.mode = .direct
    #expect(try plan.run().bytes == 1 << 20)
    plan.writeBytes = 1000
    #expect(throws: MechanismError.self) { try plan.run() }
  }

  @Test("a pace is kept: the time is at least what the pace says, and the lag is told")
  func pace() throws {
    let scratch = try Scratch()
    var plan = RawAppend(directory: scratch.path, bytes: 2 << 20, writeBytes: 65_536, segmentBytes: 1 << 30)
    plan.paceMiBPerSecond = 20
    let result = try plan.run()
    // The last of 32 writes begins at 31/32 of 0.1 s.
    #expect(result.seconds >= 0.1 * 31 / 32)
    #expect(result.mibPerSecond <= 20.7 && result.scheduleLagMaxMs >= 0)
  }

  @Test("a directory that is not there, or files in the way, stop it and leave things as they were")
  func failures() throws {
    let scratch = try Scratch()
    #expect(throws: MechanismError.self) {
      try RawAppend(directory: "/nowhere", bytes: 1, writeBytes: 1, segmentBytes: 1).run()
    }
    _ = try DataFile.make(path: scratch.path + "/raw-append-0.data", byteCount: 10, seed: 1)
    #expect(throws: MechanismError.self) {
      try RawAppend(directory: scratch.path, bytes: 1, writeBytes: 1, segmentBytes: 1).run()
    }
    #expect(scratch.entries == ["raw-append-0.data"])
    for change in [
      { (plan: inout RawAppend) in plan.bytes = 0 }, { $0.writeBytes = 0 }, { $0.paceMiBPerSecond = 0 },
      { $0.intervalBytes = 0 },
    ] as [(inout RawAppend) -> Void] {
      var plan = RawAppend(directory: scratch.path, bytes: 10, writeBytes: 1, segmentBytes: 1)
      change(&plan)
      #expect(throws: MechanismError.self) { try plan.run() }
    }
  }
}

@Suite("Latency buckets")
struct LatencyBucketsTests {
  @Test("percentiles are within a bucket of the truth, over six powers of ten")
  func percentiles() throws {
    for scale in [1, 1000, 1_000_000] as [Int64] {
      var buckets = LatencyBuckets()
      for value in 1...2000 { buckets.record(nanoseconds: Int64(value) * scale) }
      for (fraction, truth) in [(0.5, 1000.0), (0.9, 1800), (0.99, 1980)] {
        let found = try #require(buckets.percentileUs(fraction)) * 1000 / Double(scale)
        #expect(abs(found - truth) <= truth * 0.016, "p\(fraction) of scale \(scale): \(found)")
      }
    }
  }

  @Test("a percentile needs ten values beyond it")
  func enough() {
    var buckets = LatencyBuckets()
    for value in 1...999 { buckets.record(nanoseconds: Int64(value)) }
    #expect(buckets.percentileUs(0.99) == nil && buckets.percentileUs(0.9) != nil)
    buckets.record(nanoseconds: 1)
    #expect(buckets.percentileUs(0.99) != nil)
  }
}
