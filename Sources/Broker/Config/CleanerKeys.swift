/// The keys of the log cleaner, which compacts topics with cleanup.policy=compact.
package struct CleanerKeys: KeyTable {
  let logCleanerEnable = Key(
    "log.cleaner.enable", true,
    "Whether the log cleaner runs, which compacts topics with cleanup.policy=compact.")
  let logCleanerThreads = Key(
    "log.cleaner.threads", 1, .atLeast(0),
    "The number of logs that are cleaned at the same time, each on a thread. More than at the start of the broker share its threads."
  ).dynamic()
  let logCleanerIOMaxBytesPerSecond = Key(
    "log.cleaner.io.max.bytes.per.second", 1.7976931348623157e308,
    "The maximum bytes per second that the log cleaner reads and writes, all its threads together."
  ).dynamic()
  let logCleanerDedupeBufferSize = Key<Int64>(
    "log.cleaner.dedupe.buffer.size", 134_217_728,
    "The memory in bytes that the log cleaner's threads have together for deduplication, 24 bytes for each key of the part that is cleaned. A longer part is cleaned in several passes."
  ).dynamic()
  let logCleanerIOBufferSize = Key(
    "log.cleaner.io.buffer.size", 524_288, .atLeast(0),
    "The memory in bytes of the log cleaner's I/O buffers, of all its threads together."
  ).dynamic()
  let logCleanerIOBufferLoadFactor = Key(
    "log.cleaner.io.buffer.load.factor", 0.9,
    "The load factor up to which the log cleaner's deduplication buffer is filled."
  ).dynamic()
  let logCleanerBackoffMs = Key<Int64>(
    "log.cleaner.backoff.ms", 15_000, .atLeast(0),
    "The time in milliseconds that the log cleaner sleeps when no log needs cleaning."
  ).dynamic()
}
