import Cluster
import Model
import Storage
import Synchronization
import Wire

/// The leader's side of replication: followers' fetches.
extension Partition {
  /// A follower's fetch, as far as it is about this partition.
  struct FollowerFetch {
    var replica: BrokerID
    /// The registration of the follower's broker; -1 if unknown.
    var brokerEpoch: Int64 = -1
    /// The follower's log start; nil when it does not say.
    var logStart: Offset?
    /// Whether the fetch reads again after a wait: what it says of the follower was taken in when it came.
    var isRepeated: Bool
    /// Whether a follower that is not in sync gets no records now (`leader.replication.throttled.rate`).
    var isHeldBack = false
    /// `replica.lag.time.max.ms`
    var lagMsMax: Int64
    /// Monotonic.
    var nowMs: Int64
  }

  /// What a follower's fetch finds.
  struct FollowerRead {
    var read: ReadResult
    /// Where the leader's log ends.
    var logEnd: Offset
    /// Whether the high watermark is another than the follower was told last, so that the response is not held back.
    var hasNewMark = false
    /// What follows from the follower's having everything below its offset.
    var advanced = Advanced()
  }

  /// Reads up to the log's end for a follower, and takes in that the follower has everything below the offset from which it fetches, unless
  /// its log has diverged from this one.
  ///
  /// - Throws: for a replica that is not assigned, UNKNOWN_LEADER_EPOCH where the follower's leader epoch is the partition's, as in Kafka (the
  ///   leader may not have learnt of the replica yet), and NOT_LEADER_OR_FOLLOWER where the follower names no epoch; the latter also for a fetch
  ///   from before the follower's broker registered again (KIP-903).
  func read(_ wanted: Wanted, for fetch: FollowerFetch) throws(PartitionError) -> FollowerRead {
    var upToEnd = wanted
    upToEnd.isUpToLogEnd = true
    let wanted = upToEnd
    return try state.withLock { state throws(PartitionError) in
      try state.check(wanted.currentLeaderEpoch)
      let log = try state.usableLog()
      guard state.replication.isFollowed(by: fetch.replica) else {
        throw wanted.currentLeaderEpoch >= 0 ? .unknownLeaderEpoch : .notLeader
      }
      if state.replication.isEarlierLife(fetch.brokerEpoch, of: fetch.replica) { throw .notLeader }
      var found = FollowerRead(read: try state.read(wanted, from: log), logEnd: log.logEndOffset)
      guard found.read.diverging == nil else { return found }
      if fetch.isHeldBack, !state.replication.isInSync(fetch.replica) {
        state.traffic.replicationBytesOut &-= Int64(found.read.slice.byteCount)
        found.read.slice = .empty(at: wanted.offset)
      }
      state.replication.lagMsMax = fetch.lagMsMax
      if !fetch.isRepeated {
        let before = state.replication.highWatermark
        let steps = state.replication.fetched(
          by: fetch.replica, in: fetch.brokerEpoch, from: wanted.offset, logStart: fetch.logStart, nowMs: fetch.nowMs)
        found.advanced = state.advanced(by: steps, from: before)
        found.read.highWatermark = state.replication.highWatermark
      }
      found.hasNewMark = state.replication.reportsNewMark(to: fetch.replica)
      return found
    }
  }

