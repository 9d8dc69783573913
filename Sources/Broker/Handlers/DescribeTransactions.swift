import Cluster
import Model
import Storage
import Wire

extension LocalBroker {
  /// Describes the transactions of transactional ids whose coordinator this broker is.
  func describeTransactions(
    _ request: DescribeTransactionsRequest, _ context: RequestContext
  ) -> HandlerResult<DescribeTransactionsResponse> {
    serve(context, size: request.transactionalIDs.count) {
      .with { $0.transactionStates = request.transactionalIDs.map { self.describe($0) } }
    }
  }

  private func describe(_ transactionalID: String) -> DescribeTransactionsResponse.Transaction {
    .with { described in
      described.transactionalID = transactionalID
      guard !transactionalID.isEmpty else { return described.errorCode = .invalidRequest }
      switch transactions.describe(transactionalID) {
      case .failure(let refusal): described.errorCode = refusal.code
      case .success(let state): described.describe(state)
      }
    }
  }

  /// Lists the transactional ids of this broker's coordinator, by state, producer id and duration.
  func listTransactions(
    _ request: ListTransactionsRequest, _ context: RequestContext
  ) -> HandlerResult<ListTransactionsResponse> {
    let pending = context.pending(ListTransactionsResponse.self)
    // The response may have any number of transactional ids.
    offload.submit(.request) { pending.complete(self.list(request)) }
    return .pending
  }

  private func list(_ request: ListTransactionsRequest) -> ListTransactionsResponse {
    var filter = Transactions.Filter()
    filter.statuses = request.stateFilters.compactMap { TransactionState.Status(name: $0) }
    filter.producerIDs = Set(request.producerIDFilters)
    filter.durationMs = request.durationFilter
    var response = ListTransactionsResponse()
    response.unknownStateFilters = request.stateFilters.filter { TransactionState.Status(name: $0) == nil }
    filter.hasUnknownStatus = !response.unknownStateFilters.isEmpty
    switch transactions.list(filter) {
    case .failure(let refusal): response.errorCode = refusal.code
    case .success(let found):
      response.transactionStates = found.map { transactionalID, state in
        .with {
          $0.transactionalID = transactionalID
          $0.producerID = state.producerID
          $0.transactionState = state.status.name
        }
      }
    }
    return response
  }

  /// Describes the producers that have written to partitions, with the transactions that are open there.
  func describeProducers(
    _ request: DescribeProducersRequest, _ context: RequestContext
  ) -> HandlerResult<DescribeProducersResponse> {
    let pending = context.pending(DescribeProducersResponse.self)
    let image = image
    // The response may have any number of producers.
    offload.submit(.request) {
      pending.complete(
        .with { response in
          response.topics = request.topics.map { asked in
            .with { topic in
              topic.name = asked.name
              topic.partitions = asked.partitionIndexes.map {
                Self.producers(of: image.named(asked.name)?.partition($0), index: $0)
              }
            }
          }
        })
    }
    return .pending
  }

  private static func producers(of partition: Partition?, index: Int32) -> DescribeProducersResponse.Partition {
    .with { described in
      described.partitionIndex = index
      guard let partition else { return described.errorCode = .unknownTopicOrPartition }
      do throws(PartitionError) {
        try partition.check(-1)
        described.activeProducers = try partition.withLog { log, _ throws(PartitionError) in
          log.activeProducers.map { DescribeProducersResponse.Producer(id: $0, $1) }
        }
      } catch {
        described.errorCode = ErrorCode(error)
        described.errorMessage = "\(error)"
      }
    }
  }
}

extension DescribeTransactionsResponse.Transaction {
  fileprivate mutating func describe(_ state: TransactionState) {
    transactionState = state.status.name
    transactionTimeoutMs = state.timeoutMs
    transactionStartTimeMs = state.startMs
    producerID = state.producerID
    producerEpoch = state.producerEpoch
    for partition in state.partitions {
      if topics.last?.topic != partition.topic { topics.append(.with { $0.topic = partition.topic }) }
      topics[topics.count - 1].partitions.append(partition.partition)
    }
  }
}

extension DescribeProducersResponse.Producer {
  fileprivate init(id: Int64, _ state: ProducerState.Producer) {
    self.init()
    producerID = id
    producerEpoch = Int32(state.epoch)
    lastSequence = state.lastBatch?.lastSequence ?? -1
    lastTimestamp = state.lastTimestamp
    coordinatorEpoch = state.coordinatorEpoch
    currentTxnStartOffset = state.transactionStart ?? .unknown
  }
}
