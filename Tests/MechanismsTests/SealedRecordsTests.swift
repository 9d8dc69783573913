import Glibc
import Testing

@testable import Mechanisms

@Suite("Sealed records")
struct SealedRecordsTests {
  private static func content(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
  }

  private static func sealed(_ content: [UInt8], by sealer: inout SealedRecords.Sealer) throws -> [UInt8] {
    var out = [UInt8](repeating: 0, count: SealedRecords.sealedBytes(content.count))
    // What stands behind the content is put back.
    var buffer = content + [7]
    let count = try out.withUnsafeMutableBytes { out in
      try buffer.withUnsafeMutableBytes { try sealer.seal(content.count, of: $0, into: out) }
    }
    #expect(buffer == content + [7])
    #expect(count == out.count)
    return out
  }

  private static func opened(_ bytes: [UInt8], by opener: inout SealedRecords.Opener, inPiecesOf piece: Int) throws
    -> [UInt8]
  {
    var found: [UInt8] = []
    for place in stride(from: 0, to: bytes.count, by: piece) {
      try bytes[place..<min(place + piece, bytes.count)].withUnsafeBytes { bytes in
        try opener.take(bytes) { found += $0 }
      }
    }
    return found
  }

  @Test("come back as they were, in pieces of any size, from contents of any size")
  func roundTrip() throws {
    for count in [1, 16_383, 16_384, 16_385, 65_536, 100_001] {
      for piece in [7, 1000, 1 << 20] {
        var (sealer, opener) = (SealedRecords.Sealer(stream: 3), SealedRecords.Opener(stream: 3))
        let content = Self.content(count)
        // Twice, so that the count of records goes on.
        for _ in 0..<2 {
          let bytes = try Self.sealed(content, by: &sealer)
          #expect(try Self.opened(bytes, by: &opener, inPiecesOf: piece) == content, "\(count) in \(piece)")
          #expect(!opener.isInMidst)
        }
      }
    }
  }

  @Test("have TLS 1.3's header, and 22 bytes more than each 16 KiB")
  func layout() throws {
    var sealer = SealedRecords.Sealer(stream: 0)
    let bytes = try Self.sealed(Self.content(20_000), by: &sealer)
    #expect(bytes.count == 20_000 + 2 * 22)
    #expect(Array(bytes[..<5]) == [23, 3, 3, 16_401 >> 8, 16_401 & 255])
    #expect(Array(bytes[16_406..<16_411]) == [23, 3, 3, (3616 + 17) >> 8, (3616 + 17) & 255])
  }

  @Test("the same content twice is not the same bytes, nor on two streams")
  func nonces() throws {
    var (one, other) = (SealedRecords.Sealer(stream: 0), SealedRecords.Sealer(stream: 1))
    let content = Self.content(100)
    let all = try [Self.sealed(content, by: &one), Self.sealed(content, by: &one), Self.sealed(content, by: &other)]
    #expect(Set(all).count == 3)
  }

  @Test("a bit that changed anywhere, a record left out and one of another stream do not open")
  func damaged() throws {
    var sealer = SealedRecords.Sealer(stream: 0)
    let (first, second) = (
      try Self.sealed(Self.content(50), by: &sealer), try Self.sealed(Self.content(60), by: &sealer)
    )
    for place in first.indices where place != 3 && place != 4 {
      var bytes = first
      bytes[place] ^= 1
      var opener = SealedRecords.Opener(stream: 0)
      #expect(throws: MechanismError.self, "byte \(place)") { try Self.opened(bytes, by: &opener, inPiecesOf: 1000) }
    }
    var opener = SealedRecords.Opener(stream: 0)
    #expect(throws: MechanismError.self) { try Self.opened(second, by: &opener, inPiecesOf: 1000) }
    var foreign = SealedRecords.Opener(stream: 1)
    #expect(throws: MechanismError.self) { try Self.opened(first, by: &foreign, inPiecesOf: 1000) }
    var cut = SealedRecords.Opener(stream: 0)
    #expect(try Self.opened(Array(first.dropLast()), by: &cut, inPiecesOf: 1000).isEmpty && cut.isInMidst)
  }
}
