/// The table of broker keys: Kafka 3.9's names, types and defaults, and Millrace's own (`millrace.…`).
///
/// Sources: the broker configuration pages of Apache Kafka 3.9; what clients see of the defaults was checked against it.
package enum ConfigKeys {
  /// Every key, ours and Kafka's, in the order of docs/configuration.md.
  package static let all: [ConfigKey] = server + limits + topics + log + flush + internalTopics + millrace + accepted

  package static let named: [String: ConfigKey] = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

  /// The known key that looks most like a mistyped one; nil when nothing is near.
  package static func nearest(to name: String) -> String? {
    let reach = max(2, name.utf8.count / 5)
    let near = all.map { (key: $0.name, distance: editDistance($0.name, name, limit: reach)) }
    guard let best = near.min(by: { $0.distance < $1.distance }), best.distance <= reach else { return nil }
    return best.key
  }

  static let server: [ConfigKey] = [
    .int(
      "broker.id", -1, .atLeast(-1),
      "This broker's number. -1: one is generated above reserved.broker.max.id and kept in meta.properties."),
    .int("node.id", -1, .atLeast(-1), "KRaft's name for broker.id: either may be set, or both to the same number."),
    .boolean("broker.id.generation.enable", true, "Whether broker.id=-1 may be answered by a generated number."),
    .int("reserved.broker.max.id", 1000, .atLeast(0), "Generated broker numbers are above this one."),
    .string("broker.rack", nil, "The rack of this broker, as told to clients that ask for the cluster."),
    .string(
      "listeners", "PLAINTEXT://:9092",
      "Where to accept connections: NAME://host:port, comma separated. An empty host is every address; port 0 is any free port."
    ),
    .string(
      "advertised.listeners", nil,
      "What clients are told to connect to, when that differs from listeners. An empty host is the address by which the client came."
    ),
    .string(
      "listener.security.protocol.map",
      "PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL",
      "The security protocol of each listener name. PLAINTEXT is the one served."
    ),
    .list(
      "log.dirs", nil,
      "The directories that hold the logs, comma separated, in any order. One also holds the z-node journal. Not set: log.dir."
    ),
    .string("log.dir", "/tmp/kafka-logs", .notEmpty, "The directory that holds the logs, when log.dirs is not set."),
    .int(
      "num.network.threads", 3, .between(1, 1024),
      "Event loops that serve connections; each connection stays on one, and a request runs on it to its end."),
    .int(
      "num.recovery.threads.per.data.dir", 1, .atLeast(1), "Threads that recover logs after a crash, per directory."),
  ]

  static let limits: [ConfigKey] = [
    .int(
      "socket.request.max.bytes", 104_857_600, .atLeast(1),
      "The largest request. A longer length prefix closes the connection before anything is allocated for it."),
    .int(
      "socket.send.buffer.bytes", -1, .atLeast(-1),
      "SO_SNDBUF of accepted sockets. -1 leaves it to the kernel, which adapts it; Kafka's default of 102400 would limit it."
    ),
    .int(
      "socket.receive.buffer.bytes", -1, .atLeast(-1),
      "SO_RCVBUF of accepted sockets. -1 leaves it to the kernel, which adapts it; Kafka's default of 102400 would limit it."
    ),
    .int("socket.listen.backlog.size", 50, .atLeast(1), "Connections the kernel holds that are not yet accepted."),
    .int(
      "max.connections", Int(Int32.max), .atLeast(0),
      "Open connections, after which a new one is closed at once; never more than half of the process's file descriptors."
    ),
    .int(
      "max.connections.per.ip", Int(Int32.max), .atLeast(0),
      "Open connections of one address, after which a new one of it is closed at once."
    ),
    .string(
      "max.connections.per.ip.overrides", "",
      "max.connections.per.ip for some addresses: address:count, comma separated."
    ),
    .long(
      "connections.max.idle.ms", 600_000, "A connection that has been silent so long is closed; negative is never."),
    .int(
      "queued.max.requests", 500, .atLeast(1),
      "Requests received and not yet answered, over all connections, after which no connection is read. Nothing is queued here: a request is served as it is read, and docs/broker.md says what bounds memory instead."
    ).withoutEffect,
    .long(
      "queued.max.request.bytes", -1,
      "Memory of requests in progress that are larger than millrace.receive.buffer.bytes, over all connections; beyond it only one of them on each event loop goes on, and the others are not read. -1 is 512 MiB."
    ),
    .int("fetch.max.bytes", 57_671_680, .atLeast(1024), "The most bytes one fetch is answered with."),
    .int(
      "max.request.partition.size.limit", 2000, .atLeast(1),
      "The most partitions one DescribeTopicPartitions is answered with."
    ).withoutEffect,
    .int("request.timeout.ms", 30_000, .atLeast(0), "How long an administrative request may wait inside the broker.")
      .withoutEffect,
  ]

  static let topics: [ConfigKey] = [
    .boolean("auto.create.topics.enable", true, "Whether a client that asks for an unknown topic makes it."),
    .boolean("delete.topic.enable", true, "Whether topics can be deleted."),
    .int("num.partitions", 1, .atLeast(1), "Partitions of a topic for which nobody gave a number.").dynamic(),
    .int("default.replication.factor", 1, .atLeast(1), "Replicas of a topic for which nobody gave a number.").dynamic(),
    .int(
      "min.insync.replicas", 1, .atLeast(1),
      "How many replicas must be in sync for a produce with acks=all to be taken."
    ).dynamic(),
    .boolean(
      "unclean.leader.election.enable", false, "Whether a replica that has not all acknowledged records may lead."
    ).dynamic().withoutEffect,
    .string(
      "compression.type", "producer", .oneOf(["gzip", "snappy", "lz4", "zstd", "uncompressed", "producer"]),
      "The codec of stored batches. producer: they are stored as they were sent."
    ).dynamic(),
    .int("compression.gzip.level", -1, .gzipLevel, "The level where compression.type is gzip; -1 is zlib's default.")
      .dynamic(),
    .int("compression.lz4.level", 9, .between(1, 17), "The level where compression.type is lz4.").dynamic(),
    .int("compression.zstd.level", 3, .between(-131_072, 22), "The level where compression.type is zstd.").dynamic(),
    .int(
      "message.max.bytes", 1_048_588, .atLeast(0), "The largest batch taken, as sent (compressed)."
    ).dynamic(),
  ]

  static let log: [ConfigKey] = [
    .int("log.segment.bytes", 1_073_741_824, .atLeast(14), "A segment that would grow over this is closed.").dynamic(),
    .long("log.roll.ms", nil, .atLeast(1), "A segment older than this is closed. Not set: log.roll.hours.").dynamic(),
    .int("log.roll.hours", 168, .atLeast(1), "log.roll.ms in hours; log.roll.ms wins."),
    .long(
      "log.roll.jitter.ms", nil, .atLeast(0),
      "At most so much is taken off log.roll.ms. Not set: log.roll.jitter.hours."
    ).dynamic().withoutEffect,
    .int("log.roll.jitter.hours", 0, .atLeast(0), "log.roll.jitter.ms in hours; log.roll.jitter.ms wins.")
      .withoutEffect,
    .long(
      "log.retention.ms", nil,
      "Closed segments whose newest record is older are deleted; -1 is never. Not set: log.retention.minutes."
    ).dynamic(),
    .int("log.retention.minutes", nil, "log.retention.ms in minutes. Not set: log.retention.hours."),
    .int("log.retention.hours", 168, "log.retention.ms in hours; the smaller units win."),
    .long(
      "log.retention.bytes", -1, "Oldest segments are deleted while a partition stays larger than this; -1 is no limit."
    ).dynamic(),
    .long("log.retention.check.interval.ms", 300_000, .atLeast(1), "How often retention is applied."),
    .list(
      "log.cleanup.policy", "delete", .eachOf(["compact", "delete"]),
      "What happens to old segments. A compacted topic refuses records without a key; compaction itself is not there yet."
    ).dynamic(),
    .long(
      "log.segment.delete.delay.ms", 60_000, .atLeast(0), "How long a deleted segment's file stays, renamed .deleted."
    ).dynamic(),
    .int("log.index.interval.bytes", 4096, .atLeast(0), "An index entry is made every so many bytes of log.").dynamic(),
    .int("log.index.size.max.bytes", 10_485_760, .atLeast(4), "The size of an index file; full, its segment is closed.")
      .dynamic(),
    .boolean("log.preallocate", false, "Whether a new segment's file is given its full size at once.").dynamic(),
    .string(
      "log.message.timestamp.type", "CreateTime", .oneOf(["CreateTime", "LogAppendTime"]),
      "Whether a record's time is the producer's or the time of its append."
    ).dynamic(),
    .long(
      "log.message.timestamp.before.max.ms", .max, .atLeast(0),
      "How far a record's time may be in the past (CreateTime); farther is refused."
    ).dynamic(),
    .long(
      "log.message.timestamp.after.max.ms", .max, .atLeast(0),
      "How far a record's time may be in the future (CreateTime); farther is refused."
    ).dynamic(),
    .int("producer.id.expiration.ms", 86_400_000, .atLeast(1), "A producer id unused for so long is forgotten."),
  ]

  static let flush: [ConfigKey] = [
    .long(
      "log.flush.interval.messages", .max, .atLeast(1), "Records appended to a partition before it is flushed to disk."
    ).dynamic(),
    .long(
      "log.flush.interval.ms", nil,
      "The longest a record stays unflushed. Not set: log.flush.scheduler.interval.ms (never)."
    ).dynamic(),
    .long("log.flush.scheduler.interval.ms", .max, "How often the logs are looked through for flushing by time."),
    .int(
      "log.flush.offset.checkpoint.interval.ms", 60_000, .atLeast(0), "How often the recovery points are written down."),
    .int(
      "log.flush.start.offset.checkpoint.interval.ms", 60_000, .atLeast(0),
      "How often log start offsets are written down."
    ),
    .long(
      "replica.high.watermark.checkpoint.interval.ms", 5000, .atLeast(1), "How often high watermarks are written down."),
  ]

  static let internalTopics: [ConfigKey] = [
    .int("offsets.topic.num.partitions", 50, .atLeast(1), "Partitions of __consumer_offsets.").withoutEffect,
    .short("offsets.topic.replication.factor", 3, .atLeast(1), "Replicas of __consumer_offsets; no more than brokers.")
      .withoutEffect,
    .int("offsets.topic.segment.bytes", 104_857_600, .atLeast(1), "Segment size of __consumer_offsets.").withoutEffect,
    .int("transaction.state.log.num.partitions", 50, .atLeast(1), "Partitions of __transaction_state.").withoutEffect,
    .short(
      "transaction.state.log.replication.factor", 3, .atLeast(1),
      "Replicas of __transaction_state; no more than brokers."
    ).withoutEffect,
    .int("transaction.state.log.segment.bytes", 104_857_600, .atLeast(1), "Segment size of __transaction_state.")
      .withoutEffect,
    .int(
      "transaction.state.log.min.isr", 2, .atLeast(1),
      "min.insync.replicas of __transaction_state; no more than brokers."
    ).withoutEffect,
    .int("transaction.max.timeout.ms", 900_000, .atLeast(1), "The longest transaction timeout a producer may ask for.")
      .withoutEffect,
  ]

  static let millrace: [ConfigKey] = [
    .string(
      "millrace.read.path", "sendfile", .oneOf(["sendfile", "copy", "mmap"]),
      "How a fetch's records reach the socket: from file to socket in the kernel, through a buffer of the process, or from a mapping."
    ),
    .int(
      "millrace.read.copy.buffer.bytes", 65_536, .between(512, 67_108_864),
      "The buffer where millrace.read.path is copy."),
    .string(
      "millrace.log.engine", "append", .oneOf(["append", "btree"]),
      "What keeps a partition's batches: Kafka's segments, only ever appended to, or a B-tree (LMDB) from offsets to batches. A log.dirs written by the other is refused."
    ),
    .string(
      "millrace.cache", "page", .oneOf(["page", "process", "both"]),
      "What holds segments in memory: the kernel's page cache; a cache of the broker's own, past which nothing is read (O_DIRECT); or the broker's in front of the kernel's. With the broker's own, fetches are copied from it: millrace.read.path may not ask for anything else."
    ),
    .long(
      "millrace.cache.bytes", 268_435_456, .atLeast(1_048_576),
      "Contents of the broker's own cache; what finds and orders them comes on top."),
    .string(
      "millrace.cache.layout", "compact", .oneOf(["compact", "boxed"]),
      "The broker's own cache in memory: one stretch of blocks with flat arrays, or an object of the heap for each block."
    ),
    .int(
      "millrace.cache.block.bytes", 16_384, .between(4096, 262_144),
      "A block of the broker's own cache; a power of two."),
    .string(
      "millrace.write.path", "buffered", .oneOf(["buffered", "direct"]),
      "How appends reach segments: into the page cache, or to the device before they return (O_DIRECT, whole blocks of 4 KiB)."
    ),
    .boolean(
      "millrace.flush.before.ack", false,
      "Whether a produce is acknowledged only after its records are on disk. Produces that wait together share one flush; a B-tree commits each by itself."
    ),
    .string(
      "millrace.congestion.control", "cubic",
      "TCP congestion control of accepted sockets, where the kernel has it; empty leaves the kernel's default, which may pace loopback (BBR)."
    ),
    .int(
      "millrace.requests.in.flight", 32, .between(1, 65_536),
      "Requests of one connection received and not yet answered, after which it is not read."),
    .int(
      "millrace.receive.buffer.bytes", 262_144, .between(4096, 67_108_864),
      "How much is read from a connection at a time."),
    .int(
      "millrace.parked.fetches.max", 10_000, .atLeast(0),
      "Fetches that wait for records, over all connections; a further one is answered at once, empty."),
  ]

  /// Levenshtein's distance, or `limit + 1` when it is more than `limit`.
  static func editDistance(_ a: String, _ b: String, limit: Int) -> Int {
    let a = Array(a.utf8), b = Array(b.utf8)
    guard abs(a.count - b.count) <= limit else { return limit + 1 }
    var row = Array(0...b.count)
    for i in 0..<a.count {
      var diagonal = row[0]
      row[0] = i + 1
      for j in 0..<b.count {
        let substituted = diagonal + (a[i] == b[j] ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(substituted, min(row[j], row[j + 1]) + 1)
      }
    }
    return min(row[b.count], limit + 1)
  }
}
