import Cluster
import Model
import NIOCore
import Storage
import Synchronization
import Testing

@testable import Broker

/// One replica of a partition, with its log in a directory of its own: its fetches reach the leader's partition without a broker.
final class ReplicaLog {
  static let topicID = TopicID(high: 7, low: 1)
  let id: BrokerID
  let partition: Partition
  /// What the leader asked of the controller last.
  var asked: Replication.ISRChange?

  init(_ id: BrokerID, in path: String, _ config: LogConfig = LogConfig()) throws {
    self.id = id
    let directory = try LogDirectory("\(path)/broker-\(id)")
    let name = TopicPartition("t", 0)
    let log = try directory.create(name, topicID: Self.topicID, config: config, nowMs: 0)
    partition = Partition(
      name, topicID: Self.topicID, log: log, directory: directory, brokerID: id, replicas: [1, 2, 3], leaderEpoch: 0)
  }

  // MARK: Elections

  func lead(
    _ epoch: LeaderEpoch, inSync: [BrokerID] = [1, 2, 3], replicas: [BrokerID] = [1, 2, 3], partitionEpoch: Int32 = 1,
    nowMs: Int64 = 0
  ) {
    take(
      partition.advance {
        $0.lead(
          .init(leaderEpoch: epoch, partitionEpoch: partitionEpoch, replicas: replicas, inSync: inSync), nowMs: nowMs)
      })
  }

  func follow(_ epoch: LeaderEpoch) { _ = partition.follow(leaderEpoch: epoch) }

  private func take(_ advanced: Partition.Advanced) {
    if let change = advanced.askISR { asked = change }
  }

  func tick(nowMs: Int64, lagMsMax: Int64) { take(partition.tick(lagMsMax: lagMsMax, nowMs: nowMs)) }

  func confirmed(_ change: Replication.ISRChange) { take(partition.advance { $0.confirmed(change) }) }

  // MARK: Records

  @discardableResult
  func append(_ bytes: ByteBuffer, from origin: AppendOrigin = .client) throws -> Appended {
    try partition.append(RecordBatch(viewing: bytes), from: origin, forAllInSync: false, nowMs: 0).appended
  }

  @discardableResult
  func append(_ values: String...) throws -> Appended { try append(Batches.of(values)) }

  /// What a fetch has led to.
  enum Pulled: Equatable {
    case appended(Int)
    case truncated(to: Offset)
    case restarted(at: Offset)
    case nothing
    case refused(ErrorCode)
  }

  /// Fetches once from `leader`, as `ReplicaFetcher` does.
  @discardableResult
  func pull(
    from leader: ReplicaLog, in epoch: LeaderEpoch? = nil, maxBytes: Int = 1 << 20, nowMs: Int64 = 0,
    lagMsMax: Int64 = 30_000
  ) throws -> Pulled {
    let at = try partition.followerPosition(in: epoch ?? partition.leaderEpoch)
    let fetched: (read: Partition.FollowerRead, bytes: ByteBuffer)
    do throws(PartitionError) {
      fetched = try Self.fetch(by: id, at, from: leader, maxBytes: maxBytes, nowMs: nowMs, lagMsMax: lagMsMax)
    } catch {
      guard case .read(.outOfRange) = error else { return .refused(ErrorCode(error)) }
      let (start, end) = try leader.ends
      let moved = try partition.recover(leaderStart: start, leaderEnd: end, for: at, nowMs: 0)
      if moved.position.offset == at.offset { return .nothing }
      return moved.position.offset < at.offset
        ? .truncated(to: moved.position.offset) : .restarted(at: moved.position.offset)
    }
    leader.take(fetched.read.advanced)
    if let diverging = fetched.read.read.diverging {
      let truncated = try #require(try partition.truncate(divergingAt: diverging, for: at, nowMs: 0))
      return .truncated(to: truncated.position.offset)
    }
    let followed = try partition.append(
      fetched: fetched.bytes, for: at, highWatermark: fetched.read.read.highWatermark,
      logStart: fetched.read.read.logStartOffset, nowMs: 0)
    if let failure = followed.failure { throw failure }
    let count = followed.position.offset - at.offset
    return count == 0 ? .nothing : .appended(count)
  }

