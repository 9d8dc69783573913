package import Model

/// The controller tells a broker what the cluster looks like now.
package struct UpdateMetadataRequest: Request {
  package typealias Answer = UpdateMetadataResponse
  package static let api = Api(key: 6, versions: 0...8, flexibleFrom: 6)

  package var controllerID: Int32 = 0
  package var isKRaftController = false
  /// 0: unknown; 1: only what changed; 2: everything.
  package var type: Int8 = 0
  package var controllerEpoch: Int32 = 0
  package var brokerEpoch: Int64 = -1
  /// Versions 0 to 4, each with its topic; later `topicStates`.
  package var ungroupedPartitionStates: [Partition] = []
  package var topicStates: [Topic] = []
  package var liveBrokers: [Broker] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&controllerID)
    if wire.version >= 8 { try wire.field(&isKRaftController) }
    try wire.field(&controllerEpoch)
    if wire.version >= 5 { try wire.field(&brokerEpoch) }
    if wire.version <= 4 { try wire.field(&ungroupedPartitionStates) }
    if wire.version >= 5 { try wire.field(&topicStates) }
    try wire.field(&liveBrokers)
    try wire.tags { (wire) throws(WireError) in
      if wire.version >= 8 { try wire.tag(0, &type) }
    }
  }

  package struct Partition: WireStruct {
    package var topicName = ""
    package var partitionIndex: Int32 = 0
    package var controllerEpoch: Int32 = 0
    /// -1: none; -2: the topic is being deleted.
    package var leader: Int32 = 0
    package var leaderEpoch: Int32 = 0
    package var isr: [Int32] = []
    package var zkVersion: Int32 = 0
    package var replicas: [Int32] = []
    package var offlineReplicas: [Int32] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      if wire.version <= 4 { try wire.field(&topicName) }
      try wire.field(&partitionIndex)
      try wire.field(&controllerEpoch)
      try wire.field(&leader)
      try wire.field(&leaderEpoch)
      try wire.field(&isr)
      try wire.field(&zkVersion)
      try wire.field(&replicas)
      if wire.version >= 4 { try wire.field(&offlineReplicas) }
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
      if wire.version >= 7 { try wire.field(&topicID) }
      try wire.field(&partitionStates)
      try wire.tags()
    }
  }

  package struct Broker: WireStruct {
    package var id: Int32 = 0
    package var v0Host = ""
    package var v0Port: Int32 = 0
    package var endpoints: [Endpoint] = []
    package var rack: String?

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&id)
      if wire.version == 0 {
        try wire.field(&v0Host)
        try wire.field(&v0Port)
      }
      if wire.version >= 1 { try wire.field(&endpoints) }
      if wire.version >= 2 { try wire.field(&rack) }
      try wire.tags()
    }
  }

  package struct Endpoint: WireStruct {
    package var port: Int32 = 0
    package var host = ""
    package var listener = ""
    package var securityProtocol: Int16 = 0

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&port)
      try wire.field(&host)
      if wire.version >= 3 { try wire.field(&listener) }
      try wire.field(&securityProtocol)
      try wire.tags()
    }
  }
}

package struct UpdateMetadataResponse: Response {
  package static let api = UpdateMetadataRequest.api

  package var errorCode = ErrorCode.none

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&errorCode)
    try wire.tags()
  }
}
