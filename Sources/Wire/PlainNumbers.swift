/// Reads numbers one after the other. Beyond the end they are 0, and `isWhole` turns false for good.
struct PlainReader {
  private let bytes: UnsafeRawBufferPointer
  private(set) var position = 0
  private(set) var isWhole = true

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  @inline(__always)
  private mutating func integer<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type) -> T {
    guard MemoryLayout<T>.size <= bytes.count - position else {
      isWhole = false
      return 0
    }
    let value = T(bigEndian: bytes.loadUnaligned(fromByteOffset: position, as: T.self))
    position += MemoryLayout<T>.size
    return value
  }

  @inline(__always) mutating func int8() -> Int8 { integer(Int8.self) }
  @inline(__always) mutating func int16() -> Int16 { integer(Int16.self) }
  @inline(__always) mutating func int32() -> Int32 { integer(Int32.self) }
  @inline(__always) mutating func int64() -> Int64 { integer(Int64.self) }

  /// An unsigned number of seven bits a byte, at most 28 bits: a longer one is not whole here.
  @inline(__always)
  mutating func varint() -> Int {
    if position < bytes.count, bytes[position] < 0x80 {
      position += 1
      return Int(bytes[position - 1])
    }
    guard let (value, end) = Self.longVarint(bytes, at: position) else {
      isWhole = false
      return 0
    }
    position = end
    return value
  }

  /// A number of two to four bytes. Given values, not the reader, which stays in the processor's registers that way.
  @inline(never)
  private static func longVarint(_ bytes: UnsafeRawBufferPointer, at start: Int) -> (value: Int, end: Int)? {
    var value = 0
    for index in 0..<4 where start + index < bytes.count {
      let byte = bytes[start + index]
      value |= Int(byte & 0x7F) << (7 * index)
      if byte < 0x80 { return (value, start + index + 1) }
    }
    return nil
  }

  /// - Parameter count: not negative.
  @inline(__always)
  mutating func skip(_ count: Int) {
    guard count <= bytes.count - position else {
      isWhole = false
      return
    }
    position += count
  }
}

/// Writes numbers one after the other into memory that has room for them.
struct PlainWriter {
  private let room: UnsafeMutableRawBufferPointer
  private(set) var position = 0

  init(_ room: UnsafeMutableRawBufferPointer) { self.room = room }

  @inline(__always)
  mutating func put<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
    room.storeBytes(of: value.bigEndian, toByteOffset: position, as: T.self)
    position += MemoryLayout<T>.size
  }

  @inline(__always)
  mutating func varint(_ value: Int) {
    var rest = value
    while rest >= 0x80 {
      put(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    put(UInt8(rest))
  }

  /// The length of an array.
  @inline(__always)
  mutating func count(_ count: Int, _ isFlexible: Bool) {
    if isFlexible { varint(count + 1) } else { put(Int32(truncatingIfNeeded: count)) }
  }

  @inline(__always)
  mutating func copy(_ bytes: UnsafeRawBufferPointer) {
    UnsafeMutableRawBufferPointer(rebasing: room[position..<position + bytes.count]).copyMemory(from: bytes)
    position += bytes.count
  }
}
