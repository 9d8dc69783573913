import Cluster
import Model
import Wire

extension LocalBroker {
  /// Adds partitions to transactions. Clients add to one, in versions 0 to 3; brokers to several, from version 4 on, where they can also ask
  /// whether partitions were added.
  ///
  /// A transaction is extended by all its partitions or by none: where one does not exist, the others get OPERATION_NOT_ATTEMPTED.
  func addPartitionsToTxn(
    _ request: AddPartitionsToTxnRequest, _ context: RequestContext
  ) -> HandlerResult<AddPartitionsToTxnResponse> {
    let isFromClient = context.version <= 3
    let wanted = isFromClient ? [request.v3AndBelowTransaction] : request.transactions
    let pending = context.pending(AddPartitionsToTxnResponse.self)
    let image = image
    let gathered = GatheredAnswers<[AddPartitionsToTxnResponse.Topic]>(wanted.count) { results in
      var response = AddPartitionsToTxnResponse()
      if isFromClient {
        response.resultsByTopicV3AndBelow = results.first ?? []
      } else {
        response.resultsByTransaction = zip(wanted, results).map { asked, topics in
          .with { ($0.transactionalID, $0.topicResults) = (asked.transactionalID, topics) }
        }
      }
      pending.complete(response)
    }
    let count = wanted.reduce(0) { $0 + $1.topics.reduce(1) { $0 + 1 + $1.partitions.count } }
    let work: @Sendable () -> Void = {
      for (place, transaction) in wanted.enumerated() {
        self.add(transaction, version: context.version, image) { gathered.give($0, at: place) }
      }
    }
    if count <= Limits.servedOnLoop { work() } else { offload.submit(.request, work) }
    return .pending
  }

  private func add(
    _ asked: AddPartitionsToTxnRequest.Transaction, version: Int16, _ image: MetadataImage,
    then: @escaping @Sendable ([AddPartitionsToTxnResponse.Topic]) -> Void
  ) {
    guard !asked.transactionalID.isEmpty else { return then(asked.results { _ in .invalidRequest }) }
    let missing = Set(asked.names.filter { image.named($0.topic)?.partition($0.partition) == nil })
    guard missing.isEmpty else {
      return then(asked.results { missing.contains($0) ? .unknownTopicOrPartition : .operationNotAttempted })
    }
    let question = Transactions.AddPartitions(
      transactionalID: asked.transactionalID, producer: .init(id: asked.producerID, epoch: asked.producerEpoch),
      partitions: asked.names,
      version: version >= Self.addPartitionsOfVersion2From ? TransactionState.Limits.epochRisesFrom : 0)
    if asked.verifyOnly {
      let codes = transactions.verify(question)
      let byName = Dictionary(zip(question.partitions, codes)) { first, _ in first }
      return then(asked.results { (byName[$0] ?? nil) ?? ErrorCode.none })
    }
    transactions.addPartitions(question) { answer in
      var code = ErrorCode.none
      if case .refused(let refusal) = answer { code = refusal.asKnown(to: version, fencedFrom: 2) }
      then(asked.results { _ in code })
    }
  }

  /// The version of AddPartitionsToTxn from which on the producer has transaction version 2.
  static var addPartitionsOfVersion2From: Int16 { 5 }

  /// Adds the partition of `__consumer_offsets` in which a group's offsets are kept.
  func addOffsetsToTxn(
    _ request: AddOffsetsToTxnRequest, _ context: RequestContext
  ) -> HandlerResult<AddOffsetsToTxnResponse> {
    guard !request.transactionalID.isEmpty, !request.groupID.isEmpty else {
      return .now(.with { $0.errorCode = request.groupID.isEmpty ? .invalidGroupId : .invalidRequest })
    }
    let pending = context.pending(AddOffsetsToTxnResponse.self)
    let question = Transactions.AddPartitions(
      transactionalID: request.transactionalID,
      producer: .init(id: request.producerID, epoch: request.producerEpoch),
      partitions: [TopicPartition(TopicName.groupOffsets, groupLog.partition(of: request.groupID))])
    transactions.addPartitions(question) { answer in
      var response = AddOffsetsToTxnResponse()
      if case .refused(let code) = answer { response.errorCode = code.asKnown(to: context.version, fencedFrom: 2) }
      pending.complete(response)
    }
    return .pending
  }
}

extension AddPartitionsToTxnRequest {
  fileprivate var v3AndBelowTransaction: Transaction {
    .with {
      $0.transactionalID = v3AndBelowTransactionalID
      $0.producerID = v3AndBelowProducerID
      $0.producerEpoch = v3AndBelowProducerEpoch
      $0.topics = v3AndBelowTopics
    }
  }
}

extension AddPartitionsToTxnRequest.Transaction {
  fileprivate var names: [TopicPartition] {
    topics.flatMap { topic in topic.partitions.map { TopicPartition(topic.name, $0) } }
  }

  /// The response's topics, with a code for each partition.
  fileprivate func results(_ code: (TopicPartition) -> ErrorCode) -> [AddPartitionsToTxnResponse.Topic] {
    topics.map { topic in
      .with { result in
        result.name = topic.name
        result.resultsByPartition = topic.partitions.map { index in
          .with { ($0.partitionIndex, $0.partitionErrorCode) = (index, code(TopicPartition(topic.name, index))) }
        }
      }
    }
  }
}
