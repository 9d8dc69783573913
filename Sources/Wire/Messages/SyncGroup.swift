package import Model
package import NIOCore

/// A member asks for its assignment; the leader's request carries everyone's.
package struct SyncGroupRequest: Request {
  package typealias Answer = SyncGroupResponse
  package static let api = Api(key: 14, versions: 0...5, flexibleFrom: 4)

  package var groupID = ""
  package var generationID: Int32 = 0
  package var memberID = ""
  /// Only static members have one; it keeps a restart from starting a rebalance.
  package var groupInstanceID: String?
  package var protocolType: String?
  package var protocolName: String?
  /// From the leader only.
  package var assignments: [Assignment] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&groupID)
    try wire.field(&generationID)
    try wire.field(&memberID)
    if wire.version >= 3 { try wire.field(&groupInstanceID) }
    if wire.version >= 5 {
      try wire.field(&protocolType)
      try wire.field(&protocolName)
    }
    try wire.field(&assignments)
    try wire.tags()
  }

  package struct Assignment: WireStruct {
    package var memberID = ""
    /// A `ConsumerProtocolAssignment` when the group's protocol type is `consumer`.
    package var assignment = ByteBuffer()

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&memberID)
      try wire.field(&assignment)
      try wire.tags()
    }
  }
}

package struct SyncGroupResponse: Response {
  package static let api = SyncGroupRequest.api

  package var throttleTimeMs: Int32 = 0
  package var errorCode = ErrorCode.none
  package var protocolType: String?
  package var protocolName: String?
  /// A `ConsumerProtocolAssignment` when the group's protocol type is `consumer`.
  package var assignment = ByteBuffer()

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    if wire.version >= 1 { try wire.field(&throttleTimeMs) }
    try wire.field(&errorCode)
    if wire.version >= 5 {
      try wire.field(&protocolType)
      try wire.field(&protocolName)
    }
    try wire.field(&assignment)
    try wire.tags()
  }
}
