import Compression
import Model
import NIOCore
import Testing

@testable import Load

/// Stored batches with a byte changed behind the checksum's back: what a consumer counts.
@Suite("A damaged record")
struct RecordCheckTests {
  static let records = 40

  /// The batch's bytes, and where each record's bytes lie in them.
  struct Stored {
    var bytes: ByteBuffer
    var places: [Range<Int>] = []
    /// Bytes that no check covers, by record: attributes, timestamp delta, the key's length when there is no key.
    var uncovered: Set<Int> = []

    /// - Parameter corpus: what the values are.
    init(_ corpus: Corpus, recordSize: Int) throws {
      let payload = Payload(corpus: corpus, recordSize: recordSize, poolBytes: 1 << 16, seed: 7)
      var stamper = Stamper(stream: StreamID(run: 5, producer: 2, partition: 0), form: corpus.stampForm)
      stamper.setTime(1_000_000)
      var builder = RecordBatchBuilder(capacity: 1 << 20)
      for index in 0..<RecordCheckTests.records {
        let value = payload.value(index % payload.count)
        stamper.stamp(value, sequence: UInt64(index), restCRC: payload.restCRC(index % payload.count))
        builder.append(
          timestamp: 1000 + Int64(index) * 100, key: nil, value: UnsafeRawBufferPointer(start: value, count: recordSize)
        )
      }
      bytes = try builder.finish(baseOffset: 0)
      var at = BatchField.records
      for _ in 0..<RecordCheckTests.records {
        let start = at
        let length: Int32 = try bytes.withUnsafeReadableBytes { raw in
          var cursor = RecordCursor(UnsafeRawBufferPointer(rebasing: raw[at...]))
          let length = try cursor.varint()
          let fields = at + Varint.size(of: Int64(length))
          cursor.position += 1
          let time = cursor.position
          _ = try cursor.varlong()
          uncovered.formUnion(fields..<fields + 1 + (cursor.position - time))
          let delta = cursor.position
          _ = try cursor.varint()
          uncovered.insert(fields + 1 + (delta - time) + (cursor.position - delta))
          return length
        }
        at += Varint.size(of: Int64(length)) + Int(length)
        places.append(start..<at)
      }
      precondition(at == bytes.readableBytes, "the records end at \(at) of \(bytes.readableBytes)")
    }

    /// What a consumer counts when the byte at `place` has `mask` XORed into it.
    func check(flipping place: Int, _ mask: UInt8) throws -> (count: Int, found: IntegrityCounts) {
      var bytes = bytes
      let old = bytes.getInteger(at: place, as: UInt8.self)!
      bytes.setInteger(old ^ mask, at: place)
      let batch = try RecordBatch(viewing: bytes, checkingCRC: false)
      var check = RecordCheck(unpacking: nil)
      var counts = RunCounts()
      let (count, _) = check.verify(batch, 0, from: 0, &counts, endToEndAtNs: nil)
      check.integrity.addMissing(
        of: StreamID(run: 5, producer: 2, partition: 0), upTo: UInt64(RecordCheckTests.records), wasRead: true)
      return (count, check.integrity.result)
    }
  }

  @Test(
    "is the one corrupt record wherever its byte lies, and every number is in one of the counts",
    arguments: [("json", 100), ("access-log", 300), ("random", 120)])
  func everywhere(corpus: String, recordSize: Int) throws {
    let stored = try Stored(try #require(Corpus(corpus)), recordSize: recordSize)
    let whole = try stored.check(flipping: BatchField.records, 0)
    #expect(whole.count == Self.records && whole.found.isClean && whole.found.verified == Self.records)
    // The first, the last, and two in between.
    for record in [0, 1, 20, Self.records - 1] {
      for place in stored.places[record] {
        for mask in [UInt8(1), 2, 0x40, 0x80, 0xFF] {
          let (count, found) = try stored.check(flipping: place, mask)
          let told =
            "\(corpus): byte \(place - stored.places[record].lowerBound) of record \(record) ^ \(mask): \(found)"
          #expect(count == Self.records && found.records == Self.records, "\(told)")
          #expect(found.verified + found.lost + found.corrupt == Self.records, "\(told)")
          #expect(found.lost == 0 && found.duplicated == 0, "\(told)")
          if !stored.uncovered.contains(place) { #expect(found.corrupt == 1, "\(told)") }
          #expect(found.corrupt <= 1, "\(told)")
        }
      }
    }
  }

  @Test("does not make a batch of bytes from outside cost more than its size allows")
  func bounded() throws {
    // Attributes 0, a small length, the right delta: every byte looks like a record until its fields are walked.
    var bytes = try Stored(#require(Corpus("json")), recordSize: 100).bytes
    bytes.setInteger(Int32(1 << 30), at: 57)
    bytes.setInteger(Int32((1 << 30) - 1), at: 23)
    for at in BatchField.records..<bytes.readableBytes { bytes.setInteger(UInt8(0), at: at) }
    let batch = try RecordBatch(viewing: bytes, checkingCRC: false)
    var check = RecordCheck(unpacking: nil)
    var counts = RunCounts()
    let (count, _) = check.verify(batch, 0, from: 0, &counts, endToEndAtNs: nil)
    #expect(count == (bytes.readableBytes - BatchField.records) / 7, "no more records than their least size allows")
    #expect(check.integrity.result.corrupt == count)
  }
}
