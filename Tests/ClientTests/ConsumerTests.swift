import Model
import NIOCore
import NIOPosix
import Testing
import Wire

@testable import Client

@Suite("Consumer")
struct ConsumerTests {
  static let perBatch = 5

  /// Twenty batches of five records, offsets 0 to 99, each value its offset.
  static func log() throws -> [(base: Offset, bytes: ByteBuffer)] {
    var builder = RecordBatchBuilder(capacity: 4096)
    return try (0..<20).map { index in
      for record in 0..<perBatch {
        Array("\(index * perBatch + record)".utf8).withUnsafeBytes {
          builder.append(timestamp: 0, key: nil, value: $0)
        }
      }
      let base = Offset(Int64(index * perBatch))
      return (base, try builder.finish(baseOffset: base))
    }
  }

  /// Whole batches from the one that holds the offset, as Kafka serves them: the last cut off at the size limit, the first
  /// never.
  static func serve(_ log: [(base: Offset, bytes: ByteBuffer)], from offset: Offset, cutAt bytesMax: Int) -> Records {
    var out = ByteBuffer()
    let rest = log.filter { $0.base + perBatch > offset }
    for (_, bytes) in rest where out.readableBytes < bytesMax { out.writeImmutableBuffer(bytes) }
    let first = rest.first?.bytes.readableBytes ?? 0
    return .bytes(out.getSlice(at: 0, length: min(out.readableBytes, max(bytesMax, first)))!)
  }

  /// A consumer of partition 0 that has begun to fetch.
  static func consumer(
    of endpoint: Endpoint, from: Int64, on eventLoop: any EventLoop, _ prepare: @escaping @Sendable (Consumer) -> Void
  ) async throws -> NIOLoopBound<Consumer> {
    let metadata = Metadata(
      topic: "t", topicID: .zero,
      partitions: [.init(index: 0, leader: .init(id: 1, endpoint: endpoint), leaderEpoch: 0)])
    return try await eventLoop.submit {
      let consumer = Consumer(
        ConsumerSettings(topic: "t"), metadata, from: [0: Offset(from)], on: eventLoop, now: TestClock.nowNs
      ) { broker, then in
        Connection.connect(to: broker.endpoint, on: eventLoop, TestClock.options(), then: then)
      }
      prepare(consumer)
      consumer.start { _ in consumer.fetch() }
      return NIOLoopBound(consumer, eventLoop: eventLoop)
    }.get()
  }

  static func answer(_ partition: FetchResponse.Partition) -> FetchResponse {
    var response = FetchResponse()
    response.responses = [
      .with {
        $0.topic = "t"
        $0.partitions = [partition]
      }
    ]
    return response
  }

  @Test(
    "every record comes once and in order, whatever the answers' sizes", arguments: [1, 100, 333, 1000, 100_000],
    [0, 7, 12] as [Int64])
  func order(cutAt: Int, from: Int64) async throws {
    let log = try Self.log()
    try await withGroup { group in
      let broker = try await FakeBroker.start(on: group) { header, body in
        guard header.apiKey == FetchRequest.api.key else { return FakeBroker.versions(header) }
        var body = body
        let request = try FetchRequest(reading: &body, version: header.apiVersion)
        let offset = request.topics[0].partitions[0].fetchOffset
        guard offset < 100 else { return .silence }
        return FakeBroker.reply(
          Self.answer(.with { $0.records = Self.serve(log, from: offset, cutAt: cutAt) }), to: header)
      }
      let seen = Collected<Int64>()
      let eventLoop = group.next()
      let consumer = try await Self.consumer(of: broker.endpoint, from: from, on: eventLoop) { consumer in
        consumer.received = { _, batch, _ in
          guard let records = try? batch.records() else {
            Issue.record("the batch at \(batch.header.baseOffset) has no readable records")
            return
          }
          for record in records where record.offset.rawValue >= from {
            #expect(String(buffer: record.value!) == "\(record.offset)")
            seen.add(record.offset.rawValue)
          }
        }
      }
      #expect(await seen.first(100 - Int(from)) == Array(from..<100))
      try await eventLoop.submit { consumer.value.close() }.get()
    }
  }

  @Test("an error of a partition is told")
  func refused() async throws {
    try await withGroup { group in
      let broker = try await FakeBroker.start(on: group) { header, _ in
        guard header.apiKey == FetchRequest.api.key else { return FakeBroker.versions(header) }
        return FakeBroker.reply(Self.answer(.with { $0.errorCode = .offsetOutOfRange }), to: header)
      }
      let failures = Collected<ClientError>()
      let eventLoop = group.next()
      let consumer = try await Self.consumer(of: broker.endpoint, from: 5, on: eventLoop) { consumer in
        consumer.failed = { failures.add($0) }
      }
      #expect(await failures.first(1)[0].description.contains("OFFSET_OUT_OF_RANGE"))
      try await eventLoop.submit { consumer.value.close() }.get()
    }
  }
}
