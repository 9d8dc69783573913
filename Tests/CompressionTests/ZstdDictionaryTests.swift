import NIOCore
import TestSupport
import Testing

@testable import Compression

@Suite("Zstd dictionary")
struct ZstdDictionaryTests {
  /// Events that share their field names and little else.
  private static func events(_ range: Range<Int>) -> [ByteBuffer] {
    range.map { index in
      ByteBuffer(
        string:
          #"{"user_id":\#(index &* 104_729 % 99_991),"event":"page_view","referrer":"/items/\#(index &* 7919 % 1000)"}"#
      )
    }
  }

  private static func packed(_ event: ByteBuffer, _ dictionary: ZstdDictionary) throws -> ByteBuffer {
    var output = ByteBuffer()
    try event.withUnsafeReadableBytes { try dictionary.compress($0, into: &output) }
    return output
  }

  @Test("single messages come back, and are less than half as large as zstd makes them alone")
  func roundTrip() throws {
    let dictionary = try ZstdDictionary(training: Self.events(0..<5000), capacity: 4096)
    #expect((256...4096).contains(dictionary.byteCount))
    var (with, without) = (0, 0)
    for event in Self.events(9000..<9100) {
      let frame = try Self.packed(event, dictionary)
      var back = ByteBuffer()
      try frame.withUnsafeReadableBytes { try dictionary.decompress($0, limit: event.readableBytes, into: &back) }
      #expect(back == event)
      with += frame.readableBytes
      without += try compressed(Array(event.readableBytesView), .zstd).readableBytes
    }
    #expect(2 * with < without, "\(with) and \(without) bytes")
  }

  @Test("a frame that holds more than the limit, other bytes, and a frame of another dictionary are refused")
  func refused() throws {
    let dictionary = try ZstdDictionary(training: Self.events(0..<5000), capacity: 4096)
    let other = try ZstdDictionary(training: Self.events(20_000..<25_000), capacity: 2048)
    let event = Self.events(1..<2)[0]
    let frame = try Self.packed(event, dictionary)
    func back(_ frame: ByteBuffer, limit: Int, _ dictionary: ZstdDictionary) throws {
      var output = ByteBuffer()
      try frame.withUnsafeReadableBytes { try dictionary.decompress($0, limit: limit, into: &output) }
    }
    #expect(throws: CompressionError.self) { try back(frame, limit: event.readableBytes - 1, dictionary) }
    #expect(throws: CompressionError.self) { try back(ByteBuffer(string: "no frame"), limit: 100, dictionary) }
    #expect(throws: CompressionError.self) { try back(frame, limit: event.readableBytes, other) }
  }

  @Test("samples too few to train on, and sizes outside the limits, are errors and not a crash")
  func untrainable() {
    #expect(throws: CompressionError.self) { try ZstdDictionary(training: [], capacity: 4096) }
    #expect(throws: CompressionError.self) { try ZstdDictionary(training: Self.events(0..<2), capacity: 4096) }
    for capacity in [Int.min, 0, 255, (1 << 20) + 1, Int.max] {
      #expect(throws: CompressionError.self, "\(capacity)") {
        try ZstdDictionary(training: Self.events(0..<5000), capacity: capacity)
      }
    }
  }
}
