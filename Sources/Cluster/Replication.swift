import Base
package import Model

/// Tracks the in-sync replicas and the high watermark on the leader; on a follower, the high watermark alone. (In Kafka this
/// is part of Partition.)
///
/// The leader's log end moves with each append, a follower's with each of its fetches: a fetch from offset 8 says that the follower
/// has all records below 8. The high watermark is the offset below which every in-sync replica (and each that is caught up
/// and about to join them) has every record; consumers read only below it, and acks=all waits for it. Worked case: replicas 1 (leader), 2 and 3, all in sync, ten records. Replica 2
/// fetches from 10, replica 3 from 7: the high watermark is 7, and rises to 10 when replica 3 fetches from 10.
///
/// The controller decides which replicas are in sync (the ISR). The leader requests one change at a time (`Steps.askISR`), and until
/// it is confirmed the high watermark waits for every replica that is in either set: a controller that grants the change and then elects a
/// replica of the new set finds all acknowledged records there, whether or not this leader has heard of the grant.
///
/// A value without I/O, changed under its partition's lock. Times are milliseconds of a monotonic clock; an event without a time
/// happens at the latest time seen.
package struct Replication: Sendable {
  /// Holds a partition's leader epoch and ISR, as LeaderAndIsr sends them.
  package struct Leadership: Hashable, Sendable {
    package var leaderEpoch: LeaderEpoch
    /// The version of the partition's state, raised by each change of the ISR.
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

  /// Describes a change of the ISR: requested with the epochs it starts from, confirmed with the resulting ones.
  package struct ISRChange: Hashable, Sendable {
    package var leaderEpoch: LeaderEpoch
    package var partitionEpoch: Int32
    package var inSync: [BrokerID]
    /// The registrations in which followers among them fetched last, as far as they say; a controller that knows another one refuses the
    /// change (KIP-903).
    package var brokerEpochs: [BrokerID: Int64]

    package init(
      leaderEpoch: LeaderEpoch, partitionEpoch: Int32, inSync: [BrokerID], brokerEpochs: [BrokerID: Int64] = [:]
    ) {
      self.leaderEpoch = leaderEpoch
      self.partitionEpoch = partitionEpoch
      self.inSync = inSync
      self.brokerEpochs = brokerEpochs
    }
  }

  /// Tells the partition what to do after an event; nothing when both are nil.
  package struct Steps: Hashable, Sendable {
    /// The new high watermark: wake the waiters it satisfies.
    package var highWatermark: Offset?
    /// The change of the ISR to request from the controller.
    package var askISR: ISRChange?

    package static let none = Steps()

    package init(highWatermark: Offset? = nil, askISR: ISRChange? = nil) {
      self.highWatermark = highWatermark
      self.askISR = askISR
    }
  }

  /// Says why the controller did not change the ISR.
  package enum ISRRefusal: Hashable, Sendable {
    /// The state is unchanged (INELIGIBLE_REPLICA, OPERATION_NOT_ATTEMPTED).
    case notMade
    /// The state has changed since (FENCED_LEADER_EPOCH, INVALID_UPDATE_VERSION): the controller will send it, and until then
    /// it is unknown whether the requested change was made.
    case outdated
  }

  /// Holds the leader's view of a replica on another broker.
  private struct Follower {
    let id: BrokerID
    /// Whether the broker is alive, so that the replica may join the ISR.
    var isAlive = true
    /// The registration of the broker that fetched last; -1 if unknown.
    var brokerEpoch: Int64 = -1
    /// The offset of the last fetch; nil before the first in this leader epoch.
    var logEnd: Offset?
    /// When the follower last had all records of the leader; nil if never.
    var caughtUpMs: Int64?
    /// The time of the last fetch, and the leader's log end then.
    var lastFetch: (ms: Int64, leaderEnd: Offset)?
    /// Where the follower's log starts, as its last fetch said; nil before the first in this leader epoch.
    var logStart: Offset?
    /// The high watermark in the last response to the follower.
    var reportedMark = Offset.unknown
  }

  /// The broker this replica is on.
  package let brokerID: BrokerID
  /// `min.insync.replicas`. With fewer in sync the high watermark does not rise, where a number above the replica count means all
  /// replicas (`hasEnoughInSync`); a produce with acks=all is refused, where it means just that number (`isBelowMin`), as in Kafka.
  package var inSyncMin: Int
  /// `replica.lag.time.max.ms`: a follower that last caught up longer ago leaves the ISR.
  package var lagMsMax: Int64

  package private(set) var isLeader = false
  package private(set) var leaderEpoch: LeaderEpoch
  package private(set) var partitionEpoch: Int32 = 0
  /// The ISR as the controller last confirmed it, this replica included; empty for a follower.
  package private(set) var inSync: [BrokerID] = []
  /// Never above `logEnd`. Falls only when the log is truncated.
  package private(set) var highWatermark: Offset
  package private(set) var logEnd: Offset

  /// The log end at the start of the leader epoch; a follower must reach it to join the ISR.
  private var epochStart: Offset = 0
  private var followers: [Follower] = []
  /// The requested change without a response yet.
  private var pending: ISRChange?
  private var latestMs: Int64 = 0
  /// When the leader epoch began here.
  private var ledFromMs: Int64 = 0

  /// Creates a replica that neither leads nor follows yet.
  ///
  /// - Parameter checkpointed: the checkpointed high watermark, clamped to the log: a crash may have lost records below it, and
  ///   retention may have moved the log start past it.
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

  /// Becomes leader, or takes a new ISR or new replicas as leader. An older leader epoch, or an older partition epoch of the
  /// current leader epoch, changes nothing.
  package mutating func lead(_ leadership: Leadership, nowMs: Int64) -> Steps {
    let isNewEpoch = !isLeader || leadership.leaderEpoch > leaderEpoch
    #if DEBUG
    if PlantedFault.obeysOldOrders.isPlanted { leaderEpoch = min(leaderEpoch, leadership.leaderEpoch) }
    #endif
    guard leadership.leaderEpoch >= leaderEpoch else { return .none }
    guard isNewEpoch || leadership.partitionEpoch >= partitionEpoch else { return .none }
    latestMs = max(latestMs, nowMs)
    let before = followers
    if isNewEpoch { (epochStart, ledFromMs) = (logEnd, nowMs) }
    isLeader = true
    leaderEpoch = leadership.leaderEpoch
    partitionEpoch = leadership.partitionEpoch
    inSync = leadership.inSync
    // The state from which a pending change starts is no answer to it: the controller may have made the change since.
    if isNewEpoch || pending.map({ $0.partitionEpoch < partitionEpoch }) == true { pending = nil }
    followers = []
    for id in leadership.replicas where id != brokerID && !followers.contains(where: { $0.id == id }) {
      if !isNewEpoch, let known = before.first(where: { $0.id == id }) {
        followers.append(known)
      } else {
        // A follower in sync has `lagMsMax` for its first fetch.
        followers.append(Follower(id: id, caughtUpMs: inSync.contains(id) ? nowMs : nil))
      }
    }
    return Steps(highWatermark: raise())
  }

  /// Becomes follower of another replica, or of none while there is no leader.
  package mutating func follow(leaderEpoch epoch: LeaderEpoch) {
    #if DEBUG
    if PlantedFault.obeysOldOrders.isPlanted { leaderEpoch = min(leaderEpoch, epoch) }
    #endif
    guard epoch >= leaderEpoch else { return }
    isLeader = false
    leaderEpoch = epoch
    inSync = []
    followers = []
    pending = nil
  }

  // MARK: The log

  /// Records an append to the local log, which now ends at `end`. Returns whether the high watermark has risen.
  ///
  /// The only event on the produce path. With one replica nothing is allocated.
  package mutating func appended(to end: Offset) -> Bool {
    logEnd = end
    guard followers.isEmpty else { return raise() != nil }
    guard isLeader, end > highWatermark else { return false }
    highWatermark = end
    return true
  }

  /// Records that the log was truncated to `end`.
  package mutating func truncated(to end: Offset) {
    logEnd = end
    highWatermark = min(highWatermark, end)
  }

  /// Records that the log was emptied and continues at `offset`.
  package mutating func restarted(at offset: Offset) {
    logEnd = offset
    highWatermark = offset
  }

  /// Records that the log now starts at `start`; the high watermark is never below it.
  package mutating func startMoved(to start: Offset) { highWatermark = max(highWatermark, min(start, logEnd)) }

  /// Records, on a follower, the leader's high watermark from a fetch response. Returns whether the local high watermark has
  /// risen.
  package mutating func learned(highWatermark leaders: Offset) -> Bool {
    let mark = min(leaders, logEnd)
    guard !isLeader, mark > highWatermark else { return false }
    highWatermark = mark
    return true
  }

  // MARK: The followers

  /// Records a follower's fetch from `offset`: the follower has all records below it.
  ///
  /// - Parameters:
  ///   - brokerEpoch: the registration of the follower's broker; -1 when it does not say. A fetch of an earlier one changes nothing, and a
  ///     later one has all to catch up that it lacks: the broker may have lost records.
  ///   - logStart: where the follower's log starts; nil when it does not say.
  package mutating func fetched(
    by id: BrokerID, in brokerEpoch: Int64 = -1, from offset: Offset, logStart: Offset? = nil, nowMs: Int64
  ) -> Steps {
    guard isLeader, offset >= 0, offset <= logEnd, let index = followers.firstIndex(where: { $0.id == id }) else {
      return .none
    }
    latestMs = max(latestMs, nowMs)
    if brokerEpoch >= 0, brokerEpoch != followers[index].brokerEpoch {
      guard brokerEpoch > followers[index].brokerEpoch else { return .none }
      if followers[index].brokerEpoch >= 0 { (followers[index].caughtUpMs, followers[index].lastFetch) = (nil, nil) }
      followers[index].brokerEpoch = brokerEpoch
    }
    followers[index].logEnd = offset
    if let logStart { followers[index].logStart = logStart }
    if offset >= logEnd {
      followers[index].caughtUpMs = nowMs
    } else if let last = followers[index].lastFetch, offset >= last.leaderEnd {
      // The follower has all records that the leader had at the last fetch: it had caught up then, however fast the log grows.
      followers[index].caughtUpMs = max(last.ms, followers[index].caughtUpMs ?? last.ms)
    }
    followers[index].lastFetch = (nowMs, logEnd)
    var steps = Steps.none
    if canJoin(followers[index]) { steps.askISR = ask(for: inSync + [id]) }
    steps.highWatermark = raise()
    return steps
  }

  /// Removes lagging followers from the ISR; to be called at least twice per `lagMsMax`.
  package mutating func tick(nowMs: Int64) -> Steps {
    guard isLeader else { return .none }
    latestMs = max(latestMs, nowMs)
    #if DEBUG
    if PlantedFault.keepsLaggingReplicas.isPlanted { return Steps(highWatermark: raise()) }
    #endif
    var steps = Steps.none
    if pending == nil {
      let kept = inSync.filter { id in
        guard let follower = followers.first(where: { $0.id == id }) else { return id == brokerID }
        return isCaughtUp(follower)
      }
      if kept.count < inSync.count { steps.askISR = ask(for: kept) }
    }
    // A follower outside the ISR that the high watermark waited for may lag now.
    steps.highWatermark = raise()
    return steps
  }

  /// Asks the controller to remove every replica from the ISR that has not fetched within the last `ms`, also where it lacks nothing: only
  /// the controller's consent shows then that this replica still leads (`isFollowed`).
  package mutating func doubt(withinMs ms: Int64, nowMs: Int64) -> Steps {
    guard isLeader, pending == nil else { return .none }
    latestMs = max(latestMs, nowMs)
    let kept = inSync.filter { id in followers.first { $0.id == id }.map { isFollowing($0, ms, nowMs) } ?? true }
    return kept.count < inSync.count ? Steps(askISR: ask(for: kept)) : .none
  }

  /// Records that a broker failed or registered again. The high watermark does not wait for a failed one outside the ISR.
  package mutating func broker(_ id: BrokerID, isAlive: Bool) -> Steps {
    guard let index = followers.firstIndex(where: { $0.id == id }) else { return .none }
    followers[index].isAlive = isAlive
    return Steps(highWatermark: raise())
  }

  // MARK: The responses of the controller

  /// Applies the ISR that the controller has set; `change` has the new epochs.
  package mutating func confirmed(_ change: ISRChange) -> Steps {
    guard isLeader, change.leaderEpoch == leaderEpoch, change.partitionEpoch >= partitionEpoch else { return .none }
    partitionEpoch = change.partitionEpoch
    inSync = change.inSync
    pending = nil
    return Steps(highWatermark: raise())
  }

  /// Records that the controller has refused `change`, as it was requested.
  package mutating func refused(_ change: ISRChange, _ refusal: ISRRefusal) -> Steps {
    guard pending == change, refusal == .notMade else { return .none }
    pending = nil
    return Steps(highWatermark: raise())
  }

  // MARK: What follows

  /// The brokers of the other replicas; none on a follower.
  package var followerIDs: [BrokerID] { followers.map(\.id) }

  /// The followers that may serve a consumer at `offset`: in sync, and with the offset in their logs, as far as they have said (KIP-392).
  package func readable(at offset: Offset, nowMs: Int64) -> [ReplicaSelector.View] {
    followers.compactMap { follower in
      guard let end = follower.logEnd, end >= offset, (follower.logStart ?? 0) <= offset, inSync.contains(follower.id)
      else { return nil }
      let lagMs = follower.caughtUpMs.map { max(0, nowMs.subtractingClamped($0)) } ?? .max
      return ReplicaSelector.View(id: follower.id, logEnd: end, lagMs: end >= logEnd ? 0 : lagMs)
    }
  }

  /// Whether another broker has a replica that the controller has assigned to it; known to the leader alone.
  package func isFollowed(by id: BrokerID) -> Bool { followers.contains { $0.id == id } }

  /// Whether the follower's broker has registered again since it was in this registration; -1 is any.
  package func isEarlierLife(_ brokerEpoch: Int64, of id: BrokerID) -> Bool {
    brokerEpoch >= 0 && followers.contains { $0.id == id && $0.brokerEpoch > brokerEpoch }
  }

  /// Whether a new leader's high watermark has not reached yet where its epoch began: an earlier leader may have shown more (KIP-207).
  package var isMarkBehind: Bool { isLeader && highWatermark < epochStart }

  /// Whether a replica is in the ISR; known to the leader alone.
  package func isInSync(_ id: BrokerID) -> Bool { inSync.contains(id) }

  /// Whether other brokers have replicas; known to the leader alone.
  package var hasFollowers: Bool { !followers.isEmpty }

  /// Whether this replica leads, and every other one in the ISR has fetched within the last `ms`; a new leader waits as long for the first
  /// fetch. Otherwise the followers may have another leader by now.
  package func isFollowed(withinMs ms: Int64, nowMs: Int64) -> Bool {
    isLeader && followers.allSatisfy { !inSync.contains($0.id) || isFollowing($0, ms, nowMs) }
  }

  /// The requested change of the ISR that has no response yet.
  package var requestedISR: ISRChange? { pending }

  /// Returns the offset below which no living replica has records (the low watermark of DeleteRecords), given where the leader's log
  /// starts; -1 while a living follower has not said where its log starts.
  package func lowWatermark(logStart: Offset) -> Offset {
    followers.reduce(logStart) { $1.isAlive ? min($0, $1.logStart ?? .unknown) : $0 }
  }

  /// Records that the present high watermark is in the response to a follower's fetch. Returns whether the one before had another: such
  /// a response is not held back until there are records.
  package mutating func reportsNewMark(to id: BrokerID) -> Bool {
    guard let index = followers.firstIndex(where: { $0.id == id }) else { return false }
    defer { followers[index].reportedMark = highWatermark }
    return followers[index].reportedMark != highWatermark
  }

  /// Whether the present high watermark was in a response to a follower's fetch.
  package func hasReportedMark(to id: BrokerID) -> Bool {
    followers.contains { $0.id == id && $0.reportedMark == highWatermark }
  }

  /// Whether the ISR is smaller than `min.insync.replicas`, so that a produce with acks=all is refused.
  package var isBelowMin: Bool { inSync.count < inSyncMin }

  /// Whether enough replicas are in sync for the high watermark to rise.
  package var hasEnoughInSync: Bool { inSync.count >= min(inSyncMin, followers.count + 1) }

  /// Returns whether a replica is in the ISR or in the requested one.
  private func mayBeInSync(_ id: BrokerID) -> Bool {
    inSync.contains(id) || pending?.inSync.contains(id) == true
  }

  /// Raises the high watermark to the lowest log end of the replicas that count; returns it if it has risen.
  private mutating func raise() -> Offset? {
    guard isLeader, hasEnoughInSync else { return nil }
    var mark = logEnd
    #if DEBUG
    if PlantedFault.raisesTheHighWatermarkTooEarly.isPlanted {
      guard mark > highWatermark else { return nil }
      highWatermark = mark
      return mark
    }
    #endif
    for follower in followers where (follower.logEnd ?? 0) < mark {
      // A caught-up follower outside the ISR is about to join. The mark waits for it; otherwise, on a busy partition, it would
      // always be ahead of the follower, which could never join.
      if mayBeInSync(follower.id) || (follower.isAlive && isCaughtUp(follower)) {
        mark = follower.logEnd ?? 0
      }
    }
    guard mark > highWatermark else { return nil }
    highWatermark = mark
    return mark
  }

  /// Returns whether a follower has all records, or had them within `lagMsMax`.
  private func isCaughtUp(_ follower: Follower) -> Bool {
    if follower.logEnd == logEnd { return true }
    guard let caughtUpMs = follower.caughtUpMs else { return false }
    return latestMs - caughtUpMs <= lagMsMax
  }

  private func isFollowing(_ follower: Follower, _ ms: Int64, _ nowMs: Int64) -> Bool {
    nowMs.subtractingClamped(follower.lastFetch?.ms ?? ledFromMs) <= ms
  }

  private func canJoin(_ follower: Follower) -> Bool {
    guard pending == nil, follower.isAlive, !inSync.contains(follower.id), let end = follower.logEnd else {
      return false
    }
    #if DEBUG
    if PlantedFault.letsTheISRGrowTooEarly.isPlanted { return true }
    #endif
    return end >= highWatermark && end >= epochStart
  }

  private mutating func ask(for members: [BrokerID]) -> ISRChange {
    var change = ISRChange(leaderEpoch: leaderEpoch, partitionEpoch: partitionEpoch, inSync: members)
    for follower in followers where follower.brokerEpoch >= 0 && members.contains(follower.id) {
      change.brokerEpochs[follower.id] = follower.brokerEpoch
    }
    pending = change
    return change
  }
}
