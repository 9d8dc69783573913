import Glibc

/// Records under 64-bit keys, as `LogVsTree` compares ways to keep them. One thread uses a store.
protocol RecordStore: AnyObject {
  /// Stores the batch as one unit; with `durable`, it survives a crash of the machine once this returns.
  func put(_ batch: KeyedBatch, durable: Bool) throws(MechanismError)

  /// Hands the value of `key` to `body`; false when there is none.
  func get(_ key: UInt64, _ body: (UnsafeRawBufferPointer) -> Void) throws(MechanismError) -> Bool

  /// Everything put so far is on disk.
  func sync() throws(MechanismError)

  /// Nothing may be called afterwards.
  func close()
}

/// Keys and their values, which are all of one size: value i is bytes i · valueBytes and on. Owned by whoever made it.
final class KeyedBatch {
  let keys: [UInt64]
  let valueBytes: Int
  private let values: UnsafeMutableRawBufferPointer

  /// The value of each key follows from key and seed alone, so that a reader needs no copy to check it.
  init(keys: [UInt64], valueBytes: Int, seed: UInt64) {
    self.keys = keys
    self.valueBytes = valueBytes
    values = .allocate(byteCount: keys.count * valueBytes, alignment: 16)
    for (index, key) in keys.enumerated() {
      let place = UnsafeMutableRawBufferPointer(rebasing: values[(index * valueBytes)..<((index + 1) * valueBytes)])
      Self.fill(place, for: key, seed: seed)
    }
  }

  deinit { values.deallocate() }

  func value(_ index: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: values[(index * valueBytes)..<((index + 1) * valueBytes)])
  }

  static func fill(_ place: UnsafeMutableRawBufferPointer, for key: UInt64, seed: UInt64) {
    fillIncompressible(place, seed: key ^ (seed &* 0x9E37_79B9_7F4A_7C15))
  }
}
