import Base
package import Model

/// Compaction (cleanup.policy=compact): what of it needs the log's lock. The work between is a `Cleaning`'s.
extension Log {
  /// Returns how much of the log could be cleaned; nil for one that is not compacted, or has failed, or whose batches an arm keeps.
  package func dirt(highWatermark: Offset, nowMs: Int64) throws(DiskError) -> LogDirt? {
    guard config.compacts, failure == nil, case .segments = store else { return nil }
    let cleanedTo = cleanedOffset ?? logStartOffset
    var facts: [SegmentFacts] = []
    facts.reserveCapacity(segments.count)
    for (index, segment) in segments.enumerated() {
      var fact = SegmentFacts(baseOffset: segment.baseOffset, bytes: segment.size)
      // What the lags compare may have to be read from a file: only where there are lags, and of dirty segments.
      if index < segments.count - 1, endOffset(ofSegment: index) > cleanedTo {
        if config.minCompactionLagMs > 0 { fact.newestMs = try segment.retentionTimestamp() }
        if config.maxCompactionLagMs < .max { fact.firstMs = try segment.firstBatchTimestamp() }
      }
      facts.append(fact)
    }
    return LogDirt(
      facts,
      LogDirt.Bounds(
        cleanedTo: cleanedOffset, logStart: logStartOffset, logEnd: logEndOffset,
        stableEnd: stableEnd(highWatermark: highWatermark), minLagMs: config.minCompactionLagMs,
        maxLagMs: config.maxCompactionLagMs, nowMs: nowMs))
  }

  /// A record of an open transaction is no last record of its key: the transaction may be aborted.
  private func stableEnd(highWatermark: Offset) -> Offset {
    #if DEBUG
    if PlantedFault.cleansAboveTheStableOffset.isPlanted { return highWatermark }
    #endif
    return lastStableOffset(highWatermark: highWatermark)
  }

  /// Plans a cleaning of everything that may be cleaned now; nil when that is nothing.
  ///
  /// What is in the log now must be flushed before a segment is replaced, and the recovery point written down. Worked case: 5 is replaced by 10, of a transaction that 12
  /// commits. A power failure that takes 12 back leaves the transaction open; it is aborted then, and without 5 nothing would be left of the
  /// key.
  package func planCleaning(highWatermark: Offset, nowMs: Int64) throws(DiskError) -> CleaningPlan? {
    guard let dirt = try dirt(highWatermark: highWatermark, nowMs: nowMs), dirt.cleanableBytes > 0 else { return nil }
    let end = dirt.firstUncleanableOffset
    let sources = segments.indices.filter { segments[$0].baseOffset < end }.map { index in
      CleaningSource(
        baseOffset: segments[index].baseOffset, endOffset: endOffset(ofSegment: index), bytes: segments[index].size,
        modifiedMs: segments[index].modifiedMs)
    }
    let aborted: [AbortedTransaction]
    do throws(ReadError) { aborted = try abortedTransactions(from: sources[0].baseOffset, upTo: end) } catch {
      if case .diskFailed(let cause) = error { throw cause }
      aborted = []
    }
    return CleaningPlan(
      directory: directory, disk: disk, sources: sources, firstDirtyOffset: dirt.firstDirtyOffset,
      firstUncleanableOffset: end, aborted: aborted, lastRecords: producers.lastRecords, config: config,
      generation: flushing.generation, durableEnd: logEndOffset, nowMs: nowMs)
  }

  /// Whether the segments that a cleaning has not replaced yet are still the log's: retention, DeleteRecords or a truncation may have
  /// removed some.
  package func holds(_ sources: [CleaningSource], of plan: CleaningPlan) -> Bool {
    failure == nil && flushing.generation == plan.generation && (sources.isEmpty || place(of: sources) != nil)
  }

  private func place(of sources: [CleaningSource]) -> Range<Int>? {
    guard let first = sources.first,
      let start = segments.firstIndex(where: { $0.baseOffset == first.baseOffset }),
      start + sources.count <= segments.count
    else { return nil }
    for (segment, source) in zip(segments[start...], sources) {
      guard segment.baseOffset == source.baseOffset, segment.size >= source.bytes else { return nil }
    }
    return start..<start + sources.count
  }

  /// Puts a cleaned segment in the place of those it was made from. Reads under way go on with the old files, which they hold open.
  ///
  /// The names change in an order in which a crash at any point leaves a log: the new files are called `.swap` first, the `.log` last of them.
  /// Where it is there, the next opening finishes what was begun (`LogRecovery.finishSwap`), and where it is not, nothing has been done.
  /// The caller makes the names durable, without the lock.
  ///
  /// - Parameter recoveryPoint: what the checkpoint says. It must not be below the log's end at the time of the plan: an opening after a crash
  ///   takes offsets that are missing above it for lost, and what follows them with them.
  /// - Returns: false when the log has changed since, or has not been flushed, and keeps its segments.
  /// - Throws: when a file cannot be renamed. The log is then offline, unless nothing has been done.
  package func replace(
    with cleaned: CleanedGroup, recoveryPoint: Offset, nowMs: Int64
  ) throws(DiskError) -> Bool {
    if let failure { throw failure }
    guard cleaned.generation == flushing.generation, min(recoveryPoint, flushedOffset) >= cleaned.durableEnd,
      let place = place(of: cleaned.sources)
    else { return false }
    let path = "\(directory)/\(Segment.name(cleaned.baseOffset))"
    // The `.log` is the last of the suffixes: until it is renamed, nothing has been done.
    try rename(at: path, from: LogFileSuffix.cleaned, to: LogFileSuffix.swap)
    do {
      var paths: [String] = []
      for segment in segments[place] {
        paths += try segment.markDeleted(keepingSnapshot: segment.baseOffset == cleaned.baseOffset)
      }
      try rename(at: path, from: LogFileSuffix.swap, to: "")
      deleted.append(
        DeletedFiles(paths: paths, removableAtMs: nowMs.addingClamped(config.fileDeleteDelayMs)))
    } catch {
      failure = error
      throw error
    }
    let segment = Segment(
      disk: disk, directory: directory, baseOffset: cleaned.baseOffset, size: cleaned.bytes,
      modifiedMs: cleaned.modifiedMs)
    segments.replaceSubrange(place, with: [segment])
    places.forget()
    check()
    return true
  }

  private func rename(at path: String, from: String, to: String) throws(DiskError) {
    for suffix in CleanedSegment.suffixes {
      if suffix == TransactionIndex.suffix, try disk.info(path + suffix + from) == nil {
        // A segment without aborted transactions has no index of them; one may be there from an attempt that failed.
        try disk.remove(path + suffix + to)
        continue
      }
      try disk.rename(path + suffix + from, to: path + suffix + to)
    }
  }

  /// Notes that a cleaning has ended.
  package func cleaned(_ plan: CleaningPlan, to end: Offset) {
    guard flushing.generation == plan.generation else { return }
    cleanedOffset = min(end, logEndOffset)
  }
}
