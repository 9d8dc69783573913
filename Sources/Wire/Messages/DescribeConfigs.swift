package import Model

/// Asks for the configuration of topics or brokers.
package struct DescribeConfigsRequest: Request {
  package typealias Answer = DescribeConfigsResponse
  package static let api = Api(key: 32, versions: 0...4, flexibleFrom: 4)

  package var resources: [Resource] = []
  package var includeSynonyms = false
  package var includeDocumentation = false

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&resources)
    if wire.version >= 1 { try wire.field(&includeSynonyms) }
    if wire.version >= 3 { try wire.field(&includeDocumentation) }
    try wire.tags()
  }

  package struct Resource: WireStruct {
    /// 2: topic; 4: broker; 8: broker logger.
    package var resourceType: Int8 = 0
    /// A topic's name, or a broker's id; empty: the brokers' common default.
    package var resourceName = ""
    /// Nil: all of them.
    package var configurationKeys: [String]?

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&resourceType)
      try wire.field(&resourceName)
      try wire.field(&configurationKeys)
      try wire.tags()
    }
  }
}

package struct DescribeConfigsResponse: Response {
  package static let api = DescribeConfigsRequest.api

  package var throttleTimeMs: Int32 = 0
  package var results: [Resource] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&results)
    try wire.tags()
  }

  package struct Resource: WireStruct {
    package var errorCode = ErrorCode.none
    package var errorMessage: String?
    /// 2: topic; 4: broker; 8: broker logger.
    package var resourceType: Int8 = 0
    package var resourceName = ""
    package var configs: [Config] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&errorCode)
      try wire.field(&errorMessage)
      try wire.field(&resourceType)
      try wire.field(&resourceName)
      try wire.field(&configs)
      try wire.tags()
    }
  }

  package struct Config: WireStruct {
    package var name = ""
    package var value: String?
    package var readOnly = false
    package var isDefault = false
    /// 1: topic; 2: dynamic broker; 3: dynamic default of brokers; 4: static (server.properties); 5: default; 6: dynamic broker logger; -1: unknown.
    package var configSource: Int8 = -1
    package var isSensitive = false
    /// Where else the value could come from, the strongest first.
    package var synonyms: [Synonym] = []
    /// 0: unknown; 1: boolean; 2: string; 3: int; 4: short; 5: long; 6: double; 7: list; 8: class; 9: password.
    package var configType: Int8 = 0
    package var documentation: String?

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&value)
      try wire.field(&readOnly)
      if wire.version == 0 { try wire.field(&isDefault) }
      if wire.version >= 1 { try wire.field(&configSource) }
      try wire.field(&isSensitive)
      if wire.version >= 1 { try wire.field(&synonyms) }
      if wire.version >= 3 {
        try wire.field(&configType)
        try wire.field(&documentation)
      }
      try wire.tags()
    }
  }

  package struct Synonym: WireStruct {
    package var name = ""
    package var value: String?
    /// As `configSource`.
    package var source: Int8 = 0

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&value)
      try wire.field(&source)
      try wire.tags()
    }
  }
}
