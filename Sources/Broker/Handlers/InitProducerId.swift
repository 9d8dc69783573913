import Logging
import Model
import Wire

extension LocalBroker {
  /// Hands out a producer id for idempotence. Transactions are not served, and a transactional id is told so.
  func initProducerID(_ request: InitProducerIdRequest, _ context: RequestContext) -> Reply<InitProducerIdResponse> {
    var answer = InitProducerIdResponse()
    guard request.transactionalID == nil else {
      answer.errorCode = request.transactionalID == "" ? .invalidRequest : .transactionalIdAuthorizationFailed
      return .now(answer)
    }
    do {
      answer.producerID = try producerIDs.next()
      answer.producerEpoch = 0
    } catch {
      log.error("no producer id", metadata: ["error": "\(error)"])
      answer.errorCode = .coordinatorNotAvailable
    }
    return .now(answer)
  }
}
