package import Model
package import NIOCore

/// What a partition asks of its log, whichever engine keeps it (`millrace.log.engine`): `Log`, segments of batches as Kafka has
/// them, or `BTreeLog`, the same batches in a B-tree. What each call promises is said at `Log`'s; what both do the same way
/// is in `LogState` and below.
///
/// Not locked, not Sendable: the partition's `Mutex` owns it.
package protocol PartitionLog: LogState {
  static func create(
    disk: any Disk, directory: String, partition: TopicPartition, topicID: TopicID?, config: LogConfig, nowMs: Int64
  ) throws(DiskError) -> Self
  static func open(
    disk: any Disk, directory: String, partition: TopicPartition, config: LogConfig, memory: LogMemory, nowMs: Int64
  ) throws(DiskError) -> Self

  var sizeInBytes: Int { get }

  func append(_ batch: RecordBatch, leaderEpoch: LeaderEpoch, nowMs: Int64) throws(AppendError) -> Appended
  func appendAsFollower(_ bytes: ByteBuffer, nowMs: Int64) throws(AppendError) -> Appended?
  func read(
    from offset: Offset, upTo: Offset, maxBytes: Int, atLeastOneBatch: Bool
  ) throws(ReadError) -> LogSlice

  func offset(forTimestamp timestamp: Int64) throws(ReadError) -> TimedOffset?
  func offsetOfMaxTimestamp() throws(ReadError) -> TimedOffset?
  func boundaries(writtenUpTo time: Int64, nowMs: Int64, max: Int) -> [Offset]
  func abortedTransactions(from: Offset, upTo: Offset) throws(ReadError) -> [AbortedTransaction]

  /// What to sync so that everything appended so far is durable: asked for by `flushTicket`, when there is something.
  func makeTicket() throws(DiskError) -> FlushTicket
  func wantsFlush(nowMs: Int64) -> Bool
  func close(nowMs: Int64) throws(DiskError)

  /// Returns how many segments or, in a B-tree, batches went.
  func applyRetention(nowMs: Int64, highWatermark: Offset) throws(DiskError) -> Int
  func deleteRecords(before offset: Offset, nowMs: Int64) throws(DiskError)
  func purgeDeleted(nowMs: Int64) throws(DiskError) -> Int
  func truncate(to offset: Offset, nowMs: Int64) throws(DiskError)
  func truncateFullyAndStart(at offset: Offset, nowMs: Int64) throws(DiskError)
}

extension Log: PartitionLog {}
extension BTreeLog: PartitionLog {}

/// `millrace.log.engine`: what keeps a partition's batches.
package enum LogEngine: String, Sendable, CaseIterable {
  case append, btree

  package var log: any PartitionLog.Type {
    switch self {
    case .append: Log.self
    case .btree: BTreeLog.self
    }
  }
}

// MARK: What both engines do the same way

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
