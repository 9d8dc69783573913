package import NIOCore

/// Anything laid out field after field on the wire: a message, or a struct inside one.
///
/// `fields` walks the fields in wire order, and the cursor's mode decides whether it reads or writes them: the definition is the
/// implementation, so reading and writing cannot drift apart. A field outside the version keeps its default when read
/// and is left out when written.
package protocol WireStruct: Equatable, Sendable {
  init()
  /// - Throws: when reading only. Writing never fails.
  mutating func fields(_ wire: inout WireCursor) throws(WireError)
}

/// A layout with versions of its own: a message, or bytes that travel inside one (a consumer's subscription).
package protocol WireVersioned: WireStruct {
  static var versions: ClosedRange<Int16> { get }
  static var flexibleFrom: Int16? { get }
}

package protocol Message: WireVersioned {
  static var api: Api { get }
}

/// A request and the type of its answer. Both share one `Api`.
package protocol Request: Message {
  associatedtype Answer: Response
}

package protocol Response: Message {}

extension Request {
  /// Kafka's name of the API: `Produce`, `ApiVersions`.
  package static var name: String { String("\(Self.self)".dropLast("Request".count)) }
}

extension Message {
  package static var versions: ClosedRange<Int16> { api.versions }
  package static var flexibleFrom: Int16? { api.flexibleFrom }
}

extension WireVersioned {
  /// Reads the body from the front of `buffer` and moves its reader index past it. Bytes left over are the caller's to judge
  /// (Kafka ignores them).
  package init(reading buffer: inout ByteBuffer, version: Int16) throws(WireError) {
    try self.init(reading: &buffer, version: version, key: -1)
  }

  fileprivate init(
    reading buffer: inout ByteBuffer, version: Int16, key: Int16, elementsMax: Int = .max
  ) throws(WireError) {
    guard Self.versions.contains(version) else { throw .unsupportedVersion(key: key, version: version) }
    self.init()
    let bytesRead = try buffer.withUnsafeReadableBytes { (raw) throws(WireError) -> Int in
      var wire = WireCursor(
        reading: buffer, raw, version: version, flexible: Self.isFlexible(version), elementsMax: elementsMax)
      try fields(&wire)
      return wire.bytesRead
    }
    buffer.moveReaderIndex(forwardBy: bytesRead)
  }

  /// The body as bytes, no header and no length prefix. `version` must be one of `versions`; records must not be spliced.
  package consuming func written(version: Int16) -> ByteBuffer {
    guard let whole = parts(version: version).joined else {
      preconditionFailure("\(Self.self) has spliced records: send its parts")
    }
    return whole
  }

  /// The body in the pieces to send: one, unless it carries records.
  package consuming func parts(version: Int16) -> WireParts {
    var wire = WireCursor(writing: ByteBuffer(), version: version, flexible: Self.isFlexible(version))
    write(to: &wire)
    return wire.finished
  }

  package static func isFlexible(_ version: Int16) -> Bool {
    guard let flexibleFrom else { return false }
    return version >= flexibleFrom
  }

  consuming func write(to wire: inout WireCursor) {
    precondition(Self.versions.contains(wire.version), "\(Self.self) has no version \(wire.version)")
    do {
      try fields(&wire)
    } catch {
      preconditionFailure("writing \(Self.self) v\(wire.version) failed: \(error)")
    }
  }
}

extension WireStruct {
  /// A value with some fields set: `FetchRequest.Topic.with { $0.topic = name }`.
  package static func with(_ set: (inout Self) -> Void) -> Self {
    var value = Self()
    set(&value)
    return value
  }
}

extension Message {
  package init(reading buffer: inout ByteBuffer, version: Int16) throws(WireError) {
    try self.init(reading: &buffer, version: version, key: Self.api.key)
  }
}

extension Request {
  /// As for any message, with a bound on what a peer's request may make of few bytes.
  package init(reading buffer: inout ByteBuffer, version: Int16) throws(WireError) {
    try self.init(
      reading: &buffer, version: version, key: Self.api.key, elementsMax: WireLimits.requestElements)
  }
}
