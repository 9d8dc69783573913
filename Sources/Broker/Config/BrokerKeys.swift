import Model
import Storage

// The keys that steer the broker, by what they steer. A key is one line, and `config.<name>` its value.
// Sources: the broker configuration pages of Apache Kafka 3.9; what clients see of the defaults was checked against it.

/// Who the broker is, and where.
package struct ServerKeys: KeyTable {
  let brokerID = Key<BrokerID>(
    "broker.id", -1, .atLeast(-1),
    "This broker's number. -1: one is generated above reserved.broker.max.id and kept in meta.properties.")
  let nodeID = Key<BrokerID>(
    "node.id", -1, .atLeast(-1), "KRaft's name for broker.id: either may be set, or both to the same number.")
  let brokerIDGenerationEnable = Key(
    "broker.id.generation.enable", true, "Whether broker.id=-1 may be answered by a generated number.")
  let reservedBrokerMaxID = Key<BrokerID>(
    "reserved.broker.max.id", 1000, .atLeast(0), "Generated broker numbers are above this one.")
  let rack = Key<String?>("broker.rack", nil, "The rack of this broker, as told to clients that ask for the cluster.")
  let listeners = Key(
    "listeners", "PLAINTEXT://:9092",
    "Where to accept connections: NAME://host:port, comma separated. An empty host is every address; port 0 is any free port."
  )
  let advertisedListeners = Key<String?>(
    "advertised.listeners", nil,
    "What clients are told to connect to, when that differs from listeners. An empty host is the address by which the client came."
  )
  let listenerSecurityProtocolMap = Key(
    "listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL",
    "The security protocol of each listener name. PLAINTEXT is the one served.")
  let logDirs = Key<[String]?>(
    "log.dirs", nil,
    "The directories that hold the logs, comma separated, in any order. One also holds the z-node journal. Not set: log.dir."
  )
  let logDir = Key(
    "log.dir", "/tmp/kafka-logs", .notEmpty, "The directory that holds the logs, when log.dirs is not set.")
  let numNetworkThreads = Key(
    "num.network.threads", 3, .between(1, 1024),
    "Event loops that serve connections. A connection stays on one, where Produce and Fetch run unless much must be unpacked."
  )
  let recoveryThreadsPerDataDir = Key(
    "num.recovery.threads.per.data.dir", 1, .atLeast(1), "Threads that recover logs after a crash, per directory.")
}

/// Sockets, and limits of requests.
package struct LimitKeys: KeyTable {
  let socketRequestMaxBytes = Key(
    "socket.request.max.bytes", 104_857_600, .atLeast(1),
    "The largest request. A longer length prefix closes the connection before anything is allocated for it.")
  let socketSendBufferBytes = Key(
    "socket.send.buffer.bytes", -1, .atLeast(-1),
    "SO_SNDBUF of accepted sockets. -1 leaves it to the kernel, which adapts it; Kafka's default of 102400 would limit it."
  )
  let socketReceiveBufferBytes = Key(
    "socket.receive.buffer.bytes", -1, .atLeast(-1),
    "SO_RCVBUF of accepted sockets. -1 leaves it to the kernel, which adapts it; Kafka's default of 102400 would limit it."
  )
  let socketListenBacklog = Key(
    "socket.listen.backlog.size", 50, .atLeast(1), "Connections the kernel holds that are not yet accepted.")
  let connectionsMax = Key(
    "max.connections", Int(Int32.max), .atLeast(0),
    "Open connections, after which a new one is closed at once; never more than half of the process's file descriptors."
  )
  let connectionsPerIPMax = Key(
    "max.connections.per.ip", Int(Int32.max), .atLeast(0),
    "Open connections of one address, after which a new one of it is closed at once.")
  let connectionsPerIPOverrides = Key(
    "max.connections.per.ip.overrides", "", "max.connections.per.ip for some addresses: address:count, comma separated."
  )
  let connectionsIdleMaxMs = Key<Int64>(
    "connections.max.idle.ms", 600_000, "Connections idle longer than this are closed; negative disables it.")
  let queuedMaxRequests = Key(
    "queued.max.requests", 500, .atLeast(1),
    "Accepted for compatibility, without effect. docs/broker.md says what bounds memory instead."
  ).withoutEffect
  let queuedRequestBytesMax = Key<Int64>(
    "queued.max.request.bytes", -1,
    "Memory of requests in progress that are larger than millrace.receive.buffer.bytes, over all connections; beyond it only one of them on each event loop goes on, and the others are not read. -1 is 512 MiB."
  )
  let fetchMaxBytes = Key("fetch.max.bytes", 57_671_680, .atLeast(1024), "The most bytes of one fetch response.")
  let maxRequestPartitionSizeLimit = Key(
    "max.request.partition.size.limit", 2000, .atLeast(1),
    "The most partitions of one DescribeTopicPartitions response."
  ).withoutEffect
  let requestTimeoutMs = Key(
    "request.timeout.ms", 30_000, .atLeast(0), "The longest wait of an administrative request inside the broker."
  ).withoutEffect
}

