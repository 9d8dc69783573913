import Base
import Foundation
import Model
import NIOCore
import Testing
import Wire

/// Bytes from a stranger never trap: they are a message or a `WireError`. A trap ends the test process; the seed is fixed, so a run repeats it.
///
/// `MILLRACE_SEED` names another seed, `MILLRACE_FUZZ_INPUTS` another number of inputs a type.
@Suite("Arbitrary bytes")
struct FuzzTests {
  static let inputsPerType =
    ProcessInfo.processInfo.environment["MILLRACE_FUZZ_INPUTS"].flatMap { Int($0) } ?? 100_000

  @Test("never trap any message's reader", arguments: messageTypes.keys.sorted())
  func arbitrary(name: String) throws {
    try fuzz(messageTypes[name]!, schema: #require(Schema.all[name]))
  }

  private func fuzz<T: WireVersioned>(_ type: T.Type, schema: Schema) throws {
    var random = SplitMix(seed: ConformanceTests.seed &+ UInt64(T.versions.count))
    let versions = Array(T.versions)
    let valid = versions.map { version in
      (0..<8).map { _ in
        var generator = SchemaBytes(schema: schema, version: version, random: SplitMix(seed: random.next()))
        return Array(generator.message().readableBytesView)
      }
    }
    let noise = Noise(&random)
    var buffer = ByteBuffer()
    var read = 0
    for input in 0..<Self.inputsPerType {
      let version = input % versions.count
      if input & 1 == 0 {
        buffer = noise.slice(&random)
      } else {
        buffer.clear()
        mutate(valid[version][random.below(8)], into: &buffer, &random)
      }
      guard let value = try? T(reading: &buffer, version: versions[version]) else { continue }
      read += 1
      if read % 16 == 0 { expectStable(value, versions[version]) }
    }
    #expect(read > 0, "no input at all was a \(T.self), seed \(ConformanceTests.seed)")
  }

  /// Random bytes made once, of which each input is a short stretch. In one half the numbers are small, so that lengths and counts are believable.
  private struct Noise {
    static let byteCount = 16_384
    static let inputBytesMax = 48
    let bytes: ByteBuffer

    init(_ random: inout SplitMix) {
      var bytes = ByteBuffer()
      for word in 0..<Self.byteCount / 8 {
        let mask: UInt64 = word < Self.byteCount / 16 ? 0x0303_0303_0303_0303 : .max
        bytes.writeInteger(random.next() & mask)
      }
      self.bytes = bytes
    }

    func slice(_ random: inout SplitMix) -> ByteBuffer {
      bytes.getSlice(
        at: random.below(Self.byteCount - Self.inputBytesMax), length: random.below(Self.inputBytesMax))!
    }
  }

  /// What was read writes, and reads back as the same.
  private func expectStable<T: WireVersioned>(_ value: T, _ version: Int16) {
    var bytes = value.written(version: version)
    let again = try? T(reading: &bytes, version: version)
    // By their bytes too: a number that is none is not the same as itself.
    #expect(
      again == value || again?.written(version: version) == value.written(version: version),
      "\(T.self) v\(version), seed \(ConformanceTests.seed): \(value)")
  }

  /// The bounds of each width, their neighbours, and the numbers around zero.
  private static let extremes: [Int64] = [
    .min, .min + 1, Int64(Int32.min), Int64(Int16.min), -128, -2, -1, 0, 1, 2, 127, 128, Int64(Int16.max), 32_768,
    Int64(Int32.max) - 1, Int64(Int32.max), Int64(Int32.max) + 1, Int64(UInt32.max), .max - 1, .max,
  ]

  /// One to three changes: another byte, a flipped bit, a cut end, a number at its bounds.
  private func mutate(_ message: [UInt8], into buffer: inout ByteBuffer, _ random: inout SplitMix) {
    var message = message
    for _ in 0...random.below(3) where !message.isEmpty {
      let at = random.below(message.count)
      switch random.below(4) {
      case 0: message[at] = UInt8(truncatingIfNeeded: random.next())
      case 3:
        let width = 1 << random.below(4)
        let value = Self.extremes[random.below(Self.extremes.count)]
        for index in 0..<min(width, message.count - at) {
          message[at + index] = UInt8(truncatingIfNeeded: value >> Int64(8 * (width - 1 - index)))
        }
      case 1: message[at] ^= 1 << UInt8(random.below(8))
      default: message.removeSubrange(at...)
      }
    }
    buffer.writeBytes(message)
  }
}
