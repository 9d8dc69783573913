import Base
import Compression
import Model
import NIOCore
import Wire

/// Simulates a transactional producer: gets its producer id, and then makes one transaction after the other, each to several partitions,
/// which it commits or aborts. At times it crashes or stalls in the midst of one, or is replaced by another with its transactional id,
/// and goes on as a zombie.
final class SimulatedTransactionalProducer: @unchecked Sendable {
  /// A partition that it may write to.
  struct Target {
    var partition: TopicPartition
    /// The number of keys of a compacted topic; nil for records without keys.
    var keys: Int?
    var batchBytesMax: Int
  }

  struct Settings {
    var number: UInt32
    var targets: [Target]
    var timeoutMs: Int32
    /// Transaction version 2 (KIP-890): a produce adds its partitions, and each transaction has an epoch of its own.
    var isVersion2: Bool
    /// The partition for which its transactions commit an offset; nil for transactions without offsets.
    var offsetsOf: TopicPartition?
    var codec: Codec
    var recordsMax: Int
    var valueBytesMax: Int
    /// The longest pause between two requests.
    var pauseMs: Int
    /// One transaction in so many is interrupted.
    var interruptedOneIn: Int

    /// What it copies; nil for a producer of its own records.
    var copies: Copies?

    var transactionalID: String { copies.map { "copier-\($0.pair)" } ?? "transactional-\(number)" }
    var group: String { copies.map { "copies-of-\($0.pair)" } ?? "offsets-of-\(number)" }
    var hasOffsets: Bool { offsetsOf != nil || copies != nil }
  }

  /// A partition that is copied exactly once: the offset up to which it is copied is committed in the transaction that holds the copy. Two
  /// processes have one transactional id between them, and each takes over from the other again and again.
  struct Copies {
    var source: TopicPartition
    var pair: UInt32
    /// Whether it leaves the rest to the other when the run ends.
    var isSecond: Bool
  }

  /// What interrupts a transaction.
  enum Interruption {
    /// The process ends, and starts again later.
    case crash
    /// The process hangs for a while.
    case stall
    /// Another process starts with the transactional id; this one does not know.
    case replace
  }

  struct Sent {
    var target: Target
    var batch: SimulatedBatch
    var isAcknowledged = false
  }

  enum Step {
    case addPartitions([TopicPartition])
    case produce([Sent])
    case addOffsets
    case commitOffsets
    case interrupt(Interruption)
    case end(TransactionLedger.Outcome)
  }

  struct Transaction {
    var id: TransactionLedger.ID
    var identity: ProducerIdentity
    var steps: [Step]
    /// The offsets of the source that it copies.
    var copied: Range<Int64>?
    /// The steps that are done.
    var done = 0
    /// How often the present step was tried before.
    var attempts = 0
  }

  let settings: Settings
  let session: SimulatedSession
  let simulation: any CoordinatedWorld
  var random: SplitMix
  var builder = RecordBatchBuilder(capacity: 4096)
  var identity: ProducerIdentity?
  /// The last that was given out: each is newer than the one before.
  private var lastIdentity: ProducerIdentity?
  var current: Transaction?
  /// A transaction whose process does not know that it was replaced.
  private var zombie: Transaction?
  /// Transactions that were left without an end, which the next InitProducerId ends.
  private var unfinished: [TransactionLedger.ID] = []
  var sequences: [TopicPartition: Int32] = [:]
  /// Up to where the source is copied; nil when the group's offset is to be asked for.
  var position: Int64?
  private var nextTransaction = 0
  var nextBatch: UInt32 = 0
  /// Whether the producer begins no more transactions.
  var isStopping = false
  /// Whether a producer that is stopping has finished, or has gone for good.
  var isAtRest = false
  private(set) var ended = 0
  /// The last error, for people.
  var lastFailure = "nothing has failed"

