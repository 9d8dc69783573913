import Base
import Cluster
import Logging
import Model
import NIOCore
import Synchronization

/// Coordinates the transactions whose transactional ids belong to partitions of `__transaction_state` that this broker leads: runs a
/// `Transactions` for each, and carries its effects out.
///
/// A request finds its shard, locks it, steps, and appends the records under the lock, so that the order of the log is the order of the
/// states. Everything else is done without the lock: responses, and markers, whose partitions have locks of their own. Called on any
/// thread.
final class TransactionCoordinator: CoordinatorState {
  typealias Reply = @Sendable (Transactions.Response) -> Void
  /// Gets what became of each marker.
  typealias MarkersDone = @Sendable ([Transactions.MarkerResult]) -> Void

  /// Writes markers; may call the function it is given before it returns.
  typealias WriteMarkers = @Sendable (Transactions.MarkerOrder, @escaping MarkersDone) -> Void

  private let coordinatorLog: CoordinatorLog
  private let producerIDs: ProducerIDSource
  private let timeoutMsMax: Int32
  private let offload: any Offload
  private let log: Logger
  private let nowMs: @Sendable () -> Int64
  private let writeMarkers = Mutex<WriteMarkers>({ _, _ in })
  private let shards = Mutex<[Int32: Shard]>([:])
  private let lastRequest = Atomic<UInt64>(0)
  private let isStopped = Atomic(false)

  /// - Parameters:
  ///   - timeoutMsMax: `transaction.max.timeout.ms`.
  ///   - nowMs: wall clock, in milliseconds since 1970.
  init(
    _ coordinatorLog: CoordinatorLog, producerIDs: ProducerIDSource, timeoutMsMax: Int32, offload: any Offload,
    log: Logger, nowMs: @escaping @Sendable () -> Int64
  ) {
    self.coordinatorLog = coordinatorLog
    self.producerIDs = producerIDs
    self.timeoutMsMax = timeoutMsMax
    self.offload = offload
    self.log = log
    self.nowMs = nowMs
  }

  /// Sets the function that writes the markers of a transaction.
  func whenMarkersAreDue(_ body: @escaping WriteMarkers) { writeMarkers.withLock { $0 = body } }

  /// The state of one partition of `__transaction_state`.
  private final class Shard: Sendable {
    let partition: Int32
    let state: Mutex<State>

    init(_ partition: Int32, timeoutMsMax: Int32) {
      self.partition = partition
      state = Mutex(State(transactions: Transactions(epoch: -1, timeoutMsMax: timeoutMsMax)))
    }
  }

  private struct State {
    var phase = Phase.elsewhere
    /// Raised with each change of the leadership: what comes late of an earlier one is dropped.
    var generation = 0
    var transactions: Transactions
    /// A record that could not be read.
    var damage: TransactionRecordError?
    var waiting: [Transactions.RequestID: Reply] = [:]
    var retryTimer: (dueMs: Int64, timer: Scheduled<Void>)?

    /// Why requests are refused; nil when they are served.
    var refusal: ErrorCode? {
      #if DEBUG
      if PlantedFault.servesBeforeLoading.isPlanted, phase == .loading { return nil }
      #endif
      return switch phase {
      case .elsewhere: .notCoordinator
      case .loading: .coordinatorLoadInProgress
      case .unreadable: .coordinatorNotAvailable
      case .active: nil
      }
    }
  }

  private enum Phase { case elsewhere, loading, active, unreadable }

  /// What is left to do when a shard's lock is released.
  private enum Deed {
    case reply(Reply, Transactions.Response)
    case writeMarkers(Transactions.MarkerOrder)
    case drawProducerID(Transactions.Event)
    case tell(Transactions.MarkerOrder, ErrorCode)
  }

  private func shard(_ partition: Int32) -> Shard {
    shards.withLock { shards in
      if let shard = shards[partition] { return shard }
      let shard = Shard(partition, timeoutMsMax: timeoutMsMax)
      shards[partition] = shard
      return shard
    }
  }

  /// The shards there are, by rising partition.
  private var allShards: [Shard] { shards.withLock { $0.sorted { $0.key < $1.key }.map(\.value) } }

  // MARK: Requests

  func initProducerID(_ asked: Transactions.InitProducerID, reply: @escaping Reply) {
    ask(asked.transactionalID, reply) { .initProducerID($0, asked) }
  }

  func addPartitions(_ asked: Transactions.AddPartitions, reply: @escaping Reply) {
    ask(asked.transactionalID, reply) { .addPartitions($0, asked) }
  }

  func end(_ asked: Transactions.End, reply: @escaping Reply) {
    ask(asked.transactionalID, reply) { .end($0, asked) }
  }

  private func ask(
    _ transactionalID: String, _ reply: @escaping Reply, _ event: (Transactions.RequestID) -> Transactions.Event
  ) {
    let request = lastRequest.wrappingAdd(1, ordering: .relaxed).newValue
    let shard = shard(coordinatorLog.partition(of: transactionalID))
    perform(event(request), in: shard, answering: (request, reply))
  }

