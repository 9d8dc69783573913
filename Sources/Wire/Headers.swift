package import NIOCore

/// What precedes every request's body.
package struct RequestHeader: WireVersioned {
  package static let versions: ClosedRange<Int16> = 0...2
  package static let flexibleFrom: Int16? = 2

  package var apiKey: Int16 = 0
  package var apiVersion: Int16 = 0
  /// Given back in the answer's header.
  package var correlationID: Int32 = 0
  package var clientID: String?

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&apiKey)
    try wire.field(&apiVersion)
    try wire.field(&correlationID)
    // The client id kept its two-byte length when the header turned flexible, so that any broker can read it.
    if wire.version >= 1 { try wire.classicField(&clientID) }
    try wire.tags()
  }

  /// Reads a header from the front of `buffer`, choosing the header's version by the key and version it begins with.
  ///
  /// A version of a known API that this module lacks still gets its header read, so that the refusal can carry the correlation id;
  /// of an unknown API only the first eight bytes are read, as nobody knows what follows.
  package init(reading buffer: inout ByteBuffer) throws(WireError) {
    guard
      let key = buffer.getInteger(at: buffer.readerIndex, as: Int16.self),
      let version = buffer.getInteger(at: buffer.readerIndex + 2, as: Int16.self)
    else { throw .truncated(needed: 8, left: buffer.readableBytes) }
    try self.init(reading: &buffer, version: Api.known(key)?.requestHeaderVersion(version) ?? 0)
  }
}

/// What precedes every answer's body.
package struct ResponseHeader: WireVersioned {
  package static let versions: ClosedRange<Int16> = 0...1
  package static let flexibleFrom: Int16? = 1

  package var correlationID: Int32 = 0

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&correlationID)
    try wire.tags()
  }
}