  /// What the leader returns for a follower's fetch, before the follower has taken it in.
  static func fetch(
    by id: BrokerID, _ at: FollowerFetching.Position, from leader: ReplicaLog, maxBytes: Int = 1 << 20,
    nowMs: Int64 = 0, lagMsMax: Int64 = 30_000
  ) throws(PartitionError) -> (read: Partition.FollowerRead, bytes: ByteBuffer) {
    let found = try leader.partition.read(
      Partition.Wanted(
        offset: at.offset, maxBytes: maxBytes, atLeastOneBatch: true, isReadCommitted: false,
        currentLeaderEpoch: at.leaderEpoch, lastFetchedEpoch: at.lastEpoch),
      for: Partition.FollowerFetch(
        replica: id, logStart: at.logStart, isRepeated: false, lagMsMax: lagMsMax, nowMs: nowMs))
    var bytes = ByteBuffer()
    if let range = found.read.slice.range {
      do throws(DiskError) { _ = try range.read(into: &bytes) } catch { throw .read(.diskFailed(error)) }
    }
    return (found, bytes)
  }

  /// Fetches until nothing more comes.
  func pullAll(from leader: ReplicaLog) throws {
    for _ in 0..<1000 {
      let before = try (ends.end, partition.highWatermark)
      if try pull(from: leader) == .nothing, try (ends.end, partition.highWatermark) == before { return }
    }
    Issue.record("replica \(id) never has what \(leader.id) has")
  }

  // MARK: What it has

  var ends: (start: Offset, end: Offset) {
    get throws {
      try partition.withLog { log, _ throws(PartitionError) in (log.logStartOffset, log.logEndOffset) }
    }
  }

  var end: Offset { get throws { try ends.end } }

  struct Batch: Hashable, CustomStringConvertible {
    var base: Offset
    var next: Offset
    var epoch: LeaderEpoch
    var crc: UInt32

    var description: String { "\(base)..<\(next) of \(epoch) (\(String(crc, radix: 16)))" }
  }

  /// The batches in the log, as far as they are not before its start.
  var batches: [Batch] { get throws { try Self.batches(of: partition) } }

  static func batches(of partition: Partition) throws -> [Batch] {
    let ranges = try partition.withLog { log, _ throws(PartitionError) -> [FileRange] in
      var ranges: [FileRange] = []
      var offset = log.logStartOffset
      while offset < log.logEndOffset {
        do throws(ReadError) {
          let slice = try log.read(from: offset, upTo: log.logEndOffset, maxBytes: 1 << 30, atLeastOneBatch: true)
          guard slice.nextOffset > offset else { break }
          if let range = slice.range { ranges.append(range) }
          offset = slice.nextOffset
        } catch { throw .read(error) }
      }
      return ranges
    }
    var bytes = ByteBuffer()
    for range in ranges { _ = try range.read(into: &bytes) }
    var batches: [Batch] = []
    while bytes.readableBytes > 0 {
      let batch = try RecordBatch(viewing: bytes)
      batches.append(
        Batch(
          base: batch.header.baseOffset, next: batch.header.nextOffset, epoch: batch.header.partitionLeaderEpoch,
          crc: batch.header.crc))
      bytes.moveReaderIndex(forwardBy: batch.sizeInBytes)
    }
    return batches
  }
}

/// Runs `body` with three replicas of one partition, none of which leads yet.
func withReplicas(
  _ config: LogConfig = LogConfig(), _ body: (ReplicaLog, ReplicaLog, ReplicaLog) throws -> Void
) throws {
  try withDirectory { path in
    try body(
      try ReplicaLog(1, in: path, config), try ReplicaLog(2, in: path, config), try ReplicaLog(3, in: path, config))
  }
}
