package import Model

/// Names the SASL mechanism by which the client will authenticate. After version 0 the mechanism's messages follow without requests around them, each
/// behind its length; after version 1 in SaslAuthenticate.
package struct SaslHandshakeRequest: Request {
  package typealias Answer = SaslHandshakeResponse
  package static let api = Api(key: 17, versions: 0...1, flexibleFrom: nil)

  package var mechanism = ""

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) { try wire.field(&mechanism) }
}

package struct SaslHandshakeResponse: Response {
  package static let api = SaslHandshakeRequest.api

  package var errorCode = ErrorCode.none
  /// The mechanisms that are enabled.
  package var mechanisms: [String] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&errorCode)
    try wire.field(&mechanisms)
  }
}
