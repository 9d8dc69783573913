package import Model

/// Asks how far consumer groups have committed.
package struct OffsetFetchRequest: Request {
  package typealias Answer = OffsetFetchResponse
  package static let api = Api(key: 9, versions: 0...9, flexibleFrom: 6)

  package var groupID = ""
  /// Nil: all topics with committed offsets.
  package var topics: [Topic]?
  package var groups: [Group] = []
  /// Answer `.unstableOffsetCommit` where a transaction that commits the offset has not ended.
  package var requireStable = false

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    if wire.version <= 7 {
      try wire.field(&groupID)
      try wire.field(&topics, nullableFrom: 2)
    }
    if wire.version >= 8 { try wire.field(&groups) }
    if wire.version >= 7 { try wire.field(&requireStable) }
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

  package struct Group: WireStruct {
    package var groupID = ""
    package var memberID: String?
    package var memberEpoch: Int32 = -1
    /// Nil: all topics with committed offsets.
    package var topics: [GroupTopic]?

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&groupID)
      if wire.version >= 9 {
        try wire.field(&memberID)
        try wire.field(&memberEpoch)
      }
      try wire.field(&topics)
      try wire.tags()
    }
  }

  package struct GroupTopic: WireStruct {
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

package struct OffsetFetchResponse: Response {
  package static let api = OffsetFetchRequest.api

  package var throttleTimeMs: Int32 = 0
  package var topics: [Topic] = []
  package var errorCode = ErrorCode.none
  package var groups: [Group] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    if wire.version >= 3 { try wire.field(&throttleTimeMs) }
    if wire.version <= 7 { try wire.field(&topics) }
    if (2...7).contains(wire.version) { try wire.field(&errorCode) }
    if wire.version >= 8 { try wire.field(&groups) }
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

  package struct Group: WireStruct {
    package var groupID = ""
    package var topics: [GroupTopic] = []
    package var errorCode = ErrorCode.none

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&groupID)
      try wire.field(&topics)
      try wire.field(&errorCode)
      try wire.tags()
    }
  }

  package struct Partition: WireStruct {
    package var partitionIndex: Int32 = 0
    /// -1: nothing committed, which is no error.
    package var committedOffset: Offset = 0
    package var committedLeaderEpoch: Int32 = -1
    package var metadata: String?
    package var errorCode = ErrorCode.none

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partitionIndex)
      try wire.field(&committedOffset)
      if wire.version >= 5 { try wire.field(&committedLeaderEpoch) }
      try wire.field(&metadata)
      try wire.field(&errorCode)
      try wire.tags()
    }
  }

  package struct GroupTopic: WireStruct {
    package var name = ""
    package var partitions: [GroupPartition] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&partitions)
      try wire.tags()
    }
  }

  package struct GroupPartition: WireStruct {
    package var partitionIndex: Int32 = 0
    /// -1: nothing committed, which is no error.
    package var committedOffset: Offset = 0
    package var committedLeaderEpoch: Int32 = -1
    package var metadata: String?
    package var errorCode = ErrorCode.none

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partitionIndex)
      try wire.field(&committedOffset)
      try wire.field(&committedLeaderEpoch)
      try wire.field(&metadata)
      try wire.field(&errorCode)
      try wire.tags()
    }
  }
}
