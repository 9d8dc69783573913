import CMillrace
package import Compression
package import NIOCore

/// Builds batches of magic 2, one after another. Owned by one caller at a time, and not copyable: the bytes are written
/// through a pointer into a buffer that nobody else may hold.
///
/// ```
/// var builder = RecordBatchBuilder(capacity: 64 << 10)
/// builder.append(timestamp: now, key: nil, value: bytes)
/// let batch = try builder.finish(codec: .lz4)        // header, CRC and all; the builder is empty again
/// ```
///
/// Appending costs about 10 ns for a record of 100 bytes (most of it the copy) and allocates only when the buffer grows.
package struct RecordBatchBuilder: ~Copyable {
  /// Header and records, uncompressed. All of its capacity is readable, so that NIO hands out a pointer to it.
  private var bytes: ByteBuffer
  @usableFromInline var base: UnsafeMutableRawPointer
  @usableFromInline var position: UnsafeMutableRawPointer
  @usableFromInline var end: UnsafeMutableRawPointer
  @usableFromInline var recordCount: Int32 = 0
  @usableFromInline var baseTimestamp: Int64 = 0
  @usableFromInline var maxTimestamp: Int64 = 0
  private let capacity: Int

  /// - Parameter capacity: bytes of an uncompressed batch, header included, to make room for at once; more is made when
  ///   records need it.
  package init(capacity: Int) {
    self.capacity = min(max(capacity, 256), RecordLimits.builtBatchBytes)
    bytes = ByteBuffer()
    base = UnsafeMutableRawPointer(bitPattern: 1)!
    position = base
    end = base
    allocate(self.capacity)
  }

  /// Records appended since the last `finish`.
  @inlinable package var count: Int { Int(recordCount) }
  @inlinable package var isEmpty: Bool { recordCount == 0 }
  /// The batch so far, header included, before compression.
  @inlinable package var sizeInBytes: Int { position - base }
  /// The first record's timestamp and the largest; of no meaning while empty.
  @inlinable package var timestamps: (base: Int64, max: Int64) { (baseTimestamp, maxTimestamp) }

  /// The most that `sizeInBytes` can be after one more record of these sizes (without headers): what to compare with a
  /// batch size before appending.
  @inlinable package func sizeAtMost(afterKey keyBytes: Int, value valueBytes: Int) -> Int {
    sizeInBytes + Self.fieldBytesMost + keyBytes + valueBytes
  }

  /// All of a record but key, value and headers: length 5, attributes 1, timestamp 10, offset 5, two lengths 5, header
  /// count 5.
  @inlinable static var fieldBytesMost: Int { 36 }

  /// Appends a record without headers. Its offset delta is its place: 0, 1, 2 …
  ///
  /// - Parameter timestamp: milliseconds since 1970.
  @inlinable package mutating func append(
    timestamp: Int64, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?
  ) {
    let keyBytes = key?.count ?? 0
    let valueBytes = value?.count ?? 0
    let room = Self.fieldBytesMost &+ keyBytes &+ valueBytes
    if end - position < room { grow(toFit: room) }
    let fields = start(timestamp: timestamp, key: key, value: value)
    var at = Varint.write(Int64(fields.bodyBytes &+ 1), to: position)
    at = write(fields, key: key, value: value, to: at)
    at.storeBytes(of: 0, as: UInt8.self)  // no headers
    position = at + 1
    recordCount &+= 1
  }

  /// Appends a record with headers.
  package mutating func append(
    timestamp: Int64, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?, headers: [RecordHeader]
  ) {
    var headerBytes = Varint.size(of: Int64(headers.count))
    for header in headers {
      let keyBytes = header.key.utf8.count
      headerBytes += Varint.size(of: Int64(keyBytes)) + keyBytes
      headerBytes += Varint.size(of: Int64(header.value?.readableBytes ?? -1)) + (header.value?.readableBytes ?? 0)
    }
    let room = Self.fieldBytesMost + (key?.count ?? 0) + (value?.count ?? 0) + headerBytes
    if end - position < room { grow(toFit: room) }
    let fields = start(timestamp: timestamp, key: key, value: value)
    var at = Varint.write(Int64(fields.bodyBytes + headerBytes), to: position)
    at = write(fields, key: key, value: value, to: at)
    at = Varint.write(Int64(headers.count), to: at)
    for var header in headers {
      header.key.withUTF8 { at = Self.write(UnsafeRawBufferPointer($0), to: at) }
      if let value = header.value {
        value.withUnsafeReadableBytes { at = Self.write($0, to: at) }
      } else {
        at = Varint.write(-1, to: at)
      }
    }
    position = at
    recordCount += 1
  }

  /// Appends `record`'s timestamp, key, value and headers; its offset does not count.
  package mutating func append(_ record: Record) {
    func withBytes(_ buffer: ByteBuffer?, _ body: (UnsafeRawBufferPointer?) -> Void) {
      if let buffer { buffer.withUnsafeReadableBytes { body($0) } } else { body(nil) }
    }
    // Nested closures cannot change self of a noncopyable type, so the pointers leave them; both buffers outlive the call.
    withExtendedLifetime(record) {
      var key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?
      withBytes(record.key) { key = $0 }
      withBytes(record.value) { value = $0 }
      append(timestamp: record.timestamp, key: key, value: value, headers: record.headers)
    }
  }
}

