package import Model

/// A leader tells the controller its partition's new in-sync set.
package struct AlterPartitionRequest: Request {
  package typealias Answer = AlterPartitionResponse
  package static let api = Api(key: 56, versions: 0...3, flexibleFrom: 0)

  package var brokerID: Int32 = 0
  package var brokerEpoch: Int64 = -1
  package var topics: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&brokerID)
    try wire.field(&brokerEpoch)
    try wire.field(&topics)
    try wire.tags()
  }

  package struct Topic: WireStruct {
    package var topicName = ""
    package var topicID = UUID128.zero
    package var partitions: [Partition] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      if wire.version <= 1 { try wire.field(&topicName) }
      if wire.version >= 2 { try wire.field(&topicID) }
      try wire.field(&partitions)
      try wire.tags()
    }
  }

  package struct Partition: WireStruct {
    package var partitionIndex: Int32 = 0
    package var leaderEpoch: Int32 = 0
    /// Until version 2; later `newIsrWithEpochs`.
    package var newIsr: [Int32] = []
    package var newIsrWithEpochs: [Replica] = []
    package var leaderRecoveryState: Int8 = 0
    package var partitionEpoch: Int32 = 0

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partitionIndex)
      try wire.field(&leaderEpoch)
      if wire.version <= 2 { try wire.field(&newIsr) }
      if wire.version >= 3 { try wire.field(&newIsrWithEpochs) }
      if wire.version >= 1 { try wire.field(&leaderRecoveryState) }
      try wire.field(&partitionEpoch)
      try wire.tags()
    }
  }

  package struct Replica: WireStruct {
    package var brokerID: Int32 = 0
    package var brokerEpoch: Int64 = -1

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&brokerID)
      try wire.field(&brokerEpoch)
      try wire.tags()
    }
  }
}

package struct AlterPartitionResponse: Response {
  package static let api = AlterPartitionRequest.api

  package var throttleTimeMs: Int32 = 0
  package var errorCode = ErrorCode.none
  package var topics: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&errorCode)
    try wire.field(&topics)
    try wire.tags()
  }

  package struct Topic: WireStruct {
    package var topicName = ""
    package var topicID = UUID128.zero
    package var partitions: [Partition] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      if wire.version <= 1 { try wire.field(&topicName) }
      if wire.version >= 2 { try wire.field(&topicID) }
      try wire.field(&partitions)
      try wire.tags()
    }
  }

  package struct Partition: WireStruct {
    package var partitionIndex: Int32 = 0
    package var errorCode = ErrorCode.none
    package var leaderID: Int32 = 0
    package var leaderEpoch: Int32 = 0
    package var isr: [Int32] = []
    package var leaderRecoveryState: Int8 = 0
    package var partitionEpoch: Int32 = 0

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partitionIndex)
      try wire.field(&errorCode)
      try wire.field(&leaderID)
      try wire.field(&leaderEpoch)
      try wire.field(&isr)
      if wire.version >= 1 { try wire.field(&leaderRecoveryState) }
      try wire.field(&partitionEpoch)
      try wire.tags()
    }
  }
}
