import Model

/// Transactions. Sources: as in `BrokerKeys.swift`.
package struct TransactionKeys: KeyTable {
  let transactionMaxTimeoutMs = Key<Int32>(
    "transaction.max.timeout.ms", 900_000, .atLeast(1),
    "The maximum transaction timeout in milliseconds that a producer can ask for.")
  let transactionalIDExpirationMs = Key<Int32>(
    "transactional.id.expiration.ms", 604_800_000, .atLeast(1),
    "The time in milliseconds after which an idle transactional id expires.")
  let transactionAbortIntervalMs = Key<Int32>(
    "transaction.abort.timed.out.transaction.cleanup.interval.ms", 10_000, .atLeast(1),
    "The interval in milliseconds at which timed-out transactions are aborted.")
  let transactionExpiryIntervalMs = Key<Int32>(
    "transaction.remove.expired.transaction.cleanup.interval.ms", 3_600_000, .atLeast(1),
    "The interval in milliseconds at which expired transactional ids are removed.")
  let transactionPartitionVerificationEnable = Key(
    "transaction.partition.verification.enable", true,
    "Whether the broker verifies that a partition was added to the transaction that writes to it."
  ).dynamic()
}
