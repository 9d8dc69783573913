package import Model

/// Asks for the state and the members of consumer groups of the new protocol (KIP-848).
package struct ConsumerGroupDescribeRequest: Request {
  package typealias Answer = ConsumerGroupDescribeResponse
  package static let api = Api(key: 69, versions: 0...0, flexibleFrom: 0)

  package var groupIDs: [String] = []
  package var includeAuthorizedOperations = false

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&groupIDs)
    try wire.field(&includeAuthorizedOperations)
    try wire.tags()
  }
}

package struct ConsumerGroupDescribeResponse: Response {
  package static let api = ConsumerGroupDescribeRequest.api

  package var throttleTimeMs: Int32 = 0
  package var groups: [Group] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&groups)
    try wire.tags()
  }

  package struct Group: WireStruct {
    package var errorCode = ErrorCode.none
    package var errorMessage: String?
    package var groupID = ""
    /// Kafka's names: `Empty`, `Assigning`, `Reconciling`, `Stable`, `Dead`.
    package var groupState = ""
    package var groupEpoch: Int32 = 0
    package var assignmentEpoch: Int32 = 0
    package var assignorName = ""
    package var members: [Member] = []
    /// A bit for each operation; `Int32.min` when it was not asked for.
    package var authorizedOperations = Int32.min

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&errorCode)
      try wire.field(&errorMessage)
      try wire.field(&groupID)
      try wire.field(&groupState)
      try wire.field(&groupEpoch)
      try wire.field(&assignmentEpoch)
      try wire.field(&assignorName)
      try wire.field(&members)
      try wire.field(&authorizedOperations)
      try wire.tags()
    }
  }

  package struct Member: WireStruct {
    package var memberID = ""
    package var instanceID: String?
    package var rackID: String?
    package var memberEpoch: Int32 = 0
    package var clientID = ""
    package var clientHost = ""
    package var subscribedTopicNames: [String] = []
    package var subscribedTopicRegex: String?
    package var assignment = Assignment()
    package var targetAssignment = Assignment()

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&memberID)
      try wire.field(&instanceID)
      try wire.field(&rackID)
      try wire.field(&memberEpoch)
      try wire.field(&clientID)
      try wire.field(&clientHost)
      try wire.field(&subscribedTopicNames)
      try wire.field(&subscribedTopicRegex)
      try wire.field(&assignment)
      try wire.field(&targetAssignment)
      try wire.tags()
    }
  }

  package struct Assignment: WireStruct {
    package var topicPartitions: [TopicPartitions] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&topicPartitions)
      try wire.tags()
    }
  }

  package struct TopicPartitions: WireStruct {
    package var topicID = TopicID.zero
    package var topicName = ""
    package var partitions: [Int32] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&topicID)
      try wire.field(&topicName)
      try wire.field(&partitions)
      try wire.tags()
    }
  }
}
