import Base
import Foundation
import Model
import NIOCore
import Testing
import Wire

/// Our definitions against Kafka's: what the schema's own writer produces, our types must eat to the last byte and write again.
@Suite("Conformance to Kafka's message descriptions")
struct ConformanceTests {
  static let roundsPerVersion = 40

  static let seed: UInt64 = ProcessInfo.processInfo.environment["MILLRACE_SEED"].flatMap { UInt64($0) } ?? 20_110_101

  @Test("every message, in every version, reads and writes what Kafka describes", arguments: messageTypes.keys.sorted())
  func everyVersion(name: String) throws {
    let type = messageTypes[name]!
    let schema = try #require(Schema.all[name], "Kafka describes no \(name)")
    #expect(type.versions.lowerBound == schema.versions.lowerBound)
    #expect(schema.versions.contains(type.versions.upperBound))
    let flexibleInRange = schema.flexible.flatMap { $0.lowerBound <= schema.versions.upperBound ? $0.lowerBound : nil }
    #expect(type.flexibleFrom == flexibleInRange)
    for version in type.versions {
      var random = SplitMix(seed: Self.seed)
      for _ in 0..<Self.roundsPerVersion {
        var generator = SchemaBytes(schema: schema, version: version, random: random)
        let bytes = generator.message()
        random = generator.random
        check(bytes, version, as: type)
      }
    }
  }

  private func check<T: WireVersioned>(_ bytes: ByteBuffer, _ version: Int16, as type: T.Type) {
    let reproduction: Comment = "\(T.self) v\(version), seed \(Self.seed): \(hex(bytes))"
    var rest = bytes
    do throws(WireError) {
      let value = try T(reading: &rest, version: version)
      #expect(rest.readableBytes == 0, reproduction)
      #expect(value.written(version: version) == bytes, reproduction)
    } catch {
      Issue.record("\(error) reading \(reproduction)")
    }
  }

  @Test("tagged fields nobody knows are skipped, wherever they stand")
  func unknownTags() throws {
    // Metadata v9: no brokers, cluster id null, controller 1, no topics, operations; then tags 5 (two bytes) and 9 (none).
    var bytes = ByteBuffer(bytes: [0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0x80, 0, 0, 0, 2, 5, 2, 0xAB, 0xCD, 9, 0])
    let response = try MetadataResponse(reading: &bytes, version: 9)
    #expect(response.controllerID == 1)
    #expect(bytes.readableBytes == 0)
  }

  @Test("lengths and counts that cannot be true are refused by name")
  func lies() {
    func fail<T: Message>(_ type: T.Type, _ version: Int16, _ bytes: [UInt8], _ expected: WireError) {
      var buffer = ByteBuffer(bytes: bytes)
      #expect(throws: expected) { try T(reading: &buffer, version: version) }
    }
    fail(MetadataRequest.self, 1, [0x7F, 0xFF, 0xFF, 0xFF], .invalidCount(0x7FFF_FFFF, left: 0))
    fail(MetadataRequest.self, 9, [0xFF, 0xFF, 0xFF, 0xFF, 0x07], .invalidCount(0x7FFF_FFFE, left: 0))
    fail(MetadataRequest.self, 9, [0xFF, 0xFF, 0xFF, 0xFF, 0x1F], .invalidVarint)
    fail(MetadataRequest.self, 9, [0x80, 0x80, 0x80, 0x80, 0x80, 0x00], .invalidVarint)
    fail(MetadataRequest.self, 0, [0xFF, 0xFF, 0xFF, 0xFF], .unexpectedNull)
    fail(HeartbeatRequest.self, 0, [0, 9, 0x61], .truncated(needed: 9, left: 1))
    fail(HeartbeatRequest.self, 0, [0xFF, 0xFF], .unexpectedNull)
    fail(HeartbeatRequest.self, 4, [0x81, 0x80, 0x02], .invalidLength(0x8000))
    fail(HeartbeatRequest.self, 9, [], .unsupportedVersion(key: 12, version: 9))
    // ProduceResponse v10 with the tagged field NodeEndpoints said to be three bytes long, of which its content is one.
    fail(ProduceResponse.self, 10, [1, 0, 0, 0, 0, 1, 0, 3, 1, 0, 0], .taggedFieldSize(tag: 0))
  }
}

func hex(_ bytes: ByteBuffer) -> String {
  bytes.readableBytesView.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}
