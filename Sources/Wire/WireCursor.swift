package import Model
package import NIOCore

/// The walk over one message's bytes, reading or writing.
///
/// Each `field` overload does either: it fills the value from the bytes, or appends the value to them. In a flexible version strings, bytes
/// and arrays have compact lengths (n + 1 as a varint, 0 for null), else Kafka's classic ones (int16 or int32, -1 for null).
/// Nesting is bounded by the types: no message contains itself.
package struct WireCursor {
  package let version: Int16
  package internal(set) var flexible: Bool
  package let reading: Bool

  /// Writing: what there is so far. Reading: what slices are taken from.
  var buffer: ByteBuffer

  /// Reading: all bytes of `buffer`, borrowed while the walk lasts. Every access is checked against `end` first.
  private let raw: UnsafeRawBufferPointer
  /// Reading: the next byte, and where the message, or the tagged field being read, ends. `position <= end <= raw.count`.
  var position = 0
  var end: Int
  /// Reading: elements that arrays may still have.
  var elementsLeft: Int

  /// Writing: the parts that stand at a place in `buffer` without being in it, in order.
  private var splices: [(position: Int, part: WireParts.Part)] = []
  var tagged = TaggedMode.outside
  /// Writing: the error codes that were written, `.none` left out.
  private(set) var errors: [ErrorCount] = []

  /// What `tag` does, when `tags` walks its fields.
  enum TaggedMode {
    case outside
    /// Writing, first walk: how many fields are not at their default.
    case counting(Int)
    case writing
    /// Reading the field of this number; `matched` when one of the walk's fields has it.
    case reading(UInt32, matched: Bool)
  }

  /// - Parameter raw: the readable bytes of `buffer`, valid for as long as this cursor is used.
  /// - Parameter elementsMax: of all arrays together.
  init(
    reading buffer: ByteBuffer, _ raw: UnsafeRawBufferPointer, version: Int16, flexible: Bool, elementsMax: Int = .max
  ) {
    (self.version, self.flexible, self.reading) = (version, flexible, true)
    self.buffer = buffer
    self.raw = raw
    end = raw.count
    elementsLeft = elementsMax
  }

  init(writing buffer: ByteBuffer, version: Int16, flexible: Bool) {
    (self.version, self.flexible, self.reading) = (version, flexible, false)
    self.buffer = buffer
    raw = UnsafeRawBufferPointer(start: nil, count: 0)
    end = 0
    elementsLeft = 0
  }

  /// Goes on after `other`: a body after its header.
  init(continuing other: consuming WireCursor, version: Int16, flexible: Bool) {
    (self.version, self.flexible, self.reading) = (version, flexible, other.reading)
    buffer = other.buffer
    (raw, position, end) = (other.raw, other.position, other.end)
    elementsLeft = other.elementsLeft
    splices = other.splices
    errors = other.errors
  }

  /// Reading: how many bytes were walked over.
  var bytesRead: Int { position }

  var left: Int { end - position }

  /// Writing: all that was written, cut where something else stands between.
  var finished: WireParts {
    guard !splices.isEmpty else { return WireParts(parts: [.bytes(buffer)], errors: errors) }
    var parts: [WireParts.Part] = []
    parts.reserveCapacity(2 * splices.count + 1)
    var rest = buffer
    for (position, part) in splices {
      if let before = rest.readSlice(length: position - rest.readerIndex), before.readableBytes > 0 {
        parts.append(.bytes(before))
      }
      parts.append(part)
    }
    if rest.readableBytes > 0 { parts.append(.bytes(rest)) }
    return WireParts(parts: parts, errors: errors)
  }

  /// Writing: puts the length of everything, splices included, into the four bytes reserved for it at the front.
  mutating func setLengthPrefix() {
    let spliced = splices.reduce(0) { $0 + $1.part.byteCount }
    buffer.setInteger(Int32(buffer.readableBytes + spliced - Frame.prefixBytes), at: buffer.readerIndex)
  }
}

// MARK: - Numbers

