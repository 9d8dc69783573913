import Cluster
import Logging
import Model
import Wire

extension LocalBroker {
  /// Hands out a producer id for idempotence. Transactions are not served: a transactional id gets an error.
  func initProducerID(_ request: InitProducerIdRequest, _ context: RequestContext) -> Reply<InitProducerIdResponse> {
    guard request.transactionalID == nil else {
      var answer = InitProducerIdResponse()
      answer.errorCode = request.transactionalID == "" ? .invalidRequest : .transactionalIdAuthorizationFailed
      return .now(answer)
    }
    let pending = context.pending(InitProducerIdResponse.self)
    let id = producerIDs.next { id in pending.complete(self.answer(id)) }
    return id.map { .now(answer(.success($0))) } ?? .later
  }

  private func answer(_ id: Result<Int64, Refusal>) -> InitProducerIdResponse {
    var answer = InitProducerIdResponse()
    switch id {
    case .success(let id):
      answer.producerID = id
      answer.producerEpoch = 0
    case .failure(let refusal):
      log.error("no producer id", metadata: ["error": "\(refusal)"])
      answer.errorCode = .coordinatorNotAvailable
    }
    return answer
  }
}
