package import Model

/// Joins, keeps and leaves the membership of a consumer group of the new protocol (KIP-848). Fields that have not changed are null.
package struct ConsumerGroupHeartbeatRequest: Request {
  package typealias Answer = ConsumerGroupHeartbeatResponse
  package static let api = Api(key: 68, versions: 0...1, flexibleFrom: 0)

  package var groupID = ""
  /// In version 0 empty in a member's first heartbeat: the coordinator chooses it.
  package var memberID = ""
  /// 0 joins, -1 leaves, -2 leaves a static member's place for it to come back.
  package var memberEpoch: Int32 = 0
  package var instanceID: String?
  package var rackID: String?
  /// In milliseconds; -1: as before.
  package var rebalanceTimeoutMs: Int32 = -1
  package var subscribedTopicNames: [String]?
  package var subscribedTopicRegex: String?
  package var serverAssignor: String?
  /// The partitions that the member has.
  package var topicPartitions: [TopicIDPartitions]?

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&groupID)
    try wire.field(&memberID)
    try wire.field(&memberEpoch)
    try wire.field(&instanceID)
    try wire.field(&rackID)
    try wire.field(&rebalanceTimeoutMs)
    try wire.field(&subscribedTopicNames)
    if wire.version >= 1 { try wire.field(&subscribedTopicRegex) }
    try wire.field(&serverAssignor)
    try wire.field(&topicPartitions)
    try wire.tags()
  }
}

package struct ConsumerGroupHeartbeatResponse: Response {
  package static let api = ConsumerGroupHeartbeatRequest.api

  package var throttleTimeMs: Int32 = 0
  package var errorCode = ErrorCode.none
  package var errorMessage: String?
  package var memberID: String?
  package var memberEpoch: Int32 = 0
  package var heartbeatIntervalMs: Int32 = 0
  /// Nil when it has not changed.
  package var assignment: Assignment?

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&errorCode)
    try wire.field(&errorMessage)
    try wire.field(&memberID)
    try wire.field(&memberEpoch)
    try wire.field(&heartbeatIntervalMs)
    try wire.field(&assignment)
    try wire.tags()
  }

  package struct Assignment: WireStruct {
    package var topicPartitions: [TopicIDPartitions] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&topicPartitions)
      try wire.tags()
    }
  }
}
