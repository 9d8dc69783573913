import Model
import Wire

/// Kafka's bit fields of the operations that a client is authorized to do (bit n: `AclOperation` n). There is no authorizer, so
/// each has every operation of its resource type.
enum AuthorizedOperations {
  /// Read, write, create, delete, alter, describe, describe configs, alter configs.
  static let topic: Int32 = bits([3, 4, 5, 6, 7, 8, 10, 11])
  /// Read, delete, describe.
  static let group: Int32 = bits([3, 6, 8])
  /// Create, alter, describe, cluster action, describe configs, alter configs, idempotent write.
  static let cluster: Int32 = bits([5, 7, 8, 9, 10, 11, 12])

  private static func bits(_ operations: [Int32]) -> Int32 { operations.reduce(0) { $0 | 1 << $1 } }
}

extension LocalBroker {
  /// Lists this broker, at the address of the listener by which the client came, as the only one, with the cluster's id and
  /// controller.
  func describeCluster(
    _ request: DescribeClusterRequest, _ context: RequestContext
  ) -> HandlerResult<DescribeClusterResponse> {
    var response = DescribeClusterResponse()
    response.endpointType = request.endpointType
    guard request.endpointType == 1 else {
      response.errorCode = request.endpointType == 2 ? .mismatchedEndpointType : .unsupportedEndpointType
      response.errorMessage = "This is a broker's endpoint."
      return .now(response)
    }
    response.clusterID = clusterID
    response.controllerID = image.controllerID
    let endpoint = endpoint(of: context)
    var broker = DescribeClusterResponse.Broker()
    broker.brokerID = brokerID
    broker.host = endpoint.host
    broker.port = Int32(endpoint.port)
    broker.rack = config.rack
    response.brokers = [broker]
    if request.includeClusterAuthorizedOperations {
      response.clusterAuthorizedOperations = AuthorizedOperations.cluster
    }
    return .now(response)
  }
}
