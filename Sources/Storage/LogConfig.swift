package import Model

/// A topic's settings as one log obeys them: Kafka's topic keys, with Kafka's defaults.
package struct LogConfig: Hashable, Sendable {
  package enum TimestampType: Hashable, Sendable { case createTime, logAppendTime }

  /// segment.bytes: a batch with which a segment would pass this size begins a new segment.
  package var segmentBytes = 1 << 30
  /// segment.ms: how long after its first record's timestamp a segment takes records.
  package var segmentMs: Int64 = 7 * 24 * 3_600_000
  /// index.interval.bytes: an index entry when more bytes than this came since the last.
  package var indexIntervalBytes = 4096
  /// segment.index.bytes: a full index rolls the segment. Ours are not pre-sized, the limit is Kafka's.
  package var segmentIndexBytes = 10 << 20
  /// retention.ms; -1 keeps for ever.
  package var retentionMs: Int64 = 7 * 24 * 3_600_000
  /// retention.bytes; -1 for no limit.
  package var retentionBytes: Int64 = -1
  /// max.message.bytes: the largest batch a producer may append.
  package var maxMessageBytes = 1_048_588
  /// flush.messages: the append that leaves this many records unflushed asks for a flush before it is acknowledged.
  package var flushMessages: Int64 = .max
  /// flush.ms: data older than this asks to be flushed.
  package var flushMs: Int64 = .max
  /// Every append asks to be flushed before it is acknowledged (millrace.flush.before.ack).
  package var flushBeforeAcknowledge = false
  /// file.delete.delay.ms: how long a deleted segment's files stay, renamed.
  package var fileDeleteDelayMs: Int64 = 60_000
  /// preallocate: reserve segment.bytes when a segment begins.
  package var preallocate = false
  /// message.timestamp.type
  package var timestampType = TimestampType.createTime
  /// message.timestamp.before.max.ms: how far before the broker's clock a record's time may lie.
  package var timestampBeforeMaxMs: Int64 = .max
  /// message.timestamp.after.max.ms: how far ahead of it.
  package var timestampAfterMaxMs: Int64 = .max
  /// cleanup.policy has `delete`: retention by time and size applies.
  package var deletesOldSegments = true
  /// cleanup.policy has `compact`: offsets may have gaps, also between segments.
  package var compacts = false

  /// min.cleanable.dirty.ratio: the share of bytes that no cleaning has read beyond which the log is cleaned.
  package var minCleanableDirtyRatio = 0.5
  /// delete.retention.ms: how long tombstones and transaction markers stay after the cleaning that first meets them.
  package var deleteRetentionMs: Int64 = 24 * 3_600_000
  /// min.compaction.lag.ms: segments with records younger than this are not cleaned.
  package var minCompactionLagMs: Int64 = 0
  /// max.compaction.lag.ms: a log with records older than this, that no cleaning has read, is cleaned whatever its ratio.
  package var maxCompactionLagMs: Int64 = .max

  /// min.insync.replicas: the high watermark stands still while fewer are in sync.
  package var minInSyncReplicas = 1

  package init() {}
}

