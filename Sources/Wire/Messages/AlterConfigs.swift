package import Model

/// Replaces the whole dynamic configuration of topics or brokers: what is not named goes back to its default.
package struct AlterConfigsRequest: Request {
  package typealias Answer = AlterConfigsResponse
  package static let api = Api(key: 33, versions: 0...2, flexibleFrom: 2)

  package var resources: [Resource] = []
  /// Check and answer, change nothing.
  package var validateOnly = false

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&resources)
    try wire.field(&validateOnly)
    try wire.tags()
  }

  package struct Resource: WireStruct {
    /// 2: topic; 4: broker; 8: broker logger.
    package var resourceType: Int8 = 0
    package var resourceName = ""
    package var configs: [Config] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&resourceType)
      try wire.field(&resourceName)
      try wire.field(&configs)
      try wire.tags()
    }
  }

  package struct Config: WireStruct {
    package var name = ""
    package var value: String?

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&value)
      try wire.tags()
    }
  }
}

package struct AlterConfigsResponse: Response {
  package static let api = AlterConfigsRequest.api

  package var throttleTimeMs: Int32 = 0
  package var responses: [Resource] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&responses)
    try wire.tags()
  }

  package struct Resource: WireStruct {
    package var errorCode = ErrorCode.none
    package var errorMessage: String?
    /// 2: topic; 4: broker; 8: broker logger.
    package var resourceType: Int8 = 0
    package var resourceName = ""

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&errorCode)
      try wire.field(&errorMessage)
      try wire.field(&resourceType)
      try wire.field(&resourceName)
      try wire.tags()
    }
  }
}
