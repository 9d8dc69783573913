package import Model
package import NIOCore

/// The walk over one message's bytes, reading or writing.
///
/// Each `field` overload does either: it fills the value from the bytes, or appends the value to them. In a flexible version strings, bytes
/// and arrays have compact lengths (n + 1 as a varint, 0 for null), else Kafka's classic ones (int16 or int32, -1 for null).
/// Nesting is bounded by the types: no message contains itself.
package struct WireCursor {
  package let version: Int16
  package private(set) var flexible: Bool
  package let reading: Bool

  /// Writing: what there is so far. Reading: what slices are taken from.
  private var buffer: ByteBuffer

  /// Reading: all bytes of `buffer`, borrowed while the walk lasts. Every access is checked against `end` first.
  private let raw: UnsafeRawBufferPointer
  /// Reading: the next byte, and where the message, or the tagged field being read, ends. `position <= end <= raw.count`.
  private var position = 0
  private var end: Int

  /// Writing: the parts that stand at a place in `buffer` without being in it, in order.
  private var splices: [(position: Int, part: WireParts.Part)] = []
  private var tagged = TaggedMode.outside

  /// What `tag` does, when `tags` walks its fields.
  private enum TaggedMode {
    case outside
    /// Writing, first walk: how many fields are not at their default.
    case counting(Int)
    case writing
    /// Reading the field of this number; `matched` when one of the walk's fields has it.
    case reading(UInt32, matched: Bool)
  }

  /// - Parameter raw: the readable bytes of `buffer`, valid for as long as this cursor is used.
  init(reading buffer: ByteBuffer, _ raw: UnsafeRawBufferPointer, version: Int16, flexible: Bool) {
    (self.version, self.flexible, self.reading) = (version, flexible, true)
    self.buffer = buffer
    self.raw = raw
    end = raw.count
  }

  init(writing buffer: ByteBuffer, version: Int16, flexible: Bool) {
    (self.version, self.flexible, self.reading) = (version, flexible, false)
    self.buffer = buffer
    raw = UnsafeRawBufferPointer(start: nil, count: 0)
    end = 0
  }

  /// Goes on after `other`: a body after its header.
  init(continuing other: consuming WireCursor, version: Int16, flexible: Bool) {
    (self.version, self.flexible, self.reading) = (version, flexible, other.reading)
    buffer = other.buffer
    (raw, position, end) = (other.raw, other.position, other.end)
    splices = other.splices
  }

  /// Reading: how many bytes were walked over.
  var bytesRead: Int { position }

  private var left: Int { end - position }

  /// Writing: all that was written, cut where something else stands between.
  var finished: WireParts {
    guard !splices.isEmpty else { return WireParts(parts: [.bytes(buffer)]) }
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
    return WireParts(parts: parts)
  }

  /// Writing: puts the length of everything, splices included, into the four bytes reserved for it at the front.
  mutating func setLengthPrefix() {
    let spliced = splices.reduce(0) { $0 + $1.part.byteCount }
    buffer.setInteger(Int32(buffer.readableBytes + spliced - Frame.prefixBytes), at: buffer.readerIndex)
  }
}

// MARK: - Numbers

extension WireCursor {
  package mutating func field(_ value: inout Int8) throws(WireError) { try integer(&value) }
  package mutating func field(_ value: inout Int16) throws(WireError) { try integer(&value) }
  package mutating func field(_ value: inout Int32) throws(WireError) { try integer(&value) }
  package mutating func field(_ value: inout Int64) throws(WireError) { try integer(&value) }
  package mutating func field(_ value: inout ErrorCode) throws(WireError) { try integer(&value.rawValue) }
  package mutating func field(_ value: inout Offset) throws(WireError) { try integer(&value.rawValue) }

  package mutating func field(_ value: inout Bool) throws(WireError) {
    var byte: UInt8 = value ? 1 : 0
    try integer(&byte)
    value = byte != 0
  }

  package mutating func field(_ value: inout UUID128) throws(WireError) {
    try integer(&value.high)
    try integer(&value.low)
  }

