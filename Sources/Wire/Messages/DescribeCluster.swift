package import Model

/// Asks for the brokers and the controller, without any topics.
package struct DescribeClusterRequest: Request {
  package typealias Answer = DescribeClusterResponse
  package static let api = Api(key: 60, versions: 0...1, flexibleFrom: 0)

  package var includeClusterAuthorizedOperations = false
  /// 1: brokers; 2: controllers.
  package var endpointType: Int8 = 1

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&includeClusterAuthorizedOperations)
    if wire.version >= 1 { try wire.field(&endpointType) }
    try wire.tags()
  }
}

package struct DescribeClusterResponse: Response {
  package static let api = DescribeClusterRequest.api

  package var throttleTimeMs: Int32 = 0
  package var errorCode = ErrorCode.none
  package var errorMessage: String?
  /// 1: brokers; 2: controllers.
  package var endpointType: Int8 = 1
  package var clusterID = ""
  package var controllerID: Int32 = -1
  package var brokers: [Broker] = []
  package var clusterAuthorizedOperations: Int32 = .min

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&errorCode)
    try wire.field(&errorMessage)
    if wire.version >= 1 { try wire.field(&endpointType) }
    try wire.field(&clusterID)
    try wire.field(&controllerID)
    try wire.field(&brokers)
    try wire.field(&clusterAuthorizedOperations)
    try wire.tags()
  }

  package struct Broker: WireStruct {
    package var brokerID: Int32 = 0
    package var host = ""
    package var port: Int32 = 0
    package var rack: String?

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&brokerID)
      try wire.field(&host)
      try wire.field(&port)
      try wire.field(&rack)
      try wire.tags()
    }
  }
}