/// Defaults and permissions for topics.
package struct TopicsKeys: KeyTable {
  let autoCreateTopics = Key(
    "auto.create.topics.enable", true, "Whether a request for an unknown topic creates it.")
  let deleteTopics = Key("delete.topic.enable", true, "Whether topics can be deleted.")
  let numPartitions = Key<Int32>(
    "num.partitions", 1, .atLeast(1), "Default partition count."
  ).dynamic()
  let defaultReplicationFactor = Key(
    "default.replication.factor", 1, .atLeast(1), "Default replication factor."
  ).dynamic()
}

/// Logs, flushing and checkpoints, beside what topics inherit.
package struct LogKeys: KeyTable {
  let logRollHours = Key("log.roll.hours", 168, .atLeast(1), "log.roll.ms in hours; log.roll.ms wins.")
  let logRollJitterHours = Key(
    "log.roll.jitter.hours", 0, .atLeast(0), "log.roll.jitter.ms in hours; log.roll.jitter.ms wins."
  ).withoutEffect
  let logRetentionMinutes = Key<Int?>(
    "log.retention.minutes", nil, "log.retention.ms in minutes. Not set: log.retention.hours.")
  let logRetentionHours = Key("log.retention.hours", 168, "log.retention.ms in hours; the smaller units win.")
  let retentionCheckIntervalMs = Key<Int64>(
    "log.retention.check.interval.ms", 300_000, .atLeast(1), "How often retention is applied.")
  let producerIDExpirationMs = Key(
    "producer.id.expiration.ms", 86_400_000, .atLeast(1), "A producer id unused for longer than this is forgotten.")
  let flushSchedulerIntervalMs = Key<Int64>(
    "log.flush.scheduler.interval.ms", .max, "How often the logs are checked for flushing by time.")
  let recoveryPointCheckpointIntervalMs = Key(
    "log.flush.offset.checkpoint.interval.ms", 60_000, .atLeast(0), "How often the recovery points are checkpointed.")
  let logStartOffsetCheckpointIntervalMs = Key(
    "log.flush.start.offset.checkpoint.interval.ms", 60_000, .atLeast(0),
    "How often log start offsets are checkpointed.")
  let highWatermarkCheckpointIntervalMs = Key<Int64>(
    "replica.high.watermark.checkpoint.interval.ms", 5000, .atLeast(1), "How often high watermarks are written down.")
}

