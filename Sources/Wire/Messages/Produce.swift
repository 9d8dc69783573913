package import Model

/// Appends record batches to partitions.
package struct ProduceRequest: Request {
  package typealias Answer = ProduceResponse
  package static let api = Api(key: 0, versions: 0...12, flexibleFrom: 9)

  /// Nil outside a transaction.
  package var transactionalID: String?
  /// 0: no answer at all; 1: the leader has it; -1: every in-sync replica has it.
  package var acks: Int16 = 0
  /// How long to wait for the replicas when `acks` is -1.
  package var timeoutMs: Int32 = 0
  package var topicData: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    if wire.version >= 3 { try wire.field(&transactionalID) }
    try wire.field(&acks)
    try wire.field(&timeoutMs)
    try wire.field(&topicData)
    try wire.tags()
  }

  package struct Topic: WireStruct {
    package var name = ""
    package var partitionData: [Partition] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&partitionData)
      try wire.tags()
    }
  }

  package struct Partition: WireStruct {
    package var index: Int32 = 0
    package var records: Records = .empty

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&index)
      try wire.field(&records)
      try wire.tags()
    }
  }
}

package struct ProduceResponse: Response {
  package static let api = ProduceRequest.api

  package var responses: [Topic] = []
  package var throttleTimeMs: Int32 = 0
  /// Where the leaders named in `currentLeader` listen.
  package var nodeEndpoints: [NodeEndpoint] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&responses)
    if wire.version >= 1 { try wire.field(&throttleTimeMs) }
    try wire.tags { (wire) throws(WireError) in
      if wire.version >= 10 { try wire.tag(0, &nodeEndpoints) }
    }
  }

  package struct Topic: WireStruct {
    package var name = ""
    package var partitionResponses: [Partition] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&partitionResponses)
      try wire.tags()
    }
  }

  package struct Partition: WireStruct {
    package var index: Int32 = 0
    package var errorCode = ErrorCode.none
    package var baseOffset: Offset = 0
    /// -1 unless the topic stamps records with the time of the append.
    package var logAppendTimeMs: Int64 = -1
    package var logStartOffset: Offset = .unknown
    /// The records because of which the whole batch was refused.
    package var recordErrors: [RecordError] = []
    package var errorMessage: String?
    /// With `.notLeaderOrFollower` and `.fencedLeaderEpoch`: who leads now, saving the client a metadata request (KIP-951).
    package var currentLeader = LeaderHint()

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&index)
      try wire.field(&errorCode)
      try wire.field(&baseOffset)
      if wire.version >= 2 { try wire.field(&logAppendTimeMs) }
      if wire.version >= 5 { try wire.field(&logStartOffset) }
      if wire.version >= 8 {
        try wire.field(&recordErrors)
        try wire.field(&errorMessage)
      }
      try wire.tags { (wire) throws(WireError) in
        if wire.version >= 10 { try wire.tag(0, &currentLeader) }
      }
    }
  }

  package struct RecordError: WireStruct {
    /// The record's place in its batch.
    package var batchIndex: Int32 = 0
    package var batchIndexErrorMessage: String?

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&batchIndex)
      try wire.field(&batchIndexErrorMessage)
      try wire.tags()
    }
  }
}
