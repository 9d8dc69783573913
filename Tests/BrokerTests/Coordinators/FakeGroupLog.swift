import Cluster
import Logging
import Model
import NIOCore
import NIOEmbedded
import Synchronization

@testable import Broker

/// A log that keeps batches in memory, and tells the outcome of an append at once, later or as a failure.
final class FakeGroupLog: GroupLog {
  enum Mode: Sendable {
    case atOnce
    case later
    case failing(ErrorCode)
  }

  struct Batch: Sendable {
    var records: [CoordinatorRecord]
    var producer: (id: Int64, epoch: Int16)?
    var baseOffset: Offset
  }

  private struct State {
    var mode = Mode.atOnce
    var batches: [Batch] = []
    var end: Offset = 0
    /// Appends that have failed.
    var refused = 0
    var waiting: [(Offset, @Sendable (Result<Offset, ErrorCode>) -> Void)] = []
  }

  private let state = Mutex(State())

  var mode: Mode {
    get { state.withLock { $0.mode } }
    set { state.withLock { $0.mode = newValue } }
  }

  var batches: [Batch] { state.withLock { $0.batches } }
  var refused: Int { state.withLock { $0.refused } }

  func partition(of key: String) -> Int32 { 0 }

  func append(
    _ records: [CoordinatorRecord], to partition: Int32, producer: (id: Int64, epoch: Int16)?,
    then: @escaping @Sendable (Result<Offset, ErrorCode>) -> Void
  ) -> Result<Offset, ErrorCode>? {
    state.withLock { state in
      if case .failing(let error) = state.mode {
        state.refused += 1
        return .failure(error)
      }
      let base = state.end
      state.batches.append(Batch(records: records, producer: producer, baseOffset: base))
      state.end = base + records.count
      if case .atOnce = state.mode { return .success(base) }
      state.waiting.append((base, then))
      return nil
    }
  }

  /// Ends the appends that wait, in their order.
  ///
  /// - Parameter error: nil when they are replicated.
  func finish(_ error: ErrorCode? = nil) {
    let waiting = state.withLock { state in
      defer { state.waiting = [] }
      return state.waiting
    }
    for (base, then) in waiting { then(error.map { .failure($0) } ?? .success(base)) }
  }

  /// The keys and values as they are read, in their order.
  var read: [GroupRecord] { batches.flatMap(\.records).compactMap { GroupRecord(reading: $0) } }
}

/// A coordinator of one partition, with a log and a loop of its own.
struct GroupWorld {
  let log = FakeGroupLog()
  let loop = EmbeddedEventLoop()
  let wall = Wall()
  let coordinator: GroupCoordinator

  final class Wall: Sendable {
    private let now = Mutex<Int64>(1_700_000_000_000)
    var ms: Int64 {
      get { now.withLock { $0 } }
      set { now.withLock { $0 = newValue } }
    }
  }

  init(_ overrides: [String: String] = [:]) throws {
    coordinator = try Self.coordinator(log, loop, wall, overrides)
    coordinator.began(0, epoch: 0)
    coordinator.loaded(0, epoch: 0, error: nil)
  }

  private static func coordinator(
    _ log: FakeGroupLog, _ loop: EmbeddedEventLoop, _ wall: Wall, _ overrides: [String: String]
  ) throws -> GroupCoordinator {
    GroupCoordinator(
      try Config(overrides: ["group.initial.rebalance.delay.ms": "0"].merging(overrides) { $1 }), log: log, loop: loop,
      wallMs: { wall.ms }, random: SystemRandomNumberGenerator(),
      catalog: { TopicCatalog(version: 0, names: { [] }) { _ in nil } },
      logger: Logger(label: "test") { _ in SilentLog() })
  }

  /// Another coordinator reads the log.
  func reread() throws -> GroupCoordinator {
    let other = try Self.coordinator(log, loop, wall, [:])
    other.began(0, epoch: 1)
    for batch in log.batches {
      let header = CoordinatorBatch(
        producerID: batch.producer?.id ?? -1, producerEpoch: batch.producer?.epoch ?? -1,
        isTransactional: batch.producer != nil, baseOffset: batch.baseOffset)
      for record in batch.records { other.replay(record, in: header, of: 0) }
    }
    other.loaded(0, epoch: 1, error: nil)
    return other
  }

  var shard: GroupShard { coordinator.allShards[0] }

  func pass(_ ms: Int64) {
    wall.ms += ms
    loop.advanceTime(by: .milliseconds(ms))
  }
}

struct SilentLog: LogHandler {
  var logLevel = Logger.Level.critical
  var metadata: Logger.Metadata = [:]
  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }
  func log(event: LogEvent) {}
}

/// Answers as they come.
final class Answers<Answer: Sendable>: Sendable {
  private let given = Mutex<[Answer]>([])
  var all: [Answer] { given.withLock { $0 } }
  func take(_ answer: Answer) { given.withLock { $0.append(answer) } }
}
