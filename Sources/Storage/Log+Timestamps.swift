package import Model
import NIOCore

/// A record found by its time.
package struct TimedOffset: Hashable, Sendable {
  /// Milliseconds since 1970.
  package var timestamp: Int64
  package var offset: Offset
  package var leaderEpoch: LeaderEpoch
}

extension Log {
  /// The first record, in order of offset, whose timestamp is `timestamp` or later; nil when there is none.
  ///
  /// Exact to the record: the time index leads to the neighbourhood, batch headers to the batch, its records to the record.
  package func offset(forTimestamp timestamp: Int64) throws(ReadError) -> TimedOffset? {
    if let failure { throw .diskFailed(failure) }
    do {
      if case .arm(let arm) = store { return try arm.offset(forTimestamp: timestamp, in: self) }
      for segment in segments[segmentIndex(holding: logStartOffset)...] where segment.size > 0 {
        guard try segment.newestEntry().timestamp >= timestamp else { continue }
        if let found = try firstRecord(in: segment, from: timestamp) { return found }
      }
      return nil
    } catch { throw .diskFailed(error) }
  }

  private func firstRecord(in segment: Segment, from timestamp: Int64) throws(DiskError) -> TimedOffset? {
    // No record up to the entry's offset is late enough.
    let before = try segment.timeIndex.last(below: timestamp, on: disk)
    let first = max(before.map { $0.offset + 1 } ?? segment.baseOffset, logStartOffset)
    let position = try segment.offsetIndex.floor(first, on: disk)?.position ?? 0
    var candidates: [(RecordBatchHeader, position: Int)] = []
    var from = position
    while from < segment.size {
      candidates.removeAll(keepingCapacity: true)
      // One candidate at a time: usually the first has the record.
      _ = try scan(segment, from: from) { header, position -> Bool? in
        from = position + header.sizeInBytes
        guard header.maxTimestamp >= timestamp, header.lastOffset >= first else { return nil }
        candidates.append((header, position))
        return true
      }
      guard let (header, position) = candidates.first else { return nil }
      if let found = try record(in: segment, header, at: position, where: { $0 >= timestamp && $1 >= first }) {
        return found
      }
    }
    return nil
  }

  /// The record with the largest timestamp, the first of them; nil in a log without timestamps.
  package func offsetOfMaxTimestamp() throws(ReadError) -> TimedOffset? {
    if let failure { throw .diskFailed(failure) }
    do {
      if case .arm(let arm) = store { return try arm.offsetOfMaxTimestamp(in: self) }
      var best: (segment: Segment, entry: TimeIndex.Entry)?
      for segment in segments where segment.size > 0 {
        let entry = try segment.newestEntry()
        if entry.timestamp > best?.entry.timestamp ?? -1 { best = (segment, entry) }
      }
      guard let (segment, entry) = best else { return nil }
      let index = segmentIndex(holding: segment.baseOffset)
      guard let place = try locate(entry.offset, inSegment: index) else { return nil }
      let header = try scan(segment, from: place.position) { header, _ in header }
      guard let header else { return nil }
      return try record(in: segment, header, at: place.position) { timestamp, _ in timestamp >= entry.timestamp }
    } catch { throw .diskFailed(error) }
  }

  /// The first record of a batch that fits; nil when none does. A batch whose records cannot be read answers as one.
  private func record(
    in segment: Segment, _ header: RecordBatchHeader, at position: Int, where fits: (Int64, Offset) -> Bool
  ) throws(DiskError) -> TimedOffset? {
    var bytes = ByteBuffer()
    let range = FileRange(file: try segment.file(), position: position, length: header.sizeInBytes)
    _ = try range.read(into: &bytes)
    guard let batch = try? RecordBatch(viewing: bytes, checkingCRC: false) else {
      guard fits(header.maxTimestamp, header.lastOffset) else { return nil }
      return TimedOffset(
        timestamp: header.maxTimestamp, offset: header.baseOffset, leaderEpoch: header.partitionLeaderEpoch)
    }
    return batch.firstRecord(where: fits)
  }

  /// Where segments begin and, in front, where the log ends, newest first: all that ListOffsets version 0 knows of time.
  ///
  /// - Parameters:
  ///   - time: leaves out what is newer: segments last written later, and the end, which counts as written now.
  ///   - max: how many at most.
  package func boundaries(writtenUpTo time: Int64, nowMs: Int64, max: Int) -> [Offset] {
    if case .arm(let arm) = store { return arm.boundaries(in: self, writtenUpTo: time, nowMs: nowMs, max: max) }
    var found = segments.reversed().map { (offset: Swift.max($0.baseOffset, logStartOffset), ms: $0.modifiedMs) }
    if active.size > 0 { found.insert((logEndOffset, nowMs), at: 0) }
    return found.drop { $0.ms > time }.prefix(Swift.max(0, max)).map(\.offset)
  }

  // MARK: Transactions

  /// The aborted transactions that have records between two offsets, oldest marker first.
  package func abortedTransactions(from: Offset, upTo: Offset) throws(ReadError) -> [AbortedTransaction] {
    do {
      if case .arm(let arm) = store { return try arm.abortedTransactions(from: from, upTo: upTo) }
      var found: [AbortedTransaction] = []
      for segment in segments[segmentIndex(holding: from)...] {
        for transaction in try segment.transactionIndex.all(on: disk) {
          if transaction.lastOffset >= from && transaction.firstOffset < upTo { found.append(transaction) }
          // Whatever was open then had begun at or after `upTo`.
          if transaction.lastStableOffset >= upTo { return found }
        }
      }
      return found
    } catch { throw .diskFailed(error) }
  }
}

extension RecordBatch {
  /// The first record that fits; nil when none does. A batch whose records cannot be read answers as one record.
  package func firstRecord(where fits: (Int64, Offset) -> Bool) -> TimedOffset? {
    var found: TimedOffset?
    do {
      try forEachRecord { record in
        guard found == nil, fits(record.timestamp, record.offset) else { return }
        found = TimedOffset(
          timestamp: record.timestamp, offset: record.offset, leaderEpoch: header.partitionLeaderEpoch)
      }
    } catch {
      guard fits(header.maxTimestamp, header.lastOffset) else { return nil }
      return TimedOffset(
        timestamp: header.maxTimestamp, offset: header.baseOffset, leaderEpoch: header.partitionLeaderEpoch)
    }
    return found
  }
}
