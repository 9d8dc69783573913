import CMillrace
import Model
import TestSupport
import Testing

private let ways: [(String, @Sendable (UInt32, UnsafeRawBufferPointer) -> UInt32)] = [
  ("three streams", { millrace_crc32c($0, $1.baseAddress, $1.count) }),
  ("one stream", { millrace_crc32c_one_stream($0, $1.baseAddress, $1.count) }),
  ("portable", { millrace_crc32c_portable($0, $1.baseAddress, $1.count) }),
]

@Test("CRC-32C of the published check values")
func crcVectors() {
  // "123456789" is the catalogue's check value; the rest are RFC 3720, appendix B.4 (there in little-endian bytes).
  let vectors: [([UInt8], UInt32)] = [
    (Array("123456789".utf8), 0xE306_9283),
    ([], 0),
    ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
    ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
    (Array(0..<32), 0x46DD_794E),
    (Array((0..<32).reversed()), 0x113F_DB5C),
  ]
  for (name, crc) in ways {
    for (bytes, expected) in vectors { #expect(bytes.withUnsafeBytes { crc(0, $0) } == expected, "\(name)") }
  }
}

@Test("all ways to a CRC agree, at every length around a block and in pieces", arguments: Seed.some(3))
func crcAgreement(seed: Seed) {
  var seed = seed
  let bytes = seed.bytes(40_000)
  let edges = [0, 8, 256, 768, 1024, 1536, 4096, 12_288, 13_056, 24_576, 39_000]
  for length in edges.flatMap({ edge in (max(0, edge - 9)...edge + 9) }) {
    let start = Int.random(in: 0...16, using: &seed)
    let cut = Int.random(in: 0...length, using: &seed)
    bytes.withUnsafeBytes { raw in
      let whole = UnsafeRawBufferPointer(rebasing: raw[start..<start + length])
      let expected = ways[2].1(0, whole)
      for (name, crc) in ways {
        #expect(crc(0, whole) == expected, "\(name), \(length) bytes, \(seed)")
        let front = crc(0, UnsafeRawBufferPointer(rebasing: whole.prefix(cut)))
        #expect(
          crc(front, UnsafeRawBufferPointer(rebasing: whole.dropFirst(cut))) == expected, "\(name), cut \(cut), \(seed)"
        )
      }
    }
  }
}

@Test("varints are as long as they say and as the protocol's tables show")
func varints() {
  let cases: [(Int64, [UInt8])] = [
    (0, [0]), (-1, [1]), (1, [2]), (63, [0x7E]), (-64, [0x7F]), (64, [0x80, 0x01]), (-65, [0x81, 0x01]),
    (300, [0xD8, 0x04]), (Int64(Int32.max), [0xFE, 0xFF, 0xFF, 0xFF, 0x0F]),
    (Int64.min, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]),
  ]
  var powers: [Int64] = []
  for bit in 0..<63 { powers += [1 << bit, (1 << bit) - 1, -(1 << bit), -(1 << bit) - 1] }
  func written(_ value: Int64) -> [UInt8] {
    withUnsafeTemporaryAllocation(byteCount: 10, alignment: 1) { room in
      let end = Varint.write(value, to: room.baseAddress!)
      return Array(room.prefix(end - room.baseAddress!))
    }
  }
  for (value, bytes) in cases { #expect(written(value) == bytes) }
  for value in powers {
    let bytes = written(value)
    #expect(bytes.count == Varint.size(of: value))
    let read = bytes.withUnsafeBytes { raw in
      var cursor = RecordCursor(raw)
      return try? cursor.varlong()
    }
    #expect(read == value)
  }
}

@Test("keys and groups hash as in Kafka's Java")
func hashes() {
  // From Kafka's UtilsTest.testMurmur2.
  let murmur: [(String, Int32)] = [
    ("21", -973_932_308), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536),
    ("a-little-bit-longer-string", -1_486_304_829), ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
    ("abc", 479_470_107),
  ]
  for (key, hash) in murmur { #expect(Array(key.utf8).withUnsafeBytes { KeyHash.murmur2($0) } == hash, "\(key)") }
  #expect(KeyHash.java("") == 0)
  #expect(KeyHash.java("hello") == 99_162_322)
  #expect(KeyHash.java("polygenelubricants") == Int32.min)
  #expect(KeyHash.partition(forID: "polygenelubricants", of: 50) == 0)
  #expect(KeyHash.toPositive(-1) == Int32.max)
}
