package import Model

/// Asks which ACLs match a filter.
package struct DescribeAclsRequest: Request {
  package typealias Answer = DescribeAclsResponse
  package static let api = Api(key: 29, versions: 0...3, flexibleFrom: 2)

  /// The number of the resource's type; 1: any.
  package var resourceTypeFilter: Int8 = 0
  /// nil: any.
  package var resourceNameFilter: String?
  /// 1: any; 2: match; 3: literal; 4: prefixed.
  package var patternTypeFilter: Int8 = 3
  /// nil: any.
  package var principalFilter: String?
  /// nil: any.
  package var hostFilter: String?
  /// 1: any.
  package var operation: Int8 = 0
  /// 1: any; 2: deny; 3: allow.
  package var permissionType: Int8 = 0

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&resourceTypeFilter)
    try wire.field(&resourceNameFilter)
    if wire.version >= 1 { try wire.field(&patternTypeFilter) }
    try wire.field(&principalFilter)
    try wire.field(&hostFilter)
    try wire.field(&operation)
    try wire.field(&permissionType)
    try wire.tags()
  }
}

package struct DescribeAclsResponse: Response {
  package static let api = DescribeAclsRequest.api

  package var throttleTimeMs: Int32 = 0
  package var errorCode = ErrorCode.none
  package var errorMessage: String?
  package var resources: [Resource] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&errorCode)
    try wire.field(&errorMessage)
    try wire.field(&resources)
    try wire.tags()
  }

  package struct Resource: WireStruct {
    package var resourceType: Int8 = 0
    package var resourceName = ""
    /// 3: literal; 4: prefixed.
    package var patternType: Int8 = 3
    package var acls: [Acl] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&resourceType)
      try wire.field(&resourceName)
      if wire.version >= 1 { try wire.field(&patternType) }
      try wire.field(&acls)
      try wire.tags()
    }
  }

  package struct Acl: WireStruct {
    package var principal = ""
    package var host = ""
    package var operation: Int8 = 0
    /// 2: deny; 3: allow.
    package var permissionType: Int8 = 0

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&principal)
      try wire.field(&host)
      try wire.field(&operation)
      try wire.field(&permissionType)
      try wire.tags()
    }
  }
}