extension RecordBatchBuilder {
  /// A record's small fields, and the bytes of all that `length` counts but the headers.
  @usableFromInline struct Fields {
    @usableFromInline var timestampDelta: Int64
    @usableFromInline var bodyBytes: Int

    @inlinable init(timestampDelta: Int64, bodyBytes: Int) {
      self.timestampDelta = timestampDelta
      self.bodyBytes = bodyBytes
    }
  }

  @inlinable @inline(__always) mutating func start(
    timestamp: Int64, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?
  ) -> Fields {
    if recordCount == 0 {
      baseTimestamp = timestamp
      maxTimestamp = timestamp
    } else if timestamp > maxTimestamp {
      maxTimestamp = timestamp
    }
    let delta = timestamp &- baseTimestamp
    let keyBytes = key?.count ?? -1
    let valueBytes = value?.count ?? -1
    let lengths = Varint.size(of: Int64(keyBytes)) &+ Varint.size(of: Int64(valueBytes))
    let numbers = Varint.size(of: delta) &+ Varint.size(of: Int64(recordCount))
    return Fields(
      timestampDelta: delta, bodyBytes: 1 &+ numbers &+ lengths &+ max(keyBytes, 0) &+ max(valueBytes, 0))
  }

  @inlinable @inline(__always) func write(
    _ fields: Fields, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?, to start: UnsafeMutableRawPointer
  ) -> UnsafeMutableRawPointer {
    start.storeBytes(of: 0, as: UInt8.self)  // attributes
    var at = Varint.write(fields.timestampDelta, to: start + 1)
    at = Varint.write(Int64(recordCount), to: at)
    at = Self.write(key, to: at)
    return Self.write(value, to: at)
  }

  @inlinable @inline(__always) static func write(
    _ bytes: UnsafeRawBufferPointer?, to start: UnsafeMutableRawPointer
  ) -> UnsafeMutableRawPointer {
    guard let bytes else { return Varint.write(-1, to: start) }
    let at = Varint.write(Int64(bytes.count), to: start)
    guard let source = bytes.baseAddress else { return at }
    at.copyMemory(from: source, byteCount: bytes.count)
    return at + bytes.count
  }

  /// Makes room for `room` more bytes: at least twice the size so far.
  @usableFromInline mutating func grow(toFit room: Int) {
    let used = sizeInBytes
    precondition(
      room <= RecordLimits.builtBatchBytes - used, "a batch of \(used) bytes cannot take a record of \(room) more")
    let old = bytes
    allocate(min(max(2 * used, used + room), RecordLimits.builtBatchBytes))
    old.withUnsafeReadableBytes { base.copyMemory(from: $0.baseAddress!, byteCount: used) }
    position = base + used
  }

