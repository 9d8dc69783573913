/// Stores fixed-width entries in a file that is only appended to and truncated, for both indexes of a segment.
///
/// The newest entries wait in memory (`tail`, at most `EntryFile.tailBytesMax`) and go to the file together: an append to the
/// log costs no system call for its index. A crash loses the tail, and recovery rebuilds indexes from the log, as
/// it must anyway for what the kernel had not written. No descriptor stays open: thousands of partitions have two
/// indexes per segment, most of them never asked.
struct EntryFile {
  /// The most bytes kept in memory before they are written; also the unit in which a lookup reads the file.
  static let tailBytesMax = 2040  // divides by 8 and by 12, so a block holds whole entries

  let entryBytes: Int
  private(set) var path: String
  /// The number of entries in the file; nil before `load`.
  private var stored: Int?
  private var tail: [UInt8] = []
  /// The block of the file that was read last, so that a sequential consumer costs no system call.
  private var block: (first: Int, bytes: [UInt8]) = (0, [])
  /// Where the last search ended.
  private var lastPoint = 0

  init(path: String, entryBytes: Int) {
    self.path = path
    self.entryBytes = entryBytes
  }

  /// Counts the file's entries, once. Kafka pre-sizes indexes, so that a crash leaves zeros behind the last entry: no entry is all
  /// zeros, so they are not counted.
  mutating func load(from disk: any Disk) throws(DiskError) {
    guard stored == nil else { return }
    let size = try disk.info(path)?.size ?? 0
    stored = size / entryBytes
    let count = try partitionPoint(on: disk) { entry in entry.allSatisfy { $0 == 0 } }
    stored = count
    block = (0, [])
  }

  /// Starts with an empty file, which is truncated, or created if missing.
  mutating func reset(on disk: any Disk) throws(DiskError) {
    try disk.open(path, creating: true).truncate(to: 0)
    stored = 0
    tail.removeAll(keepingCapacity: true)
    block = (0, [])
  }

  mutating func moved(to path: String) { self.path = path }

  /// The number of entries, in the file and in memory. Only after `load`.
  var count: Int { (stored ?? 0) + tail.count / entryBytes }

  /// Makes room, so that the next `append` needs no disk access.
  mutating func makeRoom(on disk: any Disk) throws(DiskError) {
    if tail.count + entryBytes > Self.tailBytesMax { try spill(to: disk) }
  }

  /// Appends an entry. Only after `load` and `makeRoom`.
  mutating func append(_ write: (inout [UInt8]) -> Void) {
    let before = tail.count
    write(&tail)
    precondition(tail.count == before + entryBytes, "an entry of \(tail.count - before) bytes, not \(entryBytes)")
  }

  /// Writes the tail to the file.
  mutating func spill(to disk: any Disk, syncing: Bool = false) throws(DiskError) {
    guard !tail.isEmpty || syncing else { return }
    let file = try disk.open(path, creating: true)
    let at = (stored ?? 0) * entryBytes
    try file.write(tail, at: at)
    if syncing { try file.sync() }
    stored = (stored ?? 0) + tail.count / entryBytes
    tail.removeAll(keepingCapacity: true)
  }

  /// Writes the tail and frees memory when the segment is closed. The file ends at its last entry.
  mutating func finish(on disk: any Disk) throws(DiskError) {
    try load(from: disk)
    try spill(to: disk)
    tail = []
    let size = (stored ?? 0) * entryBytes
    if let info = try disk.info(path), info.size == size { return }
    try disk.open(path, creating: true).truncate(to: size)
  }

  /// Removes all entries from `count` on.
  mutating func truncate(to count: Int, on disk: any Disk) throws(DiskError) {
    try load(from: disk)
    guard let stored, count < self.count else { return }
    if count >= stored {
      tail.removeLast(tail.count - (count - stored) * entryBytes)
    } else {
      try disk.open(path, creating: true).truncate(to: count * entryBytes)
      self.stored = count
      tail.removeAll(keepingCapacity: true)
      block = (0, [])
    }
  }

  /// Calls `body` with the bytes of entry `index`. Only after `load`.
  mutating func withEntry<T>(
    _ index: Int, on disk: any Disk, _ body: (UnsafeRawBufferPointer) -> T
  ) throws(DiskError) -> T {
    precondition(index >= 0 && index < count, "entry \(index) of \(count)")
    let stored = stored ?? 0
    if index >= stored {
      let at = (index - stored) * entryBytes
      return tail.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[at..<at + entryBytes])) }
    }
    let blockEntries = block.bytes.count / entryBytes
    if index < block.first || index >= block.first + blockEntries { try readBlock(around: index, from: disk) }
    let at = (index - block.first) * entryBytes
    return block.bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[at..<at + entryBytes])) }
  }

  private mutating func readBlock(around index: Int, from disk: any Disk) throws(DiskError) {
    let perBlock = Self.tailBytesMax / entryBytes
    let first = index / perBlock * perBlock
    let count = min(perBlock, (stored ?? 0) - first)
    let bytes = try disk.open(path, creating: false).read(count * entryBytes, at: first * entryBytes)
    guard bytes.count == count * entryBytes else { throw DiskError("read", path, code: DiskError.unexpectedEnd) }
    block = (first, bytes)
  }

  /// Returns the number of entries before the first that satisfies `isAfter`, by which the entries are partitioned.
  mutating func partitionPoint(
    on disk: any Disk, _ isAfter: (UnsafeRawBufferPointer) -> Bool
  ) throws(DiskError) -> Int {
    var low = 0
    var high = count
    if let stored, stored < high {
      // Tail readers are the rule: decide first whether the answer is in memory.
      if try withEntry(stored, on: disk, isAfter) { high = stored } else { low = stored + 1 }
    }
    if !block.bytes.isEmpty, block.first >= low, block.first < high {
      let last = block.first + block.bytes.count / entryBytes - 1
      if lastPoint > block.first, lastPoint <= last, lastPoint < high, try !withEntry(lastPoint, on: disk, isAfter) {
        // Who reads on mostly finds the entry behind the one before.
        low = lastPoint + 1
        if low <= last, low < high, try withEntry(low, on: disk, isAfter) { high = low }
      } else if try !withEntry(block.first, on: disk, isAfter) {
        low = block.first + 1
      }
      if last < high {
        if last >= low, try withEntry(last, on: disk, isAfter) {
          high = last
        } else if last + 1 >= low {
          low = last + 1
          // Who reads on goes from a block to the next: one read finds it, where halving would read block after block.
          let next = min(last + Self.tailBytesMax / entryBytes, (stored ?? 0) - 1)
          if next >= low, next < high, try withEntry(next, on: disk, isAfter) { high = next }
        }
      }
    }
    while low < high {
      let middle = (low + high) / 2
      if try withEntry(middle, on: disk, isAfter) { high = middle } else { low = middle + 1 }
    }
    lastPoint = low
    return low
  }
}

extension DiskError {
  /// The error of a file that is shorter than its size said (EIO).
  package static let unexpectedEnd: Int32 = 5
  /// The error of a log whose offsets are used up (EOVERFLOW).
  static let offsetsUsedUp: Int32 = 75
}

extension Array where Element == UInt8 {
  @inlinable package mutating func appendBigEndian(_ value: some FixedWidthInteger) {
    Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
  }
}

extension UnsafeRawBufferPointer {
  @inlinable package func bigEndian<T: FixedWidthInteger>(at offset: Int, as type: T.Type) -> T {
    T(bigEndian: loadUnaligned(fromByteOffset: offset, as: T.self))
  }
}
