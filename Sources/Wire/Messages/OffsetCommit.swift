package import Model

/// A consumer group commits how far it has read.
package struct OffsetCommitRequest: Request {
  package typealias Answer = OffsetCommitResponse
  package static let api = Api(key: 8, versions: 0...9, flexibleFrom: 8)

  package var groupID = ""
  /// -1 with an empty member id: a commit from outside any group membership.
  package var generationIDOrMemberEpoch: Int32 = -1
  package var memberID = ""
  /// Only static members have one; it keeps a restart from starting a rebalance.
  package var groupInstanceID: String?
  /// -1: the broker's own setting.
  package var retentionTimeMs: Int64 = -1
  package var topics: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&groupID)
    if wire.version >= 1 {
      try wire.field(&generationIDOrMemberEpoch)
      try wire.field(&memberID)
    }
    if wire.version >= 7 { try wire.field(&groupInstanceID) }
    if (2...4).contains(wire.version) { try wire.field(&retentionTimeMs) }
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
    package var commitTimestamp: Int64 = -1
    package var committedMetadata: String?

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partitionIndex)
      try wire.field(&committedOffset)
      if wire.version >= 6 { try wire.field(&committedLeaderEpoch) }
      if wire.version == 1 { try wire.field(&commitTimestamp) }
      try wire.field(&committedMetadata)
      try wire.tags()
    }
  }
}

package struct OffsetCommitResponse: Response {
  package static let api = OffsetCommitRequest.api

  package var throttleTimeMs: Int32 = 0
  package var topics: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    if wire.version >= 3 { try wire.field(&throttleTimeMs) }
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
