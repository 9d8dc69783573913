import CMillrace
package import NIOCore

/// Why bytes are not a batch a log can take. Each maps to one of Kafka's codes at the broker's edge.
package enum RecordBatchError: Error, Hashable, Sendable {
  /// Fewer bytes than a header, or than the header's length says.
  case truncated(bytes: Int, needed: Int)
  /// Not magic 2: a format from before Kafka 0.11.
  case unsupportedMagic(Int8)
  /// Lengths, counts or deltas that cannot be, in the header or in a record.
  case inconsistent(String)
  /// The CRC-32C in the header is not that of the bytes.
  case badChecksum(stored: UInt32, computed: UInt32)
  /// The records cannot be had: a codec that does not exist, or a stream it cannot read.
  case undecodable(String)
  /// A checksum within the compressed records is wrong; says which.
  case badStreamChecksum(String)
  /// The records unpack to more bytes than the caller allows.
  case unpacksTooLarge(limit: Int)
}

extension RecordBatchError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .truncated(let bytes, let needed): "the batch needs \(needed) bytes, but ends after \(bytes)"
    case .unsupportedMagic(let magic): "the batch has magic \(magic), which is not supported here"
    case .inconsistent(let problem): "the batch contradicts itself: \(problem)"
    case .badChecksum(let stored, let computed):
      "the batch's checksum is \(stored), but that of its bytes is \(computed)"
    case .undecodable(let problem): "the batch's records cannot be decompressed: \(problem)"
    case .badStreamChecksum(let problem): "the batch's compressed records are damaged: \(problem)"
    case .unpacksTooLarge(let limit): "the batch's records decompress to more than \(limit) bytes"
    }
  }
}

/// One batch of magic 2, borrowed: the header as a value, the records still the bytes that arrived.
///
/// The header is rewritten beside the body (base offset, leader epoch), never in the shared buffer, which would copy it.
package struct RecordBatch: Sendable {
  package var header: RecordBatchHeader
  /// What follows the 61-byte header: records, compressed as one stream when the attributes name a codec.
  package let body: ByteBuffer

  package init(header: RecordBatchHeader, body: ByteBuffer) {
    self.header = header
    self.body = body
  }

  @inlinable package var sizeInBytes: Int { header.sizeInBytes }

  /// Reads the batch at the front of `bytes`, which may hold more batches after it: checks length, magic, counts and
  /// (unless told not to) the CRC; copies nothing.
  package init(viewing bytes: ByteBuffer, checkingCRC: Bool = true) throws(RecordBatchError) {
    let available = bytes.readableBytes
    guard available >= BatchField.records else {
      throw .truncated(bytes: available, needed: BatchField.records)
    }
    let header = bytes.withUnsafeReadableBytes { RecordBatchHeader(reading: $0) }
    try header.check(available: available)
    if checkingCRC {
      let computed = bytes.withUnsafeReadableBytes {
        millrace_crc32c(
          0, $0.baseAddress! + BatchField.attributes, header.sizeInBytes - BatchField.attributes)
      }
      guard computed == header.crc else { throw .badChecksum(stored: header.crc, computed: computed) }
    }
    self.header = header
    body = bytes.getSlice(
      at: bytes.readerIndex + BatchField.records, length: header.sizeInBytes - BatchField.records)!
  }
}

extension RecordBatchHeader {
  /// What must hold of a header read from anywhere before its numbers are believed. `available` counts the bytes from
  /// the batch's start to the end of what was read.
  package func check(available: Int) throws(RecordBatchError) {
    guard magic == 2 else { throw .unsupportedMagic(magic) }
    guard length >= Int32(BatchField.records - BatchField.lengthOverhead) else {
      throw .inconsistent("batch length \(length) is less than a header")
    }
    guard sizeInBytes <= available else { throw .truncated(bytes: available, needed: sizeInBytes) }
    guard count >= 0, lastOffsetDelta >= 0 else {
      throw .inconsistent("record count \(count), last offset delta \(lastOffsetDelta)")
    }
    guard baseOffset <= .largestBase else {
      throw .inconsistent("base offset \(baseOffset) leaves no offsets for the records")
    }
    guard Int64(count) <= Int64(lastOffsetDelta) + 1 else {
      throw .inconsistent("\(count) records in \(Int64(lastOffsetDelta) + 1) offsets")
    }
  }
}

extension RecordBatchHeader {
  /// The CRC-32C of this header from its attributes on, and of `body`: what `crc` must be.
  package func checksum(of body: ByteBuffer) -> UInt32 {
    let header = self
    let front = withUnsafeTemporaryAllocation(byteCount: BatchField.records, alignment: 8) { bytes in
      header.write(to: bytes)
      return millrace_crc32c(
        0, bytes.baseAddress! + BatchField.attributes, BatchField.records - BatchField.attributes)
    }
    return body.withUnsafeReadableBytes { millrace_crc32c(front, $0.baseAddress, $0.count) }
  }
}
