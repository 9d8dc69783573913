import Base
import Compression
import Model
import NIOCore
import Testing
import Wire

@testable import Broker

/// Produce requests that come in one read are served together; each with a tagged field that nobody knows is served by itself.
@Suite("Produce requests served together")
struct ProduceTogetherTests {
  private static let topics = ["plain", "other", "stamped", "compacted", "small", "missing"]

  private static func topic(_ client: TestClient) throws {
    for name in ["plain", "other"] { try client.createTopic(name) }
    try client.createTopic("stamped", ["message.timestamp.type": "LogAppendTime"])
    try client.createTopic("compacted", ["cleanup.policy": "compact"])
    try client.createTopic("small", ["max.message.bytes": "300", "segment.bytes": "1000", "index.interval.bytes": "0"])
  }

  /// What producers send, and what none should: batches in order, twice, with gaps, damaged, empty and too large.
  private struct Producers {
    var random: SplitMix
    var sequences: [String: Int32] = [:]

    mutating func records(for topic: String, _ partition: Int32) throws -> ByteBuffer? {
      let count = 1 + random.below(4)
      let values = (0..<count).map { "\($0)" + String(repeating: "v", count: random.below(120)) }
      let codec = random.below(4) == 0 ? Codec.allCases[random.below(Codec.allCases.count)] : .none
      var (id, sequence): (Int64, Int32) = (-1, -1)
      if random.below(2) == 0 {
        id = Int64(random.below(3))
        let key = "\(topic)-\(partition)-\(id)"
        sequence = sequences[key, default: 0]
        switch random.below(8) {
        case 0: sequence &+= 7
        case 1: sequence = max(0, sequence - Int32(count))
        default: sequences[key] = sequence + Int32(count)
        }
      }
      let batch = try Batches.of(
        values, key: topic == "compacted" && random.below(3) > 0 ? "k" : nil, codec: codec,
        producerID: id, epoch: id < 0 ? -1 : 0, sequence: sequence)
      switch random.below(20) {
      case 0: return nil
      case 4...6 where id < 0:
        var builder = RecordBatchBuilder(capacity: 1024)
        for value in values {
          let record = Record(
            offset: 0, timestamp: Batches.timestamp, key: nil, value: ByteBuffer(string: value),
            headers: [RecordHeader("trace", ByteBuffer(string: "1"))])
          builder.append(record)
        }
        return try builder.finish(codec: codec)
      case 1:
        var damaged = batch
        let at = damaged.readerIndex + random.below(damaged.readableBytes)
        damaged.setInteger(UInt8(truncatingIfNeeded: random.next()), at: at)
        return damaged
      case 2: return try Batches.sealed(batch) { $0.maxTimestamp += 1 }
      case 3: return try Batches.sealed(batch) { $0.attributes.isControl = true }
      default: return batch
      }
    }

    mutating func request() throws -> ProduceRequest {
      var request = ProduceRequest()
      request.acks = random.below(5) == 0 ? -1 : 1
      request.timeoutMs = 10_000
      for _ in 0..<1 + random.below(3) {
        let name = ProduceTogetherTests.topics[random.below(10) == 0 ? 5 : random.below(5)]
        var topic = ProduceRequest.Topic()
        topic.name = name
        for _ in 0..<1 + random.below(2) {
          let partition = Int32(random.below(20) == 0 ? 9 : random.below(2))
          let records = try records(for: name, partition)
          topic.partitionData.append(
            .with {
              $0.index = partition
              $0.records = .bytes(records)
            })
        }
        request.topicData.append(topic)
      }
      return request
    }
  }

  private static func frame(_ request: ProduceRequest, version: Int16, number: Int32) -> ByteBuffer {
    Frame.request(request, version: version, correlationID: number, clientID: "test").joined!
  }

  /// The same request with an unknown tagged field at its end.
  private static func tagged(_ frame: ByteBuffer) -> ByteBuffer {
    var bytes = frame
    bytes.moveWriterIndex(to: bytes.writerIndex - 1)
    bytes.writeBytes([1, 99, 1, 0])
    bytes.setInteger(Int32(bytes.readableBytes - Frame.prefixBytes), at: bytes.readerIndex)
    return bytes
  }

  private static func stored(_ client: TestClient, _ topic: String, _ partition: Int32) throws -> [UInt8] {
    let found = try client.fetch(topic, partition, from: 0)
    return found.records.bytes.map { Array($0.readableBytesView) } ?? []
  }

