package import Model

/// A broker asks the controller for a block of producer ids.
package struct AllocateProducerIdsRequest: Request {
  package typealias Answer = AllocateProducerIdsResponse
  package static let api = Api(key: 67, versions: 0...0, flexibleFrom: 0)

  package var brokerID: Int32 = 0
  package var brokerEpoch: Int64 = -1

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&brokerID)
    try wire.field(&brokerEpoch)
    try wire.tags()
  }
}

package struct AllocateProducerIdsResponse: Response {
  package static let api = AllocateProducerIdsRequest.api

  package var throttleTimeMs: Int32 = 0
  package var errorCode = ErrorCode.none
  package var producerIDStart: Int64 = 0
  package var producerIDLen: Int32 = 0

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&errorCode)
    try wire.field(&producerIDStart)
    try wire.field(&producerIDLen)
    try wire.tags()
  }
}
