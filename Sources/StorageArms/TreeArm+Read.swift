package import Model
import NIOCore
package import Storage

/// A batch as it stands in the tree's file: valid within the transaction that found it.
struct StoredBatch {
  let header: RecordBatchHeader
  /// Header and records.
  let bytes: UnsafeRawBufferPointer
  /// The bytes of all batches up to and with this one.
  let total: UInt64

  /// - Throws: when the entry is no batch of its key.
  init(_ entry: BTreeCursor.Entry, _ path: String) throws(DiskError) {
    guard entry.value.count >= TreeArm.prefixBytes + BatchField.records else {
      throw DiskError("read batch \(entry.key)", path, code: DiskError.unexpectedEnd)
    }
    total = entry.value.bigEndian(at: 0, as: UInt64.self)
    bytes = UnsafeRawBufferPointer(rebasing: entry.value[TreeArm.prefixBytes...])
    header = RecordBatchHeader(reading: bytes)
    guard (try? header.check(available: bytes.count)) != nil, header.sizeInBytes == bytes.count,
      UInt64(exactly: header.baseOffset.rawValue) == entry.key
    else { throw DiskError("read batch \(entry.key)", path, code: DiskError.unexpectedEnd) }
  }

  /// A copy that may leave the transaction.
  func copy() throws(RecordBatchError) -> RecordBatch {
    try RecordBatch(viewing: ByteBuffer(bytes: bytes), checkingCRC: false)
  }
}

extension TreeArm {
  package func read(
    from offset: Offset, bound: Offset, maxBytes: Int, atLeastOneBatch: Bool
  ) throws(DiskError) -> LogSlice {
    try tree.read { transaction throws(DiskError) in
      try transaction.withCursor(.batches) { cursor throws(DiskError) in
        try slice(cursor, from: offset, bound: bound, maxBytes: maxBytes, atLeastOneBatch: atLeastOneBatch)
      }
    }
  }

  private func slice(
    _ cursor: BTreeCursor, from offset: Offset, bound: Offset, maxBytes: Int, atLeastOneBatch: Bool
  ) throws(DiskError) -> LogSlice {
    var next = try batch(holding: offset, cursor)
    var found: [UnsafeRawBufferPointer] = []
    var byteCount = 0
    var end = offset
    while let batch = next, batch.header.nextOffset <= bound {
      let fits = byteCount + batch.bytes.count <= max(0, maxBytes)
      guard fits || (found.isEmpty && atLeastOneBatch) else { break }
      found.append(batch.bytes)
      byteCount += batch.bytes.count
      end = batch.header.nextOffset
      next = try cursor.next().map { entry throws(DiskError) in try StoredBatch(entry, tree.path) }
    }
    guard !found.isEmpty else { return .empty(at: offset) }
    var bytes = ByteBuffer()
    bytes.reserveCapacity(byteCount)
    for part in found { bytes.writeBytes(part) }
    return LogSlice(FileRange(inMemory: bytes, path: tree.path), firstOffset: offset, nextOffset: end)
  }

  /// The first batch whose last offset is `offset` or more; the cursor stands at it.
  func batch(holding offset: Offset, _ cursor: BTreeCursor) throws(DiskError) -> StoredBatch? {
    if let before = try cursor.floor(UInt64(max(0, offset.rawValue))) {
      let batch = try StoredBatch(before, tree.path)
      if batch.header.lastOffset >= offset { return batch }
      return try cursor.next().map { entry throws(DiskError) in try StoredBatch(entry, tree.path) }
    }
    return try cursor.first().map { entry throws(DiskError) in try StoredBatch(entry, tree.path) }
  }

  /// Looks at the batches from the one that holds `offset` on, until `body` has an answer.
  func scan<Answer>(
    from offset: Offset, _ body: (StoredBatch) throws(DiskError) -> Answer?
  ) throws(DiskError) -> Answer? {
    try tree.read { transaction throws(DiskError) in
      try transaction.withCursor(.batches) { cursor throws(DiskError) -> Answer? in
        var next = try batch(holding: offset, cursor)
        while let batch = next {
          if let answer = try body(batch) { return answer }
          next = try cursor.next().map { entry throws(DiskError) in try StoredBatch(entry, tree.path) }
        }
        return nil
      }
    }
  }

