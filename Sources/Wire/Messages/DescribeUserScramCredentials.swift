package import Model

/// Asks which SCRAM credentials users have; null asks for all.
package struct DescribeUserScramCredentialsRequest: Request {
  package typealias Answer = DescribeUserScramCredentialsResponse
  package static let api = Api(key: 50, versions: 0...0, flexibleFrom: 0)

  package var users: [UserName]?

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&users)
    try wire.tags()
  }

  package struct UserName: WireStruct {
    package var name = ""

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.tags()
    }
  }
}

package struct DescribeUserScramCredentialsResponse: Response {
  package static let api = DescribeUserScramCredentialsRequest.api

  package var throttleTimeMs: Int32 = 0
  package var errorCode = ErrorCode.none
  package var errorMessage: String?
  package var results: [Result] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&errorCode)
    try wire.field(&errorMessage)
    try wire.field(&results)
    try wire.tags()
  }

  package struct Result: WireStruct {
    package var user = ""
    package var errorCode = ErrorCode.none
    package var errorMessage: String?
    package var credentialInfos: [CredentialInfo] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&user)
      try wire.field(&errorCode)
      try wire.field(&errorMessage)
      try wire.field(&credentialInfos)
      try wire.tags()
    }
  }

  package struct CredentialInfo: WireStruct {
    /// 1 is SCRAM-SHA-256, 2 SCRAM-SHA-512.
    package var mechanism: Int8 = 0
    package var iterations: Int32 = 0

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&mechanism)
      try wire.field(&iterations)
      try wire.tags()
    }
  }
}
