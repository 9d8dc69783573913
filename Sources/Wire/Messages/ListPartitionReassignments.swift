package import Model

/// Asks which partitions are being moved.
package struct ListPartitionReassignmentsRequest: Request {
  package typealias Answer = ListPartitionReassignmentsResponse
  package static let api = Api(key: 46, versions: 0...0, flexibleFrom: 0)

  package var timeoutMs: Int32 = 60000
  /// Nil: all of them.
  package var topics: [Topic]?

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&timeoutMs)
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

package struct ListPartitionReassignmentsResponse: Response {
  package static let api = ListPartitionReassignmentsRequest.api

  package var throttleTimeMs: Int32 = 0
  package var errorCode = ErrorCode.none
  package var errorMessage: String?
  package var topics: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&errorCode)
    try wire.field(&errorMessage)
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
    package var replicas: [Int32] = []
    package var addingReplicas: [Int32] = []
    package var removingReplicas: [Int32] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partitionIndex)
      try wire.field(&replicas)
      try wire.field(&addingReplicas)
      try wire.field(&removingReplicas)
      try wire.tags()
    }
  }
}
