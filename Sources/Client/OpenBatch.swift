import Compression
import Model
import NIOCore

/// Holds a batch being filled: Model's builder, and the figures for the batch's `Delivery`.
///
/// Reused by one partition after the other: a producer of a thousand partitions that fills one at a time needs one buffer,
/// not a thousand.
final class OpenBatch {
  var builder: RecordBatchBuilder
  /// When the batch got its first record.
  var openedNs: UInt64 = 0
  /// The bytes of keys and values so far.
  var payloadBytes = 0
  /// When each record should have been sent; empty when the caller keeps no schedule.
  var intendedNs: [UInt64] = []

  init(_ settings: ProducerSettings) {
    builder = RecordBatchBuilder(capacity: settings.batchBytes)
  }

  func finish(
    _ settings: ProducerSettings, _ identity: ProducerIdentity?, baseSequence: Int32
  ) throws(CompressionError) -> ByteBuffer {
    try builder.finish(
      codec: settings.codec, level: settings.level, producerID: identity?.id ?? -1,
      producerEpoch: identity?.epoch ?? -1, baseSequence: baseSequence,
      isTransactional: settings.transactionalID != nil)
  }

  /// Gives the records away for compression elsewhere.
  func draft(_ settings: ProducerSettings, _ identity: ProducerIdentity?, baseSequence: Int32) -> RecordBatchDraft {
    builder.draft(
      codec: settings.codec, level: settings.level, producerID: identity?.id ?? -1,
      producerEpoch: identity?.epoch ?? -1, baseSequence: baseSequence,
      isTransactional: settings.transactionalID != nil)
  }

  func reset() {
    builder.removeAll()
    payloadBytes = 0
    intendedNs = []
  }
}
