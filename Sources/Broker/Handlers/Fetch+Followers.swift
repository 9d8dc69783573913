import Model
import Storage
import Wire

/// What a follower's fetch reads. Most of what followers ask for twice a second is partitions that nobody writes to: within a session
/// these are neither read nor in the response.
extension Fetch {
  /// Whether a response may leave out the partitions in which the follower misses nothing: it is in the midst of a session.
  var leavesOutIdle: Bool { if case .of = session { isByFollower } else { false } }

  /// Whether the response is the same, without another look, when the time to wait is up: any appended byte would have ended the wait.
  func isLast(_ attempt: Attempt) -> Bool { leavesOutIdle && minBytes == 1 && attempt.response.responses.isEmpty }

  func follower(_ broker: LocalBroker, isRepeated: Bool) -> Partition.FollowerFetch {
    Partition.FollowerFetch(
      replica: replica, brokerEpoch: replicaEpoch, isRepeated: isRepeated, lagMsMax: broker.config.replicaLagMsMax,
      nowMs: broker.uptimeMs())
  }

  /// Takes in what the follower says of a partition, and returns true where it misses nothing.
  func leavesOut(
    _ wanted: FetchRequest.Partition, from partition: Partition, _ broker: LocalBroker,
    _ follower: inout Partition.FollowerFetch?
  ) -> Bool {
    guard let fetch = follower, let idle = partition.idle(wanted, for: fetch) else { return false }
    broker.isrRequests.take(idle.advanced, of: partition)
    guard idle.hasNothingNew else {
      follower?.isRepeated = true
      return false
    }
    return true
  }

  /// Reads up to the log's end, whatever the isolation level. What the fetch says of the follower is taken in when it comes, and not when it
  /// reads again.
  @inline(never)
  func read(
    _ wanted: FetchRequest.Partition, from partition: Partition, for follower: Partition.FollowerFetch,
    _ broker: LocalBroker, isThrottled: Bool, _ response: inout FetchResponse.Partition, _ attempt: inout Attempt
  ) {
    do throws(PartitionError) {
      var fetch = follower
      fetch.isHeldBack = isThrottled && broker.leaderThrottle.isExceeded(nowMs: fetch.nowMs)
      let found = try partition.read(self.wanted(wanted, after: attempt.byteCount), for: fetch)
      broker.isrRequests.take(found.advanced, of: partition)
      response.highWatermark = found.read.highWatermark
      response.lastStableOffset = found.read.lastStableOffset
      response.logStartOffset = found.read.logStartOffset
      if let diverging = found.read.diverging {
        response.divergingEpoch.epoch = diverging.epoch
        response.divergingEpoch.endOffset = diverging.endOffset
        attempt.mustNotWait = true
        return
      }
      let slice = found.read.slice
      if slice.byteCount > 0 { response.records = .spliced(byteCount: slice.byteCount) }
      if let range = slice.range { attempt.ranges.append(range) }
      attempt.byteCount += slice.byteCount
      if isThrottled { attempt.throttledBytes += slice.byteCount }
      if slice.isCutBySegment || found.hasNewMark { attempt.mustNotWait = true }
      if attempt.byteCount < minBytes {
        attempt.places.append((partition, .appended(past: found.logEnd), slice.byteCount))
      }
    } catch { refuse(error, partition, &response) }
  }
}

extension Partition.FollowerFetch {
  /// The fetch, as far as it is about the partition that is wanted.
  func asking(_ wanted: FetchRequest.Partition) -> Self {
    var fetch = self
    fetch.logStart = wanted.logStartOffset >= 0 ? wanted.logStartOffset : nil
    return fetch
  }
}
