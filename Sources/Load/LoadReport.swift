package import Base
package import Client
import Compression
package import Measure

/// Holds the results of a run, in the names and units of the JSON object, the CSV row and the summary.
package struct LoadReport: Sendable {
  package let plan: LoadPlan
  package let ending: Run.Ending
  package var startedMs: Int64 = 0
  /// The share of all cores' time in which they had something to do, whoever's, while the run went on; nil where it was too short to tell.
  package var machineBusyShare: Double?
  package var congestionControl: String?
  package var partitions = 0
  /// The records produced to each partition.
  package var partitionRecords: [Int] = []
  /// What became of the partitions of groups; nil without `--group`.
  package var reading: GroupReading?

  package let records: Int
  /// Bytes of keys and values.
  package let bytes: Int
  package let batchBytes: Int
  package let seconds: Double
  package let batches: Int
  package let requests: Int, retries: Int
  package let wireBytesSent: Int, wireBytesReceived: Int
  package let integrity: IntegrityCounts
  /// The records out of global order; nil without `--global-order`.
  package let outOfGlobalOrder: Int?
  /// The records whose offset did not rise within their partition; nil without `--global-order`.
  package let offsetsNotRising: Int?
  /// The records in another partition than their key's; nil without `--check-keys`.
  package let misplacedKeys: Int?
  /// The records a second of the slowest of `--fan-out` copies; nil without copies.
  package let slowestRecordsPerSecond: Double?
  /// The smallest and largest distance to a partition's end, with `--lag-records`.
  package let lagSeen: ClosedRange<Int64>?
  package let errors: Int
  package let firstError: ClientError?
  package let service: Latency, response: Latency, endToEnd: Latency
  /// The lateness of the generator itself, one sample per wake-up.
  package let lag: Latency
  package let cpuSeconds: Double
  /// The CPU share of each thread of an event loop and of `--compression-threads`; near 1 the generator was the bottleneck. Empty for a run too short to
  /// measure.
  package let cpuShares: [Double]
  package let scheduleLagMaxMs: Double, backlogMaxMs: Double
  /// What members of groups did; nil without `--group`.
  package let groups: GroupFigures?
  package let transactions: TransactionFigures
  /// Bytes before compression over bytes after it: of batches, or of values with per-message compression.
  package let compressionRatio: Double?

  init(_ plan: LoadPlan, _ results: [LoopResult], ending: Run.Ending, cpuSeconds: Double) {
    self.plan = plan
    self.ending = ending
    self.cpuSeconds = cpuSeconds
    var counts = RunCounts()
    for result in results { counts.add(result.counts) }
    let isConsuming = plan.command != .produce
    records = isConsuming ? counts.receivedRecords : counts.records
    bytes = isConsuming ? counts.receivedBytes : counts.payloadBytes
    batches = isConsuming ? counts.receivedBatches : counts.batches
    batchBytes = isConsuming ? counts.receivedBatchBytes : counts.batchBytes
    let firstNs = results.map(\.firstNs).min() ?? 0
    let lastNs = results.map(\.lastNs).max() ?? 0
    let seconds = lastNs > firstNs ? Double(lastNs - firstNs) / 1e9 : 0
    self.seconds = seconds
    requests = results.reduce(0) { $0 + $1.requests }
    retries = results.reduce(0) { $0 + $1.retries }
    wireBytesSent = results.reduce(0) { $0 + $1.wireBytesSent }
    wireBytesReceived = results.reduce(0) { $0 + $1.wireBytesReceived }
    errors = counts.errors
    firstError = counts.firstError
    (service, response, endToEnd) = (counts.service, counts.response, counts.endToEnd)
    lag = counts.lag
    cpuShares = results.compactMap(\.cpuShare)
    scheduleLagMaxMs = Double(counts.scheduleLagMaxNs) / 1e6
    backlogMaxMs = Double(counts.backlogMaxNs) / 1e6
    compressionRatio = Self.ratio(plan, counts)
    outOfGlobalOrder = plan.countsGlobalOrder ? results.reduce(0) { $0 + $1.outOfGlobalOrder } : nil
    offsetsNotRising = plan.countsGlobalOrder ? results.reduce(0) { $0 + $1.offsetsNotRising } : nil
    misplacedKeys = plan.checksKeys ? results.reduce(0) { $0 + $1.misplacedKeys } : nil
    slowestRecordsPerSecond = CopyReading.slowestRecordsPerSecond(results.flatMap(\.readings))
    var sum = LoopResult()
    for result in results {
      sum.add(lag: result.lagSeen)
      sum.groups.add(result.groups)
      sum.transactions.add(result.transactions)
    }
    lagSeen = sum.lagSeen
    groups = plan.group == nil ? nil : sum.groups
    transactions = sum.transactions
    integrity = Self.sum(results.flatMap(\.integrity), plan, records: records, ending)
  }

  /// True if nothing was lost, duplicated, corrupt or refused; reordered records are only reported.
  package var isGood: Bool {
    errors == 0 && integrity.lost == 0 && integrity.duplicated == 0 && integrity.corrupt == 0
      && (ending == .complete || ending == .interrupted)
  }

  private static func ratio(_ plan: LoadPlan, _ counts: RunCounts) -> Double? {
    if plan.compressesEachMessage {
      return counts.packedValueBytes > 0 ? Double(counts.valueBytes) / Double(counts.packedValueBytes) : nil
    }
    return counts.batchBytes > 0 ? Double(counts.plainBytes) / Double(counts.batchBytes) : nil
  }

  private static func sum(_ parts: [IntegrityCounts], _ plan: LoadPlan, records: Int, _ ending: Run.Ending)
    -> IntegrityCounts
  {
    var sum = IntegrityCounts()
    for part in parts {
      sum.records += part.records
      sum.lost += part.lost
      sum.duplicated += part.duplicated
      sum.reordered += part.reordered
      sum.corrupt += part.corrupt
      sum.unread += part.unread
    }
    // With a given number of records, those missing at the end leave no gap and are counted here.
    if plan.command == .consume, ending == .timedOut, let expected = plan.recordCount {
      sum.lost += max(0, expected - (records - sum.duplicated) - sum.lost)
    }
    return sum
  }

  package var recordsPerSecond: Double { seconds > 0 ? Double(records) / seconds : 0 }
  package var mibPerSecond: Double { seconds > 0 ? Double(bytes) / seconds / 1_048_576 : 0 }

  /// The bottleneck of the run, as far as the generator knows; nil for a run too short to measure.
  package var bottleneck: Bottleneck? {
    if plan.throughput != nil, backlogMaxMs < Limits.backlogMsMax, ending == .complete, plan.command != .consume {
      return .pace
    }
    return cpuShares.max().map { $0 > Limits.saturatedShare ? .generator : .target }
  }
}

