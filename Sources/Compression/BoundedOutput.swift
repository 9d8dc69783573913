import NIOCore

/// Where one decompression writes: grows by doubling as bytes really come out, and stops at the limit.
struct BoundedOutput {
  private(set) var bytes: ByteBuffer
  /// Bytes written here; not those that were in the buffer before. Never more than `limit`.
  private(set) var count = 0
  let limit: Int

  /// Takes `buffer`'s bytes over (leaving it empty), so that appending does not copy them; the caller gives them back.
  init(appendingTo buffer: inout ByteBuffer, limit: Int) {
    bytes = buffer
    buffer = ByteBuffer()
    self.limit = max(0, min(limit, CompressionLimits.inputBytes))
  }

  /// Makes room for `hint` bytes at once, as far as the limit and what is known to be plausible allow.
  mutating func reserve(_ hint: Int) {
    bytes.reserveCapacity(minimumWritableBytes: min(hint, limit - count + 1))
  }

  mutating func append(_ input: UnsafeRawBufferPointer) throws(CompressionError) {
    guard input.count <= limit - count else { throw .tooLarge(limit: limit) }
    bytes.writeBytes(input)
    count += input.count
  }

  /// Lends at least `least` bytes of room (less only when the limit is nearer) to `body`, which returns how many it
  /// filled.
  ///
  /// The room ends one byte after the limit: a stream that has more to give than the limit fills that byte, and is
  /// caught by it; a stream of exactly `limit` bytes still has the room in which it says that it has ended.
  mutating func write(
    least: Int = CompressionLimits.outputChunkBytes, _ body: (UnsafeMutableRawBufferPointer) -> Int
  ) throws(CompressionError) {
    let allowed = limit - count + 1
    let wanted = min(allowed, max(least, 1))
    // Doubles: a buffer without the room asks for as much as it already holds.
    if bytes.writableBytes < wanted { reserve(max(wanted, min(allowed, count))) }
    let written = bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: wanted) { room in
      body(UnsafeMutableRawBufferPointer(rebasing: room.prefix(allowed)))
    }
    count += written
    guard count <= limit else { throw .tooLarge(limit: limit) }
  }
}
