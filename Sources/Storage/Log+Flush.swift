import Base
package import Model

/// What a log knows of its flushes.
struct FlushState {
  /// When the data that is not flushed began to be appended; nil when there is none.
  var unflushedSinceMs: Int64?
  /// True while a flush ticket is out. There is one at a time: flushes asked for meanwhile share the next.
  var isRunning = false
  /// A flush was asked for while a ticket was out.
  var isWantedAgain = false
  /// Segments were made whose names are not durable yet.
  var hasNewNames = true
  /// The log's own directory is new in its parent.
  var isNewDirectory = false
  /// Segments closed since the last ticket: their indexes and lengths must be durable before a start may trust them.
  var closed: [Segment] = []
  /// Those the ticket that is out takes care of.
  var closing: [Segment] = []
  /// Grows when appended data is taken back: a ticket from before says nothing about what came after.
  var generation = 0

  mutating func appended(nowMs: Int64) {
    if unflushedSinceMs == nil { unflushedSinceMs = nowMs }
  }

  mutating func rolled(from segment: Segment) {
    hasNewNames = true
    closed.append(segment)
  }

  /// Begins a flush of everything appended so far; returns the directories whose names it must make durable.
  mutating func begin(in directory: String) -> [String] {
    isRunning = true
    isWantedAgain = false
    closing = closed
    closed = []
    return takeNewNames(in: directory)
  }

  /// The directories that hold names not durable yet; the caller makes them so.
  mutating func takeNewNames(in directory: String) -> [String] {
    var directories = hasNewNames ? [directory] : []
    if isNewDirectory { directories.append(directory.directoryPart) }
    hasNewNames = false
    isNewDirectory = false
    return directories
  }
}

/// One flush: made under the log's lock, run off it, handed back under it.
///
/// ```
/// let ticket = partition.withLock { $0.log.flushTicket() }          // nil: nothing to do, or one is out already
/// let outcome = Result { () throws(DiskError) in try ticket.run() } // on a disk thread
/// let next = partition.withLock { $0.log.complete(ticket, outcome) }  // run that too; waiters look at flushedOffset
/// ```
///
/// Group commit falls out of it: all appends since the last ticket was made share the next one's fdatasync.
package struct FlushTicket: Sendable {
  /// Everything below will be durable.
  package let upTo: Offset
  let generation: Int
  let disk: any Disk
  let files: [SegmentFile]
  /// Indexes of closed segments: recovery will trust them once the recovery point has passed. And `partition.metadata`, when the
  /// directory is new.
  let indexPaths: [String]
  let directories: [String]

  /// Syncs; waits for the disk. Call it without the log's lock.
  package func run() throws(DiskError) {
    for path in indexPaths {
      // Retention may have renamed the segment meanwhile: then nobody needs it.
      guard try disk.info(path) != nil, let file = try? disk.open(path, creating: false) else { continue }
      try file.sync()
    }
    for file in files { try file.file.sync() }
    #if DEBUG
      if PlantedFault.forgetsDirectorySync.isPlanted { return }
    #endif
    for directory in directories { try disk.syncDirectory(directory) }
  }
}

extension Log {
  /// What to sync so that everything appended so far is durable. Nil when it is already, and when another ticket is out:
  /// completing that one returns the next.
  package func flushTicket() -> FlushTicket? {
    guard failure == nil, flushedOffset < logEndOffset || !flushing.closed.isEmpty else { return nil }
    guard !flushing.isRunning else {
      flushing.isWantedAgain = true
      return nil
    }
    do { return try makeTicket() } catch {
      failure = error
      return nil
    }
  }

  /// Takes a ticket back after it has run, raises `flushedOffset`, and returns the next one when a flush was asked for.
  ///
  /// After a failed sync nobody knows what the disk holds (the kernel may have dropped the pages), so the log goes offline.
  package func complete(_ ticket: FlushTicket, _ outcome: Result<Void, DiskError>, nowMs: Int64) -> FlushTicket? {
    flushing.isRunning = false
    switch outcome {
    case .failure(let error):
      failure = failure ?? error
      return nil
    case .success:
      if ticket.generation == flushing.generation { flushedOffset = max(flushedOffset, min(ticket.upTo, logEndOffset)) }
      flushing.closing = []
      flushing.unflushedSinceMs = flushedOffset < logEndOffset ? nowMs : nil
      check()
      return flushing.isWantedAgain ? flushTicket() : nil
    }
  }

