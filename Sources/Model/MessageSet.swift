import Compression
package import NIOCore

/// Records as Kafka had them before 0.11: messages of magic 0 or 1, one after another. Clients still send and ask for them
/// (Produce 0 to 2, Fetch 0 to 3); a log holds only batches of magic 2, so they are converted on the way in and out.
///
/// ```
/// offset 8 │ size 4 │ crc 4 │ magic 1 │ attributes 1 │ timestamp 8 (magic 1) │ keyLength 4 (-1: null) │ key
///   │ valueLength 4 (-1: null) │ value
/// ```
///
/// `size` counts what follows it; the CRC-32 covers `magic` to the end. A compressed set is one message, the wrapper, whose
/// value is the set compressed and whose offset is the last one's; inside, magic 1 counts offsets from 0.
package enum MessageSet {
  /// Offset and size: what stands before every message.
  static let overheadBytes = 12
  /// Where the magic number of the first message or batch stands, in every format.
  static let magicIndex = 16
  static let codecMask: Int8 = 7, logAppendTimeFlag: Int8 = 8
  static let noTimestamp: Int64 = -1
  /// The largest set that is converted. A message without key and value has 26 bytes and becomes a record of at most 36, so
  /// what is built stays below `builtBatchBytes`.
  static let bytesMax = RecordLimits.builtBatchBytes / 2

  /// 0 or 1 when these are messages and not a batch, as far as a look at the first one's magic number can tell.
  package static func magic(of bytes: ByteBuffer) -> Int8? {
    guard let magic = bytes.getInteger(at: bytes.readerIndex + magicIndex, as: Int8.self) else { return nil }
    return magic == 0 || magic == 1 ? magic : nil
  }

  /// One message. Key and value share the set's memory.
  struct Message {
    var offset: Int64
    var magic: Int8
    var attributes: Int8
    var timestamp: Int64
    var key: ByteBuffer?
    var value: ByteBuffer?

    var codecNumber: Int { Int(attributes & MessageSet.codecMask) }

    /// Takes the next message off the front of `bytes`.
    init(reading bytes: inout ByteBuffer) throws(RecordBatchError) {
      let available = bytes.readableBytes
      guard let offset: Int64 = bytes.readInteger(), let size: Int32 = bytes.readInteger() else {
        throw .truncated(bytes: available, needed: MessageSet.overheadBytes)
      }
      guard size >= 0 else { throw .inconsistent("message size \(size)") }
      guard var fields = bytes.readSlice(length: Int(size)) else {
        throw .truncated(bytes: available, needed: MessageSet.overheadBytes + Int(size))
      }
      guard let crc: UInt32 = fields.readInteger() else { throw .inconsistent("message size \(size)") }
      let computed = fields.withUnsafeReadableBytes { CRC32.of($0) }
      guard computed == crc else { throw .badChecksum(stored: crc, computed: computed) }
      guard let magic: Int8 = fields.readInteger(), let attributes: Int8 = fields.readInteger() else {
        throw .inconsistent("message size \(size)")
      }
      guard magic == 0 || magic == 1 else { throw .unsupportedMagic(magic) }
      self.offset = offset
      self.magic = magic
      self.attributes = attributes
      timestamp = MessageSet.noTimestamp
      if magic == 1 {
        guard let own: Int64 = fields.readInteger() else { throw .inconsistent("message size \(size)") }
        timestamp = own
      }
      key = try Self.readBytes(&fields)
      value = try Self.readBytes(&fields)
      guard fields.readableBytes == 0 else { throw .inconsistent("\(fields.readableBytes) bytes after a message") }
    }

    private static func readBytes(_ fields: inout ByteBuffer) throws(RecordBatchError) -> ByteBuffer? {
      guard let length: Int32 = fields.readInteger() else { throw .inconsistent("a message ends before its fields") }
      if length == -1 { return nil }
      guard length >= 0, let bytes = fields.readSlice(length: Int(length)) else {
        throw .inconsistent("a field of \(length) bytes in a message with \(fields.readableBytes) left")
      }
      return bytes
    }

    /// Writes one message.
    static func write(
      offset: Int64, magic: Int8, attributes: Int8, timestamp: Int64, key: UnsafeRawBufferPointer?,
      value: UnsafeRawBufferPointer?, to bytes: inout ByteBuffer
    ) {
      let start = bytes.writerIndex
      bytes.writeInteger(offset)
      bytes.writeInteger(Int32(0))  // size and CRC: filled in when all stands behind them
      bytes.writeInteger(UInt32(0))
      let covered = bytes.writerIndex
      bytes.writeInteger(magic)
      bytes.writeInteger(attributes)
      if magic == 1 { bytes.writeInteger(timestamp) }
      write(key, to: &bytes)
      write(value, to: &bytes)
      let crc = bytes.withUnsafeReadableBytes {
        CRC32.of(UnsafeRawBufferPointer(rebasing: $0[(covered - bytes.readerIndex)...]))
      }
      bytes.setInteger(Int32(bytes.writerIndex - start - MessageSet.overheadBytes), at: start + 8)
      bytes.setInteger(crc, at: start + MessageSet.overheadBytes)
    }

    private static func write(_ field: UnsafeRawBufferPointer?, to bytes: inout ByteBuffer) {
      bytes.writeInteger(Int32(field?.count ?? -1))
      if let field { bytes.writeBytes(field) }
    }
  }
}

