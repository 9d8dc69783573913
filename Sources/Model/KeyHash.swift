/// The hash functions that place keys and groups, bit for bit those of Kafka's Java code, so that our clients and theirs
/// choose the same partition.
package enum KeyHash {
  /// MurmurHash2, 32 bits, seed 0x9747B28C, little-endian words: Kafka's `Utils.murmur2`.
  package static func murmur2(_ key: UnsafeRawBufferPointer) -> Int32 {
    let m: UInt32 = 0x5BD1_E995
    var hash: UInt32 = 0x9747_B28C ^ UInt32(truncatingIfNeeded: key.count)
    let words = key.count / 4
    for index in 0..<words {
      var word = UInt32(littleEndian: key.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self))
      word = word &* m
      word ^= word >> 24
      word = word &* m
      hash = hash &* m
      hash ^= word
    }
    let rest = key.suffix(from: key.startIndex + words * 4)
    if !rest.isEmpty {
      for (index, byte) in rest.enumerated() { hash ^= UInt32(byte) << UInt32(8 * index) }
      hash = hash &* m
    }
    hash ^= hash >> 13
    hash = hash &* m
    hash ^= hash >> 15
    return Int32(bitPattern: hash)
  }

  /// The partition of a record with a key, as Kafka's default partitioner chooses it.
  ///
  /// - Precondition: `partitions` is more than 0.
  package static func partition(forKey key: UnsafeRawBufferPointer, of partitions: Int32) -> Int32 {
    toPositive(murmur2(key)) % partitions
  }

  /// Java's `String.hashCode`: over UTF-16 units.
  package static func java(_ text: String) -> Int32 {
    text.utf16.reduce(Int32(0)) { $0 &* 31 &+ Int32($1) }
  }

  /// The partition of `__consumer_offsets` (or `__transaction_state`) that a group's (or a transactional id's) state is in.
  /// Kafka takes the absolute value here, not `toPositive`: the two differ for negative hashes.
  package static func partition(forID id: String, of partitions: Int32) -> Int32 {
    let hash = java(id)
    return (hash == Int32.min ? 0 : abs(hash)) % partitions
  }

  /// Clears the sign bit: Kafka's `Utils.toPositive`.
  package static func toPositive(_ hash: Int32) -> Int32 { hash & Int32.max }
}
