import Base
import Cluster
import Model
import NIOCore
import Storage
import Synchronization

/// The follower's side of replication: what a fetch from the leader changes in the log.
///
/// Each call names what the leader was asked for. It is refused when this replica follows in another leader epoch by now, or leads: the check
/// and the change are one critical section, so nothing of an earlier leader is appended, or truncated, after an election.
extension Partition {
  /// Returns the end of the log, from which to fetch.
  func followerPosition(in epoch: LeaderEpoch) throws(PartitionError) -> FollowerFetching.Position {
    try state.withLock { state throws(PartitionError) in state.position(of: try state.followedLog(in: epoch)) }
  }

  /// What an append of fetched batches has led to.
  struct Followed {
    var position: FollowerFetching.Position
    /// Whether flush.messages or millrace.flush.before.ack want the records flushed before the leader learns that they are here.
    var needsFlush = false
    /// The consumers that wait here for records below the high watermark, to be woken after the lock is released.
    var woken: [Waiter] = []
    /// Why the rest of the batches was not appended.
    var failure: PartitionError?
  }

  /// Appends whole batches as the leader wrote them, and takes in the leader's high watermark and log start. Batches that the log does not
  /// continue with, because it was truncated since the fetch was sent, are left out.
  ///
  /// - Parameters:
  ///   - highWatermark: the leader's; -1 if unknown.
  ///   - logStart: the leader's; -1 if unknown.
  func append(
    fetched batches: ByteBuffer, for asked: FollowerFetching.Position, highWatermark: Offset, logStart: Offset,
    nowMs: Int64
  ) throws(PartitionError) -> Followed {
    try state.withLock { state throws(PartitionError) in
      let log = try state.followedLog(in: asked.leaderEpoch)
      guard log.logEndOffset == asked.offset else { return Followed(position: state.position(of: log)) }
      var followed = Followed(position: asked)
      do throws(AppendError) {
        try state.startWithin(batches, log, leaderStart: logStart, nowMs: nowMs)
        let appended = try log.appendAsFollower(batches, upToEpoch: asked.leaderEpoch, nowMs: nowMs)
        followed.needsFlush = appended?.needsFlush ?? false
      } catch { followed.failure = .append(error) }
      // Batches before one that fails are in the log.
      if log.logEndOffset > asked.offset {
        state.traffic.replicationBytesIn &+= Int64(batches.readableBytes)
        state.directory?.noteGrowth()
      }
      _ = state.replication.appended(to: log.logEndOffset)
      let before = state.replication.highWatermark
      if state.replication.learned(highWatermark: highWatermark) {
        if !state.waiters.isEmpty { followed.woken = state.wake(raisedFrom: before, by: nil, in: log) }
        // Transactions below it are decided, and need not be remembered for readers of committed records.
        _ = log.lastStableOffset(highWatermark: state.replication.highWatermark)
      }
      let start = min(logStart, state.replication.highWatermark)
      if followed.failure == nil, start > log.logStartOffset {
        do throws(DiskError) { try log.deleteRecords(before: start, nowMs: nowMs) } catch {
          followed.failure = .append(.diskFailed(error))
        }
      }
      followed.position = state.position(of: log)
      return followed
    }
  }

  /// What a truncation has taken away.
  struct Truncated {
    var position: FollowerFetching.Position
    var before: Offset
    /// Whether records below the high watermark are gone: the election was unclean.
    var isBelowMark: Bool
  }

  /// Truncates the log, whose end the leader's has diverged from, to their common part or nearer to it; nil when the leader's epoch and offset
  /// cannot be, and nothing is changed. Waits for the disk.
  func truncate(
    divergingAt diverging: (epoch: LeaderEpoch, endOffset: Offset), for asked: FollowerFetching.Position, nowMs: Int64
  ) throws(PartitionError) -> Truncated? {
    try state.withLock { state throws(PartitionError) in
      let log = try state.followedLog(in: asked.leaderEpoch)
      guard diverging.epoch >= 0, diverging.endOffset >= 0 else { return nil }
      let before = log.logEndOffset
      // The answer is to another log end than there is now.
      guard before == asked.offset else {
        return Truncated(position: state.position(of: log), before: before, isBelowMark: false)
      }
      let point = FollowerFetching.truncationPoint(
        diverging: diverging, own: log.endOffset(forEpoch: diverging.epoch), logEnd: before)
      guard point < before else { return nil }
      return try state.truncate(log, to: point, nowMs: nowMs)
    }
  }

