import Base
internal import CMillrace
import Glibc

/// Serves one seeded trace of block reads from a file, through the page cache or through a cache within the process, and
/// tells what is held in memory, how fast it is, and how long it takes to be warm again after a restart.
///
/// `measure` warms up and measures; `rewarm` goes on where nothing is in the process: a program calls it after it has
/// started itself anew. Everything read is summed, so that a block costs the same look whoever holds it.
package struct CacheModel: Sendable {
  package enum Kind: String, Sendable, CaseIterable {
    /// pread; the kernel caches.
    case pageCache = "page-cache"
    /// Objects in the process over O_DIRECT reads.
    case boxed
    /// Plain bytes in the process over O_DIRECT reads.
    case arena
    /// Plain bytes in the process over pread: cached twice.
    case both
  }

  package enum Trace: String, Sendable, CaseIterable {
    case uniform, zipf
  }

  package enum Limits {
    /// Whole pages: what of a block is in the page cache is told page by page.
    static let blockBytes = pageBytes...(1 << 20)
    static let pageBytes = 4096
    static let zipfExponent = 0.99
    /// Blocks read between two looks at the hit ratio while warming up again: few, for a cache that is warm at once is seen
    /// to be only at the end of one, and its time is then a bound. By chance a slice passes early, which is to the slow
    /// cache's favour.
    static let slice = 25
    /// A cache is full when it grew by less than this share over each of the last looks.
    static let fullGrowth = 0.005
    static let fullLooks = 2
    /// Blocks read between two looks at what is held while it fills, as a share of `warmReads`.
    static let lookShare = 0.25
    /// A cache that does not stop growing is measured after so many times `warmReads`.
    static let warmFactorMax = 20
    /// Blocks by which a cache grows between two looks at the process's memory: asking costs a system call.
    static let memoryCheck = 16
    /// Warm again means this share of the hit ratio before.
    static let warmShare = 0.95
  }

  package var file: String
  package var kind: Kind
  package var trace = Trace.uniform
  package var blockBytes = 16_384
  /// Of a record in the objects' cache.
  package var recordBytes = 100
  /// Memory the in-process cache may take, its own overhead included.
  package var cacheBytes = 64 << 20
  /// Blocks read before measuring (at least), while measuring, and at most after a restart.
  package var warmReads = 10_000
  package var reads = 5000
  package var seed: UInt64 = 1

  package init(file: String, kind: Kind) {
    self.file = file
    self.kind = kind
  }

  package struct Measured: Sendable, Equatable {
    package var bytes: Int
    package var seconds: Double
    package var cpuSeconds: Double
    /// Of the reads, by what the device had to give.
    package var hitRatio: Double
    /// Bytes of the file held in memory, whoever holds them; held twice counts once.
    package var cachedBytes: Int
    package var heldTwiceBytes: Int
    package var anonymousBytes: Int
    /// Blocks read before measuring, until the cache was full.
    package var warmReads: Int
    package var sum: UInt64
    package var mbPerSecond: Double { Double(bytes) / 1e6 / seconds }
    package var cpuSecondsPerGB: Double { cpuSeconds / (Double(bytes) / 1e9) }
  }

  package func measure() throws(MechanismError) -> Measured {
    let server = try BlockServer(self)
    defer { server.end() }
    var trace = BlockTrace(self, blocks: server.blocks, seed: seed)
    let warmed = try fill(server, &trace)
    // However long one took to fill, all kinds are measured by the same reads.
    trace = BlockTrace(self, blocks: server.blocks, seed: measuredSeed)
    let watch = try Progress.shared.watch()
    defer { watch.end() }
    let io = try ProcessIO.ofThread()
    let cpu = processCPUSeconds()
    let start = nowNanoseconds()
    var sum: UInt64 = 0
    for _ in 0..<reads {
      sum &+= try server.serve(trace.next())
      Progress.shared.add(blockBytes)
    }
    let seconds = Double(max(nowNanoseconds() - start, 1)) / 1e9
    let used = processCPUSeconds() - cpu
    let fetched = (try ProcessIO.ofThread() - io).readBytes
    let bytes = reads * blockBytes
    let anonymous = try Mechanisms.anonymousBytes()
    let (once, twice) = try server.cachedBytes()
    return Measured(
      bytes: bytes, seconds: seconds, cpuSeconds: used, hitRatio: max(0, 1 - Double(fetched) / Double(bytes)),
      cachedBytes: once, heldTwiceBytes: twice, anonymousBytes: anonymous, warmReads: warmed, sum: sum)
  }

  var measuredSeed: UInt64 { SplitMix.mixed(seed) }

  /// Reads `warmReads` blocks, and on until what is held no longer grows: from then on each block that comes drives out another.
  /// Returns how many were read.
  private func fill(_ server: BlockServer, _ trace: inout BlockTrace) throws(MechanismError) -> Int {
    for _ in 0..<warmReads { _ = try server.serve(trace.next()) }
    var (read, looks) = (warmReads, 0)
    var held = try server.cachedBytes().once
    let step = max(1, Int(Double(warmReads) * Limits.lookShare))
    while looks < Limits.fullLooks, held < server.blocks * blockBytes, read < warmReads * Limits.warmFactorMax {
      for _ in 0..<step { _ = try server.serve(trace.next()) }
      read += step
      let now = try server.cachedBytes().once
      looks = Double(now) < Double(held) * (1 + Limits.fullGrowth) ? looks + 1 : 0
      held = now
    }
    return read
  }

  /// Seconds until a slice of reads has `Limits.warmShare` of `hitRatio`, beginning with nothing in the process; nil when
  /// `warmReads` were not enough.
  package func rewarm(to hitRatio: Double) throws(MechanismError) -> Double? {
    let start = nowNanoseconds()
    let server = try BlockServer(self)
    defer { server.end() }
    // Another part of the same trace: the clients did not stop to repeat themselves.
    var trace = BlockTrace(self, blocks: server.blocks, seed: ~seed)
    for _ in 0..<max(1, warmReads / Limits.slice) {
      let io = try ProcessIO.ofThread()
      for _ in 0..<Limits.slice { _ = try server.serve(trace.next()) }
      let fetched = (try ProcessIO.ofThread() - io).readBytes
      let ratio = 1 - Double(fetched) / Double(Limits.slice * blockBytes)
      if ratio >= Limits.warmShare * hitRatio { return Double(nowNanoseconds() - start) / 1e9 }
    }
    return nil
  }
}

