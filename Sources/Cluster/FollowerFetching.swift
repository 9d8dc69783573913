package import Model

/// Decides what a broker fetches from one leader, for the partitions that it follows there: which of them, from which offset, when again
/// after an error, and what of that the leader's fetch session (KIP-227) knows already. (In Kafka these are AbstractFetcherThread and
/// FetchSessionHandler.)
///
/// One fetch is in flight at a time. A partition whose fetch failed is left out for a while, the others go on. In a session a request names
/// only what has changed: with 10,000 idle partitions it is empty.
///
/// Worked case: a and b are followed, from 5 and from 9. The first request names both and asks for a session; the leader answers with
/// session 7 and records of a. The next request names session 7, epoch 1, and a, from 8. Then b gets a new leader: epoch 2 says that the
/// session is to forget b.
///
/// A value without I/O. Times are milliseconds of a monotonic clock.
package struct FollowerFetching: Sendable {
  /// The end of a follower's log, as a fetch describes it.
  package struct Position: Hashable, Sendable {
    /// The leader epoch in which the partition is followed.
    package var leaderEpoch: LeaderEpoch
    /// The follower's log end, from which it fetches.
    package var offset: Offset
    /// The leader epoch of the last batch in the follower's log; -1 for an empty log.
    package var lastEpoch: LeaderEpoch
    package var logStart: Offset

    package init(leaderEpoch: LeaderEpoch, offset: Offset, lastEpoch: LeaderEpoch, logStart: Offset) {
      self.leaderEpoch = leaderEpoch
      self.offset = offset
      self.lastEpoch = lastEpoch
      self.logStart = logStart
    }
  }

  /// One partition of a fetch.
  package struct Wanted: Hashable, Sendable {
    package var name: TopicPartition
    package var topicID: TopicID
    package var position: Position

    package init(_ name: TopicPartition, topicID: TopicID, at position: Position) {
      self.name = name
      self.topicID = topicID
      self.position = position
    }
  }

  /// A Fetch request to send.
  package struct Fetch: Hashable, Sendable {
    /// 0, or the session that the request belongs to; with epoch 0, the one that it ends.
    package var sessionID: Int32
    /// 0 for a request with all partitions, which asks for a new session.
    package var sessionEpoch: Int32
    package var partitions: [Wanted]
    /// What the session is to forget.
    package var forgotten: [Wanted]

    package init(sessionID: Int32, sessionEpoch: Int32, partitions: [Wanted] = [], forgotten: [Wanted] = []) {
      self.sessionID = sessionID
      self.sessionEpoch = sessionEpoch
      self.partitions = partitions
      self.forgotten = forgotten
    }
  }

  /// What came of a partition's part of a response.
  package enum Outcome: Hashable, Sendable {
    /// Its log ends here now: the next fetch goes on.
    case goesOn(Position)
    /// It is fetched again after a while.
    case failed(Position)
    /// Its log end is not within the leader's log: the leader is to be asked where that begins and ends.
    case outOfRange
    /// It is not fetched until it has another leader epoch: the leader's is newer, or the log here cannot be used.
    case stopped
  }

  /// What came of one partition of a fetch in a leader epoch.
  package struct Answer: Hashable, Sendable {
    package var name: TopicPartition
    package var leaderEpoch: LeaderEpoch
    package var outcome: Outcome
    /// Whether the partition is throttled and lags, so that it waits while the quota is exceeded.
    package var isThrottled = false

    package init(_ name: TopicPartition, in leaderEpoch: LeaderEpoch, _ outcome: Outcome) {
      self.name = name
      self.leaderEpoch = leaderEpoch
      self.outcome = outcome
    }
  }

  package enum Event: Sendable {
    /// A partition is followed from now on, or in another leader epoch; a throttled one lags until it is known not to.
    case follow(Wanted, isThrottled: Bool = false)
    case stopFollowing(TopicPartition)
    /// The response to the fetch in flight, with the partitions that it names.
    case answered(sessionID: Int32, [Answer])
    /// The response is an error for the whole fetch.
    case refused(ErrorCode)
    /// There is no response.
    case failed
    /// What came of `Effect.askEnds`.
    case recovered(Answer)
    /// The time of `Effect.wake` has come.
    case due
  }

  package enum Effect: Hashable, Sendable {
    /// Send a Fetch; `answered`, `refused` or `failed` follows.
    case fetch(Fetch)
    /// Ask the leader where its log begins and ends, and truncate the partition's log to that; `recovered` follows.
    case askEnds(Wanted)
    /// Send `due` at this time. A later effect replaces this one.
    case wake(atMs: Int64)
  }

  private enum Phase {
    case ready
    case delayed(untilMs: Int64)
    /// `askEnds` is under way.
    case asking
    case stopped
  }

  private struct Followed {
    var wanted: Wanted
    var phase = Phase.ready
    /// Since the last success.
    var failures = 0
  }

  /// The longest wait after an error, and the first; each further error doubles it.
  private let backoffMsMax: Int64
  private let backoffMs: Int64
  private var followed: [TopicPartition: Followed] = [:]
  private var readyCount = 0
  /// Waits for a time, in no order.
  private var delayed: Set<TopicPartition> = []
  /// Lag, and are not fetched while the quota is exceeded.
  private var throttled: Set<TopicPartition> = []
  private var isFetching = false
  /// No fetch is sent before this time, after one without a response.
  private var pausedUntilMs: Int64?
  /// Fetches without a response, one after the other.
  private var failures = 0

  // The session.

  /// The session's id, and the epoch of the next request: 0 for one with all partitions.
  private var session: (id: Int32, epoch: Int32) = (0, 0)
  /// What the leader was asked for last of each partition in the session, or of the fetch in flight.
  private var known: [TopicPartition: Wanted] = [:]
  /// Those whose `known` may have to change.
  private var changed: Set<TopicPartition> = []
  /// The number of requests with all partitions, by which their order rotates: a leader that grants no session serves each in turn.
  private var rotation = 0

  /// - Parameters:
  ///   - backoffMs: the wait after the first error of a partition.
  ///   - backoffMsMax: `replica.fetch.backoff.ms`.
  package init(backoffMs: Int64, backoffMsMax: Int64) {
    self.backoffMsMax = max(1, backoffMsMax)
    self.backoffMs = max(1, min(backoffMs, backoffMsMax))
  }

  package var isEmpty: Bool { followed.isEmpty }

  /// Returns what the leader was asked for of a partition, to which its response is; nil when it was not asked.
  package func asked(_ name: TopicPartition) -> Wanted? { known[name] }

  /// How long a throttled partition waits until the quota is looked at again.
  package static let throttleMs: Int64 = 250

  /// Whether any partition waits while the quota is exceeded.
  package var hasThrottled: Bool { !throttled.isEmpty }

  /// - Parameter isOverQuota: whether throttled partitions have to wait (`follower.replication.throttled.rate`).
  package mutating func step(_ event: Event, nowMs: Int64, isOverQuota: Bool = false) -> [Effect] {
    var effects: [Effect] = []
    switch event {
    case .follow(let wanted, let isThrottled): follow(wanted, isThrottled)
    case .stopFollowing(let name): remove(name)
    case .answered(let sessionID, let answers):
      isFetching = false
      failures = 0
      session = session.epoch == 0 ? (sessionID, sessionID == 0 ? 0 : 1) : (session.id, Self.next(after: session.epoch))
      for answer in answers { take(answer, nowMs: nowMs, &effects) }
    case .refused(let code):
      isFetching = false
      // The leader does not have the session any more, or it is to end it.
      session = (code == .fetchSessionIdNotFound ? 0 : session.id, 0)
      // The first time it is asked again at once: it may have needed the room for others.
      if failures > 0 || !code.isOfFetchSession { pause(nowMs) }
      failures += 1
    case .failed:
      isFetching = false
      session.epoch = 0
      pause(nowMs)
      failures += 1
    case .recovered(let answer):
      if case .asking? = followed[answer.name]?.phase { take(answer, nowMs: nowMs, &effects) }
    case .due: break
    }
    schedule(nowMs, isOverQuota: isOverQuota, &effects)
    return effects
  }

  // MARK: Partitions

  private mutating func follow(_ wanted: Wanted, _ isThrottled: Bool) {
    if let present = followed[wanted.name], present.wanted.topicID == wanted.topicID {
      guard wanted.position.leaderEpoch > present.wanted.position.leaderEpoch else { return }
    }
    remove(wanted.name)
    followed[wanted.name] = Followed(wanted: wanted)
    if isThrottled { throttled.insert(wanted.name) }
    readyCount += 1
    changed.insert(wanted.name)
  }

  private mutating func remove(_ name: TopicPartition) {
    set(.stopped, name)
    followed[name] = nil
    throttled.remove(name)
  }

  private mutating func set(_ phase: Phase, _ name: TopicPartition) {
    guard let before = followed[name]?.phase else { return }
    if case .ready = before { readyCount -= 1 }
    if case .delayed = before { delayed.remove(name) }
    followed[name]?.phase = phase
    if case .ready = phase { readyCount += 1 }
    if case .delayed = phase { delayed.insert(name) }
    changed.insert(name)
  }

  private mutating func take(_ answer: Answer, nowMs: Int64, _ effects: inout [Effect]) {
    let name = answer.name
    guard let present = followed[name], present.wanted.position.leaderEpoch == answer.leaderEpoch else { return }
    switch answer.outcome {
    case .goesOn(let position):
      if answer.isThrottled { throttled.insert(name) } else { throttled.remove(name) }
      if position == present.wanted.position, present.failures == 0, case .ready = present.phase { return }
      followed[name]?.wanted.position = position
      followed[name]?.failures = 0
      set(.ready, name)
    case .failed(let position):
      followed[name]?.wanted.position = position
      followed[name]?.failures = present.failures + 1
      set(.delayed(untilMs: nowMs + delayMs(after: present.failures)), name)
    case .outOfRange:
      set(.asking, name)
      effects.append(.askEnds(present.wanted))
    case .stopped: set(.stopped, name)
    }
  }

  private func delayMs(after failures: Int) -> Int64 {
    failures < 20 ? min(backoffMsMax, backoffMs << Int64(failures)) : backoffMsMax
  }

  private mutating func pause(_ nowMs: Int64) { pausedUntilMs = nowMs + delayMs(after: failures) }

  // MARK: Requests

  /// Sends the next fetch, or says when there will be one.
  private mutating func schedule(_ nowMs: Int64, isOverQuota: Bool, _ effects: inout [Effect]) {
    guard !isFetching else { return }
    if let until = pausedUntilMs {
      guard nowMs >= until else { return effects.append(.wake(atMs: until)) }
      pausedUntilMs = nil
    }
    var next = Int64.max
    for name in delayed {
      guard case .delayed(let until)? = followed[name]?.phase else { continue }
      if until <= nowMs { set(.ready, name) } else { next = min(next, until) }
    }
    if isOverQuota {
      for name in throttled {
        guard case .ready? = followed[name]?.phase else { continue }
        set(.delayed(untilMs: nowMs + Self.throttleMs), name)
        next = min(next, nowMs + Self.throttleMs)
      }
    }
    guard readyCount > 0 else {
      if next < .max { effects.append(.wake(atMs: next)) }
      return
    }
    isFetching = true
    effects.append(.fetch(session.epoch == 0 ? fullFetch() : incrementalFetch()))
  }

  private mutating func fullFetch() -> Fetch {
    var partitions: [Wanted] = []
    for present in followed.values {
      if case .ready = present.phase { partitions.append(present.wanted) }
    }
    partitions.sort { $0.name < $1.name }
    let first = rotation % partitions.count
    rotation &+= 1
    known = Dictionary(uniqueKeysWithValues: partitions.map { ($0.name, $0) })
    changed = []
    return Fetch(
      sessionID: session.id, sessionEpoch: 0, partitions: Array(partitions[first...] + partitions[..<first]))
  }

  private mutating func incrementalFetch() -> Fetch {
    var fetch = Fetch(sessionID: session.id, sessionEpoch: session.epoch)
    for name in changed.sorted() {
      let before = known[name]
      guard let present = followed[name], case .ready = present.phase else {
        if let before { fetch.forgotten.append(before) }
        known[name] = nil
        continue
      }
      if present.wanted == before { continue }
      if let before, before.topicID != present.wanted.topicID { fetch.forgotten.append(before) }
      fetch.partitions.append(present.wanted)
      known[name] = present.wanted
    }
    changed = []
    return fetch
  }

  /// The epoch after `epoch`: from 1 to the largest number and again.
  private static func next(after epoch: Int32) -> Int32 { epoch == .max ? 1 : epoch + 1 }
}

