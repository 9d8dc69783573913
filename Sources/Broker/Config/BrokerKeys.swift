import Model
import Storage

// The broker's keys that have an effect, and some that will, in tables by subject. `config.<property>` is a key's value.
// Sources: the broker configuration page of Apache Kafka 3.9, and the defaults that its DescribeConfigs reports.

/// The identity of the broker, its listeners, its log directories and its threads.
package struct ServerKeys: KeyTable {
  let brokerID = Key<BrokerID>(
    "broker.id", -1, .atLeast(-1),
    "The broker id of this server. If -1, an id above reserved.broker.max.id is generated and kept in meta.properties.")
  let nodeID = Key<BrokerID>(
    "node.id", -1, .atLeast(-1),
    "KRaft's name for broker.id. Either key can be set, or both to the same id; -1 is not set.")
  let brokerIDGenerationEnable = Key(
    "broker.id.generation.enable", true,
    "Whether a broker id is generated when broker.id is -1. If false, a server without a broker id does not start.")
  let reservedBrokerMaxID = Key<BrokerID>(
    "reserved.broker.max.id", 1000, .atLeast(0),
    "Generated broker ids are greater than this one.")
  let rack = Key<String?>(
    "broker.rack", nil, "The rack of this broker, as reported in Metadata and DescribeCluster responses.")
  let listeners = Key(
    "listeners", "PLAINTEXT://:9092",
    "The listeners on which connections are accepted, as a comma-separated list of NAME://host:port. An empty host binds every address, port 0 any free port."
  )
  let advertisedListeners = Key<String?>(
    "advertised.listeners", nil,
    "The listeners that clients are to connect to, if they differ from listeners. An empty host stands for the address by which the client came."
  )
  let listenerSecurityProtocolMap = Key(
    "listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL",
    "The security protocol of each listener name, as a comma-separated list of NAME:protocol."
  )
  let logDirs = Key<[String]?>(
    "log.dirs", nil,
    "A comma-separated list of the directories in which the logs are kept, in any order; one of them also holds the z-node journal. If not set, log.dir is used."
  )
  let logDir = Key(
    "log.dir", "/tmp/kafka-logs", .notEmpty, "The directory in which the logs are kept. Used if log.dirs is not set.")
  let numNetworkThreads = Key(
    "num.network.threads", 3, .between(1, 1024),
    "The number of threads (event loops) that serve connections. A connection stays on one, which also handles its requests, except for what takes long."
  )
  let recoveryThreadsPerDataDir = Key(
    "num.recovery.threads.per.data.dir", 1, .atLeast(1),
    "The number of threads per log directory that open logs at the start, and recover them after a crash.")
}