  /// Takes in a fetch of a follower that has all of the log, as `read(_:for:)` does; nil, with nothing taken in, for another fetch and for one
  /// that is to be refused. What a follower asks for twice a second of each partition that nobody writes to, so it makes no response.
  ///
  /// - Returns: what follows, and whether the follower knows the high watermark and where the log begins, too: it needs no response then.
  func idle(_ wanted: FetchRequest.Partition, for fetch: FollowerFetch) -> (advanced: Advanced, hasNothingNew: Bool)? {
    state.withLock { state in
      let epoch = wanted.currentLeaderEpoch
      guard let log = state.log, wanted.fetchOffset == log.logEndOffset, state.replication.isLeader,
        epoch < 0 || epoch == state.replication.leaderEpoch, state.replication.isFollowed(by: fetch.replica),
        !state.replication.isEarlierLife(fetch.brokerEpoch, of: fetch.replica)
      else { return nil }
      if wanted.lastFetchedEpoch >= 0 {
        guard let end = state.endOffset(forEpoch: wanted.lastFetchedEpoch, in: log),
          end.epoch == wanted.lastFetchedEpoch, end.endOffset >= wanted.fetchOffset
        else { return nil }
      }
      var advanced = Advanced()
      state.replication.lagMsMax = fetch.lagMsMax
      if !fetch.isRepeated {
        let before = state.replication.highWatermark
        let steps = state.replication.fetched(
          by: fetch.replica, in: fetch.brokerEpoch, from: wanted.fetchOffset, logStart: fetch.logStart,
          nowMs: fetch.nowMs)
        advanced = state.advanced(by: steps, from: before)
      }
      return (
        advanced, fetch.logStart == log.logStartOffset && state.replication.hasReportedMark(to: fetch.replica)
      )
    }
  }

  /// Returns the replica in a consumer's rack from which it is to read, with this replica's offsets; nil where it reads here.
  func nearest(
    to clientRack: String, reading wanted: Wanted, nowMs: Int64, rack: (BrokerID) -> String?
  ) -> (replica: BrokerID, read: ReadResult)? {
    state.withLock { state in
      guard state.replication.isLeader, let log = state.log, (try? state.check(wanted.currentLeaderEpoch)) != nil else {
        return nil
      }
      let followers = state.replication.readable(at: wanted.offset, nowMs: nowMs)
      let nearest = ReplicaSelector.nearest(
        to: clientRack, leader: state.replication.brokerID, followers: followers, rack: rack)
      guard let nearest else { return nil }
      let mark = state.replication.highWatermark
      let offsets = ReadResult(
        slice: .empty(at: wanted.offset),
        highWatermark: mark, lastStableOffset: log.lastStableOffset(highWatermark: mark),
        logStartOffset: log.logStartOffset)
      return (nearest, offsets)
    }
  }

  /// Returns the offset below which no living replica has records, and whether that is `offset` or more.
  func isTrimmed(to offset: Offset) throws(PartitionError) -> (lowWatermark: Offset, isReached: Bool) {
    try state.withLock { state throws(PartitionError) in
      let log = try state.usableLog()
      guard state.replication.isLeader else { throw .notLeader }
      let low = state.replication.lowWatermark(logStart: log.logStartOffset)
      return (low, low >= offset)
    }
  }

  /// Whether this replica leads, and the broker has another one; a consumer's number, -1, is no broker's.
  func isFollowed(by id: BrokerID) -> Bool { id >= 0 && state.withLock { $0.replication.isFollowed(by: id) } }

  /// Returns nil where this replica leads, and those in sync have fetched from it within the last `ms`; otherwise what the controller is to be
  /// asked. See `Replication.doubt`.
  func doubt(withinMs ms: Int64, nowMs: Int64) -> Advanced? {
    state.withLock { state in
      if state.replication.isFollowed(withinMs: ms, nowMs: nowMs) { return nil }
      let steps = state.replication.doubt(withinMs: ms, nowMs: nowMs)
      return state.advanced(by: steps, from: state.replication.highWatermark)
    }
  }

  /// Whether this replica leads, and others follow it.
  var hasFollowers: Bool { state.withLock { $0.replication.isLeader && $0.replication.hasFollowers } }

  /// Removes followers that lag from the ISR; see `Replication.tick`.
  func tick(lagMsMax: Int64, nowMs: Int64) -> Advanced {
    state.withLock { state in
      guard state.replication.hasFollowers else { return Advanced() }
      state.replication.lagMsMax = lagMsMax
      let before = state.replication.highWatermark
      let steps = state.replication.tick(nowMs: nowMs)
      return state.advanced(by: steps, from: before)
    }
  }
}
