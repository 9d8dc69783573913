import Clz4
import NIOCore

/// LZ4 frames (lz4_Frame_format.md): written exactly as Kafka's Lz4BlockOutputStream does, independent blocks of 64 KiB
/// without checksums or content size; read in every variant liblz4 knows, any number of frames one after another.
///
/// ```
/// 04 22 4D 18 │ flags 60 │ block size 40 │ header checksum 82 │ blocks: length 4 (LE; top bit: stored) │ bytes │ 0 0 0 0
/// ```
enum LZ4 {
  private static let header: [UInt8] = [0x04, 0x22, 0x4D, 0x18, 0x60, 0x40, 0x82]
  private static let blockBytes = 64 << 10
  private static let storedFlag: UInt32 = 1 << 31
  private static let fastCompressors = ContextPool<FastCompressor>()
  private static let highCompressors = ContextPool<HighCompressor>()
  private static let decompressors = ContextPool<Decompressor>()

  /// Kafka's default level, 9, means LZ4's fast compressor and every other level the high-compression one
  /// (Lz4BlockOutputStream compares with the default); above 12 liblz4 takes 12.
  static func compress(
    _ input: UnsafeRawBufferPointer, level: Int, into output: inout ByteBuffer
  ) throws(CompressionError) {
    let start = output.writerIndex
    output.reserveCapacity(
      minimumWritableBytes: header.count + Int(LZ4_compressBound(Int32(input.count))) + 4
        * (input.count / blockBytes + 2))
    output.writeBytes(header)
    do throws(CompressionError) {
      if level == Codec.lz4.defaultLevel {
        let compressor: FastCompressor
        if let idle = fastCompressors.take() { compressor = idle } else { compressor = FastCompressor() }
        defer { fastCompressors.put(compressor) }
        writeBlocks(of: input, into: &output) { compressor.compress($0, into: $1) }
      } else {
        let compressor: HighCompressor
        if let idle = highCompressors.take() { compressor = idle } else { compressor = try HighCompressor() }
        defer { highCompressors.put(compressor) }
        writeBlocks(of: input, into: &output) { compressor.compress($0, level: Int32(level), into: $1) }
      }
    } catch {
      output.moveWriterIndex(to: start)
      throw error
    }
    output.writeInteger(UInt32(0))
  }

  /// `compress` gets room for any outcome (a stream that once ran out of room would not be fit for reuse) and returns
  /// the compressed size. A block that does not get smaller is stored: the format allows no larger one.
  private static func writeBlocks(
    of input: UnsafeRawBufferPointer, into output: inout ByteBuffer,
    compress: (UnsafeRawBufferPointer, UnsafeMutableRawBufferPointer) -> Int
  ) {
    for from in stride(from: 0, to: input.count, by: blockBytes) {
      let block = UnsafeRawBufferPointer(rebasing: input[from..<min(from + blockBytes, input.count)])
      let bound = Int(LZ4_compressBound(Int32(block.count)))
      let lengthIndex = output.writerIndex
      output.writeInteger(UInt32(0))
      let written = output.writeWithUnsafeMutableBytes(minimumWritableBytes: bound) { room in
        let written = compress(block, UnsafeMutableRawBufferPointer(rebasing: room.prefix(bound)))
        return written < block.count ? written : 0
      }
      if written == 0 { output.writeBytes(block) }
      let length = written > 0 ? UInt32(written) : UInt32(block.count) | storedFlag
      output.setInteger(length, at: lengthIndex, endianness: .little)
    }
  }

  static func decompress(_ input: UnsafeRawBufferPointer, into output: inout BoundedOutput) throws(CompressionError) {
    guard input.count > 0 else { throw .truncated }
    let decompressor: Decompressor
    if let idle = decompressors.take() { decompressor = idle } else { decompressor = try Decompressor() }
    defer { decompressors.put(decompressor) }
    var rest = input[...]
    output.reserve(input.count * 4)
    repeat {
      if rest.count < input.count, !isFrame(rest) { throw .trailingBytes(rest.count) }
      LZ4F_resetDecompressionContext(decompressor.context)
      try decompressFrame(decompressor.context, &rest, into: &output)
    } while rest.count > 0
  }

