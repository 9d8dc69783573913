package import Model
import Synchronization

/// The offsets of all partitions here that survive a stop.
extension LogDirectory {
  /// Replaces a checkpoint with the given offsets of all partitions here.
  package func write(_ checkpoint: OffsetCheckpoint, _ offsets: [TopicPartition: Offset]) throws(LogDirectoryError) {
    let outcome = state.withLock { state -> Result<Void, DiskError> in
      do throws(DiskError) {
        try checkpoint.write(offsets, in: path, on: disk)
        state.checkpoints[checkpoint] = offsets
        return .success(())
      } catch { return .failure(error) }
    }
    do { try outcome.get() } catch { throw .disk(error) }
  }

  /// What a checkpoint holds.
  package func read(_ checkpoint: OffsetCheckpoint) -> [TopicPartition: Offset] {
    state.withLock { $0.checkpoints[checkpoint] ?? [:] }
  }

  func checkpointed(_ checkpoint: OffsetCheckpoint, _ partition: TopicPartition) -> Offset {
    state.withLock { $0.checkpoints[checkpoint]?[partition] ?? 0 }
  }

  /// Drops deleted partitions from the checkpoints: what they say of one must not be believed of the next of its name. (A log
  /// start past the new log's end would empty it when it is opened again.)
  package func forget(_ partitions: [TopicPartition]) throws(LogDirectoryError) {
    for checkpoint in OffsetCheckpoint.allCases {
      var offsets = read(checkpoint)
      let known = partitions.filter { offsets[$0] ?? 0 > 0 }
      guard !known.isEmpty else { continue }
      for partition in known { offsets[partition] = nil }
      try write(checkpoint, offsets)
    }
  }
}
