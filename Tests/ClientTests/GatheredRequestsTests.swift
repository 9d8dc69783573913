import ClientSupport
import Model
import NIOCore
import NIOPosix
import Testing
import Wire

@testable import Client

/// Keeps what is written, and counts the writes and flushes.
private final class Recording: Transport {
  var bytes = ByteBuffer()
  var writes = 0, flushes = 0

  func write(_ bytes: ByteBuffer) {
    writes += 1
    self.bytes.writeImmutableBuffer(bytes)
  }

  func flush(written: (() -> Void)?) {
    flushes += 1
    written?()
  }

  func close() {}

  /// Returns the values of the records of each request that has come, and the bytes that answer all of them.
  func take() throws -> (values: [[String]], answers: ByteBuffer) {
    var values: [[String]] = []
    var answers = ByteBuffer()
    while var frame = try Frame.next(in: &bytes, limit: .max) {
      let header = try RequestHeader(reading: &frame)
      let request = try ProduceRequest(reading: &frame, version: header.apiVersion)
      let partition = request.topicData[0].partitionData[0]
      let batch = try RecordBatch(viewing: partition.records.bytes!)
      values.append(try batch.records().map { String(buffer: $0.value!) })
      var response = ProduceResponse()
      response.responses = [
        .with {
          $0.name = "t"
          $0.partitionResponses = [.with { $0.index = partition.index }]
        }
      ]
      let reply = Frame.response(response, version: header.apiVersion, correlationID: header.correlationID)
      answers.writeImmutableBuffer(reply.joined!)
    }
    return (values, answers)
  }
}

/// A producer of one partition over a transport that is looked into.
private final class Bench {
  let transport = Recording()
  let connection: BrokerConnection
  let producer: Producer
  var deliveries: [Delivery] = []
  var settlings: [Int] = []

  init(_ settings: ProducerSettings, on eventLoop: any EventLoop) {
    let endpoint = Endpoint(host: "nowhere", port: 1)
    let connection = BrokerConnection(
      endpoint, on: eventLoop, transport: transport, clientID: "c", requestTimeoutMs: 1000, now: TestClock.nowNs)
    self.connection = connection
    let metadata = Metadata(
      topic: "t", topicID: .zero,
      partitions: [.init(index: 0, leader: .init(id: 1, endpoint: endpoint), leaderEpoch: 0)])
    producer = Producer(settings, metadata, on: eventLoop, now: TestClock.nowNs) { $1(.success(connection)) }
    producer.delivered = { [unowned self] in deliveries.append($0) }
    producer.settled = { [unowned self] in settlings.append(deliveries.count) }
    producer.start { _ in }
  }

  func send(_ values: [String]) throws {
    for value in values {
      producer.fill(0) { builder, _ in
        Array(value.utf8).withUnsafeBytes { builder.append(timestamp: 0, key: nil, value: $0) }
        return value.utf8.count
      }
      try producer.seal(0)
    }
    producer.flush()
  }
}

@Suite("Requests that are ready together")
struct GatheredRequestsTests {
  private func withBench(
    _ settings: ProducerSettings = ProducerSettings(topic: "t"), _ body: @escaping @Sendable (Bench) throws -> Void
  ) async throws {
    try await withGroup { group in
      let eventLoop = group.next()
      try await eventLoop.submit { try body(Bench(settings, on: eventLoop)) }.get()
    }
  }

  @Test("leave in one write, and the responses of one read are settled once")
  func together() async throws {
    try await withBench { bench in
      // Memory of acknowledged batches is used again: later rounds must not show earlier bytes.
      for round in 0..<4 {
        let values = (0..<5).map { "\(round).\($0)" + String(repeating: "x", count: 100 * ((round + $0) % 3)) }
        (bench.transport.writes, bench.transport.flushes) = (0, 0)
        try bench.send(values)
        #expect((bench.transport.writes, bench.transport.flushes) == (1, 1))
        let (arrived, answers) = try bench.transport.take()
        #expect(arrived == values.map { [$0] })
        bench.connection.received(answers)
        #expect(bench.deliveries.count == 5 * (round + 1))
        #expect(bench.settlings.last == bench.deliveries.count && bench.settlings.count == round + 1)
        // They came with one read, at one time.
        #expect(Set(bench.deliveries.suffix(5).map(\.doneNs)).count == 1)
        #expect(bench.deliveries.allSatisfy { $0.sentNs <= $0.doneNs && $0.attempts == 1 })
      }
      #expect(bench.producer.unacknowledged == 0)
    }
  }

  @Test("keep their order where large ones are sent from where they lie", arguments: [7_000, 9_000, 70_000])
  func large(size: Int) async throws {
    try await withBench { bench in
      for round in 0..<3 {
        let values = (0..<5).map { "\(round).\($0)" + String(repeating: "y", count: $0 % 2 == 0 ? size : 10) }
        try bench.send(values)
        let (arrived, answers) = try bench.transport.take()
        #expect(arrived == values.map { [$0] })
        bench.connection.received(answers)
        #expect(bench.settlings.count == round + 1)
      }
    }
  }

  @Test("fail with the connection where they are too old to be sent again, each settled by itself")
  func lost() async throws {
    var settings = ProducerSettings(topic: "t")
    settings.deliveryTimeoutMs = 0
    try await withBench(settings) { bench in
      try bench.send(["a", "b"])
      bench.connection.ended(reason: "gone")
      #expect(bench.deliveries.count == 2)
      #expect(bench.settlings == [1, 2])
      #expect(bench.connection.bytesSent == bench.transport.bytes.readableBytes)
    }
  }
}
