import Model
import NIOCore

@testable import Storage
@testable import StorageArms

/// One way to keep a log and to reach its bytes: an engine, or a setting of the switches of segments.
enum Arm: String, CaseIterable {
  case page, both, processCompact, processBoxed, direct, processDirect, btree

  var engine: LogEngine { self == .btree ? .btree : .append }

  /// Caches hold few small blocks, so that most of them do not stay.
  func disk() throws -> any Disk {
    switch self {
    case .page, .btree: RealDisk()
    case .both: SwitchedDisk(.both, cache: try Self.cache(.compact), writePath: .buffered)
    case .processCompact: SwitchedDisk(.process, cache: try Self.cache(.compact), writePath: .buffered)
    case .processBoxed: SwitchedDisk(.process, cache: try Self.cache(.boxed), writePath: .buffered)
    case .direct: SwitchedDisk(.page, cache: nil, writePath: .direct)
    case .processDirect: SwitchedDisk(.process, cache: try Self.cache(.compact), writePath: .direct)
    }
  }

  static func cache(_ layout: CacheLayout) throws -> ProcessCache {
    try ProcessCache(CacheSettings(bytes: 16 * 4096, layout: layout, blockBytes: 4096))
  }
}

/// A log on the real disk, by one of the engines.
final class EngineBench {
  static let now: Int64 = 1_700_000_000_000

  let engine: LogEngine
  private let temporary: TemporaryDirectory
  private let disk: any Disk
  private let config: LogConfig
  private let partition = TopicPartition("orders", 0)
  private(set) var log: Log

  init(_ arm: Arm, _ config: LogConfig = LogConfig()) throws {
    engine = arm.engine
    self.config = config
    disk = try arm.disk()
    temporary = try TemporaryDirectory()
    log = try Self.create(engine, disk, "\(temporary.path)/\(partition)", partition, config)
  }

  static func create(
    _ engine: LogEngine, _ disk: any Disk, _ directory: String, _ partition: TopicPartition, _ config: LogConfig
  ) throws(DiskError) -> Log {
    try Log.create(
      disk: disk, directory: directory, partition: partition, topicID: nil, config: config, nowMs: now,
      arms: Arms.all.stores[engine])
  }

  static func open(
    _ engine: LogEngine, _ disk: any Disk, _ directory: String, _ partition: TopicPartition, _ config: LogConfig,
    _ memory: LogMemory, nowMs: Int64 = now
  ) throws(DiskError) -> Log {
    try Log.open(
      disk: disk, directory: directory, partition: partition, config: config, memory: memory, nowMs: nowMs,
      arms: Arms.all.stores[engine])
  }

  /// Opens the log again: after an orderly stop, or as a kill leaves it.
  func reopen(_ memory: LogMemory = LogMemory(), clean: Bool) throws {
    if clean { try log.close(nowMs: Self.now) }
    var memory = memory
    memory.isClean = clean
    log = try Self.open(engine, disk, "\(temporary.path)/\(partition)", partition, config, memory)
  }

  func append(
    _ records: Int = 1, bytes: Int = 50, producer: Int64 = -1, epoch: Int16 = 0, sequence: Int32 = -1,
    timestamp: Int64 = now, leaderEpoch: LeaderEpoch = 0
  ) throws(AppendError) -> Appended {
    let batch = Batches.make(
      body: ByteBuffer(repeating: UInt8(truncatingIfNeeded: sequence), count: bytes), records: records,
      timestamp: timestamp, producerID: producer, producerEpoch: producer < 0 ? -1 : epoch, baseSequence: sequence)
    return try log.append(batch, leaderEpoch: leaderEpoch, nowMs: Self.now)
  }

  /// The base offsets of all batches, read from the start to the end.
  func bases(maxBytes: Int = 1 << 20) throws -> [Offset] {
    var bases: [Offset] = []
    var offset = log.logStartOffset
    while offset < log.logEndOffset {
      let slice = try log.read(from: offset, upTo: log.logEndOffset, maxBytes: maxBytes, atLeastOneBatch: true)
      guard slice.nextOffset > offset else { throw Wrong("no batch at \(offset)") }
      bases += try slice.bytes().batches().map(\.header.baseOffset)
      offset = slice.nextOffset
    }
    return bases
  }
}
