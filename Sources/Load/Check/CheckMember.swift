import Base
import Client
import Histories
import Model
import NIOCore
import Wire

/// A member of a consumer group that reads committed records, commits, and now and then leaves, or crashes without a word, and
/// joins again. What it has committed last it may commit once more when its partitions have gone to others, as a request does that was
/// long under way.
final class CheckMember: CheckClient {
  private enum Limits {
    /// How long a session lasts: at least so long, and up to so much longer.
    static let sessionMs = 4_000, sessionMoreMs = 26_000
    /// One session in so many ends as a crash does.
    static let crashes = 3
    /// One revocation or crash in so many is followed by a late commit.
    static let lateCommits = 2
    static let lateMs = 500, lateMoreMs = 4_000
    static let pauseMs = 500
    static let commitIntervalMs = 700
  }

  /// One membership: a process of the history.
  private final class Session {
    let member: GroupConsumer
    let process: Int
    var commits = 0
    /// The last commit, and the generation that it was sent in.
    var last: (offsets: [Int32: Offset], generation: Int32)?

    init(_ member: GroupConsumer, process: Int) {
      self.member = member
      self.process = process
    }
  }

  private let scene: CheckScene
  private let groupID: String
  private let assignor: Assignor
  private var random: SplitMix
  private var session: Session?
  private var isStopping = false
  /// Where reading of each partition began, for the last time.
  private var from: [Int32: Offset] = [:]

  init(_ scene: CheckScene, assignor: Assignor, seed: UInt64) {
    self.scene = scene
    self.assignor = assignor
    groupID = "\(scene.metadata.topic)-\(assignor.rawValue)"
    random = SplitMix(seed: seed)
  }

  var name: String { "a member of group '\(groupID)'" }
  var isDone: Bool { isStopping && session == nil }

  func start() {
    guard !isStopping else { return }
    let process = scene.recorder.newProcess()
    let consumer = consumer(process)
    let member = GroupConsumer(
      settings, consumer, scene.metadata, fallback: [:], on: scene.eventLoop, now: Clocks.monotonicNs,
      // The coordinator answers a member that joins when all have, or the rebalance has timed out.
      connect: scene.connector(extraMs: settings.rebalanceTimeoutMs))
    let session = Session(member, process: process)
    self.session = session
    watch(session)
    let fail = { [weak self, weak session] (error: ClientError) in
      guard let self, let session else { return }
      self.scene.recorder.noteFailure("a member of group \(self.groupID)", error)
      self.crash(session)
    }
    member.failed = fail
    consumer.failed = fail
    member.start()
    let lifeMs = Limits.sessionMs + random.below(Limits.sessionMoreMs)
    scene.after(lifeMs) { [weak self, weak session] in
      if let self, let session { self.end(session) }
    }
  }

  private var settings: GroupSettings {
    var settings = GroupSettings(groupID: groupID)
    settings.assignor = assignor
    settings.sessionTimeoutMs = scene.plan.sessionTimeoutMs
    settings.rebalanceTimeoutMs = 2 * scene.plan.sessionTimeoutMs
    settings.heartbeatIntervalMs = scene.plan.sessionTimeoutMs / 5
    settings.commitIntervalMs = Limits.commitIntervalMs
    return settings
  }

  private func consumer(_ process: Int) -> Consumer {
    var settings = ConsumerSettings(topic: scene.metadata.topic)
    settings.readsCommitted = true
    settings.reconnectTimeoutMs = scene.deliveryTimeoutMs
    let consumer = Consumer(
      settings, scene.metadata, from: [:], on: scene.eventLoop, now: Clocks.monotonicNs, connect: scene.connector())
    consumer.received = { [weak self] partition, batch, _ in
      guard let self else { return }
      self.scene.recorder.note(process, polled: batch, of: partition, from: self.from[partition] ?? 0)
    }
    consumer.damaged = { [weak self] _, _, _ in self?.scene.recorder.noteDamage() }
    return consumer
  }

