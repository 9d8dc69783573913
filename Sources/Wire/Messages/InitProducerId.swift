package import Model

/// Asks for a producer id, for idempotent or transactional producing, or for a bump of its epoch.
package struct InitProducerIdRequest: Request {
  package typealias Answer = InitProducerIdResponse
  package static let api = Api(key: 22, versions: 0...5, flexibleFrom: 2)

  /// Nil: an idempotent producer outside transactions.
  package var transactionalID: String?
  package var transactionTimeoutMs: Int32 = 0
  /// With `producerEpoch`: the id the producer has and wants bumped; -1: a new one.
  package var producerID: Int64 = -1
  package var producerEpoch: Int16 = -1

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&transactionalID)
    try wire.field(&transactionTimeoutMs)
    if wire.version >= 3 {
      try wire.field(&producerID)
      try wire.field(&producerEpoch)
    }
    try wire.tags()
  }
}

package struct InitProducerIdResponse: Response {
  package static let api = InitProducerIdRequest.api

  package var throttleTimeMs: Int32 = 0
  package var errorCode = ErrorCode.none
  package var producerID: Int64 = -1
  package var producerEpoch: Int16 = 0

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&errorCode)
    try wire.field(&producerID)
    try wire.field(&producerEpoch)
    try wire.tags()
  }
}
