package import Model

/// Asks for an election of preferred leaders, or of leaders out of the in-sync set.
package struct ElectLeadersRequest: Request {
  package typealias Answer = ElectLeadersResponse
  package static let api = Api(key: 43, versions: 0...2, flexibleFrom: 2)

  /// 0: preferred; 1: unclean.
  package var electionType: Int8 = 0
  /// Nil: all of them.
  package var topicPartitions: [Topic]?
  package var timeoutMs: Int32 = 60000

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    if wire.version >= 1 { try wire.field(&electionType) }
    try wire.field(&topicPartitions)
    try wire.field(&timeoutMs)
    try wire.tags()
  }

  package struct Topic: WireStruct {
    package var topic = ""
    package var partitions: [Int32] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&topic)
      try wire.field(&partitions)
      try wire.tags()
    }
  }
}

package struct ElectLeadersResponse: Response {
  package static let api = ElectLeadersRequest.api

  package var throttleTimeMs: Int32 = 0
  package var errorCode = ErrorCode.none
  package var replicaElectionResults: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    if wire.version >= 1 { try wire.field(&errorCode) }
    try wire.field(&replicaElectionResults)
    try wire.tags()
  }

  package struct Topic: WireStruct {
    package var topic = ""
    package var partitionResult: [Partition] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&topic)
      try wire.field(&partitionResult)
      try wire.tags()
    }
  }

  package struct Partition: WireStruct {
    package var partitionID: Int32 = 0
    package var errorCode = ErrorCode.none
    package var errorMessage: String?

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partitionID)
      try wire.field(&errorCode)
      try wire.field(&errorMessage)
      try wire.tags()
    }
  }
}