/// The blocks asked for, one after another.
struct BlockTrace {
  private var random: SplitMix
  private let zipf: ZipfRanks?
  /// The popular blocks lie anywhere in the file; which they are depends on the model's seed alone.
  private let order: ScatteredOrder

  init(_ model: CacheModel, blocks: Int, seed: UInt64) {
    random = SplitMix(seed: seed)
    order = ScatteredOrder(count: blocks, seed: model.seed)
    zipf = model.trace == .zipf ? ZipfRanks(count: blocks, exponent: CacheModel.Limits.zipfExponent) : nil
  }

  mutating func next() -> Int {
    if let zipf { return order[zipf.next(&random) - 1] }
    return random.below(order.count)
  }
}

/// One file and what caches it. Owned by one call of the model.
private final class BlockServer {
  let blocks: Int
  private let model: CacheModel
  private let data: DataFile
  private let descriptor: Int32
  private let buffer: UnsafeMutableRawBufferPointer
  private let cache: (any BlockCache)?

  init(_ model: CacheModel) throws(MechanismError) {
    guard CacheModel.Limits.blockBytes.contains(model.blockBytes), model.blockBytes % CacheModel.Limits.pageBytes == 0
    else {
      throw .badPlan("block-bytes must be a multiple of 4096 within 4096 to 1048576, not \(model.blockBytes)")
    }
    guard model.reads > 0, model.warmReads >= 0 else { throw .badPlan("reads must be above zero") }
    guard (20...4096).contains(model.recordBytes), model.recordBytes % 4 == 0, model.recordBytes <= model.blockBytes
    else { throw .badPlan("record-bytes must be a multiple of 4 within 20 to 4096 and at most a block") }
    let capacity = model.cacheBytes / (model.blockBytes + ArenaCache.overheadBytes)
    guard model.kind == .pageCache || capacity > 0 else { throw .badPlan("cache-mib does not hold one block") }
    data = try DataFile(path: model.file)
    blocks = data.byteCount / model.blockBytes
    guard blocks > 0 else { throw .badPlan("\(model.file) has less than a block of \(model.blockBytes) bytes") }
    self.model = model
    let isDirect = model.kind == .boxed || model.kind == .arena
    let flags = O_RDONLY | O_CLOEXEC | (isDirect ? millrace_o_direct() : 0)
    let descriptor = try check("open \(model.file)\(isDirect ? " with O_DIRECT" : "")") { open(model.file, flags) }
    self.descriptor = descriptor
    // The trace has no order for read-ahead to find: what it fetched would only look like misses.
    posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM)
    buffer = alignedBuffer(byteCount: model.blockBytes)
    switch model.kind {
    case .pageCache: cache = nil
    case .arena, .both: cache = ArenaCache(blockBytes: model.blockBytes, capacity: capacity, blocks: blocks)
    case .boxed:
      let budget = MemoryBudget(bytes: model.cacheBytes)
      cache = BoxedCache(recordBytes: model.recordBytes) { budget.isSpent(holding: $0) }
    }
  }

  func end() {
    close(descriptor)
    buffer.deallocate()
  }

  /// The sum of the block's values.
  func serve(_ block: Int) throws(MechanismError) -> UInt64 {
    if let found = cache?.sum(of: block) { return found }
    var done = 0
    while done < model.blockBytes {
      let into = buffer.baseAddress.map { $0 + done }
      let place = off_t(block * model.blockBytes + done)
      let count = try check("read \(model.file)") { pread(descriptor, into, model.blockBytes - done, place) }
      if count == 0 { throw .corrupted("\(model.file) ended within block \(block)") }
      done += count
    }
    cache?.insert(block, UnsafeRawBufferPointer(buffer))
    return sum(UnsafeRawBufferPointer(buffer))
  }

  /// Bytes of the file that are in the process, in the page cache or both, and those in both.
  func cachedBytes() throws(MechanismError) -> (once: Int, twice: Int) {
    let inProcess = Set(cache?.held ?? [])
    // O_DIRECT leaves nothing in the page cache; what another program left there serves nobody here.
    guard model.kind == .pageCache || model.kind == .both else { return (inProcess.count * model.blockBytes, 0) }
    let pages = try data.residentPages()
    let perBlock = model.blockBytes / CacheModel.Limits.pageBytes
    var once = 0, twice = 0
    for block in 0..<blocks {
      let range = (block * perBlock)..<min((block + 1) * perBlock, pages.count)
      let bytes = range.count { pages[$0] & 1 == 1 } * 4096
      let held = inProcess.contains(block)
      once += held ? model.blockBytes : bytes
      twice += held ? bytes : 0
    }
    return (once, twice)
  }
}

/// How many blocks the memory allows: found once, when the process has grown to its limit. Not asked again then, for an
/// allocator keeps what is freed, and the process never shrinks to say that there is room.
final class MemoryBudget {
  private let limit: Int
  private let memory: () -> Int
  private var capacity = Int.max
  private var nextLook = 0

  /// `bytes` beside what `memory` says now.
  init(bytes: Int, memory: @escaping () -> Int = { (try? Mechanisms.anonymousBytes()) ?? .max }) {
    self.memory = memory
    limit = bytes.addingReportingOverflow(memory()).partialValue
  }

  func isSpent(holding blocks: Int) -> Bool {
    if blocks < capacity, blocks >= nextLook {
      nextLook = blocks + CacheModel.Limits.memoryCheck
      if memory() >= limit { capacity = blocks }
    }
    return blocks >= capacity
  }
}
