import Compression
import Model
import NIOCore
import TestSupport
import Testing

/// The bounds of each width, their neighbours, and the numbers around zero.
private let extremes: [Int64] = [
  .min, .min + 1, Int64(Int32.min) - 1, Int64(Int32.min), Int64(Int16.min), -129, -128, -2, -1, 0, 1, 2, 127, 128, 255,
  256, Int64(Int16.max), 32_768, Int64(Int32.max) - 1, Int64(Int32.max), Int64(Int32.max) + 1, Int64(UInt32.max),
  Offset.largestBase.rawValue, Offset.largestBase.rawValue + 1, .max - 1, .max,
]

private func varint(_ value: Int64) -> [UInt8] {
  var bits = Varint.zigzag(value)
  var bytes: [UInt8] = []
  while bits >= 0x80 {
    bytes.append(UInt8(truncatingIfNeeded: bits) | 0x80)
    bits >>= 7
  }
  return bytes + [UInt8(bits)]
}

/// The numbers of one record, in their order; the bytes of key, value and header stay two each.
private struct RawRecord {
  /// Timestamp delta, offset delta, lengths of key and value, count of headers, lengths of the header's key and value.
  var numbers: [Int64] = [0, 0, 2, 2, 1, 2, 2]

  func bytes(length: Int64?) -> [UInt8] {
    var body: [UInt8] = [0]
    for (index, number) in numbers.enumerated() {
      body += varint(number)
      if [2, 3, 5, 6].contains(index) { body += [0x61, 0x62] }
    }
    return varint(length ?? Int64(body.count)) + body
  }
}

/// Looks at a batch in all ways there are. Only traps matter.
private func use(_ batch: RecordBatch) {
  _ = (batch.header.lastSequence, batch.header.hasProducer, batch.sizeInBytes)
  _ = try? batch.validateRecords(limit: 1 << 16, timestamps: -5...5, findingKeyless: true, faultsMax: 3)
  _ = try? batch.records(limit: 1 << 16)
  try? batch.forEachRecord(limit: 1 << 16) { view in view.forEachHeader { _, _ in } }
  _ = try? EndTransactionMarker(reading: batch)
  for magic: Int8 in 0...1 {
    for from in extremes {
      var messages = ByteBuffer()
      _ = try? batch.writeMessages(magic: magic, from: Offset(from), limit: 1 << 16, to: &messages)
    }
  }
}

private func sealed(_ header: RecordBatchHeader, _ body: ByteBuffer, fixingLength: Bool = true) -> ByteBuffer {
  var header = header
  if fixingLength { header.length = Int32(49 + body.readableBytes) }
  header.crc = header.checksum(of: body)
  var bytes = ByteBuffer(repeating: 0, count: BatchField.records)
  bytes.withUnsafeMutableReadableBytes { header.write(to: $0) }
  bytes.writeImmutableBuffer(body)
  return bytes
}

private func header(records: Int32, codec: Codec = .none) -> RecordBatchHeader {
  var header = RecordBatchHeader()
  header.count = records
  header.lastOffsetDelta = records - 1
  header.attributes.codecNumber = codec.rawValue
  return header
}

@Test("no number in a record traps, alone or with another, compressed or not")
func extremeRecords() throws {
  var read = 0
  for first in 0..<8 {
    for second in 0..<8 where second >= first {
      for a in extremes {
        for b in second == first ? [0] : [Int64.min, -1, 1, .max] {
          var record = RawRecord()
          var length: Int64?
          for (field, value) in [(second, b), (first, a)] where field != second || second == first || value == b {
            if field == 7 { length = value } else { record.numbers[field] = value }
          }
          let body = ByteBuffer(bytes: record.bytes(length: length))
          let batch = try RecordBatch(viewing: sealed(header(records: 1), body))
          if (try? batch.validateRecords()) != nil { read += 1 }
          use(batch)
        }
      }
    }
  }
  #expect(read > 50, "timestamps of any size are fine")
  for codec in [Codec.gzip, .lz4] {
    for value in extremes {
      var record = RawRecord()
      record.numbers[0] = value
      var packed = ByteBuffer()
      try record.bytes(length: nil).withUnsafeBytes { try codec.compress($0, into: &packed) }
      use(try RecordBatch(viewing: sealed(header(records: 1, codec: codec), packed)))
    }
  }
}

