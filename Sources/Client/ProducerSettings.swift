package import Compression
package import Model

/// Holds a producer's settings, named as Kafka's.
package struct ProducerSettings: Sendable {
  package var topic: String
  /// The replicas that must have a batch before it is acknowledged: 0 none, 1 the leader, -1 the ISR.
  package var acks: Int16 = 1
  /// The most bytes of one batch before compression; a batch always takes one record, however large.
  package var batchBytes = 65_536
  /// The most records of one batch.
  package var batchRecords = Int.max
  /// The most requests in flight on one connection.
  package var inFlightMax = 5
  package var codec = Codec.none
  package var level: Int?
  /// Set for an idempotent producer: the broker drops duplicates, so retries append nothing twice and keep the order.
  package var identity: ProducerIdentity?
  /// Set for a transactional producer, whose identity the transaction coordinator gives (`TransactionalProducer`).
  package var transactionalID: String?
  /// The time after which the coordinator aborts a transaction.
  package var transactionTimeoutMs = 60_000
  package var requestTimeoutMs = 30_000
  /// The age at which a batch fails.
  package var deliveryTimeoutMs = 120_000

  package init(topic: String) { self.topic = topic }

  /// Returns whether a record of these sizes still fits the batch. An empty batch takes any record.
  package func hasRoom(_ builder: borrowing RecordBatchBuilder, keyBytes: Int, valueBytes: Int) -> Bool {
    builder.isEmpty
      || (builder.sizeAtMost(afterKey: keyBytes, value: valueBytes) <= batchBytes && builder.count < batchRecords)
  }

  /// Returns a number of records without keys, of `valueBytes` bytes each, that surely fit; 0 without room for one.
  package func recordsFitting(_ builder: borrowing RecordBatchBuilder, valueBytes: Int) -> Int {
    let each = builder.sizeAtMost(afterKey: 0, value: valueBytes) - builder.sizeInBytes
    let fitting = min((batchBytes - builder.sizeInBytes) / each, batchRecords - builder.count)
    return builder.isEmpty ? max(1, fitting) : max(0, fitting)
  }
}