  /// A new buffer of `size` bytes, its place after the header.
  private mutating func allocate(_ size: Int) {
    bytes = ByteBufferAllocator().buffer(capacity: size)
    bytes.moveWriterIndex(to: bytes.capacity)
    // NIO's way to keep a pointer beyond the closure, as long as the storage is kept, which `bytes` does. Writing is
    // safe because only `bytes` holds the storage: this type cannot be copied and gives the buffer away in `finish` only.
    (base, end) = bytes.withUnsafeReadableBytesWithStorageManagement { raw, _ in
      let base = UnsafeMutableRawPointer(mutating: raw.baseAddress!)
      return (base, base + raw.count)
    }
    position = base + BatchField.records
  }
}

extension RecordBatchBuilder {
  /// The whole batch: header, records (compressed as one stream), CRC. The builder is empty afterwards and may be used again.
  ///
  /// - Parameters:
  ///   - level: nil for the codec's default.
  ///   - logAppendTime: when given, the timestamp type is LogAppendTime and this is every record's timestamp.
  /// - Throws: `unknownLevel` or `libraryFailed`; the records are then still there.
  package mutating func finish(
    codec: Codec = .none, level: Int? = nil, baseOffset: Offset = 0, partitionLeaderEpoch: LeaderEpoch = -1,
    producerID: Int64 = -1, producerEpoch: Int16 = -1, baseSequence: Int32 = -1, isTransactional: Bool = false,
    isControl: Bool = false, logAppendTime: Int64? = nil
  ) throws(CompressionError) -> ByteBuffer {
    precondition(recordCount > 0, "a batch without records is nothing a producer sends")
    var header = RecordBatchHeader()
    header.baseOffset = baseOffset
    header.partitionLeaderEpoch = partitionLeaderEpoch
    header.attributes.codecNumber = codec.rawValue
    header.attributes.isTransactional = isTransactional
    header.attributes.isControl = isControl
    header.attributes.isLogAppendTime = logAppendTime != nil
    header.lastOffsetDelta = recordCount - 1
    header.baseTimestamp = baseTimestamp
    header.maxTimestamp = logAppendTime ?? maxTimestamp
    header.producerID = producerID
    header.producerEpoch = producerEpoch
    header.baseSequence = baseSequence
    header.count = recordCount
    let batch = codec == .none ? takeBytes() : try compressed(codec, level)
    recordCount = 0
    return header.sealed(over: batch)
  }

  /// Drops what was appended.
  package mutating func removeAll() {
    position = base + BatchField.records
    recordCount = 0
  }

  /// Gives the buffer away as it is and takes a new one.
  private mutating func takeBytes() -> ByteBuffer {
    var batch = bytes
    batch.moveWriterIndex(to: sizeInBytes)
    allocate(capacity)
    return batch
  }

  private mutating func compressed(_ codec: Codec, _ level: Int?) throws(CompressionError) -> ByteBuffer {
    let records = UnsafeRawBufferPointer(start: base + BatchField.records, count: sizeInBytes - BatchField.records)
    var batch = ByteBuffer()
    batch.writeRepeatingByte(0, count: BatchField.records)
    try codec.compress(records, level: level, into: &batch)
    position = base + BatchField.records
    return batch
  }
}

extension RecordBatchHeader {
  /// Fills in length and CRC and writes the header over the first 61 bytes of `batch`.
  fileprivate consuming func sealed(over batch: consuming ByteBuffer) -> ByteBuffer {
    length = Int32(batch.readableBytes - BatchField.lengthOverhead)
    let header = self
    batch.withUnsafeMutableReadableBytes { bytes in
      header.write(to: bytes)
      let crc = millrace_crc32c(0, bytes.baseAddress! + BatchField.attributes, bytes.count - BatchField.attributes)
      bytes.storeBytes(of: crc.bigEndian, toByteOffset: BatchField.crc, as: UInt32.self)
    }
    return batch
  }
}
