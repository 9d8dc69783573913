import Model

extension BTreeLog {
  /// LMDB's file, which `fdatasync` makes as durable as `mdb_env_sync` would.
  package func makeTicket() throws(DiskError) -> FlushTicket {
    let file = SegmentFile(try disk.open(tree.path, creating: false), path: tree.path)
    bytesSinceFlush = 0
    return FlushTicket(
      upTo: logEndOffset, generation: flushing.generation, disk: disk, files: [file], indexPaths: [],
      directories: flushing.begin(in: directory))
  }

  /// A durable commit has made everything before it durable too.
  func wasFlushed() {
    flushedOffset = logEndOffset
    bytesSinceFlush = 0
    flushing.unflushedSinceMs = nil
  }

  /// When data has waited longer than flush.ms, and, as a closed segment is flushed, after each segment.bytes.
  package func wantsFlush(nowMs: Int64) -> Bool {
    if failure == nil, flushedOffset < logEndOffset, bytesSinceFlush >= config.segmentBytes { return true }
    return hasWaitedLong(nowMs: nowMs)
  }

  package func close(nowMs: Int64) throws(DiskError) {
    if let failure { throw failure }
    try tree.write { transaction throws(DiskError) in try writeSnapshot(transaction) }
    wroteSnapshot()
    try disk.open(tree.path, creating: false).sync()
    try disk.syncDirectory(directory)
    wasFlushed()
  }
}
