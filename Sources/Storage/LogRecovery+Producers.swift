import Model
import NIOCore

/// Who has produced to the log, and which transactions were open, as of an offset.
extension LogRecovery {
  /// Restores the producers as of `end`, from a snapshot at or before it and the batches since.
  ///
  /// - Parameter rereadingBytes: use a snapshot at most this many bytes of segments before `end`.
  mutating func producers(at end: Offset, rereadingBytes: Int = 0) throws(DiskError) -> ProducerState {
    let start = rereadStart(before: end, bytes: rereadingBytes)
    var found = ProducerState()
    found.endOffset = segments.first?.baseOffset ?? 0
    // Before the first offset of all there were no producers.
    if start > 0 {
      if let snapshot = try snapshot(notAfter: start) {
        found = snapshot
      } else if let snapshot = try snapshot(notAfter: end) {
        found = snapshot
      }
    }
    producers = found
    for (index, segment) in segments.enumerated() {
      let next = index + 1 < segments.count ? segments[index + 1].baseOffset : Offset(.max)
      guard next > producers.endOffset, segment.baseOffset < end, producers.endOffset < end else { continue }
      try replay(segment, to: end)
    }
    return producers
  }

  /// Returns the base offset of the earliest run of segments that ends at `end` with at most `bytes`; `end` without one.
  private func rereadStart(before end: Offset, bytes: Int) -> Offset {
    var (start, left) = (end, bytes)
    for segment in segments.reversed() where segment.baseOffset < end {
      left -= segment.size
      guard left >= 0 else { break }
      start = segment.baseOffset
    }
    return start
  }

  /// Returns the newest readable snapshot; unreadable ones are removed.
  private mutating func snapshot(notAfter end: Offset) throws(DiskError) -> ProducerState? {
    for offset in snapshots.reversed() where offset <= end {
      let path = "\(directory)/\(Segment.name(offset))\(ProducerSnapshot.suffix)"
      if let bytes = try disk.contents(of: path), let state = ProducerSnapshot.decode(bytes, endOffset: offset) {
        return state
      }
      try disk.remove(path)
      snapshots.removeAll { $0 == offset }
    }
    return nil
  }

  private mutating func replay(_ segment: Segment, to end: Offset) throws(DiskError) {
    let file = try segment.file()
    let from = try segment.offsetIndex.floor(producers.endOffset, on: disk)?.position ?? 0
    var log = self
    try withBuffer(BatchScan.replayBytes) { buffer throws(DiskError) in
      var scan = BatchScan(file, from: from, to: segment.size, checkingCRC: false, buffer: buffer)
      while case .batch(let header, let position) = try scan.next() {
        if header.baseOffset < log.producers.endOffset { continue }
        if header.baseOffset >= end { break }
        try log.note(header, at: position, in: segment, indexingAborts: false)
      }
    }
    self = log
  }

  mutating func note(
    _ header: RecordBatchHeader, at position: Int, in segment: Segment, indexingAborts: Bool
  ) throws(DiskError) {
    guard header.attributes.isControl else { return producers.appended(header) }
    let body = try segment.file().file.read(
      header.sizeInBytes - BatchField.records, at: position + BatchField.records)
    let batch = RecordBatch(header: header, body: ByteBuffer(bytes: body))
    guard let marker = (try? EndTransactionMarker(reading: batch)) ?? nil else {
      return producers.appendedControl(header)
    }
    guard let completed = producers.appended(marker, header), completed.isAborted, indexingAborts else { return }
    try segment.transactionIndex.append(
      AbortedTransaction(
        producerID: completed.producerID, firstOffset: completed.firstOffset, lastOffset: completed.lastOffset,
        lastStableOffset: producers.lastStableOffset(after: completed)), on: disk)
  }

  mutating func writeSnapshot(at offset: Offset) throws(DiskError) {
    let path = "\(directory)/\(Segment.name(offset))\(ProducerSnapshot.suffix)"
    let file = try disk.open(path, creating: true)
    try file.truncate(to: 0)
    try file.write(ProducerSnapshot.encode(producers), at: 0)
    snapshots.append(offset)
  }

  mutating func removeSnapshots(after end: Offset) throws(DiskError) {
    for offset in snapshots where offset > end {
      try disk.remove("\(directory)/\(Segment.name(offset))\(ProducerSnapshot.suffix)")
    }
    snapshots.removeAll { $0 > end }
  }
}
