package import Model
package import Storage

extension TreeArm {
  /// Deletes batches from the front by the rules by which segments go.
  ///
  /// A segment goes by renaming its files. Here each batch is taken out of the tree, whose file never becomes smaller:
  /// its pages are used again.
  package func applyRetention(to log: Log, nowMs: Int64, highWatermark: Offset) throws(DiskError) -> Int {
    let config = log.config
    let start = log.logStartOffset
    var excess = config.retentionBytes >= 0 ? Int64(sizeInBytes) - config.retentionBytes : -1
    let (byTime, modified) = (config.retentionMs, modifiedMs)
    let deletes = config.deletesOldSegments
    var end = start
    _ = try scan(from: start) { batch throws(DiskError) -> Bool? in
      let header = batch.header
      guard deletes, header.nextOffset <= highWatermark else { return true }
      let timestamp = header.maxTimestamp >= 0 ? header.maxTimestamp : modified
      let isOld = byTime >= 0 && nowMs.subtractingClamped(timestamp) > byTime
      let isExcess = excess >= Int64(header.sizeInBytes)
      guard isOld || isExcess else { return true }
      excess -= Int64(header.sizeInBytes)
      end = header.nextOffset
      return nil
    }
    return try dropFront(of: log, before: end)
  }

  package func dropFront(of log: Log, before offset: Offset) throws(DiskError) -> Int {
    guard offset > log.logStartOffset else { return 0 }
    let end = log.logEndOffset
    var changed = log.epochs
    let hasNewEpochs = changed.raiseStart(to: offset)
    let (count, bytes, newest) = try tree.write { transaction throws(DiskError) in
      var (count, bytes) = (0, 0)
      try transaction.withCursor(.batches) { cursor throws(DiskError) in
        while let entry = try cursor.first() {
          let header = try StoredBatch(entry, tree.path).header
          guard header.nextOffset <= offset else { break }
          count += 1
          bytes += header.sizeInBytes
          try cursor.remove()
        }
      }
      let newest = try transaction.withCursor(.times) { cursor throws(DiskError) -> Int64 in
        let first = try transaction.withCursor(.batches) { batches throws(DiskError) in try batches.first()?.key }
        while let entry = try cursor.first(), entry.number < first ?? .max {
          try cursor.remove()
        }
        return try cursor.last().map { Int64(clamping: $0.key) } ?? -1
      }
      try transaction.withCursor(.aborted) { cursor throws(DiskError) in
        while let entry = try cursor.first(), entry.key < UInt64(offset.rawValue) { try cursor.remove() }
      }
      try transaction.put(.logStart, offset.rawValue)
      try transaction.put(.logEnd, end.rawValue)
      if hasNewEpochs { try transaction.put(.epochs, changed.encoded()) }
      return (count, bytes, newest)
    }
    newestIndexed = newest
    sizeInBytes = max(0, sizeInBytes - bytes)
    log.frontDropped(start: offset, epochs: changed)
    return count
  }

  // MARK: Truncation

  package func truncate(_ log: Log, to offset: Offset) throws(DiskError) {
    let holding = try scan(from: offset) { batch throws(DiskError) in batch.header.baseOffset }
    try cut(log, at: min(offset, holding ?? offset))
    try reloadProducers(of: log)
  }

  package func restart(_ log: Log, at offset: Offset) throws(DiskError) {
    try cut(log, at: Offset(.min), goingOnAt: offset)
  }

  /// Takes out everything from `end` on, which is a batch's first offset.
  func cut(_ log: Log, at end: Offset, goingOnAt restart: Offset? = nil) throws(DiskError) {
    let from = UInt64(max(0, end.rawValue))
    let newEnd = restart ?? end
    let newStart = restart ?? min(log.logStartOffset, end)
    var changed = log.epochs
    let hasNewEpochs = changed.truncate(to: end)
    let (bytes, total, newest) = try tree.write { transaction throws(DiskError) in
      var bytes = 0
      let total = try transaction.withCursor(.batches) { cursor throws(DiskError) -> UInt64 in
        while let entry = try cursor.last(), entry.key >= from {
          bytes += entry.value.count - Self.prefixBytes
          try cursor.remove()
        }
        return try cursor.last().map { $0.number } ?? 0
      }
      let newest = try transaction.withCursor(.times) { cursor throws(DiskError) -> Int64 in
        while let entry = try cursor.last(), entry.number >= from {
          try cursor.remove()
        }
        return try cursor.last().map { Int64(clamping: $0.key) } ?? -1
      }
      try transaction.withCursor(.aborted) { cursor throws(DiskError) in
        while let entry = try cursor.last(), entry.key >= from { try cursor.remove() }
      }
      try transaction.withCursor(.producers) { cursor throws(DiskError) in
        while let entry = try cursor.last(), restart != nil || entry.key > from { try cursor.remove() }
      }
      try transaction.put(.logStart, newStart.rawValue)
      try transaction.put(.logEnd, newEnd.rawValue)
      if hasNewEpochs { try transaction.put(.epochs, changed.encoded()) }
      return (bytes, total, newest)
    }
    newestIndexed = newest
    sizeInBytes = max(0, sizeInBytes - bytes)
    bytesEver = total
    snapshots.removeAll { restart != nil || $0 > end }
    log.truncated(start: newStart, end: newEnd, epochs: changed)
  }
}
