import Model
import Wire

extension LocalBroker {
  /// Returns an error for every key: consumer groups and transactions are not served.
  ///
  /// A group id gets COORDINATOR_NOT_AVAILABLE, which is retriable: consumers with assigned partitions look for a coordinator
  /// when they have a group id, and keep fetching while they retry. The API is listed at all because librdkafka 2.0 enables LZ4
  /// and `BrokerGroupCoordinator` only for brokers that have FindCoordinator 0. A transactional id gets
  /// TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which is not retriable, so that a transactional producer fails at once.
  func findCoordinator(
    _ request: FindCoordinatorRequest, _ context: RequestContext
  ) -> HandlerResult<FindCoordinatorResponse> {
    serve(context, size: request.coordinatorKeys.count) { Self.refusal(of: request) }
  }

  private static func refusal(of request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    var response = FindCoordinatorResponse()
    let (code, message): (ErrorCode, String) =
      switch request.keyType {
      case 0: (.coordinatorNotAvailable, "Consumer groups are not served.")
      case 1: (.transactionalIdAuthorizationFailed, "Transactions are not served.")
      default: (.invalidRequest, "Coordinators of type \(request.keyType) are not served.")
      }
    response.errorCode = code
    response.errorMessage = message
    response.nodeID = -1
    response.port = -1
    response.coordinators = request.coordinatorKeys.map { key in
      var coordinator = FindCoordinatorResponse.Coordinator()
      coordinator.key = key
      coordinator.nodeID = -1
      coordinator.port = -1
      coordinator.errorCode = code
      coordinator.errorMessage = message
      return coordinator
    }
    return response
  }
}
