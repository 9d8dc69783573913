import Compression
import Model
import NIOCore
import Testing

@testable import Storage

/// A compacted log on a fake disk, and short ways to fill, clean and read it.
final class CompactedLog {
  static let partition = TopicPartition("t", 0), directory = "/t-0"

  let disk = FakeDisk()
  let log: Log
  var nowMs: Int64 = 1_700_000_000_000
  var resources = CleaningResources(dedupeBytes: 1 << 20, loadFactor: 0.9, bufferBytes: 4096)
  private let hash = KeyHash128(key: 1, 2)

  init(_ change: (inout LogConfig) -> Void = { _ in }) throws {
    var config = LogConfig()
    config.compacts = true
    config.deletesOldSegments = false
    config.indexIntervalBytes = 100
    config.deleteRetentionMs = 1_000
    config.fileDeleteDelayMs = 0
    change(&config)
    log = try Log.create(
      disk: disk, directory: Self.directory, partition: Self.partition, topicID: nil, config: config, nowMs: nowMs)
  }

  // MARK: Filling

  /// A producer's batch; a nil value is a tombstone.
  static func batch(
    _ records: [(key: String?, value: String?)], timestamp: Int64, codec: Codec = .none, producer: Int64 = -1,
    epoch: Int16 = 0, sequence: Int32 = -1, transactional: Bool = false, logAppendTime: Int64? = nil
  ) throws -> RecordBatch {
    var builder = RecordBatchBuilder(capacity: 1024)
    for (index, record) in records.enumerated() {
      builder.append(
        Record(
          offset: 0, timestamp: timestamp + Int64(index), key: record.key.map { ByteBuffer(string: $0) },
          value: record.value.map { ByteBuffer(string: $0) }, headers: [RecordHeader("h", ByteBuffer(string: "x"))]))
    }
    let bytes = try builder.finish(
      codec: codec, producerID: producer, producerEpoch: producer < 0 ? -1 : epoch, baseSequence: sequence,
      isTransactional: transactional, logAppendTime: logAppendTime)
    return try RecordBatch(viewing: bytes)
  }

  @discardableResult
  func append(
    _ records: [(key: String?, value: String?)], codec: Codec = .none, producer: Int64 = -1, epoch: Int16 = 0,
    sequence: Int32 = -1, transactional: Bool = false
  ) throws -> Offset {
    let batch = try Self.batch(
      records, timestamp: nowMs, codec: codec, producer: producer, epoch: epoch, sequence: sequence,
      transactional: transactional)
    return try log.append(batch, leaderEpoch: 0, nowMs: nowMs).baseOffset
  }

  /// Ends a producer's transaction.
  func end(_ producer: Int64, commit: Bool, epoch: Int16 = 0) throws {
    let marker = Batches.marker(
      commit: commit, producerID: producer, producerEpoch: epoch, coordinatorEpoch: 0, timestamp: nowMs)
    _ = try log.append(marker, leaderEpoch: 0, nowMs: nowMs)
  }

  func roll() throws { try log.roll(nowMs: nowMs) }

  // MARK: Cleaning

  /// Closes the active segment, flushes, and cleans all before it; returns up to where the log is clean, nil when nothing could be cleaned.
  @discardableResult
  func clean(turnBytes: Int = 1 << 20) throws -> Offset? {
    try roll()
    return try cleanClosed(turnBytes: turnBytes)
  }

  @discardableResult
  func cleanClosed(turnBytes: Int = 1 << 20, highWatermark: Offset? = nil) throws -> Offset? {
    try log.flush(nowMs: nowMs)
    guard let (plan, cleaning) = try begin(highWatermark: highWatermark) else { return nil }
    return try Self.finish(cleaning, plan, log, nowMs: nowMs, turnBytes: turnBytes)
  }

  func begin(highWatermark: Offset? = nil) throws -> (CleaningPlan, Cleaning)? {
    guard let plan = try log.planCleaning(highWatermark: highWatermark ?? log.logEndOffset, nowMs: nowMs) else {
      return nil
    }
    return (plan, Cleaning(plan, resources, hash: hash))
  }

  /// Nil when the log was changed meanwhile.
  ///
  /// - Parameter recoveryPoint: what the checkpoint says; by default all that was flushed.
  static func finish(
    _ cleaning: Cleaning, _ plan: CleaningPlan, _ log: Log, recoveryPoint: Offset? = nil, nowMs: Int64,
    turnBytes: Int = 1 << 20
  ) throws -> Offset? {
    while true {
      switch try cleaning.advance(bytes: turnBytes) {
      case .worked: continue
      case .cleaned(let group):
        guard try log.replace(with: group, recoveryPoint: recoveryPoint ?? log.flushedOffset, nowMs: nowMs) else {
          cleaning.abandon()
          return nil
        }
        try cleaning.syncNames()
      case .finished(let end):
        log.cleaned(plan, to: end)
        return end
      }
    }
  }

  // MARK: Reading

  var batches: [RecordBatch] { get throws { try Self.batches(log) } }

  static func batches(_ log: Log, from start: Offset? = nil) throws -> [RecordBatch] {
    var found: [RecordBatch] = []
    var offset = start ?? log.logStartOffset
    while offset < log.logEndOffset {
      let slice = try log.read(from: offset, upTo: log.logEndOffset, maxBytes: 1500, atLeastOneBatch: true)
      guard slice.nextOffset > offset else { throw Wrong("nothing is read at \(offset) of \(log.logEndOffset)") }
      found += try slice.bytes().batches()
      offset = slice.nextOffset
    }
    return found
  }

  /// Every record in the log, as `5 key=value`; `5 key` for a tombstone, `5 -` for a transaction marker.
  var lines: [String] {
    get throws {
      try batches.flatMap { batch in
        try batch.records().map { record in
          if batch.header.attributes.isControl { return "\(record.offset) -" }
          let key = record.key.map { String(buffer: $0) } ?? "(none)"
          return "\(record.offset) \(key)" + (record.value.map { "=\(String(buffer: $0))" } ?? "")
        }
      }
    }
  }

  /// Names of the log's files, without those that were deleted.
  var files: [String] { get throws { try disk.names(in: Self.directory).filter { !$0.hasSuffix(".deleted") } } }

  func reopen(_ memory: LogMemory = LogMemory()) throws -> Log {
    try Log.open(
      disk: disk, directory: Self.directory, partition: Self.partition, config: log.config, memory: memory, nowMs: nowMs
    )
  }
}
