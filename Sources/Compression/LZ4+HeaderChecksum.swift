package import NIOCore

/// The header checksum of LZ4 frames in messages of magic 0.
///
/// Kafka's first LZ4 code took it over the frame's magic number and the descriptor, where the format says descriptor only,
/// and clients of that age expect the same (KAFKA-3160). From magic 1 on it is as the format has it. Readers of magic 0
/// therefore do not trust it, and liblz4 cannot be told not to, so it is put right first.
package enum LZ4HeaderChecksum {
  private static let magicNumberBytes = 4
  /// Bits of the first descriptor byte that say what else the descriptor holds.
  private static let hasContentSize: UInt8 = 8, hasDictionaryID: UInt8 = 1

  /// The frame with the checksum the format asks for.
  package static func mended(_ frame: ByteBuffer) -> ByteBuffer { replaced(in: frame, countingMagicNumber: false) }

  /// The frame with the checksum that readers of magic 0 expect.
  package static func broken(_ frame: ByteBuffer) -> ByteBuffer { replaced(in: frame, countingMagicNumber: true) }

  /// What is too short for a header stays as it is: the decoder will say what it is.
  private static func replaced(in frame: ByteBuffer, countingMagicNumber: Bool) -> ByteBuffer {
    let descriptor = frame.readerIndex + magicNumberBytes
    guard let flags = frame.getInteger(at: descriptor, as: UInt8.self) else { return frame }
    let descriptorBytes = 2 + (flags & hasContentSize != 0 ? 8 : 0) + (flags & hasDictionaryID != 0 ? 4 : 0)
    let start = countingMagicNumber ? frame.readerIndex : descriptor
    let end = descriptor + descriptorBytes
    guard end < frame.writerIndex, let covered = frame.getBytes(at: start, length: end - start) else { return frame }
    // The only longer one would be magic number, content size and dictionary id together, which nobody here writes.
    guard covered.count < 16 else { return frame }
    var mended = frame
    mended.setInteger(UInt8(truncatingIfNeeded: xxHash32(covered) >> 8), at: end)
    return mended
  }

  /// XXH32 with seed 0 of fewer than 16 bytes (xxhash_spec.md): there its four lanes are not used.
  private static func xxHash32(_ bytes: [UInt8]) -> UInt32 {
    precondition(bytes.count < 16, "\(bytes.count) bytes need the lanes")
    let prime1: UInt32 = 0x9E37_79B1, prime2: UInt32 = 0x85EB_CA77, prime3: UInt32 = 0xC2B2_AE3D
    let prime4: UInt32 = 0x27D4_EB2F, prime5: UInt32 = 0x1656_67B1
    func rotated(_ value: UInt32, by bits: UInt32) -> UInt32 { value << bits | value >> (32 - bits) }
    var hash = prime5 &+ UInt32(bytes.count)
    let words = bytes.count / 4
    for word in 0..<words {
      let value = bytes[word * 4..<word * 4 + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      hash = rotated(hash &+ value &* prime3, by: 17) &* prime4
    }
    for byte in bytes[(words * 4)...] { hash = rotated(hash &+ UInt32(byte) &* prime5, by: 11) &* prime1 }
    hash = (hash ^ hash >> 15) &* prime2
    hash = (hash ^ hash >> 13) &* prime3
    return hash ^ hash >> 16
  }
}