extension LoadReport {
  /// All results by name, in print order. CSV flattens nested objects: `service_latency_ms.p50` is the column
  /// `service_latency_p50_ms`.
  package var fields: [(name: String, value: JSON)] {
    var fields: [(String, JSON)] = [
      ("command", .string(plan.command.rawValue)), ("ending", .string(ending.rawValue)),
      ("started_ms", .count(Int(startedMs))),
      ("records", .count(records)), ("bytes", .count(bytes)), ("seconds", .figure(seconds)),
      ("records_per_s", .figure(recordsPerSecond)), ("mib_per_s", .figure(mibPerSecond)),
      ("service_latency_ms", .latency(service)), ("response_latency_ms", .latency(response)),
      ("end_to_end_latency_ms", .latency(endToEnd)),
      ("batches", .count(batches)), ("batch_bytes", .count(batchBytes)), ("requests", .count(requests)),
      ("retries", .count(retries)),
      ("wire_bytes_sent", .count(wireBytesSent)), ("wire_bytes_received", .count(wireBytesReceived)),
      ("lost", .count(integrity.lost)), ("duplicated", .count(integrity.duplicated)),
      ("reordered", .count(integrity.reordered)), ("corrupt", .count(integrity.corrupt)),
      ("unread", .count(integrity.unread)), ("verified", .count(integrity.verified)),
      ("out_of_global_order", outOfGlobalOrder.map { .count($0) } ?? .null),
      (
        "out_of_global_order_percent",
        outOfGlobalOrder.map { .figure(100 * Double($0) / Double(max(records, 1))) } ?? .null
      ),
      ("offsets_not_rising", offsetsNotRising.map { .count($0) } ?? .null),
      ("misplaced_keys", misplacedKeys.map { .count($0) } ?? .null),
      ("errors", .count(errors)),
      ("first_error", firstError.map { .string($0.description) } ?? .null),
      ("cpu_seconds", .figure(cpuSeconds)), ("client_cpu_share", cpuShares.max().map { .figure($0) } ?? .null),
      ("client_cpu_shares", .array(cpuShares.map { .figure($0) })),
      ("machine_busy_share", machineBusyShare.map { .figure($0) } ?? .null),
      ("schedule_lag_p99_ms", lag.percentile(0.99).map { .figure(Double($0) / 1e6) } ?? .null),
      ("schedule_lag_max_ms", .figure(scheduleLagMaxMs)), ("backlog_max_ms", .figure(backlogMaxMs)),
      ("nonpositive_latency_samples", .count(service.nonPositive + response.nonPositive + endToEnd.nonPositive)),
    ]
    fields += copyFields + groupFields + transactionFields + partitionFields
    fields += planFields
    fields.append(("bottleneck", bottleneck.map { .string($0.rawValue) } ?? .null))
    fields.append(("limiter", .string(Output.limiter(self))))
    return fields
  }