  /// Whether each partition is part of the producer's transaction now: nil when it is.
  func verify(_ asked: Transactions.AddPartitions) -> [ErrorCode?] {
    let shard = shard(coordinatorLog.partition(of: asked.transactionalID))
    return shard.state.withLock { state in
      if let refusal = state.refusal { return asked.partitions.map { _ in refusal } }
      state.transactions.mayBeSucceeded = coordinatorLog.isReplicated(shard.partition)
      return state.transactions.verify(asked)
    }
  }

  /// The state of a transactional id.
  func describe(_ transactionalID: String) -> Result<TransactionState, CoordinatorRefusal> {
    shard(coordinatorLog.partition(of: transactionalID)).state.withLock { state in
      if let refusal = state.refusal { return .failure(CoordinatorRefusal(code: refusal)) }
      guard let found = state.transactions.state(of: transactionalID) else {
        return .failure(CoordinatorRefusal(code: .transactionalIdNotFound))
      }
      return .success(found)
    }
  }

  struct CoordinatorRefusal: Error, Equatable { var code: ErrorCode }

  /// The transactional ids of all shards that a filter wants.
  func list(
    _ filter: Transactions.Filter
  ) -> Result<[(transactionalID: String, state: TransactionState)], CoordinatorRefusal> {
    let now = nowMs()
    var found: [(transactionalID: String, state: TransactionState)] = []
    for shard in allShards {
      let isLoading = shard.state.withLock { state in
        if state.phase == .active { found += state.transactions.list(filter, nowMs: now) }
        return state.phase == .loading
      }
      if isLoading { return .failure(CoordinatorRefusal(code: .coordinatorLoadInProgress)) }
    }
    return .success(found)
  }

  // MARK: Time

  /// Aborts the transactions that have timed out.
  func abortTimedOut() {
    for shard in allShards { perform(.timeoutsDue, in: shard) }
  }

  /// Removes the transactional ids that have not been used for `afterMs`.
  func removeExpired(afterMs: Int64) {
    for shard in allShards { perform(.expiryDue(afterMs: afterMs), in: shard) }
  }

  /// Ends the timers: what is not done now is done after the next start.
  func stop() {
    isStopped.store(true, ordering: .relaxed)
    for shard in allShards {
      shard.state.withLock { state in
        state.retryTimer?.timer.cancel()
        state.retryTimer = nil
      }
    }
  }

  // MARK: Steps

  /// Steps a shard and carries the effects out.
  ///
  /// - Parameters:
  ///   - generation: of the leadership that the event belongs to; nil: of the present one.
  ///   - request: the event's, when it is one.
  private func perform(
    _ event: Transactions.Event, in shard: Shard, generation: Int? = nil,
    answering request: (id: Transactions.RequestID, reply: Reply)? = nil
  ) {
    let (deeds, now) = shard.state.withLock { state -> ([Deed], generation: Int) in
      guard generation == nil || generation == state.generation else { return ([], state.generation) }
      if let refusal = state.refusal {
        return (request.map { [Deed.reply($0.reply, .refused(refusal))] } ?? [], state.generation)
      }
      if let request { state.waiting[request.id] = request.reply }
      state.transactions.mayBeSucceeded = coordinatorLog.isReplicated(shard.partition)
      let effects = state.transactions.step(event, nowMs: nowMs())
      return (run(effects, &state, shard), state.generation)
    }
    carryOut(deeds, in: shard, generation: now)
  }

  /// Appends the records of effects under the shard's lock, and goes on while outcomes are known at once; the rest is left to do.
  private func run(_ effects: [Transactions.Effect], _ state: inout State, _ shard: Shard) -> [Deed] {
    var deeds: [Deed] = []
    var effects = effects[...]
    while let effect = effects.popFirst() {
      switch effect {
      case .append(let ticket, let changes):
        guard let outcome = append(changes, ticket, state.generation, shard) else { continue }
        effects += state.transactions.step(.appended(ticket, outcome.code), nowMs: nowMs())
      case .writeMarkers(let order): deeds.append(.writeMarkers(order))
      case .drawProducerID(let event): deeds.append(.drawProducerID(event))
      case .respond(let request, let response):
        if let reply = state.waiting.removeValue(forKey: request) { deeds.append(.reply(reply, response)) }
      case .abandoned(let order, let code): deeds.append(.tell(order, code))
      }
    }
    setTimer(&state, shard)
    return deeds
  }

  /// The outcome of an append: nil is success.
  private struct AppendOutcome { var code: ErrorCode? }

  /// Appends records; nil when the outcome follows.
  private func append(
    _ changes: [Transactions.Change], _ ticket: Transactions.Ticket, _ generation: Int, _ shard: Shard
  ) -> AppendOutcome? {
    let now = nowMs()
    let records = changes.map { TransactionRecord.record(of: $0, nowMs: now) }
    let outcome = coordinatorLog.append(records, to: shard.partition) { outcome in
      self.perform(.appended(ticket, outcome.failureCode), in: shard, generation: generation)
    }
    return outcome.map { AppendOutcome(code: $0.failureCode) }
  }

