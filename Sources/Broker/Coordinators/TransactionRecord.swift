import Cluster
import Model
import Wire

/// The records of `__transaction_state`, to and from the coordinator's values.
enum TransactionRecord {
  static func record(of change: Transactions.Change, nowMs: Int64) -> CoordinatorRecord {
    var key = TransactionLogKey()
    key.transactionalID = change.transactionalID
    let value = change.state.map { state in
      // What Kafka 3.9 reads, unless the client needs what it does not have.
      let version: Int16 = state.clientVersion >= TransactionState.Limits.epochRisesFrom ? 1 : 0
      return TransactionLogValue(state).prefixed(version: version)
    }
    return CoordinatorRecord(key: key.prefixed(version: 0), value: value, timestampMs: nowMs)
  }

  /// A record's transactional id and state; a nil state is a tombstone.
  ///
  /// - Returns: nil for a key of a version that is not known, which says nothing of any transactional id.
  /// - Throws: when the record cannot be read: the transaction it is of would be lost.
  static func change(in record: CoordinatorRecord) throws(TransactionRecordError) -> Transactions.Change? {
    var change: Transactions.Change
    do throws(WireError) {
      change = Transactions.Change(transactionalID: try TransactionLogKey(prefixed: record.key).transactionalID)
    } catch {
      if case .unsupportedVersion = error { return nil }
      throw .malformed(error)
    }
    guard let bytes = record.value else { return change }
    let value: TransactionLogValue
    do throws(WireError) { value = try TransactionLogValue(prefixed: bytes) } catch { throw .malformed(error) }
    change.state = try TransactionState(value)
    return change
  }
}

/// The error of a record of `__transaction_state` that cannot be read.
enum TransactionRecordError: Error, Equatable, CustomStringConvertible {
  case malformed(WireError)
  case unknownStatus(Int8)

  var description: String {
    switch self {
    case .malformed(let error): "\(error)"
    case .unknownStatus(let status): "the state of a transaction is \(status), which is none"
    }
  }
}

extension TransactionLogValue {
  init(_ state: TransactionState) {
    self.init()
    producerID = state.producerID
    previousProducerID = state.previousProducerID
    nextProducerID = state.nextProducerID
    producerEpoch = state.producerEpoch
    transactionTimeoutMs = state.timeoutMs
    transactionStatus = state.status.rawValue
    transactionPartitions = state.status == .empty ? nil : Self.topics(of: state.partitions)
    transactionLastUpdateTimestampMs = state.lastUpdateMs
    transactionStartTimestampMs = state.startMs
    clientTransactionVersion = state.clientVersion
  }

  /// Groups partitions, which are in rising order, by topic.
  private static func topics(of partitions: [TopicPartition]) -> [Topic] {
    var topics: [Topic] = []
    for partition in partitions {
      if topics.last?.topic != partition.topic {
        topics.append(Topic.with { $0.topic = partition.topic })
      }
      topics[topics.count - 1].partitionIDs.append(partition.partition)
    }
    return topics
  }
}

extension TransactionState {
  /// - Throws: for a state that is none, or that the log never has.
  init(_ value: TransactionLogValue) throws(TransactionRecordError) {
    guard let status = Status(rawValue: value.transactionStatus), status != .dead, status != .prepareEpochFence else {
      throw .unknownStatus(value.transactionStatus)
    }
    self.init(
      producerID: value.producerID, timeoutMs: value.transactionTimeoutMs,
      nowMs: value.transactionLastUpdateTimestampMs)
    previousProducerID = value.previousProducerID
    nextProducerID = value.nextProducerID
    producerEpoch = value.producerEpoch
    self.status = status
    partitions = (value.transactionPartitions ?? []).flatMap { topic in
      topic.partitionIDs.map { TopicPartition(topic.topic, $0) }
    }.sorted()
    startMs = value.transactionStartTimestampMs
    clientVersion = value.clientTransactionVersion
  }
}
