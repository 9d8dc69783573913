import Compression
package import NIOCore

package enum RecordLimits {
  /// What one batch's records may decompress to; more is an error before it is memory. Kafka itself has no such limit;
  /// its batches are at most `max.message.bytes` (1 MiB) compressed and, by default, 16 KiB before.
  package static let decompressedBatchBytes = 128 << 20
  /// The largest batch that is built: its length field and ByteBuffer's indexes are 32 bits.
  package static let builtBatchBytes = 1 << 30
}

extension RecordBatch {
  /// The records' bytes as one stream, decompressed when the attributes name a codec, else the body itself.
  ///
  /// - Parameter limit: most bytes that may come out.
  /// - Throws: `undecodable`, `unpacksTooLarge`.
  package func recordBytes(
    limit: Int = RecordLimits.decompressedBatchBytes
  ) throws(RecordBatchError) -> ByteBuffer {
    guard let codec = Codec(rawValue: header.attributes.codecNumber) else {
      throw .undecodable("codec \(header.attributes.codecNumber) does not exist")
    }
    // A batch that compaction has emptied holds no stream at all.
    if header.count == 0, body.readableBytes == 0 { return body }
    do {
      return try codec.decompress(body, limit: limit)
    } catch {
      throw RecordBatchError(error, codec, limit: limit)
    }
  }

  /// Decodes all records, their order, number and sizes checked.
  ///
  /// - Throws: `undecodable`, `unpacksTooLarge`, `inconsistent`.
  package func records(
    limit: Int = RecordLimits.decompressedBatchBytes
  ) throws(RecordBatchError) -> [Record] {
    let bytes = try recordBytes(limit: limit)
    var records: [Record] = []
    // No more are believed in than their least size, 7 bytes, allows.
    records.reserveCapacity(min(Int(header.count), bytes.readableBytes / 7))
    try walk(bytes) { view, start in
      func slice(_ part: UnsafeRawBufferPointer?) -> ByteBuffer? {
        guard let part else { return nil }
        guard let address = part.baseAddress, part.count > 0 else { return ByteBuffer() }
        return bytes.getSlice(at: bytes.readerIndex + (address - start), length: part.count)
      }
      var headers: [RecordHeader] = []
      view.forEachHeader { key, value in
        headers.append(RecordHeader(String(decoding: key, as: UTF8.self), slice(value)))
      }
      records.append(
        Record(
          offset: view.offset, timestamp: view.timestamp, key: slice(view.key), value: slice(view.value),
          headers: headers))
    }
    return records
  }

  /// Calls `body` with each record in order. Allocates nothing per record (decompression aside).
  ///
  /// When it throws because of a record, `body` has already seen those before it.
  ///
  /// - Throws: `RecordBatchError`, or what `body` throws.
  @inlinable package func forEachRecord(
    limit: Int = RecordLimits.decompressedBatchBytes, _ body: (borrowing RecordView) throws -> Void
  ) throws {
    let bytes = try recordBytes(limit: limit)
    try bytes.withUnsafeReadableBytes { raw in
      var walk = RecordWalk(header, raw)
      while let view = try walk.next() { try body(view) }
    }
  }

  /// Walks a batch as a producer must send it: offset deltas 0, 1, 2 …, as many records as the header counts, every
  /// length that of its fields, and no byte left over. Timestamps are the records' own, whatever the header says of them.
  ///
  /// - Parameters:
  ///   - limit: most bytes that the records may unpack to.
  ///   - timestamps: what a record's timestamp may be; -1, which is none, always may.
  ///   - findingKeyless: whether to look for records without a key, which a compacted topic cannot take.
  ///   - faultsMax: so many records at fault are named at most.
  /// - Throws: `undecodable`, `unpacksTooLarge`, `inconsistent`.
  @discardableResult package func validateRecords(
    limit: Int = RecordLimits.decompressedBatchBytes, timestamps: ClosedRange<Int64> = .min ... .max,
    findingKeyless: Bool = false, faultsMax: Int = .max
  ) throws(RecordBatchError) -> RecordFindings {
    guard Int64(header.count) == Int64(header.lastOffsetDelta) + 1 else {
      throw .inconsistent("\(header.count) records, last offset delta \(header.lastOffsetDelta)")
    }
    // Rising strictly from 0 at the least, ending at count - 1 at the most: with the right number, only 0, 1, 2 … fits.
    let bytes = try recordBytes(limit: limit)
    var findings = RecordFindings(unpackedBytes: bytes.readableBytes)
    var index = 0
    var batch = self
    batch.header.attributes.isLogAppendTime = false
    try batch.walk(bytes) { view, _ in
      if view.timestamp > findings.maxTimestamp { findings.maxTimestamp = view.timestamp }
      if findingKeyless, view.key == nil {
        findings.add(.keyless(index), max: faultsMax)
      } else if !timestamps.contains(view.timestamp), view.timestamp != -1 {
        findings.add(.timestamp(index, view.timestamp), max: faultsMax)
      }
      index += 1
    }
    return findings
  }

