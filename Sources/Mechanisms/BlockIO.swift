internal import CMillrace
import Glibc
import Model

/// Reads or writes one file block by block, in order or scattered, at a queue depth: the bare mechanism of "sequential
/// access is far faster than random access".
///
/// A queue of depth n is n threads that each wait for one call (pread, pwrite, or a page fault): no asynchronous
/// interface is needed to keep n requests at the device. The threads share one cursor, so that sequential means that the
/// file's blocks are asked for in ascending order, whoever asks. Every block is visited at most once, so that nothing a run
/// read or wrote itself can serve it again; the run ends with the file or the time, whichever ends first.
package struct BlockIO: Sendable {
  package enum Pattern: String, Sendable, CaseIterable {
    case sequential, random
  }

  package enum Operation: String, Sendable, CaseIterable {
    case read, write
  }

  package enum Access: String, Sendable, CaseIterable {
    /// pread and pwrite through the page cache.
    case buffered
    /// The same with O_DIRECT: past the page cache.
    case direct
    /// Loads from a mapping: what a program does that has the file as an array. Reading only.
    case mapped
  }

  package enum ReadAhead: String, Sendable, CaseIterable {
    /// The kernel's own guess.
    case automatic
    /// Told that access is random: no read-ahead.
    case off
    /// Told that access is sequential: twice the read-ahead.
    case on
  }

  package enum Sync: String, Sendable, CaseIterable {
    case never
    /// fdatasync once, at the end, within the measured time.
    case end
    /// fdatasync by each thread whenever it has written another MiB, and at the end.
    case mib
    /// fdatasync after each block.
    case each
  }

  package enum Limits {
    static let blockBytes = 4...(16 << 20)
    static let queueDepth = 1...128
    /// A mapping is read sequentially by pieces of this size, each one step of the cursor.
    static let mappedStepBytes = 64 << 10
  }

  package var file: String
  package var pattern = Pattern.sequential
  package var operation = Operation.read
  package var blockBytes = 4096
  package var queueDepth = 1
  package var access = Access.buffered
  package var readAhead = ReadAhead.automatic
  package var sync = Sync.never
  package var seconds = 1.0
  package var seed: UInt64 = 1

  package init(file: String) { self.file = file }

  package struct Result: Sendable, Equatable {
    package var bytes: Int
    package var operations: Int
    package var syncs: Int
    package var seconds: Double
    package var cpuSeconds: Double
    package var p50Us: Double?
    package var p99Us: Double?
    /// What the kernel charged the process for.
    package var io: ProcessIO
    /// Sum of all 32-bit values read (wrapping): every byte was looked at, and a test can say whether rightly.
    package var sum: UInt64

    package var valuesPerSecond: Double { Double(bytes) / 4 / seconds }
    package var operationsPerSecond: Double { Double(operations) / seconds }
    package var mbPerSecond: Double { Double(bytes) / 1e6 / seconds }
    package var cpuSecondsPerGB: Double { cpuSeconds / (Double(bytes) / 1e9) }
  }

  /// Runs to the end or throws. Written blocks begin with their number, little-endian.
  package func run() throws(MechanismError) -> Result {
    let size = try validatedSize()
    var flags = (operation == .read ? O_RDONLY : O_RDWR) | O_CLOEXEC
    if access == .direct { flags |= millrace_o_direct() }
    let descriptor = try check("open \(file)\(access == .direct ? " with O_DIRECT" : "")") { open(file, flags) }
    defer { close(descriptor) }
    try advise(descriptor)
    let map = access == .mapped ? try mapping(of: descriptor, byteCount: size) : nil
    defer { if let map { munmap(map.baseAddress, map.count) } }
    let job = BlockJob(self, descriptor: descriptor, map: map.map { Int(bitPattern: $0.baseAddress) }, size: size)
    let watch = try Progress.shared.watch()
    defer { watch.end() }
    let io = try ProcessIO.now()
    let cpu = processCPUSeconds()
    let start = nowNanoseconds()
    let workers = (0..<queueDepth).map { BlockWorker(job, number: $0, start: start) }
    var threads: [WorkThread] = []
    var failure: MechanismError?
    for worker in workers.dropFirst() {
      do { threads.append(try WorkThread { worker.run() }) } catch {
        job.stop()
        failure = error
        break
      }
    }
    if failure == nil { workers[0].run() }
    for thread in threads { thread.join() }
    var outcome = workers[0].outcome
    for worker in workers.dropFirst() { outcome.add(worker.outcome) }
    if let failure = failure ?? outcome.failure { throw failure }
    if sync != .never, operation == .write {
      try check("fdatasync \(file)") { fdatasync(descriptor) }
      outcome.syncs += 1
    }
    let ended = Double(max(nowNanoseconds() - start, 1)) / 1e9
    return Result(
      bytes: outcome.bytes, operations: outcome.operations, syncs: outcome.syncs, seconds: ended,
      cpuSeconds: processCPUSeconds() - cpu, p50Us: outcome.latencies.percentileUs(0.5),
      p99Us: outcome.latencies.percentileUs(0.99), io: try ProcessIO.now() - io, sum: outcome.sum)
  }

  /// The file's size in bytes; throws for a plan that cannot run.
  private func validatedSize() throws(MechanismError) -> Int {
    let size = try DataFile(path: file).byteCount
    guard Limits.blockBytes.contains(blockBytes), blockBytes % 4 == 0 else {
      throw .badPlan(
        "block-bytes must be a multiple of 4 within 4 to \(Limits.blockBytes.upperBound), not \(blockBytes)")
    }
    guard Limits.queueDepth.contains(queueDepth) else {
      throw .badPlan("queue-depth must be 1 to \(Limits.queueDepth.upperBound), not \(queueDepth)")
    }
    guard blockBytes <= size else { throw .badPlan("\(file) has \(size) bytes, fewer than a block of \(blockBytes)") }
    guard access != .direct || blockBytes % 512 == 0 else {
      throw .badPlan("O_DIRECT moves whole sectors: block-bytes must be a multiple of 512, not \(blockBytes)")
    }
    guard access != .mapped || operation == .read else { throw .badPlan("a mapping is only read here: choose op read") }
    guard sync == .never || operation == .write else { throw .badPlan("sync \(sync.rawValue) belongs to op write") }
    guard seconds > 0, seconds <= 3600 else { throw .badPlan("seconds must be above 0 and at most 3600") }
    return size
  }

  private func advise(_ descriptor: Int32) throws(MechanismError) {
    let advice: Int32
    switch readAhead {
    case .automatic: return
    case .off: advice = POSIX_FADV_RANDOM
    case .on: advice = POSIX_FADV_SEQUENTIAL
    }
    let code = posix_fadvise(descriptor, 0, 0, advice)
    if code != 0 { throw .call("posix_fadvise \(file)", errno: code) }
  }

  private func mapping(of descriptor: Int32, byteCount: Int) throws(MechanismError) -> UnsafeMutableRawBufferPointer {
    guard let map = mmap(nil, byteCount, PROT_READ, MAP_SHARED, descriptor, 0), map != MAP_FAILED else {
      throw .call("mmap \(file)", errno: errno)
    }
    let advice: Int32 =
      switch readAhead {
      case .automatic: POSIX_MADV_NORMAL
      case .off: POSIX_MADV_RANDOM
      case .on: POSIX_MADV_SEQUENTIAL
      }
    let code = posix_madvise(map, byteCount, advice)
    if code != 0 { throw .call("madvise \(file)", errno: code) }
    return UnsafeMutableRawBufferPointer(start: map, count: byteCount)
  }
}
