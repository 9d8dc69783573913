import Base
package import Model

extension Log {
  /// Deletes whole segments from the front that are older than retention.ms, more than retention.bytes need, or below the
  /// log's start; returns how many, or how many batches where an arm keeps them.
  ///
  /// No record at or above the high watermark is deleted. If the whole log is due, the active segment is closed first, so that
  /// an idle partition is emptied too.
  package func applyRetention(nowMs: Int64, highWatermark: Offset) throws(DiskError) -> Int {
    if let failure { throw failure }
    if case .arm(let arm) = store {
      return try arm.applyRetention(to: self, nowMs: nowMs, highWatermark: highWatermark)
    }
    let byStart = try deleteFront(nowMs: nowMs, highWatermark: highWatermark) { _, end throws(DiskError) in
      end <= logStartOffset
    }
    guard config.deletesOldSegments else { return byStart }
    let byTime = try deleteFront(nowMs: nowMs, highWatermark: highWatermark) { segment, _ throws(DiskError) in
      guard config.retentionMs >= 0 else { return false }
      return nowMs.subtractingClamped(try segment.retentionTimestamp()) > config.retentionMs
    }
    // Negative is no limit.
    var excess = config.retentionBytes >= 0 ? Int64(sizeInBytes) - config.retentionBytes : 0
    let bySize = try deleteFront(nowMs: nowMs, highWatermark: highWatermark) { segment, _ throws(DiskError) in
      var least = Int64(segment.size)
      #if DEBUG
      if PlantedFault.removesOneSegmentTooMany.isPlanted { least = 1 }
      #endif
      guard config.retentionBytes >= 0, excess >= least else { return false }
      excess -= Int64(segment.size)
      return true
    }
    return byStart + byTime + bySize
  }

  /// Deletes segments from the front while `isDue` returns true for the segment and the offset after its last.
  private func deleteFront(
    nowMs: Int64, highWatermark: Offset, _ isDue: (Segment, Offset) throws(DiskError) -> Bool
  ) throws(DiskError) -> Int {
    var count = 0
    while count < segments.count {
      let segment = segments[count]
      let end = endOffset(ofSegment: count)
      guard highWatermark >= end, segment !== active || segment.size > 0, try isDue(segment, end) else { break }
      count += 1
    }
    guard count > 0 else { return 0 }
    if count == segments.count { try roll(to: logEndOffset, nowMs: nowMs) }
    let start = segments[count].baseOffset
    // The start moves first: whatever happens below, nobody reads what is going away.
    if start > logStartOffset { try raiseStart(to: start) }
    for segment in segments[..<count] {
      deleted.append(
        DeletedFiles(paths: try segment.markDeleted(), removableAtMs: nowMs.addingClamped(config.fileDeleteDelayMs)))
    }
    segments.removeFirst(count)
    check()
    return count
  }

  /// Moves the log start (DeleteRecords): readers cannot see records below `offset` any more, and segments wholly below it are
  /// deleted. The caller bounds `offset` by the high watermark.
  package func deleteRecords(before offset: Offset, nowMs: Int64) throws(DiskError) {
    if let failure { throw failure }
    guard offset > logStartOffset else { return }
    precondition(offset <= logEndOffset, "delete before \(offset), but the log ends at \(logEndOffset)")
    if case .arm(let arm) = store {
      _ = try arm.dropFront(of: self, before: offset)
      return
    }
    try raiseStart(to: offset)
    _ = try deleteFront(nowMs: nowMs, highWatermark: logEndOffset) { _, end throws(DiskError) in end <= logStartOffset }
  }

  private func raiseStart(to offset: Offset) throws(DiskError) {
    logStartOffset = offset
    if epochs.raiseStart(to: offset) { try writeEpochs() }
  }

