import Storage
import Synchronization

/// A file of which the process cache holds what is used. Whoever reads it gets bytes from memory: it has no descriptor to give.
///
/// One thread appends at a time, under its log's lock; any thread may read meanwhile.
final class CachedFile: DiskFile {
  let descriptor: Int32 = -1
  private let under: any DiskFile
  private let cache: ProcessCache
  /// What the cache knows the file's present bytes by.
  private let name: Atomic<UInt64>
  /// Bytes below are in the file; what is above may be another append's under way, or zeros of a block not yet full.
  private let end: Atomic<Int>
  /// Where the last miss ended: a miss that begins there is of somebody who reads on.
  private let lastMissEnd = Atomic<Int>(0)

  init(_ under: any DiskFile, _ cache: ProcessCache) throws(DiskError) {
    self.under = under
    self.cache = cache
    name = Atomic(cache.newFile())
    end = Atomic(try under.size())
  }

  func size() throws(DiskError) -> Int { try under.size() }
  func sync() throws(DiskError) { try under.sync() }

  func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(DiskError) -> Int {
    var filled = 0
    while filled < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
      // The name before the end: bytes that are read as an older name's are never found again, whatever they are.
      let name = name.load(ordering: .acquiring)
      filled += cache.read(name, at: position + filled, into: rest)
      guard filled < buffer.count else { break }
      let missing = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
      let read = try readUnder(name, into: missing, at: position + filled)
      if read == 0 { break }
      filled += read
    }
    return filled
  }

  /// Reads blocks from the one that holds `position` on into the cache, and their bytes into `buffer`; returns how many of those.
  private func readUnder(
    _ name: UInt64, into buffer: UnsafeMutableRawBufferPointer, at position: Int
  ) throws(DiskError) -> Int {
    let end = end.load(ordering: .acquiring)
    guard position < end else { return 0 }
    let blockBytes = cache.settings.blockBytes
    let start = position / blockBytes * blockBytes
    let readsOn = lastMissEnd.load(ordering: .relaxed) == start
    return try cache.withScratch { scratch throws(DiskError) in
      let wanted = (position + buffer.count - start + blockBytes - 1) / blockBytes * blockBytes
      let count = readsOn ? scratch.count : min(scratch.count, wanted)
      let read = try under.read(into: UnsafeMutableRawBufferPointer(rebasing: scratch[..<count]), at: start)
      // Behind the end there may be zeros now that are an append's bytes in a moment.
      let valid = min(read, end - start)
      guard start + valid > position else { return 0 }
      lastMissEnd.store(start + count, ordering: .relaxed)
      cache.fill(name, at: start, UnsafeRawBufferPointer(rebasing: scratch[..<valid]))
      let copied = min(buffer.count, start + valid - position)
      let from = position - start
      buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: scratch[from..<from + copied]))
      return copied
    }
  }

  func write(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, at position: Int) throws(DiskError) {
    if position < end.load(ordering: .relaxed) { forget() }
    try under.write(first, second, at: position)
    let name = name.load(ordering: .relaxed)
    cache.append(name, at: position, first)
    cache.append(name, at: position + first.count, second)
    end.store(position + first.count + second.count, ordering: .releasing)
  }

  func truncate(to size: Int) throws(DiskError) {
    try under.truncate(to: size)
    end.store(size, ordering: .releasing)
    forget()
  }

  /// Blocks under the old name are the least recently used soon.
  private func forget() { name.store(cache.newFile(), ordering: .releasing) }

  func reserve(_ size: Int) throws(DiskError) { try under.reserve(size) }
  func reserveAhead(from position: Int, to end: Int) -> Bool { false }
}
