import Base
import Client

/// Figures of groups, transactions and partitions.
extension LoadReport {
  var copyFields: [(String, JSON)] {
    [("records_per_s_per_group", slowestRecordsPerSecond.map { .figure($0) } ?? .null)]
  }

  var groupFields: [(String, JSON)] {
    func count(_ value: Int?) -> JSON { value.map { .count($0) } ?? .null }
    func figure(_ value: Double?) -> JSON { value.map { .figure($0) } ?? .null }
    func unread(_ kind: MemberEvent.Kind) -> JSON { figure(reading?.unread[kind]?.meanMs) }
    return [
      ("commits", count(groups?.commits)), ("refused_commits", count(groups?.refusedCommits)),
      ("rebalances", count(groups?.rebalances)), ("losses", count(groups?.losses)),
      ("rebalance_pause_ms", .latency(groups?.pauses ?? Latency())),
      ("read_twice", count(reading?.readTwice)), ("left_out", count(reading?.leftOut)),
      ("shared_partitions", count(reading?.shared)),
      ("restart_unread_ms", unread(.restart)), ("join_unread_ms", unread(.join)),
      ("leave_unread_ms", unread(.leave)), ("longest_unread_ms", figure(reading?.longestMs)),
      ("interrupted_percent", figure(reading?.interruptedPercent)),
    ]
  }

  var transactionFields: [(String, JSON)] {
    let isProducing = plan.transactionRecords != nil
    return [
      ("transactions_committed", isProducing ? .count(transactions.committed) : .null),
      ("transactions_aborted", isProducing ? .count(transactions.aborted) : .null),
      ("aborted_records", isProducing ? .count(transactions.abortedRecords) : .null),
      ("skipped_records", plan.readsCommitted ? .count(transactions.skippedRecords) : .null),
      ("transaction_latency_ms", .latency(transactions.latency)),
    ]
  }

  /// How the producers' records are spread over the partitions and batches.
  var partitionFields: [(String, JSON)] {
    [
      ("records_per_batch", batches > 0 ? .figure(Double(records) / Double(batches)) : .null),
      ("partition_records_least", partitionRecords.min().map { .count($0) } ?? .null),
      ("partition_records_most", partitionRecords.max().map { .count($0) } ?? .null),
      ("partition_skew_percent", Self.skewPercent(partitionRecords).map { .figure($0) } ?? .null),
    ]
  }

  /// The assignor of the protocol in use; nil where the coordinator chooses it.
  var assignor: String? {
    guard plan.group != nil else { return nil }
    return plan.groupProtocol == .classic ? plan.assignor.rawValue : plan.remoteAssignor
  }

  /// How far the fullest partition is above the mean, in per cent of the mean; nil without records.
  static func skewPercent(_ records: [Int]) -> Double? {
    let sum = records.reduce(0, +)
    guard sum > 0, let most = records.max() else { return nil }
    return 100 * (Double(most) * Double(records.count) / Double(sum) - 1)
  }

  /// The records that producers sent to each partition, in the partitions' order.
  static func recordsByPartition(_ given: [(stream: StreamID, count: UInt64)], of metadata: Metadata) -> [Int] {
    guard !given.isEmpty else { return [] }
    var records: [Int: Int] = [:]
    for (stream, count) in given { records[stream.partition, default: 0] += Int(clamping: count) }
    return metadata.partitions.map { records[Int($0.index)] ?? 0 }
  }
}
