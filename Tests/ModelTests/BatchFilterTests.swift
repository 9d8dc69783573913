import Compression
import NIOCore
import Testing

@testable import Model

@Suite("Taking records out of a batch")
struct BatchFilterTests {
  private let timestamps: [Int64] = [1000, 5000, 900, 70_000, 1001]

  private func batch(_ codec: Codec = .none, logAppendTime: Int64? = nil) throws -> RecordBatch {
    var builder = RecordBatchBuilder(capacity: 1024)
    for (index, timestamp) in timestamps.enumerated() {
      builder.append(
        Record(
          offset: 0, timestamp: timestamp, key: ByteBuffer(string: "key \(index)"),
          value: index == 4 ? nil : ByteBuffer(repeating: UInt8(index), count: 100 * index),
          headers: index == 1 ? [RecordHeader("h", nil)] : []))
    }
    let bytes = try builder.finish(
      codec: codec, baseOffset: 100, partitionLeaderEpoch: 3, producerID: 9, producerEpoch: 2, baseSequence: 40,
      isTransactional: true, logAppendTime: logAppendTime)
    return try RecordBatch(viewing: bytes)
  }

  /// Keeps the records at these places; nil when all stay as they are or none does.
  private func filtered(
    _ batch: RecordBatch, keeping places: [Int], horizonMs: Int64? = nil
  ) throws -> (batch: RecordBatch, filter: BatchFilter) {
    var filter = BatchFilter()
    let records = try batch.recordBytes()
    let rebuilt = try records.withUnsafeReadableBytes { bytes in
      try filter.sift(batch.header, bytes) { places.contains(Int($0.offset.rawValue) - 100) }
      return try filter.rebuilt(batch.header, bytes, horizonMs: horizonMs)
    }
    return (try RecordBatch(viewing: rebuilt), filter)
  }

  @Test("leaves the others as they were, and the batch's offsets, sequences and codec", arguments: Codec.allCases)
  func some(codec: Codec) throws {
    let batch = try batch(codec)
    for places in [[0], [4], [0, 1, 2], [1, 3], [0, 2, 4], [2]] {
      let (left, filter) = try filtered(batch, keeping: places)
      let records = try batch.records()
      #expect(try left.records() == places.map { records[$0] })
      #expect(filter.keptCount == places.count && filter.keepsTombstone == places.contains(4))
      #expect(left.header.count == Int32(places.count))
      #expect(left.header.maxTimestamp == places.map { timestamps[$0] }.max())
      var same = left.header
      (same.count, same.maxTimestamp) = (batch.header.count, batch.header.maxTimestamp)
      (same.length, same.crc) = (batch.header.length, batch.header.crc)
      #expect(same == batch.header, "but for these, the header is as it was")
    }
  }

  @Test(
    "sets a delete horizon in place of the base timestamp, and keeps the records' timestamps", arguments: Codec.allCases
  )
  func horizon(codec: Codec) throws {
    let batch = try batch(codec)
    for horizonMs: Int64 in [0, 1000, 1_700_000_000_000, .max, .min] {
      let (left, _) = try filtered(batch, keeping: [1, 3, 4], horizonMs: horizonMs)
      let records = try batch.records()
      #expect(try left.records() == [1, 3, 4].map { records[$0] })
      #expect(left.header.attributes.hasDeleteHorizon && left.header.baseTimestamp == horizonMs)
      #expect(left.header.maxTimestamp == 70_000)
    }
  }

  @Test("keeps the time at which the broker appended the batch")
  func logAppendTime() throws {
    let (left, _) = try filtered(try batch(logAppendTime: 123), keeping: [2], horizonMs: 5)
    #expect(left.header.maxTimestamp == 123 && left.header.attributes.isLogAppendTime)
    #expect(try left.records().map(\.timestamp) == [123])
  }

  @Test("a batch filtered again keeps its horizon")
  func again() throws {
    let (first, _) = try filtered(try batch(), keeping: [1, 3, 4], horizonMs: 77)
    let (second, _) = try filtered(first, keeping: [3, 4])
    #expect(second.header.baseTimestamp == 77 && second.header.attributes.hasDeleteHorizon)
    #expect(try second.records() == Array(try first.records().dropFirst()))
  }

  @Test("an emptied batch has its producer, epoch, sequences and offsets, and no records")
  func emptied() throws {
    let batch = try batch(.gzip)
    let left = try RecordBatch(viewing: batch.header.emptied)
    #expect(left.sizeInBytes == BatchField.records && left.header.count == 0)
    #expect(try left.records().isEmpty)
    #expect(left.header.baseOffset == 100 && left.header.lastOffset == 104 && left.header.lastSequence == 44)
    #expect(left.header.producerID == 9 && left.header.producerEpoch == 2 && left.header.partitionLeaderEpoch == 3)
    #expect(left.header.attributes.isTransactional && left.header.attributes.codecNumber == 0)
    #expect(left.header.maxTimestamp == 70_000 && left.header.baseTimestamp == -1)
  }

  @Test("records that are not what their batch says are an error")
  func damaged() throws {
    let batch = try batch()
    var filter = BatchFilter()
    for cut in 1..<20 {
      #expect(throws: RecordBatchError.self) {
        try batch.body.withUnsafeReadableBytes { bytes in
          try filter.sift(batch.header, UnsafeRawBufferPointer(rebasing: bytes.dropLast(cut))) { _ in true }
        }
      }
    }
  }
}
