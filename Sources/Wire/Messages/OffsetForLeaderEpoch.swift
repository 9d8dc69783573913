package import Model

/// Asks where a leader epoch ended, to find where two logs parted.
package struct OffsetForLeaderEpochRequest: Request {
  package typealias Answer = OffsetForLeaderEpochResponse
  package static let api = Api(key: 23, versions: 0...4, flexibleFrom: 4)

  /// -1 for a consumer, -2 for a client that does not say.
  package var replicaID: Int32 = -2
  package var topics: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    if wire.version >= 3 { try wire.field(&replicaID) }
    try wire.field(&topics)
    try wire.tags()
  }

  package struct Topic: WireStruct {
    package var topic = ""
    package var partitions: [Partition] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&topic)
      try wire.field(&partitions)
      try wire.tags()
    }
  }

  package struct Partition: WireStruct {
    package var partition: Int32 = 0
    package var currentLeaderEpoch: Int32 = -1
    package var leaderEpoch: Int32 = 0

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partition)
      if wire.version >= 2 { try wire.field(&currentLeaderEpoch) }
      try wire.field(&leaderEpoch)
      try wire.tags()
    }
  }
}

package struct OffsetForLeaderEpochResponse: Response {
  package static let api = OffsetForLeaderEpochRequest.api

  package var throttleTimeMs: Int32 = 0
  package var topics: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    if wire.version >= 2 { try wire.field(&throttleTimeMs) }
    try wire.field(&topics)
    try wire.tags()
  }

  package struct Topic: WireStruct {
    package var topic = ""
    package var partitions: [Partition] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&topic)
      try wire.field(&partitions)
      try wire.tags()
    }
  }

  package struct Partition: WireStruct {
    package var errorCode = ErrorCode.none
    package var partition: Int32 = 0
    package var leaderEpoch: Int32 = -1
    /// One past the last record of the largest epoch at or below the one asked for; -1: unknown.
    package var endOffset: Offset = .unknown

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&errorCode)
      try wire.field(&partition)
      if wire.version >= 1 { try wire.field(&leaderEpoch) }
      try wire.field(&endOffset)
      try wire.tags()
    }
  }
}
