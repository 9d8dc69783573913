internal import CMillrace
import Glibc

/// Appends to files in one directory as a log does, without a log: the control of "throughput over stored volume", for
/// what the disk and the kernel lose is not the broker's loss.
///
/// One thread, one file at a time. The files are removed afterwards.
package struct RawAppend: Sendable {
  package enum Mode: String, Sendable, CaseIterable {
    case buffered
    /// O_DIRECT: past the page cache; writes must be whole pages.
    case direct
  }

  package enum Sync: Sendable, Equatable {
    case never
    case eachWrite
    /// fdatasync each time this many bytes have been written.
    case every(bytes: Int)
  }

  package enum Limits {
    static let writeBytesMax = 64 << 20
    /// Points kept of the run; a finer interval is an error.
    static let intervalsMax = 100_000
    /// A paced run hurries after a stall for at most this much of its schedule.
    static let catchUpMs: Int64 = 10
  }

  package var directory: String
  package var bytes: Int
  package var writeBytes: Int
  package var segmentBytes: Int
  package var mode = Mode.buffered
  package var sync = Sync.never
  /// Write i is begun at start + i · writeBytes / pace, never earlier; nil is as fast as it goes. What a stall of the disk
  /// cost is not made up for afterwards (beyond `catchUpMs`): those the pace was taken from cannot do that either.
  package var paceMiBPerSecond: Double?
  /// Stored volume between two points of the result's series.
  package var intervalBytes: Int
  package var seed: UInt64 = 1

  package init(directory: String, bytes: Int, writeBytes: Int, segmentBytes: Int, intervalBytes: Int = 16 << 20) {
    self.directory = directory
    self.bytes = bytes
    self.writeBytes = writeBytes
    self.segmentBytes = segmentBytes
    self.intervalBytes = intervalBytes
  }

  package struct Interval: Sendable, Equatable {
    /// At the interval's end, since the start.
    package var seconds: Double
    package var storedBytes: Int
    /// Of this interval alone.
    package var mibPerSecond: Double
    /// The longest single write (and sync) of the interval.
    package var writeMaxUs: Double
  }

  package struct Result: Sendable, Equatable {
    package var bytes: Int
    package var seconds: Double
    package var writes: Int
    package var syncs: Int
    package var segments: Int
    package var cpuSeconds: Double
    package var writeP50Us: Double?
    package var writeP99Us: Double?
    /// How far behind its pace it ever was; zero without a pace.
    package var scheduleLagMaxMs: Double
    package var intervals: [Interval]

    package var mibPerSecond: Double { Double(bytes) / Double(1 << 20) / seconds }
    package var cpuSecondsPerGB: Double { cpuSeconds / (Double(bytes) / 1e9) }
  }

  /// Runs to the end or throws; either way no file is left.
  package func run() throws(MechanismError) -> Result {
    try validate()
    var appender = try Appender(self)
    do throws(MechanismError) {
      let result = try appender.run()
      appender.remove()
      return result
    } catch {
      appender.remove()
      throw error
    }
  }

  private func validate() throws(MechanismError) {
    guard bytes > 0, segmentBytes > 0, intervalBytes > 0 else { throw .badPlan("byte counts must be above zero") }
    guard (1...Limits.writeBytesMax).contains(writeBytes) else {
      throw .badPlan("write-bytes must be 1 to \(Limits.writeBytesMax), not \(writeBytes)")
    }
    guard mode == .buffered || (writeBytes % 4096 == 0 && bytes % writeBytes == 0) else {
      throw .badPlan("direct writes must be multiples of 4096 bytes and divide the total")
    }
    guard bytes / intervalBytes <= Limits.intervalsMax else {
      throw .badPlan("more than \(Limits.intervalsMax) intervals")
    }
    if let pace = paceMiBPerSecond, !(pace > 0) { throw .badPlan("a pace of \(pace) MiB/s never ends") }
  }
}

/// One run of `RawAppend`: owns the open file, the buffer and the series.
private struct Appender {
  let plan: RawAppend
  let buffer: UnsafeMutableRawBufferPointer
  var file: Int32 = -1
  var segments = 0
  var segmentWritten = 0
  var unsynced = 0
  var syncs = 0
  var latencies = LatencyBuckets()
  var intervals: [RawAppend.Interval] = []

