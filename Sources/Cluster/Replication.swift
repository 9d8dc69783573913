package import Model

/// What one replica of a partition knows of the others, and the high watermark that follows from it.
///
/// The leader's log end moves with each append, a follower's with each of its fetches: a fetch from offset 8 says that the follower
/// has all records below 8. The high watermark is the offset below which every in-sync replica has every record; consumers see
/// what is below it, and acks=all waits for it. Worked case: replicas 1 (leader), 2 and 3, all in sync, ten records. Replica 2
/// fetches from 10, replica 3 from 7: the high watermark is 7, and rises to 10 when replica 3 fetches from 10.
///
/// Which replicas are in sync (the ISR) is the controller's to say. The leader asks for a change (`Steps.askISR`), one at a time, and
/// until it is confirmed counts by the larger of the two sets: a controller that grants it and then elects a replica of the new set
/// finds all acknowledged records there, whether or not this leader has heard of the grant.
///
/// A value: no clock, no file, no message. Owned by its partition and changed under the partition's lock. Times are milliseconds of a
/// clock that never goes back; events that come with none happen at the latest time that an event had.
package struct Replication: Sendable {
  /// A partition's leadership and in-sync replicas, as the controller states them (LeaderAndIsr).
  package struct Leadership: Hashable, Sendable {
    package var leaderEpoch: LeaderEpoch
    /// The version of the partition's state: each change of the ISR has the next one.
    package var partitionEpoch: Int32
    /// Assigned replicas, the preferred leader first.
    package var replicas: [BrokerID]
    package var inSync: [BrokerID]

    package init(leaderEpoch: LeaderEpoch, partitionEpoch: Int32 = 0, replicas: [BrokerID], inSync: [BrokerID]) {
      self.leaderEpoch = leaderEpoch
      self.partitionEpoch = partitionEpoch
      self.replicas = replicas
      self.inSync = inSync
    }
  }

  /// A change of the ISR: asked for with the epochs it starts from, confirmed with those it ended in.
  package struct ISRChange: Hashable, Sendable {
    package var leaderEpoch: LeaderEpoch
    package var partitionEpoch: Int32
    package var inSync: [BrokerID]

    package init(leaderEpoch: LeaderEpoch, partitionEpoch: Int32, inSync: [BrokerID]) {
      self.leaderEpoch = leaderEpoch
      self.partitionEpoch = partitionEpoch
      self.inSync = inSync
    }
  }

  /// What an event asks of the partition: nothing, when both are nil.
  package struct Steps: Hashable, Sendable {
    /// The high watermark has risen to this offset: wake the waiters it satisfies.
    package var highWatermark: Offset?
    /// Ask the controller for this change of the ISR.
    package var askISR: ISRChange?

    package static let none = Steps()

    package init(highWatermark: Offset? = nil, askISR: ISRChange? = nil) {
      self.highWatermark = highWatermark
      self.askISR = askISR
    }
  }

  /// Why the controller did not make a change of the ISR.
  package enum Refusal: Hashable, Sendable {
    /// The change was not made and the state is the one it started from (INELIGIBLE_REPLICA, OPERATION_NOT_ATTEMPTED).
    case notMade
    /// The state is another by now (FENCED_LEADER_EPOCH, INVALID_UPDATE_VERSION): the controller is about to send it,
    /// and until then it is unknown whether the change was made.
    case outdated
  }

  /// A replica on another broker, as its leader sees it.
  private struct Follower {
    let id: BrokerID
    /// Its broker is up, so it may join the ISR.
    var isAlive = true
    /// The offset of its last fetch; nil before the first in this leader epoch.
    var logEnd: Offset?
    /// When it last had all records of the leader; nil when it never had.
    var caughtUpMs: Int64?
    /// When it fetched last, and the leader's log end at that time.
    var lastFetch: (ms: Int64, leaderEnd: Offset)?
  }

  /// The broker this replica is on.
  package let brokerID: BrokerID
  /// `min.insync.replicas`. While fewer are in sync the high watermark stands still; more than there are replicas counts as all.
  package var inSyncMin: Int
  /// `replica.lag.time.max.ms`: a follower that has not had all records for longer leaves the ISR.
  package var lagMsMax: Int64

  package private(set) var isLeader = false
  package private(set) var leaderEpoch: LeaderEpoch
  package private(set) var partitionEpoch: Int32 = 0
  /// The ISR as the controller last confirmed it, this replica included; empty for a follower.
  package private(set) var inSync: [BrokerID] = []
  /// `highWatermark <= logEnd`, always. It falls only when the log is cut.
  package private(set) var highWatermark: Offset
  package private(set) var logEnd: Offset

  /// Where the leader epoch began: a follower below has not begun to follow this leader.
  private var epochStart: Offset = 0
  private var followers: [Follower] = []
  /// The change that was asked for and not answered.
  private var pending: ISRChange?
  private var latestMs: Int64 = 0

  /// Makes a replica that neither leads nor follows yet.
  ///
  /// - Parameter checkpointed: the high watermark that was written down. It counts within the log: a crash may have lost
  ///   records below it, and retention may have moved the log's start past it.
  package init(
    brokerID: BrokerID, leaderEpoch: LeaderEpoch, logStart: Offset, logEnd: Offset, checkpointed: Offset,
    inSyncMin: Int = 1, lagMsMax: Int64 = 30_000
  ) {
    self.brokerID = brokerID
    self.leaderEpoch = leaderEpoch
    self.logEnd = logEnd
    self.inSyncMin = inSyncMin
    self.lagMsMax = lagMsMax
    highWatermark = max(logStart, min(checkpointed, logEnd))
  }

  // MARK: Becoming leader or follower

  /// Leads from now on, or goes on to lead with another ISR or other replicas. An older leader epoch, and an older partition epoch of
  /// the present one, change nothing.
  package mutating func lead(_ leadership: Leadership, nowMs: Int64) -> Steps {
    let isNewEpoch = !isLeader || leadership.leaderEpoch > leaderEpoch
    guard leadership.leaderEpoch >= leaderEpoch else { return .none }
    guard isNewEpoch || leadership.partitionEpoch >= partitionEpoch else { return .none }
    latestMs = max(latestMs, nowMs)
    let before = followers
    if isNewEpoch { epochStart = logEnd }
    isLeader = true
    leaderEpoch = leadership.leaderEpoch
    partitionEpoch = leadership.partitionEpoch
    inSync = leadership.inSync
    pending = nil
    followers = []
    for id in leadership.replicas where id != brokerID && !followers.contains(where: { $0.id == id }) {
      if !isNewEpoch, let known = before.first(where: { $0.id == id }) {
        followers.append(known)
      } else {
        // A follower in sync has the whole time to make its first fetch.
        followers.append(Follower(id: id, caughtUpMs: inSync.contains(id) ? nowMs : nil))
      }
    }
    return Steps(highWatermark: raise())
  }

  /// Follows another replica from now on, or none when there is no leader.
  package mutating func follow(leaderEpoch epoch: LeaderEpoch) {
    guard epoch >= leaderEpoch else { return }
    isLeader = false
    leaderEpoch = epoch
    inSync = []
    followers = []
    pending = nil
  }

  // MARK: The log

  /// Takes note of an append to the own log, which now ends at `end`. Returns whether the high watermark has risen.
  ///
  /// The only event on the produce path. With one replica there is no follower to wait for, and nothing is allocated.
  package mutating func appended(to end: Offset) -> Bool {
    logEnd = end
    guard followers.isEmpty else { return raise() != nil }
    guard isLeader, end > highWatermark else { return false }
    highWatermark = end
    return true
  }

  /// Takes note of a log that was cut at `end`.
  package mutating func truncated(to end: Offset) {
    logEnd = end
    highWatermark = min(highWatermark, end)
  }

  /// Takes note of a log that was emptied and continues at `offset`.
  package mutating func restarted(at offset: Offset) {
    logEnd = offset
    highWatermark = offset
  }

  /// Takes note of a log that now starts at `start`: no follower needs what is gone.
  package mutating func startMoved(to start: Offset) { highWatermark = max(highWatermark, min(start, logEnd)) }

  /// Takes note, as a follower, of the leader's high watermark, which every answer to a fetch has. Returns whether the
  /// own one has risen.
  package mutating func learned(highWatermark leaders: Offset) -> Bool {
    let mark = min(leaders, logEnd)
    guard !isLeader, mark > highWatermark else { return false }
    highWatermark = mark
    return true
  }

  // MARK: The followers

  /// A follower asks for records from `offset` on, so it has all before.
  package mutating func fetched(by id: BrokerID, from offset: Offset, nowMs: Int64) -> Steps {
    guard isLeader, offset >= 0, offset <= logEnd, let index = followers.firstIndex(where: { $0.id == id }) else {
      return .none
    }
    latestMs = max(latestMs, nowMs)
    followers[index].logEnd = offset
    if offset >= logEnd {
      followers[index].caughtUpMs = nowMs
    } else if let last = followers[index].lastFetch, offset >= last.leaderEnd {
      // It has what the log held when it fetched last: it was level then, however fast the log grows.
      followers[index].caughtUpMs = max(last.ms, followers[index].caughtUpMs ?? last.ms)
    }
    followers[index].lastFetch = (nowMs, logEnd)
    var steps = Steps.none
    if canJoin(followers[index]) { steps.askISR = ask(for: inSync + [id]) }
    steps.highWatermark = raise()
    return steps
  }

  /// Looks for followers that have fallen behind; to be called at least twice in `lagMsMax`.
  package mutating func tick(nowMs: Int64) -> Steps {
    guard isLeader else { return .none }
    latestMs = max(latestMs, nowMs)
    var steps = Steps.none
    if pending == nil {
      let kept = inSync.filter { id in
        guard let follower = followers.first(where: { $0.id == id }) else { return id == brokerID }
        return isLevel(follower)
      }
      if kept.count < inSync.count { steps.askISR = ask(for: kept) }
    }
    // A follower that the high watermark waited for may have fallen behind.
    steps.highWatermark = raise()
    return steps
  }

  /// A broker went or came back: one that is gone is not waited for, unless it is in the ISR.
  package mutating func broker(_ id: BrokerID, isAlive: Bool) -> Steps {
    guard let index = followers.firstIndex(where: { $0.id == id }) else { return .none }
    followers[index].isAlive = isAlive
    return Steps(highWatermark: raise())
  }

  // MARK: The controller's answers

  /// The controller has changed the ISR: `change` has the new state's epochs.
  package mutating func confirmed(_ change: ISRChange) -> Steps {
    guard isLeader, change.leaderEpoch == leaderEpoch, change.partitionEpoch >= partitionEpoch else { return .none }
    partitionEpoch = change.partitionEpoch
    inSync = change.inSync
    pending = nil
    return Steps(highWatermark: raise())
  }

  /// The controller has refused `change`, which is as it was asked for.
  package mutating func refused(_ change: ISRChange, _ refusal: Refusal) -> Steps {
    guard pending == change, refusal == .notMade else { return .none }
    pending = nil
    return Steps(highWatermark: raise())
  }

  // MARK: What follows

  /// Fewer replicas are in sync than a produce with acks=all is promised, also when there are no more.
  package var isBelowMin: Bool { inSync.count < inSyncMin }

  /// Enough replicas are in sync for the high watermark to rise.
  package var hasEnoughInSync: Bool { inSync.count >= min(inSyncMin, followers.count + 1) }

  /// The controller may have it in the ISR, as far as this leader knows.
  private func mayBeInSync(_ id: BrokerID) -> Bool {
    inSync.contains(id) || pending?.inSync.contains(id) == true
  }

  /// Raises the high watermark to the lowest log end of those that count; returns it when it has risen.
  private mutating func raise() -> Offset? {
    guard isLeader, hasEnoughInSync else { return nil }
    var mark = logEnd
    for follower in followers where (follower.logEnd ?? 0) < mark {
      // One that is level but not in the ISR is about to join: the mark waits, or on a busy partition it would always be ahead of
      // the follower, which could then never join.
      if mayBeInSync(follower.id) || (follower.isAlive && isLevel(follower)) {
        mark = follower.logEnd ?? 0
      }
    }
    guard mark > highWatermark else { return nil }
    highWatermark = mark
    return mark
  }

  /// It has all records, or had them within the time allowed.
  private func isLevel(_ follower: Follower) -> Bool {
    if follower.logEnd == logEnd { return true }
    guard let caughtUpMs = follower.caughtUpMs else { return false }
    return latestMs - caughtUpMs <= lagMsMax
  }

  private func canJoin(_ follower: Follower) -> Bool {
    guard pending == nil, follower.isAlive, !inSync.contains(follower.id), let end = follower.logEnd else {
      return false
    }
    return end >= highWatermark && end >= epochStart
  }

  private mutating func ask(for members: [BrokerID]) -> ISRChange {
    let change = ISRChange(leaderEpoch: leaderEpoch, partitionEpoch: partitionEpoch, inSync: members)
    pending = change
    return change
  }
}