  // MARK: Time

  package func batch(forTimestamp timestamp: Int64, from: Offset) throws(DiskError) -> TimedBatch? {
    guard let found = try candidate(forTimestamp: timestamp, from: from) else { return nil }
    return try scan(from: max(found, from)) { batch throws(DiskError) -> TimedBatch? in
      batch.header.maxTimestamp >= timestamp ? timed(batch) : nil
    }
  }

  /// A copy: the bytes are the transaction's.
  private func timed(_ batch: StoredBatch) -> TimedBatch {
    TimedBatch(FileRange(inMemory: ByteBuffer(bytes: batch.bytes), path: tree.path), batch.header)
  }

  /// A batch before which none holds a record of `timestamp` or later; nil when there is no such record.
  ///
  /// `times` has an entry for each batch that raised the largest timestamp of those before it, so the first entry that is late
  /// enough names the first batch that is. Only batches before the first entry are not known to it: those whose like went
  /// with the front of the log. Worked case: timestamps 10, 5, 7, 20; the first batch is deleted. `times` is 20 → 3, and a
  /// search for 6 must find batch 2.
  private func candidate(forTimestamp timestamp: Int64, from: Offset) throws(DiskError) -> Offset? {
    let (first, late) = try tree.read { transaction throws(DiskError) in
      try transaction.withCursor(.times) { cursor throws(DiskError) in
        (try cursor.first().map(Self.base), try cursor.ceiling(UInt64(max(0, timestamp))).map(Self.base))
      }
    }
    var unindexed: Offset?
    _ = try scan(from: from) { batch throws(DiskError) -> Bool? in
      if let first, batch.header.baseOffset >= first { return true }
      guard batch.header.maxTimestamp >= timestamp else { return nil }
      unindexed = batch.header.baseOffset
      return true
    }
    return unindexed ?? late
  }

  private static func base(_ entry: BTreeCursor.Entry) -> Offset {
    Offset(Int64(clamping: entry.number))
  }

  package func batchOfMaxTimestamp(in log: Log) throws(DiskError) -> TimedBatch? {
    let (first, last) = try tree.read { transaction throws(DiskError) in
      try transaction.withCursor(.times) { cursor throws(DiskError) in
        (
          try cursor.first().map(Self.base),
          try cursor.last().map { (base: Self.base($0), timestamp: Int64(clamping: $0.key)) }
        )
      }
    }
    var best = last
    // A batch before the first entry may be later than all entries: see `candidate`.
    var before: (base: Offset, timestamp: Int64)?
    _ = try scan(from: log.logStartOffset) { batch throws(DiskError) -> Bool? in
      if let first, batch.header.baseOffset >= first { return true }
      let timestamp = batch.header.maxTimestamp
      if timestamp > before?.timestamp ?? -1 { before = (batch.header.baseOffset, timestamp) }
      return nil
    }
    if let before, before.timestamp >= best?.timestamp ?? -1 { best = before }
    guard let best else { return nil }
    return try scan(from: best.base) { batch throws(DiskError) in timed(batch) }
  }

  /// The start and, when there are batches, the end: a tree has no segments, which is all that old clients ask about.
  package func boundaries(in log: Log, writtenUpTo time: Int64, nowMs: Int64, max: Int) -> [Offset] {
    var found = [(offset: log.logStartOffset, ms: modifiedMs)]
    if sizeInBytes > 0 { found.insert((log.logEndOffset, nowMs), at: 0) }
    return found.drop { $0.ms > time }.prefix(Swift.max(0, max)).map(\.offset)
  }

  // MARK: Transactions

  package func abortedTransactions(from: Offset, upTo: Offset) throws(DiskError) -> [AbortedTransaction] {
    try tree.read { transaction throws(DiskError) in
      try transaction.withCursor(.aborted) { cursor throws(DiskError) in
        var found: [AbortedTransaction] = []
        var next = try cursor.ceiling(UInt64(max(0, from.rawValue)))
        while let entry = next, let aborted = TransactionIndex.decode(Array(entry.value)).first {
          if aborted.firstOffset < upTo { found.append(aborted) }
          // Whatever was open then had begun at or after `upTo`.
          if aborted.lastStableOffset >= upTo { break }
          next = try cursor.next()
        }
        return found
      }
    }
  }
}
