package import Model
package import NIOCore

/// One partition's log: segments of batches, back to back, in Kafka's own files.
///
/// Offsets rise without gaps from `logStartOffset` to `logEndOffset`, the offset the next record will get. An append
/// that returned is in the page cache: it outlives the process, and the machine once a flush has passed it (`flushedOffset`).
///
/// Not locked, not Sendable: its Partition's `Mutex` owns it, and every call below runs under that lock, except
/// `FlushTicket.run`. Nothing here waits, except for the disk.
package final class Log: LogState {
  /// The disk leaves zeros behind a segment's last batch, as preallocation does.
  private let padsFiles: Bool

  /// In order of base offset; the last, the active one, takes appends. Never empty.
  var segments: [Segment]
  var places = BatchPlaces()
  /// An epoch has begun that `leader-epoch-checkpoint` does not know yet. The flush of its first batch writes it down: until
  /// then recovery reads that batch again, and learns the epoch from it. So the first append to a partition waits for no disk.
  var areEpochsUnwritten = false
  /// Files renamed away, and when they may be removed.
  var deleted: [DeletedFiles] = []

  struct DeletedFiles {
    var paths: [String]
    var removableAtMs: Int64
  }

  /// See `Log.open` and `Log.create`.
  init(_ start: Start, segments: [Segment]) {
    padsFiles = (start.disk as? SwitchedDisk)?.padsFiles ?? false
    self.segments = segments
    super.init(start)
    check()
  }

  var active: Segment { segments[segments.count - 1] }

  /// Bytes of all segments' batches.
  package var sizeInBytes: Int { segments.reduce(0) { $0 + $1.size } }
  package var segmentCount: Int { segments.count }
  package var baseOffsets: [Offset] { segments.map(\.baseOffset) }

  func check() {
    checkOffsets()
    precondition(
      active.baseOffset <= logEndOffset, "segment \(active.baseOffset) begins past the end \(logEndOffset)")
  }

  // MARK: Appending

  /// Appends a producer's batch: it gets the next offsets and the leader's epoch.
  ///
  /// The batch's bytes are the caller's to have checked (`RecordBatch(viewing:)`). A batch its producer sent before is not written again:
  /// the answer is the first one's. On an error nothing was appended.
  package func append(
    _ batch: RecordBatch, leaderEpoch: LeaderEpoch, nowMs: Int64
  ) throws(AppendError) -> Appended {
    try append(batch, leaderEpoch: leaderEpoch, nowMs: nowMs) { header, marker throws(AppendError) in
      try withUnsafeTemporaryAllocation(byteCount: BatchField.records, alignment: 8) { head throws(AppendError) in
        header.write(to: head)
        try batch.body.withUnsafeReadableBytes { body throws(AppendError) in
          try store(UnsafeRawBufferPointer(head), body, of: header, marker, nowMs: nowMs)
        }
      }
    }
  }

  /// Appends what a follower fetched: batches that have their offsets and epochs. A torn last batch is left out.
  ///
  /// Returns the offsets now in the log, nil when `bytes` held no whole batch. Batches that were
  /// written before one that fails stay: the follower fetches on from `logEndOffset`.
  package func appendAsFollower(_ bytes: ByteBuffer, nowMs: Int64) throws(AppendError) -> Appended? {
    try appendFetched(bytes) { header, marker, rest throws(AppendError) in
      try rest.withUnsafeReadableBytes { raw throws(AppendError) in
        let whole = UnsafeRawBufferPointer(rebasing: raw[..<header.sizeInBytes])
        try store(whole, UnsafeRawBufferPointer(start: nil, count: 0), of: header, marker, nowMs: nowMs)
      }
    }
  }

  /// Puts a batch, which comes in one part or two, at the log's end.
  private func store(
    _ head: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer, of header: RecordBatchHeader,
    _ marker: EndTransactionMarker?, nowMs: Int64
  ) throws(AppendError) {
    let segment = try place(header, nowMs: nowMs)
    do { try segment.write(head, body) } catch {
      if !error.isIntact { failure = error.cause }
      throw .diskFailed(error.cause)
    }
    try note(header, marker, in: segment, nowMs: nowMs)
  }

  /// Sees that the active segment can take the batch, and notes its leadership; returns the segment.
  private func place(_ header: RecordBatchHeader, nowMs: Int64) throws(AppendError) -> Segment {
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

  /// Takes note of the batch just written. The index of aborted transactions is the one thing that may fail here;
  /// the batch is in the log already, so the log is then offline until recovery has made the index again.
  private func note(
    _ header: RecordBatchHeader, _ marker: EndTransactionMarker?, in segment: Segment, nowMs: Int64
  ) throws(AppendError) {
    places.appended(header.baseOffset, at: segment.size, in: segment.baseOffset)
    segment.wrote(header, indexIntervalBytes: config.indexIntervalBytes, nowMs: nowMs)
    logEndOffset = header.nextOffset
    flushing.appended(nowMs: nowMs)
    do { try noteProducer(header, marker, in: segment) } catch {
      failure = error
      throw .offline(error)
    }
  }

  /// Tells the producer state of a batch, and the transaction index of an abort.
  func noteProducer(_ header: RecordBatchHeader, _ marker: EndTransactionMarker?, in segment: Segment) throws(DiskError)
  {
    guard let marker else {
      return header.attributes.isControl ? producers.endOffset = header.nextOffset : producers.appended(header)
    }
    guard let completed = producers.appended(marker, header), completed.isAborted else { return }
    try segment.transactionIndex.append(
      AbortedTransaction(
        producerID: completed.producerID, firstOffset: completed.firstOffset, lastOffset: completed.lastOffset,
        lastStableOffset: producers.lastStableOffset(after: completed)), on: disk)
  }

  // MARK: Rolling

  /// Closes the active segment and begins one at `offset`, if the active one has anything.
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

  /// The segment takes no more batches; a file that is longer than they are is cut.
  func finish(_ segment: Segment) throws(DiskError) {
    var config = config
    if padsFiles { config.preallocate = true }
    try segment.finish(config: config)
  }

  /// Makes a segment's files, all or none: an empty segment left behind would hide what is appended before it.
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

  /// Writes the producers as of the log's end, which is where the next segment begins.
  func writeSnapshot() throws(DiskError) {
    let path = "\(directory)/\(Segment.name(logEndOffset))\(ProducerSnapshot.suffix)"
    let file = try disk.open(path, creating: true)
    let bytes = ProducerSnapshot.encode(producers)
    try file.truncate(to: 0)
    try file.write(bytes, at: 0)
  }
}
