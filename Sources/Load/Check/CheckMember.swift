import Base
import Client
import Histories
import Model
import NIOCore

/// A member of a consumer group that reads committed records, commits, and now and then leaves, or crashes without a word, and
/// joins again.
final class CheckMember: CheckClient {
  private enum Limits {
    /// How long a session lasts: at least so long, and up to so much longer.
    static let sessionMs = 4_000, sessionMoreMs = 26_000
    /// One session in so many ends as a crash does.
    static let crashes = 3
    static let pauseMs = 500
    static let commitIntervalMs = 700
  }

  private let scene: CheckScene
  private let groupID: String
  private let assignor: Assignor
  private var random: SplitMix
  private var session: GroupConsumer?
  private var isStopping = false
  /// Where reading of each partition began, for the last time.
  private var from: [Int32: Offset] = [:]

  init(_ scene: CheckScene, assignor: Assignor, seed: UInt64) {
    self.scene = scene
    self.assignor = assignor
    groupID = "\(scene.metadata.topic)-\(assignor.rawValue)"
    random = SplitMix(seed: seed)
  }

  var isDone: Bool { isStopping && session == nil }

  func start() {
    guard !isStopping else { return }
    let process = scene.recorder.newProcess()
    let consumer = consumer(process)
    let session = GroupConsumer(
      settings, consumer, scene.metadata, fallback: [:], on: scene.eventLoop, now: Clocks.monotonicNs,
      // The coordinator answers a member that joins when all have, or the rebalance has timed out.
      connect: scene.connector(extraMs: settings.rebalanceTimeoutMs))
    self.session = session
    watch(session, process)
    let fail = { [weak self, weak session] (error: ClientError) in
      guard let self, let session else { return }
      self.scene.recorder.noteFailure("a member of group \(self.groupID)", error)
      self.crash(session)
    }
    session.failed = fail
    consumer.failed = fail
    session.start()
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

  private func watch(_ session: GroupConsumer, _ process: Int) {
    let (recorder, groupID) = (scene.recorder, groupID)
    session.watch.looking = { recorder.note(process, .look(group: groupID, $0)) }
    session.watch.found = { recorder.note(process, .found(group: groupID, History.positions($0))) }
    session.watch.committing = { number, offsets in
      recorder.note(process, .commit(number, group: groupID, History.positions(offsets), transaction: nil))
    }
    session.watch.committed = { number, refusal in
      recorder.note(process, .committed(number, refusal == nil ? .ok : .failed))
    }
    session.assigned = { [weak self, weak session] offsets in
      guard let self, let session else { return }
      self.from.merge(offsets) { _, new in new }
      recorder.note(
        process,
        .assign(
          History.positions(offsets), History.Membership(group: groupID, generation: max(session.generation, 0))))
    }
    session.revoked = { recorder.note(process, .revoke($0.sorted())) }
  }

  private func end(_ session: GroupConsumer) {
    guard session === self.session else { return }
    if random.below(Limits.crashes) == 0 { return crash(session) }
    session.close { [weak self] in self?.ended(session) }
  }

  private func crash(_ session: GroupConsumer) {
    guard session === self.session else { return }
    session.abandon()
    ended(session)
  }

  private func ended(_ session: GroupConsumer) {
    guard session === self.session else { return }
    self.session = nil
    scene.after(Limits.pauseMs + random.below(Limits.pauseMs)) { [weak self] in self?.start() }
  }

  func stop() {
    isStopping = true
    if let session { session.close { [weak self] in self?.ended(session) } }
  }

  func close() { session?.abandon() }
}

extension History {
  /// Offsets in the order of their partitions.
  static func positions(_ offsets: [Int32: Offset]) -> [Position] {
    offsets.sorted { $0.key < $1.key }.map { Position($0.key, $0.value) }
  }
}
