import Client
import Model

/// Counts the records that one consumer receives out of their producer's order over all its partitions. Within a partition
/// Kafka promises order, and `IntegrityCheck` counts violations; over several partitions Kafka promises none, and this count
/// measures how much is lost.
///
/// Stamps carry no sequence over all partitions, but a time, and a producer's times never decrease. So a record with an
/// earlier time than one received before it is out of order. Records with equal times are indistinguishable, so the count
/// is a lower bound.
///
/// Worked case: a producer fills a batch for partition 0 at 1 ms, one for partition 1 at 2 ms, one for partition 0 at 3 ms.
/// The consumer's first fetch response holds both batches of partition 0, its second the one of partition 1: times 1 3 2, and all
/// records of the last batch are out of order.
///
/// It also counts the records whose offset does not rise within their partition, which must not happen: an offset is given once.
///
/// The counts walk each batch separately, so that runs without `--global-order` pay nothing.
struct GlobalOrder {
  private(set) var outOfOrder = 0
  /// The records with an offset at or below one received before it, in their partition.
  private(set) var offsetsNotRising = 0
  /// The highest offset received of each partition.
  private var offsets: [Int32: Offset] = [:]
  /// The latest time received, by run and producer.
  private var latestNs: [Int: UInt64] = [:]
  private var reader = StampReader()

  /// Reading of a partition begins anew, perhaps at offsets that were read before.
  mutating func beginAgain(in partition: Int32) { offsets[partition] = nil }

  /// Counts the records of a batch from offset `start` on.
  mutating func look(at batch: RecordBatch, _ partition: Int32, from start: Offset) {
    var highest = offsets[partition]
    // The integrity check counts what cannot be decoded.
    try? batch.forEachRecord { record in
      guard record.offset >= start else { return }
      if let before = highest, record.offset <= before { offsetsNotRising += 1 } else { highest = record.offset }
      if let value = record.value, let stamp = reader.read(value) { received(stamp.stream, timeNs: stamp.timeNs) }
    }
    offsets[partition] = highest
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
