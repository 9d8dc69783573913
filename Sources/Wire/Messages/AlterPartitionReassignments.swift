package import Model

/// Moves partitions to other brokers, or cancels such moves.
package struct AlterPartitionReassignmentsRequest: Request {
  package typealias Answer = AlterPartitionReassignmentsResponse
  package static let api = Api(key: 45, versions: 0...0, flexibleFrom: 0)

  package var timeoutMs: Int32 = 60000
  package var topics: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&timeoutMs)
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
    /// Nil: cancel the move.
    package var replicas: [Int32]?

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partitionIndex)
      try wire.field(&replicas)
      try wire.tags()
    }
  }
}

package struct AlterPartitionReassignmentsResponse: Response {
  package static let api = AlterPartitionReassignmentsRequest.api

  package var throttleTimeMs: Int32 = 0
  package var errorCode = ErrorCode.none
  package var errorMessage: String?
  package var responses: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&errorCode)
    try wire.field(&errorMessage)
    try wire.field(&responses)
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

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partitionIndex)
      try wire.field(&errorCode)
      try wire.field(&errorMessage)
      try wire.tags()
    }
  }
}
