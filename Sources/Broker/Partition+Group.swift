import Cluster
import Model
import Storage
import Synchronization

extension Partition {
  /// What became of a group: each batch has its own outcome.
  struct GroupPlaced {
    /// All that this replica has below it is on every in-sync replica.
    var highWatermark: Offset = 0
    var woken: [Waiter] = []
  }

  /// Whether `append` of a group serves this partition's log.
  var takesGroups: Bool { state.withLock { $0.log?.takesGroups ?? false } }

  /// Appends several batches under one lock, as `append` does with each.
  ///
  /// - Parameters:
  ///   - first: the index of the first batch; the others follow by `next`.
  ///     One that wants all in-sync replicas is refused while fewer than min.insync.replicas are in sync.
  /// - Throws: when none could be appended: the outcomes are then as before.
  func append(
    _ group: BatchGroup, from first: Int, nowMs: Int64
  ) throws(PartitionError) -> GroupPlaced {
    try state.withLock { state throws(PartitionError) in
      let log = try state.usableLog()
      guard state.replication.isLeader else { throw .notLeader }
      guard log.takesGroups else { throw .offline }
      if state.replication.isBelowMin {
        var index = first
        while index >= 0 {
          if group.batches[index].wantsAllInSync { group.batches[index].outcome = .refused }
          index = group.batches[index].next
        }
      }
      let start = log.logEndOffset
      let bytes = log.append(group, from: first, leaderEpoch: state.replication.leaderEpoch, nowMs: nowMs)
      state.traffic.appended(bytes: bytes, from: start, to: log.logEndOffset)
      state.directory?.noteGrowth()
      let before = state.replication.highWatermark
      let isRaised = state.replication.appended(to: log.logEndOffset)
      var placed = GroupPlaced(highWatermark: state.replication.highWatermark)
      guard !state.waiters.isEmpty else { return placed }
      if isRaised {
        placed.woken = state.wake(raisedFrom: before, by: (start..<log.logEndOffset, bytes), in: log)
      }
      if state.waiters.needsAppends, bytes > 0 { placed.woken += state.waiters.appended(bytes: bytes) }
      return placed
    }
  }
}
