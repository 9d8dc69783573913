package import Model

/// Adds entries to ACLs.
package struct CreateAclsRequest: Request {
  package typealias Answer = CreateAclsResponse
  package static let api = Api(key: 30, versions: 0...3, flexibleFrom: 2)

  package var creations: [Creation] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&creations)
    try wire.tags()
  }

  package struct Creation: WireStruct {
    package var resourceType: Int8 = 0
    package var resourceName = ""
    /// 3: literal; 4: prefixed.
    package var resourcePatternType: Int8 = 3
    package var principal = ""
    package var host = ""
    package var operation: Int8 = 0
    /// 2: deny; 3: allow.
    package var permissionType: Int8 = 0

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&resourceType)
      try wire.field(&resourceName)
      if wire.version >= 1 { try wire.field(&resourcePatternType) }
      try wire.field(&principal)
      try wire.field(&host)
      try wire.field(&operation)
      try wire.field(&permissionType)
      try wire.tags()
    }
  }
}

package struct CreateAclsResponse: Response {
  package static let api = CreateAclsRequest.api

  package var throttleTimeMs: Int32 = 0
  /// In the order of the request's creations.
  package var results: [Result] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&results)
    try wire.tags()
  }

  package struct Result: WireStruct {
    package var errorCode = ErrorCode.none
    package var errorMessage: String?

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&errorCode)
      try wire.field(&errorMessage)
      try wire.tags()
    }
  }
}
