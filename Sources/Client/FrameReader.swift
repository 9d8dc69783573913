import NIOCore
import Wire

/// Splits a stream of bytes into frames: `append` takes what arrives, `next` returns whole frames.
///
/// The reader is also the socket's receive allocator, so that a frame in many pieces is received in place: only bytes read
/// together with the end of the previous frame are copied. Frames are slices of the buffer, which is reused once they are
/// released. Bytes may arrive while a frame is being handled; they are queued.
///
/// Confined to its connection's event loop.
final class FrameReader: RecvByteBufferAllocator, @unchecked Sendable {
  // Unchecked: NIO wants its allocators Sendable, and calls this one only on the channel's event loop.

  private enum Sizes {
    /// NIO keeps a channel's first buffer for the channel's life and no other, so the first is small.
    static let first = 2048
    static let perRead = 64 << 10
  }

  /// The fewest bytes read from the socket at a time.
  private let readBytes: Int
  /// Bytes that have arrived and were not yet returned.
  private var unread = ByteBuffer()
  /// The start of a frame, in a buffer with room for all of it.
  private var kept: ByteBuffer?
  /// The buffer of frames already returned, for reuse.
  private var spare: ByteBuffer?
  private var isFirst = true
  /// The socket is reading into `kept`, behind the start of a frame.
  private var isContinuing = false
  /// The size of that start, which the read returns again with the new bytes.
  private var continuedBytes = 0
  private var isStartLost = false

  init(readBytes: Int = Sizes.perRead) { self.readBytes = readBytes }

  // MARK: As NIO's allocator

  func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
    if isFirst {
      isFirst = false
      return allocator.buffer(capacity: Sizes.first)
    }
    // An empty read loses the buffer. Epoll reported bytes, so this should not happen; if it does, the rest of the stream
    // cannot be framed.
    if isContinuing { isStartLost = true }
    guard let start = kept.take() else { return take(readBytes) }
    isContinuing = true
    continuedBytes = start.readableBytes
    return start
  }

  /// Returns true, so that NIO asks for a buffer for each read.
  func record(actualReadBytes: Int) -> Bool { true }

  func nextBufferSize() -> Int? { nil }

  // MARK: As the connection's reader

  /// Takes the bytes of a read; returns how many of them are new.
  func append(_ bytes: ByteBuffer) -> Int {
    let arrived = bytes.readableBytes - (isContinuing ? continuedBytes : 0)
    isContinuing = false
    if var start = kept.take() {
      // The bytes were read into another buffer: not by our socket, or into NIO's first.
      start.writeImmutableBuffer(bytes)
      unread = start
    } else if unread.readableBytes == 0 {
      unread = bytes
    } else {
      unread.writeImmutableBuffer(bytes)
    }
    return arrived
  }

  /// Returns the next whole frame, without its length prefix; nil when more bytes are needed.
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

  /// Returns an empty buffer of at least `bytes` bytes, the spare one if it is large enough. (`clear` allocates if a slice
  /// of the spare is still held.)
  private func take(_ bytes: Int) -> ByteBuffer {
    guard var buffer = spare.take(), buffer.capacity >= bytes else {
      return ByteBufferAllocator().buffer(capacity: bytes)
    }
    buffer.clear()
    return buffer
  }
}
