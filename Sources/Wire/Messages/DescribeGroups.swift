package import Model
package import NIOCore

/// Asks for the state and the members of groups.
package struct DescribeGroupsRequest: Request {
  package typealias Answer = DescribeGroupsResponse
  package static let api = Api(key: 15, versions: 0...5, flexibleFrom: 5)

  package var groups: [String] = []
  package var includeAuthorizedOperations = false

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&groups)
    if wire.version >= 3 { try wire.field(&includeAuthorizedOperations) }
    try wire.tags()
  }
}

package struct DescribeGroupsResponse: Response {
  package static let api = DescribeGroupsRequest.api

  package var throttleTimeMs: Int32 = 0
  package var groups: [Group] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    if wire.version >= 1 { try wire.field(&throttleTimeMs) }
    try wire.field(&groups)
    try wire.tags()
  }

  package struct Group: WireStruct {
    package var errorCode = ErrorCode.none
    package var groupID = ""
    /// Kafka's names: `PreparingRebalance`, `CompletingRebalance`, `Stable`, `Empty`, `Dead`.
    package var groupState = ""
    package var protocolType = ""
    package var protocolData = ""
    package var members: [Member] = []
    package var authorizedOperations: Int32 = .min

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&errorCode)
      try wire.field(&groupID)
      try wire.field(&groupState)
      try wire.field(&protocolType)
      try wire.field(&protocolData)
      try wire.field(&members)
      if wire.version >= 3 { try wire.field(&authorizedOperations) }
      try wire.tags()
    }
  }

  package struct Member: WireStruct {
    package var memberID = ""
    /// Only static members have one; it keeps a restart from starting a rebalance.
    package var groupInstanceID: String?
    package var clientID = ""
    package var clientHost = ""
    package var memberMetadata = ByteBuffer()
    package var memberAssignment = ByteBuffer()

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&memberID)
      if wire.version >= 4 { try wire.field(&groupInstanceID) }
      try wire.field(&clientID)
      try wire.field(&clientHost)
      try wire.field(&memberMetadata)
      try wire.field(&memberAssignment)
      try wire.tags()
    }
  }
}
