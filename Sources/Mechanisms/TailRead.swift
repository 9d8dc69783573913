internal import CMillrace
import Glibc
import Synchronization

/// A file that is appended to at a pace and read at a distance behind its end, as a log is by a consumer; and beside it, if asked,
/// a reader of another file, cold and in order, as a consumer is that has far to catch up.
///
/// What the live reader and the other were charged for by the kernel is told apart: each is a thread.
package struct TailRead: Sendable {
  package enum Limits {
    static let blockBytes = 512...(16 << 20)
    static let mbPerSecondMax = 10_000.0
    static let secondsMax = 3600.0
    /// The other file is read so much at a time.
    static let besideBlockBytes = 256 << 10
  }

  package var directory: String
  /// One append, and one read.
  package var blockBytes = 16_384
  package var mbPerSecond: Double
  package var seconds: Double
  /// How far behind the end the reader keeps; so much is appended first, as fast as it goes.
  package var lagBytes = 0
  /// The other file, and the pace it is read at, from its start again at its end.
  package var beside: String?
  package var besideMBPerSecond = 100.0
  package var seed: UInt64 = 1

  package init(directory: String, mbPerSecond: Double, seconds: Double) {
    self.directory = directory
    self.mbPerSecond = mbPerSecond
    self.seconds = seconds
  }

  package struct Result: Sendable, Equatable {
    /// Read behind the end, while as many were appended.
    package var bytes: Int
    package var seconds: Double
    package var cpuSeconds: Double
    /// Charged to the live reader, and to the one beside.
    package var readBytes: Int
    package var besideReadBytes: Int
    package var besideBytes: Int
    /// An append's end after its intended time.
    package var appendP50Us: Double?, appendP99Us: Double?
    /// From the same time to when the block that had come within reach was read.
    package var readP50Us: Double?, readP99Us: Double?
    /// How late the appender itself woke.
    package var scheduleLagP99Us: Double?
    /// Of all bytes read behind the end, in order: what a test holds against the bytes appended.
    package var checksum: UInt32

    package var mbPerSecondRead: Double { Double(bytes) / 1e6 / seconds }
    package var besideMBPerSecond: Double { Double(besideBytes) / 1e6 / seconds }
    package var storageReadPercent: Double { 100 * Double(readBytes) / Double(bytes) }
  }

  /// Runs to the end or throws; either way its file is gone.
  package func run() throws(MechanismError) -> Result {
    try validate()
    let path = "\(directory)/tail-read.data"
    let file = try check("create \(path)") { open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o644) }
    defer {
      close(file)
      unlink(path)
    }
    let pair = try Self.pipe()
    defer { for end in [pair.read, pair.write] { close(end) } }
    let appender = TailAppender(self, file: file, signal: pair.write)
    defer { appender.end() }
    try appender.fill()
    let reader = TailReader(self, file: file, signal: pair.read, blocks: appender.blocks)
    var other: BesideReader?
    if let beside { other = try BesideReader(beside, mbPerSecond: besideMBPerSecond) }
    let cpu = processCPUSeconds()
    let start = nowNanoseconds() + Self.startDelayNs
    let readerThread = try WorkThread { reader.run(from: start) }
    var otherThread: WorkThread?
    do {
      if let other { otherThread = try WorkThread { other.run(from: start) } }
    } catch {
      appender.stop()
      readerThread.join()
      throw error
    }
    let failure = appender.run(from: start)
    other?.stop()
    readerThread.join()
    otherThread?.join()
    let seconds = Double(max(nowNanoseconds() - start, 1)) / 1e9
    if let failure = failure ?? reader.outcome.failure ?? other?.outcome.failure { throw failure }
    return Result(
      bytes: reader.outcome.bytes, seconds: seconds, cpuSeconds: processCPUSeconds() - cpu,
      readBytes: reader.outcome.readBytes, besideReadBytes: other?.outcome.readBytes ?? 0,
      besideBytes: other?.outcome.bytes ?? 0, appendP50Us: appender.latencies.percentileUs(0.5),
      appendP99Us: appender.latencies.percentileUs(0.99), readP50Us: reader.outcome.latencies.percentileUs(0.5),
      readP99Us: reader.outcome.latencies.percentileUs(0.99), scheduleLagP99Us: appender.lags.percentileUs(0.99),
      checksum: reader.outcome.checksum)
  }

  /// So that all threads are there when the first block is due.
  private static let startDelayNs: Int64 = 20_000_000

  private func validate() throws(MechanismError) {
    guard Limits.blockBytes.contains(blockBytes), blockBytes % 8 == 0 else {
      throw .badPlan(
        "block-bytes must be a multiple of 8 within \(Limits.blockBytes.lowerBound) to \(Limits.blockBytes.upperBound), "
          + "not \(blockBytes)")
    }
    guard mbPerSecond > 0, mbPerSecond <= Limits.mbPerSecondMax, besideMBPerSecond > 0 else {
      throw .badPlan("mb-per-s and beside-mb-per-s must be above 0 and at most \(Int(Limits.mbPerSecondMax))")
    }
    guard seconds > 0, seconds <= Limits.secondsMax else { throw .badPlan("seconds must be above 0 and at most 3600") }
    guard lagBytes >= 0 else { throw .badPlan("lag-mb must not be below 0") }
    guard blockCount > 0 else { throw .badPlan("at this pace not one block of \(blockBytes) bytes is due in the time") }
  }

  /// Appended at the pace.
  var blockCount: Int { Int(mbPerSecond * 1e6 * seconds / Double(blockBytes)) }
  var lagBlocks: Int { (lagBytes + blockBytes - 1) / blockBytes }
  var intervalNs: Double { Double(blockBytes) * 1e9 / (mbPerSecond * 1e6) }

  /// A byte a block: as many as a reader may be late by before the appender waits for it.
  private static let pipeBytes: Int32 = 65_536

  private static func pipe() throws(MechanismError) -> (read: Int32, write: Int32) {
    var ends: [Int32] = [-1, -1]
    try check("pipe") { millrace_pipe(&ends, pipeBytes) }
    return (ends[0], ends[1])
  }
}

