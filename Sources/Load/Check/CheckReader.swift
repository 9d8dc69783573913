import Base
import Client
import Histories
import Model
import NIOCore

/// A reader of committed records that follows the ends of partitions, and now and then seeks: to some of the partitions, some
/// records back. One that is to read everything reads from the beginning to given ends, and does not seek.
final class CheckReader: CheckClient {
  private enum Limits {
    static let seekMs = 1_000, seekMoreMs = 6_000
    /// A seek goes back by at most so many records, so that what is read is bounded.
    static let seekRecords = 1_000
    static let pauseMs = 500
  }

  private let scene: CheckScene
  private let process: Int
  private let seeks: Bool
  private var random: SplitMix
  private var consumer: Consumer?
  private var from: [Int32: Offset] = [:]
  /// How far each partition was read, by the last assignment that had it.
  private var reached: [Int32: Offset] = [:]
  private var isStopping = false

  init(_ scene: CheckScene, seeks: Bool, seed: UInt64) {
    self.scene = scene
    self.seeks = seeks
    random = SplitMix(seed: seed)
    process = scene.recorder.newProcess()
    for partition in scene.metadata.partitions { reached[partition.index] = 0 }
  }

  var name: String { "a reader" }
  var isDone: Bool { isStopping }

  /// Where each partition was read to.
  var positions: [Int32: Offset] { reached.merging(consumer?.positions ?? [:]) { _, new in new } }

  func start() {
    guard !isStopping else { return }
    var settings = ConsumerSettings(topic: scene.metadata.topic)
    settings.readsCommitted = true
    settings.reconnectTimeoutMs = scene.deliveryTimeoutMs
    let consumer = Consumer(
      settings, scene.metadata, from: [:], on: scene.eventLoop, now: Clocks.monotonicNs, connect: scene.connector())
    consumer.received = { [weak self] partition, batch, _ in
      guard let self else { return }
      self.scene.recorder.note(self.process, polled: batch, of: partition, from: self.from[partition] ?? 0)
    }
    consumer.damaged = { [weak self] _, _, _ in self?.scene.recorder.noteDamage() }
    consumer.failed = { [weak self] in self?.failed($0) }
    self.consumer = consumer
    read(reached)
    if seeks { seekLater() }
  }

  private func failed(_ error: ClientError) {
    scene.recorder.noteFailure("a reader", error)
    reached = positions
    consumer?.close()
    consumer = nil
    scene.after(Limits.pauseMs) { [weak self] in self?.start() }
  }

  private func read(_ offsets: [Int32: Offset]) {
    let dropped = consumer?.positions.keys.filter { offsets[$0] == nil }.sorted() ?? []
    if !dropped.isEmpty { scene.recorder.note(process, .revoke(dropped)) }
    from = offsets
    scene.recorder.note(process, .assign(History.positions(offsets), nil))
    consumer?.assign(offsets)
  }

  private func seekLater() {
    scene.after(Limits.seekMs + random.below(Limits.seekMoreMs)) { [weak self, weak consumer] in
      guard let self, let consumer, consumer === self.consumer, !self.isStopping else { return }
      self.seek()
      self.seekLater()
    }
  }

  private func seek() {
    reached = positions
    var offsets: [Int32: Offset] = [:]
    for (partition, offset) in reached.sorted(by: { $0.key < $1.key }) where random.below(3) > 0 {
      offsets[partition] = max(0, offset - random.below(Limits.seekRecords))
    }
    if !offsets.isEmpty { read(offsets) }
  }

  func stop() {
    isStopping = true
    reached = positions
    consumer?.close()
    consumer = nil
  }

  func close() { consumer?.close() }
}
