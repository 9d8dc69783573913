package import Model
import NIOCore

/// Appends to segments, and rolls them.
extension Log {
  var active: Segment { segments[segments.count - 1] }
  package var segmentCount: Int { segments.count }
  package var baseOffsets: [Offset] { segments.map(\.baseOffset) }

  // MARK: Appending

  /// Appends a batch with the header that the log has given it.
  @inline(__always)
  func append(
    _ header: RecordBatchHeader, _ body: ByteBuffer, _ marker: EndTransactionMarker?, nowMs: Int64
  ) throws(AppendError) {
    try withUnsafeTemporaryAllocation(byteCount: BatchField.records, alignment: 8) { head throws(AppendError) in
      header.write(to: head)
      try body.withUnsafeReadableBytes { body throws(AppendError) in
        try append(header, UnsafeRawBufferPointer(head), body, marker, nowMs: nowMs)
      }
    }
  }

  /// Appends a batch, given in one part or two.
  func append(
    _ header: RecordBatchHeader, _ head: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer,
    _ marker: EndTransactionMarker?, nowMs: Int64
  ) throws(AppendError) {
    let segment = try place(header, nowMs: nowMs)
    do { try segment.write(head, body) } catch {
      if !error.isIntact { failure = error.cause }
      throw .diskFailed(error.cause)
    }
    try note(header, marker, in: segment, nowMs: nowMs)
  }

  /// Returns the active segment, rolled if the batch does not fit, and records the batch's leader epoch.
  func place(_ header: RecordBatchHeader, nowMs: Int64) throws(AppendError) -> Segment {
    var segment = active
    do {
      if try segment.mustRoll(for: header, bytes: header.sizeInBytes, config: config, nowMs: nowMs) {
        try roll(to: header.baseOffset, nowMs: nowMs)
        segment = active
      }
    } catch { throw .diskFailed(error) }
    if header.partitionLeaderEpoch != epochs.latest,
      epochs.assign(header.partitionLeaderEpoch, startOffset: header.baseOffset)
    {
      areEpochsUnwritten = true
    }
    return segment
  }

  func writeEpochs() throws(DiskError) {
    try epochs.write(to: directory, on: disk)
    areEpochsUnwritten = false
  }

  /// Records the batch just written. Only the index of aborted transactions can fail here; the batch is already in the log, so
  /// the log then goes offline until recovery has rebuilt the index.
  private func note(
    _ header: RecordBatchHeader, _ marker: EndTransactionMarker?, in segment: Segment, nowMs: Int64
  ) throws(AppendError) {
    notePlace(of: header, in: segment, nowMs: nowMs)
    do { try noteProducer(header, marker, in: segment) } catch {
      failure = error
      throw .offline(error)
    }
  }

  @inline(__always)
  func notePlace(of header: RecordBatchHeader, in segment: Segment, nowMs: Int64) {
    places.appended(header.baseOffset, at: segment.size, in: segment.baseOffset)
    segment.wrote(header, indexIntervalBytes: config.indexIntervalBytes, nowMs: nowMs)
    logEndOffset = header.nextOffset
    flushing.appended(nowMs: nowMs)
  }

  /// Updates the producer state with a batch, and the transaction index with an abort.
  func noteProducer(_ header: RecordBatchHeader, _ marker: EndTransactionMarker?, in segment: Segment) throws(DiskError)
  {
    guard let marker else {
      return header.attributes.isControl ? producers.appendedControl(header) : producers.appended(header)
    }
    guard let completed = producers.appended(marker, header), completed.isAborted else { return }
    try segment.transactionIndex.append(
      AbortedTransaction(
        producerID: completed.producerID, firstOffset: completed.firstOffset, lastOffset: completed.lastOffset,
        lastStableOffset: producers.lastStableOffset(after: completed)), on: disk)
  }

  // MARK: Rolling

  /// Closes the active segment and begins one at `offset`, unless the active one is empty.
  package func roll(nowMs: Int64) throws(AppendError) {
    try checkUsable()
    guard active.size > 0 else { return }
    do { try roll(to: logEndOffset, nowMs: nowMs) } catch { throw .diskFailed(error) }
  }

  func roll(to offset: Offset, nowMs: Int64) throws(DiskError) {
    let before = active
    if before.size == 0 && before.baseOffset == offset { return }
    try finish(before)
    try writeSnapshot()
    let segment = try makeSegment(at: offset, nowMs: nowMs)
    if before.size == 0 {
      // A follower told to begin far ahead: the empty segment would stand for offsets that never were.
      segments.removeLast()
      deleted.append(
        DeletedFiles(
          paths: try before.markDeleted(), removableAtMs: nowMs.addingClamped(config.fileDeleteDelayMs)))
    }
    segments.append(segment)
    flushing.rolled(from: before)
  }

  /// Closes a segment; a file longer than its batches is truncated.
  func finish(_ segment: Segment) throws(DiskError) {
    // To cut the file to its length would fill what is missing with zeros.
    try check(segment)
    var config = config
    if disk.padsFiles { config.preallocate = true }
    try segment.finish(config: config)
  }

  /// Looks whether another program has cut or removed the file that is appended to, when something was appended since the last
  /// look.
  ///
  /// - Throws: when it has. The log is offline then, until it is opened again and what is missing is told.
  package func look() throws(DiskError) {
    guard case .segments = store, failure == nil, active.size != lookedAtSize else { return }
    try check(active)
    lookedAtSize = active.size
  }

  /// Takes the log offline because its files cannot be used: it takes and gives nothing until it is opened again.
  package func fail(_ cause: DiskError) { failure = failure ?? cause }

  private func check(_ segment: Segment) throws(DiskError) {
    do { try segment.checkWhole() } catch {
      failure = failure ?? error
      throw error
    }
  }

  /// Where the log ends: the file that is appended to.
  package var activePath: String {
    if case .segments = store { active.path + LogFileSuffix.log } else { directory }
  }

  /// Creates a segment's files, all or none: an empty segment left behind would hide batches appended before it.
  func makeSegment(at offset: Offset, nowMs: Int64) throws(DiskError) -> Segment {
    do {
      return try Segment.create(disk: disk, directory: directory, baseOffset: offset, config: config, nowMs: nowMs)
    } catch {
      for suffix in Segment.suffixes where suffix != ProducerSnapshot.suffix {
        do { try disk.remove("\(directory)/\(Segment.name(offset))\(suffix)") } catch let second { failure = second }
      }
      throw error
    }
  }

  /// Writes a producer snapshot at the log end, where the next segment begins.
  func writeSnapshot() throws(DiskError) {
    let path = "\(directory)/\(Segment.name(logEndOffset))\(ProducerSnapshot.suffix)"
    let file = try disk.open(path, creating: true)
    let bytes = ProducerSnapshot.encode(producers)
    try file.truncate(to: 0)
    try file.write(bytes, at: 0)
  }
}
