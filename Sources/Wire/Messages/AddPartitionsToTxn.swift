package import Model

/// Adds partitions to an ongoing transaction. From version 4 brokers send it, for several transactions at once.
package struct AddPartitionsToTxnRequest: Request {
  package typealias Answer = AddPartitionsToTxnResponse
  package static let api = Api(key: 24, versions: 0...5, flexibleFrom: 3)

  package var transactions: [Transaction] = []
  package var v3AndBelowTransactionalID = ""
  package var v3AndBelowProducerID: Int64 = 0
  package var v3AndBelowProducerEpoch: Int16 = 0
  package var v3AndBelowTopics: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    if wire.version >= 4 { try wire.field(&transactions) }
    if wire.version <= 3 {
      try wire.field(&v3AndBelowTransactionalID)
      try wire.field(&v3AndBelowProducerID)
      try wire.field(&v3AndBelowProducerEpoch)
      try wire.field(&v3AndBelowTopics)
    }
    try wire.tags()
  }

  package struct Transaction: WireStruct {
    package var transactionalID = ""
    package var producerID: Int64 = 0
    package var producerEpoch: Int16 = 0
    /// Only ask whether the partitions are in the transaction.
    package var verifyOnly = false
    package var topics: [Topic] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&transactionalID)
      try wire.field(&producerID)
      try wire.field(&producerEpoch)
      try wire.field(&verifyOnly)
      try wire.field(&topics)
      try wire.tags()
    }
  }

  package struct Topic: WireStruct {
    package var name = ""
    package var partitions: [Int32] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&partitions)
      try wire.tags()
    }
  }
}

package struct AddPartitionsToTxnResponse: Response {
  package static let api = AddPartitionsToTxnRequest.api

  package var throttleTimeMs: Int32 = 0
  package var errorCode = ErrorCode.none
  package var resultsByTransaction: [Transaction] = []
  package var resultsByTopicV3AndBelow: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    if wire.version >= 4 {
      try wire.field(&errorCode)
      try wire.field(&resultsByTransaction)
    }
    if wire.version <= 3 { try wire.field(&resultsByTopicV3AndBelow) }
    try wire.tags()
  }

  package struct Transaction: WireStruct {
    package var transactionalID = ""
    package var topicResults: [Topic] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&transactionalID)
      try wire.field(&topicResults)
      try wire.tags()
    }
  }

  package struct Topic: WireStruct {
    package var name = ""
    package var resultsByPartition: [Partition] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&resultsByPartition)
      try wire.tags()
    }
  }

  package struct Partition: WireStruct {
    package var partitionIndex: Int32 = 0
    package var partitionErrorCode = ErrorCode.none

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partitionIndex)
      try wire.field(&partitionErrorCode)
      try wire.tags()
    }
  }
}