extension RecordBatch {
  /// The batch that holds what a producer's message set holds, in the same codec. Messages of magic 0 have no timestamp:
  /// their records' is -1.
  ///
  /// - Parameter limit: most bytes that a compressed set may unpack to, `MessageSet.bytesMax` at the most.
  package init(converting messages: ByteBuffer, limit: Int) throws(RecordBatchError) {
    guard messages.readableBytes <= MessageSet.bytesMax else {
      throw .undecodable("a message set of \(messages.readableBytes) bytes; the most is \(MessageSet.bytesMax)")
    }
    var rest = messages
    let first = try MessageSet.Message(reading: &rest)
    guard let codec = Codec(rawValue: first.codecNumber), codec != .zstd else {
      throw .undecodable("codec \(first.codecNumber) does not exist in magic \(first.magic)")
    }
    var builder = RecordBatchBuilder(capacity: messages.readableBytes)
    if codec == .none {
      try builder.append(first, asIn: first.magic)
    } else {
      guard rest.readableBytes == 0 else { throw .inconsistent("\(rest.readableBytes) bytes after a compressed set") }
      rest = try first.unpacked(codec, limit: limit)
    }
    while rest.readableBytes > 0 { try builder.append(MessageSet.Message(reading: &rest), asIn: first.magic) }
    guard !builder.isEmpty else { throw .inconsistent("a compressed set without messages") }
    let batch: ByteBuffer
    do { batch = try builder.finish(codec: codec) } catch { throw .undecodable("\(codec.name): \(error)") }
    try self.init(viewing: batch, checkingCRC: false)
  }

  /// Writes the records from `offset` on as messages, in the batch's codec. Headers are left out, and control batches,
  /// for which the old formats have no place. Memory is that of the bytes, whatever the number of records.
  ///
  /// - Parameter limit: most bytes that the records may unpack to. A message takes some 30 more than its record.
  /// - Returns: the bytes the records have unpacked to; 0 when they were not compressed.
  /// - Throws: `undecodable`, also for zstd, which no message can be in; `unpacksTooLarge`; `inconsistent`. Nothing was written then.
  @discardableResult package func writeMessages(
    magic: Int8, from offset: Offset, limit: Int = RecordLimits.decompressedBatchBytes, to bytes: inout ByteBuffer
  ) throws(RecordBatchError) -> Int {
    precondition(magic == 0 || magic == 1, "magic \(magic) is not a message's")
    guard !header.attributes.isControl else { return 0 }
    guard let codec = Codec(rawValue: header.attributes.codecNumber), codec != .zstd else {
      throw .undecodable("no message can be in codec \(header.attributes.codecNumber)")
    }
    let plain = try recordBytes(limit: codec == .none ? .max : limit)
    let timeFlag = magic == 1 && header.attributes.isLogAppendTime ? MessageSet.logAppendTimeFlag : 0
    var messages = ByteBuffer()
    var (first, last) = (Offset?.none, Offset.unknown)
    var newest = MessageSet.noTimestamp
    try walk(plain) { view, _ in
      guard view.offset >= offset else { return }
      // Compressed, a set of magic 1 counts offsets from 0.
      let base = first ?? view.offset
      (first, last) = (base, view.offset)
      newest = max(newest, view.timestamp)
      MessageSet.Message.write(
        offset: codec != .none && magic == 1 ? Int64(view.offset - base) : view.offset.rawValue, magic: magic,
        attributes: timeFlag, timestamp: view.timestamp, key: view.key, value: view.value, to: &messages)
    }
    guard first != nil else { return codec == .none ? 0 : plain.readableBytes }
    guard codec != .none else {
      bytes.writeImmutableBuffer(messages)
      return 0
    }
    var packed = ByteBuffer()
    do {
      try messages.withUnsafeReadableBytes { try codec.compress($0, into: &packed) }
    } catch { throw .undecodable("\(codec.name): \(error)") }
    if codec == .lz4, magic == 0 { packed = LZ4HeaderChecksum.broken(packed) }
    packed.withUnsafeReadableBytes {
      MessageSet.Message.write(
        offset: last.rawValue, magic: magic, attributes: Int8(codec.rawValue) | timeFlag, timestamp: newest, key: nil,
        value: $0, to: &bytes)
    }
    return plain.readableBytes
  }
}

extension MessageSet.Message {
  /// The set inside a wrapper.
  fileprivate func unpacked(_ codec: Codec, limit: Int) throws(RecordBatchError) -> ByteBuffer {
    guard let value else { throw .inconsistent("a compressed set without a value") }
    do {
      return try codec.decompress(codec == .lz4 && magic == 0 ? LZ4HeaderChecksum.mended(value) : value, limit: limit)
    } catch {
      throw RecordBatchError(error, codec, limit: limit)
    }
  }
}

extension RecordBatchBuilder {
  fileprivate mutating func append(_ message: MessageSet.Message, asIn magic: Int8) throws(RecordBatchError) {
    guard message.magic == magic else { throw .inconsistent("magic \(message.magic) among messages of magic \(magic)") }
    guard message.codecNumber == 0 else { throw .inconsistent("a compressed message among others") }
    guard message.attributes & MessageSet.logAppendTimeFlag == 0 else {
      throw .inconsistent("only the broker sets a message's timestamp to the time of the append")
    }
    append(Record(offset: 0, timestamp: message.timestamp, key: message.key, value: message.value))
  }
}
