package import Model

/// Asks for the quotas of users, client ids and addresses.
package struct DescribeClientQuotasRequest: Request {
  package typealias Answer = DescribeClientQuotasResponse
  package static let api = Api(key: 48, versions: 0...1, flexibleFrom: 1)

  /// An entity must match all of them.
  package var components: [Component] = []
  /// Leaves out entities with parts of a type that no component names.
  package var strict = false

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&components)
    try wire.field(&strict)
    try wire.tags()
  }

  package struct Component: WireStruct {
    /// `user`, `client-id` or `ip`.
    package var entityType = ""
    /// 0: the entity named `match`; 1: the default; 2: any that has a name.
    package var matchType: Int8 = 0
    package var match: String?

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&entityType)
      try wire.field(&matchType)
      try wire.field(&match)
      try wire.tags()
    }
  }
}

package struct DescribeClientQuotasResponse: Response {
  package static let api = DescribeClientQuotasRequest.api

  package var throttleTimeMs: Int32 = 0
  package var errorCode = ErrorCode.none
  package var errorMessage: String?
  /// nil with an error.
  package var entries: [Entry]?

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&errorCode)
    try wire.field(&errorMessage)
    try wire.field(&entries)
    try wire.tags()
  }

  package struct Entry: WireStruct {
    package var entity: [Entity] = []
    package var values: [Value] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&entity)
      try wire.field(&values)
      try wire.tags()
    }
  }

  package struct Entity: WireStruct {
    /// `user`, `client-id` or `ip`.
    package var entityType = ""
    /// nil: the default.
    package var entityName: String?

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&entityType)
      try wire.field(&entityName)
      try wire.tags()
    }
  }

  package struct Value: WireStruct {
    package var key = ""
    package var value: Double = 0

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&key)
      try wire.field(&value)
      try wire.tags()
    }
  }
}
