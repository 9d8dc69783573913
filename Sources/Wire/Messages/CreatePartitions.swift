package import Model

/// Raises the number of partitions of topics.
package struct CreatePartitionsRequest: Request {
  package typealias Answer = CreatePartitionsResponse
  package static let api = Api(key: 37, versions: 0...3, flexibleFrom: 2)

  package var topics: [Topic] = []
  package var timeoutMs: Int32 = 0
  /// Check and answer, change nothing.
  package var validateOnly = false

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&topics)
    try wire.field(&timeoutMs)
    try wire.field(&validateOnly)
    try wire.tags()
  }

  package struct Topic: WireStruct {
    package var name = ""
    /// The new total.
    package var count: Int32 = 0
    /// Of the new partitions only; nil: the controller chooses.
    package var assignments: [Assignment]?

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&count)
      try wire.field(&assignments)
      try wire.tags()
    }
  }

  package struct Assignment: WireStruct {
    package var brokerIDs: [Int32] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&brokerIDs)
      try wire.tags()
    }
  }
}

package struct CreatePartitionsResponse: Response {
  package static let api = CreatePartitionsRequest.api

  package var throttleTimeMs: Int32 = 0
  package var results: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&results)
    try wire.tags()
  }

  package struct Topic: WireStruct {
    package var name = ""
    package var errorCode = ErrorCode.none
    package var errorMessage: String?

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&errorCode)
      try wire.field(&errorMessage)
      try wire.tags()
    }
  }
}
