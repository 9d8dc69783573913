package import Model

/// Deletes topics, by name or (from version 6) by id; sent to the controller.
package struct DeleteTopicsRequest: Request {
  package typealias Answer = DeleteTopicsResponse
  package static let api = Api(key: 20, versions: 0...6, flexibleFrom: 4)

  package var topics: [Topic] = []
  /// Until version 5; later `topics`.
  package var topicNames: [String] = []
  package var timeoutMs: Int32 = 0

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    if wire.version >= 6 { try wire.field(&topics) }
    if wire.version <= 5 { try wire.field(&topicNames) }
    try wire.field(&timeoutMs)
    try wire.tags()
  }

  package struct Topic: WireStruct {
    /// Nil when the topic is named by its id.
    package var name: String?
    package var topicID = UUID128.zero

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&topicID)
      try wire.tags()
    }
  }
}

package struct DeleteTopicsResponse: Response {
  package static let api = DeleteTopicsRequest.api

  package var throttleTimeMs: Int32 = 0
  package var responses: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    if wire.version >= 1 { try wire.field(&throttleTimeMs) }
    try wire.field(&responses)
    try wire.tags()
  }

  package struct Topic: WireStruct {
    /// Nil when the topic was named by an id nobody knows.
    package var name: String?
    package var topicID = UUID128.zero
    package var errorCode = ErrorCode.none
    package var errorMessage: String?

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name, nullableFrom: 6)
      if wire.version >= 6 { try wire.field(&topicID) }
      try wire.field(&errorCode)
      if wire.version >= 5 { try wire.field(&errorMessage) }
      try wire.tags()
    }
  }
}
