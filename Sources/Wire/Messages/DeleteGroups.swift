package import Model

/// Deletes empty groups and their offsets.
package struct DeleteGroupsRequest: Request {
  package typealias Answer = DeleteGroupsResponse
  package static let api = Api(key: 42, versions: 0...2, flexibleFrom: 2)

  package var groupsNames: [String] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&groupsNames)
    try wire.tags()
  }
}

package struct DeleteGroupsResponse: Response {
  package static let api = DeleteGroupsRequest.api

  package var throttleTimeMs: Int32 = 0
  package var results: [Group] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&results)
    try wire.tags()
  }

  package struct Group: WireStruct {
    package var groupID = ""
    package var errorCode = ErrorCode.none

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&groupID)
      try wire.field(&errorCode)
      try wire.tags()
    }
  }
}
