import ClientSupport
import Model
import NIOCore
import Wire

@testable import Client

/// Keeps what is written, and counts the writes and flushes.
final class Recording: Transport {
  var bytes = ByteBuffer()
  var writes = 0, flushes = 0
  /// Of the batches that were taken.
  var headers: [RecordBatchHeader] = []

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
      headers.append(batch.header)
      values.append(try batch.records().map { String(buffer: $0.value!) })
      var response = ProduceResponse()
      response.responses = [
        .with {
          $0.name = "t"
          $0.partitionResponses = [.with { $0.index = partition.index }]
        }
      ]
      let reply = Frame.response(
        response, version: header.apiVersion, correlationID: header.correlationID)
      answers.writeImmutableBuffer(reply.joined!)
    }
    return (values, answers)
  }
}

/// A producer of one partition over a transport that is looked into.
final class ProducerBench {
  let transport = Recording()
  let connection: BrokerConnection
  let producer: Producer
  var deliveries: [Delivery] = []
  var settlings: [Int] = []

  init(
    _ settings: ProducerSettings, _ compression: (any BatchCompression)? = nil,
    on eventLoop: any EventLoop
  ) {
    let endpoint = Endpoint(host: "nowhere", port: 1)
    let connection = BrokerConnection(
      endpoint, on: eventLoop, transport: transport, clientID: "c", requestTimeoutMs: 1000,
      now: TestClock.nowNs)
    self.connection = connection
    let metadata = Metadata(
      topic: "t", topicID: .zero,
      partitions: [.init(index: 0, leader: .init(id: 1, endpoint: endpoint), leaderEpoch: 0)])
    producer = Producer(settings, metadata, on: eventLoop, now: TestClock.nowNs) {
      $1(.success(connection))
    }
    producer.compression = compression
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