/// Why a batch was not appended. Nothing was written, unless it says so. Each maps to one of Kafka's codes at the
/// broker's edge.
package enum AppendError: Error, Hashable, Sendable {
  /// The batch is larger than max.message.bytes (MESSAGE_TOO_LARGE).
  case tooLarge(bytes: Int, limit: Int)
  /// The batch is larger than a segment (RECORD_LIST_TOO_LARGE).
  case largerThanSegment(bytes: Int, limit: Int)
  /// Further from the broker's clock than the topic allows (INVALID_TIMESTAMP).
  case timestampOutOfRange(timestamp: Int64, earliest: Int64, latest: Int64)
  /// A gap in, or a step back of, the producer's sequence (OUT_OF_ORDER_SEQUENCE_NUMBER).
  case outOfOrderSequence(producerID: Int64, expected: Int32, got: Int32)
  /// A producer epoch older than the log has seen: a fenced producer (INVALID_PRODUCER_EPOCH).
  case invalidProducerEpoch(producerID: Int64, latest: Int16, got: Int16)
  /// A transaction marker of a coordinator that has been replaced (TRANSACTION_COORDINATOR_FENCED).
  case coordinatorFenced(producerID: Int64, latest: Int32, got: Int32)
  /// The first batch of a transaction that the coordinator does not know of, or that has ended since it was asked (INVALID_TXN_STATE).
  case unverified(producerID: Int64)
  /// A batch that cannot be what it says: no records, or a marker that is none (INVALID_RECORD).
  case invalidRecord(String)
  /// A follower was given offsets below its log's end (UNKNOWN_SERVER_ERROR; the fetcher truncates and tries again).
  case unexpectedOffset(got: Offset, expected: Offset)
  /// The bytes a follower was given are no batches (CORRUPT_MESSAGE).
  case corrupt
  /// The disk refused, the log is as before (KAFKA_STORAGE_ERROR).
  case diskFailed(DiskError)
  /// An earlier failure left the log in doubt: it takes and gives nothing until it is opened again (KAFKA_STORAGE_ERROR).
  case offline(DiskError)
}

extension AppendError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .tooLarge(let bytes, let limit): "a batch of \(bytes) bytes is larger than max.message.bytes, \(limit)"
    case .largerThanSegment(let bytes, let limit): "a batch of \(bytes) bytes is larger than segment.bytes, \(limit)"
    case .timestampOutOfRange(let timestamp, let earliest, let latest):
      "timestamp \(timestamp) is not between \(earliest) and \(latest)"
    case .outOfOrderSequence(let producerID, let expected, let got):
      "producer \(producerID) sent sequence number \(got), but \(expected) is the next"
    case .invalidProducerEpoch(let producerID, let latest, let got):
      "producer \(producerID) has epoch \(latest), and \(got) is older"
    case .coordinatorFenced(let producerID, let latest, let got):
      "a transaction marker for producer \(producerID) is of coordinator epoch \(got), but \(latest) is the latest"
    case .unverified(let producerID):
      "producer \(producerID) has no transaction under way that the partition was added to"
    case .invalidRecord(let problem): problem
    case .unexpectedOffset(let got, let expected): "a batch begins at offset \(got), below the log's end \(expected)"
    case .corrupt: "the leader's bytes are no record batches"
    case .diskFailed(let error): "\(error)"
    case .offline(let error): "the log is offline since an earlier failure (\(error))"
    }
  }
}

/// Says who wrote a batch that a leader appends.
package enum AppendOrigin: Sendable {
  case client
  /// A coordinator of this broker: its batches have a transaction's producer id and epoch, and no sequence of their own.
  case coordinator
}

/// Reports the outcome of an append.
package struct Appended: Hashable, Sendable, BitwiseCopyable {
  /// Offset of the first record; of an earlier append when this was a duplicate.
  package var baseOffset: Offset
  package var lastOffset: Offset
  /// Whether the batch is a duplicate, so that nothing was written.
  package var isDuplicate: Bool
  /// The broker's clock when it set the timestamps, else -1.
  package var logAppendTimeMs: Int64
  package var logStartOffset: Offset
  /// True when the topic's flush settings demand that this append is flushed (`flushTicket`) before it is acknowledged.
  package var needsFlush: Bool
}

/// Says why a read failed.
package enum ReadError: Error, Hashable, Sendable {
  /// Before the log's start or after its end (OFFSET_OUT_OF_RANGE).
  case outOfRange(logStart: Offset, logEnd: Offset)
  /// The disk refused or the log is offline (KAFKA_STORAGE_ERROR).
  case diskFailed(DiskError)
  /// The batches that were looked into unpack to more than the caller allows (OFFSET_NOT_AVAILABLE).
  case unpacksTooMuch
}

extension ReadError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .outOfRange(let logStart, let logEnd): "the offset is not within the log, from \(logStart) to \(logEnd)"
    case .diskFailed(let error): "\(error)"
    case .unpacksTooMuch: "the batches decompress to more than one response may hold"
    }
  }
}
