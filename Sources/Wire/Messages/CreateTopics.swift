package import Model

/// Creates topics; sent to the controller.
package struct CreateTopicsRequest: Request {
  package typealias Answer = CreateTopicsResponse
  package static let api = Api(key: 19, versions: 0...7, flexibleFrom: 5)

  package var topics: [Topic] = []
  package var timeoutMs: Int32 = 60000
  /// Check and answer, change nothing.
  package var validateOnly = false

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&topics)
    try wire.field(&timeoutMs)
    if wire.version >= 1 { try wire.field(&validateOnly) }
    try wire.tags()
  }

  package struct Topic: WireStruct {
    package var name = ""
    /// -1: the broker's default, or as many as are assigned.
    package var numPartitions: Int32 = 0
    /// -1: the broker's default, or as assigned.
    package var replicationFactor: Int16 = 0
    /// By hand; empty: the controller chooses.
    package var assignments: [Assignment] = []
    package var configs: [Config] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&numPartitions)
      try wire.field(&replicationFactor)
      try wire.field(&assignments)
      try wire.field(&configs)
      try wire.tags()
    }
  }

  package struct Assignment: WireStruct {
    package var partitionIndex: Int32 = 0
    package var brokerIDs: [Int32] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partitionIndex)
      try wire.field(&brokerIDs)
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

package struct CreateTopicsResponse: Response {
  package static let api = CreateTopicsRequest.api

  package var throttleTimeMs: Int32 = 0
  package var topics: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    if wire.version >= 2 { try wire.field(&throttleTimeMs) }
    try wire.field(&topics)
    try wire.tags()
  }

  package struct Topic: WireStruct {
    package var name = ""
    package var topicID = UUID128.zero
    package var errorCode = ErrorCode.none
    package var errorMessage: String?
    /// Why `configs` are not told.
    package var topicConfigErrorCode = ErrorCode.none
    package var numPartitions: Int32 = -1
    package var replicationFactor: Int16 = -1
    /// Nil when the topic was not created.
    package var configs: [Config]?

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      if wire.version >= 7 { try wire.field(&topicID) }
      try wire.field(&errorCode)
      if wire.version >= 1 { try wire.field(&errorMessage) }
      if wire.version >= 5 {
        try wire.field(&numPartitions)
        try wire.field(&replicationFactor)
        try wire.field(&configs)
      }
      try wire.tags { (wire) throws(WireError) in
        try wire.tag(0, &topicConfigErrorCode)
      }
    }
  }

  package struct Config: WireStruct {
    package var name = ""
    package var value: String?
    package var readOnly = false
    /// 1: topic; 2: dynamic broker; 3: dynamic default of brokers; 4: static (server.properties); 5: default; 6: dynamic broker logger; -1: unknown.
    package var configSource: Int8 = -1
    package var isSensitive = false

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&value)
      try wire.field(&readOnly)
      try wire.field(&configSource)
      try wire.field(&isSensitive)
      try wire.tags()
    }
  }
}
