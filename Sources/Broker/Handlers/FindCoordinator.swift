import Model
import Wire

extension LocalBroker {
  /// Consumer groups and transactions are not served, and this says so in the way clients bear best.
  ///
  /// A group's coordinator is "not available": retriable, so consumers with assigned partitions, which look for one all
  /// the same when they have a group id, go on without (librdkafka 2.0 also takes LZ4 and `BrokerGroupCoordinator` from
  /// "has FindCoordinator 0"). A transactional id is refused for good, so that a transactional producer fails at once.
  func findCoordinator(
    _ request: FindCoordinatorRequest, _ context: RequestContext
  ) -> Reply<FindCoordinatorResponse> {
    serve(context, size: request.coordinatorKeys.count) { Self.refusal(of: request) }
  }

  private static func refusal(of request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    var answer = FindCoordinatorResponse()
    let (code, message): (ErrorCode, String) =
      switch request.keyType {
      case 0: (.coordinatorNotAvailable, "Consumer groups are not served.")
      case 1: (.transactionalIdAuthorizationFailed, "Transactions are not served.")
      default: (.invalidRequest, "Coordinators of type \(request.keyType) are not served.")
      }
    answer.errorCode = code
    answer.errorMessage = message
    answer.nodeID = -1
    answer.port = -1
    answer.coordinators = request.coordinatorKeys.map { key in
      var coordinator = FindCoordinatorResponse.Coordinator()
      coordinator.key = key
      coordinator.nodeID = -1
      coordinator.port = -1
      coordinator.errorCode = code
      coordinator.errorMessage = message
      return coordinator
    }
    return answer
  }
}