  /// Makes the end of the log one from which the leader can be fetched. Waits for the disk.
  func recover(
    leaderStart: Offset, leaderEnd: Offset, for asked: FollowerFetching.Position, nowMs: Int64
  ) throws(PartitionError) -> Truncated {
    try state.withLock { state throws(PartitionError) in
      let log = try state.followedLog(in: asked.leaderEpoch)
      let before = log.logEndOffset
      switch FollowerFetching.Recovery(logEnd: before, leaderStart: leaderStart, leaderEnd: leaderEnd) {
      case .none: break
      case .truncate(let point): return try state.truncate(log, to: point, nowMs: nowMs)
      case .restart(let start):
        do throws(DiskError) { try log.truncateFullyAndStart(at: start, nowMs: nowMs) } catch {
          throw .append(.diskFailed(error))
        }
        state.replication.restarted(at: start)
      }
      return Truncated(position: state.position(of: log), before: before, isBelowMark: false)
    }
  }
}

extension Partition.State {
  /// Returns the log of a replica that follows in `epoch`.
  fileprivate func followedLog(in epoch: LeaderEpoch) throws(PartitionError) -> Log {
    let log = try usableLog()
    guard !replication.isLeader, replication.leaderEpoch == epoch else { throw .fencedLeaderEpoch }
    if let failure = log.failure { throw .append(.offline(failure)) }
    return log
  }

  fileprivate func position(of log: Log) -> FollowerFetching.Position {
    // An empty log has no records that could be others than the leader's.
    let isEmpty = log.logStartOffset == log.logEndOffset
    let lastEpoch = isEmpty ? -1 : log.leaderEpoch ?? -1
    #if DEBUG
    let forgets = PlantedFault.forgetsEpochsWhenFetching.isPlanted
    #else
    let forgets = false
    #endif
    return FollowerFetching.Position(
      leaderEpoch: replication.leaderEpoch, offset: log.logEndOffset, lastEpoch: forgets ? -1 : lastEpoch,
      logStart: log.logStartOffset)
  }

  /// Has a log begin where the first batch does, when the leader's log start, put there by DeleteRecords, lies within that batch: the
  /// follower, told to begin at the start, gets the whole batch.
  ///
  /// The log is empty, or all that is in it is deleted at the leader. Worked case: the log has 0 and 1 of an earlier epoch, which an unclean
  /// election has made void; the leader has a batch of 1 to 3 and starts at 2. It does not know any more that the epochs parted at 1.
  fileprivate mutating func startWithin(
    _ batches: ByteBuffer, _ log: Log, leaderStart: Offset, nowMs: Int64
  ) throws(AppendError) {
    guard log.logStartOffset == log.logEndOffset || leaderStart >= log.logEndOffset,
      batches.readableBytes >= BatchField.records
    else { return }
    let first = batches.withUnsafeReadableBytes { RecordBatchHeader(reading: $0) }
    guard first.baseOffset >= 0, first.baseOffset < log.logEndOffset, first.lastOffsetDelta >= 0,
      first.lastOffset >= log.logEndOffset
    else { return }
    do throws(DiskError) { try log.truncateFullyAndStart(at: first.baseOffset, nowMs: nowMs) } catch {
      throw .diskFailed(error)
    }
    replication.restarted(at: first.baseOffset)
  }

  fileprivate mutating func truncate(
    _ log: Log, to point: Offset, nowMs: Int64
  ) throws(PartitionError) -> Partition.Truncated {
    let (before, mark) = (log.logEndOffset, replication.highWatermark)
    do throws(DiskError) { try log.truncate(to: point, nowMs: nowMs) } catch { throw .append(.diskFailed(error)) }
    replication.truncated(to: log.logEndOffset)
    return Partition.Truncated(position: position(of: log), before: before, isBelowMark: log.logEndOffset < mark)
  }
}
