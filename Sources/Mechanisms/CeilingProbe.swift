import Base
internal import CMillrace
import Compression
import Glibc
package import NIOCore
import Synchronization

/// What this machine can do at the most: the bare device, memory, loopback, checksum and codecs, each for a fraction of a
/// second before a campaign. A result is told as a share of these as well as by itself.
///
/// One way of doing a thing is no ceiling: loopback alone ranges from 1.8 to 8.7 GB/s on one machine, by where the two threads run and
/// how much a call hands over. So the disk, memory and loopback are probed in several ways, and the best of them counts.
///
/// A part that this machine refuses (no O_DIRECT on its file system) is left out by name, with the reason.
package struct CeilingProbe: Sendable {
  package enum Limits {
    /// A part that would not end within this of the first one's begin is left out, by name.
    package static let secondsMax = 5.0
    /// Each part is repeated for so long, at least once.
    static let partSeconds = 0.25
    static let fileBytes = 128 << 20
    static let blockBytes = 1 << 20
    static let pageBytes = 4096
    static let copyBytes = 32 << 20
    static let checksumBytes = 64 << 10
    static let codecBytes = 256 << 10
    static let recordBytes = 400
    static let syncsMax = 400
    /// Of memory that is copied: within a processor's caches, and beyond them.
    static let copySizes = [64 << 10, 1 << 20, copyBytes]
    /// Handed over loopback by one call.
    static let sendSizes = [64 << 10, blockBytes]
    /// Requests that the disk is given at once.
    static let depths = [1, 4]
  }

  /// Where the probe's file goes; it is removed.
  package var directory: String
  package var congestionControl: String?
  package var seed: UInt64
  /// Text-like records for the codecs, which have nothing to do on random bytes.
  package var records: [ByteBuffer]
  package var partSeconds = Limits.partSeconds
  package var secondsMax = Limits.secondsMax

  package init(directory: String, congestionControl: String? = "cubic", seed: UInt64, records: [ByteBuffer]) {
    self.directory = directory
    self.congestionControl = congestionControl
    self.seed = seed
    self.records = records
  }

  package struct Result: Sendable, Equatable {
    /// By name; the unit is the name's end.
    package var figures: [String: Double] = [:]
    /// Parts that gave nothing, and why.
    package var obstacles: [String: String] = [:]
    package var congestionControl: String?
    package var seconds = 0.0
  }

  package func run() -> Result {
    let start = nowNanoseconds()
    var result = Result()
    func part(_ name: String, times: Double = 1, _ body: (inout Result) throws(MechanismError) -> Void) {
      let spent = Double(nowNanoseconds() - start) / 1e9
      guard spent + times * partSeconds <= secondsMax else {
        result.obstacles[name] = "no time was left of \(secondsMax) s"
        return
      }
      do { try body(&result) } catch { result.obstacles[name] = "\(error)" }
    }
    part("disk", times: 6) { (result) throws(MechanismError) in try disk(&result) }
    part("fsync") { (result) throws(MechanismError) in try fsyncs(&result) }
    part("memcpy", times: 1.5) { (result) throws(MechanismError) in memory(&result) }
    part("loopback", times: 3) { (result) throws(MechanismError) in try loopback(&result) }
    part("crc32c") { (result) throws(MechanismError) in checksum(&result) }
    part("codecs", times: 2) { (result) throws(MechanismError) in try codecs(&result) }
    result.seconds = Double(nowNanoseconds() - start) / 1e9
    return result
  }

  // MARK: Parts

  /// Sequential and random, past the page cache.
  private func disk(_ result: inout Result) throws(MechanismError) {
    let path = "\(directory)/ceiling.data"
    let file = try check("open \(path) with O_DIRECT") {
      open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC | millrace_o_direct(), 0o644)
    }
    defer {
      close(file)
      unlink(path)
    }
    let buffer = alignedBuffer(byteCount: Limits.blockBytes)
    defer { buffer.deallocate() }
    fillIncompressible(buffer, seed: seed)
    var written = 0
    try timed(atLeast: 1) { (round) throws(MechanismError) in
      let offset = round * Limits.blockBytes % Limits.fileBytes
      try check("write \(path)") { pwrite(file, buffer.baseAddress, buffer.count, off_t(offset)) }
      written = max(written, offset + buffer.count)
    }
    let blocks = written / Limits.blockBytes
    for (name, writes) in [("sequential_write_mb_per_s", true), ("sequential_read_mb_per_s", false)] {
      result.figures[name] = try Limits.depths.map { (depth) throws(MechanismError) in
        try inOrder(file, path, writes: writes, depth: depth, blocks: blocks)
      }.max()
    }
    let pages = UInt64(written / Limits.pageBytes)
    var random = SplitMix(seed: seed)
    let reads = try timed(atLeast: 1) { (_) throws(MechanismError) in
      let place = off_t(random.next() % pages) * off_t(Limits.pageBytes)
      try check("read \(path)") { pread(file, buffer.baseAddress, Limits.pageBytes, place) }
    }
    result.figures["random_read_per_s"] = reads.perSecond
    let writes = try timed(atLeast: 1) { (_) throws(MechanismError) in
      let place = off_t(random.next() % pages) * off_t(Limits.pageBytes)
      try check("write \(path)") { pwrite(file, buffer.baseAddress, Limits.pageBytes, place) }
    }
    result.figures["random_write_per_s"] = writes.perSecond
  }

  /// MB/s of blocks one after the other, `depth` of them at once.
  private func inOrder(
    _ file: Int32, _ path: String, writes: Bool, depth: Int, blocks: Int
  ) throws(MechanismError) -> Double {
    let next = Atomic(0)
    let failure = Mutex<MechanismError?>(nil)
    let (start, end) = (nowNanoseconds(), nowNanoseconds() + Int64(partSeconds * 1e9))
    var threads: [WorkThread] = []
    for number in 0..<depth {
      let seed = seed &+ UInt64(number)
      threads.append(
        try WorkThread {
          let buffer = alignedBuffer(byteCount: Limits.blockBytes)
          defer { buffer.deallocate() }
          fillIncompressible(buffer, seed: seed)
          do throws(MechanismError) {
            repeat {
              let round = next.wrappingAdd(1, ordering: .relaxed).oldValue
              let place = off_t(round % blocks * Limits.blockBytes)
              try check("\(writes ? "write" : "read") \(path)") {
                writes
                  ? pwrite(file, buffer.baseAddress, buffer.count, place)
                  : pread(file, buffer.baseAddress, buffer.count, place)
              }
            } while nowNanoseconds() < end
          } catch { failure.withLock { $0 = error } }
        })
    }
    for thread in threads { thread.join() }
    if let failure = failure.withLock({ $0 }) { throw failure }
    let seconds = Double(max(nowNanoseconds() - start, 1)) / 1e9
    return Double(next.load(ordering: .relaxed)) * Double(Limits.blockBytes) / 1e6 / seconds
  }

  /// A page appended and fdatasync: what an acknowledgement costs that a power cut cannot take back.
  private func fsyncs(_ result: inout Result) throws(MechanismError) {
    let path = "\(directory)/ceiling.sync"
    let file = try check("open \(path)") { open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0o644) }
    defer {
      close(file)
      unlink(path)
    }
    let buffer = alignedBuffer(byteCount: Limits.pageBytes)
    defer { buffer.deallocate() }
    fillIncompressible(buffer, seed: seed)
    var latencies: [Int64] = []
    try timed(atLeast: 5, atMost: Limits.syncsMax) { (_) throws(MechanismError) in
      let start = nowNanoseconds()
      try check("write \(path)") { write(file, buffer.baseAddress, buffer.count) }
      try check("fdatasync \(path)") { fdatasync(file) }
      latencies.append(nowNanoseconds() - start)
    }
    latencies.sort()
    result.figures["fsync_p50_ms"] = Double(latencies[latencies.count / 2]) / 1e6
  }

  /// Beyond any cache of the processor.
  private func memory(_ result: inout Result) {
    let (from, to) = (alignedBuffer(byteCount: Limits.copyBytes), alignedBuffer(byteCount: Limits.copyBytes))
    defer {
      from.deallocate()
      to.deallocate()
    }
    fillIncompressible(from, seed: seed)
    to.copyMemory(from: UnsafeRawBufferPointer(from))
    result.figures["memcpy_mb_per_s"] = Limits.copySizes.map { size in
      let copies = timed(atLeast: 1, seconds: partSeconds / 2) { (round) in
        // A byte that differs each time, so that no copy is the one before.
        from[round % size] &+= 1
        UnsafeMutableRawBufferPointer(rebasing: to[..<size]).copyMemory(
          from: UnsafeRawBufferPointer(rebasing: from[..<size]))
      }
      return copies.perSecond * Double(size) / 1e6
    }.max()
  }

  /// Where the two threads of a transfer run.
  private enum Placement: CaseIterable {
    case anywhere, sameCore, otherCores
  }

  private func loopback(_ result: inout Result) throws(MechanismError) {
    var best = 0.0
    for placement in Placement.allCases {
      for size in Limits.sendSizes {
        let (rate, control) = try transfer(blockBytes: size, placement)
        best = max(best, rate)
        result.congestionControl = control
      }
    }
    result.figures["loopback_mb_per_s"] = best
  }

  private func transfer(
    blockBytes: Int, _ placement: Placement
  ) throws(MechanismError) -> (mbPerSecond: Double, congestionControl: String) {
    let processors = UnsafeMutableRawBufferPointer.allocate(
      byteCount: Int(MILLRACE_PROCESSORS_BYTES), alignment: MemoryLayout<UInt64>.alignment)
    defer { processors.deallocate() }
    try check("sched_getaffinity") { millrace_processors(processors.baseAddress) }
    defer { _ = millrace_run_on(processors.baseAddress, -1) }
    let sockets = try Loopback(congestionControl: congestionControl)
    defer { sockets.closeBoth() }
    // The receiver's thread inherits where this one may run.
    if placement != .anywhere { try check("sched_setaffinity") { millrace_run_on(processors.baseAddress, 0) } }
    let receiver = try Receiver(sockets: [sockets.receiver], bufferBytes: Limits.blockBytes, checksums: false)
    if placement == .otherCores { try check("sched_setaffinity") { millrace_run_on(processors.baseAddress, 1) } }
    let buffer = alignedBuffer(byteCount: blockBytes)
    defer { buffer.deallocate() }
    fillIncompressible(buffer, seed: seed)
    let start = nowNanoseconds()
    var failure: MechanismError?
    do throws(MechanismError) {
      try timed(atLeast: 1, seconds: partSeconds / 2) { (_) throws(MechanismError) in
        var sent = 0
        while sent < buffer.count {
          let from = buffer.baseAddress.map { $0 + sent }
          sent += try check("send") { send(sockets.sender, from, buffer.count - sent, Int32(MSG_NOSIGNAL)) }
        }
      }
    } catch {
      failure = error
    }
    shutdown(sockets.sender, Int32(SHUT_WR))
    let received = try receiver.finish()
    if let failure { throw failure }
    let seconds = Double(max(nowNanoseconds() - start, 1)) / 1e9
    return (Double(received.bytes) / 1e6 / seconds, sockets.congestionControl)
  }

  private func checksum(_ result: inout Result) {
    let buffer = alignedBuffer(byteCount: Limits.checksumBytes)
    defer { buffer.deallocate() }
    fillIncompressible(buffer, seed: seed)
    var crc: UInt32 = 0
    let rounds = timed(atLeast: 1) { (_) in
      // Each continues from the one before, so that none can be left out.
      crc = millrace_crc32c(crc, buffer.baseAddress, buffer.count)
    }
    result.figures["crc32c_mb_per_s"] = rounds.perSecond * Double(Limits.checksumBytes) / 1e6 + (crc == 0 ? 1e-9 : 0)
  }

  private func codecs(_ result: inout Result) throws(MechanismError) {
    for codec in Codec.allCases where codec != .none {
      let speed = try CodecBench(
        records: records, codec: codec, grouping: .batch(records: records.count), seconds: partSeconds / 2
      ).run()
      result.figures["\(codec.name)_compress_mb_per_s"] = speed.compressMBPerSecond
      result.figures["\(codec.name)_decompress_mb_per_s"] = speed.decompressMBPerSecond
    }
  }

  // MARK: The stopwatch

  private struct Timed {
    var perSecond: Double
  }

  @discardableResult
  private func timed<Failure: Error>(
    atLeast least: Int, atMost most: Int = .max, seconds: Double? = nil, _ body: (Int) throws(Failure) -> Void
  ) throws(Failure) -> Timed {
    let start = nowNanoseconds()
    let end = start + Int64((seconds ?? partSeconds) * 1e9)
    var rounds = 0
    while rounds < most, rounds < least || nowNanoseconds() < end {
      try body(rounds)
      rounds += 1
    }
    return Timed(perSecond: Double(rounds) / (Double(max(nowNanoseconds() - start, 1)) / 1e9))
  }
}
