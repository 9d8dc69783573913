package import Model

/// Commits or aborts a transaction.
package struct EndTxnRequest: Request {
  package typealias Answer = EndTxnResponse
  package static let api = Api(key: 26, versions: 0...5, flexibleFrom: 3)

  package var transactionalID = ""
  package var producerID: Int64 = 0
  package var producerEpoch: Int16 = 0
  /// True commits, false aborts.
  package var committed = false

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&transactionalID)
    try wire.field(&producerID)
    try wire.field(&producerEpoch)
    try wire.field(&committed)
    try wire.tags()
  }
}

package struct EndTxnResponse: Response {
  package static let api = EndTxnRequest.api

  package var throttleTimeMs: Int32 = 0
  package var errorCode = ErrorCode.none
  package var producerID: Int64 = -1
  package var producerEpoch: Int16 = -1

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&errorCode)
    if wire.version >= 5 {
      try wire.field(&producerID)
      try wire.field(&producerEpoch)
    }
    try wire.tags()
  }
}
