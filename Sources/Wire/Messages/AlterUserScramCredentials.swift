package import Model
package import NIOCore

/// Sets and removes SCRAM credentials of users.
package struct AlterUserScramCredentialsRequest: Request {
  package typealias Answer = AlterUserScramCredentialsResponse
  package static let api = Api(key: 51, versions: 0...0, flexibleFrom: 0)

  package var deletions: [Deletion] = []
  package var upsertions: [Upsertion] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&deletions)
    try wire.field(&upsertions)
    try wire.tags()
  }

  package struct Deletion: WireStruct {
    package var name = ""
    /// 1 is SCRAM-SHA-256, 2 SCRAM-SHA-512.
    package var mechanism: Int8 = 0

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&mechanism)
      try wire.tags()
    }
  }

  package struct Upsertion: WireStruct {
    package var name = ""
    package var mechanism: Int8 = 0
    package var iterations: Int32 = 0
    package var salt = ByteBuffer()
    package var saltedPassword = ByteBuffer()

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&mechanism)
      try wire.field(&iterations)
      try wire.field(&salt)
      try wire.field(&saltedPassword)
      try wire.tags()
    }
  }
}

package struct AlterUserScramCredentialsResponse: Response {
  package static let api = AlterUserScramCredentialsRequest.api

  package var throttleTimeMs: Int32 = 0
  package var results: [Result] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&throttleTimeMs)
    try wire.field(&results)
    try wire.tags()
  }

  package struct Result: WireStruct {
    package var user = ""
    package var errorCode = ErrorCode.none
    package var errorMessage: String?

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&user)
      try wire.field(&errorCode)
      try wire.field(&errorMessage)
      try wire.tags()
    }
  }
}
