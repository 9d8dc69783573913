package import NIOCore
import Wire

/// Where a connection's bytes go: a socket, or something inside the process that answers as a broker does.
///
/// Confined to the connection's event loop, like the connection.
package protocol Transport: AnyObject {
  /// Queues bytes.
  func write(_ bytes: ByteBuffer)
  /// Sends what is queued. `written` is called, on the event loop, when the system has taken all of it.
  func flush(written: (() -> Void)?)
  /// The peer gets no more; `Connection.ended` follows, at once or later.
  func close()
}

/// Finds whole frames in a stream of bytes.
///
/// A frame that arrived whole is a slice of what was read; only one that arrived in pieces is put together in a buffer
/// of its own, reserved to its full size once.
struct FrameReader {
  private var partial = ByteBuffer()
  /// Bytes of the frame being put together, prefix included; 0 while the prefix itself is incomplete.
  private var partialNeeded = 0

  /// Calls `body` for each whole frame in turn, without its length prefix.
  mutating func received(_ bytes: ByteBuffer, _ body: (ByteBuffer) -> Void) throws(FrameError) {
    var bytes = bytes
    if partial.readableBytes > 0 {
      try complete(with: &bytes, body)
      if partial.readableBytes > 0 { return }
    }
    while let frame = try Frame.next(in: &bytes, limit: ClientLimits.answerBytesMax) { body(frame) }
    if bytes.readableBytes > 0 { try keep(&bytes) }
  }

  private mutating func complete(with bytes: inout ByteBuffer, _ body: (ByteBuffer) -> Void) throws(FrameError) {
    if partialNeeded == 0 {
      move(from: &bytes, upTo: Frame.prefixBytes)
      guard let length = try Frame.length(of: partial, limit: ClientLimits.answerBytesMax) else { return }
      partialNeeded = Frame.prefixBytes + length
      partial.reserveCapacity(partialNeeded)
    }
    move(from: &bytes, upTo: partialNeeded)
    guard partial.readableBytes == partialNeeded else { return }
    partial.moveReaderIndex(forwardBy: Frame.prefixBytes)
    let frame = partial
    partial = ByteBuffer()
    partialNeeded = 0
    body(frame)
  }

  private mutating func keep(_ bytes: inout ByteBuffer) throws(FrameError) {
    if let length = try Frame.length(of: bytes, limit: ClientLimits.answerBytesMax) {
      partialNeeded = Frame.prefixBytes + length
      partial.reserveCapacity(partialNeeded)
    }
    partial.writeBuffer(&bytes)
  }

  private mutating func move(from bytes: inout ByteBuffer, upTo size: Int) {
    let wanted = min(bytes.readableBytes, size - partial.readableBytes)
    if wanted > 0, var slice = bytes.readSlice(length: wanted) { partial.writeBuffer(&slice) }
  }
}
