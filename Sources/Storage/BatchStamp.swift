import CMillrace
import Model
import NIOCore

extension RecordBatchHeader {
  /// Sets the broker's clock as all records' timestamp (message.timestamp.type=LogAppendTime). That lies within the CRC,
  /// which is computed again over the header's end and the body.
  mutating func stamp(nowMs: Int64, body: ByteBuffer) {
    attributes.isLogAppendTime = true
    maxTimestamp = nowMs
    let header = self
    let headerCRC = withUnsafeTemporaryAllocation(byteCount: BatchField.records, alignment: 8) { bytes in
      header.write(to: bytes)
      return millrace_crc32c(
        0, bytes.baseAddress! + BatchField.attributes, BatchField.records - BatchField.attributes)
    }
    crc = body.withUnsafeReadableBytes { millrace_crc32c(headerCRC, $0.baseAddress, $0.count) }
  }
}
