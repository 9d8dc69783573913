import Czstd
import NIOCore

/// Zstandard frames (RFC 8878). Writes one frame with its content size; reads any number, with or without (Java's
/// streaming writer leaves it out).
enum Zstd {
  private static let compressors = ContextPool<Compressor>()
  private static let decompressors = ContextPool<Decompressor>()

  static func compress(
    _ input: UnsafeRawBufferPointer, level: Int, into output: inout ByteBuffer
  ) throws(CompressionError) {
    let compressor: Compressor
    if let idle = compressors.take() { compressor = idle } else { compressor = try Compressor() }
    defer {
      if ZSTD_sizeof_CCtx(compressor.context) <= CompressionLimits.idleContextBytes { compressors.put(compressor) }
    }
    var status = 0
    output.writeWithUnsafeMutableBytes(minimumWritableBytes: ZSTD_compressBound(input.count)) { room in
      status = ZSTD_compressCCtx(
        compressor.context, room.baseAddress, room.count, input.baseAddress, input.count, Int32(level))
      return ZSTD_isError(status) == 0 ? status : 0
    }
    guard ZSTD_isError(status) == 0 else { throw .libraryFailed(String(cString: ZSTD_getErrorName(status))) }
  }

  static func decompress(_ input: UnsafeRawBufferPointer, into output: inout BoundedOutput) throws(CompressionError) {
    guard input.count > 0 else { throw .truncated }
    let decompressor: Decompressor
    if let idle = decompressors.take() { decompressor = idle } else { decompressor = try Decompressor() }
    defer {
      if ZSTD_sizeof_DCtx(decompressor.context) <= CompressionLimits.idleContextBytes {
        decompressors.put(decompressor)
      }
    }
    var rest = input[...]
    repeat {
      let left = UnsafeRawBufferPointer(rebasing: rest)
      if left.count < input.count, !isFrame(left) { throw .trailingBytes(left.count) }
      if let (frameBytes, contentBytes) = plainFrame(left) {
        try decompressWhole(
          decompressor.context, UnsafeRawBufferPointer(rebasing: left.prefix(frameBytes)), contentBytes, into: &output)
        rest = rest.dropFirst(frameBytes)
      } else {
        try decompressStream(decompressor.context, &rest, into: &output)
      }
    } while rest.count > 0
  }

  private static func isFrame(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count >= 4 else { return false }
    let magic = UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self))
    return magic == ZSTD_MAGICNUMBER || magic & ZSTD_MAGIC_SKIPPABLE_MASK == ZSTD_MAGIC_SKIPPABLE_START
  }

  /// The first frame's size and its content's, when it is whole and declares a believable content: then it is decoded
  /// in one call straight into the output, without a window of its own. Else nil: stream it, and see what comes.
  private static func plainFrame(_ bytes: UnsafeRawBufferPointer) -> (frameBytes: Int, contentBytes: Int)? {
    let content = ZSTD_getFrameContentSize(bytes.baseAddress, bytes.count)
    // Its two highest values mean "unknown" and "not a frame".
    guard content < UInt64.max - 1 else { return nil }
    let frame = ZSTD_findFrameCompressedSize(bytes.baseAddress, bytes.count)
    guard ZSTD_isError(frame) == 0 else { return nil }
    guard content <= UInt64(frame * CompressionLimits.trustedExpansion) else { return nil }
    return (frame, Int(content))
  }

  private static func decompressWhole(
    _ context: OpaquePointer, _ frame: UnsafeRawBufferPointer, _ contentBytes: Int, into output: inout BoundedOutput
  ) throws(CompressionError) {
    guard contentBytes <= output.limit - output.count else { throw .tooLarge(limit: output.limit) }
    var status = 0
    try output.write(least: contentBytes) { room in
      status = ZSTD_decompressDCtx(context, room.baseAddress, room.count, frame.baseAddress, frame.count)
      return ZSTD_isError(status) == 0 ? status : 0
    }
    guard ZSTD_isError(status) == 0 else { throw CompressionError(zstd: status) }
  }

  private static func decompressStream(
    _ context: OpaquePointer, _ rest: inout Slice<UnsafeRawBufferPointer>, into output: inout BoundedOutput
  ) throws(CompressionError) {
    ZSTD_DCtx_reset(context, ZSTD_reset_session_only)
    let bytes = UnsafeRawBufferPointer(rebasing: rest)
    var source = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
    while true {
      var status = 0
      var wasFull = false
      try output.write { room in
        var target = ZSTD_outBuffer(dst: room.baseAddress, size: room.count, pos: 0)
        status = ZSTD_decompressStream(context, &target, &source)
        wasFull = target.pos == target.size
        return target.pos
      }
      guard ZSTD_isError(status) == 0 else { throw CompressionError(zstd: status) }
      if status == 0 { break }
      if source.pos == source.size, !wasFull { throw .truncated }
    }
    rest = rest.dropFirst(source.pos)
  }
}

/// Unchecked: the pool hands it to one caller at a time.
private final class Compressor: @unchecked Sendable {
  let context: OpaquePointer

  init() throws(CompressionError) {
    guard let context = ZSTD_createCCtx() else { throw .libraryFailed("ZSTD_createCCtx") }
    self.context = context
  }

  deinit { ZSTD_freeCCtx(context) }
}

/// Unchecked: the pool hands it to one caller at a time.
private final class Decompressor: @unchecked Sendable {
  let context: OpaquePointer

  init() throws(CompressionError) {
    guard let context = ZSTD_createDCtx() else { throw .libraryFailed("ZSTD_createDCtx") }
    self.context = context
  }

  deinit { ZSTD_freeDCtx(context) }
}

extension CompressionError {
  /// The error of a status for which `ZSTD_isError` holds.
  fileprivate init(zstd status: Int) {
    let words = String(cString: ZSTD_getErrorName(status))
    // zstd_errors.h, which has the codes, is not installed everywhere.
    self = words.hasSuffix("match checksum") ? .badChecksum(words) : .corrupt(words)
  }
}
