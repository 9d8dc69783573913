import Czlib
import NIOCore

/// gzip (RFC 1952) by zlib. Reads any number of members, one after another, as Java's GZIPInputStream does.
enum Gzip {
  private static let deflaters = ContextPool<Deflater>()
  private static let inflaters = ContextPool<Inflater>()

  static func compress(
    _ input: UnsafeRawBufferPointer, level: Int, into output: inout ByteBuffer
  ) throws(CompressionError) {
    let deflater: Deflater
    if let idle = deflaters.take() { deflater = idle } else { deflater = try Deflater(level: Int32(level)) }
    defer { deflaters.put(deflater) }
    try deflater.start(level: Int32(level))
    let stream = deflater.stream
    let bound = Int(deflateBound(stream, UInt(input.count)))
    var status = Z_OK
    output.writeWithUnsafeMutableBytes(minimumWritableBytes: bound) { room in
      stream.pointee.next_in = .init(mutating: input.bindMemory(to: Bytef.self).baseAddress)
      stream.pointee.avail_in = UInt32(input.count)
      stream.pointee.next_out = room.bindMemory(to: Bytef.self).baseAddress
      stream.pointee.avail_out = UInt32(clamping: room.count)
      status = deflate(stream, Z_FINISH)
      return status == Z_STREAM_END ? Int(stream.pointee.total_out) : 0
    }
    guard status == Z_STREAM_END else { throw .libraryFailed("deflate gave \(status)") }
  }

  static func decompress(_ input: UnsafeRawBufferPointer, into output: inout BoundedOutput) throws(CompressionError) {
    guard input.count > 0 else { throw .truncated }
    let inflater: Inflater
    if let idle = inflaters.take() { inflater = idle } else { inflater = try Inflater() }
    defer { inflaters.put(inflater) }
    let stream = inflater.stream
    stream.pointee.next_in = .init(mutating: input.bindMemory(to: Bytef.self).baseAddress)
    stream.pointee.avail_in = UInt32(input.count)
    output.reserve(input.count * 4)
    repeat {
      let left = UnsafeRawBufferPointer(rebasing: input.suffix(Int(stream.pointee.avail_in)))
      // After the first member, what does not begin as one (1F 8B) is not gzip at all.
      if left.count < input.count, left.count < 2 || left[0] != 0x1F || left[1] != 0x8B {
        throw .trailingBytes(left.count)
      }
      guard inflateReset(stream) == Z_OK else { throw .libraryFailed("inflateReset") }
      try inflateMember(stream, into: &output)
    } while stream.pointee.avail_in > 0
  }

  private static func inflateMember(
    _ stream: UnsafeMutablePointer<z_stream>, into output: inout BoundedOutput
  ) throws(CompressionError) {
    while true {
      var status = Z_OK
      try output.write { room in
        let lent = min(room.count, Int(UInt32.max))
        stream.pointee.next_out = room.bindMemory(to: Bytef.self).baseAddress
        stream.pointee.avail_out = UInt32(lent)
        status = inflate(stream, Z_NO_FLUSH)
        return lent - Int(stream.pointee.avail_out)
      }
      switch status {
      case Z_STREAM_END: return
      case Z_OK where stream.pointee.avail_out == 0: continue
      case Z_OK, Z_BUF_ERROR: throw .truncated  // all input eaten, room left, and still no end
      case Z_MEM_ERROR: throw .libraryFailed("inflate: out of memory")
      default:
        let words = stream.pointee.msg.map { String(cString: $0) } ?? "inflate returned \(status)"
        // The trailer's CRC-32, and that of a member's header.
        throw ["incorrect data check", "header crc mismatch"].contains(words) ? .badChecksum(words) : .corrupt(words)
      }
    }
  }
}

/// zlib's window of 32 KiB, plus 16: a gzip wrapper instead of zlib's own.
private let gzipWindowBits: Int32 = 15 + 16

/// A deflate stream at rest or in use; zlib keeps a pointer back to the `z_stream`, so that lives at one address.
///
/// Unchecked: the pool hands it to one caller at a time.
private final class Deflater: @unchecked Sendable {
  let stream: UnsafeMutablePointer<z_stream>
  private var level: Int32

  init(level: Int32) throws(CompressionError) {
    self.level = level
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    // 8 is zlib's default memory level (MAX_MEM_LEVEL is 9).
    let status = deflateInit2_(
      stream, level, Z_DEFLATED, gzipWindowBits, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
      Int32(MemoryLayout<z_stream>.size))
    guard status == Z_OK else { throw .libraryFailed("deflateInit2 gave \(status)") }
  }

  func start(level: Int32) throws(CompressionError) {
    guard deflateReset(stream) == Z_OK else { throw .libraryFailed("deflateReset") }
    if level != self.level {
      guard deflateParams(stream, level, Z_DEFAULT_STRATEGY) == Z_OK else { throw .libraryFailed("deflateParams") }
      self.level = level
    }
  }

  deinit {
    deflateEnd(stream)
    stream.deallocate()
  }
}

/// An inflate stream at rest or in use. Unchecked: the pool hands it to one caller at a time.
private final class Inflater: @unchecked Sendable {
  let stream: UnsafeMutablePointer<z_stream>

  init() throws(CompressionError) {
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    let status = inflateInit2_(stream, gzipWindowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard status == Z_OK else { throw .libraryFailed("inflateInit2 gave \(status)") }
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
  }
}
