package import Model

/// Asks which transactions a broker coordinates.
package struct ListTransactionsRequest: Request {
  package typealias Answer = ListTransactionsResponse
  package static let api = Api(key: 66, versions: 0...1, flexibleFrom: 0)

  package var stateFilters: [String] = []
  package var producerIDFilters: [Int64] = []
  /// Only transactions running for longer than so many milliseconds; -1: all.
  package var durationFilter: Int64 = -1

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&stateFilters)
    try wire.field(&producerIDFilters)
    if wire.version >= 1 { try wire.field(&durationFilter) }
    try wire.tags()
  }
}

package struct ListTransactionsResponse: Response {
  package static let api = ListTransactionsRequest.api

  package var throttleTimeMs: Int32 = 0
  package var errorCode = ErrorCode.none
  package var unknownStateFilters: [String] = []
  package var transactionStates: [Transaction] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&errorCode)
    try wire.field(&unknownStateFilters)
    try wire.field(&transactionStates)
    try wire.tags()
  }

  package struct Transaction: WireStruct {
    package var transactionalID = ""
    package var producerID: Int64 = 0
    package var transactionState = ""

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&transactionalID)
      try wire.field(&producerID)
      try wire.field(&transactionState)
      try wire.tags()
    }
  }
}
