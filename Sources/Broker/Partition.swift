import Compression
package import Model
import NIOCore
package import Storage
import Synchronization

/// One partition as this broker leads it: its log, its leadership, and who waits for it to grow.
///
/// Everything mutable is behind one lock, taken once for a whole append or read, so what was checked at its start still
/// holds at its end. The system calls of the log run under the lock; waiting for a disk flush does not.
package final class Partition: Sendable {
  package let name: TopicPartition
  package let topicID: TopicID
  /// The log.dir its files are in.
  package let directory: LogDirectory?

  struct State {
    /// Nil once the partition is deleted or its directory has failed.
    var log: Engine?
    var leaderEpoch: LeaderEpoch
    var waiters = OffsetWaiters<ParkedFetch>()
    var isDeleted = false

    /// One replica, so what is in the log is on every in-sync replica.
    var highWatermark: Offset {
      switch log {
      case .append(let log): log.logEndOffset
      case .btree(let log): log.logEndOffset
      case nil: 0
      }
    }
  }

  /// The log by its kind: appends and reads are then plain calls, and only the rarer requests go through the protocol.
  enum Engine {
    case append(Log)
    case btree(BTreeLog)

    init(_ log: any PartitionLog) {
      switch log {
      case let log as Log: self = .append(log)
      case let log as BTreeLog: self = .btree(log)
      default: preconditionFailure("\(type(of: log)) is no engine that a partition knows")
      }
    }

    var log: any PartitionLog {
      switch self {
      case .append(let log): log
      case .btree(let log): log
      }
    }
  }

  private let state: Mutex<State>

  /// - Parameter log: nil when its files cannot be used: every request is answered with a storage error.
  package init(
    _ name: TopicPartition, topicID: TopicID, log: sending (any PartitionLog)?, directory: LogDirectory?,
    leaderEpoch: LeaderEpoch
  ) {
    self.name = name
    self.topicID = topicID
    self.directory = directory
    state = Mutex(State(log: log.map { Engine($0) }, leaderEpoch: leaderEpoch))
  }

  package var leaderEpoch: LeaderEpoch { state.withLock { $0.leaderEpoch } }
  package var isOnline: Bool { state.withLock { $0.log != nil && $0.log?.log.failure == nil } }

  /// The outcome of an append, and the fetches it satisfies, which the caller wakes after the lock is gone.
  struct Placed {
    var appended: Appended
    var woken: [ParkedFetch]
  }

  /// Appends a checked batch and releases the fetches that now have enough.
  func append(_ batch: RecordBatch, nowMs: Int64) throws(PartitionError) -> Placed {
    try state.withLock { state throws(PartitionError) in
      let engine = try state.usableLog()
      let epoch = state.leaderEpoch
      let appended: Appended
      do throws(AppendError) {
        switch engine {
        case .append(let log): appended = try log.append(batch, leaderEpoch: epoch, nowMs: nowMs)
        case .btree(let log): appended = try log.append(batch, leaderEpoch: epoch, nowMs: nowMs)
        }
      } catch { throw .append(error) }
      let woken = appended.isDuplicate ? [] : state.waiters.grew(by: batch.sizeInBytes)
      return Placed(appended: appended, woken: woken)
    }
  }

  /// What one read found, with the marks a fetch answer tells.
  struct Found {
    var slice: LogSlice
    var highWatermark: Offset
    var lastStableOffset: Offset
    var logStartOffset: Offset
    var aborted: [AbortedTransaction] = []
    /// Where the reader's log parts from ours, when it does.
    var diverging: (epoch: LeaderEpoch, endOffset: Offset)?
  }

  /// What a read asks for.
  struct Wanted {
    var offset: Offset
    var maxBytes: Int
    var atLeastOneBatch: Bool
    var isReadCommitted: Bool
    /// -1: do not check.
    var currentLeaderEpoch: LeaderEpoch
    /// -1: do not check.
    var lastFetchedEpoch: LeaderEpoch
  }

  func read(_ wanted: Wanted) throws(PartitionError) -> Found {
    try state.withLock { state throws(PartitionError) in
      try state.check(wanted.currentLeaderEpoch)
      switch try state.usableLog() {
      case .append(let log): return try state.read(wanted, from: log)
      case .btree(let log): return try state.read(wanted, from: log)
      }
    }
  }

  /// Parks a fetch that read up to `mark`. False: the partition has changed since, so read again.
  func park(_ fetch: ParkedFetch, readUpTo mark: Offset) -> Bool {
    state.withLock { state in
      guard state.log != nil, state.highWatermark == mark else { return false }
      state.waiters.park(fetch)
      return true
    }
  }

  func unpark(_ fetch: ParkedFetch) { state.withLock { $0.waiters.remove(fetch) } }

  var parkedCount: Int { state.withLock { $0.waiters.count } }

  /// One critical section over the log, for the rarer requests and for housekeeping.
  func withLog<Result: Sendable>(
    _ body: (any PartitionLog, LeaderEpoch) throws(PartitionError) -> Result
  ) throws(PartitionError) -> Result {
    try state.withLock { state throws(PartitionError) in
      return try body(try state.usableLog().log, state.leaderEpoch)
    }
  }

  /// The largest leader epoch not above `epoch` and where it ended; nil when unknown.
  func endOffset(
    forEpoch epoch: LeaderEpoch
  ) throws(PartitionError) -> (epoch: LeaderEpoch, endOffset: Offset)? {
    try state.withLock { state throws(PartitionError) in
      return state.endOffset(forEpoch: epoch, in: try state.usableLog().log)
    }
  }

  /// Bytes on disk; 0 when the log cannot be used.
  var sizeInBytes: Int { state.withLock { $0.log?.log.sizeInBytes ?? 0 } }

  /// Throws when the epoch a client knows is not the partition's.
  func check(_ currentLeaderEpoch: LeaderEpoch) throws(PartitionError) {
    try state.withLock { state throws(PartitionError) in try state.check(currentLeaderEpoch) }
  }

  /// Gives the log other settings; they hold from the next append.
  func configure(_ config: LogConfig) { state.withLock { $0.log?.log.config = config } }

  /// Makes everything appended so far durable; waits for the disk, without the lock. One thread at a time: the `Flusher`
  /// sees to that.
  func flush(nowMs: Int64) -> Bool {
    var ticket = state.withLock { $0.log?.log.flushTicket() }
    while let current = ticket {
      let outcome = Result { () throws(DiskError) -> Void in try current.run() }
      ticket = state.withLock { $0.log?.log.complete(current, outcome, nowMs: nowMs) }
    }
    return isOnline
  }

  /// Lets every parked fetch go, to be answered with what there is.
  func release() -> [ParkedFetch] { state.withLock { $0.waiters.releaseAll() } }

  /// Takes the log away, for the caller to close or delete; every parked fetch is released to find the partition gone.
  func retire(deleted: Bool) -> [ParkedFetch] {
    state.withLock { state in
      state.log = nil
      state.isDeleted = deleted
      return state.waiters.releaseAll()
    }
  }
}

