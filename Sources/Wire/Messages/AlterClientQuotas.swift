package import Model

/// Sets and removes quotas of users, client ids and addresses.
package struct AlterClientQuotasRequest: Request {
  package typealias Answer = AlterClientQuotasResponse
  package static let api = Api(key: 49, versions: 0...1, flexibleFrom: 1)

  package var entries: [Entry] = []
  /// Check and answer, change nothing.
  package var validateOnly = false

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&entries)
    try wire.field(&validateOnly)
    try wire.tags()
  }

  package struct Entry: WireStruct {
    package var entity: [Entity] = []
    package var ops: [Operation] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&entity)
      try wire.field(&ops)
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

  package struct Operation: WireStruct {
    package var key = ""
    package var value: Double = 0
    package var remove = false

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&key)
      try wire.field(&value)
      try wire.field(&remove)
      try wire.tags()
    }
  }
}

package struct AlterClientQuotasResponse: Response {
  package static let api = AlterClientQuotasRequest.api

  package var throttleTimeMs: Int32 = 0
  package var entries: [Entry] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&entries)
    try wire.tags()
  }

  package struct Entry: WireStruct {
    package var errorCode = ErrorCode.none
    package var errorMessage: String?
    package var entity: [AlterClientQuotasRequest.Entity] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&errorCode)
      try wire.field(&errorMessage)
      try wire.field(&entity)
      try wire.tags()
    }
  }
}
