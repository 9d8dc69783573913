import Client
import Model

/// Counts the records that reach one consumer out of the order in which their producer was given them, over all partitions
/// it reads. Within a partition order is promised, and `IntegrityCheck` counts what breaks it; over several partitions
/// nothing is promised, and this tells how far from it a consumer is.
///
/// Stamps carry no number that counts over all partitions, but the time, and a producer's times never go back. So a record
/// with an earlier time than one that came before it is out of order. Records that were given at one moment are not told
/// apart: the count is the least that it can be.
///
/// Worked case: a producer fills a batch for partition 0 at 1 ms, one for partition 1 at 2 ms, one for partition 0 at 3 ms.
/// The consumer's first answer holds both batches of partition 0, its second the one of partition 1: times 1 3 2, and all
/// records of the last batch are out of order.
///
/// It walks the batch separately, so that runs without `--global-order` pay nothing.
struct GlobalOrder {
  private(set) var outOfOrder = 0
  /// By run and producer: the latest time that came.
  private var latestNs: [Int: UInt64] = [:]
  private var reader = StampReader()

  /// The records of a batch from offset `start` on.
  mutating func look(at batch: RecordBatch, from start: Offset) {
    // What cannot be decoded is the integrity check's to count.
    try? batch.forEachRecord { record in
      guard record.offset >= start, let value = record.value, let stamp = reader.read(value) else { return }
      received(stamp.stream, timeNs: stamp.timeNs)
    }
  }

  mutating func received(_ stream: StreamID, timeNs: UInt64) {
    let producer = stream.run << StampField.producerBits | stream.producer
    let latest = latestNs[producer] ?? 0
    if timeNs < latest {
      outOfOrder += 1
    } else if timeNs > latest {
      latestNs[producer] = timeNs
    }
  }
}
