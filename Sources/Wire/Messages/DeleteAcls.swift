package import Model

/// Removes the entries of ACLs that match filters.
package struct DeleteAclsRequest: Request {
  package typealias Answer = DeleteAclsResponse
  package static let api = Api(key: 31, versions: 0...3, flexibleFrom: 2)

  package var filters: [Filter] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&filters)
    try wire.tags()
  }

  package struct Filter: WireStruct {
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
}

package struct DeleteAclsResponse: Response {
  package static let api = DeleteAclsRequest.api

  package var throttleTimeMs: Int32 = 0
  /// In the order of the request's filters.
  package var filterResults: [FilterResult] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&filterResults)
    try wire.tags()
  }

  package struct FilterResult: WireStruct {
    package var errorCode = ErrorCode.none
    package var errorMessage: String?
    package var matchingAcls: [MatchingAcl] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&errorCode)
      try wire.field(&errorMessage)
      try wire.field(&matchingAcls)
      try wire.tags()
    }
  }

  /// An entry that was removed.
  package struct MatchingAcl: WireStruct {
    package var errorCode = ErrorCode.none
    package var errorMessage: String?
    package var resourceType: Int8 = 0
    package var resourceName = ""
    /// 3: literal; 4: prefixed.
    package var patternType: Int8 = 3
    package var principal = ""
    package var host = ""
    package var operation: Int8 = 0
    /// 2: deny; 3: allow.
    package var permissionType: Int8 = 0

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&errorCode)
      try wire.field(&errorMessage)
      try wire.field(&resourceType)
      try wire.field(&resourceName)
      if wire.version >= 1 { try wire.field(&patternType) }
      try wire.field(&principal)
      try wire.field(&host)
      try wire.field(&operation)
      try wire.field(&permissionType)
      try wire.tags()
    }
  }
}
