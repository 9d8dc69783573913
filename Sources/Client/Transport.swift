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

/// Finds whole frames in a stream of bytes: give it what arrives, then take frames until there is none.
///
/// A frame that arrived whole is a slice of what was read; only one that arrived in pieces is put together in a buffer
/// of its own, reserved to its full size once. Bytes may arrive while a frame is being dealt with: they wait their turn.
struct FrameReader {
  /// Arrived, and not looked at yet.
  private var unread = ByteBuffer()
  private var partial = ByteBuffer()
  /// Bytes of the frame being put together, prefix included; 0 while the prefix itself is incomplete.
  private var partialNeeded = 0

  mutating func append(_ bytes: ByteBuffer) {
    if unread.readableBytes == 0 { unread = bytes } else { unread.writeImmutableBuffer(bytes) }
  }

  /// The next whole frame, without its length prefix; nil when more bytes must come first.
  mutating func next() throws(FrameError) -> ByteBuffer? {
    if partial.readableBytes > 0 { return try complete() }
    if let frame = try Frame.next(in: &unread, limit: ClientLimits.answerBytesMax) { return frame }
    try keep()
    return nil
  }

  private mutating func complete() throws(FrameError) -> ByteBuffer? {
    if partialNeeded == 0 {
      move(upTo: Frame.prefixBytes)
      guard let length = try Frame.length(of: partial, limit: ClientLimits.answerBytesMax) else { return nil }
      partialNeeded = Frame.prefixBytes + length
      partial.reserveCapacity(partialNeeded)
    }
    move(upTo: partialNeeded)
    guard partial.readableBytes == partialNeeded else { return nil }
    partial.moveReaderIndex(forwardBy: Frame.prefixBytes)
    let frame = partial
    partial = ByteBuffer()
    partialNeeded = 0
    return frame
  }

  /// Puts the beginning of a frame aside, and gives the buffer it came in back to its owner.
  private mutating func keep() throws(FrameError) {
    if unread.readableBytes > 0 {
      if let length = try Frame.length(of: unread, limit: ClientLimits.answerBytesMax) {
        partialNeeded = Frame.prefixBytes + length
        partial.reserveCapacity(partialNeeded)
      }
      partial.writeBuffer(&unread)
    }
    unread = ByteBuffer()
  }

  private mutating func move(upTo size: Int) {
    let wanted = min(unread.readableBytes, size - partial.readableBytes)
    if wanted > 0, var slice = unread.readSlice(length: wanted) { partial.writeBuffer(&slice) }
    if unread.readableBytes == 0 { unread = ByteBuffer() }
  }
}
