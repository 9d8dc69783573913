import CMillrace
import Compression
import Model

/// The checks of a produced batch, for topics that ask for no others: producers' timestamps, no compaction, batches stored as they come.
struct PlainBatchRules {
  let maxMessageBytes: Int
  let timestampBeforeMaxMs: Int64
  let timestampAfterMaxMs: Int64

  init?(_ config: TopicConfig) {
    guard config.storedCodec == nil, !config.timestampIsLogAppendTime, !config.cleanupPolicy.contains(.compact) else {
      return nil
    }
    maxMessageBytes = config.maxMessageBytes
    timestampBeforeMaxMs = config.timestampBeforeMaxMs
    timestampAfterMaxMs = config.timestampAfterMaxMs
  }

  /// Reads the header of the one batch that `bytes` must be; nil when something is wrong or unusual, which `ProducedBatch.checked` finds again
  /// and names.
  ///
  /// - Returns: the header, and whether the batch is checked. Compressed records, and those with headers, are left to `ProducedBatch.checked`: no
  ///   checksum is computed here that it would compute again.
  func header(of bytes: UnsafeRawBufferPointer, nowMs: Int64) -> (header: RecordBatchHeader, isChecked: Bool)? {
    guard bytes.count >= BatchField.records, bytes.count <= maxMessageBytes else { return nil }
    let header = RecordBatchHeader(reading: bytes)
    guard header.magic == 2, header.sizeInBytes == bytes.count, header.count > 0,
      Int64(header.count) == Int64(header.lastOffsetDelta) + 1, header.baseOffset <= .largestBase,
      // Beside the codec no attribute: no transaction, no control batch, no time of the broker.
      header.attributes.rawValue & ~7 == 0, header.maxTimestamp >= -1
    else { return nil }
    if header.hasProducer, header.baseSequence < 0 || header.producerEpoch < 0 { return nil }
    guard header.attributes.codecNumber == Codec.none.rawValue,
      let times = header.plainTimestamps(of: UnsafeRawBufferPointer(rebasing: bytes[BatchField.records...])),
      times.lowerBound >= earliest(nowMs), times.upperBound <= latest(nowMs),
      header.maxTimestamp == max(-1, times.upperBound)
    else { return (header, false) }
    let computed = millrace_crc32c(0, bytes.baseAddress! + BatchField.attributes, bytes.count - BatchField.attributes)
    return computed == header.crc ? (header, true) : nil
  }

  private func earliest(_ nowMs: Int64) -> Int64 {
    timestampBeforeMaxMs == .max ? .min : nowMs.subtractingClamped(timestampBeforeMaxMs)
  }

  private func latest(_ nowMs: Int64) -> Int64 { nowMs.addingClamped(timestampAfterMaxMs) }
}
