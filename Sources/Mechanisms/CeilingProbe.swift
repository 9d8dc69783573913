import Base
internal import CMillrace
import Compression
import Glibc
package import NIOCore

/// What this machine can do at the most: the bare device, memory, loopback, checksum and codecs, each for a fraction of a
/// second before a campaign. A result is told as a share of these as well as by itself.
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
  }

  /// Where the probe's file goes; it is removed.
  package var directory: String
  package var congestionControl: String?
  package var seed: UInt64
  /// Text-like records for the codecs, which have nothing to do on random bytes.
  package var records: [ByteBuffer]
  package var partSeconds = Limits.partSeconds

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
      guard spent + times * partSeconds <= Limits.secondsMax else {
        result.obstacles[name] = "no time was left of \(Limits.secondsMax) s"
        return
      }
      do { try body(&result) } catch { result.obstacles[name] = "\(error)" }
    }
    part("disk", times: 4) { (result) throws(MechanismError) in try disk(&result) }
    part("fsync") { (result) throws(MechanismError) in try fsyncs(&result) }
    part("memcpy") { (result) throws(MechanismError) in memory(&result) }
    part("loopback") { (result) throws(MechanismError) in try loopback(&result) }
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
    let writing = try timed(atLeast: 1) { (round) throws(MechanismError) in
      let offset = round * Limits.blockBytes % Limits.fileBytes
      try check("write \(path)") { pwrite(file, buffer.baseAddress, buffer.count, off_t(offset)) }
      written = max(written, offset + buffer.count)
    }
    result.figures["sequential_write_mb_per_s"] = writing.perSecond * Double(Limits.blockBytes) / 1e6
    let blocks = written / Limits.blockBytes
    let reading = try timed(atLeast: 1) { (round) throws(MechanismError) in
      try check("read \(path)") {
        pread(file, buffer.baseAddress, buffer.count, off_t(round % blocks * Limits.blockBytes))
      }
    }
    result.figures["sequential_read_mb_per_s"] = reading.perSecond * Double(Limits.blockBytes) / 1e6
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
    let copies = timed(atLeast: 1) { (round) in
      // A byte that differs each time, so that no copy is the one before.
      from[round % from.count] &+= 1
      to.copyMemory(from: UnsafeRawBufferPointer(from))
    }
    result.figures["memcpy_mb_per_s"] = copies.perSecond * Double(Limits.copyBytes) / 1e6
  }

  private func loopback(_ result: inout Result) throws(MechanismError) {
    let sockets = try Loopback(congestionControl: congestionControl)
    defer { sockets.closeBoth() }
    result.congestionControl = sockets.congestionControl
    let receiver = try Receiver(sockets: [sockets.receiver], bufferBytes: Limits.blockBytes, checksums: false)
    let buffer = alignedBuffer(byteCount: Limits.blockBytes)
    defer { buffer.deallocate() }
    fillIncompressible(buffer, seed: seed)
    let start = nowNanoseconds()
    var failure: MechanismError?
    do throws(MechanismError) {
      try timed(atLeast: 1) { (_) throws(MechanismError) in
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
    result.figures["loopback_mb_per_s"] = Double(received.bytes) / 1e6 / seconds
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
    atLeast least: Int, atMost most: Int = .max, _ body: (Int) throws(Failure) -> Void
  ) throws(Failure) -> Timed {
    let start = nowNanoseconds()
    let end = start + Int64(partSeconds * 1e9)
    var rounds = 0
    while rounds < most, rounds < least || nowNanoseconds() < end {
      try body(rounds)
      rounds += 1
    }
    return Timed(perSecond: Double(rounds) / (Double(max(nowNanoseconds() - start, 1)) / 1e9))
  }
}
