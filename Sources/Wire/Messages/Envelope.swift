package import Model
package import NIOCore

/// A broker forwards a client's request to the controller.
package struct EnvelopeRequest: Request {
  package typealias Answer = EnvelopeResponse
  package static let api = Api(key: 58, versions: 0...0, flexibleFrom: 0)

  package var requestData = ByteBuffer()
  package var requestPrincipal: ByteBuffer?
  package var clientHostAddress = ByteBuffer()

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&requestData)
    try wire.field(&requestPrincipal)
    try wire.field(&clientHostAddress)
    try wire.tags()
  }
}

package struct EnvelopeResponse: Response {
  package static let api = EnvelopeRequest.api

  package var responseData: ByteBuffer?
  package var errorCode = ErrorCode.none

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&responseData)
    try wire.field(&errorCode)
    try wire.tags()
  }
}
