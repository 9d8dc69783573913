import Client
import Model

/// Counts the records that are in another partition than the one that Kafka's partitioner chooses for their key. Where there is none,
/// all records of a key are in one partition.
///
/// The count walks each batch separately, so that runs without `--check-keys` pay nothing.
struct KeyCheck {
  private(set) var misplaced = 0
  private let partitions: Int32

  /// - Parameter partitions: the number of the topic's partitions.
  init(partitions: Int) { self.partitions = Int32(max(partitions, 1)) }

  /// Counts the records of a batch from offset `start` on; those without a key may be anywhere.
  mutating func look(at batch: RecordBatch, _ partition: Int32, from start: Offset) {
    // The integrity check counts what cannot be decoded.
    try? batch.forEachRecord { record in
      guard record.offset >= start, let key = record.key else { return }
      if KeyHash.partition(forKey: key, of: partitions) != partition { misplaced += 1 }
    }
  }
}
