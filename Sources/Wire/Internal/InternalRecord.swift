package import NIOCore

/// A key or a value of the records of an internal topic: its version as an int16, then the fields of that version.
package protocol InternalRecord: WireVersioned {}

extension InternalRecord {
  /// Reads the version, and the fields of that version. Bytes left over are ignored, as by Kafka.
  ///
  /// - Throws: `unsupportedVersion` for a version that this layout does not have.
  package init(prefixed bytes: ByteBuffer) throws(WireError) {
    var rest = bytes
    guard let version = rest.readInteger(as: Int16.self) else { throw .truncated(needed: 2, left: rest.readableBytes) }
    try self.init(reading: &rest, version: version)
  }

  package consuming func prefixed(version: Int16) -> ByteBuffer {
    var bytes = ByteBuffer(integer: version)
    bytes.writeImmutableBuffer(written(version: version))
    return bytes
  }
}
