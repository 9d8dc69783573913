import Csnappy
import NIOCore

/// Snappy, in the two shapes found in Kafka: raw (librdkafka writes one raw block) and snappy-java's framing ("xerial"),
/// which Kafka's own clients write and so do we:
///
/// ```
/// magic 8 │ version 4 │ oldest compatible version 4 │ then blocks: length 4 │ raw snappy of up to 32 KiB
/// ```
///
/// Numbers are big-endian. snappy-java also reads a further header where a block would begin; so do we.
enum Snappy {
  private static let magic: [UInt8] = [0x82, 0x53, 0x4E, 0x41, 0x50, 0x50, 0x59, 0x00]
  private static let version: Int32 = 1
  private static let headerBytes = 16
  /// SnappyOutputStream's default, which Kafka keeps.
  private static let blockBytes = 32 << 10
  /// No tag of the format yields more: three bytes copy at most 64. Short inputs get some room for rounding.
  private static let mostExpansion = 22

  static func compress(_ input: UnsafeRawBufferPointer, into output: inout ByteBuffer) throws(CompressionError) {
    let blocks = (input.count + blockBytes - 1) / blockBytes
    output.reserveCapacity(minimumWritableBytes: headerBytes + blocks * (4 + snappy_max_compressed_length(blockBytes)))
    let start = output.writerIndex
    output.writeBytes(magic)
    output.writeInteger(version)
    output.writeInteger(version)
    for block in 0..<blocks {
      let from = block * blockBytes
      let piece = UnsafeRawBufferPointer(rebasing: input[from..<min(from + blockBytes, input.count)])
      let lengthIndex = output.writerIndex
      output.writeInteger(Int32(0))
      var length = snappy_max_compressed_length(piece.count)
      var status = SNAPPY_OK
      output.writeWithUnsafeMutableBytes(minimumWritableBytes: length) { room in
        status = snappy_compress(
          piece.bindMemory(to: CChar.self).baseAddress!, piece.count, room.bindMemory(to: CChar.self).baseAddress!,
          &length)
        return status == SNAPPY_OK ? length : 0
      }
      guard status == SNAPPY_OK else {
        output.moveWriterIndex(to: start)
        throw .libraryFailed("snappy_compress gave \(status.rawValue)")
      }
      output.setInteger(Int32(length), at: lengthIndex)
    }
  }

  static func decompress(_ input: UnsafeRawBufferPointer, into output: inout BoundedOutput) throws(CompressionError) {
    guard input.count > 0 else { throw .truncated }
    guard input.starts(with: magic) else { return try decompressRaw(input, into: &output) }
    var rest = input[...]
    while rest.count > 0 {
      if rest.starts(with: magic) {
        guard rest.count >= headerBytes else { throw .truncated }
        // The second number is the oldest reader that understands what follows.
        let compatible = UnsafeRawBufferPointer(rebasing: rest).loadUnaligned(fromByteOffset: 12, as: Int32.self)
        guard Int32(bigEndian: compatible) <= version else {
          throw .corrupt("xerial version \(Int32(bigEndian: compatible))")
        }
        rest = rest.dropFirst(headerBytes)
        continue
      }
      guard rest.count >= 4 else { throw .truncated }
      let length = Int32(bigEndian: UnsafeRawBufferPointer(rebasing: rest).loadUnaligned(as: Int32.self))
      guard length > 0 else { throw .corrupt("a block of \(length) bytes") }
      rest = rest.dropFirst(4)
      guard rest.count >= Int(length) else { throw .truncated }
      try decompressRaw(UnsafeRawBufferPointer(rebasing: rest.prefix(Int(length))), into: &output)
      rest = rest.dropFirst(Int(length))
    }
  }

  /// One raw block. Its declared length is checked against the limit and against what the format can expand to before
  /// anything is allocated; the library then accepts nothing but exactly that length.
  private static func decompressRaw(
    _ input: UnsafeRawBufferPointer, into output: inout BoundedOutput
  ) throws(CompressionError) {
    let bytes = input.bindMemory(to: CChar.self).baseAddress!
    var length = 0
    guard snappy_uncompressed_length(bytes, input.count, &length) == SNAPPY_OK else { throw .corrupt("no length") }
    guard length >= 0, length <= output.limit - output.count else { throw .tooLarge(limit: output.limit) }
    guard length <= input.count * mostExpansion + 64 else {
      throw .corrupt("\(input.count) bytes cannot hold \(length)")
    }
    guard length > 0 else {
      // Only the length itself: nothing may follow it.
      guard snappy_validate_compressed_buffer(bytes, input.count) == SNAPPY_OK else { throw .corrupt("not snappy") }
      return
    }
    var status = SNAPPY_OK
    try output.write(least: length) { room in
      var written = room.count
      status = snappy_uncompress(bytes, input.count, room.bindMemory(to: CChar.self).baseAddress!, &written)
      return status == SNAPPY_OK ? written : 0
    }
    guard status == SNAPPY_OK else { throw .corrupt("not snappy") }
  }
}
