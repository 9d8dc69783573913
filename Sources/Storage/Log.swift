package import Model
package import NIOCore

/// One partition's log: segments of batches, back to back, in Kafka's own files.
///
/// Offsets rise without gaps from `logStartOffset` to `logEndOffset`, the offset the next record will get. An append
/// that returned is in the page cache: it outlives the process, and the machine once a flush has passed it (`flushedOffset`).
///
/// Not locked, not Sendable: its Partition's `Mutex` owns it, and every call below runs under that lock, except
/// `FlushTicket.run`. Nothing here waits, except for the disk.
package final class Log {
  package let partition: TopicPartition
  /// The directory of this partition's files.
  package let directory: String
  package private(set) var topicID: TopicID?
  /// Takes effect with the next call.
  package var config: LogConfig
  let disk: any Disk
  /// The disk leaves zeros behind a segment's last batch, as preallocation does.
  private let padsFiles: Bool

  /// `logStartOffset <= flushedOffset` need not hold; `logStartOffset <= logEndOffset` and `flushedOffset <= logEndOffset` do.
  package internal(set) var logStartOffset: Offset
  /// The offset the next record gets.
  package internal(set) var logEndOffset: Offset
  /// Everything below would survive a power failure: the recovery point.
  package internal(set) var flushedOffset: Offset

  /// In order of base offset; the last, the active one, takes appends. Never empty.
  var segments: [Segment]
  var producers: ProducerState
  package internal(set) var epochs: LeaderEpochs
  /// An epoch has begun that `leader-epoch-checkpoint` does not know yet. The flush of its first batch writes it down: until
  /// then recovery reads that batch again, and learns the epoch from it. So the first append to a partition waits for no disk.
  var areEpochsUnwritten = false
  var places = BatchPlaces()
  var flushing = FlushState()
  /// Files renamed away, and when they may be removed.
  var deleted: [DeletedFiles] = []
  /// Once set, the log's memory and files may differ: it takes and gives nothing.
  package internal(set) var failure: DiskError?

  struct DeletedFiles {
    var paths: [String]
    var removableAtMs: Int64
  }

  /// See `Log.open` and `Log.create`.
  init(_ parts: consuming Parts) {
    partition = parts.partition
    directory = parts.directory
    topicID = parts.topicID
    config = parts.config
    disk = parts.disk
    padsFiles = (parts.disk as? SwitchedDisk)?.padsFiles ?? false
    logStartOffset = parts.logStartOffset
    logEndOffset = parts.logEndOffset
    flushedOffset = parts.flushedOffset
    segments = parts.segments
    producers = parts.producers
    epochs = parts.epochs
    deleted = parts.deleted
    flushing.lastFlushMs = parts.nowMs
    check()
  }

  /// What a log is made of, when it is made or comes back from the disk.
  struct Parts {
    var partition: TopicPartition
    var directory: String
    var topicID: TopicID?
    var config: LogConfig
    var disk: any Disk
    var logStartOffset: Offset
    var logEndOffset: Offset
    var flushedOffset: Offset
    var segments: [Segment]
    var producers = ProducerState()
    var epochs = LeaderEpochs()
    var deleted: [DeletedFiles] = []
    var nowMs: Int64
  }

  var active: Segment { segments[segments.count - 1] }

  /// Bytes of all segments' batches.
  package var sizeInBytes: Int { segments.reduce(0) { $0 + $1.size } }
  package var segmentCount: Int { segments.count }
  package var baseOffsets: [Offset] { segments.map(\.baseOffset) }
  package var leaderEpoch: LeaderEpoch? { epochs.latest }

  func check() {
    precondition(logStartOffset <= logEndOffset, "log start \(logStartOffset) is past the end \(logEndOffset)")
    precondition(flushedOffset <= logEndOffset, "flushed \(flushedOffset) is past the end \(logEndOffset)")
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
    try checkUsable()
    var header = batch.header
    try config.check(header, nowMs: nowMs)
    if header.hasProducer, let earlier = try producers.check(header) {
      return earlier.answer(config, logStartOffset: logStartOffset, flushedOffset: flushedOffset)
    }
    let marker = try EndTransactionMarker(ofControl: batch)
    if let marker { try producers.check(marker, of: header.producerID) }

    config.assign(logEndOffset, leaderEpoch, to: &header, body: batch.body, nowMs: nowMs)
    let segment = try place(header, nowMs: nowMs)
    try withUnsafeTemporaryAllocation(byteCount: BatchField.records, alignment: 8) { head throws(AppendError) in
      header.write(to: head)
      try batch.body.withUnsafeReadableBytes { body throws(AppendError) in
        try write(UnsafeRawBufferPointer(head), body, to: segment)
      }
    }
    try note(header, marker, in: segment, nowMs: nowMs)
    return Appended(
      baseOffset: header.baseOffset, lastOffset: header.lastOffset, isDuplicate: false,
      logAppendTimeMs: config.timestampType == .logAppendTime ? nowMs : -1, logStartOffset: logStartOffset,
      needsFlush: flushing.isDue(config, unflushed: logEndOffset - flushedOffset, nowMs: nowMs))
  }

  /// Appends what a follower fetched: batches that have their offsets and epochs. A torn last batch is left out.
  ///
  /// Returns the offsets now in the log, nil when `bytes` held no whole batch. Batches that were
  /// written before one that fails stay: the follower fetches on from `logEndOffset`.
  package func appendAsFollower(_ bytes: ByteBuffer, nowMs: Int64) throws(AppendError) -> Appended? {
    try checkUsable()
    var rest = bytes
    var first: Offset?
    while rest.readableBytes > 0 {
      let batch: RecordBatch
      do { batch = try RecordBatch(viewing: rest) } catch {
        if case .truncated = error { break }
        throw .corrupt
      }
      guard batch.header.baseOffset >= logEndOffset else {
        throw .unexpectedOffset(got: batch.header.baseOffset, expected: logEndOffset)
      }
      let header = batch.header
      let marker = try EndTransactionMarker(ofControl: batch)
      let segment = try place(header, nowMs: nowMs)
      try rest.withUnsafeReadableBytes { raw throws(AppendError) in
        let whole = UnsafeRawBufferPointer(rebasing: raw[..<header.sizeInBytes])
        try write(whole, UnsafeRawBufferPointer(start: nil, count: 0), to: segment)
      }
      try note(header, marker, in: segment, nowMs: nowMs)
      first = first ?? header.baseOffset
      rest.moveReaderIndex(forwardBy: header.sizeInBytes)
    }
    guard let first else { return nil }
    return Appended(
      baseOffset: first, lastOffset: logEndOffset - 1, isDuplicate: false, logAppendTimeMs: -1,
      logStartOffset: logStartOffset,
      needsFlush: flushing.isDue(config, unflushed: logEndOffset - flushedOffset, nowMs: nowMs))
  }

  private func checkUsable() throws(AppendError) {
    if let failure { throw .offline(failure) }
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

  private func write(
    _ head: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer, to segment: Segment
  ) throws(AppendError) {
    do { try segment.write(head, body) } catch {
      if !error.isIntact { failure = error.cause }
      throw .diskFailed(error.cause)
    }
  }

  /// Takes note of the batch just written. The index of aborted transactions is the one thing that may fail here;
  /// the batch is in the log already, so the log is then offline until recovery has made the index again.
  private func note(
    _ header: RecordBatchHeader, _ marker: EndTransactionMarker?, in segment: Segment, nowMs: Int64
  ) throws(AppendError) {
    places.appended(header.baseOffset, at: segment.size, in: segment.baseOffset)
    segment.wrote(header, indexIntervalBytes: config.indexIntervalBytes, nowMs: nowMs)
    logEndOffset = header.nextOffset
    flushing.appended(header.count, nowMs: nowMs)
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
      deleted.append(DeletedFiles(paths: try before.markDeleted(), removableAtMs: nowMs + config.fileDeleteDelayMs))
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

  /// Sets the topic's id, once, when a directory made before ids, or without one, learns it.
  package func adopt(_ id: TopicID) throws(DiskError) {
    try PartitionMetadata.write(id, to: directory, on: disk)
    topicID = id
  }
}