  /// Removes files renamed for deletion at least file.delete.delay.ms ago; returns the number of segments.
  package func purgeDeleted(nowMs: Int64) throws(DiskError) -> Int {
    let due = deleted.filter { $0.removableAtMs <= nowMs }
    for files in due {
      for path in files.paths { try disk.remove(path) }
    }
    deleted.removeAll { $0.removableAtMs <= nowMs }
    return due.count
  }

  /// When the next of those files may be removed, of those that may not be yet; nil when none waits.
  package func nextPurgeMs(after nowMs: Int64) -> Int64? {
    deleted.lazy.map(\.removableAtMs).filter { $0 > nowMs }.min()
  }

  // MARK: Truncation

  /// Truncates the log to `offset`; a batch that holds `offset` is removed whole, so the log may end before it.
  ///
  /// A failure takes the log offline; opening it again recovers.
  package func truncate(to offset: Offset, nowMs: Int64) throws(DiskError) {
    if let failure { throw failure }
    guard offset < logEndOffset else { return }
    do {
      if case .arm(let arm) = store { return try arm.truncate(self, to: offset) }
      guard offset > segments[0].baseOffset else {
        return try restart(at: offset, nowMs: nowMs)
      }
      let index = segmentIndex(holding: offset)
      let place = try locate(offset, inSegment: index)
      try removeSegments(after: index, nowMs: nowMs)
      if let place { try cut(segments[index], at: place) }
      try truncated(to: min(offset, place?.offset ?? offset))
    } catch {
      failure = error
      throw error
    }
  }

  /// Removes all records and continues at `offset`: for a follower whose leader no longer has the follower's log end.
  package func truncateFullyAndStart(at offset: Offset, nowMs: Int64) throws(DiskError) {
    if let failure { throw failure }
    do {
      if case .arm(let arm) = store {
        try arm.restart(self, at: offset)
        producers = ProducerState()
        producers.endOffset = offset
        return
      }
      try restart(at: offset, nowMs: nowMs)
    } catch {
      failure = error
      throw error
    }
  }

  private func restart(at offset: Offset, nowMs: Int64) throws(DiskError) {
    try removeSegments(after: -1, nowMs: nowMs)
    segments = [try makeSegment(at: offset, nowMs: nowMs)]
    flushing.hasNewNames = true
    logStartOffset = offset
    logEndOffset = offset
    flushedOffset = min(flushedOffset, offset)
    if epochs.truncate(to: .init(Int64.min)) { try writeEpochs() }
    try removeSnapshots(after: -1)
    producers = ProducerState()
    producers.endOffset = offset
    flushing.generation += 1
    cleanedOffset = nil
    places.forget()
    check()
  }

  /// Renames the segments after `index` for deletion, the last first, so that a crash leaves a log without gaps.
  private func removeSegments(after index: Int, nowMs: Int64) throws(DiskError) {
    while segments.count > index + 1 {
      let paths = try segments[segments.count - 1].markDeleted()
      deleted.append(DeletedFiles(paths: paths, removableAtMs: nowMs.addingClamped(config.fileDeleteDelayMs)))
      segments.removeLast()
    }
    // Durable before anything is appended: else a crash could bring an old segment back behind new records.
    try disk.syncDirectory(directory)
  }

  /// Truncates a segment before the batch at `place`, and rebuilds its state.
  private func cut(_ segment: Segment, at place: BatchPlaces.Place) throws(DiskError) {
    try segment.truncate(toPosition: place.position, offset: place.offset)
    // A later append in the same place must not be followed by the old bytes after a crash.
    try segment.file().file.sync()
    try resume(segment, to: place.position)
  }

  private func truncated(to end: Offset) throws(DiskError) {
    logEndOffset = end
    logStartOffset = min(logStartOffset, end)
    flushedOffset = min(flushedOffset, end)
    flushing.generation += 1
    cleanedOffset = cleanedOffset.map { min($0, end) }
    places.forget()
    if epochs.truncate(to: end) { try writeEpochs() }
    try removeSnapshots(after: end)
    try reloadProducers()
    check()
  }
}
