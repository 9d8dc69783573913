/// The 61 bytes that open every batch of magic 2, as Kafka writes them (big-endian):
///
/// ```
/// baseOffset 8 │ length 4 │ partitionLeaderEpoch 4 │ magic 1 │ crc 4 │ attributes 2 │ lastOffsetDelta 4 │
/// baseTimestamp 8 │ maxTimestamp 8 │ producerId 8 │ producerEpoch 2 │ baseSequence 4 │ count 4 │ records
/// ```
///
/// `length` counts what follows it; the CRC-32C covers `attributes` to the end, so a broker may fill in the base
/// offset and the leader epoch without computing it again.
package enum BatchField {
  package static let baseOffset = 0, length = 8, partitionLeaderEpoch = 12, magic = 16, crc = 17, attributes = 21
  package static let lastOffsetDelta = 23, baseTimestamp = 27, maxTimestamp = 35, producerID = 43, producerEpoch = 51
  package static let baseSequence = 53, count = 57, records = 61
  /// Bytes before what `length` counts.
  package static let lengthOverhead = 12
}

/// A batch header as a value of its own: kept and rewritten beside the records, which stay a slice of what arrived.
package struct RecordBatchHeader: Hashable, Sendable, BitwiseCopyable {
  package var baseOffset: Offset = 0
  /// Bytes after the length field: the whole batch's size less 12.
  package var length: Int32 = 0
  package var partitionLeaderEpoch: LeaderEpoch = -1
  package var magic: Int8 = 2
  package var crc: UInt32 = 0
  package var attributes = Attributes()
  /// Offset of the last record less `baseOffset`; compaction keeps it when it drops records.
  package var lastOffsetDelta: Int32 = 0
  /// Milliseconds since 1970; record timestamps are deltas from it.
  package var baseTimestamp: Int64 = -1
  package var maxTimestamp: Int64 = -1
  package var producerID: Int64 = -1
  package var producerEpoch: Int16 = -1
  package var baseSequence: Int32 = -1
  package var count: Int32 = 0

  package init() {}

  /// Bits 0-2 codec, 3 timestamp type, 4 transactional, 5 control, 6 base timestamp is a delete horizon.
  package struct Attributes: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    package var rawValue: Int16
    @inlinable package init(rawValue: Int16 = 0) { self.rawValue = rawValue }

    /// The codec's number, 0 to 7; 5 to 7 mean nothing yet.
    @inlinable package var codecNumber: Int {
      get { Int(rawValue & 7) }
      set { rawValue = rawValue & ~7 | Int16(newValue & 7) }
    }
    /// The broker's clock set the timestamps (message.timestamp.type=LogAppendTime).
    @inlinable package var isLogAppendTime: Bool {
      get { rawValue & 8 != 0 }
      set { set(8, newValue) }
    }
    @inlinable package var isTransactional: Bool {
      get { rawValue & 16 != 0 }
      set { set(16, newValue) }
    }
    /// Holds a transaction marker, not records.
    @inlinable package var isControl: Bool {
      get { rawValue & 32 != 0 }
      set { set(32, newValue) }
    }
    @inlinable package var hasDeleteHorizon: Bool {
      get { rawValue & 64 != 0 }
      set { set(64, newValue) }
    }
    @inlinable mutating func set(_ bit: Int16, _ on: Bool) { rawValue = on ? rawValue | bit : rawValue & ~bit }
  }
}

extension RecordBatchHeader {
  /// The whole batch: header and records.
  @inlinable package var sizeInBytes: Int { Int(length) + BatchField.lengthOverhead }
  @inlinable package var lastOffset: Offset { baseOffset + Int(lastOffsetDelta) }
  /// The offset after the batch.
  @inlinable package var nextOffset: Offset { lastOffset + 1 }
  @inlinable package var hasProducer: Bool { producerID >= 0 }
  /// Sequence of the last record; sequences wrap from Int32.max to 0.
  @inlinable package var lastSequence: Int32 {
    baseSequence < 0 ? -1 : Int32((Int64(baseSequence) + Int64(lastOffsetDelta)) & 0x7FFF_FFFF)
  }

  /// Reads 61 bytes. Checks nothing: see `RecordBatch(viewing:)`.
  ///
  /// - Precondition: `bytes` holds at least `BatchField.records` bytes.
  @inlinable package init(reading bytes: UnsafeRawBufferPointer) {
    func load<T: FixedWidthInteger>(_ at: Int, as type: T.Type) -> T {
      T(bigEndian: bytes.loadUnaligned(fromByteOffset: at, as: T.self))
    }
    precondition(bytes.count >= BatchField.records, "a batch header needs 61 bytes, not \(bytes.count)")
    self.init()
    baseOffset = Offset(load(BatchField.baseOffset, as: Int64.self))
    length = load(BatchField.length, as: Int32.self)
    partitionLeaderEpoch = load(BatchField.partitionLeaderEpoch, as: Int32.self)
    magic = load(BatchField.magic, as: Int8.self)
    crc = load(BatchField.crc, as: UInt32.self)
    attributes = Attributes(rawValue: load(BatchField.attributes, as: Int16.self))
    lastOffsetDelta = load(BatchField.lastOffsetDelta, as: Int32.self)
    baseTimestamp = load(BatchField.baseTimestamp, as: Int64.self)
    maxTimestamp = load(BatchField.maxTimestamp, as: Int64.self)
    producerID = load(BatchField.producerID, as: Int64.self)
    producerEpoch = load(BatchField.producerEpoch, as: Int16.self)
    baseSequence = load(BatchField.baseSequence, as: Int32.self)
    count = load(BatchField.count, as: Int32.self)
  }

  /// Writes the 61 bytes.
  ///
  /// - Precondition: `bytes` has room for `BatchField.records` bytes.
  @inlinable package func write(to bytes: UnsafeMutableRawBufferPointer) {
    func store<T: FixedWidthInteger>(_ value: T, _ at: Int) {
      bytes.storeBytes(of: value.bigEndian, toByteOffset: at, as: T.self)
    }
    precondition(bytes.count >= BatchField.records, "a batch header needs 61 bytes, not \(bytes.count)")
    store(baseOffset.rawValue, BatchField.baseOffset)
    store(length, BatchField.length)
    store(partitionLeaderEpoch, BatchField.partitionLeaderEpoch)
    store(magic, BatchField.magic)
    store(crc, BatchField.crc)
    store(attributes.rawValue, BatchField.attributes)
    store(lastOffsetDelta, BatchField.lastOffsetDelta)
    store(baseTimestamp, BatchField.baseTimestamp)
    store(maxTimestamp, BatchField.maxTimestamp)
    store(producerID, BatchField.producerID)
    store(producerEpoch, BatchField.producerEpoch)
    store(baseSequence, BatchField.baseSequence)
    store(count, BatchField.count)
  }
}
