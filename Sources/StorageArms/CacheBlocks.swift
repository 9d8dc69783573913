import CMillrace
import Glibc
import Storage

/// Which block of which file.
struct CacheKey: Hashable {
  /// `ProcessCache.newFile`'s.
  var file: UInt64
  /// Counted in blocks from the file's start.
  var block: Int
}

/// Blocks of files in memory, the least recently used of which makes room for a new one. Not locked: it is only touched under
/// the lock of the `ProcessCache` that owns it, hence `@unchecked`.
///
/// A block is valid from its start to some byte: the last of a file grows as the file does.
protocol CacheBlocks: AnyObject, Sendable {
  var blockBytes: Int { get }
  /// Blocks held now, and at most.
  var count: Int { get }
  var capacity: Int { get }

  /// Copies valid bytes from `offset` on; returns how many: 0 when there are none.
  func copy(_ key: CacheKey, from offset: Int, into buffer: UnsafeMutableRawBufferPointer) -> Int
  /// Puts bytes into a block that is valid up to `offset` or further; one that is not held begins with offset 0. Returns whether
  /// the bytes are held, and whether another block had to go.
  func store(_ key: CacheKey, at offset: Int, _ bytes: UnsafeRawBufferPointer) -> (isHeld: Bool, hasEvicted: Bool)
}

/// All blocks in one stretch of memory, their order and index in flat arrays of numbers: 36 to 40 bytes a block beside its own.
final class CompactBlocks: CacheBlocks, @unchecked Sendable {
  let blockBytes: Int
  let capacity: Int
  private(set) var count = 0
  private let arena: UnsafeMutableRawPointer

  private var keys: [CacheKey]
  private var valid: [Int32]
  /// The order of use, as a list through all slots; -1 ends it.
  private var newer: [Int32], older: [Int32]
  private var newest: Int32 = -1, oldest: Int32 = -1
  /// By hash the first slot, and by slot the next of the same hash.
  private var buckets: [Int32], chain: [Int32]
  private let shift: Int

  /// - Throws: when the system has no memory of that size.
  init(capacity: Int, blockBytes: Int) throws(DiskError) {
    self.capacity = capacity
    self.blockBytes = blockBytes
    let memory = mmap(
      nil, capacity * blockBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let memory, memory != MAP_FAILED else { throw DiskError("mmap", "millrace.cache.bytes", code: errno) }
    arena = memory
    keys = Array(repeating: CacheKey(file: 0, block: 0), count: capacity)
    valid = Array(repeating: 0, count: capacity)
    newer = Array(repeating: -1, count: capacity)
    older = newer
    chain = newer
    let bits = Int.bitWidth - max(1, capacity - 1).leadingZeroBitCount
    buckets = Array(repeating: -1, count: 1 << bits)
    shift = UInt64.bitWidth - bits
  }

  deinit { munmap(arena, capacity * blockBytes) }

  func copy(_ key: CacheKey, from offset: Int, into buffer: UnsafeMutableRawBufferPointer) -> Int {
    let slot = slot(of: key)
    guard slot >= 0 else { return 0 }
    let copied = min(buffer.count, Int(valid[slot]) - offset)
    guard copied > 0 else { return 0 }
    touch(slot)
    buffer.copyMemory(from: UnsafeRawBufferPointer(start: arena + slot * blockBytes + offset, count: copied))
    return copied
  }

  func store(_ key: CacheKey, at offset: Int, _ bytes: UnsafeRawBufferPointer) -> (isHeld: Bool, hasEvicted: Bool) {
    var slot = slot(of: key)
    var hasEvicted = false
    if slot < 0 {
      guard offset == 0 else { return (false, false) }
      (slot, hasEvicted) = freeSlot()
      keys[slot] = key
      valid[slot] = 0
      let bucket = bucket(of: key)
      chain[slot] = buckets[bucket]
      buckets[bucket] = Int32(slot)
      link(slot)
    } else {
      guard Int(valid[slot]) >= offset else { return (false, false) }
      touch(slot)
    }
    UnsafeMutableRawBufferPointer(start: arena + slot * blockBytes + offset, count: blockBytes - offset)
      .copyMemory(from: bytes)
    valid[slot] = max(valid[slot], Int32(offset + bytes.count))
    return (true, hasEvicted)
  }

  private func freeSlot() -> (slot: Int, hasEvicted: Bool) {
    if count < capacity {
      count += 1
      return (count - 1, false)
    }
    let slot = Int(oldest)
    unlink(slot)
    let bucket = bucket(of: keys[slot])
    if buckets[bucket] == Int32(slot) {
      buckets[bucket] = chain[slot]
    } else {
      var at = Int(buckets[bucket])
      while chain[at] != Int32(slot) { at = Int(chain[at]) }
      chain[at] = chain[slot]
    }
    return (slot, true)
  }

  private func bucket(of key: CacheKey) -> Int {
    let mixed = (key.file &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(key.block)) &* 0xD6E8_FEB8_6659_FD93
    return Int(mixed >> UInt64(shift))
  }

  private func slot(of key: CacheKey) -> Int {
    var slot = Int(buckets[bucket(of: key)])
    while slot >= 0, keys[slot] != key { slot = Int(chain[slot]) }
    return slot
  }

  private func touch(_ slot: Int) {
    guard newest != Int32(slot) else { return }
    unlink(slot)
    link(slot)
  }

  private func link(_ slot: Int) {
    newer[slot] = -1
    older[slot] = newest
    if newest >= 0 { newer[Int(newest)] = Int32(slot) }
    newest = Int32(slot)
    if oldest < 0 { oldest = Int32(slot) }
  }

  private func unlink(_ slot: Int) {
    let (before, after) = (older[slot], newer[slot])
    if before >= 0 { newer[Int(before)] = after } else { oldest = after }
    if after >= 0 { older[Int(after)] = before } else { newest = before }
  }
}

/// Each block an object of the heap with memory of its own, found through a dictionary of objects: how a cache looks that
/// is written without thinking of memory, as one of objects on a Java heap must be.
final class BoxedBlocks: CacheBlocks, @unchecked Sendable {
  let blockBytes: Int
  let capacity: Int
  private var index: [CacheKey: Box] = [:]
  private var newest: Box?
  private unowned(unsafe) var oldest: Box?