  init(_ settings: Settings, _ simulation: any CoordinatedWorld, seed: UInt64) {
    self.settings = settings
    self.simulation = simulation
    random = SplitMix(seed: seed)
    session = SimulatedSession(
      simulation.makeClient("transactional producer \(settings.number)", waitsMs: 1_000), simulation)
  }

  var client: any RequestSender { session.client }
  var ledger: TransactionLedger { simulation.transactions }

  func start() { session.later(1 + random.below(500_000)) { [self] in initialize() } }

  /// Runs `body` after a moment, for another attempt.
  func soon(_ body: @escaping () -> Void) { session.later(20_000 + random.below(60_000), body) }

  // MARK: The producer id

  func initialize() {
    session.beginTurn()
    (identity, current, position) = (nil, nil, nil)
    find(settings.transactionalID, type: 1) { [self] in
      if !settings.hasOffsets { return askIdentity() }
      find(settings.group, type: 0) { [self] in askIdentity() }
    }
  }

  /// Finds a coordinator, which may have to make its topic.
  private func find(_ key: String, type: Int8, _ then: @escaping () -> Void) {
    var request = FindCoordinatorRequest()
    (request.key, request.keyType) = (key, type)
    session.ask(request, version: 3) { [self] result in
      guard case .success(let answer) = result else { return soon { [self] in initialize() } }
      if answer.errorCode == .none { return then() }
      expectPatience(answer.errorCode, "FindCoordinator")
      soon { [self] in initialize() }
    }
  }

  private func askIdentity() {
    var request = InitProducerIdRequest()
    request.transactionalID = settings.transactionalID
    request.transactionTimeoutMs = settings.timeoutMs
    for id in unfinished { ledger.mayBeEnded(id) }
    session.ask(request, version: 4) { [self] result in
      guard case .success(let answer) = result else { return soon { [self] in initialize() } }
      guard answer.errorCode == .none else {
        expectPatience(answer.errorCode, "InitProducerId")
        return soon { [self] in askIdentity() }
      }
      unfinished = []
      take(ProducerIdentity(id: answer.producerID, epoch: answer.producerEpoch))
      simulation.trace.note("\(client.name) is \(answer.producerID) in epoch \(answer.producerEpoch)")
      if let zombie { probe(zombie) }
      zombie = nil
      beginLater()
    }
  }

  /// Goes on with another producer id or epoch: sequences begin again.
  func take(_ next: ProducerIdentity) {
    if let last = lastIdentity, last.id == next.id, next.epoch <= last.epoch {
      simulation.violation("\(client.name) gets epoch \(next.epoch) of producer \(next.id) after \(last.epoch)")
    }
    (identity, lastIdentity) = (next, next)
    sequences = [:]
  }

  /// Reports an error that is none of a coordinator that is to be asked again.
  func expectPatience(_ code: ErrorCode, _ what: String) {
    lastFailure = "\(what): \(code)"
    switch code {
    case .concurrentTransactions: return
    case .coordinatorLoadInProgress, .coordinatorNotAvailable, .notCoordinator: client.coordinatorIsLost()
    default:
      if !simulation.diskMayFail { simulation.violation("\(client.name): \(what) is answered with \(code)") }
    }
  }

  // MARK: Transactions

  func beginLater() { session.later(milliseconds: 1 + random.below(4 * settings.pauseMs)) { [self] in begin() } }

  func begin() {
    guard identity != nil else { return initialize() }
    guard !isStopping || !isAllCopied else {
      isAtRest = true
      return
    }
    guard settings.copies != nil else { return begin(copying: nil) }
    readSource()
  }

