import Model
import Wire

/// What a client may do, as sets of Kafka's operation numbers. Nothing is forbidden here, so each is "everything".
enum AuthorizedOperations {
  /// Read, write, create, delete, alter, describe, describe configs, alter configs.
  static let topic: Int32 = bits([3, 4, 5, 6, 7, 8, 10, 11])
  /// Create, alter, describe, cluster action, describe configs, alter configs, idempotent write.
  static let cluster: Int32 = bits([5, 7, 8, 9, 10, 11, 12])

  private static func bits(_ operations: [Int32]) -> Int32 { operations.reduce(0) { $0 | 1 << $1 } }
}

extension LocalBroker {
  func describeCluster(
    _ request: DescribeClusterRequest, _ context: RequestContext
  ) -> Reply<DescribeClusterResponse> {
    var answer = DescribeClusterResponse()
    answer.endpointType = request.endpointType
    guard request.endpointType == 1 else {
      answer.errorCode = request.endpointType == 2 ? .mismatchedEndpointType : .unsupportedEndpointType
      answer.errorMessage = "This is a broker's endpoint."
      return .now(answer)
    }
    answer.clusterID = clusterID
    answer.controllerID = image.controllerID
    let endpoint = endpoint(of: context)
    var broker = DescribeClusterResponse.Broker()
    broker.brokerID = brokerID
    broker.host = endpoint.host
    broker.port = Int32(endpoint.port)
    broker.rack = config.rack
    answer.brokers = [broker]
    if request.includeClusterAuthorizedOperations {
      answer.clusterAuthorizedOperations = AuthorizedOperations.cluster
    }
    return .now(answer)
  }
}
