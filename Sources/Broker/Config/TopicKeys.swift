/// The topic keys of Apache Kafka 3.9 (topic configuration page), each with the broker's keys from which topics inherit it.
package struct TopicKeys: Sendable {
  let cleanupPolicy = TopicKey<[String]>(
    "cleanup.policy", broker: "log.cleanup.policy", ["delete"], .eachOf(["compact", "delete"]),
    "The retention policy of old segments. delete removes them when retention.ms or retention.bytes is exceeded. compact keeps the last record of each key, and refuses records without a key."
  )
  let compressionGzipLevel = TopicKey(
    "compression.gzip.level", broker: "compression.gzip.level", -1, .gzipLevel,
    "The compression level if compression.type is gzip; -1 is zlib's default.")
  let compressionLZ4Level = TopicKey(
    "compression.lz4.level", broker: "compression.lz4.level", 9, .between(1, 17),
    "The compression level if compression.type is lz4.")
  let compressionType = TopicKey<TopicConfig.CompressionType>(
    "compression.type", broker: "compression.type", .producer,
    "The compression type of stored batches. producer keeps the codec of the producer, uncompressed stores records without compression."
  )
  let compressionZstdLevel = TopicKey(
    "compression.zstd.level", broker: "compression.zstd.level", 3, .between(-131_072, 22),
    "The compression level if compression.type is zstd.")
  let deleteRetentionMs = TopicKey<Int64>(
    "delete.retention.ms", broker: "log.cleaner.delete.retention.ms", 86_400_000, .atLeast(0),
    "The time in milliseconds for which compaction keeps delete tombstones."
  )
  let fileDeleteDelayMs = TopicKey<Int64>(
    "file.delete.delay.ms", broker: "log.segment.delete.delay.ms", 60_000, .atLeast(0),
    "The time in milliseconds before a deleted segment's file is removed from the file system; until then its name ends in .deleted."
  )
  let flushMessages = TopicKey<Int64>(
    "flush.messages", broker: "log.flush.interval.messages", .max, .atLeast(1),
    "The number of records appended to a partition after which it is flushed to disk.")
  let flushMs = TopicKey<Int64>(
    "flush.ms", broker: "log.flush.interval.ms", or: [("log.flush.scheduler.interval.ms", .same)], .max, .atLeast(0),
    "The maximum time in milliseconds that an appended record stays unflushed, to the precision of log.flush.scheduler.interval.ms."
  )
  let followerReplicationThrottledReplicas = TopicKey<[String]>(
    "follower.replication.throttled.replicas", [], .throttledReplicas,
    "The replicas whose replication is throttled on the follower (follower.replication.throttled.rate): partition:broker,partition:broker, or * for all."
  )
  let indexIntervalBytes = TopicKey(
    "index.interval.bytes", broker: "log.index.interval.bytes", 4096, .atLeast(0),
    "The number of bytes of log between two entries of the offset index.")
  let leaderReplicationThrottledReplicas = TopicKey<[String]>(
    "leader.replication.throttled.replicas", [], .throttledReplicas,
    "The replicas whose replication is throttled on the leader (leader.replication.throttled.rate): partition:broker,partition:broker, or * for all."
  )
  let localRetentionBytes = TopicKey<Int64>(
    "local.retention.bytes", broker: "log.local.retention.bytes", -2, .atLeast(-2),
    "The maximum size in bytes of a partition's local log, with tiered storage."
  ).withoutEffect
  let localRetentionMs = TopicKey<Int64>(
    "local.retention.ms", broker: "log.local.retention.ms", -2, .atLeast(-2),
    "The time in milliseconds for which a local segment is kept, with tiered storage."
  ).withoutEffect
  let maxCompactionLagMs = TopicKey<Int64>(
    "max.compaction.lag.ms", broker: "log.cleaner.max.compaction.lag.ms", .max, .atLeast(1),
    "The maximum time in milliseconds for which a record remains ineligible for compaction."
  )
  let maxMessageBytes = TopicKey(
    "max.message.bytes", broker: "message.max.bytes", 1_048_588, .atLeast(0),
    "The maximum size of a record batch in bytes, after compression by the producer.")
  let messageDownconversionEnable = TopicKey(
    "message.downconversion.enable", broker: "log.message.downconversion.enable", true,
    "Whether records are converted for clients that need an older message format. Millrace always converts them."
  ).withoutEffect
  let messageFormatVersion = TopicKey(
    "message.format.version", broker: "log.message.format.version", "3.0-IV1", .notEmpty,
    "The message format version; ignored since Kafka 3.0. Batches are stored in format version 2."
  ).withoutEffect.readOnlyInBroker
  let timestampAfterMaxMs = TopicKey<Int64>(
    "message.timestamp.after.max.ms", broker: "log.message.timestamp.after.max.ms", .max, .atLeast(0),
    "The maximum time in milliseconds by which a record's timestamp can be later than the broker's clock, if message.timestamp.type is CreateTime. A record beyond it is refused."
  )
  let timestampBeforeMaxMs = TopicKey<Int64>(
    "message.timestamp.before.max.ms", broker: "log.message.timestamp.before.max.ms", .max, .atLeast(0),
    "The maximum time in milliseconds by which a record's timestamp can be earlier than the broker's clock, if message.timestamp.type is CreateTime. A record beyond it is refused."
  )
  let timestampDifferenceMaxMs = TopicKey<Int64>(
    "message.timestamp.difference.max.ms", broker: "log.message.timestamp.difference.max.ms", .max, .atLeast(0),
    "Deprecated in Kafka: message.timestamp.before.max.ms and message.timestamp.after.max.ms in one. Those two are used."
  ).withoutEffect
  let timestampType = TopicKey<TopicConfig.TimestampType>(
    "message.timestamp.type", broker: "log.message.timestamp.type", .createTime,
    "Whether the timestamp of a record is the one its producer set (CreateTime), or the time of its append (LogAppendTime)."
  )
  let minCleanableDirtyRatio = TopicKey<Double>(
    "min.cleanable.dirty.ratio", broker: "log.cleaner.min.cleanable.ratio", 0.5, .betweenFractions(0, 1),
    "The ratio of uncompacted bytes to all bytes of a log at which it is compacted."
  )
  let minCompactionLagMs = TopicKey<Int64>(
    "min.compaction.lag.ms", broker: "log.cleaner.min.compaction.lag.ms", 0, .atLeast(0),
    "The minimum time in milliseconds for which a record remains uncompacted."
  )
  let minInSyncReplicas = TopicKey(
    "min.insync.replicas", broker: "min.insync.replicas", 1, .atLeast(1),
    "The minimum number of in-sync replicas for which a produce with acks=all is accepted.")
  let preallocate = TopicKey(
    "preallocate", broker: "log.preallocate", false, "Whether the file of a new segment is preallocated on disk.")
  let remoteStorageEnable = TopicKey(
    "remote.storage.enable", false, "Whether a topic uses tiered storage, which is not served."
  )
  .withoutEffect
  let retentionBytes = TopicKey<Int64>(
    "retention.bytes", broker: "log.retention.bytes", -1,
    "The maximum size of a partition in bytes before its oldest segments are deleted; -1 is no limit.")
  let retentionMs = TopicKey<Int64>(
    "retention.ms", broker: "log.retention.ms",
    or: [("log.retention.minutes", .minutes), ("log.retention.hours", .hours)], 604_800_000, .atLeast(-1),
    "The time in milliseconds for which a closed segment is retained after its latest record timestamp; -1 is no limit."
  )
  let segmentBytes = TopicKey(
    "segment.bytes", broker: "log.segment.bytes", 1_073_741_824, .atLeast(14),
    "The maximum size of a segment in bytes; an append that would exceed it rolls a new one.")
  let segmentIndexBytes = TopicKey(
    "segment.index.bytes", broker: "log.index.size.max.bytes", 10_485_760, .atLeast(4),
    "The maximum size of an index file in bytes; a segment whose index is full is rolled.")
  let segmentJitterMs = TopicKey<Int64>(
    "segment.jitter.ms", broker: "log.roll.jitter.ms", or: [("log.roll.jitter.hours", .hours)], 0, .atLeast(0),
    "The maximum jitter in milliseconds subtracted from segment.ms, so that segments do not roll at the same time."
  ).withoutEffect
  let segmentMs = TopicKey<Int64>(
    "segment.ms", broker: "log.roll.ms", or: [("log.roll.hours", .hours)], 604_800_000, .atLeast(1),
    "The time in milliseconds after which a segment is rolled even if it is not full.")
  let uncleanLeaderElectionEnable = TopicKey(
    "unclean.leader.election.enable", broker: "unclean.leader.election.enable", false,
    "Whether a replica that is not in the ISR can be elected leader as a last resort, which may lose records.")
}

extension TopicKeys {
  var rows: [TopicConfigKey] { typed.map(\.row) }

  /// The broker's keys of the same unit from which topics inherit, in the order of the table.
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
