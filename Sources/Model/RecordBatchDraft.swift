package import Compression
package import NIOCore

/// A whole batch but for its compression, which may be done on another thread.
package struct RecordBatchDraft: Sendable {
  let header: RecordBatchHeader
  /// Room for the header, and the records.
  package let records: ByteBuffer
  let codec: Codec
  let level: Int?

  /// Compresses the records, and writes the header over them.
  package func compressed() -> Result<ByteBuffer, CompressionError> {
    var batch = ByteBuffer()
    batch.writeRepeatingByte(0, count: BatchField.records)
    let result = records.withUnsafeReadableBytes { bytes -> Result<Void, CompressionError> in
      do throws(CompressionError) {
        let records = UnsafeRawBufferPointer(rebasing: bytes[BatchField.records...])
        return .success(try codec.compress(records, level: level, into: &batch))
      } catch {
        return .failure(error)
      }
    }
    if case .failure(let error) = result { return .failure(error) }
    return .success(header.sealed(over: batch))
  }
}
