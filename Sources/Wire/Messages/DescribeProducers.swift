package import Model

/// Asks for the producers that are active in partitions.
package struct DescribeProducersRequest: Request {
  package typealias Answer = DescribeProducersResponse
  package static let api = Api(key: 61, versions: 0...0, flexibleFrom: 0)

  package var topics: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&topics)
    try wire.tags()
  }

  package struct Topic: WireStruct {
    package var name = ""
    package var partitionIndexes: [Int32] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&partitionIndexes)
      try wire.tags()
    }
  }
}

package struct DescribeProducersResponse: Response {
  package static let api = DescribeProducersRequest.api

  package var throttleTimeMs: Int32 = 0
  package var topics: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&topics)
    try wire.tags()
  }

  package struct Topic: WireStruct {
    package var name = ""
    package var partitions: [Partition] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&partitions)
      try wire.tags()
    }
  }

  package struct Partition: WireStruct {
    package var partitionIndex: Int32 = 0
    package var errorCode = ErrorCode.none
    package var errorMessage: String?
    package var activeProducers: [Producer] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partitionIndex)
      try wire.field(&errorCode)
      try wire.field(&errorMessage)
      try wire.field(&activeProducers)
      try wire.tags()
    }
  }

  package struct Producer: WireStruct {
    package var producerID: Int64 = 0
    package var producerEpoch: Int32 = 0
    package var lastSequence: Int32 = -1
    package var lastTimestamp: Int64 = -1
    package var coordinatorEpoch: Int32 = 0
    package var currentTxnStartOffset: Offset = .unknown

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&producerID)
      try wire.field(&producerEpoch)
      try wire.field(&lastSequence)
      try wire.field(&lastTimestamp)
      try wire.field(&coordinatorEpoch)
      try wire.field(&currentTxnStartOffset)
      try wire.tags()
    }
  }
}
