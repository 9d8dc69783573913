import Base
import Cluster
package import Model
package import Storage
import Synchronization

/// Holds one partition on this broker: its log, its replication state, its waiters.
///
/// Everything mutable is behind one lock, taken once for a whole append or read, so what was checked at its start still
/// holds at its end. The system calls of the log run under the lock; waiting for a disk flush does not.
package final class Partition: Sendable {
  package let name: TopicPartition
  package let topicID: TopicID

  struct State {
    /// Nil once the partition is deleted or its directory has failed.
    var log: Log?
    /// The log directory of the partition's files; nil when it has none here.
    var directory: LogDirectory?
    var replication: Replication
    var waiters = Waiters<Waiter>()
    var traffic = Traffic()
    var isDeleted = false
    /// Whether this broker has a replica of the partition.
    var isReplica = true
    /// Whether the controller has said, since this broker started, that the replica follows. Until then its log may lack what it has had,
    /// and the leader epoch is the one that was read at the start.
    var follows = false
    /// `fail` has been called.
    var hasFailed = false
  }

  let state: Mutex<State>
  /// The requests that wait for the flush after the one that runs; nil while none runs. Used by the `Flusher`.
  let flushWaiters = Mutex<[FlushWaiter]?>(nil)

  typealias FlushWaiter = @Sendable (Flushed) -> Void

  /// Makes a partition. One whose only replica is this one leads from the start; any other neither leads nor follows
  /// until the controller says so.
  ///
  /// - Parameters:
  ///   - log: nil when its files cannot be used: every request gets KAFKA_STORAGE_ERROR.
  ///   - highWatermark: the checkpointed one; beyond the log's ends it counts as the nearer of them.
  package init(
    _ name: TopicPartition, topicID: TopicID, log: sending Log?, directory: LogDirectory?,
    brokerID: BrokerID, replicas: [BrokerID], leaderEpoch: LeaderEpoch, highWatermark: Offset = 0
  ) {
    self.name = name
    self.topicID = topicID
    var replication = Replication(
      brokerID: brokerID, leaderEpoch: leaderEpoch, logStart: log?.logStartOffset ?? 0, logEnd: log?.logEndOffset ?? 0,
      checkpointed: highWatermark, inSyncMin: log?.config.minInSyncReplicas ?? 1)
    if replicas == [brokerID] {
      _ = replication.lead(.init(leaderEpoch: leaderEpoch, replicas: replicas, inSync: replicas), nowMs: 0)
    }
    var state = State(log: log, directory: directory, replication: replication)
    state.isReplica = replicas.contains(brokerID)
    self.state = Mutex(state)
  }

  /// The log directory of the partition's files; nil when it has none here.
  package var directory: LogDirectory? { state.withLock { $0.directory } }
  package var leaderEpoch: LeaderEpoch { state.withLock { $0.replication.leaderEpoch } }
  package var highWatermark: Offset { state.withLock { $0.replication.highWatermark } }
  /// 0 without a log.
  package var logEndOffset: Offset { state.withLock { $0.log?.logEndOffset ?? 0 } }
  /// Whether readers of committed records may read to the end of the log: no transaction is open, and every replica in sync has all.
  package var isStable: Bool {
    state.withLock { state in
      state.log.map { $0.lastStableOffset(highWatermark: state.replication.highWatermark) == $0.logEndOffset } ?? false
    }
  }
  /// Whether this replica leads, and in which leader epoch.
  package var leadership: (isLeader: Bool, epoch: LeaderEpoch) {
    state.withLock { ($0.replication.isLeader, $0.replication.leaderEpoch) }
  }
  var isDeleted: Bool { state.withLock { $0.isDeleted } }
  package var isOnline: Bool { state.withLock { $0.log != nil && $0.log?.failure == nil } }

  /// The outcome of an append, and the waiters it satisfies, which the caller wakes after the lock is gone.
  struct Placed {
    var appended: Appended
    /// Whether every in-sync replica has the batch; always with one replica.
    var isReplicated: Bool
    var woken: [Waiter]
  }

  /// Appends a batch that `ProducedBatch.checked` returned, or one of a coordinator.
  ///
  /// - Parameters:
  ///   - forAllInSync: whether the produce has acks=all; it is refused while fewer than min.insync.replicas are in sync.
  ///   - verification: for a batch whose transaction must be known to its coordinator.
  func append(
    _ batch: RecordBatch, from origin: AppendOrigin = .client, forAllInSync: Bool, nowMs: Int64,
    verification: TransactionVerification? = nil
  ) throws(PartitionError) -> Placed {
    try state.withLock { state throws(PartitionError) in
      let log = try state.usableLog()
      guard state.replication.isLeader else { throw .notLeader }
      if forAllInSync, state.replication.isBelowMin { throw .notEnoughReplicas }
      let appended: Appended
      do throws(AppendError) {
        appended = try log.append(
          batch, from: origin, leaderEpoch: state.replication.leaderEpoch, nowMs: nowMs, verification: verification)
      } catch { throw .append(error) }
      if !appended.isDuplicate {
        state.traffic.appended(bytes: batch.sizeInBytes, from: appended.baseOffset, to: appended.lastOffset + 1)
        state.directory?.noteGrowth()
      }
      let before = state.replication.highWatermark
      let isRaised = state.replication.appended(to: log.logEndOffset)
      var placed = Placed(
        appended: appended, isReplicated: state.replication.highWatermark > appended.lastOffset, woken: [])
      guard !state.waiters.isEmpty else { return placed }
      if isRaised {
        placed.woken = state.wake(
          raisedFrom: before, by: (appended.baseOffset..<appended.lastOffset + 1, batch.sizeInBytes), in: log)
      }
      if state.waiters.needsAppends, !appended.isDuplicate {
        placed.woken += state.waiters.appended(bytes: batch.sizeInBytes)
      }
      return placed
    }
  }

  /// Begins the verification of a transactional batch; see `Log.beginVerification`.
  func beginVerification(
    of header: RecordBatchHeader, nowMs: Int64
  ) throws(PartitionError) -> TransactionVerification? {
    try withLog { log, _ throws(PartitionError) in log.beginVerification(of: header, nowMs: nowMs) }
  }

  // MARK: Replicas

  /// The waiters that an event satisfied, to be woken after the lock is released, and what to ask the controller.
  struct Advanced {
    var woken: [Waiter] = []
    var askISR: Replication.ISRChange?
  }

  /// Passes an event to the partition's replication: this replica's election (`Replication.lead`), the timer, the controller's response, a
  /// broker that failed.
  func advance(_ event: (inout Replication) -> Replication.Steps) -> Advanced {
    state.withLock { state in
      let before = state.replication.highWatermark
      let steps = event(&state.replication)
      return state.advanced(by: steps, from: before)
    }
  }

  /// Becomes follower of another replica. Returns all waiters, to be released: produces get NOT_LEADER_OR_FOLLOWER, fetches the data
  /// there is.
  func follow(leaderEpoch: LeaderEpoch) -> [Waiter] {
    state.withLock { state in
      state.replication.follow(leaderEpoch: leaderEpoch)
      state.follows = true
      #if DEBUG
      if PlantedFault.truncatesToTheHighWatermark.isPlanted, !state.replication.isLeader, let log = state.log {
        try? log.truncate(to: state.replication.highWatermark, nowMs: 0)
        state.replication.truncated(to: log.logEndOffset)
      }
      #endif
      return state.replication.isLeader ? [] : state.waiters.releaseAll()
    }
  }

  /// Returns the outcome of an append for acks=all up to `end`; nil while a replica in sync may lack records.
  func replicated(upTo end: Offset) -> Result<Void, PartitionError>? {
    state.withLock { state in
      do throws(PartitionError) { _ = try state.usableLog() } catch { return .failure(error) }
      guard state.replication.isLeader else { return .failure(.notLeader) }
      guard state.replication.highWatermark >= end else { return nil }
      return state.replication.isBelowMin ? .failure(.notEnoughReplicasAfterAppend) : .success(())
    }
  }

  /// The slice of the log that one read returns, with the offsets that a fetch response reports.
  struct ReadResult {
    var slice: LogSlice
    var highWatermark: Offset
    var lastStableOffset: Offset
    var logStartOffset: Offset
    var aborted: [AbortedTransaction] = []
    /// The point from which the reader's log diverges, if it does.
    var diverging: (epoch: LeaderEpoch, endOffset: Offset)?
  }

  /// Describes a read.
  struct Wanted {
    var offset: Offset
    var maxBytes: Int
    var atLeastOneBatch: Bool
    var isReadCommitted: Bool
    /// -1 for no check.
    var currentLeaderEpoch: LeaderEpoch
    /// -1 for no check.
    var lastFetchedEpoch: LeaderEpoch
    /// Up to the log's end, for a follower; else up to the high watermark.
    var isUpToLogEnd = false
    /// Whether a follower may serve the read, up to the high watermark that it knows (KIP-392).
    var mayBeFollower = false
  }

  func read(_ wanted: Wanted) throws(PartitionError) -> ReadResult {
    try state.withLock { state throws(PartitionError) in
      try state.check(wanted.currentLeaderEpoch, mayBeFollower: wanted.mayBeFollower)
      return try state.read(wanted, from: state.usableLog())
    }
  }

  /// Parks a waiter. Returns false if the need has been met since the read, or the partition was deleted or has another leader;
  /// the caller then reads again.
  ///
  /// - Parameter mayBeFollower: whether a follower may serve the request.
  func park(_ waiter: Waiter, for need: Need, mayBeFollower: Bool = false) -> Bool {
    state.withLock { state in
      guard let log = state.log, state.mayServe(asFollower: mayBeFollower) else { return false }
      let mark = state.replication.highWatermark
      let isMet =
        switch need {
        case .bytes(let seen): mark != seen
        case .replicated(let end): mark >= end
        case .stable(let seen): log.lastStableOffset(highWatermark: mark) != seen
        case .appended(let seen): log.logEndOffset != seen
        case .trimmed(let offset): state.replication.lowWatermark(logStart: log.logStartOffset) >= offset
        }
      if isMet { return false }
      waiter.holds(state.waiters.park(waiter, for: need), in: self)
      return true
    }
  }

  func unpark(_ ticket: Waiters<Waiter>.Ticket) { state.withLock { $0.waiters.remove(ticket) } }

  var parkedCount: Int { state.withLock { $0.waiters.count } }

  /// The values of the replication state that a critical section over the log needs.
  struct Marks {
    var leaderEpoch: LeaderEpoch
    var highWatermark: Offset
    /// See `Replication.isMarkBehind`.
    var isMarkBehind: Bool

    init(_ replication: Replication) {
      leaderEpoch = replication.leaderEpoch
      highWatermark = replication.highWatermark
      isMarkBehind = replication.isMarkBehind
    }

    /// Returns the offset below which a consumer may read.
    func readableEnd(of log: Log, isReadCommitted: Bool) -> Offset {
      isReadCommitted ? log.lastStableOffset(highWatermark: highWatermark) : highWatermark
    }
  }

  /// Calls `body` with the log, under the partition's lock; for the rarer requests and for housekeeping.
  func withLog<Result: Sendable>(
    _ body: (Log, Marks) throws(PartitionError) -> Result
  ) throws(PartitionError) -> Result {
    try state.withLock { state throws(PartitionError) in
      return try body(try state.usableLog(), Marks(state.replication))
    }
  }

  /// Finds the first record whose timestamp is `timestamp` or later; nil when there is none that the client can read yet.
  ///
  /// The lock is held to find a batch, not to unpack it.
  ///
  /// - Parameter allowance: the bytes to which further batches of the request may decompress; lowered by those of this search.
  func offset(
    forTimestamp timestamp: Int64, isReadCommitted: Bool, allowance: inout Int
  ) throws(PartitionError) -> TimedOffset? {
    var from: Offset = 0
    while true {
      let found = try withLog { log, marks throws(PartitionError) -> (batch: TimedBatch, readable: Range<Offset>)? in
        let start = log.logStartOffset
        let end = max(start, marks.readableEnd(of: log, isReadCommitted: isReadCommitted))
        do throws(ReadError) {
          return try log.batch(forTimestamp: timestamp, from: max(from, start)).map { ($0, start..<end) }
        } catch { throw .read(error) }
      }
      guard let (batch, readable) = found, batch.header.baseOffset < readable.upperBound else { return nil }
      do throws(ReadError) {
        let record = try batch.firstRecord(allowance: &allowance, of: Limits.unpackedRequestBytes) {
          $0 >= timestamp && $1 >= readable.lowerBound
        }
        if let record { return record.offset < readable.upperBound ? record : nil }
      } catch { throw .read(error) }
      // The header has a larger timestamp than the records: a batch stored before headers were checked.
      from = batch.header.nextOffset
    }
  }

  /// Finds the record with the largest timestamp; the lock is held to find a batch, not to unpack it.
  func offsetOfMaxTimestamp(isReadCommitted: Bool, allowance: inout Int) throws(PartitionError) -> TimedOffset? {
    let found = try withLog { log, marks throws(PartitionError) -> (batch: TimedBatch, readableEnd: Offset)? in
      let end = marks.readableEnd(of: log, isReadCommitted: isReadCommitted)
      do throws(ReadError) { return try log.batchOfMaxTimestamp().map { ($0, end) } } catch { throw .read(error) }
    }
    guard let (batch, readableEnd) = found, batch.header.baseOffset < readableEnd else { return nil }
    do throws(ReadError) {
      let record = try batch.firstRecord(allowance: &allowance, of: Limits.unpackedRequestBytes) { timestamp, _ in
        timestamp >= batch.header.maxTimestamp
      }
      return record.flatMap { $0.offset < readableEnd ? $0 : nil }
    } catch { throw .read(error) }
  }

  /// Returns the largest leader epoch not above `epoch`, and its end offset; nil if unknown.
  func endOffset(
    forEpoch epoch: LeaderEpoch
  ) throws(PartitionError) -> (epoch: LeaderEpoch, endOffset: Offset)? {
    try state.withLock { state throws(PartitionError) in
      return state.endOffset(forEpoch: epoch, in: try state.usableLog())
    }
  }

  /// The bytes on disk; 0 if the log is offline.
  var sizeInBytes: Int { state.withLock { $0.log?.sizeInBytes ?? 0 } }

  /// Throws when this replica does not lead, or the epoch a client knows is not the partition's.
  func check(_ currentLeaderEpoch: LeaderEpoch) throws(PartitionError) {
    try state.withLock { state throws(PartitionError) in
      try state.check(currentLeaderEpoch)
      guard state.log?.failure == nil else { throw .offline }
    }
  }

  /// Sets the log's configuration, effective from the next append.
  func configure(_ config: LogConfig) {
    state.withLock { state in
      state.log?.config = config
      state.replication.inSyncMin = config.minInSyncReplicas
    }
  }

  /// The outcome of a flush.
  enum Flushed {
    case durable
    /// The topic was deleted during the flush.
    case deleted
    case failed
  }

  /// Makes everything appended so far durable; waits for the disk, without the lock. The `Flusher` ensures that one thread at a
  /// time calls it.
  func flush(nowMs: Int64) -> Flushed {
    var ticket = state.withLock { $0.log?.flushTicket() }
    while let current = ticket {
      let outcome = Result { () throws(DiskError) -> Void in try current.run() }
      ticket = state.withLock { $0.log?.complete(current, outcome, nowMs: nowMs) }
    }
    return state.withLock { state in
      guard let log = state.log else { return state.isDeleted ? .deleted : .failed }
      return log.failure == nil ? .durable : .failed
    }
  }

  /// Removes every waiter and returns them, to be woken with `released`.
  func release() -> [Waiter] { state.withLock { $0.waiters.releaseAll() } }

  /// Takes the log offline for good: reads and appends get KAFKA_STORAGE_ERROR. The log stays, because the checkpoints go on to
  /// name its offsets.
  ///
  /// - Returns: the waiters, to be woken with `released`; nil when it was done before, or there is no log.
  func fail(_ cause: DiskError) -> [Waiter]? {
    state.withLock { state in
      guard let log = state.log, !state.hasFailed else { return nil }
      state.hasFailed = true
      log.fail(cause)
      return state.waiters.releaseAll()
    }
  }

  /// Puts another log, which has all that this one has, in its place. Reads under way go on with the files of the old one.
  ///
  /// - Parameter make: gets the log and its directory; returns the other log, or nil to change nothing.
  func replaceLog(
    in directory: LogDirectory,
    _ make: (Log, LogDirectory, Marks) throws(LogCopyError) -> Log?
  ) throws(LogCopyError) -> Bool {
    try state.withLock { state throws(LogCopyError) in
      guard let log = state.log, let present = state.directory else { return false }
      let marks = Marks(state.replication)
      do throws(LogCopyError) {
        guard let other = try make(log, present, marks) else { return false }
        state.log = other
        state.directory = directory
        return true
      } catch {
        // What is appended now would not be there after the next start.
        if case .committed = error { log.fail(DiskError("move", log.directory, code: DiskError.unexpectedEnd)) }
        throw error
      }
    }
  }

  /// Removes the log, for the caller to close or delete, and wakes every waiter with `released`.
  func retire(deleted: Bool) -> [Waiter] {
    state.withLock { state in
      state.log = nil
      state.isDeleted = deleted
      return state.waiters.releaseAll()
    }
  }
}
