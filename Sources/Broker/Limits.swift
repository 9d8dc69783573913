/// Every bound of the broker that is not a configuration key, and what happens at its edge.
package enum Limits {
  /// Emptied receive buffers an event loop keeps for the next read.
  package static let receiveBuffersSpare = 4

  /// Receive buffers that connections of one event loop may keep because a frame has arrived in part. Beyond it the part
  /// moves into a buffer just large enough for its frame, so that thousands of stalled clients cost what they sent.
  package static let receiveBuffersHeld = 32

  /// The first read of a connection: what NIO keeps for as long as the connection lives, so it is small.
  package static let firstReceiveBytes = 1024

  /// Memory of larger frames in progress, over all event loops, when `queued.max.request.bytes` does not say. Beyond it only
  /// one such frame of each event loop goes on; the connections of the others are not read until memory is free.
  package static let largeFrameBytes = 512 * 1024 * 1024

  /// A large frame's buffer starts at this size and doubles as bytes really arrive, so a claimed length costs no more.
  package static let largeFrameFirstBytes = 1024 * 1024

  /// A frame that has begun and receives no byte for so long: the connection is closed.
  package static let frameStallMs: Int64 = 30_000

  /// The same for a large frame whose memory others wait for.
  package static let largeFrameStallMs: Int64 = 2_000

  /// How often idle and stalled connections are looked for.
  package static let sweepIntervalMs: Int64 = 1_000

  /// Requests of one connection are served for so long; then the event loop's other connections have their turn. A client
  /// that pipelines thousands of requests costs the others this much at a time.
  package static let turnMicroseconds: Int64 = 5_000

  /// Between such turns, so that the event loop looks at its sockets.
  package static let turnPauseMicroseconds: Int64 = 100

  /// The most Produce requests that are served together: a part of a turn.
  package static let runRequests = 64

  /// The most batches of the requests that are served together.
  package static let runBatches = 1_000

  /// The most partitions of a Fetch request that is served without its handler.
  package static let fetchPlaces = 2_000

  /// The most topics of such a request: each is compared with each.
  package static let fetchTopicsCompared = 64

  /// Of the partitions of such a run the last ones, among which that of the next batch is looked for. Where it was one before them, its batches
  /// are appended in two steps.
  package static let runTargetsSearched = 32

  /// Response bytes waiting in memory for a slow reader. Beyond it we stop reading its requests until they have drained.
  package static let responseBytesWaiting = 1024 * 1024

  /// The largest memory of a response that an event loop keeps for the next one.
  package static let responseBytesKept = 64 * 1024

  /// The bytes in which small responses of one turn are handed to the channel together.
  package static let gatheredResponseBytes = 64 * 1024

  /// The bytes of a fetch response in messages older than Kafka 0.11, which is made in memory; one batch may exceed them.
  package static let messageResponseBytes = 8 * 1024 * 1024

  /// Bytes that the batches of such a response may unpack to together. The next batch waits for the next fetch; one that is larger by
  /// itself cannot be had in the old formats.
  package static let downConvertedBytes = 32 * 1024 * 1024

  /// Partitions that all parked fetches name together, some 150 bytes each; beyond it a fetch gets its response at once.
  package static let parkedPartitions = 1_000_000

  /// Partitions of all fetch sessions together, some 150 bytes each; beyond it no session is granted.
  package static let fetchSessionPartitions = 1_000_000

  /// Connections of secured listeners whose clients have not authenticated, over all event loops; half of `max.connections` if that is less. Beyond it
  /// the oldest of the address with the most is closed.
  package static let unauthenticatedConnections = 1_000

  /// One address has one of so many parts of them; beyond it its oldest is closed.
  package static let unauthenticatedShare = 2

  /// TLS handshakes that go on in one turn of an event loop: each takes about a millisecond.
  package static let handshakesPerTurn = 2

  /// Connections that wait to be accepted on a listener where `socket.listen.backlog.size` is not set.
  package static let listenBacklog = 1_024

  /// How often a client that speaks another protocol than its listener is told of, by address.
  package static let foreignProtocolToldMs: Int64 = 60_000

  /// The addresses of such clients that an event loop remembers.
  package static let foreignProtocolAddresses = 100

  /// Time for a TLS handshake and a SASL exchange together.
  package static let authenticationMs: Int64 = 10_000

  /// The largest frame of a client that has not authenticated, whatever sasl.server.max.receive.size says: a token has its room.
  package static let unauthenticatedFrameBytes = 64 * 1024

  /// How often it is looked whether certificates or key sets have changed.
  package static let certificateLookMs: Int64 = 3_000

  /// Connections that are refused and still hold a descriptor; beyond it no other is accepted until one is closed. As many are accepted in one turn of an
  /// event loop, and as many are kept, muted, because their address connects too often.
  package static let refusalsInProgress = 8

  /// Descriptors that neither a connection nor a log's segment may take: half for connections that are being refused, half for what
  /// is opened for a moment (a checkpoint, an index). Where the process may have few, an eighth of them.
  package static let descriptorsReserved = reservedPerRefusal * refusalsInProgress

  /// Of the descriptors that are reserved, so many for each refusal in progress: one for itself, one for another of the same turn, one for one that is
  /// kept, and as many for files.
  package static let reservedPerRefusal = 6

  /// Refused connections are told at most so often; a line counts those since the last.
  package static let refusalsToldMs: Int64 = 1_000

  /// How often the log tells that a disk goes on to refuse appends or other writes; a line counts those since the last.
  package static let refusedAppendsToldMs: Int64 = 60_000

  /// Time for requests in flight to finish when the broker stops.
  package static let drainMs: Int64 = 5_000

  /// How often a stopping broker looks whether its connections have gone.
  package static let drainLookMs: Int64 = 5

  /// Threads that flush logs, also at a stop; each waits for the disk, so a few serve many partitions.
  package static let flushThreads = 4

  /// Threads that read what consumers far behind are to be sent; each waits for the disk. A further cold read waits for one of them,
  /// a warm one for none.
  package static let coldReadThreads = 8

  /// The piece in which a range that is not in the page cache is read and sent: small enough to be still in the cache
  /// when the socket takes it, and large enough that the disk reads in order.
  package static let coldPieceBytes = 1024 * 1024

  /// Logs that are cleaned at the same time, however many threads log.cleaner.threads asks for.
  package static let cleanerThreadsMax = 64

  /// How many of a cleaning's buffers it reads and writes at a time; then a stop, or another log, has its turn.
  package static let cleaningTurnBuffers = 16

  /// The least memory for the keys of one cleaning, whatever log.cleaner.dedupe.buffer.size and log.cleaner.threads say.
  package static let dedupeBytesMin = 1024

  /// The least size of a cleaning's buffers, whatever log.cleaner.io.buffer.size and log.cleaner.threads say.
  package static let cleanerBufferBytesMin = 1024

  /// The shortest time between two looks for a log to clean, whatever log.cleaner.backoff.ms says.
  package static let cleanerBackoffMsMin: Int64 = 10

  /// How often closed segments are looked for, to be flushed in the background.
  package static let closedSegmentFlushMs: Int64 = 3_000

  /// How often files and directories are looked for whose delay has passed and whose removal was not asked for in time, or
  /// has failed.
  package static let purgeIntervalMs: Int64 = 10_000

  /// The least time between two removals of deleted files that were asked for: each passes over all partitions.
  package static let purgeSpacingMs: Int64 = 100

  /// How often log directories are looked for that are not there any more. Appends of that time may have been acknowledged.
  package static let directoryLookMs: Int64 = 1_000

  /// How often the logs are looked at where none is appended to, in milliseconds; the others are looked at together with the directories.
  package static let idleLogLookMs: Int64 = 5_000

  /// How often waiters of followers' sessions are looked for that rest for longer than `restMsMax`, in milliseconds: their followers are
  /// gone. One that lives fetches again at once, or a second later where its last fetch failed.
  package static let restLookMs: Int64 = 5_000
  package static let restMsMax: Int64 = 10_000

  /// The bytes of a turn in which a replica that is moved to another log directory is copied: read into memory, written and synced.
  package static let moveTurnBytes = 4 << 20

  /// What may be missing for the last step of such a move, which holds the partition's lock.
  package static let moveLastBytes = 256 << 10

  /// A longer interval (a hundred years) means never.
  package static let timerMsMax: Int64 = 100 * 365 * 86_400_000

  /// Bytes that one compressed batch may unpack to while it is validated or recompressed.
  package static let decompressedBatchBytes = 256 * 1024 * 1024

  /// Bytes that the compressed batches a request makes the broker look into may unpack to together. Partitions beyond it get a
  /// retriable error, so that clients ask again for those alone.
  package static let unpackedRequestBytes = decompressedBatchBytes

  /// Bytes that one produce request's batches may unpack to on the event loop: some milliseconds. A batch with more is
  /// unpacked off the loop, where no other connection waits for it.
  package static let unpackedOnLoopBytes = 1024 * 1024

  /// Compressing a byte anew takes about as long as unpacking this many.
  package static let recompressionCost = 16

  /// Threads that unpack such batches, one batch of `decompressedBatchBytes` at a time each: so much memory unpacked batches
  /// take in the whole broker, and twice that while they are compressed anew. Further ones wait for a thread.
  package static let unpackThreads = 2

  /// Bytes of produced batches, still compressed, that wait for one of these threads. A batch beyond it gets a retriable error.
  package static let waitingToUnpackBytes = 256 * 1024 * 1024

  /// The most records at fault that a produce response names of one batch: the first ones.
  package static let recordErrors = 1_000

  /// The longest name of client software that ApiVersions accepts.
  package static let clientSoftwareNameBytes = 255

  /// How often the counts of the broker's own cache are written down, where it has one.
  package static let cacheReportIntervalMs: Int64 = 1_000

  /// Descriptors of an event loop: epoll, its timer, its wake-up.
  package static let descriptorsPerLoop = 3

  /// Descriptors of a log directory while it is opened: its lock, a log's file, and one of the small files beside the logs.
  package static let descriptorsPerDirectory = 3

  /// Descriptors of a listener: one for each family of addresses.
  package static let descriptorsPerListener = 2

  /// Descriptors beside those: standard input and output, the z-node journal, and what the system's libraries open.
  package static let descriptorsSpare = 16

  /// Names that one sentence of a refused start lists; it counts the others.
  package static let namesInSentence = 5

  /// Strays of a log directory that a start names, a line each; it counts the others.
  package static let straysTold = 100

  /// Threads that serve requests which take too long for an event loop.
  package static let requestThreads = 2

  /// Topics, partitions or resources that a request may name, or its response describe, for an event loop to serve it. One with
  /// more is served off the loop: other connections are not kept waiting.
  package static let servedOnLoop = 200

  /// Partitions of one change whose logs are made or removed before other changes have their turn: a topic of 20,000 keeps them
  /// waiting for some 0.1 s at a time.
  package static let partitionsPerTurn = 100

  /// Producer ids left of the broker's block when the next block is asked for, so that no producer waits for the tree.
  package static let producerIDsLeft = 500

  /// The topics of one CreateTopics response that are described with their configuration; the others are without.
  package static let createdTopicsDescribed = 1_000

  /// The most partitions of one page of DescribeTopicPartitions (Kafka's `max.request.partition.size.limit`); the response's
  /// cursor names the next page.
  package static let partitionsDescribed = 2_000

  /// Resources that one DescribeConfigs describes, some ten kilobytes each; the others are refused.
  package static let resourcesDescribed = 10_000

  /// The time until the removal of a member is tried again that the log has not taken.
  static let groupRemovalRetryMs: Int64 = 500

  /// Groups that one partition of `__consumer_offsets` keeps in memory; the client of a further one gets COORDINATOR_NOT_AVAILABLE, and
  /// tries again. Groups without members and offsets go when offsets expire.
  package static let groupsPerPartition = 100_000

  /// The longest client or instance id that a member's id begins with; a longer one is left out, for an id must fit a field of the
  /// protocol.
  package static let memberNameBytes = 1_000

  /// Tombstones of offsets are appended in batches of some so many bytes: a group may have more of them than one batch holds.
  package static let tombstoneBatchBytes = 256 * 1024

  /// How often what the controller could not write is tried again.
  package static let electionIntervalMs: Int64 = 300_000

  /// The connections to each broker for transaction markers, over which producers are spread.
  static let markerConnections = 4

  /// How many requesters an event loop keeps decisions for; beyond it, it forgets all and begins anew.
  static let loopRequesters = 1024
  /// How often a change of ACLs or quotas is tried that other brokers' changes come before.
  static let securityAttempts = 10
  /// The ACLs that one request may create or delete, and filters it may have.
  static let aclsPerRequest = 10_000

  /// How long after its election a controller looks at the imbalance of leaders for the first time.
  static let firstRebalanceMs: Int64 = 5_000

  /// How often it is looked whether `leader.imbalance.check.interval.seconds` have passed.
  static let rebalanceLookMs: Int64 = 1_000

  /// The most bytes of a record of an internal topic besides its key and value.
  static let coordinatorRecordOverhead = 36

  /// How long a change of a transaction waits for the in-sync replicas of `__transaction_state`, and a marker for those of its
  /// partition; Kafka's request timeout.
  static let transactionAppendMs: Int64 = 30_000

  /// The time in milliseconds within which a connection to another broker must be made.
  package static let peerConnectMs: Int64 = 5_000
  /// The most bytes of responses read from another broker's connection at a time.
  static let peerReceiveBytes = 64 * 1024
  /// The same for fetches of followers: a response of a few batches comes by one read, and where it was read to it stays.
  static let fetcherReceiveBytes = 512 * 1024
  /// The pause in milliseconds before a request of the controller that has failed is sent to a broker again.
  static let controllerRetryMs: Int64 = 100
  /// The pause in milliseconds before another attempt to reach the z-node tree, or to register in it.
  static let treeRetryMs: Int64 = 500
  /// The time in milliseconds that a request of this broker to the controller gives it.
  static let controllerRequestMs: Int32 = 30_000
  /// How often a start tries to make the roots of a shared tree, which other brokers may make at the same time.
  static let rootAttempts = 10
  /// How long a change of in-sync replicas waits until it is asked for again, when no controller has answered or it was refused.
  static let isrRetryMs: Int64 = 100

  /// The shortest time between two looks for followers that lag, whatever replica.lag.time.max.ms says.
  static let lagLookMsMin: Int64 = 10

  /// The wait of a follower after the first error of a fetch; each further one doubles it, up to replica.fetch.backoff.ms.
  static let followerBackoffMs: Int64 = 25

  /// Records of one response that a follower appends on its event loop; more is appended off the loop, where no connection waits for it.
  /// As many as a produce request may bring by default (`message.max.bytes`), which is appended on an event loop too.
  static let followedOnLoopBytes = 1024 * 1024

  /// Threads that append what followers have fetched.
  static let followThreads = 2
  /// Open connections to the metrics listener; a further one is closed.
  static let metricsConnections = 16
  /// The bytes of a request to the metrics listener, its head and whatever follows; a longer one closes the connection.
  static let metricsRequestBytes = 16 * 1024
  /// The time in milliseconds that a client of the metrics listener has for a request, and between two.
  static let metricsIdleMs: Int64 = 20_000
  /// The time in milliseconds that a client of the metrics listener has to take a response.
  static let metricsSendMs: Int64 = 30_000
  /// The time in milliseconds for which the text of a scrape is given to whoever asks: asking more often costs nothing more.
  static let scrapeSpacingMs: Int64 = 1_000
  /// Committed offsets of groups in one scrape; others are left out and counted.
  static let scrapedOffsets = 20_000
  /// Threads that are named in a scrape.
  static let threadsShown = 256
  /// Lines of the request log that wait to be written, in bytes; further ones are dropped and counted.
  static let requestLogBytes = 4 * 1024 * 1024
  /// The time in milliseconds for which the reader of the request log may take nothing; then what was to be written is dropped.
  static let requestLogPatienceMs: Int32 = 1_000

  /// The time in milliseconds for which a follower's fetches of a partition may fail before the log says so.
  static let followerPatienceMs: Int64 = 5_000
}
