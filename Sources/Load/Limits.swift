/// Names every limit of the generator, and what happens at it.
package enum Limits {
  /// Bytes of distinct record values a producing thread prepares; more when a batch is larger.
  static let poolBytes = 4 << 20
  /// A pool holds at least this many values, however large they are.
  static let poolRecordsMin = 16
  /// Ranges of missing sequence numbers remembered over all streams; past it the oldest range of the stream is counted as
  /// lost, and a record of it that arrives later as a duplicate.
  package static let gapsTracked = 100_000
  /// Streams (producer x partition x run) tracked at once; past it a new stream's records are counted as corrupt.
  package static let streamsTracked = 1_000_000
  /// Bytes searched for records behind a damaged one, as a multiple of the batch's bytes; past it the rest of
  /// the batch is counted as corrupt.
  static let damagedSearchFactor = 64
  /// A run shorter than this reports no CPU share of a thread: start and stop would dominate.
  static let shareSecondsMin = 0.1
  /// A thread with a CPU share above this is saturated.
  static let saturatedShare = 0.9
  /// A schedule is kept if no record was sent later than this.
  static let backlogMsMax = 10.0
  /// The furthest due time from a run's start, in ns: 31 years. A rate so low that a record would be due later is kept as if
  /// it were due then.
  static let paceNsMax = 1e18
  /// The longest latency that a histogram records, in ns: an hour. Longer ones count as an hour.
  package static let latencyNsMax: UInt64 = 3_600_000_000_000
  /// Record sizes a plan accepts.
  package static let recordBytesMax = 64 << 20
  /// Connections of one run: as many producers as a record's stamp can tell apart.
  package static let connectionsMax = 1 << StampField.producerBits - 1
  package static let threadsMax = 256
  /// Files that an event loop has open: epoll, timer and wake-up.
  static let descriptorsPerThread = 4
  /// Files that a run has open beside its connections: standard streams, output files, connections of its administration.
  static let descriptorsSpare = 32
  /// The batches that a producer seals ahead for each compression thread: one that is compressed and one that waits.
  static let batchesAheadOfThread = 2
  /// Connections that one `connect` makes: each takes a local port for the minute of TIME_WAIT, of which there are 28,000.
  package static let connectsMax = 1_000_000
  /// Failed connections after which `connect` gives up: what refuses so many refuses all.
  static let connectFailuresMax = 100
  package static let partitionsMax = 1 << 18
  package static let inFlightMax = 10_000
  /// Generators that share a run.
  package static let sharesMax = 4096
  package static let agentNameBytesMax = 200
  /// Readings of ZooKeeper's clock that an agent takes before a run: one write each.
  static let clockReadings = 60
  /// The bytes of one piece of an agent's result: ZooKeeper refuses nodes beyond 1 MiB.
  static let resultPieceBytes = 512 << 10
  /// The pieces of an agent's result, and its bytes after decompression; a result beyond is refused.
  static let resultPiecesMax = 64, resultBytesMax = 256 << 20
  /// The time between two looks at ZooKeeper, in milliseconds: of an agent without work, and of everybody during a run.
  static let agentLookMs = 200, runLookMs = 20
}
