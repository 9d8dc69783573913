/// The keys of a topic, and with each the broker's key that topics inherit it from: Kafka 3.9's.
package struct TopicKeys: Sendable {
  let cleanupPolicy = TopicKey<[String]>(
    "cleanup.policy", broker: "log.cleanup.policy", ["delete"], .eachOf(["compact", "delete"]),
    "What happens to old segments. A compacted topic refuses records without a key; compaction itself is not there yet."
  )
  let compressionGzipLevel = TopicKey(
    "compression.gzip.level", broker: "compression.gzip.level", -1, .gzipLevel,
    "The level where compression.type is gzip; -1 is zlib's default.")
  let compressionLZ4Level = TopicKey(
    "compression.lz4.level", broker: "compression.lz4.level", 9, .between(1, 17),
    "The level where compression.type is lz4.")
  let compressionType = TopicKey<TopicConfig.CompressionType>(
    "compression.type", broker: "compression.type", .producer,
    "The codec of stored batches. producer: they are stored as they were sent.")
  let compressionZstdLevel = TopicKey(
    "compression.zstd.level", broker: "compression.zstd.level", 3, .between(-131_072, 22),
    "The level where compression.type is zstd.")
  let deleteRetentionMs = TopicKey<Int64>(
    "delete.retention.ms", broker: "log.cleaner.delete.retention.ms", 86_400_000, .atLeast(0),
    "How long a tombstone outlives compaction."
  ).withoutEffect
  let fileDeleteDelayMs = TopicKey<Int64>(
    "file.delete.delay.ms", broker: "log.segment.delete.delay.ms", 60_000, .atLeast(0),
    "How long a deleted segment's file stays, renamed .deleted.")
  let flushMessages = TopicKey<Int64>(
    "flush.messages", broker: "log.flush.interval.messages", .max, .atLeast(1),
    "Records appended to a partition before it is flushed to disk.")
  let flushMs = TopicKey<Int64>(
    "flush.ms", broker: "log.flush.interval.ms", or: [("log.flush.scheduler.interval.ms", .same)], .max, .atLeast(0),
    "The longest a record stays unflushed.")
  let followerReplicationThrottledReplicas = TopicKey<[String]>(
    "follower.replication.throttled.replicas", [], "Replicas whose fetching is throttled."
  ).withoutEffect
  let indexIntervalBytes = TopicKey(
    "index.interval.bytes", broker: "log.index.interval.bytes", 4096, .atLeast(0),
    "Bytes of log between index entries.")
  let leaderReplicationThrottledReplicas = TopicKey<[String]>(
    "leader.replication.throttled.replicas", [], "Replicas whose serving of followers is throttled."
  ).withoutEffect
  let localRetentionBytes = TopicKey<Int64>(
    "local.retention.bytes", broker: "log.local.retention.bytes", -2, .atLeast(-2),
    "Tiered storage: local size; there is no tiered storage here."
  ).withoutEffect
  let localRetentionMs = TopicKey<Int64>(
    "local.retention.ms", broker: "log.local.retention.ms", -2, .atLeast(-2),
    "Tiered storage: local age; there is no tiered storage here."
  ).withoutEffect
  let maxCompactionLagMs = TopicKey<Int64>(
    "max.compaction.lag.ms", broker: "log.cleaner.max.compaction.lag.ms", .max, .atLeast(1),
    "The longest a record stays uncompacted."
  ).withoutEffect
  let maxMessageBytes = TopicKey(
    "max.message.bytes", broker: "message.max.bytes", 1_048_588, .atLeast(0),
    "The largest batch taken, as sent (compressed).")
  let messageDownconversionEnable = TopicKey(
    "message.downconversion.enable", broker: "log.message.downconversion.enable", true,
    "Old formats for old clients; there are none here."
  ).withoutEffect
  let messageFormatVersion = TopicKey(
    "message.format.version", broker: "log.message.format.version", "3.0-IV1", .notEmpty,
    "Ignored since Kafka 3.0: batches have format version 2."
  ).withoutEffect.readOnlyInBroker
  let timestampAfterMaxMs = TopicKey<Int64>(
    "message.timestamp.after.max.ms", broker: "log.message.timestamp.after.max.ms", .max, .atLeast(0),
    "How far a record's time may be in the future (CreateTime); farther is refused.")
  let timestampBeforeMaxMs = TopicKey<Int64>(
    "message.timestamp.before.max.ms", broker: "log.message.timestamp.before.max.ms", .max, .atLeast(0),
    "How far a record's time may be in the past (CreateTime); farther is refused.")
  let timestampDifferenceMaxMs = TopicKey<Int64>(
    "message.timestamp.difference.max.ms", broker: "log.message.timestamp.difference.max.ms", .max, .atLeast(0),
    "Kafka's old key for before and after together; those two are acted on."
  ).withoutEffect
  let timestampType = TopicKey<TopicConfig.TimestampType>(
    "message.timestamp.type", broker: "log.message.timestamp.type", .createTime,
    "Whether a record's time is the producer's or the time of its append.")
  let minCleanableDirtyRatio = TopicKey<Double>(
    "min.cleanable.dirty.ratio", broker: "log.cleaner.min.cleanable.ratio", 0.5, .betweenFractions(0, 1),
    "The share of new records that starts compaction."
  ).withoutEffect
  let minCompactionLagMs = TopicKey<Int64>(
    "min.compaction.lag.ms", broker: "log.cleaner.min.compaction.lag.ms", 0, .atLeast(0),
    "The least a record stays uncompacted."
  ).withoutEffect
  let minInSyncReplicas = TopicKey(
    "min.insync.replicas", broker: "min.insync.replicas", 1, .atLeast(1),
    "How many replicas must be in sync for a produce with acks=all to be taken.")
  let preallocate = TopicKey(
    "preallocate", broker: "log.preallocate", false, "Whether a new segment's file is given its full size at once.")
  let remoteStorageEnable = TopicKey("remote.storage.enable", false, "Tiered storage; there is none here.")
    .withoutEffect
  let retentionBytes = TopicKey<Int64>(
    "retention.bytes", broker: "log.retention.bytes", -1,
    "Oldest segments are deleted while a partition stays larger than this; -1 is no limit.")
  let retentionMs = TopicKey<Int64>(
    "retention.ms", broker: "log.retention.ms",
    or: [("log.retention.minutes", .minutes), ("log.retention.hours", .hours)], 604_800_000, .atLeast(-1),
    "Closed segments whose newest record is older are deleted; -1 is never.")
  let segmentBytes = TopicKey(
    "segment.bytes", broker: "log.segment.bytes", 1_073_741_824, .atLeast(14),
    "A segment that would grow over this is closed.")
  let segmentIndexBytes = TopicKey(
    "segment.index.bytes", broker: "log.index.size.max.bytes", 10_485_760, .atLeast(4),
    "The size of an index file; full, its segment is closed.")
  let segmentJitterMs = TopicKey<Int64>(
    "segment.jitter.ms", broker: "log.roll.jitter.ms", or: [("log.roll.jitter.hours", .hours)], 0, .atLeast(0),
    "Random amount, up to this, subtracted from segment.ms."
  ).withoutEffect
  let segmentMs = TopicKey<Int64>(
    "segment.ms", broker: "log.roll.ms", or: [("log.roll.hours", .hours)], 604_800_000, .atLeast(1),
    "A segment older than this is closed.")
  let uncleanLeaderElectionEnable = TopicKey(
    "unclean.leader.election.enable", broker: "unclean.leader.election.enable", false,
    "Whether a replica that has not all acknowledged records may lead."
  ).withoutEffect
}

extension TopicKeys {
  var rows: [TopicConfigKey] { typed.map(\.row) }

  /// The broker's keys that topics inherit from.
  var brokerRows: [ConfigKey] { typed.compactMap(\.brokerRow) }

  private var typed: [any TypedTopicKey] {
    Mirror(reflecting: self).children.map { child in
      guard let key = child.value as? any TypedTopicKey else {
        preconditionFailure("\(child.label ?? "?") is not a topic's key")
      }
      return key
    }
  }
}
