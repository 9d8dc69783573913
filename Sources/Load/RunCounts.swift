import Client

/// Holds the counts of one event loop's producers and consumers; `LoadReport` adds up the loops. Owned by the loop.
struct RunCounts: Sendable {
  /// The number of records acknowledged.
  var records = 0
  /// The bytes of keys and values of acknowledged records.
  var payloadBytes = 0
  /// Bytes of batches before compression, and as sent.
  var plainBytes = 0, batchBytes = 0
  /// Bytes of values before and after `--per-message-compression`; equal without it.
  var valueBytes = 0, packedValueBytes = 0
  var batches = 0
  var receivedRecords = 0
  /// Bytes of keys and values received; of whole batch bodies with `--no-verify`.
  var receivedBytes = 0
  var receivedBatchBytes = 0
  var receivedBatches = 0
  var errors = 0
  var firstError: ClientError?
  /// The time from request to response, one sample per record.
  var service = Latency()
  /// The time from a record's due time (open loop) to its response, or to its arrival at the consumer (end to end).
  var response = Latency()
  var endToEnd = Latency()
  /// The lateness of the generator's wake-ups, when records were due and it was free to send them.
  var lag = Latency()
  /// The largest lateness of a record that the generator was free to append.
  var scheduleLagMaxNs: UInt64 = 0
  /// The largest lateness of any record, waiting for responses included.
  var backlogMaxNs: UInt64 = 0

  mutating func add(_ other: RunCounts) {
    records += other.records
    payloadBytes += other.payloadBytes
    plainBytes += other.plainBytes
    batchBytes += other.batchBytes
    valueBytes += other.valueBytes
    packedValueBytes += other.packedValueBytes
    batches += other.batches
    receivedRecords += other.receivedRecords
    receivedBytes += other.receivedBytes
    receivedBatchBytes += other.receivedBatchBytes
    receivedBatches += other.receivedBatches
    errors += other.errors
    firstError = firstError ?? other.firstError
    service.add(other.service)
    response.add(other.response)
    endToEnd.add(other.endToEnd)
    lag.add(other.lag)
    scheduleLagMaxNs = max(scheduleLagMaxNs, other.scheduleLagMaxNs)
    backlogMaxNs = max(backlogMaxNs, other.backlogMaxNs)
  }

  mutating func addError(_ error: ClientError) {
    errors += 1
    firstError = firstError ?? error
  }
}

/// Holds the counts since the run began and those of the current interval. Owned by one event loop.
final class LoopCounts {
  private(set) var total = RunCounts()
  private(set) var interval = RunCounts()

  func count(_ change: (inout RunCounts) -> Void) { change(&interval) }

  /// Returns the counts since the last call.
  func takeInterval() -> RunCounts {
    let taken = interval
    total.add(taken)
    interval = RunCounts()
    return taken
  }
}
