import Model
import NIOCore

@testable import Storage

/// A log on the real disk, by one of the engines.
final class EngineBench {
  static let now: Int64 = 1_700_000_000_000

  let engine: LogEngine
  private let temporary: TemporaryDirectory
  private let disk: any Disk
  private let config: LogConfig
  private let partition = TopicPartition("orders", 0)
  private(set) var log: any PartitionLog

  init(_ engine: LogEngine, _ config: LogConfig = LogConfig(), disk: any Disk = RealDisk()) throws {
    self.engine = engine
    self.config = config
    self.disk = disk
    temporary = try TemporaryDirectory()
    log = try Self.create(engine, disk, "\(temporary.path)/\(partition)", partition, config)
  }

  static func create(
    _ engine: LogEngine, _ disk: any Disk, _ directory: String, _ partition: TopicPartition, _ config: LogConfig
  ) throws(DiskError) -> any PartitionLog {
    switch engine {
    case .append:
      try Log.create(
        disk: disk, directory: directory, partition: partition, topicID: nil, config: config, nowMs: now)
    case .btree:
      try BTreeLog.create(
        disk: disk, directory: directory, partition: partition, topicID: nil, config: config, nowMs: now)
    }
  }

  static func open(
    _ engine: LogEngine, _ disk: any Disk, _ directory: String, _ partition: TopicPartition, _ config: LogConfig,
    _ memory: LogMemory, nowMs: Int64 = now
  ) throws(DiskError) -> any PartitionLog {
    switch engine {
    case .append:
      try Log.open(
        disk: disk, directory: directory, partition: partition, config: config, memory: memory, nowMs: nowMs)
    case .btree:
      try BTreeLog.open(
        disk: disk, directory: directory, partition: partition, config: config, memory: memory, nowMs: nowMs)
    }
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