/// Socket options, and limits on connections and requests.
package struct LimitKeys: KeyTable {
  let socketRequestMaxBytes = Key(
    "socket.request.max.bytes", 104_857_600, .atLeast(1),
    "The maximum size of a request in bytes. A connection that announces a larger one is closed before memory is allocated for it."
  )
  let socketSendBufferBytes = Key(
    "socket.send.buffer.bytes", -1, .atLeast(-1),
    "The SO_SNDBUF buffer of accepted sockets, in bytes. If -1, the operating system sizes it and adapts it; Kafka's default of 102400 would be a limit."
  )
  let socketReceiveBufferBytes = Key(
    "socket.receive.buffer.bytes", -1, .atLeast(-1),
    "The SO_RCVBUF buffer of accepted sockets, in bytes. If -1, the operating system sizes it and adapts it; Kafka's default of 102400 would be a limit."
  )
  let socketListenBacklog = Key(
    "socket.listen.backlog.size", 50, .atLeast(1),
    "The maximum number of connections that wait to be accepted on a listener. If not set, 1024 may wait: beyond Kafka's 50 a burst of connections makes others wait for a second, until TCP tries again."
  )
  let connectionsMax = Key(
    "max.connections", Int(Int32.max), .atLeast(0),
    "The maximum number of open connections; a further one is closed when it is accepted. Half of the process's file descriptors is the limit if that is less."
  )
  let connectionsPerIPMax = Key(
    "max.connections.per.ip", Int(Int32.max), .atLeast(0),
    "The maximum number of open connections from one IP address; a further one is closed when it is accepted.")
  let connectionsPerIPOverrides = Key(
    "max.connections.per.ip.overrides", "",
    "A comma-separated list of address:count that overrides max.connections.per.ip for these IP addresses."
  )
  let connectionCreationRateMax = Key(
    "max.connection.creation.rate", Int(Int32.max), .atLeast(0),
    "The maximum number of connections accepted per second, on all listeners but the one between brokers; with listener.name.NAME. in front on one listener. Beyond it the next ones wait to be accepted."
  ).dynamic()
  let connectionsIdleMaxMs = Key<Int64>(
    "connections.max.idle.ms", 600_000,
    "Connections that are idle for longer than this, in milliseconds, are closed. If negative, none is.")
  let queuedMaxRequests = Key(
    "queued.max.requests", 500, .atLeast(1),
    "The number of queued requests. There is no request queue: docs/broker.md says what bounds memory."
  ).withoutEffect
  let queuedRequestBytesMax = Key<Int64>(
    "queued.max.request.bytes", -1,
    "The memory in bytes, over all connections, of requests that are larger than millrace.receive.buffer.bytes. Above it each event loop reads one such request at a time, and does not read the connections of the others. If -1, it is 512 MiB."
  )
  let fetchSessionSlots = Key(
    "max.incremental.fetch.session.cache.slots", 1000, .atLeast(0),
    "The maximum number of incremental fetch sessions (KIP-227). A client without one fetches as before.")
  let fetchMaxBytes = Key(
    "fetch.max.bytes", 57_671_680, .atLeast(1024),
    "The maximum bytes returned for a fetch request. The first batch of a response is returned even if it is larger.")
  let maxRequestPartitionSizeLimit = Key(
    "max.request.partition.size.limit", 2000, .atLeast(1),
    "The maximum number of partitions in a DescribeTopicPartitions response."
  ).withoutEffect
  let requestTimeoutMs = Key(
    "request.timeout.ms", 30_000, .atLeast(0),
    "The maximum time in milliseconds that an administrative request waits inside the broker."
  ).withoutEffect
}

/// Defaults of new topics, and whether topics can be created and deleted.
package struct TopicsKeys: KeyTable {
  let autoCreateTopics = Key(
    "auto.create.topics.enable", true,
    "Whether a Metadata request that names an unknown topic creates it, if the client allows that.")
  let deleteTopics = Key(
    "delete.topic.enable", true, "Whether topics can be deleted. If false, DeleteTopics is refused.")
  let numPartitions = Key<Int32>(
    "num.partitions", 1, .atLeast(1), "The default number of partitions of a new topic."
  ).dynamic()
  let defaultReplicationFactor = Key(
    "default.replication.factor", 1, .atLeast(1), "The default replication factor of a new topic."
  ).dynamic()
}