  private func watch(_ session: Session) {
    let (recorder, groupID, process, member) = (scene.recorder, groupID, session.process, session.member)
    member.watch.looking = { recorder.note(process, .look(group: groupID, $0)) }
    member.watch.found = { recorder.note(process, .found(group: groupID, History.positions($0))) }
    member.watch.committing = { [weak session] number, offsets in
      if let session { session.last = (offsets, session.member.generation) }
      session?.commits = number + 1
      recorder.note(process, .commit(number, group: groupID, History.positions(offsets), transaction: nil))
    }
    member.watch.committed = { number, refusal in
      if let done = Self.outcome(refusal) { recorder.note(process, .committed(number, done)) }
    }
    member.assigned = { [weak self, weak session] offsets in
      guard let self, let session else { return }
      self.from.merge(offsets) { _, new in new }
      let membership = History.Membership(group: groupID, generation: max(session.member.generation, 0))
      recorder.note(process, .assign(History.positions(offsets), membership))
    }
    member.revoked = { [weak self, weak session] partitions in
      recorder.note(process, .revoke(partitions.keys.sorted()))
      if let self, let session { self.commitLate(session) }
    }
  }

  private func end(_ session: Session) {
    guard session === self.session else { return }
    if random.below(Limits.crashes) == 0 { return crash(session) }
    session.member.close { [weak self] in self?.ended(session) }
  }

  private func crash(_ session: Session) {
    guard session === self.session else { return }
    session.member.abandon()
    commitLate(session)
    ended(session)
  }

  private func ended(_ session: Session) {
    guard session === self.session else { return }
    self.session = nil
    scene.after(Limits.pauseMs + random.below(Limits.pauseMs)) { [weak self] in self?.start() }
  }

  // MARK: Late commits

  private func commitLate(_ session: Session) {
    guard let last = session.last, random.below(Limits.lateCommits) == 0, !isStopping else { return }
    let request = request(last.offsets, session.member.memberID, last.generation)
    let leader = scene.metadata.partitions[0].leader
    scene.after(Limits.lateMs + random.below(Limits.lateMoreMs)) { [weak self] in
      guard let self else { return }
      CoordinatorLookup.connect(self.groupID, .group, asking: leader, by: self.scene.connector()) {
        [weak self] result in
        guard case .success(let connection) = result else { return }
        guard let self, session.member.generation != last.generation || session !== self.session else {
          return connection.close()
        }
        self.send(request, last.offsets, session, over: connection)
      }
    }
  }

  private func send(
    _ request: OffsetCommitRequest, _ offsets: [Int32: Offset], _ session: Session, over connection: BrokerConnection
  ) {
    let number = CheckMember.lateCommit + session.commits
    session.commits += 1
    let (recorder, process) = (scene.recorder, session.process)
    recorder.note(process, .commit(number, group: groupID, History.positions(offsets), transaction: nil))
    connection.send(request) { result in
      if case .success(let answer) = result {
        let refusal = answer.topics.flatMap(\.partitions).map(\.errorCode).first { $0 != .none }
        if let done = Self.outcome(refusal) { recorder.note(process, .committed(number, done)) }
      }
      connection.close()
    }
    connection.flush()
  }

  /// What a response says; nil where the commit may have been made: a coordinator that is replaced while the commit is on its way to the
  /// replicas does not know.
  private static func outcome(_ refusal: ErrorCode?) -> History.CommitOutcome? {
    switch refusal {
    case nil: .ok
    case .notCoordinator, .coordinatorNotAvailable, .requestTimedOut: nil
    default: .failed
    }
  }

  /// Late commits have numbers of their own, beyond those of the member.
  private static let lateCommit = 1_000_000

  private func request(_ offsets: [Int32: Offset], _ memberID: String, _ generation: Int32) -> OffsetCommitRequest {
    var request = OffsetCommitRequest()
    request.groupID = groupID
    request.generationIDOrMemberEpoch = generation
    request.memberID = memberID
    request.topics = [
      .with {
        $0.name = scene.metadata.topic
        $0.partitions = History.positions(offsets).map { position in
          .with {
            $0.partitionIndex = position.partition
            $0.committedOffset = position.offset
            $0.committedMetadata = ""
          }
        }
      }
    ]
    return request
  }

  // MARK: The end

  func stop() {
    isStopping = true
    if let session { session.member.close { [weak self] in self?.ended(session) } }
  }

  func close() { session?.member.abandon() }
}

extension History {
  /// Offsets in the order of their partitions.
  static func positions(_ offsets: [Int32: Offset]) -> [Position] {
    offsets.sorted { $0.key < $1.key }.map { Position($0.key, $0.value) }
  }
}
