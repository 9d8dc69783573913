import Base
import Model

/// Transactions as kafka-transactions prints them, and as JSON.
enum TransactionText {
  static func list(_ transactions: [ListedTransaction]) -> Answer {
    var table = TextTable(["TransactionalId", "Coordinator", "ProducerId", "TransactionState"])
    for transaction in transactions {
      table.add([transaction.id, "\(transaction.coordinator)", "\(transaction.producerID)", transaction.state])
    }
    let json = transactions.map { transaction -> JSON in
      .object([
        "transactional_id": .string(transaction.id), "coordinator": .number(transaction.coordinator),
        "producer_id": .int(transaction.producerID), "state": .string(transaction.state),
      ])
    }
    return Answer(table.lines, json: .array(json))
  }

  static func describe(_ transaction: DescribedTransaction, nowMs: Int64) -> Answer {
    let isOpen = transaction.startMs >= 0
    let durationMs = isOpen ? max(0, nowMs - min(transaction.startMs, nowMs)) : nil
    var table = TextTable([
      "CoordinatorId", "TransactionalId", "ProducerId", "ProducerEpoch", "TransactionState", "TransactionTimeoutMs",
      "CurrentTransactionStartTimeMs", "TransactionDurationMs", "TopicPartitions",
    ])
    table.add([
      "\(transaction.coordinator)", transaction.id, "\(transaction.producerID)", "\(transaction.producerEpoch)",
      transaction.state, "\(transaction.timeoutMs)", isOpen ? "\(transaction.startMs)" : "None",
      durationMs.map { "\($0)" } ?? "None", transaction.partitions.map(\.description).joined(separator: ","),
    ])
    let partitions = transaction.partitions.map { partition -> JSON in
      .object(["topic": .string(partition.topic), "partition": .number(partition.partition)])
    }
    return Answer(
      table.lines,
      json: .object([
        "transactional_id": .string(transaction.id), "coordinator": .number(transaction.coordinator),
        "producer_id": .int(transaction.producerID), "producer_epoch": .number(transaction.producerEpoch),
        "state": .string(transaction.state), "timeout_ms": .number(transaction.timeoutMs),
        "start_ms": isOpen ? .int(transaction.startMs) : .null, "duration_ms": durationMs.map { .int($0) } ?? .null,
        "partitions": .array(partitions),
      ]))
  }

  static func producers(_ producers: [ActiveProducer]) -> Answer {
    var table = TextTable([
      "ProducerId", "ProducerEpoch", "LatestCoordinatorEpoch", "LastSequence", "LastTimestamp",
      "CurrentTransactionStartOffset",
    ])
    let sorted = producers.sorted { ($0.id, $0.epoch) < ($1.id, $1.epoch) }
    for producer in sorted {
      table.add([
        "\(producer.id)", "\(producer.epoch)", "\(producer.coordinatorEpoch)", "\(producer.lastSequence)",
        "\(producer.lastTimestampMs)", producer.transactionStart.map { "\($0)" } ?? "None",
      ])
    }
    return Answer(table.lines, json: .array(sorted.map { .object(members($0)) }))
  }

  private static func members(_ producer: ActiveProducer) -> [JSON.Member] {
    [
      JSON.Member(name: "producer_id", value: .int(producer.id)),
      JSON.Member(name: "producer_epoch", value: .number(producer.epoch)),
      JSON.Member(name: "coordinator_epoch", value: .number(producer.coordinatorEpoch)),
      JSON.Member(name: "last_sequence", value: .number(producer.lastSequence)),
      JSON.Member(name: "last_timestamp_ms", value: .int(producer.lastTimestampMs)),
      JSON.Member(
        name: "transaction_start_offset", value: producer.transactionStart.map { .int($0.rawValue) } ?? .null),
    ]
  }

  static func hanging(_ candidates: [HangingTransactions.Candidate], nowMs: Int64) -> Answer {
    var table = TextTable([
      "Topic", "Partition", "ProducerId", "ProducerEpoch", "CoordinatorEpoch", "StartOffset", "LastTimestamp",
      "Duration(min)",
    ])
    let sorted = candidates.sorted { ($0.partition, $0.producer.id) < ($1.partition, $1.producer.id) }
    for candidate in sorted {
      let producer = candidate.producer
      let (age, isOverflow) = nowMs.subtractingReportingOverflow(min(producer.lastTimestampMs, nowMs))
      let minutes = (isOverflow ? .max : age) / 60_000
      table.add([
        candidate.partition.topic, "\(candidate.partition.partition)", "\(producer.id)", "\(producer.epoch)",
        "\(producer.coordinatorEpoch)", producer.transactionStart.map { "\($0)" } ?? "None",
        "\(producer.lastTimestampMs)", "\(minutes)",
      ])
    }
    let json = sorted.map { candidate -> JSON in
      let partition = [
        JSON.Member(name: "topic", value: .string(candidate.partition.topic)),
        JSON.Member(name: "partition", value: .number(candidate.partition.partition)),
      ]
      return .object(partition + members(candidate.producer))
    }
    return Answer(table.lines, json: .array(json))
  }
}
