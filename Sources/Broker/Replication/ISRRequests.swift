import Cluster
import Logging
import Model
import NIOCore
import Synchronization

/// Requests the changes of in-sync replicas that leaders on this broker want from the controller (Kafka: AlterPartitionManager).
///
/// One request is in flight at a time; changes that come meanwhile go together in the next. A change is asked for again until the controller
/// has answered it, or the partition does not want it any more: it is unknown whether a request without a response was carried out, and until
/// then the high watermark waits for the replicas of both sets.
final class ISRRequests: Sendable {
  /// Sends changes to the controller. The outcomes are in the order of the changes; fewer, or none, when there is no response.
  typealias Ask =
    @Sendable ([Controller.ISRChange], @escaping @Sendable ([Controller.Outcome]) -> Void) -> Void

  private let loop: any EventLoop
  private let log: Logger
  private let state = Mutex(State())

  private struct Wanted {
    var partition: Partition
    var change: Replication.ISRChange
  }

  private struct State {
    /// In the order in which they came.
    var waiting: [Wanted] = []
    var isInFlight = false
    var isStopped = false
    var timer: Scheduled<Void>?
    var ask: Ask?
    var counts = Counts()
  }

  /// The outcomes of changes that this broker has asked for.
  struct Counts: Sendable, Equatable {
    var shrinks = 0
    var expands = 0
    var refusals = 0
  }

  var counts: Counts { state.withLock { $0.counts } }

  init(loop: any EventLoop, log: Logger) {
    self.loop = loop
    self.log = log
  }

  /// Sets the function that sends changes to the controller; those that wait are sent.
  func connect(_ ask: @escaping Ask) {
    state.withLock { $0.ask = ask }
    send()
  }

  /// Sends no more requests.
  func stop() {
    let timer = state.withLock { state in
      state.isStopped = true
      state.waiting = []
      defer { state.timer = nil }
      return state.timer
    }
    timer?.cancel()
  }

  /// Wakes the waiters of an event, and requests its change of the ISR. Called on any thread, without the partition's lock.
  func take(_ advanced: Partition.Advanced, of partition: Partition) {
    for waiter in advanced.woken { waiter.wake(.satisfied) }
    guard let change = advanced.askISR else { return }
    state.withLock { $0.waiting.append(Wanted(partition: partition, change: change)) }
    send()
  }

  private func send() {
    let (wanted, ask) = state.withLock { state -> ([Wanted], Ask?) in
      guard let ask = state.ask, !state.isInFlight, !state.isStopped, state.timer == nil else { return ([], nil) }
      // Those that are outdated by an election since are not asked for.
      let wanted = state.waiting.filter { $0.partition.requestedISR == $0.change }
      state.waiting = []
      state.isInFlight = !wanted.isEmpty
      return (wanted, ask)
    }
    guard let ask, !wanted.isEmpty else { return }
    let changes = wanted.map { wanted in
      var change = Controller.ISRChange(
        wanted.partition.name, leaderEpoch: wanted.change.leaderEpoch, partitionEpoch: wanted.change.partitionEpoch,
        inSyncReplicas: wanted.change.inSync)
      change.topicID = wanted.partition.topicID
      change.brokerEpochs = wanted.change.brokerEpochs
      return change
    }
    ask(changes) { self.received($0, for: wanted) }
  }

  private func received(_ outcomes: [Controller.Outcome], for wanted: [Wanted]) {
    var again: [Wanted] = []
    for (index, wanted) in wanted.enumerated() {
      guard index < outcomes.count else {
        again.append(wanted)
        continue
      }
      if !take(outcomes[index], for: wanted) { again.append(wanted) }
    }
    state.withLock { state in
      state.isInFlight = false
      guard !again.isEmpty, !state.isStopped else { return }
      state.waiting = again + state.waiting
      state.timer = loop.scheduleTask(in: .milliseconds(Limits.isrRetryMs)) {
        self.state.withLock { $0.timer = nil }
        self.send()
      }
    }
    send()
  }

  /// Passes an outcome to the partition. Returns false when it says nothing about the change, which is to be asked for again.
  private func take(_ outcome: Controller.Outcome, for wanted: Wanted) -> Bool {
    let (partition, change) = (wanted.partition, wanted.change)
    switch outcome {
    case .partition(let now):
      log.info(
        "the in-sync replicas have changed",
        metadata: ["partition": "\(partition.name)", "in sync": "\(now.inSyncReplicas)"])
      let before = partition.inSyncCount
      state.withLock { state in
        if now.inSyncReplicas.count < before { state.counts.shrinks += 1 }
        if now.inSyncReplicas.count > before { state.counts.expands += 1 }
      }
      let made = Replication.ISRChange(
        leaderEpoch: now.leaderEpoch, partitionEpoch: now.partitionEpoch, inSync: now.inSyncReplicas)
      take(partition.advance { $0.confirmed(made) }, of: partition)
    case .refused(let reason):
      guard let refusal = Replication.ISRRefusal(reason.code) else {
        log.warning(
          "a change of the in-sync replicas is asked for again",
          metadata: ["partition": "\(partition.name)", "error": "\(reason)"])
        return false
      }
      state.withLock { $0.counts.refusals += 1 }
      log.info(
        "a change of the in-sync replicas is refused",
        metadata: ["partition": "\(partition.name)", "error": "\(reason)"])
      // After a while: the follower's next fetch asks again.
      loop.scheduleTask(in: .milliseconds(refusal == .notMade ? Limits.isrRetryMs : 0)) {
        self.take(partition.advance { $0.refused(change, refusal) }, of: partition)
      }
    default: return false
    }
    return true
  }
}

extension Replication.ISRRefusal {
  /// Reads an error of AlterPartition; nil for one that says nothing about the change: no controller was reached, or another one is elected.
  init?(_ code: ErrorCode) {
    switch code {
    case .ineligibleReplica, .operationNotAttempted, .invalidRequest: self = .notMade
    case .fencedLeaderEpoch, .unknownLeaderEpoch, .invalidUpdateVersion, .unknownTopicOrPartition, .unknownTopicId,
      .newLeaderElected:
      self = .outdated
    default: return nil
    }
  }
}

extension Partition {
  /// The change of the ISR that was requested and has no response yet.
  var requestedISR: Replication.ISRChange? { state.withLock { $0.replication.requestedISR } }
  /// How many replicas are in sync, as far as the controller has confirmed.
  var inSyncCount: Int { state.withLock { $0.replication.inSync.count } }
}