/// Internal topics and transactions.
package struct InternalTopicKeys: KeyTable {
  let offsetsTopicNumPartitions = Key(
    "offsets.topic.num.partitions", 50, .atLeast(1), "Partitions of __consumer_offsets."
  ).withoutEffect
  let offsetsTopicReplicationFactor = Key<Int16>(
    "offsets.topic.replication.factor", 3, .atLeast(1), "Replicas of __consumer_offsets; no more than brokers."
  ).withoutEffect
  let offsetsTopicSegmentBytes = Key(
    "offsets.topic.segment.bytes", 104_857_600, .atLeast(1), "Segment size of __consumer_offsets."
  ).withoutEffect
  let transactionStateLogNumPartitions = Key(
    "transaction.state.log.num.partitions", 50, .atLeast(1), "Partitions of __transaction_state."
  ).withoutEffect
  let transactionStateLogReplicationFactor = Key<Int16>(
    "transaction.state.log.replication.factor", 3, .atLeast(1), "Replicas of __transaction_state; no more than brokers."
  ).withoutEffect
  let transactionStateLogSegmentBytes = Key(
    "transaction.state.log.segment.bytes", 104_857_600, .atLeast(1), "Segment size of __transaction_state."
  ).withoutEffect
  let transactionStateLogMinIsr = Key(
    "transaction.state.log.min.isr", 2, .atLeast(1), "min.insync.replicas of __transaction_state; no more than brokers."
  ).withoutEffect
  let transactionMaxTimeoutMs = Key(
    "transaction.max.timeout.ms", 900_000, .atLeast(1), "The longest transaction timeout a producer may ask for."
  ).withoutEffect
}

/// Millrace's own switches.
package struct MillraceKeys: KeyTable {
  let readPath = Key<Config.ReadPath>(
    "millrace.read.path", .sendfile,
    "How a fetch's records reach the socket: from file to socket in the kernel, through a buffer of the process, or from a mapping."
  )
  let readCopyBufferBytes = Key(
    "millrace.read.copy.buffer.bytes", 65_536, .between(512, 67_108_864), "The buffer where millrace.read.path is copy."
  )
  let logEngine = Key<LogEngine>(
    "millrace.log.engine", .append,
    "What keeps a partition's batches: Kafka's segments, only ever appended to, or a B-tree (LMDB) from offsets to batches. A log.dirs written by the other is refused."
  )
  let cache = Key<CacheKind>(
    "millrace.cache", .page,
    "What holds segments in memory: the kernel's page cache; a cache of the broker's own, past which nothing is read (O_DIRECT); or the broker's in front of the kernel's. With the broker's own, fetches are copied from it: millrace.read.path may not ask for anything else."
  )
  let cacheBytes = Key<Int64>(
    "millrace.cache.bytes", 268_435_456, .between(1_048_576, 1 << 40),
    "Contents of the broker's own cache; what finds and orders them comes on top.")
  let cacheLayout = Key<CacheLayout>(
    "millrace.cache.layout", .compact,
    "The broker's own cache in memory: one stretch of blocks with flat arrays, or an object of the heap for each block."
  )
  let cacheBlockBytes = Key(
    "millrace.cache.block.bytes", 16_384, .between(4096, 262_144), "A block of the broker's own cache; a power of two.")
  let writePath = Key<WritePath>(
    "millrace.write.path", .buffered,
    "How appends reach segments: into the page cache, or to the device before they return (O_DIRECT, whole blocks of 4 KiB)."
  )
  let flushBeforeAck = Key(
    "millrace.flush.before.ack", false,
    "Whether a produce is acknowledged only after its records are on disk. Produces that wait together share one flush; a B-tree commits each by itself."
  )
  let congestionControl = Key(
    "millrace.congestion.control", "cubic",
    "TCP congestion control of accepted sockets, where the kernel has it; empty leaves the kernel's default, which may pace loopback (BBR)."
  )
  let requestsInFlightMax = Key(
    "millrace.requests.in.flight", 32, .between(1, 65_536),
    "Requests of one connection received and not yet answered, after which it is not read.")
  let receiveBufferBytes = Key(
    "millrace.receive.buffer.bytes", 262_144, .between(4096, 67_108_864),
    "How much is read from a connection at a time.")
  let parkedFetchesMax = Key(
    "millrace.parked.fetches.max", 10_000, .atLeast(0),
    "Fetches that wait for records, over all connections; a further one is answered at once, empty.")
}
