/// Every bound of the generator, and what happens at it.
package enum Limits {
  /// Bytes of distinct record values a producing thread prepares; more when a batch is larger.
  static let poolBytes = 4 << 20
  /// A pool holds at least this many values, however large they are.
  static let poolRecordsMin = 16
  /// Ranges of missing sequence numbers remembered in all; past it the oldest range of its stream is counted lost for good,
  /// so a record of it that still comes is counted as a duplicate.
  package static let gapsTracked = 100_000
  /// Streams (producer x partition x run) followed at once; past it a new stream's records are counted as corrupt.
  package static let streamsTracked = 1_000_000
  /// Bytes looked at in search of the records behind a damaged one, as a multiple of the batch's bytes; past it the rest of
  /// the batch is counted as corrupt.
  static let damagedSearchFactor = 64
  /// A run shorter than this reports no share of a thread: starting and stopping are most of it.
  static let shareSecondsMin = 0.1
  /// A thread that computes for more of the time than this has none left to offer more.
  static let saturatedShare = 0.9
  /// A schedule is kept where no record waited longer than this for its turn.
  static let backlogMsMax = 10.0
  /// The longest latency a histogram tells apart, in ns: an hour. Longer ones count as an hour.
  package static let latencyNsMax: UInt64 = 3_600_000_000_000
  /// Record sizes a plan accepts.
  package static let recordBytesMax = 64 << 20
  package static let connectionsMax = 4096
  package static let threadsMax = 256
  package static let partitionsMax = 1 << 18
  package static let inFlightMax = 10_000
}
