import Model

extension BTreeLog {
  /// What to sync so that everything appended so far is durable: LMDB's file, which `fdatasync` makes as durable as `mdb_env_sync` would.
  package func flushTicket() -> FlushTicket? {
    guard failure == nil, flushedOffset < logEndOffset else { return nil }
    guard !flushing.isRunning else {
      flushing.isWantedAgain = true
      return nil
    }
    do { return try makeTicket() } catch {
      failure = error
      return nil
    }
  }

  private func makeTicket() throws(DiskError) -> FlushTicket {
    let file = SegmentFile(try disk.open(tree.path, creating: false), path: tree.path)
    var directories = flushing.hasNewNames ? [directory] : []
    if flushing.isNewDirectory { directories.append(directory.directoryPart) }
    flushing.isRunning = true
    flushing.isWantedAgain = false
    flushing.hasNewNames = false
    flushing.isNewDirectory = false
    bytesSinceFlush = 0
    return FlushTicket(
      upTo: logEndOffset, generation: flushing.generation, disk: disk, files: [file], indexPaths: [],
      directories: directories)
  }

  package func complete(_ ticket: FlushTicket, _ outcome: Result<Void, DiskError>, nowMs: Int64) -> FlushTicket? {
    flushing.isRunning = false
    switch outcome {
    case .failure(let error):
      failure = failure ?? error
      return nil
    case .success:
      if ticket.generation == flushing.generation { flushedOffset = max(flushedOffset, min(ticket.upTo, logEndOffset)) }
      flushing.lastFlushMs = nowMs
      flushing.unflushedSinceMs = flushedOffset < logEndOffset ? nowMs : nil
      check()
      return flushing.isWantedAgain ? flushTicket() : nil
    }
  }

  /// A durable commit has made everything before it durable too.
  func wasFlushed(nowMs: Int64) {
    flushedOffset = logEndOffset
    bytesSinceFlush = 0
    flushing.lastFlushMs = nowMs
    flushing.unflushedSinceMs = nil
  }

  /// When data has waited longer than flush.ms, and, as a closed segment is flushed, after each segment.bytes.
  package func wantsFlush(nowMs: Int64) -> Bool {
    guard failure == nil, flushedOffset < logEndOffset else { return false }
    if bytesSinceFlush >= config.segmentBytes { return true }
    guard let since = flushing.unflushedSinceMs else { return false }
    return nowMs - since >= config.flushMs
  }

  package func flush(nowMs: Int64) throws(DiskError) {
    if let failure { throw failure }
    guard flushedOffset < logEndOffset else { return }
    let ticket = try makeTicket()
    do { try ticket.run() } catch {
      _ = complete(ticket, .failure(error), nowMs: nowMs)
      throw error
    }
    flushing.isWantedAgain = false
    _ = complete(ticket, .success(()), nowMs: nowMs)
  }

  package func close(nowMs: Int64) throws(DiskError) {
    if let failure { throw failure }
    try tree.write { transaction throws(DiskError) in try writeSnapshot(transaction) }
    wroteSnapshot()
    try disk.open(tree.path, creating: false).sync()
    try disk.syncDirectory(directory)
    wasFlushed(nowMs: nowMs)
  }
}
