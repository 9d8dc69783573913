package import Model
package import NIOCore

/// A message of the SASL mechanism from the client.
package struct SaslAuthenticateRequest: Request {
  package typealias Answer = SaslAuthenticateResponse
  package static let api = Api(key: 36, versions: 0...2, flexibleFrom: 2)

  package var authBytes = ByteBuffer()

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&authBytes)
    try wire.tags()
  }
}

package struct SaslAuthenticateResponse: Response {
  package static let api = SaslAuthenticateRequest.api

  package var errorCode = ErrorCode.none
  package var errorMessage: String?
  package var authBytes = ByteBuffer()
  /// After so many milliseconds the client must have authenticated again; 0: never.
  package var sessionLifetimeMs: Int64 = 0

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&errorCode)
    try wire.field(&errorMessage)
    try wire.field(&authBytes)
    if wire.version >= 1 { try wire.field(&sessionLifetimeMs) }
    try wire.tags()
  }
}
