import Glibc
package import Storage
import Synchronization

/// The broker's own cache of its segments: blocks of all partitions, the least recently used of which goes.
///
/// Filled by what is appended and by what is read. Any thread may use it; one lock guards it, held for as long as a
/// block is looked up and copied.
package final class ProcessCache: Sendable {
  /// What became of requests so far. Bytes are of records and batch headers; the indexes are not cached.
  package struct Counts: Hashable, Sendable {
    /// Parts of reads, a block each at most, that were here, and their bytes.
    package var hits = 0, hitBytes = 0
    /// Reads of the file for what was not, and all bytes that these brought, ahead of the reader too.
    package var misses = 0, filledBytes = 0
    /// Bytes put in as they were appended.
    package var appendedBytes = 0
    package var evictedBlocks = 0
    /// Now, and at most.
    package var heldBlocks = 0, capacityBlocks = 0
  }

  package let settings: CacheSettings
  private let state: Mutex<State>
  private let lastFile = Atomic<UInt64>(0)
  private let scratch = Mutex<[Scratch]>([])

  private struct State {
    let blocks: any CacheBlocks
    var counts = Counts()
  }

  /// One read of a file at most: what a miss asks for, and what a reader in order is read ahead.
  static let fillBytes = 256 << 10
  private static let scratchKept = 4

  package init(_ settings: CacheSettings) throws(DiskError) {
    precondition(settings.blockBytes.nonzeroBitCount == 1, "blocks of \(settings.blockBytes) bytes")
    self.settings = settings
    let capacity = max(1, settings.bytes / settings.blockBytes)
    switch settings.layout {
    case .compact:
      let blocks = try CompactBlocks(capacity: capacity, blockBytes: settings.blockBytes)
      state = Mutex(State(blocks: blocks))
    case .boxed: state = Mutex(State(blocks: BoxedBlocks(capacity: capacity, blockBytes: settings.blockBytes)))
    }
  }

  package var counts: Counts {
    state.withLock { state in
      var counts = state.counts
      counts.heldBlocks = state.blocks.count
      counts.capacityBlocks = state.blocks.capacity
      return counts
    }
  }

  /// A name for a file's blocks. A file whose bytes change takes another, so that nothing is found under the old one again.
  func newFile() -> UInt64 { lastFile.add(1, ordering: .relaxed).newValue }

  /// Copies what is held, from `position` on without a gap; returns how many bytes.
  func read(_ file: UInt64, at position: Int, into buffer: UnsafeMutableRawBufferPointer) -> Int {
    let blockBytes = settings.blockBytes
    var filled = 0
    while filled < buffer.count {
      let at = position + filled
      let part = min(buffer.count - filled, blockBytes - at % blockBytes)
      let target = UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<filled + part])
      // A block at a time: threads that read much do not keep the others out.
      let copied = state.withLock { state in
        let copied = state.blocks.copy(
          CacheKey(file: file, block: at / blockBytes), from: at % blockBytes, into: target)
        if copied > 0 {
          state.counts.hits += 1
          state.counts.hitBytes += copied
        }
        return copied
      }
      filled += copied
      if copied < part { break }
    }
    return filled
  }

  /// Takes in what was read from the file, from a block's start on.
  func fill(_ file: UInt64, at position: Int, _ bytes: UnsafeRawBufferPointer) {
    store(file, at: position, bytes) { counts in
      counts.misses += 1
      counts.filledBytes += bytes.count
    }
  }

  /// Takes in what was appended to the file: its bytes must be in the file already. A block of which the start is not held
  /// is left out.
  func append(_ file: UInt64, at position: Int, _ bytes: UnsafeRawBufferPointer) {
    store(file, at: position, bytes) { counts in counts.appendedBytes += bytes.count }
  }

  private func store(_ file: UInt64, at position: Int, _ bytes: UnsafeRawBufferPointer, _ count: (inout Counts) -> Void)
  {
    let blockBytes = settings.blockBytes
    state.withLock { state in
      var stored = 0
      while stored < bytes.count {
        let at = position + stored
        let part = min(bytes.count - stored, blockBytes - at % blockBytes)
        let outcome = state.blocks.store(
          CacheKey(file: file, block: at / blockBytes), at: at % blockBytes,
          UnsafeRawBufferPointer(rebasing: bytes[stored..<stored + part]))
        if outcome.hasEvicted { state.counts.evictedBlocks += 1 }
        stored += part
      }
      count(&state.counts)
    }
  }

  /// Lends aligned memory of `fillBytes`, or of a block when that is more.
  func withScratch<T, Failure: Error>(
    _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> T
  ) throws(Failure) -> T {
    let scratch = self.scratch.withLock { $0.popLast() } ?? Scratch(max(Self.fillBytes, settings.blockBytes))
    defer { self.scratch.withLock { if $0.count < Self.scratchKept { $0.append(scratch) } } }
    return try body(scratch.bytes)
  }
}

/// Memory that O_DIRECT takes.
final class Scratch: @unchecked Sendable {
  // Used by one borrower at a time.
  let bytes: UnsafeMutableRawBufferPointer

  init(_ count: Int) { bytes = .allocate(byteCount: count, alignment: DirectFile.alignment) }

  deinit { bytes.deallocate() }
}