extension Partition.State {
  func usableLog() throws(PartitionError) -> Partition.Engine {
    guard let log else { throw isDeleted ? .deleted : .offline }
    return log
  }

  func read(_ wanted: Partition.Wanted, from log: some PartitionLog) throws(PartitionError) -> Partition.Found {
    let mark = log.logEndOffset
    let stable = log.lastStableOffset(highWatermark: mark)
    var found = Partition.Found(
      slice: LogSlice(ranges: [], byteCount: 0, firstOffset: wanted.offset, nextOffset: wanted.offset),
      highWatermark: mark, lastStableOffset: stable,
      logStartOffset: log.logStartOffset)
    if wanted.lastFetchedEpoch >= 0 {
      guard let end = endOffset(forEpoch: wanted.lastFetchedEpoch, in: log) else {
        throw .read(.outOfRange(logStart: log.logStartOffset, logEnd: log.logEndOffset))
      }
      if end.epoch < wanted.lastFetchedEpoch || end.endOffset < wanted.offset {
        found.diverging = end
        return found
      }
    }
    do throws(ReadError) {
      found.slice = try log.read(
        from: wanted.offset, upTo: wanted.isReadCommitted ? stable : mark, maxBytes: wanted.maxBytes,
        atLeastOneBatch: wanted.atLeastOneBatch)
      if wanted.isReadCommitted, !found.slice.isEmpty {
        found.aborted = try log.abortedTransactions(from: wanted.offset, upTo: found.slice.nextOffset)
      }
    } catch { throw .read(error) }
    return found
  }

