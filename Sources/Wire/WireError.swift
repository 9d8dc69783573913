/// Why bytes are not the message they should be. The peer is at fault, so the connection can be closed without harm to others.
package enum WireError: Error, Hashable, Sendable {
  /// The field needs more bytes than the message has left.
  case truncated(needed: Int, left: Int)
  /// A string, array, bytes or tagged field whose length is beyond what Kafka allows for it.
  case invalidLength(Int)
  /// An array claims more elements than there are bytes left, so it cannot be true; refused before anything is reserved.
  case invalidCount(Int, left: Int)
  /// More elements, in all arrays together, than any right request has.
  case tooManyElements(limit: Int)
  /// Null where this version has no null.
  case unexpectedNull
  /// A variable-length integer that goes on after five bytes, or does not fit 32 bits.
  case invalidVarint
  /// A tagged field whose content is shorter or longer than its stated size.
  case taggedFieldSize(tag: UInt32)
  /// This module has no such version of the message.
  case unsupportedVersion(key: Int16, version: Int16)
}

extension WireError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .truncated(let needed, let left): "a field needs \(needed) bytes, but \(left) are left"
    case .invalidLength(let length): "a field has the invalid length \(length)"
    case .invalidCount(let count, let left): "an array claims \(count) elements, but \(left) bytes are left"
    case .tooManyElements(let limit): "the arrays have more than \(limit) elements together"
    case .unexpectedNull: "a field is null that has no null in this version"
    case .invalidVarint: "a varint does not fit 32 bits"
    case .taggedFieldSize(let tag): "tagged field \(tag) is not as long as it says"
    case .unsupportedVersion(let key, let version): "API \(key) has no version \(version)"
    }
  }
}