/// Appends, and says so with a byte in a pipe for each block. Used by one thread.
private final class TailAppender {
  private let plan: TailRead
  private let file: Int32
  private let signal: Int32
  private let buffer: UnsafeMutableRawBufferPointer
  /// Appended so far.
  private(set) var blocks = 0
  private(set) var latencies = LatencyBuckets()
  private(set) var lags = LatencyBuckets()

  init(_ plan: TailRead, file: Int32, signal: Int32) {
    self.plan = plan
    self.file = file
    self.signal = signal
    buffer = alignedBuffer(byteCount: plan.blockBytes)
    fillIncompressible(buffer, seed: plan.seed)
  }

  func end() { buffer.deallocate() }

  /// What lies between the reader and the end.
  func fill() throws(MechanismError) {
    for _ in 0..<plan.lagBlocks { try append() }
  }

  /// Returns what went wrong; the reader is told of the end in any case.
  func run(from start: Int64) -> MechanismError? {
    do throws(MechanismError) {
      for index in 0..<plan.blockCount {
        let intended = start + Int64(Double(index) * plan.intervalNs)
        sleepUntil(nanoseconds: intended)
        lags.record(nanoseconds: nowNanoseconds() - intended)
        try append()
        latencies.record(nanoseconds: nowNanoseconds() - intended)
        try tell(1)
      }
      return nil
    } catch {
      stop()
      return error
    }
  }

  /// The reader's end before its time.
  func stop() { _ = try? tell(0) }

  private func tell(_ word: UInt8) throws(MechanismError) {
    var word = word
    let signal = signal
    try check("write to the reader") { write(signal, &word, 1) }
  }

  private func append() throws(MechanismError) {
    // Each block differs from all others: a deduplicating disk gets no gift, and a reader of the wrong block is found out.
    buffer.storeBytes(of: UInt64(blocks), as: UInt64.self)
    var done = 0
    while done < buffer.count {
      let (file, from, count) = (file, buffer.baseAddress.map { $0 + done }, buffer.count - done)
      done += try check("append") { write(file, from, count) }
    }
    blocks += 1
  }
}

