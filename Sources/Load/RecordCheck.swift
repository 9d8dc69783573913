import Compression
import Model
import NIOCore

/// Checks every record of one consumer. A struct, so that the loop over a batch's records accesses its state directly: as a
/// class it spent a fifth of its time on Swift's exclusivity checks.
struct RecordCheck {
  var integrity: IntegrityCheck
  private var reader = StampReader()
  /// The codec of values that are compressed alone; else nil.
  private let codec: Codec?

  /// - Parameter ownRun: the run whose streams are read from their first record on.
  init(unpacking codec: Codec?, ownRun: Int? = nil) {
    self.codec = codec
    integrity = IntegrityCheck(ownRun: ownRun)
  }

  /// Checks a batch's records from offset `start` on.
  ///
  /// - Parameter endToEndAtNs: the batch's arrival, to measure end-to-end latency; else nil.
  /// - Returns: the number of records, and of bytes of keys and values.
  mutating func verify(
    _ batch: RecordBatch, _ partition: Int32, from start: Offset, _ counts: inout RunCounts, endToEndAtNs: UInt64?
  ) -> (count: Int, bytes: Int) {
    var (count, bytes) = (0, 0)
    // Plain integers: comparing `Offset`s would call a protocol witness for each record.
    let first = start.rawValue
    do {
      try batch.forEachRecord { record in
        guard record.offset.rawValue >= first else { return }
        count &+= 1
        bytes &+= (record.key?.count ?? 0) &+ (record.value?.count ?? 0)
        verify(record.value, partition, fromStart: first == 0, &counts, endToEndAtNs)
      }
    } catch {
      // The batch's checksum was right, so the damage was stored. Records found behind it still count.
      let rest = DamagedBatch(batch)
      rest.forEachRecordBehind { record in
        guard record.offset.rawValue >= first else { return }
        count &+= 1
        bytes &+= (record.key?.count ?? 0) &+ (record.value?.count ?? 0)
        verify(record.value, partition, fromStart: first == 0, &counts, endToEndAtNs)
      }
      let corrupt = max(1, rest.expected(from: start) - count)
      integrity.receivedCorrupt(in: Int(partition), count: corrupt)
      count += corrupt
    }
    return (count, bytes)
  }

  @inline(__always)
  private mutating func verify(
    _ value: UnsafeRawBufferPointer?, _ partition: Int32, fromStart: Bool, _ counts: inout RunCounts,
    _ endToEndAtNs: UInt64?
  ) {
    guard let value else { return integrity.receivedCorrupt(in: Int(partition)) }
    if codec == nil {
      verify(value, partition, fromStart: fromStart, &counts, endToEndAtNs)
    } else {
      verifyPacked(value, partition, fromStart: fromStart, &counts, endToEndAtNs)
    }
  }

  @inline(__always)
  private mutating func verify(
    _ value: UnsafeRawBufferPointer, _ partition: Int32, fromStart: Bool, _ counts: inout RunCounts,
    _ endToEndAtNs: UInt64?
  ) {
    guard let stamp = reader.read(value), stamp.stream.partition == Int(partition) else {
      return integrity.receivedCorrupt(in: Int(partition))
    }
    integrity.received(stamp.stream, sequence: stamp.sequence, fromStart: fromStart)
    if let endToEndAtNs { counts.endToEnd.record(from: stamp.timeNs, to: endToEndAtNs) }
  }

  @inline(never)
  private mutating func verifyPacked(
    _ value: UnsafeRawBufferPointer, _ partition: Int32, fromStart: Bool, _ counts: inout RunCounts,
    _ endToEndAtNs: UInt64?
  ) {
    guard let plain = try? codec?.decompress(ByteBuffer(bytes: value), limit: Limits.recordBytesMax) else {
      return integrity.receivedCorrupt(in: Int(partition))
    }
    counts.valueBytes += plain.readableBytes
    counts.packedValueBytes += value.count
    plain.withUnsafeReadableBytes { verify($0, partition, fromStart: fromStart, &counts, endToEndAtNs) }
  }
}