  /// The log learns of an epoch with its first batch; the present one is known before that, and ends at the log's end.
  func endOffset(forEpoch epoch: LeaderEpoch, in log: any PartitionLog) -> (epoch: LeaderEpoch, endOffset: Offset)? {
    if epoch == leaderEpoch { return (epoch, log.logEndOffset) }
    return log.endOffset(forEpoch: epoch)
  }

  func check(_ currentLeaderEpoch: LeaderEpoch) throws(PartitionError) {
    if currentLeaderEpoch < 0 || currentLeaderEpoch == leaderEpoch { return }
    throw currentLeaderEpoch < leaderEpoch ? .fencedLeaderEpoch : .unknownLeaderEpoch
  }
}

/// Why a partition did not do what was asked.
package enum PartitionError: Error, Equatable {
  /// The topic was deleted while the request was under way.
  case deleted
  /// Its files cannot be used.
  case offline
  /// The client knows an older leadership than ours.
  case fencedLeaderEpoch
  /// The client knows a newer leadership than ours.
  case unknownLeaderEpoch
  case append(AppendError)
  case read(ReadError)
}

extension ErrorCode {
  package init(_ error: PartitionError) {
    switch error {
    case .deleted: self = .unknownTopicOrPartition
    case .offline: self = .kafkaStorageError
    case .fencedLeaderEpoch: self = .fencedLeaderEpoch
    case .unknownLeaderEpoch: self = .unknownLeaderEpoch
    case .append(let error): self.init(error)
    case .read(.outOfRange): self = .offsetOutOfRange
    case .read(.diskFailed): self = .kafkaStorageError
    }
  }

  package init(_ error: AppendError) {
    switch error {
    case .tooLarge: self = .messageTooLarge
    case .largerThanSegment: self = .recordListTooLarge
    case .timestampOutOfRange: self = .invalidTimestamp
    case .outOfOrderSequence: self = .outOfOrderSequenceNumber
    case .invalidProducerEpoch: self = .invalidProducerEpoch
    case .coordinatorFenced: self = .transactionCoordinatorFenced
    case .invalidRecord: self = .invalidRecord
    case .unexpectedOffset: self = .unknownServerError
    case .corrupt: self = .corruptMessage
    case .diskFailed, .offline: self = .kafkaStorageError
    }
  }
}

extension Partition {
  /// True when a batch of the slice is compressed with zstd, which clients before Fetch version 10 cannot read.
  func hasZstd(_ slice: LogSlice) throws(PartitionError) -> Bool {
    for range in slice.ranges {
      var position = 0
      while position + BatchField.records <= range.length {
        var header = RecordBatchHeader()
        do throws(DiskError) {
          try withUnsafeTemporaryAllocation(byteCount: BatchField.records, alignment: 8) { bytes throws(DiskError) in
            guard try range.read(into: bytes, from: position) == bytes.count else { return }
            header = RecordBatchHeader(reading: UnsafeRawBufferPointer(bytes))
          }
        } catch { throw .read(.diskFailed(error)) }
        if header.attributes.codecNumber == Codec.zstd.rawValue { return true }
        position += max(header.sizeInBytes, BatchField.records)
      }
    }
    return false
  }
}

extension Partition {
  /// A slice's records as messages of an old format: whole batches, until there are `maxBytes` of them. Nil when a batch
  /// cannot be had as messages (zstd, or damage).
  ///
  /// The bytes pass through memory, a batch at a time, on the caller's thread: the price of a client of before 2017.
  func messages(
    _ slice: LogSlice, magic: Int8, from offset: Offset, maxBytes: Int
  ) throws(PartitionError) -> ByteBuffer? {
    var messages = ByteBuffer()
    for range in slice.ranges {
      var batches = ByteBuffer()
      do throws(DiskError) { _ = try range.read(into: &batches) } catch { throw .read(.diskFailed(error)) }
      while batches.readableBytes > 0, messages.readableBytes == 0 || messages.readableBytes < maxBytes {
        do throws(RecordBatchError) {
          let batch = try RecordBatch(viewing: batches, checkingCRC: false)
          try batch.writeMessages(magic: magic, from: offset, limit: Limits.decompressedBatchBytes, to: &messages)
          batches.moveReaderIndex(forwardBy: batch.sizeInBytes)
        } catch { return nil }
      }
    }
    return messages
  }
}
