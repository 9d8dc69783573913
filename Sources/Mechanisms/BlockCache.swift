/// A cache of blocks within the process that forgets the least recently used. One thread uses it.
protocol BlockCache: AnyObject {
  /// The sum of the block's 32-bit values when it is held; it is then the most recent.
  func sum(of block: Int) -> UInt64?

  /// Takes a block that is not held, forgetting others to make room.
  func insert(_ block: Int, _ bytes: UnsafeRawBufferPointer)

  /// The blocks held.
  var held: [Int] { get }
}

/// Blocks unpacked into objects, as a program that works on records keeps them: an object for each record, which owns an
/// array of bytes. What a block costs in memory is the allocator's business, so the cache is full when `isFull` says so.
final class BoxedCache: BlockCache {
  private final class Record {
    let key: UInt64
    let timestamp: UInt64
    let value: [UInt8]

    init(_ bytes: UnsafeRawBufferPointer) {
      key = bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)
      timestamp = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
      value = Array(UnsafeRawBufferPointer(rebasing: bytes[16...]))
    }

    var sum: UInt64 {
      let words = (key & 0xFFFF_FFFF) &+ (key >> 32) &+ (timestamp & 0xFFFF_FFFF) &+ (timestamp >> 32)
      return value.withUnsafeBytes { Mechanisms.sum($0) } &+ words
    }
  }

  /// The table owns the entries; their links do not.
  private final class Entry {
    let block: Int
    let records: [Record]
    unowned(unsafe) var newer: Entry?
    unowned(unsafe) var older: Entry?

    init(block: Int, records: [Record]) {
      self.block = block
      self.records = records
    }
  }

  private var table: [Int: Entry] = [:]
  private unowned(unsafe) var newest: Entry?
  private unowned(unsafe) var oldest: Entry?
  private let recordBytes: Int
  private let isFull: (_ blocks: Int) -> Bool

  /// `isFull` is asked before each insertion, with the number of blocks held.
  init(recordBytes: Int, isFull: @escaping (_ blocks: Int) -> Bool) {
    precondition(recordBytes >= 20 && recordBytes % 4 == 0, "records of \(recordBytes) bytes")
    self.recordBytes = recordBytes
    self.isFull = isFull
  }

  var held: [Int] { Array(table.keys) }

  func sum(of block: Int) -> UInt64? {
    guard let entry = table[block] else { return nil }
    if entry !== newest {
      unlink(entry)
      link(entry)
    }
    return entry.records.reduce(0) { $0 &+ $1.sum }
  }

  func insert(_ block: Int, _ bytes: UnsafeRawBufferPointer) {
    while let oldest, isFull(table.count) {
      unlink(oldest)
      table[oldest.block] = nil
    }
    let starts = stride(from: 0, to: bytes.count, by: recordBytes)
    let records = starts.compactMap { start -> Record? in
      // A short last piece joins the record before it.
      let rest = bytes.count - start
      guard rest >= recordBytes else { return nil }
      let end = rest < 2 * recordBytes ? bytes.count : start + recordBytes
      return Record(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
    }
    let entry = Entry(block: block, records: records)
    table[block] = entry
    link(entry)
  }

  private func link(_ entry: Entry) {
    entry.older = newest
    entry.newer = nil
    newest?.newer = entry
    newest = entry
    if oldest == nil { oldest = entry }
  }

  private func unlink(_ entry: Entry) {
    if let newer = entry.newer { newer.older = entry.older } else { newest = entry.older }
    if let older = entry.older { older.newer = entry.newer } else { oldest = entry.newer }
  }
}

/// Blocks as they are, in slots of one piece of memory, with links and places as 32-bit numbers: the least an in-process
/// cache can cost.
final class ArenaCache: BlockCache {
  private static let none: Int32 = -1

  private let blockBytes: Int
  private let capacity: Int
  private let slots: UnsafeMutableRawBufferPointer
  /// The slot of each block of the file.
  private var slotOfBlock: [Int32]
  private var blockOfSlot: [Int32] = []
  private var newer: [Int32] = []
  private var older: [Int32] = []
  private var newest = none
  private var oldest = none

  /// Bytes a block costs beside its own.
  static let overheadBytes = 16

  init(blockBytes: Int, capacity: Int, blocks: Int) {
    precondition(capacity > 0 && blocks < Int(Int32.max), "\(capacity) of \(blocks) blocks")
    self.blockBytes = blockBytes
    self.capacity = capacity
    // Never written pages cost nothing, so the arena grows by itself.
    slots = alignedBuffer(byteCount: capacity * blockBytes)
    slotOfBlock = Array(repeating: Self.none, count: blocks)
  }

  deinit { slots.deallocate() }

  var held: [Int] { blockOfSlot.map { Int($0) } }

  func sum(of block: Int) -> UInt64? {
    let slot = slotOfBlock[block]
    guard slot != Self.none else { return nil }
    if slot != newest {
      unlink(slot)
      link(slot)
    }
    return Mechanisms.sum(UnsafeRawBufferPointer(bytes(of: slot)))
  }

  func insert(_ block: Int, _ bytes: UnsafeRawBufferPointer) {
    let slot: Int32
    if blockOfSlot.count < capacity {
      slot = Int32(blockOfSlot.count)
      blockOfSlot.append(Int32(block))
      newer.append(Self.none)
      older.append(Self.none)
    } else {
      slot = oldest
      unlink(slot)
      slotOfBlock[Int(blockOfSlot[Int(slot)])] = Self.none
      blockOfSlot[Int(slot)] = Int32(block)
    }
    slotOfBlock[block] = slot
    self.bytes(of: slot).copyMemory(from: bytes)
    link(slot)
  }

  private func bytes(of slot: Int32) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(rebasing: slots[(Int(slot) * blockBytes)..<((Int(slot) + 1) * blockBytes)])
  }

  private func link(_ slot: Int32) {
    older[Int(slot)] = newest
    newer[Int(slot)] = Self.none
    if newest != Self.none { newer[Int(newest)] = slot }
    newest = slot
    if oldest == Self.none { oldest = slot }
  }

  private func unlink(_ slot: Int32) {
    let (before, after) = (newer[Int(slot)], older[Int(slot)])
    if before == Self.none { newest = after } else { older[Int(before)] = after }
    if after == Self.none { oldest = before } else { newer[Int(after)] = before }
  }
}
