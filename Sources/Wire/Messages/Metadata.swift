package import Model

/// Asks for the brokers, and for topics with their partitions and leaders.
package struct MetadataRequest: Request {
  package typealias Answer = MetadataResponse
  package static let api = Api(key: 3, versions: 0...12, flexibleFrom: 9)

  /// Nil: all topics. In version 0, which has no null, the empty array means all; from version 1 it means none.
  package var topics: [Topic]?
  /// Before version 4 always true.
  package var allowAutoTopicCreation = true
  package var includeClusterAuthorizedOperations = false
  package var includeTopicAuthorizedOperations = false

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&topics, nullableFrom: 1)
    if wire.version >= 4 { try wire.field(&allowAutoTopicCreation) }
    if (8...10).contains(wire.version) { try wire.field(&includeClusterAuthorizedOperations) }
    if wire.version >= 8 { try wire.field(&includeTopicAuthorizedOperations) }
    try wire.tags()
  }

  package struct Topic: WireStruct {
    package var topicID = UUID128.zero
    /// From version 12 nil when the topic is asked for by its id.
    package var name: String?

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      if wire.version >= 10 { try wire.field(&topicID) }
      try wire.field(&name, nullableFrom: 10)
      try wire.tags()
    }
  }
}

package struct MetadataResponse: Response {
  package static let api = MetadataRequest.api

  package var throttleTimeMs: Int32 = 0
  package var brokers: [Broker] = []
  package var clusterID: String?
  package var controllerID: Int32 = -1
  package var topics: [Topic] = []
  /// A set of bits; `.min`: not asked for.
  package var clusterAuthorizedOperations: Int32 = .min

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    if wire.version >= 3 { try wire.field(&throttleTimeMs) }
    try wire.field(&brokers)
    if wire.version >= 2 { try wire.field(&clusterID) }
    if wire.version >= 1 { try wire.field(&controllerID) }
    try wire.field(&topics)
    if (8...10).contains(wire.version) { try wire.field(&clusterAuthorizedOperations) }
    try wire.tags()
  }

  package struct Broker: WireStruct {
    package var nodeID: Int32 = 0
    package var host = ""
    package var port: Int32 = 0
    package var rack: String?

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&nodeID)
      try wire.field(&host)
      try wire.field(&port)
      if wire.version >= 1 { try wire.field(&rack) }
      try wire.tags()
    }
  }

  package struct Topic: WireStruct {
    package var errorCode = ErrorCode.none
    /// Nil when the topic was asked for by an id nobody knows (version 12).
    package var name: String?
    package var topicID = UUID128.zero
    package var isInternal = false
    package var partitions: [Partition] = []
    /// A set of bits; `.min`: not asked for.
    package var topicAuthorizedOperations: Int32 = .min

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&errorCode)
      try wire.field(&name, nullableFrom: 12)
      if wire.version >= 10 { try wire.field(&topicID) }
      if wire.version >= 1 { try wire.field(&isInternal) }
      try wire.field(&partitions)
      if wire.version >= 8 { try wire.field(&topicAuthorizedOperations) }
      try wire.tags()
    }
  }

  package struct Partition: WireStruct {
    package var errorCode = ErrorCode.none
    package var partitionIndex: Int32 = 0
    /// -1: no leader.
    package var leaderID: Int32 = 0
    package var leaderEpoch: Int32 = -1
    package var replicaNodes: [Int32] = []
    package var isrNodes: [Int32] = []
    package var offlineReplicas: [Int32] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&errorCode)
      try wire.field(&partitionIndex)
      try wire.field(&leaderID)
      if wire.version >= 7 { try wire.field(&leaderEpoch) }
      try wire.field(&replicaNodes)
      try wire.field(&isrNodes)
      if wire.version >= 5 { try wire.field(&offlineReplicas) }
      try wire.tags()
    }
  }
}