  private final class Box {
    let key: CacheKey
    let bytes: UnsafeMutableRawBufferPointer
    var valid = 0
    var older: Box?
    unowned(unsafe) var newer: Box?

    init(_ key: CacheKey, blockBytes: Int) {
      self.key = key
      bytes = .allocate(byteCount: blockBytes, alignment: 16)
    }

    deinit { bytes.deallocate() }
  }

  /// One heap for all threads from here on: with glibc's heap for each thread what one frees another cannot use, and 38 MiB
  /// of blocks that come and go took 68 MiB (with one heap 42). The layout is to be judged, not the allocator's default.
  init(capacity: Int, blockBytes: Int) {
    self.capacity = capacity
    self.blockBytes = blockBytes
    millrace_use_one_heap()
  }

  deinit {
    // One by one: the list would let go of itself by recursion, as deep as it is long.
    while let box = newest {
      newest = box.older
      box.older = nil
    }
  }

  var count: Int { index.count }

  func copy(_ key: CacheKey, from offset: Int, into buffer: UnsafeMutableRawBufferPointer) -> Int {
    guard let box = index[key] else { return 0 }
    let copied = min(buffer.count, box.valid - offset)
    guard copied > 0 else { return 0 }
    touch(box)
    buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: box.bytes[offset..<offset + copied]))
    return copied
  }

  func store(_ key: CacheKey, at offset: Int, _ bytes: UnsafeRawBufferPointer) -> (isHeld: Bool, hasEvicted: Bool) {
    let box: Box
    var hasEvicted = false
    if let held = index[key] {
      guard held.valid >= offset else { return (false, false) }
      touch(held)
      box = held
    } else {
      guard offset == 0 else { return (false, false) }
      if index.count == capacity, let victim = oldest {
        unlink(victim)
        index[victim.key] = nil
        hasEvicted = true
      }
      box = Box(key, blockBytes: blockBytes)
      index[key] = box
      link(box)
    }
    UnsafeMutableRawBufferPointer(rebasing: box.bytes[offset...]).copyMemory(from: bytes)
    box.valid = max(box.valid, offset + bytes.count)
    return (true, hasEvicted)
  }

  private func touch(_ box: Box) {
    guard newest !== box else { return }
    unlink(box)
    link(box)
  }

  private func link(_ box: Box) {
    box.newer = nil
    box.older = newest
    newest?.newer = box
    newest = box
    if oldest == nil { oldest = box }
  }

  private func unlink(_ box: Box) {
    let (before, after) = (box.older, box.newer)
    if let before { before.newer = after } else { oldest = after }
    if let after { after.older = before } else { newest = before }
    box.older = nil
    box.newer = nil
  }
}
