import NIOCore
import Wire

/// Finds whole frames in a stream of bytes: give it what arrives, then take frames until there is none.
///
/// It is also the socket's receive allocator, so that a frame in many pieces is received where it will lie whole: no byte is
/// copied but those that came in the same read as the end of the frame before. Frames are slices of that buffer, which is
/// used again once they are gone. Bytes may arrive while a frame is being dealt with: they wait their turn.
///
/// Confined to its connection's event loop.
final class FrameReader: RecvByteBufferAllocator, @unchecked Sendable {
  // Unchecked: NIO wants its allocators Sendable, and calls this one only on the channel's event loop.

  private enum Sizes {
    /// NIO keeps the first buffer of a channel for its life and the others not at all: the first is small.
    static let first = 2048
    static let perRead = 64 << 10
  }

  /// The fewest bytes read from the socket at a time.
  private let readBytes: Int
  /// Bytes that have arrived and were not handed out yet.
  private var unread = ByteBuffer()
  /// The start of a frame, in a buffer with room for all of it.
  private var kept: ByteBuffer?
  /// The buffer of frames that have been dealt with, or are about to be.
  private var spare: ByteBuffer?
  private var isFirst = true
  /// The socket is reading behind the start of a frame.
  private var isContinuing = false
  /// Bytes of that start: they come again with what is read.
  private var continuedBytes = 0
  private var isStartLost = false

  init(readBytes: Int = Sizes.perRead) { self.readBytes = readBytes }

  // MARK: As NIO's allocator

  func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
    if isFirst {
      isFirst = false
      return allocator.buffer(capacity: Sizes.first)
    }
    // A read that brings nothing takes the buffer with it. Epoll promised bytes, so this does not happen; if it does, what
    // follows would be read as something it is not.
    if isContinuing { isStartLost = true }
    guard let start = kept.take() else { return take(readBytes) }
    isContinuing = true
    continuedBytes = start.readableBytes
    return start
  }

  /// Whether NIO asks for a buffer each time.
  func record(actualReadBytes: Int) -> Bool { true }

  func nextBufferSize() -> Int? { nil }

  // MARK: As the connection's reader

  /// Takes what a read brought; returns how many bytes of it are new.
  func append(_ bytes: ByteBuffer) -> Int {
    let arrived = bytes.readableBytes - (isContinuing ? continuedBytes : 0)
    isContinuing = false
    if var start = kept.take() {
      // Not from our socket, or read into NIO's own first buffer.
      start.writeImmutableBuffer(bytes)
      unread = start
    } else if unread.readableBytes == 0 {
      unread = bytes
    } else {
      unread.writeImmutableBuffer(bytes)
    }
    return arrived
  }

  /// The next whole frame, without its length prefix; nil when more bytes must come first.
  func next() throws(FrameError) -> ByteBuffer? {
    if isStartLost { throw .startLost }
    if let frame = try Frame.next(in: &unread, limit: ClientLimits.answerBytesMax) { return frame }
    if unread.readableBytes > 0 {
      let length = try Frame.length(of: unread, limit: ClientLimits.answerBytesMax)
      keep(frameBytes: Frame.prefixBytes + (length ?? 0))
    }
    if unread.capacity > Sizes.first { spare = unread }
    unread = ByteBuffer()
    return nil
  }

  /// Moves the start of a frame to a buffer with room for the rest.
  private func keep(frameBytes: Int) {
    let missing = frameBytes - unread.readableBytes
    if unread.readerIndex == 0, unread.writableBytes >= max(missing, 1) {
      kept = unread
      unread = ByteBuffer()
    } else {
      var start = take(max(frameBytes, readBytes))
      start.writeImmutableBuffer(unread)
      kept = start
    }
  }

  /// Returns an empty buffer of `bytes` bytes or more: the spare one when it is large enough. (Where someone still holds a slice
  /// of it, `clear` takes new memory.)
  private func take(_ bytes: Int) -> ByteBuffer {
    guard var buffer = spare.take(), buffer.capacity >= bytes else {
      return ByteBufferAllocator().buffer(capacity: bytes)
    }
    buffer.clear()
    return buffer
  }
}
