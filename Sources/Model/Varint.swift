/// The variable-length integers inside records: zigzag (0, -1, 1, -2 … become 0, 1, 2, 3 …), then seven bits a byte, the
/// least first, the top bit set on all but the last. Kafka's `varint` (32 bits, at most 5 bytes) and `varlong` (64, at
/// most 10) differ in nothing else.
package enum Varint {
  @inlinable package static func zigzag(_ value: Int64) -> UInt64 {
    UInt64(bitPattern: (value << 1) ^ (value >> 63))
  }

  @inlinable package static func unzigzag(_ bits: UInt64) -> Int64 {
    Int64(bitPattern: bits >> 1) ^ -Int64(bitPattern: bits & 1)
  }

  /// Bytes that `value` takes: 1 to 10.
  @inlinable package static func size(of value: Int64) -> Int {
    // ceil(bits / 7) without a division: exact for 1 to 64 bits.
    let bits = 64 - (zigzag(value) | 1).leadingZeroBitCount
    return (bits * 9 + 64) >> 6
  }

  /// Writes `value` at `pointer`, which must have room for `size(of: value)` bytes; returns the place after it.
  @inlinable package static func write(_ value: Int64, to pointer: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
    var bits = zigzag(value)
    // One byte and two bytes are nearly all there is: deltas, and lengths below 8192.
    if bits < 0x80 {
      pointer.storeBytes(of: UInt8(truncatingIfNeeded: bits), as: UInt8.self)
      return pointer + 1
    }
    if bits < 0x4000 {
      let both = UInt16(truncatingIfNeeded: (bits & 0x7F) | 0x80 | ((bits >> 7) << 8))
      pointer.storeBytes(of: both.littleEndian, as: UInt16.self)
      return pointer + 2
    }
    var at = pointer
    while bits >= 0x80 {
      at.storeBytes(of: UInt8(truncatingIfNeeded: bits) | 0x80, as: UInt8.self)
      bits >>= 7
      at += 1
    }
    at.storeBytes(of: UInt8(truncatingIfNeeded: bits), as: UInt8.self)
    return at + 1
  }
}