  /// Flushes here and now, whether or not a ticket is out: for a stop, tools and tests.
  package func flush(nowMs: Int64) throws(DiskError) {
    if let failure { throw failure }
    flushing.closed += flushing.closing
    guard flushedOffset < logEndOffset || !flushing.closed.isEmpty else { return }
    let ticket = try makeTicket()
    do { try ticket.run() } catch {
      _ = complete(ticket, .failure(error), nowMs: nowMs)
      throw error
    }
    flushing.isWantedAgain = false
    _ = complete(ticket, .success(()), nowMs: nowMs)
  }

  /// What to sync so that everything appended so far is durable: asked for by `flushTicket`, when there is something.
  private func makeTicket() throws(DiskError) -> FlushTicket {
    if case .arm(let arm) = store {
      return FlushTicket(
        upTo: logEndOffset, generation: flushing.generation, disk: disk, files: try arm.filesToSync(of: self),
        indexPaths: [], directories: flushing.begin(in: directory))
    }
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
    // Made without a sync, like the directory.
    let metadata = flushing.isNewDirectory ? ["\(directory)/\(PartitionMetadata.fileName)"] : []
    return FlushTicket(
      upTo: logEndOffset, generation: flushing.generation, disk: disk, files: files, indexPaths: metadata + indexPaths,
      directories: flushing.begin(in: directory))
  }

  /// Whether the log should be flushed in the background now: data has waited longer than flush.ms, or a segment was
  /// closed (flushed then, so that recovery after a crash reads the active segment and not all).
  package func wantsFlush(nowMs: Int64) -> Bool {
    if case .arm(let arm) = store {
      let isFull = arm.bytesSinceFlush >= config.segmentBytes
      return failure == nil && flushedOffset < logEndOffset && isFull || hasWaitedLong(nowMs: nowMs)
    }
    return failure == nil && !flushing.closed.isEmpty || hasWaitedLong(nowMs: nowMs)
  }

  /// What a log holds, as far as a change of it can be told by.
  struct Extent: Equatable {
    var start, end: Offset
    var segments: [Offset]
    var generation: Int
  }

  var extent: Extent {
    Extent(
      start: logStartOffset, end: logEndOffset, segments: segments.map(\.baseOffset), generation: flushing.generation)
  }

  /// Nothing was ever appended: there is nothing to write down, and a log whose files a crash takes comes back empty too.
  private var isNewAndEmpty: Bool { flushing.isNewDirectory && logEndOffset == 0 && flushing.generation == 0 }

  /// Writes everything down, syncs, and leaves the log as an orderly stop leaves it. A log that has not changed since the last is
  /// left alone: with thousands of idle partitions a stop would take as many times five syncs. Take no more calls to it
  /// afterwards.
  package func close(nowMs: Int64) throws(DiskError) {
    if let failure { throw failure }
    if case .arm(let arm) = store {
      try arm.close(self)
      return wasFlushed()
    }
    guard !isNewAndEmpty else { return }
    if closedAs == extent, !areEpochsUnwritten { return }
    try finish(active)
    try writeSnapshot()
    try flush(nowMs: nowMs)
    for suffix in [OffsetIndex.suffix, TimeIndex.suffix] {
      try disk.open(active.path + suffix, creating: false).sync()
    }
    try disk.open("\(directory)/\(Segment.name(logEndOffset))\(ProducerSnapshot.suffix)", creating: false).sync()
    try disk.syncDirectory(directory)
  }

  /// Data has waited longer than flush.ms.
  private func hasWaitedLong(nowMs: Int64) -> Bool {
    guard failure == nil, flushedOffset < logEndOffset, let since = flushing.unflushedSinceMs else { return false }
    return nowMs.subtractingClamped(since) >= config.flushMs
  }

  /// Everything is durable by now: a store that syncs each append says so.
  func wasFlushed() {
    flushedOffset = logEndOffset
    flushing.unflushedSinceMs = nil
  }
}