/// Keys of logs, flushing and checkpoints from which topics do not inherit, or only by way of another key.
package struct LogKeys: KeyTable {
  let logRollHours = Key(
    "log.roll.hours", 168, .atLeast(1),
    "The maximum time in hours before a new segment is rolled. Used if log.roll.ms is not set.")
  let logRollJitterHours = Key(
    "log.roll.jitter.hours", 0, .atLeast(0),
    "The maximum jitter in hours to subtract from the time before a new segment is rolled. Used if log.roll.jitter.ms is not set."
  ).withoutEffect
  let logRetentionMinutes = Key<Int?>(
    "log.retention.minutes", nil,
    "The time in minutes for which a closed segment is retained. Used if log.retention.ms is not set; if neither is, log.retention.hours is used."
  )
  let logRetentionHours = Key(
    "log.retention.hours", 168,
    "The time in hours for which a closed segment is retained. Used if neither log.retention.ms nor log.retention.minutes is set."
  )
  let retentionCheckIntervalMs = Key<Int64>(
    "log.retention.check.interval.ms", 300_000, .atLeast(1),
    "The interval in milliseconds at which logs are checked for segments to delete.")
  let producerIDExpirationMs = Key(
    "producer.id.expiration.ms", 86_400_000, .atLeast(1),
    "The time in milliseconds after its last write for which the state of a producer id is kept in a partition.")
  let producerIDExpirationCheckIntervalMs = Key<Int32>(
    "producer.id.expiration.check.interval.ms", 600_000, .atLeast(1),
    "The interval in milliseconds at which expired producer ids are removed.")
  let replicaMoveBytesPerSecond = Key<Int64>(
    "replica.alter.log.dirs.io.max.bytes.per.second", .max, .atLeast(0),
    "The maximum bytes per second of replicas that are moved between log directories, all together."
  ).dynamic(.perBroker)
  let flushSchedulerIntervalMs = Key<Int64>(
    "log.flush.scheduler.interval.ms", .max,
    "The interval in milliseconds at which logs are checked for records that flush.ms requires to be flushed. The default is never."
  )
  let recoveryPointCheckpointIntervalMs = Key(
    "log.flush.offset.checkpoint.interval.ms", 60_000, .atLeast(0),
    "The interval in milliseconds at which the recovery points of the logs are checkpointed.")
  let logStartOffsetCheckpointIntervalMs = Key(
    "log.flush.start.offset.checkpoint.interval.ms", 60_000, .atLeast(0),
    "The interval in milliseconds at which the log start offsets are checkpointed.")
  let highWatermarkCheckpointIntervalMs = Key<Int64>(
    "replica.high.watermark.checkpoint.interval.ms", 5000, .atLeast(1),
    "The interval in milliseconds at which the high watermarks are checkpointed.")
}

/// Kafka's internal topics.
package struct InternalTopicKeys: KeyTable {
  let offsetsTopicNumPartitions = Key(
    "offsets.topic.num.partitions", 50, .atLeast(1), "The number of partitions of __consumer_offsets."
  )
  let offsetsTopicReplicationFactor = Key<Int16>(
    "offsets.topic.replication.factor", 3, .atLeast(1),
    "The replication factor of __consumer_offsets, which is made when as many brokers are alive; 1 without a cluster."
  )
  let offsetsTopicSegmentBytes = Key(
    "offsets.topic.segment.bytes", 104_857_600, .atLeast(1), "The segment size of __consumer_offsets in bytes."
  )
  let offsetsLoadBufferSize = Key(
    "offsets.load.buffer.size", 5_242_880, .between(1, 1_073_741_824),
    "The bytes of __consumer_offsets that are read at a time while a broker becomes coordinator of groups.")
  let offsetsCommitTimeoutMs = Key(
    "offsets.commit.timeout.ms", 5000, .atLeast(1),
    "The time in milliseconds after which an offset commit fails that has not reached its in-sync replicas.")
  let transactionStateLogNumPartitions = Key(
    "transaction.state.log.num.partitions", 50, .atLeast(1), "The number of partitions of __transaction_state."
  )
  let transactionStateLogReplicationFactor = Key<Int16>(
    "transaction.state.log.replication.factor", 3, .atLeast(1),
    "The replication factor of __transaction_state, which is made when as many brokers are alive; 1 without a cluster."
  )
  let transactionStateLogSegmentBytes = Key(
    "transaction.state.log.segment.bytes", 104_857_600, .atLeast(1), "The segment size of __transaction_state in bytes."
  )
  let transactionStateLogMinIsr = Key(
    "transaction.state.log.min.isr", 2, .atLeast(1), "The min.insync.replicas of __transaction_state."
  )
  let transactionStateLogLoadBufferSize = Key(
    "transaction.state.log.load.buffer.size", 5_242_880, .between(1, 1_073_741_824),
    "The bytes of __transaction_state that are read at a time while a broker becomes coordinator of transactions.")
}

