package import Model
package import NIOCore

/// A member joins a consumer group, or joins again in a rebalance.
package struct JoinGroupRequest: Request {
  package typealias Answer = JoinGroupResponse
  package static let api = Api(key: 11, versions: 0...9, flexibleFrom: 6)

  package var groupID = ""
  package var sessionTimeoutMs: Int32 = 0
  /// -1 in version 0, where the session timeout stands for it.
  package var rebalanceTimeoutMs: Int32 = -1
  /// Empty for a member the coordinator does not know yet.
  package var memberID = ""
  /// Only static members have one; it keeps a restart from starting a rebalance.
  package var groupInstanceID: String?
  package var protocolType = ""
  /// In the order of preference.
  package var protocols: [GroupProtocol] = []
  package var reason: String?

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&groupID)
    try wire.field(&sessionTimeoutMs)
    if wire.version >= 1 { try wire.field(&rebalanceTimeoutMs) }
    try wire.field(&memberID)
    if wire.version >= 5 { try wire.field(&groupInstanceID) }
    try wire.field(&protocolType)
    try wire.field(&protocols)
    if wire.version >= 8 { try wire.field(&reason) }
    try wire.tags()
  }

  package struct GroupProtocol: WireStruct {
    package var name = ""
    /// A `ConsumerProtocolSubscription` when the group's protocol type is `consumer`.
    package var metadata = ByteBuffer()

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&metadata)
      try wire.tags()
    }
  }
}

package struct JoinGroupResponse: Response {
  package static let api = JoinGroupRequest.api

  package var throttleTimeMs: Int32 = 0
  package var errorCode = ErrorCode.none
  package var generationID: Int32 = -1
  package var protocolType: String?
  package var protocolName: String?
  package var leader = ""
  /// A static leader is back with an unchanged subscription and must not assign again.
  package var skipAssignment = false
  package var memberID = ""
  /// For the leader: everyone. For the others: empty.
  package var members: [Member] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    if wire.version >= 2 { try wire.field(&throttleTimeMs) }
    try wire.field(&errorCode)
    try wire.field(&generationID)
    if wire.version >= 7 { try wire.field(&protocolType) }
    try wire.field(&protocolName, nullableFrom: 7)
    try wire.field(&leader)
    if wire.version >= 9 { try wire.field(&skipAssignment) }
    try wire.field(&memberID)
    try wire.field(&members)
    try wire.tags()
  }

  package struct Member: WireStruct {
    package var memberID = ""
    /// Only static members have one; it keeps a restart from starting a rebalance.
    package var groupInstanceID: String?
    package var metadata = ByteBuffer()

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&memberID)
      if wire.version >= 5 { try wire.field(&groupInstanceID) }
      try wire.field(&metadata)
      try wire.tags()
    }
  }
}
