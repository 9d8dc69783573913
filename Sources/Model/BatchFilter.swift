import Compression
package import NIOCore

/// Takes records out of a batch. What stays is as it was: the batch's base and last offset, sequence, producer and leader epoch, and each
/// record's offset and timestamp. Compaction uses it, one batch after the other.
///
/// ```
/// try filter.sift(header, records) { $0.offset != 7 }
/// if filter.keptCount < Int(header.count) { batch = try filter.rebuilt(header, records, horizonMs: nil) }
/// ```
///
/// The bytes of a record that stays are copied, not written anew: they hold its offset and timestamp as differences from the batch's,
/// which stay too. A delete horizon alone takes the place of the batch's base timestamp (KIP-534), and then the timestamps' differences are
/// written anew.
package struct BatchFilter {
  /// The bytes of the records that stay, within the batch's uncompressed records; neighbours are one range.
  private var runs: [Range<Int>] = []
  package private(set) var keptCount = 0
  /// Whether a record without a value stays.
  package private(set) var keepsTombstone = false
  private var maxTimestamp: Int64 = -1

  package init() {}

  /// Asks `isKept` of each record, in their order.
  ///
  /// - Parameter records: the batch's records, uncompressed.
  /// - Throws: when they are not what the header says; what was found until then is of no use.
  package mutating func sift(
    _ header: RecordBatchHeader, _ records: UnsafeRawBufferPointer, isKept: (RecordView) -> Bool
  ) throws(RecordBatchError) {
    runs.removeAll(keepingCapacity: true)
    keptCount = 0
    keepsTombstone = false
    maxTimestamp = -1
    var walk = RecordWalk(header, records)
    var begin = 0
    while let view = try walk.next() {
      let end = walk.cursor.position - walk.start
      if isKept(view) { keep(view, begin..<end) }
      begin = end
    }
  }

  private mutating func keep(_ view: RecordView, _ bytes: Range<Int>) {
    keptCount += 1
    if view.value == nil { keepsTombstone = true }
    maxTimestamp = max(maxTimestamp, view.timestamp)
    if let last = runs.last, last.upperBound == bytes.lowerBound {
      runs[runs.count - 1] = last.lowerBound..<bytes.upperBound
    } else {
      runs.append(bytes)
    }
  }

  /// Builds the batch of the records that stay, compressed with the batch's codec.
  ///
  /// - Parameters:
  ///   - records: those that were sifted last.
  ///   - horizonMs: the time from which the batch's tombstones, or its marker, may be removed; nil leaves the batch as it is in this.
  /// - Precondition: a record stays.
  /// - Throws: `undecodable` when the records cannot be compressed.
  package func rebuilt(
    _ header: RecordBatchHeader, _ records: UnsafeRawBufferPointer, horizonMs: Int64?
  ) throws(RecordBatchError) -> ByteBuffer {
    precondition(keptCount > 0, "a batch without records is `emptied`")
    guard let codec = Codec(rawValue: header.attributes.codecNumber) else {
      throw .undecodable("codec \(header.attributes.codecNumber) does not exist")
    }
    var kept = header
    kept.count = Int32(keptCount)
    if !header.attributes.isLogAppendTime { kept.maxTimestamp = maxTimestamp }
    if let horizonMs {
      kept.attributes.hasDeleteHorizon = true
      kept.baseTimestamp = horizonMs
    }
    let shift = header.baseTimestamp &- kept.baseTimestamp
    var batch = ByteBuffer()
    batch.writeRepeatingByte(0, count: BatchField.records)
    if codec == .none {
      write(records, shift, to: &batch)
    } else {
      var plain = ByteBuffer()
      write(records, shift, to: &plain)
      do throws(CompressionError) {
        try plain.withUnsafeReadableBytes { bytes throws(CompressionError) in
          try codec.compress(bytes, into: &batch)
        }
      } catch { throw .undecodable("\(codec.name): \(error)") }
    }
    return kept.sealed(over: batch)
  }

  /// Writes the records that stay; each timestamp's difference from the batch's is `shift` more.
  private func write(_ records: UnsafeRawBufferPointer, _ shift: Int64, to output: inout ByteBuffer) {
    for run in runs {
      let bytes = UnsafeRawBufferPointer(rebasing: records[run])
      guard shift != 0 else {
        output.writeBytes(bytes)
        continue
      }
      var cursor = RecordCursor(bytes)
      do throws(RecordFault) {
        while !cursor.isAtEnd { try Self.rewrite(&cursor, shift, to: &output) }
      } catch { preconditionFailure("records that were walked over once: now \(error.words)") }
    }
  }

  private static func rewrite(
    _ cursor: inout RecordCursor, _ shift: Int64, to output: inout ByteBuffer
  ) throws(RecordFault) {
    let length = Int(try cursor.varint())
    let end = cursor.position + length
    let attributes = cursor.position.load(as: UInt8.self)
    cursor.position += 1
    let timestampDelta = try cursor.varlong() &+ shift
    let rest = UnsafeRawBufferPointer(start: cursor.position, count: end - cursor.position)
    let lengthNow = 1 + Varint.size(of: timestampDelta) + rest.count
    output.writeWithUnsafeMutableBytes(
      minimumWritableBytes: Varint.size(of: Int64(lengthNow)) + lengthNow
    ) { room in
      guard let start = room.baseAddress, let source = rest.baseAddress else { return 0 }
      let body = Varint.write(Int64(lengthNow), to: start)
      body.storeBytes(of: attributes, as: UInt8.self)
      let at = Varint.write(timestampDelta, to: body + 1)
      at.copyMemory(from: source, byteCount: rest.count)
      return at + rest.count - start
    }
    cursor.position = end
  }
}

extension RecordBatchHeader {
  /// The batch without any record: compaction keeps it for its producer's epoch and last sequence, and for its last offset. It has no
  /// codec, no base timestamp and no delete horizon, as in Kafka.
  package var emptied: ByteBuffer {
    var header = self
    header.attributes.codecNumber = 0
    header.attributes.hasDeleteHorizon = false
    header.baseTimestamp = -1
    header.count = 0
    var batch = ByteBuffer()
    batch.writeRepeatingByte(0, count: BatchField.records)
    return header.sealed(over: batch)
  }
}
