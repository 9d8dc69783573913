import Model
import NIOCore
package import Storage

/// A log's batches in a B+tree by base offset: what a broker would be whose authors had taken a database's structure instead of
/// Kafka's files. It does what segments do, and is compared with them.
///
/// Every change is one transaction: a batch together with what it changes in the other tables. So there is
/// nothing to recover after a kill, but for what is only kept in memory. Bytes are copied out of the file's mapping
/// when they are read: LMDB uses a page again as soon as no transaction sees it, so no file range could be sent later.
package final class TreeArm: StoreArm {
  let tree: BTree
  let directory: String
  let disk: any Disk

  package internal(set) var sizeInBytes = 0
  /// Bytes of all batches up to the last: each batch is stored with the count that includes it.
  var bytesEver: UInt64 = 0
  package internal(set) var bytesSinceFlush = 0
  /// The timestamp of the last entry of `times`; -1 when that is empty.
  var newestIndexed: Int64 = -1
  /// Offsets of the producer snapshots, rising.
  var snapshots: [Offset] = []
  var bytesSinceSnapshot = 0
  var modifiedMs: Int64

  /// A snapshot of the producers for so many bytes of batches. A snapshot has each producer's last batch only, so opening the log
  /// after a crash goes back so far at least, to know the four before it.
  static let snapshotBytes = 8 << 20
  static let snapshotsKept = 3
  /// In front of each batch in its table: `bytesEver` with it.
  static let prefixBytes = 8

  init(_ tree: BTree, in directory: String, on disk: any Disk, nowMs: Int64) {
    self.tree = tree
    self.directory = directory
    self.disk = disk
    modifiedMs = nowMs
  }

  // MARK: Appending

  package func append(
    _ batch: ArmAppend, to log: Log, nowMs: Int64, _ fill: (UnsafeMutableRawBufferPointer) -> Void
  ) throws(DiskError) -> Bool {
    let header = batch.header
    let size = header.sizeInBytes
    let takesSnapshot = bytesSinceSnapshot + size > Self.snapshotBytes
    let total = bytesEver + UInt64(size)
    let key = UInt64(header.baseOffset.rawValue)
    tree.isDurable = log.config.flushBeforeAcknowledge
    try tree.write { transaction throws(DiskError) in
      try transaction.put(key, in: .batches, count: Self.prefixBytes + size, isLast: true) { room in
        room.storeBytes(of: total.bigEndian, as: UInt64.self)
        fill(UnsafeMutableRawBufferPointer(rebasing: room[Self.prefixBytes...]))
      }
      if header.maxTimestamp > newestIndexed {
        var base: [UInt8] = []
        base.appendBigEndian(header.baseOffset.rawValue)
        try transaction.put(UInt64(header.maxTimestamp), in: .times, base, isLast: true)
      }
      if let epochs = batch.epochs { try transaction.put(.epochs, epochs.encoded()) }
      if let aborted = batch.aborted {
        try transaction.put(UInt64(aborted.lastOffset.rawValue), in: .aborted, TransactionIndex.encode(aborted))
      }
      if takesSnapshot { try writeSnapshot(of: log, transaction) }
    }
    if takesSnapshot { wroteSnapshot(of: log) }
    newestIndexed = max(newestIndexed, header.maxTimestamp)
    bytesEver = total
    bytesSinceSnapshot += size
    bytesSinceFlush = tree.isDurable ? 0 : bytesSinceFlush + size
    sizeInBytes += size
    modifiedMs = nowMs
    return tree.isDurable
  }

  package func isFatal(_ error: DiskError) -> Bool { BTree.isFatal(error) }

  /// The producers as of the log's end, under its offset.
  private func writeSnapshot(of log: Log, _ transaction: BTreeTransaction) throws(DiskError) {
    let end = log.logEndOffset
    try transaction.put(UInt64(end.rawValue), in: .producers, log.producerSnapshot)
    let others = snapshots.filter { $0 != end }
    for old in others.dropLast(Self.snapshotsKept - 1) {
      try transaction.withCursor(.producers) { cursor throws(DiskError) in
        if let entry = try cursor.ceiling(UInt64(old.rawValue)), entry.key == UInt64(old.rawValue) {
          try cursor.remove()
        }
      }
    }
  }

  private func wroteSnapshot(of log: Log) {
    let end = log.logEndOffset
    snapshots = snapshots.filter { $0 != end }.suffix(Self.snapshotsKept - 1) + [end]
    bytesSinceSnapshot = 0
  }

  // MARK: Flushing

  /// LMDB's file, which `fdatasync` makes as durable as `mdb_env_sync` would.
  package func filesToSync(of log: Log) throws(DiskError) -> [SegmentFile] {
    bytesSinceFlush = 0
    return [SegmentFile(try disk.open(tree.path, creating: false), path: tree.path)]
  }

  package func close(_ log: Log) throws(DiskError) {
    try tree.write { transaction throws(DiskError) in try writeSnapshot(of: log, transaction) }
    wroteSnapshot(of: log)
    try disk.open(tree.path, creating: false).sync()
    try disk.syncDirectory(directory)
    bytesSinceFlush = 0
  }
}

extension LeaderEpochs {
  private static let entryBytes = 12

  /// `epoch 4 │ start offset 8`, for each.
  func encoded() -> [UInt8] {
    var bytes: [UInt8] = []
    for entry in entries {
      bytes.appendBigEndian(entry.epoch)
      bytes.appendBigEndian(entry.startOffset.rawValue)
    }
    return bytes
  }

  init(decoding bytes: UnsafeRawBufferPointer) {
    self.init(
      stored: stride(from: 0, to: bytes.count - bytes.count % Self.entryBytes, by: Self.entryBytes).map { at in
        (bytes.bigEndian(at: at, as: Int32.self), bytes.bigEndian(at: at + 4, as: Int64.self))
      })
  }
}
