package import Model
package import NIOCore

/// One partition's log as a B+tree from base offsets to batches: what a broker would be whose authors had taken a
/// database's structure instead of Kafka's files. It does what `Log` does, and is compared with it.
///
/// Every change is one transaction: a batch together with what it changes in the other tables. So there is
/// nothing to recover after a kill, but for what is only kept in memory. Bytes are copied out of the file's mapping
/// when they are read: LMDB uses a page again as soon as no transaction sees it, so no file range could be sent later.
///
/// Not locked, not Sendable: its Partition's `Mutex` owns it, and every call runs under that lock, except `FlushTicket.run`.
package final class BTreeLog: LogState {
  let tree: BTree

  package internal(set) var sizeInBytes = 0
  /// Bytes of all batches up to the last: each batch is stored with the count that includes it.
  var bytesEver: UInt64 = 0
  var bytesSinceFlush = 0
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

  init(_ start: Start, tree: BTree) {
    self.tree = tree
    modifiedMs = start.nowMs
    super.init(start)
    check()
  }

  func check() {
    checkOffsets()
    precondition(sizeInBytes >= 0, "\(sizeInBytes) bytes")
  }

  // MARK: Appending

  package func append(
    _ batch: RecordBatch, leaderEpoch: LeaderEpoch, nowMs: Int64
  ) throws(AppendError) -> Appended {
    try append(batch, leaderEpoch: leaderEpoch, nowMs: nowMs) { header, marker throws(AppendError) in
      try store(header, marker, nowMs: nowMs) { room in
        header.write(to: room)
        batch.body.withUnsafeReadableBytes {
          UnsafeMutableRawBufferPointer(rebasing: room[BatchField.records...]).copyMemory(from: $0)
        }
      }
    }
  }

  package func appendAsFollower(_ bytes: ByteBuffer, nowMs: Int64) throws(AppendError) -> Appended? {
    try appendFetched(bytes) { header, marker, rest throws(AppendError) in
      try store(header, marker, nowMs: nowMs) { room in
        rest.withUnsafeReadableBytes { room.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<room.count])) }
      }
    }
  }

  /// Puts a batch at the log's end, and with it all that must be known of it after a crash; then takes note of it.
  private func store(
    _ header: RecordBatchHeader, _ marker: EndTransactionMarker?, nowMs: Int64,
    _ fill: (UnsafeMutableRawBufferPointer) -> Void
  ) throws(AppendError) {
    var changedEpochs: LeaderEpochs?
    if header.partitionLeaderEpoch != epochs.latest {
      var changed = epochs
      if changed.assign(header.partitionLeaderEpoch, startOffset: header.baseOffset) { changedEpochs = changed }
    }
    // Markers are rare: they alone are told to a copy, because what they end must be written with them.
    var afterMarker: (producers: ProducerState, ended: ProducerState.Completed?)?
    if let marker {
      var changed = producers
      let ended = changed.appended(marker, header)
      afterMarker = (changed, ended)
    }
    let size = header.sizeInBytes
    let takesSnapshot = bytesSinceSnapshot + size > Self.snapshotBytes
    let total = bytesEver + UInt64(size)
    let key = UInt64(header.baseOffset.rawValue)
    tree.isDurable = config.flushBeforeAcknowledge
    do throws(DiskError) {
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
        if let changedEpochs { try transaction.put(.epochs, changedEpochs.encoded()) }
        if let afterMarker, let ended = afterMarker.ended, ended.isAborted {
          let aborted = AbortedTransaction(
            producerID: ended.producerID, firstOffset: ended.firstOffset, lastOffset: ended.lastOffset,
            lastStableOffset: afterMarker.producers.lastStableOffset(after: ended))
          try transaction.put(UInt64(ended.lastOffset.rawValue), in: .aborted, TransactionIndex.encode(aborted))
        }
        if takesSnapshot { try writeSnapshot(transaction) }
      }
    } catch {
      if BTree.isFatal(error) { failure = error }
      throw .diskFailed(error)
    }
    if takesSnapshot { wroteSnapshot() }
    if let changedEpochs { epochs = changedEpochs }
    newestIndexed = max(newestIndexed, header.maxTimestamp)
    if let afterMarker {
      producers = afterMarker.producers
    } else if header.attributes.isControl {
      producers.endOffset = header.nextOffset
    } else {
      producers.appended(header)
    }
    bytesEver = total
    bytesSinceSnapshot += size
    bytesSinceFlush += size
    sizeInBytes += size
    logEndOffset = header.nextOffset
    modifiedMs = nowMs
    flushing.appended(nowMs: nowMs)
    if tree.isDurable { wasFlushed() }
  }

  /// The producers as of the log's end, under its offset.
  func writeSnapshot(_ transaction: BTreeTransaction) throws(DiskError) {
    try transaction.put(UInt64(logEndOffset.rawValue), in: .producers, ProducerSnapshot.encode(producers))
    let others = snapshots.filter { $0 != logEndOffset }
    for old in others.dropLast(Self.snapshotsKept - 1) {
      try transaction.withCursor(.producers) { cursor throws(DiskError) in
        if let entry = try cursor.ceiling(UInt64(old.rawValue)), entry.key == UInt64(old.rawValue) {
          try cursor.remove()
        }
      }
    }
  }

  func wroteSnapshot() {
    snapshots = snapshots.filter { $0 != logEndOffset }.suffix(Self.snapshotsKept - 1) + [logEndOffset]
    bytesSinceSnapshot = 0
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
