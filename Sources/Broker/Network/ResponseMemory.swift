import NIOCore

/// Keeps the memory of a response for the next one, which takes it if the response has left by then.
struct ResponseMemory {
  private var kept: ByteBuffer?

  /// Returns an empty buffer with room for `capacity` bytes: the kept one, or another where the kept one's bytes are still on their way.
  mutating func take(_ capacity: Int) -> ByteBuffer {
    guard var buffer = kept.take() else { return ByteBufferAllocator().buffer(capacity: capacity) }
    buffer.clear(minimumCapacity: capacity)
    return buffer
  }

  /// Keeps the memory of a response, unless it is large: there is one for each event loop.
  mutating func keep(_ response: ByteBuffer) {
    if response.capacity <= Limits.responseBytesKept { kept = response }
  }
}