  init(_ plan: RawAppend) throws(MechanismError) {
    self.plan = plan
    buffer = alignedBuffer(byteCount: plan.writeBytes)
    fillIncompressible(buffer, seed: plan.seed)
  }

  mutating func run() throws(MechanismError) -> RawAppend.Result {
    try roll()
    let usage = ThreadUsage.now()
    let start = nowNanoseconds()
    let nanosecondsPerByte = plan.paceMiBPerSecond.map { 1e9 / ($0 * Double(1 << 20)) }
    var written = 0, writes = 0
    var lagMax: Int64 = 0, slowest: Int64 = 0
    var origin = start
    var intervalEnd = plan.intervalBytes, intervalFrom = 0
    var intervalStart = start, begun = start
    while written < plan.bytes {
      if let nanosecondsPerByte {
        let intended = origin + Int64(Double(written) * nanosecondsPerByte)
        if begun < intended { sleepUntil(nanoseconds: intended) }
        begun = nowNanoseconds()
        lagMax = max(lagMax, begun - intended)
        origin += max(0, begun - intended - RawAppend.Limits.catchUpMs * 1_000_000)
      }
      let count = min(plan.writeBytes, plan.bytes - written)
      if segmentWritten > 0, segmentWritten + count > plan.segmentBytes { try roll() }
      try append(count)
      written += count
      writes += 1
      let ended = nowNanoseconds()
      latencies.record(nanoseconds: ended - begun)
      slowest = max(slowest, ended - begun)
      begun = ended
      if written >= intervalEnd || written == plan.bytes {
        let seconds = Double(max(ended - intervalStart, 1)) / 1e9
        intervals.append(
          RawAppend.Interval(
            seconds: Double(ended - start) / 1e9, storedBytes: written,
            mibPerSecond: Double(written - intervalFrom) / Double(1 << 20) / seconds,
            writeMaxUs: Double(slowest) / 1000))
        intervalFrom = written
        intervalStart = ended
        intervalEnd = written + plan.intervalBytes
        slowest = 0
      }
    }
    let seconds = Double(max(nowNanoseconds() - start, 1)) / 1e9
    let used = ThreadUsage.now() - usage
    return RawAppend.Result(
      bytes: written, seconds: seconds, writes: writes, syncs: syncs, segments: segments, cpuSeconds: used.cpuSeconds,
      writeP50Us: latencies.percentileUs(0.5), writeP99Us: latencies.percentileUs(0.99),
      scheduleLagMaxMs: Double(lagMax) / 1e6, intervals: intervals)
  }

  /// The whole of `count` bytes, and the sync that may be due.
  private mutating func append(_ count: Int) throws(MechanismError) {
    // The same bytes again would be a gift to a deduplicating disk: a counter makes each write differ.
    if count >= 8 { buffer.storeBytes(of: UInt64(segments) << 40 | UInt64(segmentWritten), as: UInt64.self) }
    var done = 0
    while done < count {
      let (file, from) = (file, buffer.baseAddress.map { $0 + done })
      done += try check("write") { write(file, from, count - done) }
    }
    segmentWritten += count
    unsynced += count
    switch plan.sync {
    case .never: return
    case .eachWrite: break
    case .every(let bytes): if unsynced < bytes { return }
    }
    let file = file
    try check("fdatasync") { fdatasync(file) }
    unsynced = 0
    syncs += 1
  }

  private mutating func roll() throws(MechanismError) {
    if file >= 0 { close(file) }
    let path = path(of: segments)
    let flags = O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | (plan.mode == .direct ? millrace_o_direct() : 0)
    file = -1
    file = try check("create \(path)") { open(path, flags, 0o644) }
    segments += 1
    segmentWritten = 0
  }

  mutating func remove() {
    if file >= 0 { close(file) }
    file = -1
    for segment in 0..<segments { unlink(path(of: segment)) }
    buffer.deallocate()
  }

  private func path(of segment: Int) -> String { "\(plan.directory)/raw-append-\(segment).data" }
}
