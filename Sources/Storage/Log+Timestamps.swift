package import Model
import NIOCore

/// A record found by its time.
package struct TimedOffset: Hashable, Sendable {
  /// Milliseconds since 1970.
  package var timestamp: Int64
  package var offset: Offset
  package var leaderEpoch: LeaderEpoch
}

/// A batch that may hold the record that is looked for by its time. It is read and unpacked without its log's lock.
package struct TimedBatch: Sendable {
  package let header: RecordBatchHeader
  private let range: FileRange

  package init(_ range: FileRange, _ header: RecordBatchHeader) {
    self.range = range
    self.header = header
  }

  /// The first record that fits; nil when none does. A batch whose records cannot be read answers as one record.
  ///
  /// - Parameters:
  ///   - allowance: bytes that may still be unpacked; what this batch takes is taken off.
  ///   - whole: what `allowance` was before the first batch: a batch that unpacks to more is not looked into.
  /// - Throws: `unpacksTooMuch` when what is left of the allowance does not suffice, though the whole may.
  package func firstRecord(
    allowance: inout Int, of whole: Int, where fits: (_ timestamp: Int64, Offset) -> Bool
  ) throws(ReadError) -> TimedOffset? {
    let isCompressed = header.attributes.codecNumber != 0
    guard !isCompressed || allowance > 0 else { throw .unpacksTooMuch }
    var bytes = ByteBuffer()
    do { _ = try range.read(into: &bytes) } catch { throw .diskFailed(error) }
    guard let batch = try? RecordBatch(viewing: bytes, checkingCRC: false) else { return asOneRecord(fits) }
    let records: ByteBuffer
    do {
      records = try batch.recordBytes(limit: isCompressed ? allowance : .max)
    } catch {
      guard case .unpacksTooLarge(let limit) = error else { return asOneRecord(fits) }
      allowance = 0
      guard limit >= whole else { throw .unpacksTooMuch }
      return asOneRecord(fits)
    }
    if isCompressed { allowance -= records.readableBytes }
    return records.withUnsafeReadableBytes { raw in
      var walk = RecordWalk(batch.header, raw)
      do throws(RecordBatchError) {
        while let view = try walk.next() {
          guard fits(view.timestamp, view.offset) else { continue }
          return TimedOffset(
            timestamp: view.timestamp, offset: view.offset, leaderEpoch: header.partitionLeaderEpoch)
        }
        return nil
      } catch { return asOneRecord(fits) }
    }
  }

  private func asOneRecord(_ fits: (Int64, Offset) -> Bool) -> TimedOffset? {
    guard fits(header.maxTimestamp, header.lastOffset) else { return nil }
    return TimedOffset(
      timestamp: header.maxTimestamp, offset: header.baseOffset, leaderEpoch: header.partitionLeaderEpoch)
  }
}

extension Log {
  /// The first record, in order of offset, whose timestamp is `timestamp` or later; nil when there is none. Exact to the record.
  package func offset(forTimestamp timestamp: Int64) throws(ReadError) -> TimedOffset? {
    let start = logStartOffset
    let whole = RecordLimits.decompressedBatchBytes
    var from = start
    while let batch = try batch(forTimestamp: timestamp, from: from) {
      var allowance = whole
      let found = try batch.firstRecord(allowance: &allowance, of: whole) { $0 >= timestamp && $1 >= start }
      if let found { return found }
      from = batch.header.nextOffset
    }
    return nil
  }

  /// The record with the largest timestamp, the first of them; nil in a log without timestamps.
  package func offsetOfMaxTimestamp() throws(ReadError) -> TimedOffset? {
    guard let batch = try batchOfMaxTimestamp() else { return nil }
    let whole = RecordLimits.decompressedBatchBytes
    var allowance = whole
    return try batch.firstRecord(allowance: &allowance, of: whole) { timestamp, _ in
      timestamp >= batch.header.maxTimestamp
    }
  }
}

extension Log {
  /// The first batch at or after `from` whose largest timestamp is `timestamp` or later; nil when there is none.
  ///
  /// The time index leads to the neighbourhood, batch headers to the batch.
  package func batch(forTimestamp timestamp: Int64, from: Offset) throws(ReadError) -> TimedBatch? {
    if let failure { throw .diskFailed(failure) }
    do {
      if case .arm(let arm) = store { return try arm.batch(forTimestamp: timestamp, from: from) }
      for segment in segments[segmentIndex(holding: from)...] where segment.size > 0 {
        guard try segment.newestEntry().timestamp >= timestamp else { continue }
        if let found = try batch(in: segment, forTimestamp: timestamp, from: from) { return found }
      }
      return nil
    } catch { throw .diskFailed(error) }
  }

  private func batch(
    in segment: Segment, forTimestamp timestamp: Int64, from: Offset
  ) throws(DiskError) -> TimedBatch? {
    // No record up to the entry's offset is late enough.
    let before = try segment.timeIndex.last(below: timestamp, on: disk)
    let first = max(before.map { $0.offset + 1 } ?? segment.baseOffset, from)
    let position = try segment.offsetIndex.floor(first, on: disk)?.position ?? 0
    let file = try segment.file()
    return try scan(segment, from: position) { header, position in
      guard header.maxTimestamp >= timestamp, header.lastOffset >= first else { return nil }
      return TimedBatch(FileRange(file: file, position: position, length: header.sizeInBytes), header)
    }
  }

  /// The batch with the largest timestamp of all, the first of them; nil in a log without timestamps.
  package func batchOfMaxTimestamp() throws(ReadError) -> TimedBatch? {
    if let failure { throw .diskFailed(failure) }
    do {
      if case .arm(let arm) = store { return try arm.batchOfMaxTimestamp(in: self) }
      var best: (segment: Segment, entry: TimeIndex.Entry)?
      for segment in segments where segment.size > 0 {
        let entry = try segment.newestEntry()
        if entry.timestamp > best?.entry.timestamp ?? -1 { best = (segment, entry) }
      }
      guard let (segment, entry) = best else { return nil }
      guard let place = try locate(entry.offset, inSegment: segmentIndex(holding: segment.baseOffset)) else {
        return nil
      }
      let file = try segment.file()
      return try scan(segment, from: place.position) { header, position in
        TimedBatch(FileRange(file: file, position: position, length: header.sizeInBytes), header)
      }
    } catch { throw .diskFailed(error) }
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
        guard try segment.transactionIndex.find(from: from, upTo: upTo, adding: &found, on: disk) else { return found }
      }
      return found
    } catch { throw .diskFailed(error) }
  }
}
