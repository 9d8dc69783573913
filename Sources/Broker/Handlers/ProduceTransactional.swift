import Cluster
import Model
import NIOCore
import Storage
import Wire

/// The part of a produce request that is written in a transaction: whether the producer's coordinator knows the transaction, partition by
/// partition (KIP-890).
///
/// A partition in which the transaction is open already needs no question. For the others the coordinator is asked whether they were added
/// to the transaction; from Produce version 12 on it adds them (transaction version 2). So no batch opens a transaction that nobody will
/// end: it would hold readers of committed records back for ever.
struct TransactionalBatches: Sendable {
  /// The batches that must not be appended.
  private(set) var refusals: [TopicPartition: ProduceError] = [:]
  /// What `Partition.append` wants to see, for the partitions that were asked about.
  private var verifications: [TopicPartition: TransactionVerification] = [:]
  /// False when `transaction.partition.verification.enable` is.
  private let isVerifying: Bool
  private let version: Int16
  /// The question to the coordinator; nil when there is none.
  private(set) var question: Transactions.AddPartitions?
  /// The coordinator's answer, when it comes later.
  var answer: LaterAnswer?

  /// - Parameters:
  ///   - image: what the request has read.
  ///   - nowMs: wall clock, in milliseconds since 1970.
  init(_ request: ProduceRequest, version: Int16, _ image: MetadataImage, nowMs: Int64) {
    self.version = version
    let adds = version >= Self.addsFrom
    isVerifying = adds || image.config.transactionPartitionVerificationEnable
    guard isVerifying, let transactionalID = request.transactionalID else { return }
    var producers: Set<ProducerIdentity> = []
    var asked: [TopicPartition] = []
    for topic in request.topicData {
      let found = image.named(topic.name)
      for data in topic.partitionData {
        guard let header = Self.header(of: data), let partition = found?.partition(data.index) else { continue }
        producers.insert(.init(id: header.producerID, epoch: header.producerEpoch))
        // What is wrong with the partition is found again by the append.
        guard let verification = try? partition.beginVerification(of: header, nowMs: nowMs) else { continue }
        verifications[partition.name] = verification
        asked.append(partition.name)
      }
    }
    guard let producer = producers.first, !asked.isEmpty else { return }
    question = Transactions.AddPartitions(
      transactionalID: transactionalID, producer: producer, partitions: asked,
      version: adds ? TransactionState.Limits.epochRisesFrom : 0)
    if producers.count > 1 { take(asked.map { _ in .invalidProducerIdMapping }) }
  }

  /// The version from which on a produce adds its partitions to the transaction.
  static let addsFrom: Int16 = 12
  /// The version from which on clients know TRANSACTION_ABORTABLE.
  private static let abortableFrom: Int16 = 11

  var isAdding: Bool { version >= Self.addsFrom }

  /// The header of a partition's batch, when that is a producer's in a transaction.
  private static func header(of data: ProduceRequest.Partition) -> RecordBatchHeader? {
    guard let bytes = data.records.bytes, bytes.readableBytes >= BatchField.records else { return nil }
    let header = bytes.withUnsafeReadableBytes { raw -> RecordBatchHeader? in
      raw[BatchField.magic] == 2 ? RecordBatchHeader(reading: raw) : nil
    }
    guard let header, header.hasProducer, header.attributes.isTransactional else { return nil }
    return header
  }

  /// Takes the coordinator's answer for each partition of the question; nil is its consent.
  mutating func take(_ codes: [ErrorCode?]) {
    guard let asked = question?.partitions else { return }
    for (partition, code) in zip(asked, codes) {
      if let code { refusals[partition] = refusal(code) }
    }
    question = nil
    answer = nil
  }

  mutating func take(_ response: Transactions.Response) {
    guard case .refused(let code) = response else { return take((question?.partitions ?? []).map { _ in nil }) }
    take((question?.partitions ?? []).map { _ in code })
  }

  /// The error of a batch when its coordinator has answered with `code`.
  private func refusal(_ code: ErrorCode) -> ProduceError {
    switch code {
    case .transactionAbortable:
      ProduceError(
        version >= Self.abortableFrom ? code : .invalidTxnState, "the partition was not added to the transaction")
    case .producerFenced: ProduceError(.invalidProducerEpoch, "the producer has been fenced")
    // Of these, older clients do not all know that the batch may be sent again.
    case .concurrentTransactions, .coordinatorLoadInProgress, .coordinatorNotAvailable, .notCoordinator:
      ProduceError(.notEnoughReplicas, "the transaction could not be verified: \(code)")
    default: ProduceError(code, "the transaction could not be verified")
    }
  }

  /// What the append of a transactional batch must show; nil when it need not show anything.
  func verification(of partition: TopicPartition) -> TransactionVerification? {
    isVerifying ? verifications[partition] ?? .open : nil
  }
}

extension LocalBroker {
  /// Asks the coordinator about a request's transactional batches. Where its answer is not known at once (`answer`), the batches wait for it.
  func transactionalBatches(of request: ProduceRequest, version: Int16, _ image: MetadataImage, nowMs: Int64)
    -> TransactionalBatches
  {
    var batches = TransactionalBatches(request, version: version, image, nowMs: nowMs)
    guard let question = batches.question else { return batches }
    if let coordinator = otherCoordinator(of: question.transactionalID, image) {
      let answer = LaterAnswer()
      askCoordinator(coordinator, question, adds: batches.isAdding) { answer.give($0) }
      batches.answer = answer
      return batches
    }
    guard batches.isAdding else {
      batches.take(transactions.verify(question))
      return batches
    }
    let answer = LaterAnswer()
    transactions.addPartitions(question) { answer.give($0) }
    if let response = answer.now { batches.take(response) } else { batches.answer = answer }
    return batches
  }

  /// Returns the other broker that coordinates a transactional id; nil where it is this one, or none is known.
  func otherCoordinator(of transactionalID: String, _ image: MetadataImage) -> BrokerID? {
    guard let topic = image.named(TopicName.transactionState) else { return nil }
    let number = Int(transactionLog.partition(of: transactionalID))
    guard topic.description.partitions.indices.contains(number) else { return nil }
    let leader = topic.description.partitions[number].leader
    return leader == brokerID || image.broker(leader) == nil ? nil : leader
  }
}
