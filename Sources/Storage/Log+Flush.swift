import Model

extension Log {
  package func makeTicket() throws(DiskError) -> FlushTicket {
    // Recovery trusts the checkpoint below the recovery point, which the ticket raises.
    if areEpochsUnwritten {
      do { try writeEpochs() } catch {
        failure = error
        throw error
      }
    }
    let first = segmentIndex(holding: flushedOffset)
    let unflushed = segments[first...].filter { $0.size > 0 }
    let closed = flushing.closed.filter { segment in
      !unflushed.contains { $0 === segment } && segments.contains { $0 === segment }
    }
    let files = try (closed + unflushed).map { segment throws(DiskError) in try segment.file() }
    let indexPaths = (closed + unflushed.filter { $0 !== active }).flatMap { segment in
      [OffsetIndex.suffix, TimeIndex.suffix, TransactionIndex.suffix].map { segment.path + $0 }
    }
    return FlushTicket(
      upTo: logEndOffset, generation: flushing.generation, disk: disk, files: files, indexPaths: indexPaths,
      directories: flushing.begin(in: directory))
  }

  /// Whether the log should be flushed in the background now: data has waited longer than flush.ms, or a segment was
  /// closed (flushed then, so that recovery after a crash reads the active segment and not all).
  package func wantsFlush(nowMs: Int64) -> Bool {
    failure == nil && !flushing.closed.isEmpty || hasWaitedLong(nowMs: nowMs)
  }

  /// Writes everything down, syncs, and leaves the log as an orderly stop leaves it. Take no more calls to it afterwards.
  package func close(nowMs: Int64) throws(DiskError) {
    if let failure { throw failure }
    try finish(active)
    try writeSnapshot()
    try flush(nowMs: nowMs)
    for suffix in [OffsetIndex.suffix, TimeIndex.suffix] {
      try disk.open(active.path + suffix, creating: false).sync()
    }
    try disk.open("\(directory)/\(Segment.name(logEndOffset))\(ProducerSnapshot.suffix)", creating: false).sync()
    try disk.syncDirectory(directory)
  }
}