  func begin(copying range: Range<Int64>?) {
    guard let identity else { return initialize() }
    let id = TransactionLedger.ID(producer: settings.number, number: nextTransaction)
    nextTransaction += 1
    let outcome: TransactionLedger.Outcome = random.below(3) == 0 ? .abort : .commit
    let transaction = Transaction(id: id, identity: identity, steps: plan(outcome), copied: range)
    ledger.began(id, overdueMs: simulation.timeoutClockMs.map { $0 + Int64(settings.timeoutMs) })
    simulation.trace.note("\(id) begins, to end in \(outcome)\(range.map { ", with a copy of \($0)" } ?? "")")
    if let range {
      ledger.copying(range, for: settings.group, in: id)
      // The other process may take over at any time.
      ledger.mayBeEnded(id)
    }
    current = transaction
    perform()
  }

  /// The present step is done.
  func done() {
    guard let transaction = current else { return }
    current?.done += 1
    current?.attempts = 0
    guard case .end = transaction.steps[transaction.done] else {
      return session.later(milliseconds: random.below(settings.pauseMs)) { [self] in perform() }
    }
    ended += 1
    position = isCommit(transaction) ? transaction.copied?.upperBound : nil
    current = nil
    if settings.offsetsOf != nil, random.below(4) == 0 { return lookAtOffset() }
    // Another process takes over, with nothing left to end.
    if random.below(settings.interruptedOneIn) == 0 { soon { [self] in initialize() } } else { beginLater() }
  }

  /// Tries the present step again.
  func tryAgain() {
    current?.attempts += 1
    soon { [self] in perform() }
  }

  func interrupt(_ interruption: Interruption) {
    guard let transaction = current else { return }
    simulation.trace.note("\(client.name) is interrupted: \(interruption)")
    switch interruption {
    case .stall:
      current?.done += 1
      session.later(milliseconds: Int(settings.timeoutMs) / 2 + random.below(2 * Int(settings.timeoutMs))) { [self] in
        perform()
      }
    case .crash:
      client.breakConnection()
      leaveUnfinished(transaction)
      session.later(milliseconds: 1 + random.below(random.below(2) == 0 ? 200 : 2 * Int(settings.timeoutMs))) {
        [self] in
        // Nobody comes back: the transaction has to time out.
        if isStopping, isAllCopied, random.below(2) == 0 { isAtRest = true } else { initialize() }
      }
    case .replace:
      zombie = transaction
      leaveUnfinished(transaction)
      initialize()
    }
  }

  private func leaveUnfinished(_ transaction: Transaction) {
    unfinished.append(transaction.id)
    current = nil
    session.beginTurn()
  }

  /// The transaction cannot go on: the next InitProducerId ends it.
  func startOver() {
    guard let transaction = current else { return }
    simulation.trace.note("\(transaction.id) is given up")
    leaveUnfinished(transaction)
    restart()
  }

  // MARK: Zombies

  /// The process that was replaced goes on with its transaction, which nobody may grant it any more.
  private func probe(_ zombie: Transaction) {
    let client = simulation.makeClient("\(client.name)'s zombie", waitsMs: 1_000)
    guard client.connect() else { return }
    if random.below(2) == 0 {
      let request = endRequest(zombie, .commit)
      client.ask(request, version: settings.isVersion2 ? 5 : 3) { [self] result in
        if case .success(let answer) = result { expectRefusal(answer.errorCode, "EndTxn", of: zombie) }
        client.leave()
      }
    } else {
      let request = produceRequest([makeBatch(for: random.pick(settings.targets))], zombie)
      client.ask(request, version: settings.isVersion2 ? 12 : 9) { [self] result in
        if case .success(let answer) = result {
          expectRefusal(answer.responses.first?.partitionResponses.first?.errorCode ?? .none, "a produce", of: zombie)
        }
        client.leave()
      }
    }
  }

  private func expectRefusal(_ code: ErrorCode, _ what: String, of zombie: Transaction) {
    simulation.trace.note("\(client.name)'s zombie: \(what) is answered with \(code)")
    guard code == .none else { return }
    simulation.violation(
      "\(client.name): \(what) of epoch \(zombie.identity.epoch) of producer \(zombie.identity.id) is granted, when another has begun"
    )
  }
}
