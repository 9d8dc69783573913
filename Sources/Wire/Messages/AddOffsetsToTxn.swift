package import Model

/// Adds a group's offsets to an ongoing transaction.
package struct AddOffsetsToTxnRequest: Request {
  package typealias Answer = AddOffsetsToTxnResponse
  package static let api = Api(key: 25, versions: 0...4, flexibleFrom: 3)

  package var transactionalID = ""
  package var producerID: Int64 = 0
  package var producerEpoch: Int16 = 0
  package var groupID = ""

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&transactionalID)
    try wire.field(&producerID)
    try wire.field(&producerEpoch)
    try wire.field(&groupID)
    try wire.tags()
  }
}

package struct AddOffsetsToTxnResponse: Response {
  package static let api = AddOffsetsToTxnRequest.api

  package var throttleTimeMs: Int32 = 0
  package var errorCode = ErrorCode.none

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&errorCode)
    try wire.tags()
  }
}
