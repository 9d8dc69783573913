import Client

/// What one event loop's producers and consumers count; `Report` adds up the loops. Owned by the loop.
struct RunCounts: Sendable {
  /// Records acknowledged.
  var records = 0
  /// Their bytes of keys and values.
  var payloadBytes = 0
  /// Bytes of batches before compression, and as they travelled.
  var plainBytes = 0, batchBytes = 0
  /// Values before and after `--per-message-compression`; equal without it.
  var valueBytes = 0, packedValueBytes = 0
  var batches = 0
  var receivedRecords = 0
  /// Bytes of keys and values; of batches' bodies where records are not looked at.
  var receivedBytes = 0
  var receivedBatchBytes = 0
  var receivedBatches = 0
  var errors = 0
  var firstError: ClientError?
  /// From the request's departure to its answer, a sample a record.
  var service = Latency()
  /// From the moment the record should have been sent (open loop), or to its arrival at the consumer (end to end).
  var response = Latency()
  var endToEnd = Latency()
  /// How late the generator itself woke, each time that records were due and it was free to send them.
  var lag = Latency()
  /// How late the generator itself appended a record it was free to append.
  var scheduleLagMaxNs: UInt64 = 0
  /// How late any record was appended, waiting for answers included.
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

/// The counts since the run began and those since the last look: the second make a progress line. Owned by one loop.
final class LoopCounts {
  private(set) var total = RunCounts()
  private(set) var interval = RunCounts()

  func count(_ change: (inout RunCounts) -> Void) { change(&interval) }

  /// What was counted since the last call.
  func takeInterval() -> RunCounts {
    let taken = interval
    total.add(taken)
    interval = RunCounts()
    return taken
  }
}
