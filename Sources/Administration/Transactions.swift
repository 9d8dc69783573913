import Base
import Client
package import Model
import Wire

/// A transactional id as ListTransactions tells it.
struct ListedTransaction: Equatable, Sendable {
  var id: String
  var coordinator: BrokerID
  var producerID: Int64
  var state: String
}

/// A transactional id as DescribeTransactions tells it.
struct DescribedTransaction: Equatable, Sendable {
  var id: String
  var coordinator: BrokerID
  var producerID: Int64
  var producerEpoch: Int16
  var state: String
  var timeoutMs: Int32
  /// -1 without a transaction.
  var startMs: Int64
  var partitions: [TopicPartition]
}

/// A producer of a partition as DescribeProducers tells it.
struct ActiveProducer: Equatable, Sendable {
  var id: Int64
  var epoch: Int32
  var coordinatorEpoch: Int32
  var lastSequence: Int32
  var lastTimestampMs: Int64
  /// Nil without an open transaction.
  var transactionStart: Offset?
}

/// Which transaction `transactions abort` ends: by the offset at which it begins, or by its producer.
package enum TransactionChoice: Equatable, Sendable {
  case startOffset(Int64)
  case producer(id: Int64, epoch: Int16, coordinatorEpoch: Int32)
}

extension ClusterSession {
  /// - Parameters:
  ///   - states: Kafka's names; empty: all.
  ///   - longerThanMs: only transactions that run for longer; nil: all.
  package func listTransactions(
    states: [String], producerIDs: [Int64], longerThanMs: Int64?
  ) async throws -> Answer {
    TransactionText.list(
      try await transactions(states: states, producerIDs: producerIDs, longerThanMs: longerThanMs))
  }

  func transactions(
    states: [String] = [], producerIDs: [Int64] = [], longerThanMs: Int64? = nil
  ) async throws -> [ListedTransaction] {
    var listed: [ListedTransaction] = []
    for broker in brokers {
      var request = ListTransactionsRequest()
      request.stateFilters = states
      request.producerIDFilters = producerIDs
      request.durationFilter = longerThanMs ?? -1
      let answer = try await call(request, to: broker)
      try check(answer.errorCode, "listing transactions", by: broker)
      if let unknown = answer.unknownStateFilters.first {
        throw AdministrationError(
          "broker \(broker.id) knows no state '\(unknown)' of transactions", isOfArguments: true)
      }
      listed += answer.transactionStates.map {
        ListedTransaction(
          id: $0.transactionalID, coordinator: broker.id, producerID: $0.producerID, state: $0.transactionState)
      }
    }
    return listed.sorted { $0.id < $1.id }
  }

  package func describeTransaction(_ id: String, nowMs: Int64) async throws -> Answer {
    TransactionText.describe(try await transaction(id), nowMs: nowMs)
  }

  private func transaction(_ id: String) async throws -> DescribedTransaction {
    try await withCoordinator(of: id, .transaction) { coordinator in
      var request = DescribeTransactionsRequest()
      request.transactionalIDs = [id]
      let what = "describing transactional id '\(id)'"
      guard let state = try await call(request, to: coordinator).transactionStates.first else {
        throw ClientError.malformed(coordinator.endpoint, what: "no result for \(what)")
      }
      try check(state.errorCode, what, by: coordinator)
      return DescribedTransaction(state, coordinator.id)
    }
  }

  // MARK: Producers

  /// - Parameter broker: nil: the leader.
  package func describeProducers(of partition: TopicPartition, on broker: BrokerID?) async throws -> Answer {
    TransactionText.producers(
      try await producers(
        of: [partition], on: try broker.map { (id) throws(AdministrationError) in try self.broker(id) }
      )
      .flatMap(\.producers))
  }

  /// - Parameter broker: nil: each partition's leader.
  private func producers(
    of partitions: [TopicPartition], on broker: Metadata.Broker? = nil
  ) async throws -> [(partition: TopicPartition, producers: [ActiveProducer])] {
    let led = try await byLeader(partitions)
    if let lost = Set(partitions).subtracting(led.flatMap(\.partitions)).sorted().first {
      throw AdministrationError("\(lost) does not exist or has no leader")
    }
    let asked = broker.map { [($0, partitions)] } ?? led.map { ($0.leader, $0.partitions) }
    var found: [(partition: TopicPartition, producers: [ActiveProducer])] = []
    for (target, partitions) in asked {
      var request = DescribeProducersRequest()
      request.topics = PartitionsByTopic(partitions).topics.map { topic, indexes in
        .with {
          $0.name = topic
          $0.partitionIndexes = indexes
        }
      }
      for topic in try await call(request, to: target).topics {
        for partition in topic.partitions {
          let name = TopicPartition(topic.name, partition.partitionIndex)
          try check(partition.errorCode, message: partition.errorMessage, "the producers of \(name)", by: target)
          found.append((name, partition.activeProducers.map { ActiveProducer($0) }))
        }
      }
    }
    return found
  }

  // MARK: Aborting

