package import Model

/// The controller tells a broker which partitions it leads or follows.
package struct LeaderAndIsrRequest: Request {
  package typealias Answer = LeaderAndIsrResponse
  package static let api = Api(key: 4, versions: 0...7, flexibleFrom: 4)

  package var controllerID: Int32 = 0
  package var isKRaftController = false
  package var controllerEpoch: Int32 = 0
  package var brokerEpoch: Int64 = -1
  /// 0: unknown; 1: only what changed; 2: everything.
  package var type: Int8 = 0
  /// Versions 0 and 1, each with its topic; later `topicStates`.
  package var ungroupedPartitionStates: [Partition] = []
  package var topicStates: [Topic] = []
  package var liveLeaders: [LiveLeader] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&controllerID)
    if wire.version >= 7 { try wire.field(&isKRaftController) }
    try wire.field(&controllerEpoch)
    if wire.version >= 2 { try wire.field(&brokerEpoch) }
    if wire.version >= 5 { try wire.field(&type) }
    if wire.version <= 1 { try wire.field(&ungroupedPartitionStates) }
    if wire.version >= 2 { try wire.field(&topicStates) }
    try wire.field(&liveLeaders)
    try wire.tags()
  }

  package struct Partition: WireStruct {
    package var topicName = ""
    package var partitionIndex: Int32 = 0
    package var controllerEpoch: Int32 = 0
    package var leader: Int32 = 0
    package var leaderEpoch: Int32 = 0
    package var isr: [Int32] = []
    package var partitionEpoch: Int32 = 0
    package var replicas: [Int32] = []
    package var addingReplicas: [Int32] = []
    package var removingReplicas: [Int32] = []
    package var isNew = false
    /// 0: recovered; 1: elected out of the in-sync set and not yet recovered.
    package var leaderRecoveryState: Int8 = 0

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      if wire.version <= 1 { try wire.field(&topicName) }
      try wire.field(&partitionIndex)
      try wire.field(&controllerEpoch)
      try wire.field(&leader)
      try wire.field(&leaderEpoch)
      try wire.field(&isr)
      try wire.field(&partitionEpoch)
      try wire.field(&replicas)
      if wire.version >= 3 {
        try wire.field(&addingReplicas)
        try wire.field(&removingReplicas)
      }
      if wire.version >= 1 { try wire.field(&isNew) }
      if wire.version >= 6 { try wire.field(&leaderRecoveryState) }
      try wire.tags()
    }
  }

  package struct Topic: WireStruct {
    package var topicName = ""
    package var topicID = UUID128.zero
    package var partitionStates: [Partition] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&topicName)
      if wire.version >= 5 { try wire.field(&topicID) }
      try wire.field(&partitionStates)
      try wire.tags()
    }
  }

  package struct LiveLeader: WireStruct {
    package var brokerID: Int32 = 0
    package var hostName = ""
    package var port: Int32 = 0

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&brokerID)
      try wire.field(&hostName)
      try wire.field(&port)
      try wire.tags()
    }
  }
}

package struct LeaderAndIsrResponse: Response {
  package static let api = LeaderAndIsrRequest.api

  package var errorCode = ErrorCode.none
  package var partitionErrors: [Partition] = []
  package var topics: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&errorCode)
    if wire.version <= 4 { try wire.field(&partitionErrors) }
    if wire.version >= 5 { try wire.field(&topics) }
    try wire.tags()
  }

  package struct Partition: WireStruct {
    package var topicName = ""
    package var partitionIndex: Int32 = 0
    package var errorCode = ErrorCode.none

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      if wire.version <= 4 { try wire.field(&topicName) }
      try wire.field(&partitionIndex)
      try wire.field(&errorCode)
      try wire.tags()
    }
  }

  package struct Topic: WireStruct {
    package var topicID = UUID128.zero
    package var partitionErrors: [Partition] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&topicID)
      try wire.field(&partitionErrors)
      try wire.tags()
    }
  }
}
