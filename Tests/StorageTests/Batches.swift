import CMillrace
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
    for _ in 0..<bodyBytes {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      body.writeInteger(UInt8(truncatingIfNeeded: state))
    }
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
    header.crc = crc(header, body)
    return RecordBatch(header: header, body: body)
  }

  static func crc(_ header: RecordBatchHeader, _ body: ByteBuffer) -> UInt32 {
    let whole = bytes(RecordBatch(header: header, body: body))
    return whole.withUnsafeReadableBytes {
      millrace_crc32c(0, $0.baseAddress! + BatchField.attributes, $0.count - BatchField.attributes)
    }
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
