import ClientSupport
import Model
import NIOCore
import NIOPosix
import Synchronization
import Testing
import Wire

@testable import Client

/// A partition's log as a broker with idempotence keeps it: a batch is taken when its sequence is next, answered as a
/// duplicate when it is there, refused when it is neither.
private final class FakeLog: Sendable {
  struct State {
    var nextSequence: Int32 = 0
    var values: [String] = []
    var requests = 0
    var epochs: [Int16] = []
    /// Batches of older epochs are refused.
    var epochMin: Int16 = 0
  }
  private let state = Mutex(State())

  var values: [String] { state.withLock { $0.values } }
  /// The epochs of the batches that were taken.
  var epochs: [Int16] { state.withLock { $0.epochs } }

  /// Loses what is known of the producer.
  func forget() {
    state.withLock { state in
      state.epochMin += 1
      state.nextSequence = 0
    }
  }

  func isForgotten(by request: ProduceRequest) -> Bool {
    guard let records = request.topicData[0].partitionData[0].records.bytes,
      let batch = try? RecordBatch(viewing: records)
    else { return false }
    return state.withLock { batch.header.producerEpoch < $0.epochMin }
  }

  /// How many requests there have been, this one included.
  func countRequest() -> Int {
    state.withLock { state in
      state.requests += 1
      return state.requests
    }
  }

  func append(_ request: ProduceRequest) -> ErrorCode {
    guard let records = request.topicData[0].partitionData[0].records.bytes,
      let batch = try? RecordBatch(viewing: records), let decoded = try? batch.records()
    else { return .corruptMessage }
    return state.withLock { state in
      if batch.header.baseSequence < 0 || batch.header.baseSequence == state.nextSequence {
        state.nextSequence += batch.header.count
        state.values += decoded.map { String(buffer: $0.value!) }
        if state.epochs.last != batch.header.producerEpoch { state.epochs.append(batch.header.producerEpoch) }
        return .none
      }
      return batch.header.baseSequence < state.nextSequence ? .duplicateSequenceNumber : .outOfOrderSequenceNumber
    }
  }
}

/// Fills as slots allow, as the load generator does, or all at once: batches of three records, `batch.record`.
private final class Filler {
  let producer: Producer
  private var next = 0
  private let batches: Int
  private let atOnce: Bool

  init(_ producer: Producer, _ batches: Int, atOnce: Bool) {
    self.producer = producer
    self.batches = batches
    self.atOnce = atOnce
  }

  static func expected(_ batches: Int) -> [String] {
    (0..<batches).flatMap { batch in (0..<3).map { "\(batch).\($0)" } }
  }

  func fill() {
    while next < batches, atOnce || producer.batchesFree(0) > 0 {
      let index = next
      next += 1
      producer.fill(0) { builder, _ in
        for record in 0..<3 {
          Array("\(index).\(record)".utf8).withUnsafeBytes { builder.append(timestamp: 0, key: nil, value: $0) }
        }
        return 9
      }
      do { try producer.seal(0) } catch { preconditionFailure("\(error)") }
    }
    producer.flush()
  }
}

/// A transport to nowhere.
private final class NoTransport: Transport {
  func write(_ bytes: ByteBuffer) {}
  func flush(written: (() -> Void)?) { written?() }
  func close() {}
}

@Suite("Producer")
struct ProducerTests {
  /// Produces so many batches and returns what became of them.
  func produce(
    _ batches: Int, to endpoint: Endpoint, on group: any EventLoopGroup, acks: Int16 = -1, atOnce: Bool = false
  ) async throws -> [Result<Offset, ClientError>] {
    var settings = ProducerSettings(topic: "t")
    settings.identity = acks == 0 ? nil : ProducerIdentity(id: 7, epoch: 0)
    settings.acks = acks
    let (final, eventLoop) = (settings, group.next())
    let collected = Collected<Result<Offset, ClientError>>()
    let metadata = Metadata(
      topic: "t", topicID: .zero,
      partitions: [.init(index: 0, leader: .init(id: 1, endpoint: endpoint), leaderEpoch: 0)])
    let filler = try await eventLoop.submit {
      let producer = Producer(final, metadata, on: eventLoop, now: TestClock.nowNs) { broker, then in
        BrokerConnection.connect(to: broker.endpoint, on: eventLoop, TestClock.options(), then: then)
      }
      let filler = Filler(producer, batches, atOnce: atOnce)
      producer.delivered = { delivery in
        collected.add(delivery.result)
        filler.fill()
      }
      producer.resumed = { filler.fill() }
      producer.start { _ in filler.fill() }
      return NIOLoopBound(filler, eventLoop: eventLoop)
    }.get()
    let results = await collected.first(batches)
    try await eventLoop.submit { filler.value.producer.close() }.get()
    return results
  }

