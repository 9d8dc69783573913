import Csnappy
import NIOCore
import TestSupport
import Testing

@testable import Compression

@Test("snappy is written in snappy-java's framing, blocks of 32 KiB")
func xerial() throws {
  var seed = Seed(3)
  var packed = try compressed(seed.bytes(70_000), .snappy)
  #expect(packed.readBytes(length: 16) == [0x82, 0x53, 0x4E, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])
  var sizes: [Int] = []
  while let length = packed.readInteger(as: Int32.self), let block = packed.readSlice(length: Int(length)) {
    var size = 0
    let status = block.withUnsafeReadableBytes {
      snappy_uncompressed_length($0.bindMemory(to: CChar.self).baseAddress!, $0.count, &size)
    }
    #expect(status == SNAPPY_OK)
    sizes.append(size)
  }
  #expect(sizes == [32 << 10, 32 << 10, 70_000 - (64 << 10)])
}

@Test("raw snappy is read too, as librdkafka writes it", arguments: Seed.some(20))
func rawSnappy(seed: Seed) throws {
  var seed = seed
  let bytes = seed.payload(Int.random(in: 0...100_000, using: &seed))
  var length = snappy_max_compressed_length(bytes.count)
  var packed = [CChar](repeating: 0, count: length)
  let status = bytes.withUnsafeBytes {
    snappy_compress($0.bindMemory(to: CChar.self).baseAddress!, $0.count, &packed, &length)
  }
  #expect(status == SNAPPY_OK)
  let buffer = ByteBuffer(bytes: packed.prefix(length).map { UInt8(bitPattern: $0) })
  #expect(Array(try Codec.snappy.decompress(buffer, limit: bytes.count).readableBytesView) == bytes)
}

@Test("an LZ4 frame opens with Kafka's seven bytes and ends with a zero length")
func lz4Frame() throws {
  var seed = Seed(4)
  for bytes in [[], Array("abc".utf8), seed.payload(100_000), seed.bytes(100_000)] as [[UInt8]] {
    let packed = try compressed(bytes, .lz4)
    #expect(packed.getBytes(at: 0, length: 7) == [0x04, 0x22, 0x4D, 0x18, 0x60, 0x40, 0x82])
    #expect(packed.getBytes(at: packed.writerIndex - 4, length: 4) == [0, 0, 0, 0])
  }
  // Noise is stored: each block costs its length and no more.
  #expect(try compressed(seed.bytes(100_000), .lz4).readableBytes == 7 + 4 + 4 + 100_000 + 4)
}

@Test("an LZ4 header's checksum, as the format has it and as messages of magic 0 do (KAFKA-3160)")
func lz4HeaderChecksum() throws {
  let frame = try compressed(Array("abcabcabcabc".utf8), .lz4)
  let broken = LZ4HeaderChecksum.broken(frame)
  #expect(broken != frame)
  #expect(throws: CompressionError.self) { try Codec.lz4.decompress(broken, limit: 100) }
  #expect(LZ4HeaderChecksum.mended(broken) == frame)
  // With the content's size, as liblz4's own tools write it: 64 40, eight bytes, and their checksum.
  let sized = ByteBuffer(bytes: [
    4, 0x22, 0x4D, 0x18, 0x68, 0x40, 3, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0x80, 97, 98, 99, 0, 0, 0, 0,
  ])
  let mended = LZ4HeaderChecksum.mended(sized)
  #expect(try Codec.lz4.decompress(mended, limit: 100) == ByteBuffer(string: "abc"))
  for count in 0..<7 {
    let cut = try #require(frame.getSlice(at: 0, length: count))
    #expect(LZ4HeaderChecksum.mended(cut) == cut, "\(count) bytes")
  }
}

@Test("LZ4's default level is the fast compressor, as Kafka has it")
func lz4Default() throws {
  var seed = Seed(5)
  let bytes = (0..<2000).flatMap { _ in Array("item \(UInt8.random(in: 0...99, using: &seed)), ".utf8) }
  let fast = try compressed(bytes, .lz4).readableBytes
  #expect(try compressed(bytes, .lz4, level: 9).readableBytes == fast)
  #expect(try compressed(bytes, .lz4, level: 8).readableBytes < fast)
  #expect(try compressed(bytes, .lz4, level: 17).readableBytes == compressed(bytes, .lz4, level: 12).readableBytes)
}

@Test("zstd frames without a content size are read, as Java's streaming writer makes them")
func zstdStreamed() throws {
  let text = String(repeating: "hello hello hello hello\n", count: 200)
  var frame = ByteBuffer(bytes: [0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x58])
  // Window descriptor 58 (2 MiB), then a raw block of the text, marked as the last (block header 3 bytes).
  let header = UInt32(text.utf8.count) << 3 | 1
  frame.writeBytes([UInt8(header & 0xFF), UInt8(header >> 8 & 0xFF), UInt8(header >> 16)])
  frame.writeString(text)
  #expect(String(buffer: try Codec.zstd.decompress(frame, limit: text.utf8.count)) == text)
  #expect(throws: CompressionError.tooLarge(limit: 100)) { try Codec.zstd.decompress(frame, limit: 100) }
}

/// 4 codecs x 5 seeds x 4,000 inputs; each either noise or a valid stream with a few bytes changed, inserted, cut.
@Test("arbitrary and damaged bytes never trap and never pass the limit", arguments: compressing, Seed.some(5))
func fuzz(codec: Codec, seed: Seed) throws {
  var seed = seed
  let limit = 1 << 16
  let originals = try (0..<16).map { _ in
    Array(try compressed(seed.payload(Int.random(in: 0...300, using: &seed)), codec).readableBytesView)
  }
  for _ in 0..<4_000 {
    var bytes =
      Bool.random(using: &seed)
      ? seed.bytes(Int.random(in: 0...64, using: &seed)) : originals.randomElement(using: &seed)!
    seed.damage(&bytes)
    if let out = try? codec.decompress(ByteBuffer(bytes: bytes), limit: limit) {
      #expect(out.readableBytes <= limit, "\(codec), \(seed)")
    }
  }
}

@Test("a wrong checksum within a compressed stream is told from other damage")
func streamChecksums() throws {
  // An LZ4 frame with a content checksum, one stored block, and four bytes that are not its checksum.
  let header: [UInt8] = [0x04, 0x22, 0x4D, 0x18, 0x64, 0x40, 0xA7]
  let block: [UInt8] = [3, 0, 0, 0x80, 1, 2, 3, 0, 0, 0, 0]
  var wrongHeader = header
  wrongHeader[6] ^= 1
  for frame in [header + block + [9, 9, 9, 9], wrongHeader + block + [9, 9, 9, 9]] {
    let error = #expect(throws: CompressionError.self) {
      try Codec.lz4.decompress(ByteBuffer(bytes: frame), limit: 100)
    }
    guard case .badChecksum = error else { return #expect(Bool(false), "\(frame): \(error!)") }
  }
  var gzip = ByteBuffer()
  try [UInt8](repeating: 7, count: 100).withUnsafeBytes { try Codec.gzip.compress($0, into: &gzip) }
  // The trailer: CRC-32, then the length.
  for (back, isChecksum) in [(8, true), (4, false)] {
    var bytes = gzip
    let at = bytes.writerIndex - back
    bytes.setInteger(bytes.getInteger(at: at, as: UInt8.self)! ^ 1, at: at)
    let error = #expect(throws: CompressionError.self) { try Codec.gzip.decompress(bytes, limit: 1000) }
    if case .badChecksum = error { #expect(isChecksum) } else { #expect(!isChecksum, "\(error!)") }
  }
}
