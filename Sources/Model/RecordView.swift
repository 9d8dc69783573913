/// One record, borrowed: pointers into the batch's bytes. Valid only while the closure that was given it runs.
///
/// ```
/// length varint │ attributes 1 │ timestampDelta varlong │ offsetDelta varint │ keyLength varint (-1: null) │ key
///   │ valueLength varint (-1: null) │ value │ headerCount varint │ headers
/// header: keyLength varint │ key │ valueLength varint (-1: null) │ value
/// ```
///
/// `length` counts what follows it; the attributes byte means nothing yet.
package struct RecordView {
  package let offset: Offset
  /// Milliseconds since 1970.
  package let timestamp: Int64
  package let key: UnsafeRawBufferPointer?
  package let value: UnsafeRawBufferPointer?
  package let headerCount: Int
  /// The headers' bytes, walked over and found whole; see `forEachHeader`.
  package let headerBytes: UnsafeRawBufferPointer

  @inlinable package init(
    offset: Offset, timestamp: Int64, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?, headerCount: Int,
    headerBytes: UnsafeRawBufferPointer
  ) {
    self.offset = offset
    self.timestamp = timestamp
    self.key = key
    self.value = value
    self.headerCount = headerCount
    self.headerBytes = headerBytes
  }

  /// The headers in their order: the key's UTF-8 and the value.
  package func forEachHeader(_ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer?) -> Void) {
    var cursor = RecordCursor(headerBytes)
    do throws(RecordFault) {
      for _ in 0..<headerCount {
        guard let key = try cursor.bytes() else { throw .badLength }
        body(key, try cursor.bytes())
      }
    } catch {
      preconditionFailure("headers that were walked over once: now \(error.words)")
    }
  }
}

/// What is wrong with a record. One byte, so that the walk throws it in a register; `RecordBatchError` says it in words.
package enum RecordFault: UInt8, Error {
  /// A field reaches beyond its record, or the record beyond the batch.
  case truncated
  /// A varint of more than 5 bytes (10 for the timestamp).
  case badVarint
  /// A length below -1, or -1 where there is no null; a negative header count.
  case badLength
  /// The record's length is not that of its fields.
  case badSize

  var words: String {
    switch self {
    case .truncated: "a field reaches beyond the end"
    case .badVarint: "a varint is too long"
    case .badLength: "a length is negative"
    case .badSize: "its length is not that of its fields"
    }
  }
}

/// A walk over the bytes of a batch's records. Never reads outside them, whatever they hold.
package struct RecordCursor {
  package var position: UnsafeRawPointer
  package let end: UnsafeRawPointer

  @inlinable package init(_ bytes: UnsafeRawBufferPointer) {
    // An empty buffer may have no address; no byte of it will be read.
    position = bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 1)!
    end = position + bytes.count
  }

  @inlinable package init(position: UnsafeRawPointer, end: UnsafeRawPointer) {
    self.position = position
    self.end = end
  }

  @inlinable package var isAtEnd: Bool { position == end }

  /// The next record's offset delta, timestamp delta and fields.
  @inlinable @inline(__always) package mutating func next(
    baseOffset: Offset, baseTimestamp: Int64
  ) throws(RecordFault) -> (view: RecordView, offsetDelta: Int32) {
    let length = Int(try varint())
    guard length >= 0 else { throw .badLength }
    guard length <= end - position else { throw .truncated }
    var fields = RecordCursor(position: position, end: position + length)
    guard length > 0 else { throw .truncated }
    fields.position += 1  // attributes
    let timestampDelta = try fields.varlong()
    let offsetDelta = try fields.varint()
    let key = try fields.bytes()
    let value = try fields.bytes()
    let headerCount = try fields.varint()
    guard headerCount >= 0 else { throw .badLength }
    let headers = fields.position
    if headerCount > 0 { try fields.skipHeaders(Int(headerCount)) }
    guard fields.isAtEnd else { throw .badSize }
    position = fields.end
    let view = RecordView(
      offset: Offset(baseOffset.rawValue &+ Int64(offsetDelta)), timestamp: baseTimestamp &+ timestampDelta,
      key: key, value: value, headerCount: Int(headerCount),
      headerBytes: UnsafeRawBufferPointer(start: headers, count: fields.end - headers))
    return (view, offsetDelta)
  }

  package mutating func skipHeaders(_ count: Int) throws(RecordFault) {
    // Each takes two bytes at least, so a count that cannot be ends the walk soon.
    for _ in 0..<count {
      guard try bytes() != nil else { throw .badLength }
      _ = try bytes()
    }
  }

  /// A length and so many bytes; nil for length -1.
  @inlinable @inline(__always) package mutating func bytes() throws(RecordFault) -> UnsafeRawBufferPointer? {
    let length = Int(try varint())
    guard length >= 0 else {
      if length == -1 { return nil }
      throw .badLength
    }
    guard length <= end - position else { throw .truncated }
    let start = position
    position += length
    return UnsafeRawBufferPointer(start: start, count: length)
  }

  @inlinable @inline(__always) package mutating func varint() throws(RecordFault) -> Int32 {
    // One byte, two bytes, then any: lengths of small records take one or two.
    guard position < end else { throw .truncated }
    let first = UInt32(position.load(as: UInt8.self))
    var bits = first
    if first < 0x80 {
      position += 1
    } else if position + 1 < end, (position + 1).load(as: UInt8.self) < 0x80 {
      bits = first & 0x7F | UInt32((position + 1).load(as: UInt8.self)) << 7
      position += 2
    } else {
      let wide = try longVarint(most: 5)
      guard wide <= UInt64(UInt32.max) else { throw .badVarint }
      bits = UInt32(wide)
    }
    return Int32(bitPattern: bits >> 1) ^ -Int32(bitPattern: bits & 1)
  }

  @inlinable @inline(__always) package mutating func varlong() throws(RecordFault) -> Int64 {
    guard position < end else { throw .truncated }
    let first = UInt64(position.load(as: UInt8.self))
    if first < 0x80 {
      position += 1
      return Varint.unzigzag(first)
    }
    return Varint.unzigzag(try longVarint(most: 10))
  }

  package mutating func longVarint(most: Int) throws(RecordFault) -> UInt64 {
    var bits: UInt64 = 0
    for index in 0..<most {
      guard position < end else { throw .truncated }
      let byte = position.load(as: UInt8.self)
      position += 1
      bits |= UInt64(byte & 0x7F) << UInt64(7 * index)
      if byte < 0x80 { return bits }
    }
    throw .badVarint
  }
}
