import Model
import Security
import Wire

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
      response.clusterAuthorizedOperations = OperationSet.bits(of: .cluster)
    }
    return .now(response)
  }
}
