import Base
import Model
import Testing

@testable import Storage

@Suite("The hash of a key")
struct KeyHash128Tests {
  /// The first vectors of the reference implementation (`vectors_sip128`): key 00 01 … 0f, inputs of 0, 1, 2 … bytes 00 01 02 ….
  @Test(
    "is SipHash-2-4 with 128 bits",
    arguments: [
      (0, "a3817f04ba25a8e66df67214c7550293"), (1, "da87c1d86b99af44347659119b22fc45"),
      (2, "8177228da4a45dc7fca38bdef60affe4"), (3, "9c70b60c5267a94e5f33b6b02985ed51"),
    ])
  func vectors(count: Int, expected: String) {
    let hash = KeyHash128(key: 0x0706_0504_0302_0100, 0x0F0E_0D0C_0B0A_0908)
    #expect(Self.hex(hash, Array(0..<UInt8(count))) == expected)
  }

  @Test("takes every byte and the length into account, across the borders of words")
  func lengths() {
    let hash = KeyHash128(key: 3, 4)
    var seen: Set<String> = []
    for count in 0..<40 {
      let bytes = [UInt8](repeating: 0, count: count)
      #expect(seen.insert(Self.hex(hash, bytes)).inserted, "\(count) zeros")
      for index in bytes.indices {
        var changed = bytes
        changed[index] = 1
        #expect(seen.insert(Self.hex(hash, changed)).inserted, "\(count) bytes, \(index) is 1")
      }
    }
    #expect(Self.hex(KeyHash128(key: 3, 5), []) != Self.hex(hash, []), "another key, another hash")
  }

  private static func hex(_ hash: KeyHash128, _ bytes: [UInt8]) -> String {
    let digest = bytes.withUnsafeBytes { hash.digest($0) }
    return [digest.first, digest.second].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }
      .map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}

@Suite("The map of keys to offsets")
struct OffsetMapTests {
  private func map(bytes: Int, keysMax: Int = .max / 2, load: Double = 0.9) -> OffsetMap {
    OffsetMap(bytes: bytes, keysMax: keysMax, loadFactor: load, hash: KeyHash128(key: 1, 2))
  }

  @Test("has what a dictionary has, up to its capacity, and refuses more keys", arguments: [1, 2, 24, 1000, 240_000])
  func dictionary(bytes: Int) {
    let map = map(bytes: bytes)
    var expected: [Int: Offset] = [:]
    var random = SplitMix(seed: UInt64(bytes))
    for offset in 0..<3 * map.capacity + 10 {
      let key = random.below(2 * map.capacity + 2)
      let isTaken = with(key) { map.put($0, Offset(Int64(offset))) }
      #expect(isTaken == (expected[key] != nil || expected.count < map.capacity))
      if isTaken { expected[key] = Offset(Int64(offset)) }
    }
    #expect(map.count == expected.count)
    for key in 0..<2 * map.capacity + 2 { #expect(with(key) { map.offset(of: $0) } == expected[key]) }
  }

  @Test("keeps the later offset, whatever the order")
  func later() {
    let map = map(bytes: 1000)
    #expect(with(7) { map.put($0, 5) })
    #expect(with(7) { map.put($0, 3) })
    #expect(with(7) { map.offset(of: $0) } == 5)
    #expect(with(8) { map.offset(of: $0) } == nil)
    #expect(with(9) { map.put($0, 0) } && with(9) { map.offset(of: $0) } == 0)
  }

  @Test("takes no more memory than it may, and less when there are few keys")
  func memory() {
    #expect(map(bytes: 1 << 20).memoryBytes <= 1 << 20)
    #expect(map(bytes: 1 << 20).capacity == Int(Double((1 << 20) / 24) * 0.9))
    let small = map(bytes: 1 << 40, keysMax: 1000)
    #expect(small.capacity >= 1000 && small.memoryBytes < 1200 * OffsetMap.slotBytes)
    #expect(map(bytes: 2400, load: 5).capacity == 99, "one slot of a hundred stays free")
    #expect(map(bytes: 2400, load: -1).capacity == 1)
  }

  private func with<Result>(_ key: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    withUnsafeBytes(of: key, body)
  }
}
