import CMillrace
import Model
import NIOCore
package import Storage

/// Makes logs whose batches are in a B+tree: `millrace.log.engine=btree`.
package struct TreeArmMaker: StoreArmMaker {
  package init() {}

  package func open(in directory: String, on disk: any Disk, nowMs: Int64) throws(DiskError) -> any StoreArm {
    TreeArm(try BTree("\(directory)/\(BTree.fileName)"), in: directory, on: disk, nowMs: nowMs)
  }
}

extension TreeArm {
  package func stored() throws(DiskError) -> StoredLog {
    let stored = try Stored(tree)
    let end = max(stored.end, stored.last?.header.nextOffset ?? 0)
    snapshots = stored.snapshots
    newestIndexed = stored.newest
    if let first = stored.first, let last = stored.last {
      guard last.total >= first.total, let size = Int(exactly: last.total - first.total), last.total < 1 << 62 else {
        throw DiskError("read the size", tree.path, code: DiskError.unexpectedEnd)
      }
      bytesEver = last.total
      sizeInBytes = size + first.header.sizeInBytes
    }
    return StoredLog(logStartOffset: min(stored.start, end), logEndOffset: end, epochs: stored.epochs)
  }

  /// After a kill the tree is whole, because every change is a transaction; only what is kept in memory is made again, from a
  /// snapshot and the batches since. After any unclean stop the batches behind the recovery point are read, CRCs and all, and
  /// the log ends before the first that is none.
  package func recover(_ log: Log, _ memory: LogMemory, nowMs: Int64) throws(DiskError) {
    if memory.logStartOffset > log.logEndOffset {
      // All that was not flushed is gone, down to below where DeleteRecords had moved the start.
      return try log.truncateFullyAndStart(at: memory.logStartOffset, nowMs: nowMs)
    }
    if !memory.isClean, let damaged = try firstDamage(from: memory.recoveryPoint) { try cut(log, at: damaged) }
    _ = try dropFront(of: log, before: min(memory.logStartOffset, log.logEndOffset))
    try reloadProducers(of: log, rereadingBytes: memory.isClean ? 0 : Self.snapshotBytes)
  }

  /// What the tables say, copied out of them.
  private struct Stored {
    var first: (header: RecordBatchHeader, total: UInt64)?
    var last: (header: RecordBatchHeader, total: UInt64)?
    var start: Offset = 0
    var end: Offset = 0
    var epochs = LeaderEpochs()
    var newest: Int64 = -1
    var snapshots: [Offset] = []

    init(_ tree: BTree) throws(DiskError) {
      var found = Stored()
      try tree.read { transaction throws(DiskError) in
        try transaction.withCursor(.batches) { cursor throws(DiskError) in
          if let entry = try cursor.first() {
            let batch = try StoredBatch(entry, tree.path)
            found.first = (batch.header, batch.total)
          }
          if let entry = try cursor.last() {
            let batch = try StoredBatch(entry, tree.path)
            found.last = (batch.header, batch.total)
          }
        }
        found.start = try Self.offset(.logStart, transaction)
        found.end = try Self.offset(.logEnd, transaction)
        if let epochs = try transaction.value(.epochs) { found.epochs = LeaderEpochs(decoding: epochs) }
        try transaction.withCursor(.times) { cursor throws(DiskError) in
          if let entry = try cursor.last() { found.newest = Int64(clamping: entry.key) }
        }
        try transaction.withCursor(.producers) { cursor throws(DiskError) in
          var next = try cursor.first()
          while let entry = next {
            if let offset = Offset(stored: Int64(clamping: entry.key)) { found.snapshots.append(offset) }
            next = try cursor.next()
          }
        }
      }
      self = found
    }

    private init() {}

    /// 0 where nothing, or no offset, is written.
    private static func offset(_ mark: BTree.Mark, _ transaction: BTreeTransaction) throws(DiskError) -> Offset {
      guard let bytes = try transaction.value(mark), bytes.count == 8 else { return 0 }
      return Offset(stored: bytes.bigEndian(at: 0, as: Int64.self)) ?? 0
    }
  }

  /// The first offset of the first batch from `offset` on that is not what its CRC says.
  private func firstDamage(from offset: Offset) throws(DiskError) -> Offset? {
    try tree.read { transaction throws(DiskError) in
      try transaction.withCursor(.batches) { cursor throws(DiskError) -> Offset? in
        var next = try cursor.ceiling(UInt64(max(0, offset.rawValue)))
        while let entry = next {
          guard let batch = try? StoredBatch(entry, tree.path),
            batch.header.crc == Self.checksum(batch.bytes)
          else { return Offset(Int64(clamping: entry.key)) }
          next = try cursor.next()
        }
        return nil
      }
    }
  }

  private static func checksum(_ batch: UnsafeRawBufferPointer) -> UInt32 {
    millrace_crc32c(0, batch.baseAddress! + BatchField.attributes, batch.count - BatchField.attributes)
  }

  /// Makes the producer state what the tree says up to the log's end.
  ///
  /// - Parameter rereadingBytes: go back to a snapshot before as many bytes of batches.
  func reloadProducers(of log: Log, rereadingBytes: Int = 0) throws(DiskError) {
    let end = log.logEndOffset
    let from = try rereadStart(bytes: rereadingBytes, before: end)
    var state = ProducerState()
    let snapshot = snapshots.last { $0 <= from } ?? snapshots.first { $0 <= end }
    if let snapshot {
      let decoded = try tree.read { transaction throws(DiskError) in
        try transaction.value(UInt64(snapshot.rawValue), in: .producers)
          .flatMap { ProducerSnapshot.decode(Array($0), endOffset: snapshot) }
      }
      if let decoded { state = decoded }
    }
    let begin = state.endOffset
    var bytes = 0
    _ = try scan(from: begin) { batch throws(DiskError) -> Bool? in
      guard batch.header.baseOffset >= begin else { return nil }
      bytes += batch.bytes.count
      if let marker = try Self.marker(batch, tree.path) {
        _ = state.appended(marker, batch.header)
      } else if batch.header.attributes.isControl {
        state.endOffset = batch.header.nextOffset
      } else {
        state.appended(batch.header)
      }
      return nil
    }
    state.endOffset = end
    log.recovered(state)
    bytesSinceSnapshot = bytes
  }

  private static func marker(_ batch: StoredBatch, _ path: String) throws(DiskError) -> EndTransactionMarker? {
    guard batch.header.attributes.isControl else { return nil }
    return (try? EndTransactionMarker(reading: batch.copy())) ?? nil
  }

  /// The first offset of those batches that end the log and have no more than `bytes`.
  private func rereadStart(bytes: Int, before end: Offset) throws(DiskError) -> Offset {
    guard bytes > 0 else { return end }
    return try tree.read { transaction throws(DiskError) in
      try transaction.withCursor(.batches) { cursor throws(DiskError) in
        var (start, left) = (end, bytes)
        var next = try cursor.last()
        while let entry = next {
          left -= entry.value.count - Self.prefixBytes
          guard left >= 0 else { break }
          start = Offset(Int64(clamping: entry.key))
          next = try cursor.previous()
        }
        return start
      }
    }
  }
}
