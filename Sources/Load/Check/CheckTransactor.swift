import Base
import Client
import Histories
import Model
import NIOCore
import Wire

/// A transactional producer: sends transactions of a few batches to partitions drawn at random, some with an offset of a group of
/// its own, as if it had consumed a partition; commits most and aborts some.
///
/// Now and then it stalls for longer than the transaction timeout, crashes in a transaction, or another session of the same
/// transactional id begins while the old one goes on: the old one, a zombie, must be fenced.
final class CheckTransactor: CheckClient {
  private enum Limits {
    static let batchesMost = 4
    /// One in so many transactions.
    static let aborts = 4, offsets = 2, stalls = 60, crashes = 40, zombies = 30, idleZombies = 60
    static let pauseMs = 300
    static let zombieMs = 200, zombieMoreMs = 1000
  }

  /// A producer with an identity: a process of the history.
  private final class Session {
    let recorded: RecordedProducer
    let transactional: TransactionalProducer
    /// The transaction that is open, or the last one.
    var transaction = 0
    var commits = 0
    /// Batches still to be sent in the transaction.
    var batches = 0
    var isBusy = false
    var hasOffset = false
    /// Where its group comes to if the transaction is committed.
    var consumed: Offset?
    /// Another session has begun, and this one goes on.
    var isHaunting = false
    /// An offset may be in the transaction or not.
    var mustAbort = false

    init(_ recorded: RecordedProducer, _ transactional: TransactionalProducer) {
      self.recorded = recorded
      self.transactional = transactional
    }

    var process: Int { recorded.process }
    var phase: TransactionState.Phase { transactional.state.phase }
  }

  private let scene: CheckScene
  private let id: String
  private let group: String
  /// The partition that it consumes in name.
  private let source: Int32
  private var random: SplitMix
  private var session: Session?
  private var zombie: Session?
  private var position: Offset = 0
  private var isStopping = false
  /// The first leaves its last transaction open, which the coordinator must end.
  private let leavesOpen: Bool

  init(_ scene: CheckScene, index: Int, seed: UInt64) {
    self.scene = scene
    id = "\(scene.metadata.topic)-\(index)"
    group = "\(scene.metadata.topic)-transactions-\(index)"
    source = scene.metadata.partitions[index % scene.metadata.partitions.count].index
    random = SplitMix(seed: seed)
    leavesOpen = index == 0
  }

  var name: String { "the transactional producer '\(id)'" }
  var isDone: Bool { isStopping && session == nil && zombie == nil }

  func stop() { isStopping = true }

  func close() {
    session?.transactional.close()
    zombie?.transactional.close()
  }

  // MARK: Sessions

  func start() {
    var settings = RecordedProducer.settings(scene, &random)
    settings.transactionalID = id
    let recorded = RecordedProducer(settings, scene)
    let transactional = TransactionalProducer(
      recorded.producer, scene.metadata, on: scene.eventLoop, connect: scene.connector())
    let session = Session(recorded, transactional)
    self.session = session
    transactional.start { [weak self] result in
      guard let self, session === self.session else { return }
      guard case .success = result else { return self.end(session) }
      self.haunt()
      self.lookForOffset(session)
    }
  }

  private func end(_ session: Session) {
    session.transactional.close()
    guard session === self.session else { return }
    self.session = nil
    startLater()
  }

  private func startLater() {
    guard !isStopping else { return }
    scene.after(Limits.pauseMs) { [weak self] in
      if let self, self.session == nil, !self.isStopping { self.start() }
    }
  }

  /// Where its group has come to; the coordinator answers when no transaction is open that changes it.
  private func lookForOffset(_ session: Session) {
    guard session === self.session else { return }
    if isStopping { return end(session) }
    let again = { [weak self] in
      guard let self else { return }
      self.scene.after(Limits.pauseMs) { [weak self] in self?.lookForOffset(session) }
    }
    CoordinatorLookup.connect(
      group, .group, asking: scene.metadata.partitions[0].leader, by: scene.connector()
    ) { [weak self] result in
      guard let self, case .success(let connection) = result else { return again() }
      self.scene.recorder.note(session.process, .look(group: self.group, [self.source]))
      connection.send(self.offsetRequest) { [weak self] result in
        connection.close()
        guard let self, case .success(let answer) = result, let found = answer.offset(of: self.source) else {
          return again()
        }
        self.position = max(found, 0)
        let positions = found >= 0 ? [History.Position(self.source, found)] : []
        self.scene.recorder.note(session.process, .found(group: self.group, positions))
        self.step(session)
      }
      connection.flush()
    }
  }

  private var offsetRequest: OffsetFetchRequest {
    var request = OffsetFetchRequest()
    request.groupID = group
    request.topics = [
      .with {
        $0.name = scene.metadata.topic
        $0.partitionIndexes = [source]
      }
    ]
    request.groups = [
      .with {
        $0.groupID = group
        $0.topics = [
          .with {
            $0.name = scene.metadata.topic
            $0.partitionIndexes = [source]
          }
        ]
      }
    ]
    request.requireStable = true
    return request
  }

  // MARK: One transaction

  private func step(_ session: Session) {
    guard session === self.session else { return }
    switch session.phase {
    case .uninitialised, .fatal: return end(session)
    case .ready:
      if isStopping { return end(session) }
      if session.isBusy { break }
      if isOne(of: Limits.idleZombies), zombie == nil { return replace(session) }
      begin(session)
    case .open, .abortable:
      if !session.isBusy { goOn(session) }
    case .ending: break
    }
    stepLater(session, scene.plan.batchIntervalMs)
  }

  private func stepLater(_ session: Session, _ milliseconds: Int) {
    scene.after(milliseconds) { [weak self] in self?.step(session) }
  }

