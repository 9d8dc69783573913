package import Model
import NIOCore

/// What a partition's log knows, whichever engine keeps its batches: where it begins and ends, what is durable, who produces, and
/// under which leaders. With it stands all of an append, a read and a question that does not touch the batches themselves.
///
/// `Log` and `BTreeLog` are this and the files behind it. Not locked, not Sendable: see `PartitionLog`.
package class LogState {
  package final let partition: TopicPartition
  /// The directory of this partition's files.
  package final let directory: String
  package final private(set) var topicID: TopicID?
  final let disk: any Disk

  // What others may see is stored under names of the module's own: where no other module can reach a field, the compiler sees
  // all its uses, and leaves out the checks at run time that nobody else holds it, 76 instructions for each look.
  private final var settings: LogConfig
  private final var start: Offset
  private final var end: Offset
  private final var durableEnd: Offset
  private final var leaderEpochs: LeaderEpochs
  private final var failed: DiskError?

  final var producers: ProducerState
  final var flushing = FlushState()

  /// What a log knows when it is made or comes back from the disk.
  struct Start {
    var partition: TopicPartition
    var directory: String
    var topicID: TopicID?
    var config: LogConfig
    var disk: any Disk
    var logStartOffset: Offset = 0
    var logEndOffset: Offset = 0
    var flushedOffset: Offset = 0
    /// Nil: nobody has produced before the log's end.
    var producers: ProducerState?
    var epochs = LeaderEpochs()
    var nowMs: Int64
  }

  init(_ start: Start) {
    partition = start.partition
    directory = start.directory
    topicID = start.topicID
    settings = start.config
    disk = start.disk
    self.start = start.logStartOffset
    end = start.logEndOffset
    durableEnd = start.flushedOffset
    producers = start.producers ?? ProducerState()
    if start.producers == nil { producers.endOffset = start.logEndOffset }
    leaderEpochs = start.epochs
  }

  /// Takes effect with the next call.
  package final var config: LogConfig {
    get { settings }
    set { settings = newValue }
  }
  /// `logStartOffset <= flushedOffset` need not hold; `logStartOffset <= logEndOffset` and `flushedOffset <= logEndOffset` do.
  package internal(set) final var logStartOffset: Offset {
    get { start }
    set { start = newValue }
  }
  /// The offset the next record gets.
  package internal(set) final var logEndOffset: Offset {
    get { end }
    set { end = newValue }
  }
  /// Everything below would survive a power failure: the recovery point.
  package internal(set) final var flushedOffset: Offset {
    get { durableEnd }
    set { durableEnd = newValue }
  }
  package internal(set) final var epochs: LeaderEpochs {
    get { leaderEpochs }
    set { leaderEpochs = newValue }
  }
  /// Once set, the log's memory and files may differ: it takes and gives nothing.
  package internal(set) final var failure: DiskError? {
    get { failed }
    set { failed = newValue }
  }
  package final var leaderEpoch: LeaderEpoch? { epochs.latest }
  package final var producerCount: Int { producers.count }

  final func checkOffsets() {
    precondition(logStartOffset <= logEndOffset, "log start \(logStartOffset) is past the end \(logEndOffset)")
    precondition(flushedOffset <= logEndOffset, "flushed \(flushedOffset) is past the end \(logEndOffset)")
  }

  /// Sets the topic's id, once, when a directory made before ids, or without one, learns it.
  package final func adopt(_ id: TopicID) throws(DiskError) {
    try PartitionMetadata.write(id, to: directory, on: disk)
    topicID = id
  }

  // MARK: Appending

  final func checkUsable() throws(AppendError) {
    if let failure { throw .offline(failure) }
  }

  /// All of a producer's append but the writing, which is the engine's: `store` puts the batch at the log's end under the header
  /// it is given, and takes note of it.
  ///
  /// Inlined, as is what it calls: the settings are many fields, and a call that took them whole would copy them all.
  @inline(__always)
  final func append(
    _ batch: RecordBatch, leaderEpoch: LeaderEpoch, nowMs: Int64,
    store: (RecordBatchHeader, EndTransactionMarker?) throws(AppendError) -> Void
  ) throws(AppendError) -> Appended {
    try checkUsable()
    var header = batch.header
    try checkFits(header)
    try checkTime(header, nowMs: nowMs)
    if header.hasProducer, let earlier = try producers.check(header) { return answer(earlier) }
    let marker = try EndTransactionMarker(ofControl: batch)
    if let marker { try producers.check(marker, of: header.producerID) }
    header.baseOffset = logEndOffset
    header.partitionLeaderEpoch = leaderEpoch
    if config.timestampType == .logAppendTime {
      // The broker's clock becomes all records' timestamp. It lies within the CRC, which covers the body too.
      header.attributes.isLogAppendTime = true
      header.maxTimestamp = nowMs
      header.crc = header.checksum(of: batch.body)
    }
    try store(header, marker)
    return appended(from: header.baseOffset, logAppendTimeMs: config.timestampType == .logAppendTime ? nowMs : -1)
  }

  /// All of a follower's append but the writing: `store` puts the batch, whose bytes are the first of those it is given, at the
  /// log's end. A torn last batch is left out; nil when there was no whole one.
  @inline(__always)
  final func appendFetched(
    _ bytes: ByteBuffer,
    store: (RecordBatchHeader, EndTransactionMarker?, ByteBuffer) throws(AppendError) -> Void
  ) throws(AppendError) -> Appended? {
    try checkUsable()
    var rest = bytes
    var first: Offset?
    while rest.readableBytes > 0 {
      let batch: RecordBatch
      do { batch = try RecordBatch(viewing: rest) } catch {
        if case .truncated = error { break }
        throw .corrupt
      }
      let header = batch.header
      guard header.baseOffset >= logEndOffset else {
        throw .unexpectedOffset(got: header.baseOffset, expected: logEndOffset)
      }
      try store(header, try EndTransactionMarker(ofControl: batch), rest)
      first = first ?? header.baseOffset
      rest.moveReaderIndex(forwardBy: header.sizeInBytes)
    }
    guard let first else { return nil }
    return appended(from: first, logAppendTimeMs: -1)
  }

  @inline(__always)
  private final func checkFits(_ header: RecordBatchHeader) throws(AppendError) {
    let bytes = header.sizeInBytes
    guard bytes <= config.maxMessageBytes else { throw .tooLarge(bytes: bytes, limit: config.maxMessageBytes) }
    guard bytes <= config.segmentBytes else { throw .largerThanSegment(bytes: bytes, limit: config.segmentBytes) }
    guard header.count > 0 else { throw .invalidRecord("a batch of \(header.count) records") }
    guard logEndOffset <= .largestBase else {
      throw .diskFailed(DiskError("find offsets for a batch", directory, code: DiskError.offsetsUsedUp))
    }
  }

  /// The batch as a whole, by its largest timestamp; that of each record is looked at with the records.
  @inline(__always)
  private final func checkTime(_ header: RecordBatchHeader, nowMs: Int64) throws(AppendError) {
    guard config.timestampType == .createTime, header.maxTimestamp >= 0 else { return }
    let earliest = nowMs.subtractingClamped(config.timestampBeforeMaxMs)
    let latest = nowMs.addingClamped(config.timestampAfterMaxMs)
    guard header.maxTimestamp >= earliest, header.maxTimestamp <= latest else {
      throw .timestampOutOfRange(timestamp: header.maxTimestamp, earliest: earliest, latest: latest)
    }
  }

  /// The answer to an append that has just been made.
  @inline(__always)
  private final func appended(from first: Offset, logAppendTimeMs: Int64) -> Appended {
    // An engine that commits durably has flushed already.
    let unflushed = logEndOffset - flushedOffset
    return Appended(
      baseOffset: first, lastOffset: logEndOffset - 1, isDuplicate: false, logAppendTimeMs: logAppendTimeMs,
      logStartOffset: logStartOffset,
      needsFlush: unflushed > 0 && (config.flushBeforeAcknowledge || Int64(unflushed) >= config.flushMessages))
  }

  /// The answer to a batch that its producer sent before.
  private final func answer(_ earlier: ProducerState.Batch) -> Appended {
    Appended(
      baseOffset: earlier.firstOffset, lastOffset: earlier.lastOffset, isDuplicate: true,
      logAppendTimeMs: config.timestampType == .logAppendTime ? earlier.timestamp : -1, logStartOffset: logStartOffset,
      needsFlush: config.flushBeforeAcknowledge && flushedOffset <= earlier.lastOffset)
  }

  // MARK: Reading

  /// The offset before which a read from `offset` ends; nil when there is nothing to read.
  @inline(__always)
  final func readBound(from offset: Offset, upTo: Offset) throws(ReadError) -> Offset? {
    if let failure { throw .diskFailed(failure) }
    guard offset >= logStartOffset, offset <= logEndOffset else {
      throw .outOfRange(logStart: logStartOffset, logEnd: logEndOffset)
    }
    let bound = min(upTo, logEndOffset)
    return offset < bound ? bound : nil
  }

  /// The largest leader epoch not above `epoch` and where it ended (OffsetForLeaderEpoch); nil when unknown.
  package final func endOffset(forEpoch epoch: LeaderEpoch) -> (epoch: LeaderEpoch, endOffset: Offset)? {
    epochs.end(of: epoch, logEnd: logEndOffset)
  }

  /// What a reader of committed records must not pass: the first open transaction's start, else the high watermark.
  package final func lastStableOffset(highWatermark: Offset) -> Offset {
    min(highWatermark, producers.firstUnstableOffset(highWatermark: highWatermark) ?? highWatermark)
  }

  /// Forgets producers silent for `expirationMs` (producer.id.expiration.ms).
  package final func expireProducers(nowMs: Int64, expirationMs: Int64) {
    producers.expire(nowMs: nowMs, expirationMs: expirationMs)
  }
}
