import NIOCore
import TestSupport
import Testing

@testable import Compression

let compressing = Codec.allCases.filter { $0 != .none }

func compressed(_ bytes: [UInt8], _ codec: Codec, level: Int? = nil) throws -> ByteBuffer {
  var out = ByteBuffer()
  try bytes.withUnsafeBytes { raw in try codec.compress(raw, level: level, into: &out) }
  return out
}

@Test("what a codec compresses it decompresses", arguments: Codec.allCases, Seed.some(8))
func roundTrip(codec: Codec, seed: Seed) throws {
  var seed = seed
  for size in [0, 1, 2, 12, 13, 100, 4096, 32 << 10, (32 << 10) + 1, 64 << 10, (64 << 10) + 1, 200_000] {
    let count = size < 13 ? size : Int.random(in: size - 3...size + 3, using: &seed)
    let bytes = seed.payload(count)
    let packed = try compressed(bytes, codec)
    let back = try codec.decompress(packed, limit: count)
    #expect(Array(back.readableBytesView) == bytes, "\(codec), \(count) bytes")
    if count > 0 {
      #expect(throws: CompressionError.tooLarge(limit: count - 1)) { try codec.decompress(packed, limit: count - 1) }
    }
  }
}

@Test("every level round trips, and the ones outside are refused", arguments: compressing)
func levels(codec: Codec) throws {
  var seed = Seed(1)
  let bytes = seed.payload(100_000)
  guard let levels = codec.levels else {
    #expect(codec == .snappy)
    return
  }
  let tried = codec == .zstd ? [-131_072, -5, -1, 0, 1, 3, 9, 19, 22] : Array(levels)
  for level in tried {
    #expect(
      Array(try codec.decompress(compressed(bytes, codec, level: level), limit: 100_000).readableBytesView) == bytes)
  }
  for level in [levels.lowerBound - 3, levels.upperBound + 1] {
    #expect(throws: CompressionError.unknownLevel(level, codec)) { try compressed(bytes, codec, level: level) }
  }
  #expect(try compressed(bytes, codec) == compressed(bytes, codec, level: codec.defaultLevel))
}

@Test("what was compressed before does not show in the output", arguments: compressing, Seed.some(3))
func deterministic(codec: Codec, seed: Seed) throws {
  var seed = seed
  let text = Array("the quick brown fox jumps over the lazy dog, the lazy dog, thethe".utf8)
  let first = try compressed(text, codec)
  for _ in 0..<20 {
    for level in [codec.levels?.lowerBound, nil, codec.levels?.upperBound] {
      _ = try compressed(text.shuffled(using: &seed) + seed.payload(500), codec, level: level)
    }
    #expect(try compressed(text, codec) == first, "\(codec), \(seed)")
  }
}

@Test("compressing appends, and so does decompressing", arguments: compressing)
func appends(codec: Codec) throws {
  let bytes = Array("the quick brown fox jumps over the lazy dog, the lazy dog".utf8)
  var out = ByteBuffer(string: "before")
  try bytes.withUnsafeBytes { raw in try codec.compress(raw, into: &out) }
  #expect(out.readString(length: 6) == "before")
  #expect(out == (try compressed(bytes, codec)))
  var back = ByteBuffer(string: "before")
  try out.withUnsafeReadableBytes { raw in try codec.decompress(raw, limit: 100, into: &back) }
  #expect(back.readString(length: 6) == "before")
  #expect(Array(back.readableBytesView) == bytes)
}

/// 64 MiB of zeros from a few KB (from 64 KB for lz4, whose best is 255 to 1; 3 MB for snappy's 21 to 1).
@Test("a bomb is an error, and nothing near its size is allocated", arguments: compressing)
func bomb(codec: Codec) throws {
  let packed = try compressed([UInt8](repeating: 0, count: 64 << 20), codec)
  let limit = 1 << 20
  var out = ByteBuffer()
  #expect(throws: CompressionError.tooLarge(limit: limit)) {
    try packed.withUnsafeReadableBytes { raw in try codec.decompress(raw, limit: limit, into: &out) }
  }
  #expect(out.capacity <= max(4 << 20, 8 * packed.readableBytes), "\(codec) took \(out.capacity)")
}

@Test("a declared size far beyond what the input can hold is not believed")
func lies() throws {
  // Raw snappy: a varint of 2^30, then one literal byte.
  let snappy = ByteBuffer(bytes: [0x80, 0x80, 0x80, 0x80, 0x04, 0x00, 0x41])
  #expect(throws: CompressionError.self) { try Codec.snappy.decompress(snappy, limit: 1 << 30) }
  // zstd: a single-segment frame declaring 2^30 bytes, then one raw block of one byte.
  let zstd = ByteBuffer(bytes: [0x28, 0xB5, 0x2F, 0xFD, 0xA0, 0, 0, 0, 0x40, 0x09, 0, 0, 0x41])
  #expect(throws: CompressionError.self) { try Codec.zstd.decompress(zstd, limit: 1 << 30) }
}

@Test("every truncation is an error", arguments: compressing)
func truncation(codec: Codec) throws {
  var seed = Seed(7)
  let packed = try compressed(seed.payload(3000), codec)
  for count in 0..<packed.readableBytes {
    // The xerial header alone is a whole, empty stream.
    if codec == .snappy, count == 16 { continue }
    #expect(throws: CompressionError.self, "\(codec) cut to \(count)") {
      try codec.decompress(packed.getSlice(at: 0, length: count)!, limit: 3000)
    }
  }
}

@Test("bytes after the stream are an error", arguments: compressing)
func trailing(codec: Codec) throws {
  for tail in [[0], [1, 2, 3, 4], [UInt8](repeating: 0xFF, count: 40)] as [[UInt8]] {
    var packed = try compressed(Array("abcabcabcabcabcabcabcabc".utf8), codec)
    packed.writeBytes(tail)
    #expect(throws: CompressionError.self, "\(codec) with \(tail)") { try codec.decompress(packed, limit: 1000) }
  }
}

@Test("streams one after another are one stream", arguments: compressing)
func concatenated(codec: Codec) throws {
  var packed = ByteBuffer()
  for word in ["first, ", "second, ", "third"] {
    try word.utf8.withContiguousStorageIfAvailable { raw in
      try codec.compress(UnsafeRawBufferPointer(raw), into: &packed)
    }
  }
  #expect(String(buffer: try codec.decompress(packed, limit: 100)) == "first, second, third")
}

@Test("names and numbers are Kafka's")
func names() {
  #expect(Codec.allCases.map(\.name) == ["none", "gzip", "snappy", "lz4", "zstd"])
  #expect(Codec.allCases.map(\.rawValue) == [0, 1, 2, 3, 4])
  for codec in Codec.allCases { #expect(Codec(name: codec.name) == codec) }
  #expect(Codec(name: "GZIP") == nil)
  #expect(Codec(rawValue: 5) == nil)
}