  @Test("are answered, and stored, as each by itself", arguments: UInt64(0)..<12)
  func equal(seed: UInt64) throws {
    try withBroker(["millrace.requests.in.flight": "\(seed % 3 == 0 ? 3 : 200)"]) { together in
      try withBroker { apart in
        let (a, b) = (try together.connect(), try apart.connect())
        try Self.topic(a)
        try Self.topic(b)
        var producers = Producers(random: SplitMix(seed: seed))
        var number: Int32 = 1_000
        for round in 0..<12 {
          let version = Int16(9 + (seed + UInt64(round)) % 4)
          var all = ByteBuffer()
          var frames: [ByteBuffer] = []
          for _ in 0..<1 + producers.random.below(120) {
            number += 1
            var frame = Self.frame(try producers.request(), version: version, number: number)
            frames.append(frame)
            all.writeBuffer(&frame)
          }
          try a.send(all)
          for (index, frame) in frames.enumerated() {
            try b.send(Self.tagged(frame))
            let expected = try #require(try b.receiveFrame())
            let got = try #require(try a.receiveFrame())
            // The broker's clock is the only difference.
            guard got.readableBytes == expected.readableBytes,
              Self.unstamped(got, version) == Self.unstamped(expected, version)
            else {
              Issue.record("seed \(seed), round \(round), request \(index): \(got) and \(expected) differ")
              return
            }
          }
        }
        for topic in ["plain", "other", "small"] {
          for partition: Int32 in 0...1 {
            let (left, right) = (try Self.stored(a, topic, partition), try Self.stored(b, topic, partition))
            #expect(left == right, "seed \(seed): \(topic)-\(partition)")
          }
        }
      }
    }
  }

  /// The response, with no time of the append.
  private static func unstamped(_ frame: ByteBuffer, _ version: Int16) -> ProduceResponse? {
    var bytes = frame
    bytes.moveReaderIndex(forwardBy: 5)
    var response = try? ProduceResponse(reading: &bytes, version: version)
    for topic in response?.responses.indices ?? 0..<0 {
      for partition in response?.responses[topic].partitionResponses.indices ?? 0..<0 {
        response?.responses[topic].partitionResponses[partition].logAppendTimeMs = 0
      }
    }
    return response
  }

  @Test("wait for the flush that their topic asks for, and other requests keep their place")
  func flushed() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", ["flush.messages": "1"])
      var all = ByteBuffer()
      for number in 0..<30 as Range<Int32> {
        var frame =
          number % 10 == 9
          ? Frame.request(ApiVersionsRequest(), version: 0, correlationID: number, clientID: nil).joined!
          : Self.frame(
            .with {
              $0.acks = number % 10 == 5 ? 0 : -1
              $0.timeoutMs = 10_000
              $0.topicData = [
                .with {
                  $0.name = "t"
                  $0.partitionData = [.with { $0.records = .bytes(try? Batches.of(["v\(number)"])) }]
                }
              ]
            }, version: 9, number: number)
        all.writeBuffer(&frame)
      }
      try client.send(all)
      for number in 0..<30 as Range<Int32> where number % 10 != 5 {
        let frame = try #require(try client.receiveFrame())
        #expect(frame.getInteger(at: frame.readerIndex, as: Int32.self) == number)
      }
      #expect(try client.offset(of: "t", at: -1).offset == 27)
    }
  }

  @Test("with acks=0, the connection closes when one of them is refused, and those before it are stored")
  func silent() throws {
    try withBroker { broker in
      let (client, other) = (try broker.connect(), try broker.connect())
      try client.createTopic("t")
      var all = ByteBuffer()
      for number in 0..<5 as Range<Int32> {
        let batch = try Batches.of(["v"], producerID: 1, epoch: 0, sequence: number == 4 ? 77 : number)
        var frame = Self.frame(
          .with {
            $0.topicData = [
              .with {
                $0.name = "t"
                $0.partitionData = [.with { $0.records = .bytes(batch) }]
              }
            ]
          }, version: 7, number: number)
        all.writeBuffer(&frame)
      }
      try client.send(all)
      #expect(try client.isClosed())
      #expect(try other.offset(of: "t", at: -1).offset == 4)
    }
  }
}
