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
  /// Lists the brokers, at the addresses of the listener by which the client came, with the cluster's id and controller.
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
    let image = image
    response.controllerID = image.controllerID
    response.brokers = addresses(in: image, listener: context.origin.listener, own: endpoint(of: context)).map {
      address in
      var broker = DescribeClusterResponse.Broker()
      broker.brokerID = address.id
      broker.host = address.host
      broker.port = address.port
      broker.rack = address.rack
      return broker
    }
    if request.includeClusterAuthorizedOperations {
      response.clusterAuthorizedOperations = AuthorizedOperations.cluster
    }
    return .now(response)
  }
}
