import Base
import Model
import NIOCore
import Testing

@testable import Wire

@Suite("A Produce request of one batch, written and read in place")
struct ProduceFrameTests {
  private static func request(_ topic: String, _ partition: Int32, _ records: [UInt8], transactional: Bool)
    -> ProduceRequest
  {
    var request = ProduceRequest()
    request.transactionalID = transactional ? "id" : nil
    request.acks = -1
    request.timeoutMs = 1234
    request.add(.bytes(ByteBuffer(bytes: records)), to: TopicPartition(topic, partition))
    return request
  }

  @Test("has the bytes that ProduceRequest has, in every version", arguments: ProduceFrame.versions, [false, true])
  func sameBytes(version: Int16, transactional: Bool) {
    var random = SplitMix(seed: UInt64(version))
    for round in 0..<50 {
      let topic = String(repeating: "t", count: 1 + random.below(249))
      let frame = ProduceFrame(
        version: version, clientID: round % 3 == 0 ? nil : "client", transactionalID: transactional ? "id" : nil,
        acks: -1, timeoutMs: 1234, topic: topic)
      var written = ByteBuffer()
      var expected: [UInt8] = []
      // One after the other in one buffer, as they are sent.
      for correlationID: Int32 in [0, 7, .max] {
        let records = (0..<random.below(40_000)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        let partition = Int32(random.below(100_000))
        let request = Self.request(topic, partition, records, transactional: transactional)
        let whole = Frame.request(
          request, version: version, correlationID: correlationID, clientID: round % 3 == 0 ? nil : "client"
        ).joined!
        expected += whole.readableBytesView
        let size = frame.writeHead(
          correlationID: correlationID, partition: partition, recordsBytes: records.count, to: &written)
        written.writeBytes(records)
        frame.writeTail(to: &written)
        #expect(size == whole.readableBytes)
      }
      #expect(Array(written.readableBytesView) == expected, "round \(round)")
    }
  }

  @Test("its start is read wherever the records are")
  func head() throws {
    let frame = ProduceFrame(
      version: 12, clientID: "c", transactionalID: nil, acks: 1, timeoutMs: 1, topic: "topic")
    var bytes = ByteBuffer()
    frame.writeHead(correlationID: 5, partition: 3, recordsBytes: 1000, to: &bytes)
    bytes.moveReaderIndex(forwardBy: Frame.prefixBytes)
    let start = Array(bytes.readableBytesView)
    let head = try #require(start.withUnsafeBytes { ProduceHead(reading: $0) })
    #expect((head.version, head.correlationID, head.acks, head.place.partition) == (12, 5, 1, 3))
    #expect(start[head.place.nameStart..<head.place.nameStart + head.place.nameLength].elementsEqual("topic".utf8))
    // The records' length, of two bytes, is not needed.
    for count in 0..<start.count - 2 {
      #expect(start.prefix(count).withUnsafeBytes { ProduceHead(reading: $0) } == nil, "\(count) bytes")
    }
  }

  private static func response(_ random: inout SplitMix) -> ProduceResponse {
    var response = ProduceResponse()
    response.throttleTimeMs = Int32(random.below(100))
    response.responses = [
      .with {
        $0.name = String(repeating: "t", count: 1 + random.below(249))
        $0.partitionResponses = [
          .with {
            $0.index = Int32(random.below(1000))
            $0.errorCode = random.below(4) == 0 ? .notLeaderOrFollower : .none
            $0.baseOffset = Offset(Int64(random.below(1 << 40)))
            $0.errorMessage = random.below(4) == 0 ? "no" : nil
          }
        ]
      }
    ]
    return response
  }

  /// Says how the two readers differ; nil when they agree, or when the general one is left to read.
  private static func difference(_ frame: [UInt8], _ version: Int16) -> String? {
    guard let receipt = frame.withUnsafeBytes({ ProduceReceipt(reading: $0, version: version) }) else { return nil }
    var bytes = ByteBuffer(bytes: frame)
    guard (try? ResponseHeader(reading: &bytes, version: ProduceResponse.api.responseHeaderVersion(version))) != nil,
      let response = try? ProduceResponse(reading: &bytes, version: version)
    else { return "only ProduceReceipt reads it" }
    guard response.responses.count == 1, response.responses[0].partitionResponses.count == 1 else {
      return "it has \(response)"
    }
    let partition = response.responses[0].partitionResponses[0]
    guard partition.errorCode == .none, partition.index == receipt.partition,
      partition.baseOffset.rawValue == receipt.baseOffset
    else { return "\(receipt) is not \(partition)" }
    return nil
  }

  @Test("its response is read as ProduceResponse reads it, in every version", arguments: ProduceFrame.versions)
  func receipt(version: Int16) {
    var random = SplitMix(seed: UInt64(version))
    var plain = 0
    for round in 0..<500 {
      let response = Self.response(&random)
      let partition = response.responses[0].partitionResponses[0]
      var whole = Frame.response(response, version: version, correlationID: Int32(round)).joined!
      whole.moveReaderIndex(forwardBy: Frame.prefixBytes)
      var frame = Array(whole.readableBytesView)
      let isPlain = partition.errorCode == .none && (partition.errorMessage == nil || version < 8)
      #expect((frame.withUnsafeBytes { ProduceReceipt(reading: $0, version: version) } != nil) == isPlain)
      if isPlain { plain += 1 }
      #expect(Self.difference(frame, version) == nil, "version \(version) round \(round)")
      // Damaged bytes never end the program, and are never read as something else.
      for _ in 0..<20 {
        frame[random.below(frame.count)] = UInt8(truncatingIfNeeded: random.next())
        #expect(Self.difference(frame, version) == nil, "version \(version) round \(round): \(frame)")
        let cut = Array(frame.prefix(random.below(frame.count)))
        #expect(Self.difference(cut, version) == nil, "version \(version) round \(round): \(cut)")
      }
    }
    #expect(plain > 100)
  }
}
