package import Model

/// Reads record batches from partitions; a follower replicates with the same request.
package struct FetchRequest: Request {
  package typealias Answer = FetchResponse
  package static let api = Api(key: 1, versions: 0...17, flexibleFrom: 12)

  package var clusterID: String?
  /// -1 for a consumer, else the follower. From version 15 in `replicaState`.
  package var replicaID: Int32 = -1
  package var replicaState = ReplicaState()
  /// How long the broker may hold the request until `minBytes` have gathered.
  package var maxWaitMs: Int32 = 0
  package var minBytes: Int32 = 0
  /// Of all partitions together; the first batch found is sent even when it is larger.
  package var maxBytes: Int32 = .max
  /// 0: read uncommitted; 1: read committed, up to the last stable offset.
  package var isolationLevel: Int8 = 0
  /// KIP-227: 0 with epoch -1 is a fetch without a session.
  package var sessionID: Int32 = 0
  package var sessionEpoch: Int32 = -1
  package var topics: [Topic] = []
  /// Partitions to drop from the session.
  package var forgottenTopicsData: [ForgottenTopic] = []
  /// The consumer's rack: it may be sent to a replica there (KIP-392).
  package var rackID = ""

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    if wire.version <= 14 { try wire.field(&replicaID) }
    try wire.field(&maxWaitMs)
    try wire.field(&minBytes)
    if wire.version >= 3 { try wire.field(&maxBytes) }
    if wire.version >= 4 { try wire.field(&isolationLevel) }
    if wire.version >= 7 {
      try wire.field(&sessionID)
      try wire.field(&sessionEpoch)
    }
    try wire.field(&topics)
    if wire.version >= 7 { try wire.field(&forgottenTopicsData) }
    if wire.version >= 11 { try wire.field(&rackID) }
    try wire.tags { (wire) throws(WireError) in
      try wire.tag(0, &clusterID)
      if wire.version >= 15 { try wire.tag(1, &replicaState) }
    }
  }

  package struct ReplicaState: WireStruct {
    /// -1 for a consumer, else the follower.
    package var replicaID: Int32 = -1
    package var replicaEpoch: Int64 = -1

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&replicaID)
      try wire.field(&replicaEpoch)
      try wire.tags()
    }
  }

  package struct Topic: WireStruct {
    package var topic = ""
    /// From version 13 in place of the name.
    package var topicID = UUID128.zero
    package var partitions: [Partition] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      if wire.version <= 12 { try wire.field(&topic) }
      if wire.version >= 13 { try wire.field(&topicID) }
      try wire.field(&partitions)
      try wire.tags()
    }
  }

  package struct ForgottenTopic: WireStruct {
    package var topic = ""
    /// From version 13 in place of the name.
    package var topicID = UUID128.zero
    package var partitions: [Int32] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      if wire.version <= 12 { try wire.field(&topic) }
      if wire.version >= 13 { try wire.field(&topicID) }
      try wire.field(&partitions)
      try wire.tags()
    }
  }

  package struct Partition: WireStruct {
    package var partition: Int32 = 0
    /// The leadership the client knows of, to be fenced by; -1: no check.
    package var currentLeaderEpoch: Int32 = -1
    package var fetchOffset: Offset = 0
    /// The epoch of the last batch a follower has, so that the leader can say where their logs parted; -1 for consumers.
    package var lastFetchedEpoch: Int32 = -1
    /// The follower's log start; -1 for consumers.
    package var logStartOffset: Offset = .unknown
    package var partitionMaxBytes: Int32 = 0
    package var replicaDirectoryID = UUID128.zero

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partition)
      if wire.version >= 9 { try wire.field(&currentLeaderEpoch) }
      try wire.field(&fetchOffset)
      if wire.version >= 12 { try wire.field(&lastFetchedEpoch) }
      if wire.version >= 5 { try wire.field(&logStartOffset) }
      try wire.field(&partitionMaxBytes)
      try wire.tags { (wire) throws(WireError) in
        if wire.version >= 17 { try wire.tag(0, &replicaDirectoryID) }
      }
    }
  }
}

package struct FetchResponse: Response {
  package static let api = FetchRequest.api

  package var throttleTimeMs: Int32 = 0
  package var errorCode = ErrorCode.none
  /// 0: no session.
  package var sessionID: Int32 = 0
  package var responses: [Topic] = []
  /// Where the leaders named in `currentLeader` listen.
  package var nodeEndpoints: [NodeEndpoint] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    if wire.version >= 1 { try wire.field(&throttleTimeMs) }
    if wire.version >= 7 {
      try wire.field(&errorCode)
      try wire.field(&sessionID)
    }
    try wire.field(&responses)
    try wire.tags { (wire) throws(WireError) in
      if wire.version >= 16 { try wire.tag(0, &nodeEndpoints) }
    }
  }

  package struct Topic: WireStruct {
    package var topic = ""
    /// From version 13 in place of the name.
    package var topicID = UUID128.zero
    package var partitions: [Partition] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      if wire.version <= 12 { try wire.field(&topic) }
      if wire.version >= 13 { try wire.field(&topicID) }
      try wire.field(&partitions)
      try wire.tags()
    }
  }

  package struct Partition: WireStruct {
    package var partitionIndex: Int32 = 0
    package var errorCode = ErrorCode.none
    package var highWatermark: Offset = 0
    /// Every transaction that began below it has ended.
    package var lastStableOffset: Offset = .unknown
    package var logStartOffset: Offset = .unknown
    /// Set when the log behind the follower's last fetched epoch is not the leader's.
    package var divergingEpoch = EpochEndOffset()
    package var currentLeader = LeaderHint()
    /// For KRaft only.
    package var snapshotID = SnapshotID()
    /// Read committed only: what the client must skip. Nil for read uncommitted.
    package var abortedTransactions: [AbortedTransaction]?
    /// The replica to read from instead; -1: here.
    package var preferredReadReplica: Int32 = -1
    /// Never null towards a client: see `Records.empty`.
    package var records: Records = .empty

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partitionIndex)
      try wire.field(&errorCode)
      try wire.field(&highWatermark)
      if wire.version >= 4 { try wire.field(&lastStableOffset) }
      if wire.version >= 5 { try wire.field(&logStartOffset) }
      if wire.version >= 4 { try wire.field(&abortedTransactions) }
      if wire.version >= 11 { try wire.field(&preferredReadReplica) }
      try wire.field(&records)
      try wire.tags { (wire) throws(WireError) in
        try wire.tag(0, &divergingEpoch)
        try wire.tag(1, &currentLeader)
        try wire.tag(2, &snapshotID)
      }
    }
  }

  /// Where the epoch the follower believes in ended on the leader.
  package struct EpochEndOffset: WireStruct {
    package var epoch: Int32 = -1
    package var endOffset: Offset = .unknown

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&epoch)
      try wire.field(&endOffset)
      try wire.tags()
    }
  }

  package struct SnapshotID: WireStruct {
    package var endOffset: Offset = .unknown
    package var epoch: Int32 = -1

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&endOffset)
      try wire.field(&epoch)
      try wire.tags()
    }
  }

  package struct AbortedTransaction: WireStruct {
    package var producerID: Int64 = 0
    package var firstOffset: Offset = 0

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&producerID)
      try wire.field(&firstOffset)
      try wire.tags()
    }
  }
}
