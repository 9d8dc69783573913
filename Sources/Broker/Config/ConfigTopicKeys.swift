/// A topic's key and the broker keys that are its default, most binding first.
package struct TopicConfigKey: Sendable {
  /// How a broker key's number becomes the topic key's.
  package enum Unit: Int64, Sendable { case same = 1, minutes = 60_000, hours = 3_600_000 }

  package var key: ConfigKey
  package var synonyms: [(name: String, unit: Unit)]

  package var name: String { key.name }

  fileprivate init(_ key: ConfigKey, _ synonyms: (String, Unit)...) {
    self.key = key
    self.synonyms = synonyms.map { (name: $0.0, unit: $0.1) }
  }
}

/// The table of topic keys: Kafka 3.9's.
package enum TopicConfigKeys {
  package static let named: [String: TopicConfigKey] = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

  package static let all: [TopicConfigKey] = [
    TopicConfigKey(
      .list(
        "cleanup.policy", "delete", .eachOf(["compact", "delete"]),
        "What happens to old segments. A compacted topic refuses records without a key; compaction itself is not there yet."
      ),
      ("log.cleanup.policy", .same)),
    TopicConfigKey(
      .int("compression.gzip.level", -1, .gzipLevel, "The level where compression.type is gzip; -1 is zlib's default."),
      ("compression.gzip.level", .same)),
    TopicConfigKey(
      .int("compression.lz4.level", 9, .between(1, 17), "The level where compression.type is lz4."),
      ("compression.lz4.level", .same)),
    TopicConfigKey(
      .string(
        "compression.type", "producer", .oneOf(["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
        "The codec of stored batches. producer: they are stored as they were sent."), ("compression.type", .same)),
    TopicConfigKey(
      .int("compression.zstd.level", 3, .between(-131_072, 22), "The level where compression.type is zstd."),
      ("compression.zstd.level", .same)),
    TopicConfigKey(
      .long("delete.retention.ms", 86_400_000, .atLeast(0), "How long a tombstone outlives compaction.").withoutEffect,
      ("log.cleaner.delete.retention.ms", .same)),
    TopicConfigKey(
      .long("file.delete.delay.ms", 60_000, .atLeast(0), "How long a deleted segment's file stays, renamed .deleted."),
      ("log.segment.delete.delay.ms", .same)),
    TopicConfigKey(
      .long("flush.messages", .max, .atLeast(1), "Records appended to a partition before it is flushed to disk."),
      ("log.flush.interval.messages", .same)),
    TopicConfigKey(
      .long("flush.ms", .max, .atLeast(0), "The longest a record stays unflushed."),
      ("log.flush.interval.ms", .same), ("log.flush.scheduler.interval.ms", .same)),
    TopicConfigKey(
      .list("follower.replication.throttled.replicas", "", "Replicas whose fetching is throttled.").withoutEffect),
    TopicConfigKey(
      .int("index.interval.bytes", 4096, .atLeast(0), "An index entry is made every so many bytes of log."),
      ("log.index.interval.bytes", .same)),
    TopicConfigKey(
      .list("leader.replication.throttled.replicas", "", "Replicas whose serving of followers is throttled.")
        .withoutEffect),
    TopicConfigKey(
      .long("local.retention.bytes", -2, .atLeast(-2), "Tiered storage: local size; there is no tiered storage here.")
        .withoutEffect, ("log.local.retention.bytes", .same)),
    TopicConfigKey(
      .long("local.retention.ms", -2, .atLeast(-2), "Tiered storage: local age; there is no tiered storage here.")
        .withoutEffect, ("log.local.retention.ms", .same)),
    TopicConfigKey(
      .long("max.compaction.lag.ms", .max, .atLeast(1), "The longest a record stays uncompacted.").withoutEffect,
      ("log.cleaner.max.compaction.lag.ms", .same)),
    TopicConfigKey(
      .int("max.message.bytes", 1_048_588, .atLeast(0), "The largest batch taken, as sent (compressed)."),
      ("message.max.bytes", .same)),
    TopicConfigKey(
      .boolean("message.downconversion.enable", true, "Old formats for old clients; there are none here.")
        .withoutEffect,
      ("log.message.downconversion.enable", .same)),
    TopicConfigKey(
      .string("message.format.version", "3.0-IV1", .notEmpty, "Ignored since Kafka 3.0: batches have format version 2.")
        .withoutEffect, ("log.message.format.version", .same)),
    TopicConfigKey(
      .long(
        "message.timestamp.after.max.ms", .max, .atLeast(0),
        "How far a record's time may be in the future (CreateTime); farther is refused."),
      ("log.message.timestamp.after.max.ms", .same)),
    TopicConfigKey(
      .long(
        "message.timestamp.before.max.ms", .max, .atLeast(0),
        "How far a record's time may be in the past (CreateTime); farther is refused."),
      ("log.message.timestamp.before.max.ms", .same)),
    TopicConfigKey(
      .long(
        "message.timestamp.difference.max.ms", .max, .atLeast(0),
        "Kafka's old key for before and after together; those two are acted on."
      ).withoutEffect,
      ("log.message.timestamp.difference.max.ms", .same)),
    TopicConfigKey(
      .string(
        "message.timestamp.type", "CreateTime", .oneOf(["CreateTime", "LogAppendTime"]),
        "Whether a record's time is the producer's or the time of its append."), ("log.message.timestamp.type", .same)),
    TopicConfigKey(
      .double(
        "min.cleanable.dirty.ratio", 0.5, .betweenFractions(0, 1), "The share of new records that starts compaction."
      )
      .withoutEffect, ("log.cleaner.min.cleanable.ratio", .same)),
    TopicConfigKey(
      .long("min.compaction.lag.ms", 0, .atLeast(0), "The least a record stays uncompacted.").withoutEffect,
      ("log.cleaner.min.compaction.lag.ms", .same)),
    TopicConfigKey(
      .int(
        "min.insync.replicas", 1, .atLeast(1),
        "How many replicas must be in sync for a produce with acks=all to be taken."), ("min.insync.replicas", .same)),
    TopicConfigKey(
      .boolean("preallocate", false, "Whether a new segment's file is given its full size at once."),
      ("log.preallocate", .same)),
    TopicConfigKey(
      .boolean("remote.storage.enable", false, "Tiered storage; there is none here.").withoutEffect),
    TopicConfigKey(
      .long(
        "retention.bytes", -1, "Oldest segments are deleted while a partition stays larger than this; -1 is no limit."),
      ("log.retention.bytes", .same)),
    TopicConfigKey(
      .long(
        "retention.ms", 604_800_000, .atLeast(-1),
        "Closed segments whose newest record is older are deleted; -1 is never."),
      ("log.retention.ms", .same), ("log.retention.minutes", .minutes), ("log.retention.hours", .hours)),
    TopicConfigKey(
      .int("segment.bytes", 1_073_741_824, .atLeast(14), "A segment that would grow over this is closed."),
      ("log.segment.bytes", .same)),
    TopicConfigKey(
      .int("segment.index.bytes", 10_485_760, .atLeast(4), "The size of an index file; full, its segment is closed."),
      ("log.index.size.max.bytes", .same)),
    TopicConfigKey(
      .long("segment.jitter.ms", 0, .atLeast(0), "At most so much is taken off segment.ms.").withoutEffect,
      ("log.roll.jitter.ms", .same), ("log.roll.jitter.hours", .hours)),
    TopicConfigKey(
      .long("segment.ms", 604_800_000, .atLeast(1), "A segment older than this is closed."),
      ("log.roll.ms", .same), ("log.roll.hours", .hours)),
    TopicConfigKey(
      .boolean(
        "unclean.leader.election.enable", false, "Whether a replica that has not all acknowledged records may lead."
      ).withoutEffect, ("unclean.leader.election.enable", .same)),
  ]
}
