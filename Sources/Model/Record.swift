package import NIOCore

/// A record taken out of its batch. Key, value and header values are slices of the (decompressed) batch: they share its
/// memory.
package struct Record: Hashable, Sendable {
  package var offset: Offset
  /// Milliseconds since 1970; the batch's own where the broker set it (LogAppendTime).
  package var timestamp: Int64
  package var key: ByteBuffer?
  package var value: ByteBuffer?
  package var headers: [RecordHeader]

  package init(
    offset: Offset, timestamp: Int64, key: ByteBuffer?, value: ByteBuffer?, headers: [RecordHeader] = []
  ) {
    self.offset = offset
    self.timestamp = timestamp
    self.key = key
    self.value = value
    self.headers = headers
  }
}

/// A named value beside a record's own; names may repeat, and their order is kept.
package struct RecordHeader: Hashable, Sendable {
  package var key: String
  package var value: ByteBuffer?

  package init(_ key: String, _ value: ByteBuffer?) {
    self.key = key
    self.value = value
  }
}
