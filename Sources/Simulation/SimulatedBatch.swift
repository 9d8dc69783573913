import Compression
import Model
import NIOCore
import Wire

/// A batch of a simulated producer: what it is made of, so that it can be sent again with the same bytes.
struct SimulatedBatch {
  var id: Ledger.BatchID
  var count: Int
  /// The first record's; each later record's is a millisecond later.
  var timestamp: Int64
  var valueBytes: Int
  /// -1 without idempotence, and until it is sent.
  var sequence: Int32 = -1

  /// - Parameter keys: the number of keys of a compacted topic; nil for records without keys.
  func bytes(
    keys: Int?, codec: Codec, producer: ProducerIdentity?, isTransactional: Bool = false,
    with builder: inout RecordBatchBuilder
  ) -> ByteBuffer {
    for index in 0..<count {
      builder.append(
        Payload.record(
          Ledger.RecordID(batch: id, index: index), timestamp: timestamp + Int64(index), bytes: valueBytes, keys: keys))
    }
    do {
      return try builder.finish(
        codec: codec, producerID: producer?.id ?? -1, producerEpoch: producer?.epoch ?? -1, baseSequence: sequence,
        isTransactional: isTransactional)
    } catch { preconditionFailure("a batch of our own cannot be built: \(error)") }
  }
}
