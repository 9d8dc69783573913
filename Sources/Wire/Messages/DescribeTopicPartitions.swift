package import Model

/// Asks for topics page by page.
package struct DescribeTopicPartitionsRequest: Request {
  package typealias Answer = DescribeTopicPartitionsResponse
  package static let api = Api(key: 75, versions: 0...0, flexibleFrom: 0)

  package var topics: [Topic] = []
  package var responsePartitionLimit: Int32 = 2000
  /// Where to go on; nil: at the start.
  package var cursor: Cursor?

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&topics)
    try wire.field(&responsePartitionLimit)
    try wire.field(&cursor)
    try wire.tags()
  }

  package struct Topic: WireStruct {
    package var name = ""

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.tags()
    }
  }

  package struct Cursor: WireStruct {
    package var topicName = ""
    package var partitionIndex: Int32 = 0

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&topicName)
      try wire.field(&partitionIndex)
      try wire.tags()
    }
  }
}

package struct DescribeTopicPartitionsResponse: Response {
  package static let api = DescribeTopicPartitionsRequest.api

  package var throttleTimeMs: Int32 = 0
  package var topics: [Topic] = []
  /// Where the next page starts; nil: this was the last.
  package var nextCursor: Cursor?

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&topics)
    try wire.field(&nextCursor)
    try wire.tags()
  }

  package struct Topic: WireStruct {
    package var errorCode = ErrorCode.none
    package var name: String?
    package var topicID = UUID128.zero
    package var isInternal = false
    package var partitions: [Partition] = []
    package var topicAuthorizedOperations: Int32 = .min

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&errorCode)
      try wire.field(&name)
      try wire.field(&topicID)
      try wire.field(&isInternal)
      try wire.field(&partitions)
      try wire.field(&topicAuthorizedOperations)
      try wire.tags()
    }
  }

  package struct Cursor: WireStruct {
    package var topicName = ""
    package var partitionIndex: Int32 = 0

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&topicName)
      try wire.field(&partitionIndex)
      try wire.tags()
    }
  }

  package struct Partition: WireStruct {
    package var errorCode = ErrorCode.none
    package var partitionIndex: Int32 = 0
    package var leaderID: Int32 = 0
    package var leaderEpoch: Int32 = -1
    package var replicaNodes: [Int32] = []
    package var isrNodes: [Int32] = []
    package var eligibleLeaderReplicas: [Int32]?
    package var lastKnownElr: [Int32]?
    package var offlineReplicas: [Int32] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&errorCode)
      try wire.field(&partitionIndex)
      try wire.field(&leaderID)
      try wire.field(&leaderEpoch)
      try wire.field(&replicaNodes)
      try wire.field(&isrNodes)
      try wire.field(&eligibleLeaderReplicas)
      try wire.field(&lastKnownElr)
      try wire.field(&offlineReplicas)
      try wire.tags()
    }
  }
}
