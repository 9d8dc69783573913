package import Model

/// Members leave their consumer group.
package struct LeaveGroupRequest: Request {
  package typealias Answer = LeaveGroupResponse
  package static let api = Api(key: 13, versions: 0...5, flexibleFrom: 4)

  package var groupID = ""
  package var memberID = ""
  package var members: [Member] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&groupID)
    if wire.version <= 2 { try wire.field(&memberID) }
    if wire.version >= 3 { try wire.field(&members) }
    try wire.tags()
  }

  package struct Member: WireStruct {
    package var memberID = ""
    /// Only static members have one; it keeps a restart from starting a rebalance.
    package var groupInstanceID: String?
    package var reason: String?

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&memberID)
      try wire.field(&groupInstanceID)
      if wire.version >= 5 { try wire.field(&reason) }
      try wire.tags()
    }
  }
}

package struct LeaveGroupResponse: Response {
  package static let api = LeaveGroupRequest.api

  package var throttleTimeMs: Int32 = 0
  package var errorCode = ErrorCode.none
  package var members: [Member] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    if wire.version >= 1 { try wire.field(&throttleTimeMs) }
    try wire.field(&errorCode)
    if wire.version >= 3 { try wire.field(&members) }
    try wire.tags()
  }

  package struct Member: WireStruct {
    package var memberID = ""
    /// Only static members have one; it keeps a restart from starting a rebalance.
    package var groupInstanceID: String?
    package var errorCode = ErrorCode.none

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&memberID)
      try wire.field(&groupInstanceID)
      try wire.field(&errorCode)
      try wire.tags()
    }
  }
}