extension ErrorCode {
  /// Whether the error is about a fetch session, so that a request without one may do.
  fileprivate var isOfFetchSession: Bool {
    self == .fetchSessionIdNotFound || self == .invalidFetchSessionEpoch || self == .fetchSessionTopicIdError
  }
}

extension FollowerFetching {
  /// What a follower does to its log whose end is not within the leader's.
  package enum Recovery: Hashable, Sendable {
    /// The leader's log is shorter: an unclean election, of whose leader nothing is known by its epochs.
    case truncate(Offset)
    /// The leader's log begins after the follower's end.
    case restart(Offset)
    /// The follower's end is within the leader's log by now.
    case none

    package init(logEnd: Offset, leaderStart: Offset, leaderEnd: Offset) {
      if leaderEnd < logEnd {
        self = .truncate(max(0, leaderEnd))
      } else {
        self = leaderStart > logEnd ? .restart(leaderStart) : .none
      }
    }
  }

  /// Returns where a follower truncates its log that has diverged from the leader's (KIP-101, KIP-279, KIP-595): to the end of their common
  /// part, or nearer to it than before; the next fetch says whether that was enough. Never to the high watermark, which the follower may
  /// know too late.
  ///
  /// - Parameters:
  ///   - diverging: the largest epoch of the leader not above the follower's last, and where it ends there.
  ///   - own: the same of the follower: its largest epoch not above `diverging.epoch`, and that one's end; nil when it has none.
  package static func truncationPoint(
    diverging: (epoch: LeaderEpoch, endOffset: Offset), own: (epoch: LeaderEpoch, endOffset: Offset)?, logEnd: Offset
  ) -> Offset {
    guard let own else { return max(0, min(diverging.endOffset, logEnd)) }
    // The follower has nothing of the leader's epoch: what is after its own older one is not the leader's.
    if own.epoch != diverging.epoch { return max(0, min(own.endOffset, logEnd)) }
    return max(0, min(own.endOffset, diverging.endOffset, logEnd))
  }
}
