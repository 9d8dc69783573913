import Base
import Cluster
import Model
import Storage
import Synchronization

extension Partition.State {
  func usableLog() throws(PartitionError) -> Log {
    guard let log else { throw isDeleted ? .deleted : isReplica ? .offline : .notLeader }
    return log
  }

  mutating func read(_ wanted: Partition.Wanted, from log: Log) throws(PartitionError) -> Partition.ReadResult {
    let mark = replication.highWatermark
    let stable = log.lastStableOffset(highWatermark: mark)
    if wanted.lastFetchedEpoch >= 0 {
      guard let end = endOffset(forEpoch: wanted.lastFetchedEpoch, in: log) else {
        throw .read(.outOfRange(logStart: log.logStartOffset, logEnd: log.logEndOffset))
      }
      if end.epoch < wanted.lastFetchedEpoch || end.endOffset < wanted.offset {
        return Partition.ReadResult(
          slice: .empty(at: wanted.offset), highWatermark: mark, lastStableOffset: stable,
          logStartOffset: log.logStartOffset, diverging: end)
      }
    }
    do throws(ReadError) {
      let slice = try log.read(
        from: wanted.offset,
        upTo: wanted.isUpToLogEnd ? log.logEndOffset : wanted.isReadCommitted ? stable : mark,
        maxBytes: wanted.maxBytes,
        atLeastOneBatch: wanted.atLeastOneBatch)
      if wanted.isUpToLogEnd {
        traffic.replicationBytesOut &+= Int64(slice.byteCount)
      } else {
        traffic.bytesOut &+= Int64(slice.byteCount)
      }
      var aborted: [AbortedTransaction] = []
      if wanted.isReadCommitted, !slice.isEmpty {
        aborted = try log.abortedTransactions(from: wanted.offset, upTo: slice.nextOffset)
      }
      return Partition.ReadResult(
        slice: slice, highWatermark: mark, lastStableOffset: stable, logStartOffset: log.logStartOffset,
        aborted: aborted)
    } catch { throw .read(error) }
  }

  /// Returns the largest leader epoch not above `epoch`, and its end offset. The current epoch ends at the log's end; the log knows it
  /// only from its first batch on. Until then the log's end is also where the epochs before it end: a follower that has records of an epoch
  /// between the two learns that they are not the leader's.
  func endOffset(forEpoch epoch: LeaderEpoch, in log: Log) -> (epoch: LeaderEpoch, endOffset: Offset)? {
    if epoch == replication.leaderEpoch { return (epoch, log.logEndOffset) }
    if let known = log.endOffset(forEpoch: epoch) { return known }
    guard replication.isLeader, epoch >= 0, epoch < replication.leaderEpoch else { return nil }
    return (log.leaderEpoch ?? epoch, log.logEndOffset)
  }

  /// Whether the replica serves a request that a follower may serve, or only the leader.
  func mayServe(asFollower mayBeFollower: Bool) -> Bool { replication.isLeader || (mayBeFollower && follows) }

  func check(_ currentLeaderEpoch: LeaderEpoch, mayBeFollower: Bool = false) throws(PartitionError) {
    guard mayServe(asFollower: mayBeFollower) else { throw .notLeader }
    if currentLeaderEpoch < 0 || currentLeaderEpoch == replication.leaderEpoch { return }
    throw currentLeaderEpoch < replication.leaderEpoch ? .fencedLeaderEpoch : .unknownLeaderEpoch
  }

  /// Returns what follows from the steps of an event, before which the high watermark was at `before`.
  mutating func advanced(by steps: Replication.Steps, from before: Offset) -> Partition.Advanced {
    var advanced = Partition.Advanced(askISR: steps.askISR)
    if steps.highWatermark != nil, !waiters.isEmpty, let log {
      advanced.woken = wake(raisedFrom: before, by: nil, in: log)
    }
    if waiters.needsTrims, let log {
      advanced.woken += waiters.trimmed(lowWatermark: replication.lowWatermark(logStart: log.logStartOffset))
    }
    return advanced
  }

  /// Returns the waiters that the high watermark satisfies now that it has risen.
  ///
  /// - Parameter appended: the offsets whose append raised it, and their bytes; nil when another event did.
  mutating func wake(
    raisedFrom before: Offset, by appended: (offsets: Range<Offset>, bytes: Int)?, in log: Log
  ) -> [Waiter] {
    let mark = replication.highWatermark
    let bytes: Int
    if let appended, appended.offsets == before..<mark {
      bytes = appended.bytes
    } else {
      bytes = Self.byteCount(from: before, upTo: mark, in: log)
    }
    return waiters.advanced(
      bytes: bytes, highWatermark: mark,
      lastStableOffset: waiters.needsStableOffset ? log.lastStableOffset(highWatermark: mark) : .unknown)
  }

  /// Counts the bytes of the batches between two offsets. Where they cannot be counted the largest number is returned,
  /// so that every waiter is woken.
  private static func byteCount(from start: Offset, upTo end: Offset, in log: Log) -> Int {
    var bytes = 0
    var offset = max(start, log.logStartOffset)
    while offset < end {
      let slice = try? log.read(from: offset, upTo: end, maxBytes: 1 << 40, atLeastOneBatch: true)
      guard let slice, slice.nextOffset > offset else { return .max }
      bytes += slice.byteCount
      offset = slice.nextOffset
    }
    return bytes
  }
}
