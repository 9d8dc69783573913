import Base
package import Model
package import NIOCore

/// One partition's log: batches of records, back to back, in segments of Kafka's own files or in what stands for them (`Store`).
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
  let disk: any Disk

  // What others may see is stored under names of the module's own: where no other module can reach a field, the compiler sees
  // all its uses, and leaves out the checks at run time that nobody else holds it, 76 instructions for each look.
  private var settings: LogConfig
  private var start: Offset
  private var end: Offset
  private var durableEnd: Offset
  private var leaderEpochs: LeaderEpochs
  private var failed: DiskError?

  var producers: ProducerState
  var flushing = FlushState()
  /// The log's extent when its files were last left as an orderly stop leaves them; nil when they are not so.
  var closedAs: Extent?
  /// The active segment's size when `look` last found it whole.
  var lookedAtSize = 0
  let store: Store

  // What the log has when its store is segments.

  /// In order of base offset; the last, the active one, takes appends. Never empty.
  var segments: [Segment]
  var places = BatchPlaces()
  /// What was wrong with `leader-epoch-checkpoint` when the log was opened; its epochs were then read from the batches.
  package internal(set) var epochDamage: CheckpointDamage?
  /// The offsets that were missing when the log was opened.
  package internal(set) var holes: [LogHole] = []
  /// An epoch has begun that `leader-epoch-checkpoint` does not know yet. The flush of its first batch writes it down: until
  /// then recovery reads that batch again, and learns the epoch from it. So the first append to a partition waits for no disk.
  var areEpochsUnwritten = false
  /// Where the part of a compacted log begins that no cleaning has read; nil before the first cleaning. A truncation lowers it.
  package internal(set) var cleanedOffset: Offset?
  /// Files renamed away, and when they may be removed.
  var deleted: [DeletedFiles] = []

  struct DeletedFiles {
    var paths: [String]
    var removableAtMs: Int64
  }

  /// What keeps a log's batches.
  enum Store {
    /// Segments, in Kafka's own files.
    case segments
    /// Something else that an experiment compares with them.
    case arm(any StoreArm)
  }

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
    /// Nil when no producer has produced before the log's end.
    var producers: ProducerState?
    var epochs = LeaderEpochs()
    var nowMs: Int64
  }

  /// See `Log.open` and `Log.create`.
  ///
  /// - Parameter segments: none where an arm keeps the batches.
  init(_ start: Start, _ store: Store, segments: [Segment] = []) {
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
    self.store = store
    self.segments = segments
    check()
  }

  /// Bytes of all batches.
  package var sizeInBytes: Int {
    switch store {
    case .segments: segments.reduce(0) { $0 + $1.size }
    case .arm(let arm): arm.sizeInBytes
    }
  }

  /// Takes effect with the next call.
  package var config: LogConfig {
    get { settings }
    set { settings = newValue }
  }
  /// `logStartOffset <= flushedOffset` need not hold; `logStartOffset <= logEndOffset` and `flushedOffset <= logEndOffset` do.
  package internal(set) var logStartOffset: Offset {
    get { start }
    set { start = newValue }
  }
  /// The offset the next record gets.
  package internal(set) var logEndOffset: Offset {
    get { end }
    set { end = newValue }
  }
  /// Everything below would survive a power failure: the recovery point.
  package internal(set) var flushedOffset: Offset {
    get { durableEnd }
    set { durableEnd = newValue }
  }
  package internal(set) var epochs: LeaderEpochs {
    get { leaderEpochs }
    set { leaderEpochs = newValue }
  }
  /// Once set, the log's memory and files may differ: it takes and gives nothing.
  package internal(set) var failure: DiskError? {
    get { failed }
    set { failed = newValue }
  }
  package var leaderEpoch: LeaderEpoch? { epochs.latest }
  package var producerCount: Int { producers.count }
  /// The transactions whose markers are not known to be replicated.
  package var undecidedCount: Int { producers.undecidedCount }

  func check() {
    precondition(logStartOffset <= logEndOffset, "log start \(logStartOffset) is past the end \(logEndOffset)")
    precondition(flushedOffset <= logEndOffset, "flushed \(flushedOffset) is past the end \(logEndOffset)")
    guard case .segments = store else { return }
    precondition(
      active.baseOffset <= logEndOffset, "segment \(active.baseOffset) begins past the end \(logEndOffset)")
  }

  /// Sets the topic's id, once, when a directory made before ids, or without one, learns it.
  package func adopt(_ id: TopicID) throws(DiskError) {
    try PartitionMetadata.write(id, to: directory, on: disk)
    topicID = id
  }

  // MARK: Appending

  func checkUsable() throws(AppendError) {
    if let failure { throw .offline(failure) }
  }

  /// Appends a producer's batch: it gets the next offsets and the leader's epoch.
  ///
  /// The batch's bytes are the caller's to have checked (`RecordBatch(viewing:)`). A batch its producer sent before is not written again:
  /// the answer is the first one's. On an error nothing was appended.
  ///
  /// - Parameter verification: for a batch whose transaction must be known to its coordinator; see `beginVerification`.
  package func append(
    _ batch: RecordBatch, from origin: AppendOrigin = .client, leaderEpoch: LeaderEpoch, nowMs: Int64,
    verification: TransactionVerification? = nil
  ) throws(AppendError) -> Appended {
    try checkUsable()
    var header = batch.header
    try checkFits(header)
    try checkTime(header, nowMs: nowMs)
    if header.hasProducer, let earlier = try producers.check(header, from: origin) { return answer(earlier) }
    if let verification { try producers.check(verification, of: header) }
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
    switch store {
    case .segments: try append(header, batch.body, marker, nowMs: nowMs)
    case .arm(let arm):
      try append(header, marker, nowMs: nowMs, to: arm) { room in
        header.write(to: room)
        batch.body.withUnsafeReadableBytes {
          UnsafeMutableRawBufferPointer(rebasing: room[BatchField.records...]).copyMemory(from: $0)
        }
      }
    }
    return appended(from: header.baseOffset, logAppendTimeMs: config.timestampType == .logAppendTime ? nowMs : -1)
  }

  /// Appends what a follower fetched: batches that have their offsets and epochs. A torn last batch is left out.
  ///
  /// Returns the offsets now in the log, nil when `bytes` held no whole batch. Batches that were
  /// written before one that fails stay: the follower fetches on from `logEndOffset`.
  ///
  /// - Parameter epoch: the leader epoch of the fetch; nil for a copy of the whole log. Batches of a later one are left out, and one of an
  ///   earlier epoch than the log's is refused: a leader that was deposed while it sent its file may have others in the place of those that
  ///   it read.
  package func appendAsFollower(
    _ bytes: ByteBuffer, upToEpoch epoch: LeaderEpoch? = nil, nowMs: Int64
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
      if let epoch {
        if header.partitionLeaderEpoch > epoch { break }
        // Of an empty log the epochs may be those of records that are deleted, which another leader never had.
        guard header.partitionLeaderEpoch >= epochs.latest ?? .min || logStartOffset == logEndOffset else {
          throw .corrupt
        }
      }
      guard header.baseOffset >= logEndOffset else {
        throw .unexpectedOffset(got: header.baseOffset, expected: logEndOffset)
      }
      #if DEBUG
      if PlantedFault.appendsWithAGap.isPlanted, first == nil, rest.readableBytes >= 2 * header.sizeInBytes {
        first = header.baseOffset
        rest.moveReaderIndex(forwardBy: header.sizeInBytes)
        continue
      }
      #endif
      let marker = try EndTransactionMarker(ofControl: batch)
      try rest.withUnsafeReadableBytes { raw throws(AppendError) in
        let whole = UnsafeRawBufferPointer(rebasing: raw[..<header.sizeInBytes])
        switch store {
        case .segments: try append(header, whole, UnsafeRawBufferPointer(start: nil, count: 0), marker, nowMs: nowMs)
        case .arm(let arm): try append(header, marker, nowMs: nowMs, to: arm) { $0.copyMemory(from: whole) }
        }
      }
      first = first ?? header.baseOffset
      rest.moveReaderIndex(forwardBy: header.sizeInBytes)
    }
    guard let first else { return nil }
    return appended(from: first, logAppendTimeMs: -1)
  }

  @inline(__always)
  func checkFits(_ header: RecordBatchHeader) throws(AppendError) {
    let bytes = header.sizeInBytes
    // A transaction's marker is never too large: without it the partition would have no stable offset any more.
    guard bytes <= config.maxMessageBytes || header.attributes.isControl else {
      throw .tooLarge(bytes: bytes, limit: config.maxMessageBytes)
    }
    guard bytes <= config.segmentBytes || header.attributes.isControl else {
      throw .largerThanSegment(bytes: bytes, limit: config.segmentBytes)
    }
    guard header.count > 0 else { throw .invalidRecord("a batch of \(header.count) records") }
    guard logEndOffset.rawValue <= Offset.largestBase.rawValue else {
      throw .diskFailed(DiskError("find offsets for a batch", directory, code: DiskError.offsetsUsedUp))
    }
  }

  /// The batch as a whole, by its largest timestamp; that of each record is looked at with the records.
  @inline(__always)
  func checkTime(_ header: RecordBatchHeader, nowMs: Int64) throws(AppendError) {
    guard config.timestampType == .createTime, header.maxTimestamp >= 0 else { return }
    let earliest = nowMs.subtractingClamped(config.timestampBeforeMaxMs)
    let latest = nowMs.addingClamped(config.timestampAfterMaxMs)
    guard header.maxTimestamp >= earliest && header.maxTimestamp <= latest || header.attributes.isControl else {
      throw .timestampOutOfRange(timestamp: header.maxTimestamp, earliest: earliest, latest: latest)
    }
  }

  /// The answer to an append that has just been made.
  @inline(__always)
  func appended(from first: Offset, logAppendTimeMs: Int64) -> Appended {
    // An engine that commits durably has flushed already.
    let unflushed = logEndOffset - flushedOffset
    return Appended(
      baseOffset: first, lastOffset: logEndOffset - 1, isDuplicate: false, logAppendTimeMs: logAppendTimeMs,
      logStartOffset: logStartOffset,
      needsFlush: unflushed > 0 && (config.flushBeforeAcknowledge || Int64(unflushed) >= config.flushMessages))
  }

  /// The answer to a batch that its producer sent before.
  func answer(_ earlier: ProducerState.Batch) -> Appended {
    Appended(
      baseOffset: earlier.firstOffset, lastOffset: earlier.lastOffset, isDuplicate: true,
      logAppendTimeMs: config.timestampType == .logAppendTime ? earlier.timestamp : -1, logStartOffset: logStartOffset,
      needsFlush: config.flushBeforeAcknowledge && flushedOffset <= earlier.lastOffset)
  }

  // MARK: Reading

  /// The offset before which a read from `offset` ends; nil when there is nothing to read.
  @inline(__always)
  func readBound(from offset: Offset, upTo: Offset) throws(ReadError) -> Offset? {
    if let failure { throw .diskFailed(failure) }
    guard offset >= logStartOffset, offset <= logEndOffset else {
      throw .outOfRange(logStart: logStartOffset, logEnd: logEndOffset)
    }
    let bound = min(upTo, logEndOffset)
    return offset < bound ? bound : nil
  }

  /// The largest leader epoch not above `epoch` and where it ended (OffsetForLeaderEpoch); nil when unknown.
  package func endOffset(forEpoch epoch: LeaderEpoch) -> (epoch: LeaderEpoch, endOffset: Offset)? {
    epochs.end(of: epoch, logEnd: logEndOffset)
  }

  /// What a reader of committed records must not pass: the first open transaction's start, else the high watermark. Where the start is
  /// deleted, the log's start stands for it: a reader that is told to begin at the last stable offset finds it in the log.
  package func lastStableOffset(highWatermark: Offset) -> Offset {
    #if DEBUG
    if PlantedFault.ignoresOpenTransactions.isPlanted { return highWatermark }
    #endif
    guard let unstable = producers.firstUnstableOffset(highWatermark: highWatermark) else { return highWatermark }
    return min(highWatermark, max(logStartOffset, unstable))
  }

  /// Says that a batch, the first of its transaction in this log, waits for its coordinator to confirm the transaction.
  ///
  /// - Returns: what `append` wants to see of the batch then; nil when the transaction is open in this log, so that there is nothing to
  ///   ask. A marker that is appended meanwhile makes it invalid.
  package func beginVerification(of header: RecordBatchHeader, nowMs: Int64) -> TransactionVerification? {
    producers.beginVerification(of: header, nowMs: nowMs)
  }

  /// The producers with state in this log, by rising id.
  package var activeProducers: [(id: Int64, state: ProducerState.Producer)] {
    producers.producers.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// Forgets producers silent for `expirationMs` (producer.id.expiration.ms).
  package func expireProducers(nowMs: Int64, expirationMs: Int64) {
    producers.expire(nowMs: nowMs, expirationMs: expirationMs)
  }
}

extension EndTransactionMarker {
  /// Nil for a batch of records, and for control batches that end no transaction.
  init?(ofControl batch: RecordBatch) throws(AppendError) {
    guard batch.header.attributes.isControl else { return nil }
    do {
      guard let marker = try EndTransactionMarker(reading: batch) else { return nil }
      self = marker
    } catch { throw .invalidRecord("\(error)") }
  }
}