  private func carryOut(_ deeds: [Deed], in shard: Shard, generation: Int) {
    for deed in deeds {
      switch deed {
      case .reply(let reply, let response): reply(response)
      case .writeMarkers(let order):
        let write = writeMarkers.withLock { $0 }
        write(order) { results in
          self.perform(.markersWritten(order, results), in: shard, generation: generation)
        }
      case .drawProducerID(let event): draw(for: event, in: shard, generation: generation)
      case .tell(let order, let code):
        log.error(
          "a transaction's markers are given up: the partition has seen a newer producer or coordinator",
          metadata: ["transactional.id": "\(order.transactionalID)", "error": "\(code)"])
      }
    }
  }

  /// Repeats a request with a new producer id.
  private func draw(for event: Transactions.Event, in shard: Shard, generation: Int) {
    let then: ProducerIDSource.Then = { outcome in
      switch outcome {
      case .success(let id): self.perform(event.with(newProducerID: id), in: shard, generation: generation)
      case .failure(let reason): self.refuse(event.request, in: shard, reason.message)
      }
    }
    if let id = producerIDs.next(then: then) { then(.success(id)) }
  }

  /// Kafka has no code for a coordinator without producer ids; clients try this one again.
  private func refuse(_ request: Transactions.RequestID?, in shard: Shard, _ reason: String) {
    log.error("no producer id", metadata: ["error": "\(reason)"])
    let reply = shard.state.withLock { state in request.flatMap { state.waiting.removeValue(forKey: $0) } }
    reply?(.refused(.coordinatorLoadInProgress))
  }

  /// Sets the shard's timer to the first of what is to be tried again.
  private func setTimer(_ state: inout State, _ shard: Shard) {
    guard let dueMs = state.transactions.nextRetryMs, !isStopped.load(ordering: .relaxed) else { return }
    if let present = state.retryTimer, present.dueMs <= dueMs { return }
    state.retryTimer?.timer.cancel()
    let generation = state.generation
    let delayMs = max(0, dueMs.subtractingClamped(nowMs()))
    let timer = coordinatorLog.loop.scheduleTask(in: .milliseconds(delayMs)) {
      shard.state.withLock { if $0.generation == generation { $0.retryTimer = nil } }
      guard !self.isStopped.load(ordering: .relaxed) else { return }
      self.perform(.retryDue, in: shard, generation: generation)
    }
    state.retryTimer = (dueMs, timer)
  }
}

// MARK: The log

extension TransactionCoordinator {
  func began(_ partition: Int32, epoch: LeaderEpoch) {
    change(partition) { state in
      state.phase = .loading
      state.transactions = Transactions(epoch: epoch, timeoutMsMax: timeoutMsMax)
      state.damage = nil
    }
  }

  func resigned(_ partition: Int32) {
    change(partition) { state in
      state.phase = .elsewhere
      state.transactions = Transactions(epoch: -1, timeoutMsMax: timeoutMsMax)
    }
  }

  /// Changes a shard's leadership; whoever waits for it is refused.
  private func change(_ partition: Int32, _ body: (inout State) -> Void) {
    let waiting = shard(partition).state.withLock { state -> [Reply] in
      state.generation += 1
      state.retryTimer?.timer.cancel()
      state.retryTimer = nil
      body(&state)
      defer { state.waiting = [:] }
      return state.waiting.sorted { $0.key < $1.key }.map(\.value)
    }
    for reply in waiting { reply(.refused(.notCoordinator)) }
  }

  func replay(_ record: CoordinatorRecord, in batch: CoordinatorBatch, of partition: Int32) {
    shard(partition).state.withLock { state in
      do throws(TransactionRecordError) {
        guard let change = try TransactionRecord.change(in: record) else { return }
        state.transactions.replay(change.transactionalID, change.state)
      } catch {
        state.damage = error
      }
    }
  }

  /// Nothing is written to the topic in a transaction.
  func replay(_ marker: EndTransactionMarker, of producerID: Int64, in partition: Int32) {}

  func loaded(_ partition: Int32, epoch: LeaderEpoch, error: ErrorCode?) {
    let shard = shard(partition)
    let (deeds, generation, damage) = shard.state.withLock { state -> ([Deed], Int, TransactionRecordError?) in
      guard error == nil, state.damage == nil else {
        state.phase = .unreadable
        return ([], state.generation, state.damage)
      }
      state.phase = .active
      let effects = state.transactions.loaded(nowMs: nowMs())
      return (run(effects, &state, shard), state.generation, nil)
    }
    if let damage {
      log.error(
        "transactions cannot be coordinated: a record of the log is unreadable",
        metadata: ["partition": "\(TopicName.transactionState)-\(partition)", "error": "\(damage)"])
    }
    guard !deeds.isEmpty else { return }
    offload.submit(.request) { self.carryOut(deeds, in: shard, generation: generation) }
  }
}

extension Result where Failure == ErrorCode {
  /// The error; nil for a success.
  fileprivate var failureCode: ErrorCode? { if case .failure(let code) = self { code } else { nil } }
}
