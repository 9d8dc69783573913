package import Model

/// The controller tells a broker to stop replicas, and perhaps delete them.
package struct StopReplicaRequest: Request {
  package typealias Answer = StopReplicaResponse
  package static let api = Api(key: 5, versions: 0...4, flexibleFrom: 2)

  package var controllerID: Int32 = 0
  package var isKRaftController = false
  package var controllerEpoch: Int32 = 0
  package var brokerEpoch: Int64 = -1
  /// For all of them; from version 3 each partition says so for itself.
  package var deletePartitions = false
  package var ungroupedPartitions: [PartitionV0] = []
  package var topics: [TopicV1] = []
  package var topicStates: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&controllerID)
    if wire.version >= 4 { try wire.field(&isKRaftController) }
    try wire.field(&controllerEpoch)
    if wire.version >= 1 { try wire.field(&brokerEpoch) }
    if wire.version <= 2 { try wire.field(&deletePartitions) }
    if wire.version == 0 { try wire.field(&ungroupedPartitions) }
    if (1...2).contains(wire.version) { try wire.field(&topics) }
    if wire.version >= 3 { try wire.field(&topicStates) }
    try wire.tags()
  }

  package struct PartitionV0: WireStruct {
    package var topicName = ""
    package var partitionIndex: Int32 = 0

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&topicName)
      try wire.field(&partitionIndex)
    }
  }

  package struct TopicV1: WireStruct {
    package var name = ""
    package var partitionIndexes: [Int32] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&partitionIndexes)
      try wire.tags()
    }
  }

  package struct Topic: WireStruct {
    package var topicName = ""
    package var partitionStates: [Partition] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&topicName)
      try wire.field(&partitionStates)
      try wire.tags()
    }
  }

  package struct Partition: WireStruct {
    package var partitionIndex: Int32 = 0
    package var leaderEpoch: Int32 = -1
    package var deletePartition = false

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partitionIndex)
      try wire.field(&leaderEpoch)
      try wire.field(&deletePartition)
      try wire.tags()
    }
  }
}

package struct StopReplicaResponse: Response {
  package static let api = StopReplicaRequest.api

  package var errorCode = ErrorCode.none
  package var partitionErrors: [Partition] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&errorCode)
    try wire.field(&partitionErrors)
    try wire.tags()
  }

  package struct Partition: WireStruct {
    package var topicName = ""
    package var partitionIndex: Int32 = 0
    package var errorCode = ErrorCode.none

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&topicName)
      try wire.field(&partitionIndex)
      try wire.field(&errorCode)
      try wire.tags()
    }
  }
}
