package import Model
package import NIOCore

/// The `records` field of Produce and Fetch: record batches back to back, never parsed here.
package enum Records: Hashable, Sendable {
  /// The batches as bytes: a slice of what arrived, or a buffer to send. Nil is null on the wire.
  case bytes(ByteBuffer?)
  /// So many bytes that whoever sends the message puts in place itself, from a file. Written messages only.
  case spliced(byteCount: Int)

  /// Zero bytes but not null. librdkafka reports null records in a fetch answer as a protocol error, so "nothing there" is this.
  package static let empty = Records.bytes(ByteBuffer())

  /// The bytes when they are here: nil for null and for a splice.
  package var bytes: ByteBuffer? {
    if case .bytes(let buffer) = self { return buffer }
    return nil
  }

  package var byteCount: Int {
    switch self {
    case .bytes(let buffer): buffer?.readableBytes ?? 0
    case .spliced(let count): count
    }
  }
}

/// How often a message has an error code.
package struct ErrorCount: Equatable, Sendable {
  package var error: ErrorCode
  package var count: Int

  package init(error: ErrorCode, count: Int) {
    self.error = error
    self.count = count
  }
}

/// A written message in the pieces it is sent in: bytes, and holes whose content the sender supplies in order.
package struct WireParts: Sendable {
  package enum Part: Hashable, Sendable {
    case bytes(ByteBuffer)
    /// `Records.spliced` stood here: the next so many bytes come from the sender (a file range).
    case hole(byteCount: Int)

    package var byteCount: Int {
      switch self {
      case .bytes(let buffer): buffer.readableBytes
      case .hole(let count): count
      }
    }
  }

  package internal(set) var parts: [Part]
  /// The error codes in the message, each once; `.none` is not among them.
  package internal(set) var errors: [ErrorCount] = []

  /// Of all parts, holes included.
  package var byteCount: Int { parts.reduce(0) { $0 + $1.byteCount } }

  /// The whole as one buffer (copies). Nil when there are holes.
  package var joined: ByteBuffer? {
    if parts.count == 1, case .bytes(let only) = parts[0] { return only }
    var out = ByteBuffer()
    out.reserveCapacity(byteCount)
    for part in parts {
      guard case .bytes(let buffer) = part else { return nil }
      out.writeImmutableBuffer(buffer)
    }
    return out
  }
}
