import Model
import NIOCore
import Storage

extension Partition {
  /// Converts the batches of a slice to messages of an old format, until they have `maxBytes`; nil when a batch cannot be
  /// converted (zstd, or damage).
  ///
  /// The batches are read and decompressed one at a time, in memory, on the caller's thread: the price of a client older than
  /// Kafka 0.11.
  ///
  /// - Parameter allowance: the bytes to which further batches of the request may decompress. The messages end before a batch that
  ///   exceeds it, and the client fetches again from there.
  func messages(
    _ slice: LogSlice, magic: Int8, from offset: Offset, maxBytes: Int, allowance: inout Int
  ) throws(PartitionError) -> ByteBuffer? {
    var messages = ByteBuffer()
    if let range = slice.range {
      var batches = ByteBuffer()
      do throws(DiskError) { _ = try range.read(into: &batches) } catch { throw .read(.diskFailed(error)) }
      while batches.readableBytes > 0, messages.readableBytes == 0 || messages.readableBytes < maxBytes {
        do throws(RecordBatchError) {
          let batch = try RecordBatch(viewing: batches, checkingCRC: false)
          allowance -= try batch.writeMessages(magic: magic, from: offset, limit: allowance, to: &messages)
          batches.moveReaderIndex(forwardBy: batch.sizeInBytes)
        } catch {
          guard case .unpacksTooLarge(let limit) = error, limit < Limits.downConvertedBytes else { return nil }
          allowance = 0
          return messages
        }
      }
    }
    return messages
  }
}
