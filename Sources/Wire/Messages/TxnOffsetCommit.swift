package import Model

/// Commits a group's offsets as part of a transaction.
package struct TxnOffsetCommitRequest: Request {
  package typealias Answer = TxnOffsetCommitResponse
  package static let api = Api(key: 28, versions: 0...5, flexibleFrom: 3)

  package var transactionalID = ""
  package var groupID = ""
  package var producerID: Int64 = 0
  package var producerEpoch: Int16 = 0
  package var generationID: Int32 = -1
  package var memberID = ""
  /// Only static members have one; it keeps a restart from starting a rebalance.
  package var groupInstanceID: String?
  package var topics: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&transactionalID)
    try wire.field(&groupID)
    try wire.field(&producerID)
    try wire.field(&producerEpoch)
    if wire.version >= 3 {
      try wire.field(&generationID)
      try wire.field(&memberID)
      try wire.field(&groupInstanceID)
    }
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
    package var committedOffset: Offset = 0
    package var committedLeaderEpoch: Int32 = -1
    package var committedMetadata: String?

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partitionIndex)
      try wire.field(&committedOffset)
      if wire.version >= 2 { try wire.field(&committedLeaderEpoch) }
      try wire.field(&committedMetadata)
      try wire.tags()
    }
  }
}

package struct TxnOffsetCommitResponse: Response {
  package static let api = TxnOffsetCommitRequest.api

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

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partitionIndex)
      try wire.field(&errorCode)
      try wire.tags()
    }
  }
}
