package import Model

/// Asks for the first offset, the end, or the first record at or after a timestamp.
package struct ListOffsetsRequest: Request {
  package typealias Answer = ListOffsetsResponse
  package static let api = Api(key: 2, versions: 0...10, flexibleFrom: 6)

  /// -1 for a consumer.
  package var replicaID: Int32 = 0
  /// 0: read uncommitted; 1: read committed, where the end is the last stable offset.
  package var isolationLevel: Int8 = 0
  package var topics: [Topic] = []
  package var timeoutMs: Int32 = 0

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&replicaID)
    if wire.version >= 2 { try wire.field(&isolationLevel) }
    try wire.field(&topics)
    if wire.version >= 10 { try wire.field(&timeoutMs) }
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
    package var currentLeaderEpoch: Int32 = -1
    /// Milliseconds; or -1: the end, -2: the first offset, -3: the record with the largest timestamp, -4: the first offset on local disk,
    /// -5: the last offset in remote storage.
    package var timestamp: Int64 = 0
    /// How many segment boundaries version 0 asks for.
    package var maxNumOffsets: Int32 = 1

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partitionIndex)
      if wire.version >= 4 { try wire.field(&currentLeaderEpoch) }
      try wire.field(&timestamp)
      if wire.version == 0 { try wire.field(&maxNumOffsets) }
      try wire.tags()
    }
  }
}

package struct ListOffsetsResponse: Response {
  package static let api = ListOffsetsRequest.api

  package var throttleTimeMs: Int32 = 0
  package var topics: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    if wire.version >= 2 { try wire.field(&throttleTimeMs) }
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
    /// Version 0 only.
    package var oldStyleOffsets: [Offset] = []
    package var timestamp: Int64 = -1
    /// -1 with timestamp -1: no such record, which is no error.
    package var offset: Offset = .unknown
    package var leaderEpoch: Int32 = -1

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partitionIndex)
      try wire.field(&errorCode)
      if wire.version == 0 { try wire.field(&oldStyleOffsets) }
      if wire.version >= 1 {
        try wire.field(&timestamp)
        try wire.field(&offset)
      }
      if wire.version >= 4 { try wire.field(&leaderEpoch) }
      try wire.tags()
    }
  }
}