  /// `body` gets each record and where the bytes start.
  @inline(__always) func walk(
    _ bytes: ByteBuffer, _ body: (RecordView, UnsafeRawPointer) -> Void
  ) throws(RecordBatchError) {
    let result = bytes.withUnsafeReadableBytes { raw -> Result<Void, RecordBatchError> in
      do throws(RecordBatchError) {
        var walk = RecordWalk(header, raw)
        let start = walk.start
        while let view = try walk.next() { body(view, start) }
        return .success(())
      } catch {
        return .failure(error)
      }
    }
    try result.get()
  }
}

extension RecordBatchError {
  /// Why a stream cannot be unpacked to at most `limit` bytes.
  init(_ error: CompressionError, _ codec: Codec, limit: Int) {
    switch error {
    case .tooLarge: self = .unpacksTooLarge(limit: limit)
    case .badChecksum: self = .badStreamChecksum("\(codec.name): \(error)")
    default: self = .undecodable("\(codec.name): \(error)")
    }
  }
}

/// What a walk over a produced batch's records found.
package struct RecordFindings: Equatable {
  /// A record that is whole and may not be taken, by its place in the batch, 0 for the first.
  package enum Fault: Hashable {
    /// It has no key.
    case keyless(Int)
    /// Its timestamp lies outside what is allowed.
    case timestamp(Int, Int64)
  }

  /// Bytes of the records, decompressed.
  package var unpackedBytes: Int
  /// The largest timestamp of a record; -1 when none has one.
  package var maxTimestamp: Int64 = -1
  /// In order of place.
  package private(set) var faults: [Fault] = []

  package var keyless: [Int] {
    faults.compactMap { if case .keyless(let index) = $0 { index } else { nil } }
  }

  init(unpackedBytes: Int) { self.unpackedBytes = unpackedBytes }

  mutating func add(_ fault: Fault, max: Int) {
    if faults.count < max { faults.append(fault) }
  }
}

/// The walk over one batch's decompressed records, with the checks that span records: number, order, no bytes left.
package struct RecordWalk {
  package var cursor: RecordCursor
  package let start: UnsafeRawPointer
  package let baseOffset: Offset
  package let baseTimestamp: Int64
  /// Replaces the records' own where the broker's clock set it.
  package let appendTimestamp: Int64?
  package let count: Int
  package let lastOffsetDelta: Int32
  package var index = 0
  package var previousDelta: Int32 = -1

  @inlinable package init(_ header: RecordBatchHeader, _ bytes: UnsafeRawBufferPointer) {
    cursor = RecordCursor(bytes)
    start = cursor.position
    baseOffset = header.baseOffset
    baseTimestamp = header.baseTimestamp
    appendTimestamp = header.attributes.isLogAppendTime ? header.maxTimestamp : nil
    count = Int(header.count)
    lastOffsetDelta = header.lastOffsetDelta
  }

  /// The next record; nil after the last, when nothing is left over.
  @inlinable @inline(__always) package mutating func next() throws(RecordBatchError) -> RecordView? {
    guard index < count else {
      guard cursor.isAtEnd else { throw surplus() }
      return nil
    }
    let next: (view: RecordView, offsetDelta: Int32)
    do throws(RecordFault) {
      next = try cursor.next(baseOffset: baseOffset, baseTimestamp: baseTimestamp)
    } catch {
      throw fault(error)
    }
    guard next.offsetDelta > previousDelta, next.offsetDelta <= lastOffsetDelta else {
      throw disorder(next.offsetDelta)
    }
    previousDelta = next.offsetDelta
    index += 1
    guard let appendTimestamp else { return next.view }
    return RecordView(
      offset: next.view.offset, timestamp: appendTimestamp, key: next.view.key, value: next.view.value,
      headerCount: next.view.headerCount, headerBytes: next.view.headerBytes)
  }

  package func surplus() -> RecordBatchError {
    .inconsistent("\(cursor.end - cursor.position) bytes after the \(count) records")
  }

  package func fault(_ fault: RecordFault) -> RecordBatchError {
    .inconsistent("record \(index) of \(count): \(fault.words)")
  }

  package func disorder(_ delta: Int32) -> RecordBatchError {
    .inconsistent(
      "record \(index) of \(count): offset delta \(delta) after \(previousDelta), the batch's last is \(lastOffsetDelta)"
    )
  }
}