  private static func answer(
    _ header: RequestHeader, _ body: ByteBuffer, _ code: (ProduceRequest) -> ErrorCode
  ) -> FakeBroker.Reply {
    var body = body
    guard let request = try? ProduceRequest(reading: &body, version: header.apiVersion) else { return .close }
    let code = code(request)
    var response = ProduceResponse()
    response.responses = [
      .with {
        $0.name = "t"
        $0.partitionResponses = [
          .with {
            $0.index = request.topicData[0].partitionData[0].index
            $0.errorCode = code
          }
        ]
      }
    ]
    return FakeBroker.reply(response, to: header)
  }

  private static func metadata(_ endpoint: Endpoint) -> MetadataResponse {
    var response = MetadataResponse()
    response.brokers = [
      .with {
        $0.nodeID = 1
        $0.host = endpoint.host
        $0.port = Int32(endpoint.port)
      }
    ]
    response.topics = [
      .with {
        $0.name = "t"
        $0.partitions = [.with { $0.leaderID = 1 }]
      }
    ]
    return response
  }

  private func failures(_ results: [Result<Offset, ClientError>]) -> [ClientError] {
    results.compactMap { result in
      guard case .failure(let error) = result else { return nil }
      return error
    }
  }

  /// Produces so many batches to a broker that refuses some of its requests (the first is 1) with an error that may pass,
  /// and expects each batch once and in order.
  private func expectInOrder(
    _ count: Int, atOnce: Bool = false,
    refusing isRefused: @escaping @Sendable (_ request: Int) -> Bool = { _ in false }
  ) async throws {
    try await withGroup { group in
      let log = FakeLog()
      let broker = try await FakeBroker.start(on: group) { header, body in
        guard header.apiKey == ProduceRequest.api.key else { return FakeBroker.versions(header) }
        return Self.answer(header, body) { request in
          isRefused(log.countRequest()) ? .notEnoughReplicas : log.append(request)
        }
      }
      #expect(failures(try await produce(count, to: broker.endpoint, on: group, atOnce: atOnce)) == [])
      #expect(log.values == Filler.expected(count))
    }
  }

  @Test("batches arrive in order, each once")
  func plain() async throws { try await expectInOrder(40) }

  @Test("a refusal that may pass is retried, and the order is kept", arguments: [3, 4, 9])
  func refusal(every: Int) async throws {
    try await expectInOrder(12) { $0 % every == 0 }
  }

  @Test("batches that wait behind a refused one are sent behind it", arguments: [1, 3, 6])
  func queuedBehindRefusal(refused: Int) async throws {
    try await expectInOrder(20, atOnce: true) { $0 == refused }
  }

  @Test("a connection lost with requests unanswered is made again, and nothing is lost or doubled")
  func lostConnection() async throws {
    try await withGroup { group in
      let log = FakeLog()
      let place = Mutex<Endpoint?>(nil)
      let broker = try await FakeBroker.start(on: group) { header, body in
        if header.apiKey == MetadataRequest.api.key {
          return FakeBroker.reply(Self.metadata(place.withLock { $0! }), to: header)
        }
        guard header.apiKey == ProduceRequest.api.key else { return FakeBroker.versions(header) }
        let reply = Self.answer(header, body) { log.append($0) }
        // Taken, and the answer lost.
        return [6, 14].contains(log.countRequest()) ? .close : reply
      }
      place.withLock { $0 = broker.endpoint }
      #expect(failures(try await produce(25, to: broker.endpoint, on: group)) == [])
      #expect(log.values == Filler.expected(25))
    }
  }

