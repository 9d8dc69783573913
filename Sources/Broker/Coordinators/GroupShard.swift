import Cluster
import Logging
import Model
import NIOCore
import Synchronization

/// The groups of one partition of `__consumer_offsets`, with what waits for them, behind one lock.
///
/// A request is one critical section: the group's step, the append of the records that the step asks for, so that the log has them in
/// the order of the steps, and the steps that follow from an append whose outcome is known at once. Answers to other requests are given
/// after it.
///
/// One timer, at the earliest deadline of the groups, stands for all sessions and timeouts.
final class GroupShard: Sendable {
  /// What all shards of a coordinator have in common.
  struct Environment: Sendable {
    var log: any GroupLog
    var rules: Group.Rules
    /// The rules of groups of the new protocol.
    var consumerSettings: ConsumerGroup.Settings
    /// The topics to which their members subscribe.
    var catalog: @Sendable () -> TopicCatalog
    /// offset.metadata.max.bytes.
    var metadataLengthMax: Int
    /// offsets.retention.minutes.
    var offsetRetentionMs: Int64
    /// Where the timer is, and the monotonic time.
    var loop: any EventLoop
    var wallMs: @Sendable () -> Int64
    var logger: Logger

    var now: Group.Instant {
      Group.Instant(ms: Int64(loop.now.uptimeNanoseconds / 1_000_000), wallMs: wallMs())
    }
  }

  struct Entry: Sendable {
    /// Without members in a group of the new protocol.
    var group: Group
    /// The members, by the new protocol; nil in a group of the classic one.
    var consumers: ConsumerGroup?
    var offsets = GroupOffsets()

    /// Nothing of the group is in the log, and nobody knows of it.
    var isUnused: Bool { group.isUnused && consumers == nil && offsets.isEmpty }

    /// When time next changes the group; nil when it does not.
    var nextDeadlineMs: Int64? {
      [group.nextDeadlineMs, consumers?.nextDeadlineMs].compactMap(\.self).min()
    }
  }

  enum Status: Equatable, Sendable {
    /// The log is being read.
    case loading
    case active
    /// Requests get this error.
    case refusing(ErrorCode)
  }

  /// A request whose answer follows.
  enum Waiting: Sendable {
    case join(@Sendable (Group.JoinAnswer) -> Void)
    case sync(@Sendable (Group.SyncAnswer) -> Void)
  }

  struct State: Sendable {
    var status: Status
    /// Rises with each time that the partition begins anew: what was asked before has no meaning any more.
    var incarnation: UInt64
    var groups: [String: Entry] = [:]
    var waiting: [Group.RequestID: Waiting] = [:]
    var requests: Group.RequestID
    /// The groups for which a producer's transaction will commit offsets, by the producer's id.
    var transactions: [Int64: Set<String>] = [:]
    var timer: Scheduled<Void>?
    /// The time of `timer`.
    var timerMs = Int64.max

    init(status: Status = .loading, incarnation: UInt64 = 0, requests: Group.RequestID = 0) {
      self.status = status
      self.incarnation = incarnation
      self.requests = requests
    }
  }

  /// What one critical section has come to.
  struct Work {
    var now: Group.Instant
    /// The request that is being served: its answer is returned, and not given to who waits.
    var request: Group.RequestID?
    var joined: Group.JoinAnswer?
    var synced: Group.SyncAnswer?
    var heartbeat = ErrorCode.none
    var left = Group.LeaveAnswer()
    /// Answers to other requests, and lines of the log: to be called after the lock.
    var answers: [@Sendable () -> Void] = []
  }

  let partition: Int32
  let environment: Environment
  private let state = Mutex(State())

  init(_ partition: Int32, _ environment: Environment) {
    self.partition = partition
    self.environment = environment
  }

  /// Runs `body` under the lock, and gives the answers to waiting requests after it.
  func exclusively<Result: Sendable>(_ body: (inout State, inout Work) -> Result) -> Result {
    let (result, answers) = state.withLock { state in
      var work = Work(now: environment.now)
      let result = body(&state, &work)
      return (result, work.answers)
    }
    for answer in answers { answer() }
    return result
  }

  /// Requests that wait for their answers.
  var waitingCount: Int { exclusively { state, _ in state.waiting.count } }

  // MARK: Steps

  /// Lets a group take an event, and carries out what follows.
  func step(_ event: Group.Event, of id: String, _ state: inout State, _ work: inout Work) {
    guard let effects = state.groups[id]?.group.step(event, at: work.now) else { return }
    for effect in effects {
      switch effect {
      case .joined(let request, let answer): answered(request, answer, &state, &work)
      case .synced(let request, let answer): answered(request, answer, &state, &work)
      case .heartbeat(_, let error): work.heartbeat = error
      case .left(_, let answer): work.left = answer
      case .store(let store, let record): self.store(store, record, of: id, &state, &work)
      case .rebalance(let reason):
        work.answers.append { [logger = environment.logger] in
          logger.info("a group rebalances", metadata: ["group": "\(id)", "reason": "\(reason)"])
        }
      }
    }
  }

