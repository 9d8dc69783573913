package import Model
package import NIOCore

/// What a partition asks of its log, whichever engine keeps it (`millrace.log.engine`): `Log`, segments of batches as Kafka has
/// them, or `BTreeLog`, the same batches in a B-tree. What each call promises is said at `Log`'s.
///
/// Not locked, not Sendable: the partition's `Mutex` owns it.
package protocol PartitionLog: AnyObject {
  var partition: TopicPartition { get }
  var topicID: TopicID? { get }
  /// Takes effect with the next call.
  var config: LogConfig { get set }
  var logStartOffset: Offset { get }
  var logEndOffset: Offset { get }
  var flushedOffset: Offset { get }
  var sizeInBytes: Int { get }
  var epochs: LeaderEpochs { get }
  var leaderEpoch: LeaderEpoch? { get }
  var producerCount: Int { get }
  var failure: DiskError? { get }

  func append(_ batch: RecordBatch, leaderEpoch: LeaderEpoch, nowMs: Int64) throws(AppendError) -> Appended
  func appendAsFollower(_ bytes: ByteBuffer, nowMs: Int64) throws(AppendError) -> Appended?
  func read(
    from offset: Offset, upTo: Offset, maxBytes: Int, atLeastOneBatch: Bool
  ) throws(ReadError) -> LogSlice

  func offset(forTimestamp timestamp: Int64) throws(ReadError) -> TimedOffset?
  func offsetOfMaxTimestamp() throws(ReadError) -> TimedOffset?
  func boundaries(writtenUpTo time: Int64, nowMs: Int64, max: Int) -> [Offset]
  func endOffset(forEpoch epoch: LeaderEpoch) -> (epoch: LeaderEpoch, endOffset: Offset)?
  func lastStableOffset(highWatermark: Offset) -> Offset
  func abortedTransactions(from: Offset, upTo: Offset) throws(ReadError) -> [AbortedTransaction]
  func expireProducers(nowMs: Int64, expirationMs: Int64)

  func flushTicket() -> FlushTicket?
  func complete(_ ticket: FlushTicket, _ outcome: Result<Void, DiskError>, nowMs: Int64) -> FlushTicket?
  func wantsFlush(nowMs: Int64) -> Bool
  func flush(nowMs: Int64) throws(DiskError)
  func close(nowMs: Int64) throws(DiskError)

  /// Returns how many segments or, in a B-tree, batches went.
  func applyRetention(nowMs: Int64, highWatermark: Offset) throws(DiskError) -> Int
  func deleteRecords(before offset: Offset, nowMs: Int64) throws(DiskError)
  func purgeDeleted(nowMs: Int64) throws(DiskError) -> Int
  func truncate(to offset: Offset, nowMs: Int64) throws(DiskError)
  func truncateFullyAndStart(at offset: Offset, nowMs: Int64) throws(DiskError)

  func adopt(_ id: TopicID) throws(DiskError)
}

extension Log: PartitionLog {}
extension BTreeLog: PartitionLog {}

/// `millrace.log.engine`: what keeps a partition's batches.
package enum LogEngine: String, Sendable, CaseIterable {
  case append, btree
}

// MARK: What both engines do the same way

extension LogConfig {
  /// Whether a producer's batch may be appended, as far as its header tells.
  func check(_ header: RecordBatchHeader, nowMs: Int64) throws(AppendError) {
    let bytes = header.sizeInBytes
    guard bytes <= maxMessageBytes else { throw .tooLarge(bytes: bytes, limit: maxMessageBytes) }
    guard bytes <= segmentBytes else { throw .largerThanSegment(bytes: bytes, limit: segmentBytes) }
    guard header.count > 0 else { throw .invalidRecord("a batch of \(header.count) records") }
    guard timestampType == .createTime, header.maxTimestamp >= 0 else { return }
    let earliest = nowMs.subtractingReportingOverflow(timestampBeforeMaxMs)
    let latest = nowMs.addingReportingOverflow(timestampAfterMaxMs)
    let (from, to) = (earliest.overflow ? .min : earliest.partialValue, latest.overflow ? .max : latest.partialValue)
    guard header.baseTimestamp >= from || header.baseTimestamp < 0, header.maxTimestamp <= to else {
      let wrong = header.maxTimestamp > to ? header.maxTimestamp : header.baseTimestamp
      throw .timestampOutOfRange(timestamp: wrong, earliest: from, latest: to)
    }
  }

  /// Gives a producer's batch its place: base offset and epoch, and the broker's clock where the topic wants that.
  func assign(
    _ offset: Offset, _ leaderEpoch: LeaderEpoch, to header: inout RecordBatchHeader, body: ByteBuffer, nowMs: Int64
  ) {
    header.baseOffset = offset
    header.partitionLeaderEpoch = leaderEpoch
    if timestampType == .logAppendTime {
      // The broker's clock becomes all records' timestamp. It lies within the CRC, which covers the body too.
      header.attributes.isLogAppendTime = true
      header.maxTimestamp = nowMs
      header.crc = header.checksum(of: body)
    }
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

extension RecordBatch {
  /// The first record that fits; nil when none does. A batch whose records cannot be read answers as one record.
  func firstRecord(where fits: (Int64, Offset) -> Bool) -> TimedOffset? {
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

extension ProducerState.Batch {
  /// The answer to a batch that its producer sent before.
  func answer(_ config: LogConfig, logStartOffset: Offset, flushedOffset: Offset) -> Appended {
    Appended(
      baseOffset: firstOffset, lastOffset: lastOffset, isDuplicate: true,
      logAppendTimeMs: config.timestampType == .logAppendTime ? timestamp : -1, logStartOffset: logStartOffset,
      needsFlush: config.flushBeforeAcknowledge && flushedOffset <= lastOffset)
  }
}
