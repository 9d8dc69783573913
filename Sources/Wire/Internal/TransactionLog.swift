// The records of `__transaction_state`. Key and value begin with their version, an int16.

/// The key of a record of `__transaction_state`.
package struct TransactionLogKey: InternalRecord {
  package static let versions: ClosedRange<Int16> = 0...0
  package static let flexibleFrom: Int16? = nil

  package var transactionalID = ""

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&transactionalID)
  }
}

/// The value of a record of `__transaction_state`: the state of a transactional id. A record without value is a tombstone.
///
/// Version 0 is what Kafka 3.9 reads; version 1 has the fields of transaction version 2 (KIP-890), tagged.
package struct TransactionLogValue: InternalRecord {
  package static let versions: ClosedRange<Int16> = 0...1
  package static let flexibleFrom: Int16? = 1

  package var producerID: Int64 = 0
  package var previousProducerID: Int64 = -1
  package var nextProducerID: Int64 = -1
  package var producerEpoch: Int16 = 0
  package var transactionTimeoutMs: Int32 = 0
  /// Kafka's number of the state: 0 Empty, 1 Ongoing, 2 PrepareCommit, 3 PrepareAbort, 4 CompleteCommit, 5 CompleteAbort.
  package var transactionStatus: Int8 = 0
  /// Nil in state Empty.
  package var transactionPartitions: [Topic]?
  package var transactionLastUpdateTimestampMs: Int64 = 0
  package var transactionStartTimestampMs: Int64 = 0
  package var clientTransactionVersion: Int16 = 0

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&producerID)
    try wire.field(&producerEpoch)
    try wire.field(&transactionTimeoutMs)
    try wire.field(&transactionStatus)
    try wire.field(&transactionPartitions)
    try wire.field(&transactionLastUpdateTimestampMs)
    try wire.field(&transactionStartTimestampMs)
    try wire.tags { (wire) throws(WireError) in
      try wire.tag(0, &previousProducerID, default: -1)
      try wire.tag(1, &nextProducerID, default: -1)
      try wire.tag(2, &clientTransactionVersion)
    }
  }

  package struct Topic: WireStruct {
    package var topic = ""
    package var partitionIDs: [Int32] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&topic)
      try wire.field(&partitionIDs)
      try wire.tags()
    }
  }
}