  private var planFields: [(String, JSON)] {
    let isSending = plan.command != .consume
    let isReading = plan.command != .produce
    return [
      ("codec", .string(plan.codec.name + (plan.level.map { ":\($0)" } ?? ""))),
      ("compression_threads", isSending ? .count(plan.compressionThreads) : .null),
      ("compression_ratio", compressionRatio.map { .figure($0) } ?? .null),
      ("per_message_compression", .bool(plan.compressesEachMessage)),
      ("corpus", isSending ? .string(plan.corpus.description) : .null),
      ("record_size", isSending ? .count(plan.recordSize) : .null),
      ("acks", isSending ? .string(plan.acks.name) : .null), ("idempotent", .bool(plan.isIdempotent)),
      ("batch_size", isSending ? .count(plan.batchBytes) : .null),
      ("linger_ms", isSending ? .figure(plan.lingerMs) : .null),
      ("in_flight", isSending ? .count(plan.inFlight) : .null),
      ("throughput", plan.throughput.map { .figure($0) } ?? .count(-1)),
      ("connections", .count(plan.connections)), ("threads", .count(plan.threads)), ("partitions", .count(partitions)),
      ("fan_out", isReading ? .count(plan.fanOut) : .null), ("order", isReading ? .string(plan.order.rawValue) : .null),
      ("lag_records", isReading ? .count(plan.lagRecords) : .null),
      ("lag_least_records", lagSeen.map { .count(Int($0.lowerBound)) } ?? .null),
      ("lag_most_records", lagSeen.map { .count(Int($0.upperBound)) } ?? .null),
      ("verifies", .bool(plan.verifies)), ("null_sink", .bool(plan.usesNullSink)),
      ("null_sink_service_us", .figure(plan.nullSinkServiceUs)), ("seed", .count(Int(plan.seed))),
      ("group", plan.group.map { .string($0) } ?? .null),
      ("group_protocol", plan.group == nil ? .null : .string(plan.groupProtocol.rawValue)),
      ("member_restarts", plan.group == nil ? .null : .count(plan.memberRestarts)),
      ("visits", plan.group == nil ? .null : .count(plan.visits)),
      ("assignor", assignor.map { .string($0) } ?? .null),
      ("partitioner", isSending ? .string(plan.partitioner.rawValue) : .null),
      ("isolation", isReading ? .string(plan.readsCommitted ? "read_committed" : "read_uncommitted") : .null),
      ("transaction_records", plan.transactionRecords.map { .count($0) } ?? .null),
      ("congestion_control", congestionControl.map { .string($0) } ?? .null),
    ]
  }
}