  /// Ends a transaction that its producer and coordinator have left behind, by an abort marker in one partition.
  package func abortTransaction(in partition: TopicPartition, _ choice: TransactionChoice) async throws -> Answer {
    let marker = try await marker(for: choice, in: partition)
    guard let leader = try await byLeader([partition]).first?.leader else {
      throw AdministrationError("\(partition) does not exist or has no leader")
    }
    var request = WriteTxnMarkersRequest()
    request.markers = [
      .with {
        $0.producerID = marker.id
        $0.producerEpoch = marker.epoch
        $0.coordinatorEpoch = marker.coordinatorEpoch
        $0.topics = [
          .with {
            $0.name = partition.topic
            $0.partitionIndexes = [partition.partition]
          }
        ]
      }
    ]
    let result = try await call(request, to: leader).markers.first?.topics.first?.partitions.first
    let what = "aborting the transaction of producer \(marker.id) in \(partition)"
    try check(result?.errorCode ?? .unknownServerError, what, by: leader)
    return Answer(
      ["Aborted the transaction of producer \(marker.id) (epoch \(marker.epoch)) in \(partition)."],
      json: .object([
        "topic": .string(partition.topic), "partition": .number(partition.partition), "producer_id": .int(marker.id),
        "producer_epoch": .number(marker.epoch), "coordinator_epoch": .number(marker.coordinatorEpoch),
      ]))
  }

  private func marker(
    for choice: TransactionChoice, in partition: TopicPartition
  ) async throws -> (id: Int64, epoch: Int16, coordinatorEpoch: Int32) {
    switch choice {
    case .producer(let id, let epoch, let coordinatorEpoch): return (id, epoch, coordinatorEpoch)
    case .startOffset(let offset):
      let open = try await producers(of: [partition]).flatMap(\.producers)
        .filter { $0.transactionStart != nil }
      guard let producer = open.first(where: { $0.transactionStart == Offset(offset) }) else {
        let starts = open.compactMap { $0.transactionStart?.description }.joined(separator: ", ")
        throw AdministrationError(
          "no open transaction of \(partition) begins at offset \(offset)"
            + (starts.isEmpty ? "" : "; those that are open begin at \(starts)"))
      }
      guard let epoch = Int16(exactly: producer.epoch) else {
        throw AdministrationError("producer \(producer.id) has epoch \(producer.epoch), which is none")
      }
      // A transaction that never reached its coordinator has no epoch of it; 0 is what Kafka's tool writes.
      return (producer.id, epoch, max(0, producer.coordinatorEpoch))
    }
  }

  // MARK: Hanging transactions

  /// Finds transactions that are open in a partition for longer than any transaction may last, and that no coordinator will
  /// end.
  ///
  /// - Parameters:
  ///   - topic: nil: all topics.
  ///   - broker: only partitions that it leads; nil: all.
  package func findHanging(
    topic: String?, partition: Int32?, broker: BrokerID?, maxTimeoutMs: Int64, nowMs: Int64
  ) async throws -> Answer {
    var names = try await topics(topic.map { [$0] }).flatMap { topic in
      topic.partitions.filter { broker == nil || $0.leader == broker }.map { TopicPartition(topic.name, $0.index) }
    }
    if let partition { names.removeAll { $0.partition != partition } }
    var search = HangingTransactions(maxTimeoutMs: maxTimeoutMs, nowMs: nowMs)
    for (name, producers) in try await producers(of: names) { search.add(name, producers) }
    let ids = search.producerIDs
    if !ids.isEmpty {
      let listed = try await transactions(producerIDs: ids)
      var described: [DescribedTransaction] = []
      for transaction in listed where ids.contains(transaction.producerID) {
        described.append(try await self.transaction(transaction.id))
      }
      search.remove(knownTo: described)
    }
    return TransactionText.hanging(search.candidates, nowMs: nowMs)
  }
}

/// Decides which open transactions hang: candidates are open for longer than any transaction may last, and those that a
/// coordinator knows are taken out. Pure.
struct HangingTransactions: Sendable {
  struct Candidate: Equatable, Sendable {
    var partition: TopicPartition
    var producer: ActiveProducer
  }

  private let maxTimeoutMs: Int64
  private let nowMs: Int64
  private(set) var candidates: [Candidate] = []

  init(maxTimeoutMs: Int64, nowMs: Int64) {
    self.maxTimeoutMs = maxTimeoutMs
    self.nowMs = nowMs
  }

  mutating func add(_ partition: TopicPartition, _ producers: [ActiveProducer]) {
    for producer in producers where producer.transactionStart != nil {
      let (age, isOverflow) = nowMs.subtractingReportingOverflow(producer.lastTimestampMs)
      if isOverflow || age > maxTimeoutMs { candidates.append(Candidate(partition: partition, producer: producer)) }
    }
  }

  var producerIDs: [Int64] { Set(candidates.map(\.producer.id)).sorted() }

  /// Takes out transactions that their coordinator has open, with the partition among theirs: it will end them.
  mutating func remove(knownTo coordinators: [DescribedTransaction]) {
    candidates.removeAll { candidate in
      coordinators.contains {
        $0.producerID == candidate.producer.id && $0.partitions.contains(candidate.partition)
      }
    }
  }
}

extension DescribedTransaction {
  init(_ transaction: DescribeTransactionsResponse.Transaction, _ coordinator: BrokerID) {
    id = transaction.transactionalID
    self.coordinator = coordinator
    producerID = transaction.producerID
    producerEpoch = transaction.producerEpoch
    state = transaction.transactionState
    timeoutMs = transaction.transactionTimeoutMs
    startMs = transaction.transactionStartTimeMs
    partitions = transaction.topics.flatMap { topic in
      topic.partitions.map { TopicPartition(topic.topic, $0) }
    }.sorted()
  }
}

extension ActiveProducer {
  init(_ producer: DescribeProducersResponse.Producer) {
    id = producer.producerID
    epoch = producer.producerEpoch
    coordinatorEpoch = producer.coordinatorEpoch
    lastSequence = producer.lastSequence
    lastTimestampMs = producer.lastTimestamp
    transactionStart = producer.currentTxnStartOffset < 0 ? nil : producer.currentTxnStartOffset
  }
}
