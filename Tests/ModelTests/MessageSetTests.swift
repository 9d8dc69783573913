import Compression
import NIOCore
import TestSupport
import Testing

@testable import Model

/// Messages with the CRC-32 of Python's zlib, at offsets 0 and 1: a key and a value, then neither.
private let magic0: [UInt8] = [
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0x8F, 0xAA, 0x55, 0x88, 0, 0, 0, 0, 0, 1, 0x6B, 0, 0, 0, 5, 0x76, 0x61, 0x6C,
  0x75, 0x65, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x0E, 0xA7, 0xEC, 0x68, 0x03, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
  0xFF, 0xFF,
]

/// The same way, at 1700000000000 and 7 ms later: a value without key, then both, empty.
private let magic1: [UInt8] = [
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x17, 0x42, 0xB4, 0xAF, 0x02, 1, 0, 0, 0, 0x01, 0x8B, 0xCF, 0xE5, 0x68, 0, 0xFF,
  0xFF, 0xFF, 0xFF, 0, 0, 0, 1, 0x61, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x16, 0x80, 0xE6, 0x63, 0xA7, 1, 0, 0, 0, 0x01,
  0x8B, 0xCF, 0xE5, 0x68, 7, 0, 0, 0, 0, 0, 0, 0, 0,
]

private func messages(_ batch: RecordBatch, magic: Int8, from offset: Offset = 0) throws -> ByteBuffer {
  var bytes = ByteBuffer()
  try batch.writeMessages(magic: magic, from: offset, to: &bytes)
  return bytes
}

@Test("messages of magic 0 and 1 become records, byte for byte the other way")
func messageBytes() throws {
  let first = try RecordBatch(converting: ByteBuffer(bytes: magic0), limit: 1000)
  #expect(
    try first.records() == [
      Record(offset: 0, timestamp: -1, key: ByteBuffer(string: "k"), value: ByteBuffer(string: "value")),
      Record(offset: 1, timestamp: -1, key: nil, value: nil),
    ])
  #expect(first.header.maxTimestamp == -1)
  #expect(try messages(first, magic: 0) == ByteBuffer(bytes: magic0))
  let second = try RecordBatch(converting: ByteBuffer(bytes: magic1), limit: 1000)
  #expect(
    try second.records() == [
      Record(offset: 0, timestamp: 1_700_000_000_000, key: nil, value: ByteBuffer(string: "a")),
      Record(offset: 1, timestamp: 1_700_000_000_007, key: ByteBuffer(), value: ByteBuffer()),
    ])
  #expect(try messages(second, magic: 1) == ByteBuffer(bytes: magic1))
  #expect(MessageSet.magic(of: ByteBuffer(bytes: magic0)) == 0)
  #expect(MessageSet.magic(of: ByteBuffer(bytes: magic1)) == 1)
  #expect(MessageSet.magic(of: ByteBuffer(bytes: magic0.prefix(16))) == nil)
}

@Test(
  "a batch survives the way through messages, in every codec they know", arguments: [Codec.none, .gzip, .snappy, .lz4],
  Int8(0)...1)
func messageRoundTrip(codec: Codec, magic: Int8) throws {
  var seed = Seed(UInt64(codec.rawValue) + 10)
  var builder = RecordBatchBuilder(capacity: 4096)
  let records = (0..<50).map { index in
    Record(
      offset: Offset(index), timestamp: 1_700_000_000_000 + index, key: index % 3 == 0 ? nil : ByteBuffer(bytes: [7]),
      value: index % 7 == 0 ? nil : ByteBuffer(bytes: seed.payload(Int(index) * 20)))
  }
  for record in records { builder.append(record) }
  let batch = try RecordBatch(viewing: builder.finish(codec: codec))
  let back = try RecordBatch(converting: messages(batch, magic: magic), limit: 1 << 20)
  #expect(back.header.attributes.codecNumber == codec.rawValue)
  let timeless = records.map { Record(offset: $0.offset, timestamp: -1, key: $0.key, value: $0.value) }
  #expect(try back.records() == (magic == 0 ? timeless : records))
}

@Test("messages begin at the offset that was asked for; a wrapper has the last one's, and magic 1 counts from 0 inside")
func messageOffsets() throws {
  var builder = RecordBatchBuilder(capacity: 4096)
  for value in ["a", "b", "c", "d", "e"] {
    builder.append(Record(offset: 0, timestamp: 9, key: nil, value: ByteBuffer(string: value)))
  }
  let bytes = try builder.finish(codec: .gzip, baseOffset: 100, logAppendTime: 77)
  var set = try messages(RecordBatch(viewing: bytes), magic: 1, from: 102)
  let wrapper = try MessageSet.Message(reading: &set)
  #expect(set.readableBytes == 0)
  #expect(wrapper.offset == 104)
  #expect(wrapper.attributes == 1 | MessageSet.logAppendTimeFlag)
  #expect(wrapper.timestamp == 77)
  var inner = try Codec.gzip.decompress(try #require(wrapper.value), limit: 1000)
  #expect(try (0..<3).map { _ in try MessageSet.Message(reading: &inner).offset } == [0, 1, 2])
  #expect(inner.readableBytes == 0)
  #expect(try messages(RecordBatch(viewing: bytes), magic: 1, from: 105).readableBytes == 0)
}

@Test("zstd has no place in messages, and what is no message is refused")
func messageRefusals() throws {
  var builder = RecordBatchBuilder(capacity: 4096)
  builder.append(Record(offset: 0, timestamp: 9, key: nil, value: ByteBuffer(string: "v")))
  let batch = try RecordBatch(viewing: builder.finish(codec: .zstd))
  #expect(throws: RecordBatchError.self) { try messages(batch, magic: 1) }
  func refusal(_ change: (inout ByteBuffer) -> Void) -> RecordBatchError? {
    var bytes = ByteBuffer(bytes: magic1)
    change(&bytes)
    do throws(RecordBatchError) {
      _ = try RecordBatch(converting: bytes, limit: 1000)
      return nil
    } catch { return error }
  }
  #expect(refusal { $0.clear() } == .truncated(bytes: 0, needed: 12))
  #expect(refusal { $0.moveWriterIndex(to: $0.writerIndex - 1) } == .truncated(bytes: 33, needed: 34))
  guard case .badChecksum = refusal({ $0.setInteger(UInt8(0x62), at: 34) }) else {
    Issue.record("a flipped bit was taken")
    return
  }
  #expect(
    refusal { $0.writeImmutableBuffer(ByteBuffer(bytes: magic0)) } == .inconsistent("magic 0 among messages of magic 1")
  )
}

@Test("arbitrary messages never trap", arguments: Seed.some(200))
func messageFuzz(seed: Seed) throws {
  var seed = seed
  for set in [magic0, magic1] {
    var bytes = ByteBuffer(bytes: set)
    for _ in 0..<Int.random(in: 1...3, using: &seed) {
      bytes.setInteger(UInt8.random(in: 0...255, using: &seed), at: Int.random(in: 0..<set.count, using: &seed))
    }
    // With the CRC of what it is now, so that the fields are looked at.
    if Bool.random(using: &seed), let size = bytes.getInteger(at: 8, as: Int32.self), (4...40).contains(size) {
      let covered = bytes.getBytes(at: 16, length: min(Int(size) - 4, bytes.writerIndex - 16)) ?? []
      bytes.setInteger(covered.withUnsafeBytes { CRC32.of($0) }, at: 12)
    }
    _ = try? RecordBatch(converting: bytes, limit: 1000)
  }
}