/// Millrace's own keys.
package struct MillraceKeys: KeyTable {
  let readPath = Key<Config.ReadPath>(
    "millrace.read.path", .sendfile,
    "How records get from segments to sockets: sendfile lets the kernel copy them, copy reads them into a buffer of the process and writes it, mmap writes them from a mapping of the file."
  )
  let readCopyBufferBytes = Key(
    "millrace.read.copy.buffer.bytes", 65_536, .between(512, 67_108_864),
    "The size in bytes of the buffer that millrace.read.path=copy reads into."
  )
  let logEngine = Key<LogEngine>(
    "millrace.log.engine", .append,
    "The store of a partition's batches: append keeps Kafka's segments, btree keeps an LMDB B-tree from offsets to batches. A log directory written with the other value is refused at the start."
  )
  let cache = Key<CacheKind>(
    "millrace.cache", .page,
    "The cache that holds segments in memory: page is the kernel's page cache, process a cache of the broker that bypasses it (O_DIRECT), both the broker's cache on top of the page cache. With process and both, fetched records are copied, and millrace.read.path can only be copy."
  )
  let cacheBytes = Key<Int64>(
    "millrace.cache.bytes", 268_435_456, .between(1_048_576, 1 << 40),
    "The size of the broker's own cache in bytes, without the memory that finds and orders its blocks.")
  let cacheLayout = Key<CacheLayout>(
    "millrace.cache.layout", .compact,
    "The layout of the broker's own cache in memory: compact is one region of blocks with flat arrays, boxed one heap object per block."
  )
  let cacheBlockBytes = Key(
    "millrace.cache.block.bytes", 16_384, .between(4096, 262_144),
    "The block size of the broker's own cache in bytes; a power of two.")
  let writePath = Key<WritePath>(
    "millrace.write.path", .buffered,
    "How appends reach segments: buffered writes to the page cache, direct writes whole blocks of 4 KiB to the device before the append returns (O_DIRECT)."
  )
  let flushBeforeAck = Key(
    "millrace.flush.before.ack", false,
    "Whether a produce is acknowledged only after its records have been flushed to disk. Produces that wait at the same time share a flush; with millrace.log.engine=btree each is committed by itself."
  )
  let congestionControl = Key(
    "millrace.congestion.control", "cubic",
    "The TCP congestion control algorithm of accepted sockets, if the kernel has it. If empty, the kernel's default is used, which may pace loopback connections (BBR)."
  )
  let requestsInFlightMax = Key(
    "millrace.requests.in.flight", 32, .between(1, 65_536),
    "The maximum number of requests of one connection that have been received and whose response has not been sent; at the limit the connection is not read."
  )
  let receiveBufferBytes = Key(
    "millrace.receive.buffer.bytes", 262_144, .between(4096, 67_108_864),
    "The maximum number of bytes read from a connection at once.")
  let election = Key<Config.Election>(
    "millrace.election", .batched,
    "How the controller elects the leaders of partitions when brokers come, fail or stop: batched writes many elections in one request to ZooKeeper and sends each broker all of them at once; serial elects one after another, each with its own write and its own requests to brokers, whose responses it awaits, so that the time grows with the number of partitions."
  )
  let metricsListener = Key(
    "millrace.metrics.listener", "",
    "The address, as host:port, of an HTTP listener for metrics in Prometheus' text format (/metrics), health (/healthz) and readiness (/readyz). If empty, there is none. It asks for no authentication: keep it on an address that only those reach who may read the names of topics and groups."
  )
  let requestLogEnable = Key(
    "millrace.request.log.enable", false,
    "Whether every request is written to standard output as a line of JSON, with its client, its sizes and where its time went. Each request is then served by itself, which costs throughput."
  )
  let slowRequestLogMs = Key<Int64>(
    "millrace.slow.request.log.ms", -1, .atLeast(-1),
    "The time in milliseconds from which on a request is written to standard output as a line of JSON, as millrace.request.log.enable does with all. The time in which a fetch waits for records, or a member for its group, does not count. If -1, none is."
  )
  let parkedFetchesMax = Key(
    "millrace.parked.fetches.max", 10_000, .atLeast(0),
    "The maximum number of fetches that wait for records (fetch.min.bytes), over all connections; a further fetch gets its response at once."
  )
}