@Test("no number in a batch's header traps, alone or with another", arguments: Seed.some(4))
func extremeHeaders(seed: Seed) throws {
  var seed = seed
  let body = ByteBuffer(bytes: RawRecord().bytes(length: nil))
  let changes: [(inout RecordBatchHeader, Int64) -> Void] = [
    { $0.baseOffset = Offset($1) }, { $0.length = Int32(truncatingIfNeeded: $1) },
    { $0.partitionLeaderEpoch = Int32(truncatingIfNeeded: $1) }, { $0.magic = Int8(truncatingIfNeeded: $1) },
    { $0.attributes.rawValue = Int16(truncatingIfNeeded: $1) },
    { $0.lastOffsetDelta = Int32(truncatingIfNeeded: $1) }, { $0.baseTimestamp = $1 }, { $0.maxTimestamp = $1 },
    { $0.producerID = $1 }, { $0.producerEpoch = Int16(truncatingIfNeeded: $1) },
    { $0.baseSequence = Int32(truncatingIfNeeded: $1) }, { $0.count = Int32(truncatingIfNeeded: $1) },
  ]
  for change in changes {
    for value in extremes {
      for _ in 0..<4 {
        var header = header(records: 1)
        header.length = Int32(49 + body.readableBytes)
        if Bool.random(using: &seed) {
          changes.randomElement(using: &seed)!(&header, extremes.randomElement(using: &seed)!)
        }
        change(&header, value)
        guard let batch = try? RecordBatch(viewing: sealed(header, body, fixingLength: false)) else { continue }
        _ = (batch.header.lastOffset, batch.header.nextOffset)
        use(batch)
      }
    }
  }
}

@Test("no number in a message of an old format traps, its CRC made right again")
func extremeMessages() throws {
  var builder = RecordBatchBuilder(capacity: 4096)
  for _ in 0..<3 {
    builder.append(
      Record(offset: 0, timestamp: 7, key: ByteBuffer(string: "k"), value: ByteBuffer(string: "v"), headers: []))
  }
  for codec in [Codec.none, .gzip] {
    let batch = try RecordBatch(viewing: builder.isEmpty ? extremeBatch(codec) : builder.finish(codec: codec))
    for magic: Int8 in 0...1 {
      var set = ByteBuffer()
      try batch.writeMessages(magic: magic, from: 0, to: &set)
      // offset 8 │ size 4 │ crc 4 │ magic 1 │ attributes 1 │ timestamp 8 (magic 1) │ keyLength 4 …
      let fields = [(0, 8), (8, 4), (16, 1), (17, 1), (18, 8), (18, 4), (26, 4), (19, 4), (27, 4), (31, 4)]
      for (at, width) in fields {
        for value in extremes {
          var changed = set
          for index in 0..<width {
            changed.setInteger(UInt8(truncatingIfNeeded: value >> Int64(8 * (width - 1 - index))), at: at + index)
          }
          let size = Int(changed.getInteger(at: 8, as: Int32.self) ?? 0)
          if size > 4, let covered = changed.getBytes(at: 16, length: min(size - 4, changed.readableBytes - 16)) {
            changed.setInteger(covered.withUnsafeBytes { CRC32.of($0) }, at: 12)
          }
          guard let converted = try? RecordBatch(converting: changed, limit: 1 << 16) else { continue }
          use(converted)
        }
      }
    }
  }
}

private func extremeBatch(_ codec: Codec) throws -> ByteBuffer {
  var builder = RecordBatchBuilder(capacity: 4096)
  builder.append(Record(offset: 0, timestamp: 7, key: nil, value: ByteBuffer(string: "v"), headers: []))
  return try builder.finish(codec: codec)
}

@Test(
  "turning a batch into messages is bounded, and writes nothing when the bound is passed",
  arguments: [Codec.gzip, .lz4])
func boundedMessages(codec: Codec) throws {
  var builder = RecordBatchBuilder(capacity: 4096)
  builder.append(
    Record(offset: 0, timestamp: 1, key: nil, value: ByteBuffer(repeating: 0, count: 100_000), headers: []))
  let batch = try RecordBatch(viewing: builder.finish(codec: codec))
  var messages = ByteBuffer(string: "before")
  #expect(throws: RecordBatchError.unpacksTooLarge(limit: 99_999)) {
    try batch.writeMessages(magic: 1, from: 0, limit: 99_999, to: &messages)
  }
  #expect(messages == ByteBuffer(string: "before"))
  #expect(try (100_000...100_100).contains(batch.writeMessages(magic: 1, from: 0, limit: 200_000, to: &messages)))
}
