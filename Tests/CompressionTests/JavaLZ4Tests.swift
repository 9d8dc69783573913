import Compression
import NIOCore
import TestSupport
import Testing

@Suite("LZ4 streams that Java clients cannot read")
struct JavaLZ4Tests {
  private let plain = [UInt8](repeating: 7, count: 150_000) + (0..<200).map { UInt8($0) }

  private func compressed(level: Int? = nil) throws -> ByteBuffer {
    var out = ByteBuffer()
    try plain.withUnsafeBytes { try Codec.lz4.compress($0, level: level, into: &out) }
    return out
  }

  /// The stream with other flags, the header's checksum made right: `0x82` is that of `60 40`.
  private func with(flags: UInt8, checksum: UInt8, _ stream: ByteBuffer) -> ByteBuffer {
    var stream = stream
    stream.setInteger(flags, at: 4)
    stream.setInteger(checksum, at: 6)
    return stream
  }

  @Test("what we write has no objection, at any level", arguments: [nil, 1, 9, 17] as [Int?])
  func ours(level: Int?) throws {
    #expect(try JavaLZ4.objection(to: compressed(level: level)) == nil)
  }

  @Test("liblz4 reads linked blocks, Java does not")
  func linked() throws {
    let stream = with(flags: 0x40, checksum: 0xC0, try compressed())
    #expect(try Codec.lz4.decompress(stream, limit: 1 << 20) == ByteBuffer(bytes: plain))
    #expect(JavaLZ4.objection(to: stream)?.contains("depend on each other") == true)
  }

  @Test("liblz4 reads frame after frame, Java only the first")
  func frames() throws {
    var stream = try compressed()
    stream.writeImmutableBuffer(try compressed())
    #expect(try Codec.lz4.decompress(stream, limit: 1 << 20).readableBytes == 2 * plain.count)
    #expect(JavaLZ4.objection(to: stream) != nil)
  }

  @Test("a content checksum and a content size are fine, a dictionary is not")
  func headers() throws {
    var withChecksum = with(flags: 0x64, checksum: 0xA7, try compressed())
    withChecksum.writeInteger(UInt32(0))
    #expect(JavaLZ4.objection(to: withChecksum) == nil)
    var sized = ByteBuffer(bytes: [0x04, 0x22, 0x4D, 0x18, 0x68, 0x40, 5, 0, 0, 0, 0, 0, 0, 0, 0x61])
    sized.writeImmutableBuffer(try #require(compressed().getSlice(at: 7, length: compressed().readableBytes - 7)))
    #expect(JavaLZ4.objection(to: sized) == nil)
    #expect(JavaLZ4.objection(to: with(flags: 0x61, checksum: 0xA1, try compressed())) != nil)
    #expect(JavaLZ4.objection(to: with(flags: 0xA0, checksum: 0, try compressed())) != nil)
  }

  @Test("damaged and short streams get an answer, never a trap", arguments: Seed.some(20))
  func fuzz(seed: Seed) throws {
    var seed = seed
    let stream = Array(try compressed().readableBytesView)
    #expect(JavaLZ4.objection(to: ByteBuffer()) != nil)
    for _ in 0..<300 {
      var bytes = Array(stream.prefix(Int.random(in: 0...stream.count, using: &seed)))
      seed.damage(&bytes)
      for index in bytes.indices.prefix(12) where Int.random(in: 0..<8, using: &seed) == 0 {
        bytes[index] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &seed)!
      }
      _ = JavaLZ4.objection(to: ByteBuffer(bytes: bytes))
    }
  }
}
