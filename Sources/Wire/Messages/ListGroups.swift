package import Model

/// Asks which groups a broker coordinates.
package struct ListGroupsRequest: Request {
  package typealias Answer = ListGroupsResponse
  package static let api = Api(key: 16, versions: 0...5, flexibleFrom: 3)

  /// Empty: groups in every state.
  package var statesFilter: [String] = []
  /// Empty: groups of every type.
  package var typesFilter: [String] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    if wire.version >= 4 { try wire.field(&statesFilter) }
    if wire.version >= 5 { try wire.field(&typesFilter) }
    try wire.tags()
  }
}

package struct ListGroupsResponse: Response {
  package static let api = ListGroupsRequest.api

  package var throttleTimeMs: Int32 = 0
  package var errorCode = ErrorCode.none
  package var groups: [Group] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    if wire.version >= 1 { try wire.field(&throttleTimeMs) }
    try wire.field(&errorCode)
    try wire.field(&groups)
    try wire.tags()
  }

  package struct Group: WireStruct {
    package var groupID = ""
    package var protocolType = ""
    package var groupState = ""
    package var groupType = ""

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&groupID)
      try wire.field(&protocolType)
      if wire.version >= 4 { try wire.field(&groupState) }
      if wire.version >= 5 { try wire.field(&groupType) }
      try wire.tags()
    }
  }
}