extension WireCursor {
  @inline(never)
  package mutating func field(_ value: inout Int8) throws(WireError) { try integer(&value) }
  @inline(never)
  package mutating func field(_ value: inout Int16) throws(WireError) { try integer(&value) }
  @inline(never)
  package mutating func field(_ value: inout Int32) throws(WireError) { try integer(&value) }
  @inline(never)
  package mutating func field(_ value: inout Int64) throws(WireError) { try integer(&value) }
  @inline(never)
  package mutating func field(_ value: inout ErrorCode) throws(WireError) {
    try integer(&value.rawValue)
    if !reading, value != .none { note(value) }
  }
  @inline(never)
  package mutating func field(_ value: inout Offset) throws(WireError) { try integer(&value.rawValue) }

  @inline(never)
  package mutating func field(_ value: inout Double) throws(WireError) {
    var bits = value.bitPattern
    try integer(&bits)
    value = Double(bitPattern: bits)
  }

  @inline(never)
  package mutating func field(_ value: inout Bool) throws(WireError) {
    var byte: UInt8 = value ? 1 : 0
    try integer(&byte)
    value = byte != 0
  }

  @inline(never)
  package mutating func field(_ value: inout UUID128) throws(WireError) {
    try integer(&value.high)
    try integer(&value.low)
  }

  @inline(never)
  private mutating func note(_ error: ErrorCode) {
    if let index = errors.firstIndex(where: { $0.error == error }) {
      errors[index].count += 1
    } else {
      errors.append(ErrorCount(error: error, count: 1))
    }
  }

  mutating func integer<T: FixedWidthInteger & BitwiseCopyable>(_ value: inout T) throws(WireError) {
    if reading {
      guard left >= MemoryLayout<T>.size else { throw .truncated(needed: MemoryLayout<T>.size, left: left) }
      value = T(bigEndian: raw.loadUnaligned(fromByteOffset: position, as: T.self))
      position += MemoryLayout<T>.size
    } else {
      buffer.writeInteger(value)
    }
  }
}

// MARK: - Strings and bytes

extension WireCursor {
  @inline(never)
  package mutating func field(_ value: inout String) throws(WireError) {
    if reading {
      guard let length = try readStringLength() else { throw .unexpectedNull }
      value = try readString(length)
    } else {
      write(value)
    }
  }

  /// - Parameter nullableFrom: the first version that has a null; before it nil is written as the empty string.
  @inline(never)
  package mutating func field(_ value: inout String?, nullableFrom: Int16 = 0) throws(WireError) {
    if reading {
      let length = try readStringLength()
      if length == nil && version < nullableFrom { throw .unexpectedNull }
      value = if let length { try readString(length) } else { nil }
    } else if let present = value ?? (version < nullableFrom ? "" : nil) {
      write(present)
    } else if flexible {
      writeVarint(0)
    } else {
      buffer.writeInteger(Int16(-1))
    }
  }

  /// A nullable string in the classic form whatever the version: the client id of a request header.
  mutating func classicField(_ value: inout String?) throws(WireError) {
    let flexible = flexible
    self.flexible = false
    defer { self.flexible = flexible }
    try field(&value)
  }

  @inline(never)
  package mutating func field(_ value: inout ByteBuffer) throws(WireError) {
    if reading {
      guard let slice = try readBytes() else { throw .unexpectedNull }
      value = slice
    } else {
      writeLength(value.readableBytes)
      buffer.writeImmutableBuffer(value)
    }
  }

  @inline(never)
  package mutating func field(_ value: inout ByteBuffer?) throws(WireError) {
    if reading {
      value = try readBytes()
    } else if let value {
      writeLength(value.readableBytes)
      buffer.writeImmutableBuffer(value)
    } else {
      writeNull()
    }
  }

