package import Model

/// Holds a partition's entries in the checkpoints of its log directory.
package struct LogMemory: Hashable, Sendable {
  package var logStartOffset: Offset
  package var recoveryPoint: Offset
  /// Of the last checkpoint: records before it were acknowledged.
  package var highWatermark: Offset
  /// Whether the last stop was orderly, so that files are trusted.
  package var isClean: Bool
  /// Whether the log start checkpoint has the partition; `logStartOffset` is 0 otherwise.
  package var hasLogStart: Bool
  /// Up to where the log was cleaned; nil before the first cleaning.
  package var cleanedOffset: Offset?
  /// False when the recovery point is 0 because its checkpoint is damaged.
  package var isRecoveryPointKnown: Bool

  package init(
    logStartOffset: Offset = 0, recoveryPoint: Offset = 0, highWatermark: Offset = 0, isClean: Bool = false,
    hasLogStart: Bool = false, cleanedOffset: Offset? = nil, isRecoveryPointKnown: Bool = true
  ) {
    self.cleanedOffset = cleanedOffset
    self.isRecoveryPointKnown = isRecoveryPointKnown
    self.hasLogStart = hasLogStart
    self.logStartOffset = logStartOffset
    self.recoveryPoint = recoveryPoint
    self.highWatermark = highWatermark
    self.isClean = isClean
  }

  /// Where the log ends at the least, if nothing was lost.
  package var endExpected: Offset { max(recoveryPoint, highWatermark) }
}