  private mutating func integer<T: FixedWidthInteger & BitwiseCopyable>(_ value: inout T) throws(WireError) {
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
  package mutating func field(_ value: inout String) throws(WireError) {
    if reading {
      guard let length = try readStringLength() else { throw .unexpectedNull }
      value = try readString(length)
    } else {
      write(value)
    }
  }

  /// - Parameter nullableFrom: the first version that has a null; before it nil is written as the empty string.
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

  package mutating func field(_ value: inout ByteBuffer) throws(WireError) {
    if reading {
      guard let slice = try readBytes() else { throw .unexpectedNull }
      value = slice
    } else {
      writeLength(value.readableBytes)
      buffer.writeImmutableBuffer(value)
    }
  }

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
  private mutating func readStringLength() throws(WireError) -> Int? {
    guard !flexible else { return try readCompactLength(limit: WireLimits.stringBytes) }
    var length: Int16 = 0
    try integer(&length)
    return length < 0 ? nil : Int(length)
  }

  private mutating func readString(_ length: Int) throws(WireError) -> String {
    guard length <= left else { throw .truncated(needed: length, left: left) }
    let utf8 = UnsafeRawBufferPointer(rebasing: raw[position..<position + length])
    position += length
    return String(decoding: utf8, as: UTF8.self)
  }

  /// A longer string than Kafka can carry is cut, at a character's boundary: an error message that quotes a client's long name
  /// must not take the broker down.
  private mutating func write(_ string: String) {
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

// MARK: - Arrays and structs

extension WireCursor {
  package mutating func field(_ array: inout [Int32]) throws(WireError) { try elements(&array) }
  package mutating func field(_ array: inout [Int64]) throws(WireError) { try elements(&array) }

  package mutating func field(_ array: inout [Int32]?) throws(WireError) {
    if reading {
      guard let count = try readCount() else {
        array = nil
        return
      }
      array = try readIntegers(count)
    } else if let array {
      writeIntegers(array)
    } else {
      writeNull()
    }
  }

  package mutating func field(_ array: inout [Offset]) throws(WireError) {
    if reading {
      guard let count = try readCount() else { throw .unexpectedNull }
      array = try readIntegers(count).map(Offset.init(rawValue:))
    } else {
      writeIntegers(array.map(\.rawValue))
    }
  }

  package mutating func field(_ array: inout [String]) throws(WireError) {
    var whole: [String]? = array
    try field(&whole, nullableFrom: .max)
    array = whole ?? []
  }

  /// - Parameter nullableFrom: the first version that has a null; before it nil is written as the empty array.
  package mutating func field(_ array: inout [String]?, nullableFrom: Int16 = 0) throws(WireError) {
    if reading {
      array = nil
      guard let count = try readCount() else {
        if version < nullableFrom { throw .unexpectedNull }
        return
      }
      var strings: [String] = []
      strings.reserveCapacity(min(count, WireLimits.elementsReserved))
      for _ in 0..<count {
        guard let length = try readStringLength() else { throw .unexpectedNull }
        strings.append(try readString(length))
      }
      array = strings
    } else if let present = array ?? (version < nullableFrom ? [] : nil) {
      writeLength(present.count)
      for string in present { write(string) }
    } else {
      writeNull()
    }
  }

  package mutating func field<T: WireStruct>(_ value: inout T) throws(WireError) { try value.fields(&self) }

  /// A nullable struct: a byte, negative for null, then its fields.
  package mutating func field<T: WireStruct>(_ value: inout T?) throws(WireError) {
    var marker: Int8 = value == nil ? -1 : 1
    try integer(&marker)
    if reading { value = marker < 0 ? nil : T() }
    try value?.fields(&self)
  }

  package mutating func field<T: WireStruct>(_ array: inout [T]) throws(WireError) {
    if reading {
      guard let count = try readCount() else { throw .unexpectedNull }
      array = try readStructs(count)
    } else {
      try writeStructs(array)
    }
  }

  /// - Parameter nullableFrom: the first version that has a null; before it nil is written as the empty array.
  package mutating func field<T: WireStruct>(_ array: inout [T]?, nullableFrom: Int16 = 0) throws(WireError) {
    if reading {
      array = nil
      guard let count = try readCount() else {
        if version < nullableFrom { throw .unexpectedNull }
        return
      }
      array = try readStructs(count)
    } else if let present = array ?? (version < nullableFrom ? [] : nil) {
      try writeStructs(present)
    } else {
      writeNull()
    }
  }

  private mutating func elements<T: FixedWidthInteger & BitwiseCopyable>(_ array: inout [T]) throws(WireError) {
    if reading {
      guard let count = try readCount() else { throw .unexpectedNull }
      array = try readIntegers(count)
    } else {
      writeIntegers(array)
    }
  }

  private mutating func readIntegers<T: FixedWidthInteger & BitwiseCopyable>(
    _ count: Int
  ) throws(WireError) -> [T] {
    let needed = count * MemoryLayout<T>.size
    guard needed <= left else { throw .truncated(needed: needed, left: left) }
    var values: [T] = []
    values.reserveCapacity(count)
    for _ in 0..<count {
      var value: T = 0
      try integer(&value)
      values.append(value)
    }
    return values
  }

  private mutating func writeIntegers(_ array: [some FixedWidthInteger]) {
    writeLength(array.count)
    for value in array { buffer.writeInteger(value) }
  }

  private mutating func readStructs<T: WireStruct>(_ count: Int) throws(WireError) -> [T] {
    var structs: [T] = []
    structs.reserveCapacity(min(count, WireLimits.elementsReserved))
    for _ in 0..<count {
      var element = T()
      try element.fields(&self)
      structs.append(element)
    }
    return structs
  }

  private mutating func writeStructs(_ array: [some WireStruct]) throws(WireError) {
    writeLength(array.count)
    // A copy of each: mutating through `array[i]` would copy the array, which the message still shares.
    for var element in array { try element.fields(&self) }
  }

  /// Elements take at least a byte each, so a count beyond the bytes left is a lie.
  private mutating func readCount() throws(WireError) -> Int? {
    guard let count = try readLength() else { return nil }
    guard count <= left else { throw .invalidCount(count, left: left) }
    return count
  }
}

// MARK: - Tagged fields

extension WireCursor {
  /// The end of a struct. Flexible versions have a count of tagged fields here; the others have nothing.
  package mutating func tags() throws(WireError) {
    try tags { (_: inout WireCursor) throws(WireError) in }
  }

  /// The end of a struct with tagged fields: `body` names each with `tag`, in rising order of their numbers. Numbers it does not name are skipped.
  package mutating func tags(_ body: (inout WireCursor) throws(WireError) -> Void) throws(WireError) {
    guard flexible else { return }
    if reading {
      try readTags(body)
    } else {
      tagged = .counting(0)
      try body(&self)
      guard case .counting(let count) = tagged else { preconditionFailure("a walk of tags changed its mode") }
      writeVarint(UInt32(count))
      tagged = .writing
      try body(&self)
    }
    tagged = .outside
  }

  /// One tagged field: written when it differs from `standard`, absent meaning just that.
  package mutating func tag<T: Equatable>(
    _ number: UInt32, _ value: inout T, default standard: T,
    _ walk: (inout WireCursor, inout T) throws(WireError) -> Void
  ) throws(WireError) {
    switch tagged {
    case .outside:
      preconditionFailure("tag \(number) outside of tags")
    case .counting(let count):
      if value != standard { tagged = .counting(count + 1) }
    case .writing:
      guard value != standard else { return }
      var content = WireCursor(writing: ByteBuffer(), version: version, flexible: flexible)
      try walk(&content, &value)
      writeVarint(number)
      writeVarint(UInt32(content.buffer.readableBytes))
      buffer.writeImmutableBuffer(content.buffer)
    case .reading(number, _):
      tagged = .outside
      try walk(&self, &value)
      tagged = .reading(number, matched: true)
    case .reading:
      break
    }
  }

  private mutating func readTags(_ body: (inout WireCursor) throws(WireError) -> Void) throws(WireError) {
    let count = Int(try readVarint())
    guard count <= left else { throw .invalidCount(count, left: left) }
    let outerEnd = end
    for _ in 0..<count {
      let number = try readVarint()
      let size = Int(try readVarint())
      guard size <= left else { throw .truncated(needed: size, left: left) }
      end = position + size
      tagged = .reading(number, matched: false)
      try body(&self)
      if case .reading(_, matched: true) = tagged, left > 0 { throw .taggedFieldSize(tag: number) }
      position = end
      end = outerEnd
    }
  }
}

extension WireCursor {
  package mutating func tag(_ number: UInt32, _ value: inout String?) throws(WireError) {
    try tag(number, &value, default: nil) { (wire, value) throws(WireError) in try wire.field(&value) }
  }

  package mutating func tag(_ number: UInt32, _ value: inout Bool) throws(WireError) {
    try tag(number, &value, default: false) { (wire, value) throws(WireError) in try wire.field(&value) }
  }

  package mutating func tag(_ number: UInt32, _ value: inout Int8) throws(WireError) {
    try tag(number, &value, default: 0) { (wire, value) throws(WireError) in try wire.field(&value) }
  }

  package mutating func tag(_ number: UInt32, _ value: inout Int64, default standard: Int64) throws(WireError) {
    try tag(number, &value, default: standard) { (wire, value) throws(WireError) in try wire.field(&value) }
  }

  package mutating func tag(_ number: UInt32, _ value: inout ErrorCode) throws(WireError) {
    try tag(number, &value, default: .none) { (wire, value) throws(WireError) in try wire.field(&value) }
  }

  package mutating func tag(_ number: UInt32, _ value: inout UUID128) throws(WireError) {
    try tag(number, &value, default: .zero) { (wire, value) throws(WireError) in try wire.field(&value) }
  }

  package mutating func tag<T: WireStruct>(_ number: UInt32, _ value: inout T) throws(WireError) {
    try tag(number, &value, default: T()) { (wire, value) throws(WireError) in try wire.field(&value) }
  }

  package mutating func tag<T: WireStruct>(_ number: UInt32, _ value: inout [T]) throws(WireError) {
    try tag(number, &value, default: []) { (wire, value) throws(WireError) in try wire.field(&value) }
  }
}

// MARK: - Lengths

extension WireCursor {
  /// The length of bytes or an array: int32, or compact. Nil is null, which is any negative length, as in Kafka.
  private mutating func readLength() throws(WireError) -> Int? {
    guard !flexible else { return try readCompactLength(limit: Int(Int32.max)) }
    var length: Int32 = 0
    try integer(&length)
    return length < 0 ? nil : Int(length)
  }

  private mutating func writeLength(_ length: Int) {
    if flexible {
      writeVarint(UInt32(length) + 1)
    } else {
      buffer.writeInteger(Int32(length))
    }
  }

  private mutating func writeNull() {
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
  private mutating func readVarint() throws(WireError) -> UInt32 {
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

  private mutating func writeVarint(_ value: UInt32) {
    var rest = value
    while rest >= 0x80 {
      buffer.writeInteger(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    buffer.writeInteger(UInt8(rest))
  }
}
