import Compression
import Model
import NIOCore

/// Looks at every record of one consumer. A struct, so that the loop over a batch's records reaches its state directly: as
/// a class it spent a fifth of its time on Swift's exclusivity checks.
struct RecordCheck {
  var integrity: IntegrityCheck
  private var reader = StampReader()
  /// Set: each value was compressed alone.
  private let codec: Codec?

  /// - Parameter ownRun: the run whose streams are read from their first record on.
  init(unpacking codec: Codec?, ownRun: Int? = nil) {
    self.codec = codec
    integrity = IntegrityCheck(ownRun: ownRun)
  }

  /// Checks a batch's records from offset `start` on.
  ///
  /// - Parameter endToEndAtNs: when the batch had arrived, if the time since its records were due is wanted.
  /// - Returns: how many records, and bytes of keys and values.
  mutating func verify(
    _ batch: RecordBatch, _ partition: Int32, from start: Offset, _ counts: inout RunCounts, endToEndAtNs: UInt64?
  ) -> (count: Int, bytes: Int) {
    var (count, bytes) = (0, 0)
    // Plain integers: comparing offsets as Comparable goes through a witness, record by record.
    let first = start.rawValue
    do {
      try batch.forEachRecord { record in
        guard record.offset.rawValue >= first else { return }
        count &+= 1
        bytes &+= (record.key?.count ?? 0) &+ (record.value?.count ?? 0)
        verify(record.value, partition, fromStart: first == 0, &counts, endToEndAtNs)
      }
    } catch {
      // The batch's checksum was right, so it was stored like this. What surely is a record behind the damage still counts.
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