  private static func isFrame(_ bytes: Slice<UnsafeRawBufferPointer>) -> Bool {
    guard bytes.count >= 4 else { return false }
    let magic = UInt32(
      littleEndian: UnsafeRawBufferPointer(rebasing: bytes).loadUnaligned(as: UInt32.self))
    return magic == LZ4F_MAGICNUMBER || magic & 0xFFFF_FFF0 == UInt32(LZ4F_MAGIC_SKIPPABLE_START)
  }

  private static func decompressFrame(
    _ context: OpaquePointer, _ rest: inout Slice<UnsafeRawBufferPointer>, into output: inout BoundedOutput
  ) throws(CompressionError) {
    while true {
      var eaten = rest.count
      var status = 0
      var wasFull = false
      let source = UnsafeRawBufferPointer(rebasing: rest).baseAddress
      // With room for a whole block liblz4 decodes straight into it, else through a buffer of its own.
      try output.write(least: blockBytes) { room in
        var written = room.count
        status = LZ4F_decompress(context, room.baseAddress!, &written, source, &eaten, nil)
        wasFull = written == room.count
        return LZ4F_isError(status) == 0 ? written : 0
      }
      guard LZ4F_isError(status) == 0 else {
        let name = String(cString: LZ4F_getErrorName(status))
        throw name.hasSuffix("Checksum_invalid") ? .badChecksum(name) : .corrupt(name)
      }
      rest = rest.dropFirst(eaten)
      if status == 0 { return }
      if rest.isEmpty, !wasFull { throw .truncated }
    }
  }
}

/// Unchecked: the pool hands it to one caller at a time.
private final class FastCompressor: @unchecked Sendable {
  private let state: UnsafeMutableRawPointer

  init() {
    state = .allocate(byteCount: Int(LZ4_sizeofState()), alignment: 16)
  }

  /// Clears the state's 16 KiB first, as LZ4_compress_default does. Resetting it in the quick way would spare a small
  /// block some 400 ns, but then what the state compressed before shows in the output (5-byte hashes, 4-byte matches).
  func compress(_ block: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer) -> Int {
    Int(
      LZ4_compress_fast_extState(
        state, block.bindMemory(to: CChar.self).baseAddress, room.bindMemory(to: CChar.self).baseAddress,
        Int32(block.count), Int32(room.count), 1))
  }

  deinit { state.deallocate() }
}

/// Unchecked: the pool hands it to one caller at a time.
private final class HighCompressor: @unchecked Sendable {
  private let stream: UnsafeMutablePointer<LZ4_streamHC_t>

  init() throws(CompressionError) {
    guard let stream = LZ4_createStreamHC() else { throw .libraryFailed("LZ4_createStreamHC") }
    self.stream = stream
  }

  func compress(_ block: UnsafeRawBufferPointer, level: Int32, into room: UnsafeMutableRawBufferPointer) -> Int {
    LZ4_resetStreamHC_fast(stream, level)
    return Int(
      LZ4_compress_HC_continue(
        stream, block.bindMemory(to: CChar.self).baseAddress, room.bindMemory(to: CChar.self).baseAddress,
        Int32(block.count), Int32(room.count)))
  }

  deinit { LZ4_freeStreamHC(stream) }
}

/// Unchecked: the pool hands it to one caller at a time.
private final class Decompressor: @unchecked Sendable {
  let context: OpaquePointer

  init() throws(CompressionError) {
    var made: OpaquePointer?
    let status = LZ4F_createDecompressionContext(&made, UInt32(LZ4F_VERSION))
    guard LZ4F_isError(status) == 0, let made else { throw .libraryFailed("LZ4F_createDecompressionContext") }
    context = made
  }

  deinit { LZ4F_freeDecompressionContext(context) }
}