  /// Read, the records are a slice of the message's own storage. Written, large ones are not copied: they become a part of their own.
  @inline(never)
  package mutating func field(_ value: inout Records) throws(WireError) {
    if reading {
      value = .bytes(try readBytes())
      return
    }
    switch value {
    case .bytes(nil):
      writeNull()
    case .bytes(let bytes?):
      writeLength(bytes.readableBytes)
      if bytes.readableBytes < WireLimits.recordsCopied {
        buffer.writeImmutableBuffer(bytes)
      } else {
        splices.append((buffer.writerIndex, .bytes(bytes)))
      }
    case .spliced(let byteCount):
      writeLength(byteCount)
      if byteCount > 0 { splices.append((buffer.writerIndex, .hole(byteCount: byteCount))) }
    }
  }

  /// Null is any negative length, as in Kafka.
  mutating func readStringLength() throws(WireError) -> Int? {
    guard !flexible else { return try readCompactLength(limit: WireLimits.stringBytes) }
    var length: Int16 = 0
    try integer(&length)
    return length < 0 ? nil : Int(length)
  }

  mutating func readString(_ length: Int) throws(WireError) -> String {
    guard length <= left else { throw .truncated(needed: length, left: left) }
    let utf8 = UnsafeRawBufferPointer(rebasing: raw[position..<position + length])
    position += length
    return String(decoding: utf8, as: UTF8.self)
  }

  /// A longer string than Kafka can carry is cut, at a character's boundary: an error message that quotes a client's long name
  /// must not take the broker down.
  mutating func write(_ string: String) {
    var string = string[...]
    if string.utf8.count > WireLimits.stringBytes {
      var end = string.utf8.index(string.startIndex, offsetBy: WireLimits.stringBytes)
      while string.utf8[end] & 0xC0 == 0x80 { end = string.utf8.index(before: end) }
      string = string[..<end]
    }
    if flexible {
      writeVarint(UInt32(string.utf8.count) + 1)
    } else {
      buffer.writeInteger(Int16(string.utf8.count))
    }
    buffer.writeSubstring(string)
  }

  private mutating func readBytes() throws(WireError) -> ByteBuffer? {
    guard let length = try readLength() else { return nil }
    guard length <= left, let slice = buffer.getSlice(at: buffer.readerIndex + position, length: length) else {
      throw .truncated(needed: length, left: left)
    }
    position += length
    return slice
  }
}

// MARK: - Lengths

extension WireCursor {
  /// The length of bytes or an array: int32, or compact. Nil is null, which is any negative length, as in Kafka.
  mutating func readLength() throws(WireError) -> Int? {
    guard !flexible else { return try readCompactLength(limit: Int(Int32.max)) }
    var length: Int32 = 0
    try integer(&length)
    return length < 0 ? nil : Int(length)
  }

  mutating func writeLength(_ length: Int) {
    if flexible {
      writeVarint(UInt32(length) + 1)
    } else {
      buffer.writeInteger(Int32(length))
    }
  }

  mutating func writeNull() {
    if flexible {
      writeVarint(0)
    } else {
      buffer.writeInteger(Int32(-1))
    }
  }

  private mutating func readCompactLength(limit: Int) throws(WireError) -> Int? {
    let lengthPlusOne = Int(try readVarint())
    guard lengthPlusOne > 0 else { return nil }
    guard lengthPlusOne - 1 <= limit else { throw .invalidLength(lengthPlusOne - 1) }
    return lengthPlusOne - 1
  }

  /// Unsigned, seven bits a byte, the least significant first.
  mutating func readVarint() throws(WireError) -> UInt32 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), through: 28, by: 7) {
      guard left > 0 else { throw .truncated(needed: 1, left: 0) }
      let byte = raw[position]
      position += 1
      value |= UInt64(byte & 0x7F) << shift
      guard byte & 0x80 == 0 else { continue }
      guard let narrow = UInt32(exactly: value) else { throw .invalidVarint }
      return narrow
    }
    throw .invalidVarint
  }

  mutating func writeVarint(_ value: UInt32) {
    var rest = value
    while rest >= 0x80 {
      buffer.writeInteger(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    buffer.writeInteger(UInt8(rest))
  }
}
