import NIOCore

/// What a control batch says: its producer's transaction ended.
///
/// ```
/// the one record: length varint │ attributes 1 │ timestamp delta varint │ offset delta varint │
/// key length varint │ version 2 │ kind 2 │ value length varint │ version 2 │ coordinator epoch 4 │ headers varint
/// ```
package struct TransactionMarker: Hashable, Sendable {
  package enum Kind: Int16, Sendable { case abort = 0, commit = 1 }

  package var kind: Kind
  package var coordinatorEpoch: Int32

  package init(kind: Kind, coordinatorEpoch: Int32) {
    self.kind = kind
    self.coordinatorEpoch = coordinatorEpoch
  }

  /// Nil where the batch's bytes are no transaction marker (other control records exist, and mean nothing to a log).
  init?(readingBody body: ByteBuffer) {
    var body = body
    guard body.skipVarint(), body.readInteger(as: Int8.self) != nil, body.skipVarint(), body.skipVarint(),
      body.skipVarint(), body.readInteger(as: Int16.self) != nil, let number = body.readInteger(as: Int16.self),
      let kind = Kind(rawValue: number), body.skipVarint(), body.readInteger(as: Int16.self) != nil,
      let epoch = body.readInteger(as: Int32.self)
    else { return nil }
    self.init(kind: kind, coordinatorEpoch: epoch)
  }
}

extension ByteBuffer {
  fileprivate mutating func skipVarint() -> Bool {
    while let byte = readInteger(as: UInt8.self) {
      if byte & 0x80 == 0 { return true }
    }
    return false
  }
}
