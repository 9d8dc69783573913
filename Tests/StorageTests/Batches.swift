import Base
import Model
import NIOCore

/// Batches as a producer sends them, with record bytes that need not be records: a log does not look inside.
enum Batches {
  static func make(
    records: Int, bodyBytes: Int, fill: UInt64 = 0, timestamp: Int64 = 1_700_000_000_000, producerID: Int64 = -1,
    producerEpoch: Int16 = -1, baseSequence: Int32 = -1, baseOffset: Offset = 0, leaderEpoch: LeaderEpoch = -1
  ) -> RecordBatch {
    var body = ByteBuffer()
    var state = fill &* 0x9E37_79B9_7F4A_7C15 | 1
    // Eight at a time: some tests want megabytes.
    while body.readableBytes < bodyBytes {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      body.writeInteger(state)
    }
    body.moveWriterIndex(to: bodyBytes)
    return make(
      body: body, records: records, timestamp: timestamp, producerID: producerID, producerEpoch: producerEpoch,
      baseSequence: baseSequence, baseOffset: baseOffset, leaderEpoch: leaderEpoch)
  }

  static func make(
    body: ByteBuffer, records: Int, timestamp: Int64, producerID: Int64 = -1, producerEpoch: Int16 = -1,
    baseSequence: Int32 = -1, baseOffset: Offset = 0, leaderEpoch: LeaderEpoch = -1, transactional: Bool = false,
    control: Bool = false
  ) -> RecordBatch {
    var header = RecordBatchHeader()
    header.baseOffset = baseOffset
    header.partitionLeaderEpoch = leaderEpoch
    header.length = Int32(BatchField.records - BatchField.lengthOverhead + body.readableBytes)
    header.lastOffsetDelta = Int32(records - 1)
    header.count = Int32(records)
    header.baseTimestamp = timestamp
    header.maxTimestamp = timestamp
    header.producerID = producerID
    header.producerEpoch = producerEpoch
    header.baseSequence = baseSequence
    header.attributes.isTransactional = transactional
    header.attributes.isControl = control
    header.crc = header.checksum(of: body)
    return RecordBatch(header: header, body: body)
  }

  /// A batch of real records: one for each timestamp, without keys, of `valueBytes` pseudo-random bytes.
  static func make(
    timestamps: [Int64], valueBytes: Int, seed: UInt64, producerID: Int64 = -1, producerEpoch: Int16 = -1,
    baseSequence: Int32 = -1, baseOffset: Offset = 0, leaderEpoch: LeaderEpoch = -1
  ) -> RecordBatch {
    var body = ByteBuffer()
    var random = SplitMix(seed: seed)
    for (index, timestamp) in timestamps.enumerated() {
      var record = ByteBuffer()
      record.writeInteger(UInt8(0))
      record.writeVarint(timestamp - timestamps[0])
      record.writeVarint(Int64(index))
      record.writeVarint(-1)
      record.writeVarint(Int64(valueBytes))
      for _ in 0..<valueBytes { record.writeInteger(UInt8(truncatingIfNeeded: random.next())) }
      record.writeVarint(0)
      body.writeVarint(Int64(record.readableBytes))
      body.writeImmutableBuffer(record)
    }
    var batch = make(
      body: body, records: timestamps.count, timestamp: timestamps[0], producerID: producerID,
      producerEpoch: producerEpoch, baseSequence: baseSequence, baseOffset: baseOffset, leaderEpoch: leaderEpoch)
    batch.header.maxTimestamp = timestamps.max() ?? -1
    batch.header.crc = batch.header.checksum(of: body)
    return batch
  }

  /// The batch as it stands in a log.
  static func bytes(_ batch: RecordBatch) -> ByteBuffer {
    var buffer = ByteBuffer()
    buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: BatchField.records) {
      batch.header.write(to: $0)
      return BatchField.records
    }
    buffer.writeImmutableBuffer(batch.body)
    return buffer
  }

  /// A transaction's end.
  static func marker(
    commit: Bool, producerID: Int64, producerEpoch: Int16, coordinatorEpoch: Int32, timestamp: Int64
  ) -> RecordBatch {
    var body = ByteBuffer()
    // length 16 (zig-zag 32), attributes, timestamp delta, offset delta, key length 4, key, value length 6, value, no headers
    body.writeBytes([32, 0, 0, 0, 8, 0, 0, 0, commit ? 1 : 0, 12, 0, 0])
    body.writeInteger(coordinatorEpoch)
    body.writeInteger(UInt8(0))
    return make(
      body: body, records: 1, timestamp: timestamp, producerID: producerID, producerEpoch: producerEpoch,
      transactional: true, control: true)
  }
}

extension ByteBuffer {
  /// Kafka's varint: zig-zag, seven bits a byte, the lowest first.
  mutating func writeVarint(_ value: Int64) {
    var rest = UInt64(bitPattern: (value << 1) ^ (value >> 63))
    while rest >= 0x80 {
      writeInteger(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    writeInteger(UInt8(rest))
  }

  /// The batches that stand back to back in these bytes, CRCs checked.
  func batches() throws -> [RecordBatch] {
    var rest = self
    var batches: [RecordBatch] = []
    while rest.readableBytes > 0 {
      let batch = try RecordBatch(viewing: rest)
      batches.append(batch)
      rest.moveReaderIndex(forwardBy: batch.sizeInBytes)
    }
    return batches
  }
}