  @Test("a producer that is closed while it connects again closes the connection that it then gets")
  func closedWhileReconnecting() async throws {
    try await withGroup { group in
      let broker = Metadata.Broker(id: 1, endpoint: Endpoint(host: "nowhere", port: 1))
      let partition = Metadata.Partition(index: 0, leader: broker, leaderEpoch: 0)
      let metadata = Metadata(topic: "t", topicID: .zero, partitions: [partition])
      let eventLoop = group.next()
      let isOpen = Collected<Bool>()
      eventLoop.execute {
        var attempts = 0
        var producer: Producer?
        producer = Producer(ProducerSettings(topic: "t"), metadata, on: eventLoop, now: TestClock.nowNs) {
          broker, then in
          let connection = BrokerConnection(
            broker.endpoint, on: eventLoop, transport: NoTransport(), clientID: "t", requestTimeoutMs: 1000,
            now: TestClock.nowNs)
          attempts += 1
          if attempts == 2 { producer?.close() }
          then(.success(connection))
          if attempts == 1 { return connection.ended(reason: "gone") }
          isOpen.add(connection.isOpen)
          producer = nil
        }
        producer?.start { _ in }
      }
      #expect(await isOpen.first(1) == [false])
    }
  }

  @Test("a refusal for good is told, with partition and code")
  func fatal() async throws {
    try await withGroup { group in
      let broker = try await FakeBroker.start(on: group) { header, body in
        guard header.apiKey == ProduceRequest.api.key else { return FakeBroker.versions(header) }
        return Self.answer(header, body) { _ in .messageTooLarge }
      }
      let error = failures(try await produce(1, to: broker.endpoint, on: group)).first?.description
      #expect(error?.contains("t-0") == true && error?.contains("MESSAGE_TOO_LARGE") == true, "\(error ?? "none")")
    }
  }

  @Test(
    "a broker that does not know the sequences any more gets the batches again in the next epoch, from sequence 0",
    arguments: [ErrorCode.unknownProducerId, .outOfOrderSequenceNumber], [1, 4])
  func epoch(code: ErrorCode, lost: Int) async throws {
    try await withGroup { group in
      let log = FakeLog()
      let broker = try await FakeBroker.start(on: group) { header, body in
        guard header.apiKey == ProduceRequest.api.key else { return FakeBroker.versions(header) }
        return Self.answer(header, body) { request in
          if log.countRequest() == lost { log.forget() }
          return log.isForgotten(by: request) ? code : log.append(request)
        }
      }
      #expect(failures(try await produce(9, to: broker.endpoint, on: group)) == [])
      #expect(log.values == Filler.expected(9))
      #expect(log.epochs == (lost == 1 ? [1] : [0, 1]))
    }
  }

  @Test("with acks=0 no answer is awaited")
  func unacknowledged() async throws {
    try await withGroup { group in
      let received = Collected<Int16>()
      let broker = try await FakeBroker.start(on: group) { header, body in
        guard header.apiKey == ProduceRequest.api.key else { return FakeBroker.versions(header) }
        var body = body
        let request = try ProduceRequest(reading: &body, version: header.apiVersion)
        received.add(request.acks)
        return .silence
      }
      let results = try await produce(30, to: broker.endpoint, on: group, acks: 0)
      #expect(results.allSatisfy { $0 == .success(.unknown) })
      #expect(received.all.allSatisfy { $0 == 0 })
    }
  }

  @Test("batches end at their size, and take one record however large")
  func size() throws {
    var settings = ProducerSettings(topic: "t")
    settings.batchBytes = 1000
    var builder = RecordBatchBuilder(capacity: 1000)
    let takesAny = settings.hasRoom(builder, keyBytes: 0, valueBytes: 5000)
    #expect(takesAny)
    let value = [UInt8](repeating: 1, count: 100)
    while settings.hasRoom(builder, keyBytes: 0, valueBytes: 100) {
      value.withUnsafeBytes { builder.append(timestamp: 0, key: nil, value: $0) }
    }
    let size = builder.sizeInBytes
    #expect(size <= 1000 && size > 800)
    settings.batchRecords = builder.count
    settings.batchBytes = 100_000
    let (hasRoom, fitting) = (
      settings.hasRoom(builder, keyBytes: 0, valueBytes: 1), settings.recordsFitting(builder, valueBytes: 1)
    )
    #expect(!hasRoom)
    #expect(fitting == 0)
  }
}
