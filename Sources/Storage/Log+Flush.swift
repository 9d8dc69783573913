import Base
package import Model

/// Holds the flush state of a log.
struct FlushState {
  /// The time of the first unflushed append; nil without unflushed data.
  var unflushedSinceMs: Int64?
  /// Whether a flush ticket is in use. There is one at a time: flushes requested meanwhile share the next.
  var isRunning = false
  /// Whether a flush was requested while a ticket was in use.
  var isWantedAgain = false
  /// Whether there are new segments whose names are not durable yet.
  var hasNewNames = true
  /// Whether the log's directory is new in its parent, and not durable there.
  var isNewDirectory = false
  /// Segments closed since the last ticket: their indexes and lengths must be durable before a start may trust them.
  var closed: [Segment] = []
  /// The closed segments that the ticket in use syncs.
  var closing: [Segment] = []
  /// Raised when appended data is truncated: an earlier ticket does not cover later data.
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

  /// Returns the directories with names that are not durable yet, for the caller to sync.
  mutating func takeNewNames(in directory: String) -> [String] {
    var directories = hasNewNames ? [directory] : []
    if isNewDirectory { directories.append(directory.directoryPart) }
    hasNewNames = false
    isNewDirectory = false
    return directories
  }
}

/// Carries out one flush: created under the log's lock, run without it, completed under it.
///
/// ```
/// let ticket = partition.withLock { $0.log.flushTicket() }          // nil: nothing to do, or one is out already
/// let outcome = Result { () throws(DiskError) in try ticket.run() } // on a disk thread
/// let next = partition.withLock { $0.log.complete(ticket, outcome) }  // run that too; waiters look at flushedOffset
/// ```
///
/// This is group commit: all appends since the creation of the last ticket share the next one's fdatasync.
package struct FlushTicket: Sendable {
  /// The offset below which all records will be durable.
  package let upTo: Offset
  /// Of the log.
  let directory: String
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
  /// Returns a ticket to make all appends so far durable. Nil if they are, or if another ticket is in use, whose completion
  /// returns the next.
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

  /// Completes a ticket that has run: raises `flushedOffset`, and returns the next ticket if a flush was requested.
  ///
  /// After a failed sync the contents of the disk are unknown (the kernel may have dropped the pages), so the log goes offline.
  package func complete(_ ticket: FlushTicket, _ outcome: Result<Void, DiskError>, nowMs: Int64) -> FlushTicket? {
    guard ticket.directory == directory else {
      // Of the log in whose place this one is now, and which was copied whole.
      return flushing.isWantedAgain ? flushTicket() : nil
    }
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

  /// Flushes synchronously, even if a ticket is in use: for a stop, tools and tests.
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
        upTo: logEndOffset, directory: directory, generation: flushing.generation, disk: disk,
        files: try arm.filesToSync(of: self),
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
      upTo: logEndOffset, directory: directory, generation: flushing.generation, disk: disk, files: files,
      indexPaths: metadata + indexPaths, directories: flushing.begin(in: directory))
  }

  /// Returns whether a background flush is due: data is older than flush.ms, or a segment was closed, whose flush spares
  /// recovery from reading it after a crash.
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
    try active.transactionIndex.sync(on: disk)
    try disk.open("\(directory)/\(Segment.name(logEndOffset))\(ProducerSnapshot.suffix)", creating: false).sync()
    try disk.syncDirectory(directory)
  }

  /// Whether data has been unflushed for longer than flush.ms.
  private func hasWaitedLong(nowMs: Int64) -> Bool {
    guard failure == nil, flushedOffset < logEndOffset, let since = flushing.unflushedSinceMs else { return false }
    return nowMs.subtractingClamped(since) >= config.flushMs
  }

  /// Records that all data is durable, for a store that syncs each append.
  func wasFlushed() {
    flushedOffset = logEndOffset
    flushing.unflushedSinceMs = nil
  }
}