  private func begin(_ session: Session) {
    session.transaction += 1
    session.batches = 1 + random.below(Limits.batchesMost)
    session.hasOffset = random.below(Limits.offsets) == 0
    session.mustAbort = false
    session.transactional.begin()
  }

  private func goOn(_ session: Session) {
    guard session.phase == .open else { return endWhenQuiet(session) }
    if session.batches > 0 { return sendBatch(session) }
    if session.hasOffset { return sendOffset(session) }
    if isStopping ? leavesOpen : isOne(of: Limits.crashes) { return end(session) }
    if isOne(of: Limits.zombies), zombie == nil { return replace(session) }
    if isOne(of: Limits.stalls) { return stall(session) }
    endWhenQuiet(session)
  }

  /// Whether one of `count` cases is drawn, while nothing is to end.
  private func isOne(of count: Int) -> Bool { !isStopping && random.below(count) == 0 }

  private func sendBatch(_ session: Session) {
    let lane = random.below(session.recorded.producer.laneCount)
    guard session.recorded.producer.batchesFree(lane) > 0 else { return }
    session.batches -= 1
    session.recorded.send(
      1 + random.below(CheckPlan.Limits.batchRecords), lane: lane, transaction: session.transaction)
  }

  private func sendOffset(_ session: Session) {
    session.hasOffset = false
    session.isBusy = true
    let (number, from) = (session.commits, position)
    let to = from + (1 + random.below(CheckPlan.Limits.batchRecords))
    session.commits += 1
    scene.recorder.note(
      session.process,
      .commit(number, group: group, [History.Position(source, to, from: from)], transaction: session.transaction))
    session.transactional.sendOffsets(
      [TopicPartition(scene.metadata.topic, source): to], ofGroup: group
    ) { [weak self] result in
      session.isBusy = false
      guard let self, case .success = result else {
        session.mustAbort = true
        return
      }
      self.scene.recorder.note(session.process, .committed(number, .ok))
      session.consumed = to
    }
  }

  private func endWhenQuiet(_ session: Session) {
    guard session.recorded.producer.unacknowledged == 0 else { return }
    endTransaction(session, commits: random.below(Limits.aborts) != 0)
  }

  private func endTransaction(_ session: Session, commits: Bool) {
    // What has failed is aborted, whatever is asked for.
    let commits = commits && !session.mustAbort && session.phase == .open
    let transaction = session.transaction
    scene.recorder.note(session.process, .end(transaction: transaction, commits: commits))
    session.isBusy = true
    session.transactional.end(commits: commits) { [weak self] result in
      session.isBusy = false
      guard let self else { return }
      switch result {
      case .success(let isCommitted): self.ended(session, transaction, isCommitted ? .committed : .aborted)
      case .failure:
        self.ended(session, transaction, .unknown)
        if session === self.session { self.end(session) }
      }
    }
  }

  private func ended(_ session: Session, _ transaction: Int, _ outcome: History.TransactionOutcome) {
    scene.recorder.note(session.process, .ended(transaction: transaction, outcome))
    if outcome == .committed, let consumed = session.consumed { position = consumed }
    session.consumed = nil
  }

  // MARK: Faults of a client

  /// Holds the transaction open until the coordinator has aborted it.
  private func stall(_ session: Session) {
    session.isBusy = true
    scene.after(scene.plan.transactionTimeoutMs * 3 / 2) { session.isBusy = false }
  }

  /// Begins another session of the same transactional id, and lets this one go on as a zombie.
  private func replace(_ session: Session) {
    zombie = session
    self.session = nil
    start()
  }

  /// Lets the zombie, whose successor has an identity, begin a transaction if it has none, send or not, and then commit, while the
  /// successor may be in a transaction: the zombie's transaction has been aborted or must not begin.
  private func haunt() {
    guard let zombie, !zombie.isHaunting else { return }
    zombie.isHaunting = true
    let isIdle = zombie.phase == .ready
    if isIdle { begin(zombie) }
    if zombie.phase == .open, isIdle || random.below(2) == 0 {
      zombie.recorded.send(1, lane: random.below(zombie.recorded.producer.laneCount), transaction: zombie.transaction)
    }
    scene.after(Limits.zombieMs + random.below(Limits.zombieMoreMs)) { [weak self] in self?.exorcise(zombie) }
  }

  private func exorcise(_ zombie: Session) {
    let isQuiet = zombie.recorded.producer.unacknowledged == 0
    guard zombie.phase == .open, isQuiet else { return bury(zombie, isCommitted: false) }
    scene.recorder.note(zombie.process, .end(transaction: zombie.transaction, commits: true))
    zombie.transactional.end(commits: true) { [weak self] result in
      var isCommitted = false
      if case .success(true) = result { isCommitted = true }
      self?.bury(zombie, isCommitted: isCommitted)
    }
  }

  private func bury(_ zombie: Session, isCommitted: Bool) {
    scene.recorder.note(zombie.process, .ended(transaction: zombie.transaction, isCommitted ? .committed : .aborted))
    zombie.transactional.close()
    if zombie === self.zombie { self.zombie = nil }
  }
}

extension OffsetFetchResponse {
  /// The committed offset of the only partition that was asked for, -1 without one; nil where the coordinator refuses.
  fileprivate func offset(of partition: Int32) -> Offset? {
    let ofGroup = groups.flatMap(\.topics).flatMap(\.partitions).map { ($0.committedOffset, $0.errorCode) }
    let old = topics.flatMap(\.partitions).map { ($0.committedOffset, $0.errorCode) }
    let codes = [errorCode] + groups.map(\.errorCode)
    guard codes.allSatisfy({ $0 == .none }), let found = (ofGroup + old).first, found.1 == .none else { return nil }
    return found.0
  }
}
