import Cluster
import Model
import Wire

extension LocalBroker {
  /// Commits a group's offsets in a transaction, when its coordinator confirms that the group's partition of `__consumer_offsets` is part of
  /// it; from version 5 on it adds the partition (transaction version 2).
  func txnOffsetCommit(
    _ request: TxnOffsetCommitRequest, _ context: RequestContext
  ) -> HandlerResult<TxnOffsetCommitResponse> {
    let adds = context.version >= Self.txnOffsetCommitAddsFrom
    let question = Transactions.AddPartitions(
      transactionalID: request.transactionalID,
      producer: .init(id: request.producerID, epoch: request.producerEpoch),
      partitions: [TopicPartition(TopicName.groupOffsets, groupLog.partition(of: request.groupID))],
      version: adds ? TransactionState.Limits.epochRisesFrom : 0)
    let image = image
    guard adds || image.config.transactionPartitionVerificationEnable else {
      return commitInTransaction(request, context)
    }
    let answer = LaterAnswer()
    if let coordinator = otherCoordinator(of: question.transactionalID, image) {
      askCoordinator(coordinator, question, adds: adds) { answer.give($0) }
    } else if adds {
      transactions.addPartitions(question) { answer.give($0) }
    } else {
      answer.give(transactions.verify(question)[0].map { .refused($0) } ?? .done)
    }
    if let response = answer.now { return commit(request, context, after: response) }
    let pending = context.pending(TxnOffsetCommitResponse.self)
    context.holdConnection()
    answer.whenGiven { response in
      pending.slot.onEventLoop {
        if case .now(let committed) = self.commit(request, context, after: response) { pending.complete(committed) }
        context.releaseConnection()
      }
    }
    return .pending
  }

  private func commit(
    _ request: TxnOffsetCommitRequest, _ context: RequestContext, after answer: Transactions.Response
  ) -> HandlerResult<TxnOffsetCommitResponse> {
    guard case .refused(let code) = answer else { return commitInTransaction(request, context) }
    return .now(request.refusal(code))
  }

  /// The version of TxnOffsetCommit from which on a commit adds its partition to the transaction.
  private static var txnOffsetCommitAddsFrom: Int16 { 5 }
}

extension TxnOffsetCommitRequest {
  /// The response when the transaction's coordinator has answered with `code`.
  fileprivate func refusal(_ code: ErrorCode) -> TxnOffsetCommitResponse {
    let known: ErrorCode =
      switch code {
      case .transactionAbortable: .invalidTxnState
      case .producerFenced: .invalidProducerEpoch
      // Older clients do not all know that they may commit again after these.
      case .concurrentTransactions, .coordinatorNotAvailable, .notCoordinator: .coordinatorLoadInProgress
      default: code
      }
    return .with { response in
      response.topics = topics.map { topic in
        .with { refused in
          refused.name = topic.name
          refused.partitions = topic.partitions.map { partition in
            .with { ($0.partitionIndex, $0.errorCode) = (partition.partitionIndex, known) }
          }
        }
      }
    }
  }
}
