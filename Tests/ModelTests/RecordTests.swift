import Compression
import NIOCore
import TestSupport
import Testing

@testable import Model

extension Seed {
  fileprivate mutating func buffer(_ most: Int) -> ByteBuffer? {
    Int.random(in: 0...5, using: &self) == 0 ? nil : ByteBuffer(bytes: payload(Int.random(in: 0...most, using: &self)))
  }

  /// Records at offsets from 0, with nulls, empties, headers and timestamps that go back and forth.
  fileprivate mutating func records(most: Int64 = 200, wild isWild: Bool = true) -> [Record] {
    (0..<Int64.random(in: 1...most, using: &self)).map { offset in
      let wild = isWild && Int.random(in: 0...100, using: &self) == 0
      let most = wild ? 20_000 : 150
      return Record(
        offset: Offset(offset),
        timestamp: wild
          ? Int64.random(in: Int64.min...Int64.max, using: &self)
          : 1_700_000_000_000 + Int64.random(in: -9999...9999, using: &self),
        key: buffer(most), value: buffer(most),
        headers: (0..<max(0, Int.random(in: -5...3, using: &self))).map { RecordHeader("h\($0) ☃", buffer(most)) })
    }
  }
}

@Test("records built into a batch come back as they were", arguments: Codec.allCases, Seed.some(4))
func roundTrip(codec: Codec, seed: Seed) throws {
  var seed = seed
  var builder = RecordBatchBuilder(capacity: Int.random(in: 0...100_000, using: &seed))
  for round in 0..<3 {
    let records = seed.records()
    for record in records {
      let before = builder.sizeInBytes
      let atMost = builder.sizeAtMost(afterKey: record.key?.readableBytes ?? 0, value: record.value?.readableBytes ?? 0)
      builder.append(record)
      #expect(builder.sizeInBytes > before)
      #expect(builder.sizeInBytes <= atMost || !record.headers.isEmpty)
    }
    #expect(builder.count == records.count)
    let size = builder.sizeInBytes
    let batch = try RecordBatch(
      viewing: try builder.finish(codec: codec, producerID: 7, producerEpoch: 1, baseSequence: 3))
    #expect(builder.count == 0)
    if codec == .none { #expect(batch.sizeInBytes == size) }
    #expect(try batch.records() == records, "round \(round), \(seed)")
    #expect(batch.header.maxTimestamp == records.map(\.timestamp).max())
    #expect(batch.header.lastSequence == 2 + Int32(records.count))
    let keyless = records.indices.filter { records[$0].key == nil }
    #expect(try batch.validateRecords(findingKeyless: true).keyless == keyless)
    var seen: [Record] = []
    try batch.forEachRecord { view in
      seen.append(
        Record(
          offset: view.offset, timestamp: view.timestamp, key: view.key.map { ByteBuffer(bytes: $0) },
          value: view.value.map { ByteBuffer(bytes: $0) }, headers: records[seen.count].headers))
    }
    #expect(seen == records)
  }
}

@Test("records without headers take the quick way to the same bytes", arguments: Seed.some(5))
func quickAppend(seed: Seed) throws {
  var seed = seed
  var quick = RecordBatchBuilder(capacity: 1000)
  var general = RecordBatchBuilder(capacity: 1000)
  for record in seed.records() {
    let key = record.key.map { Array($0.readableBytesView) }
    let value = record.value.map { Array($0.readableBytesView) }
    func append(_ key: UnsafeRawBufferPointer?, _ value: UnsafeRawBufferPointer?, _ to: inout RecordBatchBuilder) {
      to.append(timestamp: record.timestamp, key: key, value: value)
    }
    switch (key, value) {
    case (nil, nil): append(nil, nil, &quick)
    case (let key?, nil): key.withUnsafeBytes { append($0, nil, &quick) }
    case (nil, let value?): value.withUnsafeBytes { append(nil, $0, &quick) }
    case (let key?, let value?): key.withUnsafeBytes { key in value.withUnsafeBytes { append(key, $0, &quick) } }
    }
    var plain = record
    plain.headers = []
    general.append(plain)
  }
  #expect(try quick.finish() == general.finish())
}

@Test("a builder is empty after removeAll, and builds on")
func removeAll() throws {
  var builder = RecordBatchBuilder(capacity: 0)
  builder.append(timestamp: 1, key: nil, value: nil)
  builder.removeAll()
  #expect(builder.count == 0)
  #expect(builder.sizeInBytes == BatchField.records)
  builder.append(timestamp: 5, key: nil, value: nil)
  let batch = try RecordBatch(viewing: try builder.finish())
  #expect(try batch.records() == [Record(offset: 0, timestamp: 5, key: nil, value: nil)])
}

/// A batch of `count` records whose body is `body`, the CRC right: what is wrong is in the records alone.
private func batch(_ body: [UInt8], count: Int32, lastOffsetDelta: Int32? = nil, codec: Int = 0) throws -> RecordBatch {
  var header = RecordBatchHeader()
  header.count = count
  header.lastOffsetDelta = lastOffsetDelta ?? count - 1
  header.attributes.codecNumber = codec
  header.length = Int32(49 + body.count)
  header.crc = header.checksum(of: ByteBuffer(bytes: body))
  var bytes = ByteBuffer(repeating: 0, count: 61)
  bytes.withUnsafeMutableReadableBytes { header.write(to: $0) }
  bytes.writeBytes(body)
  return try RecordBatch(viewing: bytes)
}

@Test("each way a record can be wrong is found")
func badRecords() throws {
  let good: [UInt8] = [0x10, 0, 0, 0, 2, 0x6B, 2, 0x76, 0]  // key "k", value "v"
  #expect(try batch(good, count: 1).records().count == 1)
  let bad: [(String, [UInt8], Int32)] = [
    ("no bytes", [], 1),
    ("fewer records than counted", good, 2),
    ("more records than counted", good + good, 1),
    ("a byte after the last", good + [0], 1),
    ("length beyond the end", [0x12] + good.dropFirst(), 1),
    ("length short of the fields", [0x0E] + good.dropFirst(), 1),
    ("length zero", [0], 1),
    ("length negative", [0x01] + good.dropFirst(), 1),
    ("key length -2", [0x0C, 0, 0, 0, 3, 1, 0], 1),
    ("key beyond the record", [0x10, 0, 0, 0, 0x40, 0x6B, 2, 0x76, 0], 1),
    ("negative header count", [0x0C, 0, 0, 0, 1, 1, 1], 1),
    ("header with null key", [0x10, 0, 0, 0, 1, 1, 2, 1, 1], 1),
    ("headers that are not there", [0x0C, 0, 0, 0, 1, 1, 0x7E], 1),
    ("two billion headers", [0x14, 0, 0, 0, 1, 1, 0xFE, 0xFF, 0xFF, 0xFF, 0x0F], 1),
    ("a varint of six bytes", [0x80, 0x80, 0x80, 0x80, 0x80, 0x01] + good.dropFirst(), 1),
    ("a varint of 33 bits", [0x90, 0x80, 0x80, 0x80, 0x10] + good.dropFirst(), 1),
    ("offset delta not from 0", [0x10, 0, 0, 2, 2, 0x6B, 2, 0x76, 0], 1),
    ("offset delta negative", [0x10, 0, 0, 1, 2, 0x6B, 2, 0x76, 0], 1),
    ("offset delta twice", good + good, 2),
  ]
  for (what, body, count) in bad {
    let batch = try batch(body, count: count)
    #expect(throws: RecordBatchError.self, "\(what)") { try batch.validateRecords() }
    #expect(throws: RecordBatchError.self, "\(what)") { try batch.records() }
    #expect(throws: RecordBatchError.self, "\(what)") { try batch.forEachRecord { _ in } }
  }
  #expect(throws: RecordBatchError.self) { try batch(good, count: 1, codec: 6).records() }
  #expect(throws: RecordBatchError.self) { try batch(good, count: 1, codec: 4).records() }
  // Compaction leaves gaps, which a consumer reads and a producer may not send.
  let gap = try batch(good, count: 1, lastOffsetDelta: 4)
  #expect(try gap.records().count == 1)
  #expect(throws: RecordBatchError.self) { try gap.validateRecords() }
}

@Test("a batch whose records unpack beyond the limit is an error", arguments: Codec.allCases)
func bomb(codec: Codec) throws {
  var builder = RecordBatchBuilder(capacity: 100)
  builder.append(Record(offset: 0, timestamp: 0, key: nil, value: ByteBuffer(repeating: 0, count: 4 << 20)))
  let batch = try RecordBatch(viewing: try builder.finish(codec: codec))
  #expect(throws: RecordBatchError.self) { try batch.records(limit: 1 << 20) }
  #expect(throws: RecordBatchError.self) { try batch.validateRecords(limit: 1 << 20) }
  #expect(try batch.records().count == 1)
}

@Test("an empty batch that compaction left has no records, whatever its codec", arguments: 0...4)
func emptied(codec: Int) throws {
  #expect(try batch([], count: 0, lastOffsetDelta: 9, codec: codec).records() == [])
}

/// 10 seeds x 10,000 inputs: noise, and whole batches with a few bytes changed whose CRC is then made right again, so
/// that what is behind it is reached.
@Test("arbitrary and damaged batches never trap", arguments: Seed.some(10))
func fuzz(seed: Seed) throws {
  var seed = seed
  var builder = RecordBatchBuilder(capacity: 1000)
  let originals = try (0..<20).map { index in
    for record in seed.records(most: 4, wild: false) { builder.append(record) }
    return Array(try builder.finish(codec: Codec(rawValue: index % 5)!).readableBytesView)
  }
  var read = 0
  for _ in 0..<10_000 {
    var bytes =
      Int.random(in: 0...3, using: &seed) == 0
      ? seed.bytes(Int.random(in: 0...200, using: &seed)) : originals.randomElement(using: &seed)!
    seed.damage(&bytes)
    _ = try? RecordBatch(viewing: ByteBuffer(bytes: bytes))
    guard let batch = try? RecordBatch(viewing: ByteBuffer(bytes: bytes), checkingCRC: false) else { continue }
    let limit = 1 << 16
    guard let records = try? batch.records(limit: limit) else { continue }
    read += 1
    #expect(records.count == Int(batch.header.count), "\(seed)")
    let total = records.reduce(0) { $0 + ($1.key?.readableBytes ?? 0) + ($1.value?.readableBytes ?? 0) }
    #expect(total <= limit, "\(seed)")
    _ = batch.header.lastSequence
    _ = batch.header.nextOffset
    _ = try? EndTransactionMarker(reading: batch)
  }
  #expect(read > 100, "the damage leaves nothing to read: \(seed)")
}
