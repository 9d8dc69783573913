package import Model

/// A group member says that it lives.
package struct HeartbeatRequest: Request {
  package typealias Answer = HeartbeatResponse
  package static let api = Api(key: 12, versions: 0...4, flexibleFrom: 4)

  package var groupID = ""
  package var generationID: Int32 = 0
  package var memberID = ""
  /// Only static members have one; it keeps a restart from starting a rebalance.
  package var groupInstanceID: String?

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&groupID)
    try wire.field(&generationID)
    try wire.field(&memberID)
    if wire.version >= 3 { try wire.field(&groupInstanceID) }
    try wire.tags()
  }
}

package struct HeartbeatResponse: Response {
  package static let api = HeartbeatRequest.api

  package var throttleTimeMs: Int32 = 0
  package var errorCode = ErrorCode.none

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    if wire.version >= 1 { try wire.field(&throttleTimeMs) }
    try wire.field(&errorCode)
    try wire.tags()
  }
}
