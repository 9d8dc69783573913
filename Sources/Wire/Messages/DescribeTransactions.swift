package import Model

/// Asks for the state of transactions.
package struct DescribeTransactionsRequest: Request {
  package typealias Answer = DescribeTransactionsResponse
  package static let api = Api(key: 65, versions: 0...0, flexibleFrom: 0)

  package var transactionalIDs: [String] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&transactionalIDs)
    try wire.tags()
  }
}

package struct DescribeTransactionsResponse: Response {
  package static let api = DescribeTransactionsRequest.api

  package var throttleTimeMs: Int32 = 0
  package var transactionStates: [Transaction] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&transactionStates)
    try wire.tags()
  }

  package struct Transaction: WireStruct {
    package var errorCode = ErrorCode.none
    package var transactionalID = ""
    package var transactionState = ""
    package var transactionTimeoutMs: Int32 = 0
    package var transactionStartTimeMs: Int64 = 0
    package var producerID: Int64 = 0
    package var producerEpoch: Int16 = 0
    package var topics: [Topic] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&errorCode)
      try wire.field(&transactionalID)
      try wire.field(&transactionState)
      try wire.field(&transactionTimeoutMs)
      try wire.field(&transactionStartTimeMs)
      try wire.field(&producerID)
      try wire.field(&producerEpoch)
      try wire.field(&topics)
      try wire.tags()
    }
  }

  package struct Topic: WireStruct {
    package var topic = ""
    package var partitions: [Int32] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&topic)
      try wire.field(&partitions)
      try wire.tags()
    }
  }
}
