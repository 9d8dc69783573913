import Glibc
package import Model

/// Maps keys to the offset of their last record: what a cleaning knows of the part of a log that none has read before.
///
/// Its memory is fixed: 24 bytes for each slot (a 128-bit hash of the key, and the offset), of which a share stays free so that look-ups
/// stay short. Keys themselves are not kept. When it is full, `put` refuses further keys, and the cleaning goes only so far.
///
/// Used by one thread.
package final class OffsetMap {
  package static let slotBytes = 24

  private struct Slot {
    var hash = KeyHash128.Digest(first: 0, second: 0)
    /// The offset and 1; 0 in a free slot, so that memory that the system has just cleared is an empty map.
    var next: Int64 = 0
  }

  private let slots: UnsafeMutablePointer<Slot>
  private let slotCount: Int
  /// The most keys.
  package let capacity: Int
  package private(set) var count = 0
  private let hash: KeyHash128

  /// - Parameters:
  ///   - bytes: the most memory; one slot at the least.
  ///   - keysMax: so many keys are put at the most; a map for few takes less memory.
  ///   - loadFactor: the share of slots that may be used, up to 0.99.
  package init(bytes: Int, keysMax: Int, loadFactor: Double, hash: KeyHash128) {
    precondition(MemoryLayout<Slot>.stride == Self.slotBytes, "a slot has \(MemoryLayout<Slot>.stride) bytes")
    let load = min(max(loadFactor, 0.01), 0.99)
    let affordable = max(1, bytes / Self.slotBytes)
    let wanted = Double(max(1, keysMax)) / load + 1
    slotCount = wanted < Double(affordable) ? Int(wanted) : affordable
    // One key at the least; and where there are two slots or more, one stays free, at which a look-up ends.
    capacity = max(1, min(Int(Double(slotCount) * load), slotCount - 1))
    self.hash = hash
    // Cleared by the system page by page, as they are first used: a map that is never filled takes little.
    guard let memory = calloc(slotCount, Self.slotBytes) else {
      preconditionFailure("no memory for \(slotCount) slots")
    }
    slots = memory.bindMemory(to: Slot.self, capacity: slotCount)
  }

  deinit { free(slots) }

  /// The memory of the slots, in bytes.
  package var memoryBytes: Int { slotCount * Self.slotBytes }

  /// Notes that the record at `offset` has the key; a later one than was noted before takes its place.
  ///
  /// - Returns: false when the map is full and the key is new: nothing was noted.
  package func put(_ key: UnsafeRawBufferPointer, _ offset: Offset) -> Bool {
    let hash = hash.digest(key)
    guard let index = index(of: hash) else { return false }
    if slots[index].next == 0 {
      guard count < capacity else { return false }
      slots[index].hash = hash
      count += 1
    }
    slots[index].next = max(slots[index].next, offset.rawValue + 1)
    return true
  }

  /// Returns the offset of the key's last record; nil for a key that was not put.
  package func offset(of key: UnsafeRawBufferPointer) -> Offset? {
    guard let index = index(of: hash.digest(key)), slots[index].next > 0 else { return nil }
    return Offset(slots[index].next - 1)
  }

  /// Returns the slot that has the hash, or the free one where it belongs; nil where a single slot has another.
  private func index(of hash: KeyHash128.Digest) -> Int? {
    var index = Int(hash.first.multipliedFullWidth(by: UInt64(slotCount)).high)
    for _ in 0..<slotCount {
      if slots[index].next == 0 || slots[index].hash == hash { return index }
      index += 1
      if index == slotCount { index = 0 }
    }
    return nil
  }
}
