import Cluster
import Logging
import Model
import Wire

extension LocalBroker {
  /// Returns a new producer id with epoch 0, for an idempotent producer. Transactions are not served: a transactional id gets
  /// an error.
  func initProducerID(
    _ request: InitProducerIdRequest, _ context: RequestContext
  ) -> HandlerResult<InitProducerIdResponse> {
    guard request.transactionalID == nil else {
      var response = InitProducerIdResponse()
      response.errorCode = request.transactionalID == "" ? .invalidRequest : .transactionalIdAuthorizationFailed
      return .now(response)
    }
    let pending = context.pending(InitProducerIdResponse.self)
    let id = producerIDs.next { id in pending.complete(self.response(with: id)) }
    return id.map { .now(response(with: .success($0))) } ?? .pending
  }

  private func response(with id: Result<Int64, ApiError>) -> InitProducerIdResponse {
    var response = InitProducerIdResponse()
    switch id {
    case .success(let id):
      response.producerID = id
      response.producerEpoch = 0
    case .failure(let refusal):
      log.error("no producer id", metadata: ["error": "\(refusal)"])
      response.errorCode = .coordinatorNotAvailable
    }
    return response
  }
}
