import Cluster
import Logging
import Model
import NIOCore
import Synchronization
import Wire

/// Coordinates consumer groups and keeps their offsets, in `__consumer_offsets` (Kafka: GroupCoordinator with GroupMetadataManager).
///
/// A group belongs to a partition of that topic, by the hash of its id; the broker that leads the partition coordinates the group.
/// The groups of each partition are a `GroupShard`, which the coordinator's log fills when the partition becomes this broker's.
///
/// Requests call it from all event loops concurrently.
final class GroupCoordinator: CoordinatorState, Sendable {
  private struct Shards {
    var byPartition: [Int32: GroupShard] = [:]
    var hasStopped = false
  }

  private let environment: GroupShard.Environment
  private let shards = Mutex(Shards())
  private let random: Mutex<any RandomNumberGenerator & Sendable>

  /// - Parameters:
  ///   - loop: where the timers of sessions and rebalances are.
  ///   - random: for the ids of members.
  ///   - catalog: returns the topics of the cluster.
  init(
    _ config: Config, log: any GroupLog, loop: any EventLoop, wallMs: @escaping @Sendable () -> Int64,
    random: any RandomNumberGenerator & Sendable, catalog: @escaping @Sendable () -> TopicCatalog, logger: Logger
  ) {
    self.random = Mutex(random)
    environment = GroupShard.Environment(
      log: log, rules: Group.Rules(config), consumerSettings: ConsumerGroup.Settings(config), catalog: catalog,
      metadataLengthMax: config.offsetMetadataBytesMax,
      offsetRetentionMs: Int64(config.offsetsRetentionMinutes) * 60_000, loop: loop, wallMs: wallMs, logger: logger)
  }

  /// The topics of the cluster.
  var catalog: TopicCatalog { environment.catalog() }

  /// The longest metadata of a committed offset, in UTF-16 code units, as Java counts.
  var metadataLengthMax: Int { environment.metadataLengthMax }

  /// Draws a random id.
  func randomID() -> String {
    let id = random.withLock { UUID128.random(using: &$0) }
    return id.hexadecimal
  }

  // MARK: Shards

  /// The shard of a group; nil when the group's partition is not this broker's.
  func shard(of group: String) -> GroupShard? {
    let partition = environment.log.partition(of: group)
    return shards.withLock { $0.byPartition[partition] }
  }

  /// All shards, in the order of their partitions.
  var allShards: [GroupShard] {
    shards.withLock { shards in shards.byPartition.sorted { $0.key < $1.key }.map(\.value) }
  }

  private func shard(_ partition: Int32) -> GroupShard? { shards.withLock { $0.byPartition[partition] } }

  // MARK: The coordinator's log

  func began(_ partition: Int32, epoch: LeaderEpoch) {
    let (shard, hasStopped) = shards.withLock { shards in
      let shard = shards.byPartition[partition] ?? GroupShard(partition, environment)
      shards.byPartition[partition] = shard
      return (shard, shards.hasStopped)
    }
    if hasStopped { shard.end(.notCoordinator) } else { shard.begin() }
  }

  func replay(_ record: CoordinatorRecord, in batch: CoordinatorBatch, of partition: Int32) {
    shard(partition)?.replay(record, in: batch)
  }

  func replay(_ marker: EndTransactionMarker, of producerID: Int64, in partition: Int32) {
    shard(partition)?.transactionEnded(producerID, commits: marker.outcome == .commit)
  }

  func loaded(_ partition: Int32, epoch: LeaderEpoch, error: ErrorCode?) { shard(partition)?.loaded(error) }

  func resigned(_ partition: Int32) {
    let shard = shards.withLock { $0.byPartition.removeValue(forKey: partition) }
    shard?.end(.notCoordinator)
  }

  // MARK: Events of the broker

  /// A transaction's marker is in these partitions of `__consumer_offsets`.
  func transactionEnded(producerID: Int64, partitions: [Int32], outcome: EndTransactionMarker.Outcome) {
    for partition in partitions { shard(partition)?.transactionEnded(producerID, commits: outcome == .commit) }
  }

  /// Topics were deleted: what was committed for them means nothing for topics that get their names.
  func forget(topics: [String]) {
    let topics = Set(topics)
    for shard in allShards { shard.forget(topics: topics) }
  }

  /// Removes what has expired.
  func expire() {
    for shard in allShards { shard.expire() }
  }

  /// The broker stops: requests that wait are answered, and no timer fires any more.
  func stop() {
    shards.withLock { $0.hasStopped = true }
    for shard in allShards { shard.end(.notCoordinator) }
  }

  /// The broker ends as by a crash.
  func abandon() {
    shards.withLock { $0.hasStopped = true }
    for shard in allShards { shard.abandon() }
  }
}

extension CoordinatorLog: GroupLog {}

extension ConsumerGroup.Settings {
  init(_ config: Config) {
    self.init()
    sessionTimeoutMs = Int64(config.consumerSessionTimeoutMs)
    heartbeatIntervalMs = config.consumerHeartbeatIntervalMs
    membersMax = config.consumerGroupSizeMax
  }
}

extension Group.Rules {
  init(_ config: Config) {
    self.init(
      sessionTimeoutMsMin: config.sessionTimeoutMsMin, sessionTimeoutMsMax: config.sessionTimeoutMsMax,
      initialRebalanceDelayMs: max(0, Int64(config.initialRebalanceDelayMs)), sizeMax: config.groupSizeMax,
      topics: { subscription in
        // Every version begins with the fields of the first.
        var bytes = ByteBuffer(bytes: subscription)
        guard bytes.readInteger(as: Int16.self) != nil else { return nil }
        return (try? ConsumerProtocolSubscription(reading: &bytes, version: 0))?.topics
      })
  }
}
