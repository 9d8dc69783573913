import Cluster
import Logging
import Model
import Wire

extension LocalBroker {
  /// Returns a new producer id with epoch 0 to an idempotent producer; to a transactional one the id and epoch of its transactional id.
  func initProducerID(
    _ request: InitProducerIdRequest, _ context: RequestContext
  ) -> HandlerResult<InitProducerIdResponse> {
    let pending = context.pending(InitProducerIdResponse.self)
    guard let transactionalID = request.transactionalID else {
      let id = producerIDs.next { id in pending.complete(self.response(with: id)) }
      return id.map { .now(response(with: .success($0))) } ?? .pending
    }
    // Both or none: a client names what it has, or nothing.
    guard !transactionalID.isEmpty, (request.producerID == -1) == (request.producerEpoch == -1) else {
      return .now(InitProducerIdResponse.with { $0.errorCode = .invalidRequest })
    }
    var asked = Transactions.InitProducerID(
      transactionalID: transactionalID, timeoutMs: request.transactionTimeoutMs)
    if request.producerID != -1 { asked.expected = .init(id: request.producerID, epoch: request.producerEpoch) }
    transactions.initProducerID(asked) { answer in
      pending.complete(Self.response(with: answer, version: context.version))
    }
    return .pending
  }

  private static func response(with answer: Transactions.Response, version: Int16) -> InitProducerIdResponse {
    var response = InitProducerIdResponse()
    switch answer {
    case .producer(let id, let epoch): (response.producerID, response.producerEpoch) = (id, epoch)
    case .refused(let code):
      response.errorCode = code.asKnown(to: version, fencedFrom: 4)
      response.producerEpoch = -1
    case .done: break
    }
    return response
  }

  private func response(with id: Result<Int64, ApiError>) -> InitProducerIdResponse {
    var response = InitProducerIdResponse()
    switch id {
    case .success(let id):
      response.producerID = id
      response.producerEpoch = 0
    case .failure(let refusal):
      log.error("no producer id", metadata: ["error": "\(refusal)"])
      // As Kafka: the client tries again, and looks for no coordinator.
      response.errorCode = .coordinatorLoadInProgress
    }
    return response
  }
}

extension ErrorCode {
  /// The code as a client of `version` knows it: PRODUCER_FENCED was INVALID_PRODUCER_EPOCH before `first`.
  func asKnown(to version: Int16, fencedFrom first: Int16) -> ErrorCode {
    self == .producerFenced && version < first ? .invalidProducerEpoch : self
  }
}