  private func answered(
    _ request: Group.RequestID, _ answer: Group.JoinAnswer, _ state: inout State, _ work: inout Work
  ) {
    let waiting = state.waiting.removeValue(forKey: request)
    if request == work.request {
      work.joined = answer
    } else if case .join(let then)? = waiting {
      work.answers.append { then(answer) }
    }
  }

  private func answered(
    _ request: Group.RequestID, _ answer: Group.SyncAnswer, _ state: inout State, _ work: inout Work
  ) {
    let waiting = state.waiting.removeValue(forKey: request)
    if request == work.request {
      work.synced = answer
    } else if case .sync(let then)? = waiting {
      work.answers.append { then(answer) }
    }
  }

  private func store(
    _ store: Group.StoreID, _ record: StoredGroup, of id: String, _ state: inout State, _ work: inout Work
  ) {
    let incarnation = state.incarnation
    let stored = GroupRecord.group(id, record).record(timestampMs: work.now.wallMs)
    let outcome = append([stored]) { [weak self] outcome in
      self?.stored(store, of: id, incarnation, outcome)
    }
    if let outcome { step(.stored(store, outcome.error.storingGroup), of: id, &state, &work) }
  }

  /// The outcome of storing a group is known, later.
  private func stored(
    _ store: Group.StoreID, of id: String, _ incarnation: UInt64, _ outcome: Result<Offset, ErrorCode>
  ) {
    exclusively { state, work in
      guard state.incarnation == incarnation, state.status == .active else { return }
      step(.stored(store, outcome.error.storingGroup), of: id, &state, &work)
      settle(id, &state, work)
    }
  }

  /// Appends records to the partition, as one batch.
  func append(
    _ records: [CoordinatorRecord], producer: (id: Int64, epoch: Int16)? = nil,
    then: @escaping @Sendable (Result<Offset, ErrorCode>) -> Void
  ) -> Result<Offset, ErrorCode>? {
    environment.log.append(records, to: partition, producer: producer, then: then)
  }

  /// After a step: forgets a group that came to nothing, and has the timer come in time.
  func settle(_ id: String, _ state: inout State, _ work: Work) {
    guard let group = state.groups[id] else { return }
    if group.isUnused {
      state.groups[id] = nil
    } else if let deadlineMs = group.nextDeadlineMs {
      wake(at: deadlineMs, &state, work.now)
    }
  }

  // MARK: Time

  private func wake(at deadlineMs: Int64, _ state: inout State, _ now: Group.Instant) {
    guard deadlineMs < state.timerMs, state.status == .active else { return }
    state.timer?.cancel()
    state.timerMs = deadlineMs
    let delayMs = min(max(0, deadlineMs - now.ms), Limits.timerMsMax)
    state.timer = environment.loop.scheduleTask(in: .milliseconds(delayMs)) { [weak self] in self?.tick() }
  }

  private func tick() {
    exclusively { state, work in
      guard state.status == .active else { return }
      state.timerMs = .max
      var due: [String] = []
      var next = Int64.max
      for (id, entry) in state.groups {
        guard let deadlineMs = entry.nextDeadlineMs else { continue }
        if deadlineMs <= work.now.ms { due.append(id) } else { next = min(next, deadlineMs) }
      }
      for id in due.sorted() {
        step(.tick, of: id, &state, &work)
        tickConsumers(of: id, &state, work)
        settle(id, &state, work)
      }
      if next < .max { wake(at: next, &state, work.now) }
    }
  }
}

/// What a group coordinator needs of its log.
protocol GroupLog: Sendable {
  /// The partition of `__consumer_offsets` that a group belongs to.
  func partition(of key: String) -> Int32

  /// Appends one batch. Called under the shard's lock.
  ///
  /// - Parameter producer: of a transactional batch.
  /// - Returns: the outcome when it is known at once; nil when `then` gets it later, on any thread, not under the shard's lock.
  func append(
    _ records: [CoordinatorRecord], to partition: Int32, producer: (id: Int64, epoch: Int16)?,
    then: @escaping @Sendable (Result<Offset, ErrorCode>) -> Void
  ) -> Result<Offset, ErrorCode>?
}

extension Result where Failure == ErrorCode {
  /// The error; `.none` of a success.
  var error: ErrorCode {
    switch self {
    case .success: .none
    case .failure(let error): error
    }
  }
}
