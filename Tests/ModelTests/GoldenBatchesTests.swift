import Compression
import Foundation
import NIOCore
import Testing

@testable import Model

/// Batches written by Apache Kafka's own library, one JSON object a line. MILLRACE_GOLDEN_BATCHES names another file of
/// the same form to use instead.
private enum GoldenFile {
  static func lines() throws -> [Substring] {
    let url: URL
    if let path = ProcessInfo.processInfo.environment["MILLRACE_GOLDEN_BATCHES"] {
      url = URL(fileURLWithPath: path)
    } else {
      url = try #require(Bundle.module.url(forResource: "Golden/batches", withExtension: "jsonl"))
    }
    return try String(contentsOf: url, encoding: .utf8).split(separator: "\n")
  }

  static func vectors() throws -> [GoldenBatch] {
    try lines().map { try JSONDecoder().decode(GoldenBatch.self, from: Data($0.utf8)) }
  }
}

/// Bytes are lower-case hexadecimal; the records' part is missing for control batches and theirs for the others.
private struct GoldenBatch: Decodable {
  struct Header: Decodable {
    var key: String
    var value: String?
  }
  struct Row: Decodable {
    var offset: Int64
    var timestamp: Int64
    var key: String?
    var value: String?
    var headers: [Header]
  }
  var codec: String
  var timestampType: String?
  var control: String?
  var coordinatorEpoch: Int32?
  var baseOffset: Int64
  var partitionLeaderEpoch: Int32
  var producerId: Int64
  var producerEpoch: Int16
  var baseSequence: Int32?
  var transactional: Bool?
  var records: [Row]?
  var crc: UInt32?
  var maxTimestamp: Int64?
  var sizeInBytes: Int?
  var hex: String

  var bytes: ByteBuffer { unhex(hex) }

  var expectedRecords: [Record] {
    (records ?? []).map { row in
      Record(
        offset: Offset(row.offset), timestamp: row.timestamp, key: row.key.map(unhex), value: row.value.map(unhex),
        headers: row.headers.map { RecordHeader($0.key, $0.value.map(unhex)) })
    }
  }
}

private func unhex(_ text: String) -> ByteBuffer {
  let digits = text.utf8.map { $0 < 58 ? $0 - 48 : $0 - 87 }
  return ByteBuffer(bytes: stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] })
}

@Test("Golden: every batch of Apache Kafka's decodes to its records")
func goldenDecode() throws {
  let vectors = try GoldenFile.vectors()
  #expect(!vectors.isEmpty)
  for (line, vector) in vectors.enumerated() where vector.control == nil {
    let note: Comment = "line \(line + 1): \(vector.codec)"
    let batch = try RecordBatch(viewing: vector.bytes)
    let header = batch.header
    #expect(Codec(rawValue: header.attributes.codecNumber)?.name == vector.codec, note)
    #expect(header.attributes.isLogAppendTime == (vector.timestampType == "LogAppendTime"), note)
    #expect(header.attributes.isTransactional == vector.transactional, note)
    #expect(!header.attributes.isControl, note)
    #expect(header.baseOffset == Offset(vector.baseOffset), note)
    #expect(header.partitionLeaderEpoch == vector.partitionLeaderEpoch, note)
    #expect(header.producerID == vector.producerId, note)
    #expect(header.producerEpoch == vector.producerEpoch, note)
    #expect(header.baseSequence == vector.baseSequence, note)
    #expect(header.crc == vector.crc, note)
    #expect(header.checksum(of: batch.body) == vector.crc, note)
    #expect(header.maxTimestamp == vector.maxTimestamp, note)
    #expect(batch.sizeInBytes == vector.sizeInBytes, note)
    #expect(try batch.records() == vector.expectedRecords, note)
    #expect(try batch.validateRecords(findingKeyless: true).keyless == vector.keylessIndexes, note)
  }
}

extension GoldenBatch {
  fileprivate var keylessIndexes: [Int] { (records ?? []).indices.filter { records?[$0].key == nil } }
}

@Test("Golden: Apache Kafka's records, built again by us, are the same records", arguments: Codec.allCases)
func goldenRebuild(codec: Codec) throws {
  var builder = RecordBatchBuilder(capacity: 100)
  for (line, vector) in try GoldenFile.vectors().enumerated() where vector.control == nil {
    let note: Comment = "line \(line + 1): \(vector.codec) built as \(codec)"
    let original = try RecordBatch(viewing: vector.bytes)
    for record in vector.expectedRecords { builder.append(record) }
    let isBrokers = vector.timestampType == "LogAppendTime"
    let built = try builder.finish(
      codec: codec, baseOffset: Offset(vector.baseOffset), partitionLeaderEpoch: vector.partitionLeaderEpoch,
      producerID: vector.producerId, producerEpoch: vector.producerEpoch, baseSequence: vector.baseSequence ?? -1,
      isTransactional: vector.transactional == true, logAppendTime: isBrokers ? vector.maxTimestamp : nil)
    let batch = try RecordBatch(viewing: built)
    #expect(batch.sizeInBytes == built.readableBytes, note)
    #expect(try batch.records() == vector.expectedRecords, note)
    var header = batch.header
    #expect(header.attributes.codecNumber == codec.rawValue, note)
    // What may differ: the codec's number and what follows from its bytes, and the base of timestamps never shown.
    header.attributes.codecNumber = original.header.attributes.codecNumber
    header.length = original.header.length
    header.crc = original.header.crc
    if isBrokers { header.baseTimestamp = original.header.baseTimestamp }
    #expect(header == original.header, note)
    if codec == .none, vector.codec == "none", !isBrokers { #expect(built == vector.bytes, note) }
  }
}

@Test("Golden: transaction markers read, and built again are the same bytes")
func goldenMarkers() throws {
  for vector in try GoldenFile.vectors() {
    guard let control = vector.control else { continue }
    let batch = try RecordBatch(viewing: vector.bytes)
    #expect(batch.header.attributes.isControl)
    #expect(batch.header.attributes.isTransactional)
    #expect(batch.header.baseOffset == Offset(vector.baseOffset))
    let marker = try #require(try EndTransactionMarker(reading: batch))
    #expect(marker.outcome == (control == "COMMIT" ? .commit : .abort))
    #expect(marker.coordinatorEpoch == vector.coordinatorEpoch)
    let built = marker.batch(
      producerID: vector.producerId, producerEpoch: vector.producerEpoch, timestamp: batch.header.maxTimestamp,
      baseOffset: Offset(vector.baseOffset), partitionLeaderEpoch: vector.partitionLeaderEpoch)
    #expect(built == vector.bytes)
  }
}