/// Reads a block for each that is appended. Used by the thread that runs it, and by others when that has ended.
private final class TailReader: @unchecked Sendable {
  struct Outcome {
    var bytes = 0
    var readBytes = 0
    var latencies = LatencyBuckets()
    var checksum: UInt32 = 0
    var failure: MechanismError?
  }

  private let plan: TailRead
  private let file: Int32
  private let signal: Int32
  private let blocks: Int
  private(set) var outcome = Outcome()

  /// - Parameter blocks: in the file when the first signal comes.
  init(_ plan: TailRead, file: Int32, signal: Int32, blocks: Int) {
    self.plan = plan
    self.file = file
    self.signal = signal
    self.blocks = blocks
  }

  func run(from start: Int64) {
    let buffer = alignedBuffer(byteCount: plan.blockBytes)
    defer { buffer.deallocate() }
    var told = 0
    do throws(MechanismError) {
      let before = try ProcessIO.ofThread()
      for index in 0..<plan.blockCount {
        guard try isTold() else { return }
        told += 1
        try read(blocks + index - plan.lagBlocks, into: buffer)
        outcome.latencies.record(nanoseconds: nowNanoseconds() - start - Int64(Double(index) * plan.intervalNs))
      }
      outcome.readBytes = (try ProcessIO.ofThread() - before).readBytes
    } catch {
      outcome.failure = error
      // The appender is not left in front of a full pipe.
      while told < plan.blockCount, (try? isTold()) == true { told += 1 }
    }
  }

  /// Waits for the next block.
  private func isTold() throws(MechanismError) -> Bool {
    var word: UInt8 = 0
    let signal = signal
    return try check("read from the appender") { Glibc.read(signal, &word, 1) } == 1 && word == 1
  }

  private func read(_ block: Int, into buffer: UnsafeMutableRawBufferPointer) throws(MechanismError) {
    var done = 0
    while done < buffer.count {
      let (file, to, count) = (file, buffer.baseAddress.map { $0 + done }, buffer.count - done)
      let at = off_t(block * buffer.count + done)
      let got = try check("read") { pread(file, to, count, at) }
      if got == 0 { throw .corrupted("the file ended within block \(block), which had been appended") }
      done += got
    }
    let number = buffer.loadUnaligned(as: UInt64.self)
    guard number == UInt64(block) else { throw .corrupted("block \(block) came back as block \(number)") }
    outcome.bytes += buffer.count
    outcome.checksum = millrace_crc32c(outcome.checksum, buffer.baseAddress, buffer.count)
  }
}

/// Reads another file in order, at its pace, until it is stopped.
private final class BesideReader: @unchecked Sendable {
  struct Outcome {
    var bytes = 0
    var readBytes = 0
    var failure: MechanismError?
  }

  private let path: String
  private let byteCount: Int
  private let intervalNs: Double
  private let isStopped = Atomic<Bool>(false)
  // Of the thread that runs it, and of others when that has ended.
  private(set) var outcome = Outcome()

  init(_ path: String, mbPerSecond: Double) throws(MechanismError) {
    self.path = path
    byteCount = try DataFile(path: path).byteCount
    intervalNs = Double(TailRead.Limits.besideBlockBytes) * 1e9 / (mbPerSecond * 1e6)
  }

  func stop() { isStopped.store(true, ordering: .relaxed) }

  func run(from start: Int64) {
    let buffer = alignedBuffer(byteCount: TailRead.Limits.besideBlockBytes)
    defer { buffer.deallocate() }
    do throws(MechanismError) {
      let path = path
      let file = try check("open \(path)") { open(path, O_RDONLY | O_CLOEXEC) }
      defer { close(file) }
      let before = try ProcessIO.ofThread()
      var (index, at) = (0, 0)
      while !isStopped.load(ordering: .relaxed) {
        sleepUntil(nanoseconds: start + Int64(Double(index) * intervalNs))
        let place = off_t(at)
        let got = try check("read \(path)") { pread(file, buffer.baseAddress, buffer.count, place) }
        outcome.bytes += got
        at = at + got >= byteCount || got == 0 ? 0 : at + got
        index += 1
      }
      outcome.readBytes = (try ProcessIO.ofThread() - before).readBytes
    } catch {
      outcome.failure = error
    }
  }
}
