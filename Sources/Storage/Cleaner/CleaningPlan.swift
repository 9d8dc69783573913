package import Model

/// What one cleaning of a log needs to know, taken under the log's lock: everything after is done without it.
package struct CleaningPlan: Sendable {
  /// The log's directory.
  package let directory: String
  package let disk: any Disk
  /// Every segment before the first that may not be cleaned.
  let sources: [CleaningSource]
  let firstDirtyOffset: Offset
  let firstUncleanableOffset: Offset
  /// Aborted transactions with records in the sources.
  let aborted: [AbortedTransaction]
  let lastRecords: [Int64: ProducerState.LastRecord]
  let config: LogConfig
  /// The log's, when the plan was made: raised by each truncation.
  let generation: Int
  /// The log's end when the plan was made: what is below must be flushed, and the recovery point written down, before a segment is replaced.
  package let durableEnd: Offset
  let nowMs: Int64

  /// Most of the keys that the dirty part can have, one for each offset.
  var keysMax: Int { max(0, firstUncleanableOffset - firstDirtyOffset) }
}

/// The resources that one cleaning may use.
package struct CleaningResources: Hashable, Sendable {
  /// Memory for the keys of the dirty part, in bytes.
  package var dedupeBytes: Int
  /// The share of it that may be used.
  package var loadFactor: Double
  /// Memory for reading and for writing, in bytes each; a larger batch takes more.
  package var bufferBytes: Int

  package init(dedupeBytes: Int, loadFactor: Double, bufferBytes: Int) {
    self.dedupeBytes = dedupeBytes
    self.loadFactor = loadFactor
    self.bufferBytes = bufferBytes
  }
}

/// A segment that has been written to take the place of others, under its `.cleaned` name.
package struct CleanedGroup: Sendable {
  /// Neighbours in the log, oldest first.
  let sources: [CleaningSource]
  /// Bytes of the new `.log`.
  let bytes: Int
  let modifiedMs: Int64
  // As in the plan.
  let generation: Int
  let durableEnd: Offset

  var baseOffset: Offset { sources[0].baseOffset }
}
