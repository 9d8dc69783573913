import ClientSupport
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

  /// A consumer of the first partitions that has begun to fetch.
  static func consumer(
    of endpoint: Endpoint, from: Int64, partitions: Int32 = 1, inFlight: Int = 1, on eventLoop: any EventLoop,
    _ prepare: @escaping @Sendable (Consumer) -> Void
  ) async throws -> NIOLoopBound<Consumer> {
    let leader = Metadata.Broker(id: 1, endpoint: endpoint)
    let metadata = Metadata(
      topic: "t", topicID: .zero,
      partitions: (0..<partitions).map { .init(index: $0, leader: leader, leaderEpoch: 0) })
    let offsets = Dictionary(uniqueKeysWithValues: (0..<partitions).map { ($0, Offset(from)) })
    var settings = ConsumerSettings(topic: "t")
    settings.requestsInFlight = inFlight
    let given = settings
    return try await eventLoop.submit {
      let consumer = Consumer(
        given, metadata, from: offsets, on: eventLoop, now: TestClock.nowNs
      ) { broker, then in
        BrokerConnection.connect(to: broker.endpoint, on: eventLoop, TestClock.options(), then: then)
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

  @Test(
    "with several fetches in flight every record comes once and in order, and only a fetch of everything waits at the broker",
    arguments: [2, 3, 8])
  func inFlight(count: Int) async throws {
    let log = try Self.log()
    let partitions: Int32 = 5
    // How far each partition goes: one is empty, one ends early, one gets records only once everything has been asked for.
    let ends: [Int64] = [100, 0, 15, 100, 100]
    struct Asked: Sendable {
      var partitions: [Int32]
      var maxWaitMs: Int32
    }
    let asked = Collected<Asked>()
    try await withGroup { group in
      let broker = try await FakeBroker.start(on: group) { header, body in
        guard header.apiKey == FetchRequest.api.key else { return FakeBroker.versions(header) }
        var body = body
        let request = try FetchRequest(reading: &body, version: header.apiVersion)
        let wanted = request.topics[0].partitions
        let waitedBefore = asked.all.contains { $0.maxWaitMs > 0 }
        asked.add(Asked(partitions: wanted.map(\.partition), maxWaitMs: request.maxWaitMs))
        var response = FetchResponse()
        let answers = wanted.map { wanted in
          let isHeldBack = wanted.partition == 4 && !waitedBefore
          let end = isHeldBack ? 0 : ends[Int(wanted.partition)]
          return FetchResponse.Partition.with {
            $0.partitionIndex = wanted.partition
            $0.highWatermark = Offset(end)
            $0.records =
              wanted.fetchOffset.rawValue < end
              ? Self.serve(log, from: wanted.fetchOffset, cutAt: 200) : .bytes(ByteBuffer())
          }
        }
        response.responses = [
          .with {
            $0.topic = "t"
            $0.partitions = answers
          }
        ]
        let isOver = wanted.count == Int(partitions) && answers.allSatisfy { $0.records.byteCount == 0 } && waitedBefore
        return isOver ? .silence : FakeBroker.reply(response, to: header)
      }
      struct Record: Sendable {
        var partition: Int32
        var offset: Int64
      }
      let seen = Collected<Record>()
      let eventLoop = group.next()
      let consumer = try await Self.consumer(
        of: broker.endpoint, from: 0, partitions: partitions, inFlight: count, on: eventLoop
      ) { consumer in
        consumer.received = { partition, batch, _ in
          for record in (try? batch.records()) ?? [] where record.offset.rawValue < ends[Int(partition)] {
            seen.add(Record(partition: partition, offset: record.offset.rawValue))
          }
        }
      }
      let all = await seen.first(Int(ends.reduce(0, +)))
      for partition in 0..<partitions {
        let offsets = all.filter { $0.partition == partition }.map(\.offset)
        #expect(offsets == Array(0..<ends[Int(partition)]), "partition \(partition)")
      }
      for request in asked.all {
        #expect(request.maxWaitMs == 0 || request.partitions.count == Int(partitions), "\(request)")
      }
      #expect(asked.all.contains { $0.maxWaitMs > 0 })
      #expect(asked.all.prefix(min(count, 5)).allSatisfy { $0.maxWaitMs == 0 })
      try await eventLoop.submit { consumer.value.close() }.get()
    }
  }

  @Test("a consumer whose connection is lost reads on where it was, every record once", arguments: [1, 3])
  func reconnects(inFlight: Int) async throws {
    let log = try Self.log()
    let partitions: Int32 = 3
    try await withGroup { group in
      let fetches = Collected<Int>()
      let broker = try await FakeBroker.start(on: group) { header, body in
        guard header.apiKey == FetchRequest.api.key else { return FakeBroker.versions(header) }
        fetches.add(0)
        // Every fourth fetch ends the connection, with whatever else is in flight on it.
        if fetches.all.count % 4 == 0 { return .close }
        var body = body
        let request = try FetchRequest(reading: &body, version: header.apiVersion)
        var response = FetchResponse()
        response.responses = [
          .with {
            $0.topic = "t"
            $0.partitions = request.topics[0].partitions.map { asked in
              .with {
                $0.partitionIndex = asked.partition
                $0.highWatermark = 100
                $0.records = Self.serve(log, from: asked.fetchOffset, cutAt: 300)
              }
            }
          }
        ]
        return FakeBroker.reply(response, to: header)
      }
      let received = Collected<Int64>()
      let failures = Collected<ClientError>()
      let eventLoop = group.next()
      let consumer = try await Self.consumer(
        of: broker.endpoint, from: 0, partitions: partitions, inFlight: inFlight, on: eventLoop
      ) { consumer in
        consumer.failed = { failures.add($0) }
        consumer.received = { partition, batch, _ in
          received.add(Int64(partition) * 1000 + batch.header.baseOffset.rawValue)
        }
      }
      let all = await received.first(20 * Int(partitions))
      #expect(Set(all).count == 20 * Int(partitions), "a batch came twice: \(all)")
      for partition in 0..<Int64(partitions) {
        let own = all.filter { $0 / 1000 == partition }
        #expect(own == own.sorted() && own.count == 20, "partition \(partition): \(own)")
      }
      #expect(failures.all.isEmpty, "\(failures.all)")
      try await eventLoop.submit { consumer.value.close() }.get()
    }
  }

  @Test("a paced consumer gets each batch when it asks for it, and fetches on behind the last", arguments: [1, 3])
  func paced(inFlight: Int) async throws {
    let log = try Self.log()
    try await withGroup { group in
      let fetches = Collected<Int64>()
      let broker = try await FakeBroker.start(on: group) { header, body in
        guard header.apiKey == FetchRequest.api.key else { return FakeBroker.versions(header) }
        var body = body
        let offset = try FetchRequest(reading: &body, version: header.apiVersion).topics[0].partitions[0].fetchOffset
        fetches.add(offset.rawValue)
        guard offset < 100 else { return .silence }
        return FakeBroker.reply(
          Self.answer(.with { $0.records = Self.serve(log, from: offset, cutAt: 300) }), to: header)
      }
      struct Delivery: Sendable {
        var offset: Int64
        var asked: Int
        var fetches: Int
      }
      let seen = Collected<Delivery>()
      let eventLoop = group.next()
      let consumer = try await Self.consumer(
        of: broker.endpoint, from: 0, inFlight: inFlight, on: eventLoop
      ) { consumer in
        // Each batch is put off once.
        var asked = 0
        consumer.pauseNs = { records in
          #expect(records == Self.perBatch)
          asked += 1
          return asked % 2 == 1 ? 1000 : 0
        }
        consumer.received = { _, batch, _ in
          seen.add(Delivery(offset: batch.header.baseOffset.rawValue, asked: asked, fetches: fetches.all.count))
        }
      }
      let all = await seen.first(20)
      #expect(all.map(\.offset) == (0..<20).map { Int64($0 * Self.perBatch) })
      #expect(all.map(\.asked) == (1...20).map { 2 * $0 }, "a batch was delivered without asking")
      let begins = fetches.all
      for (index, delivery) in all.enumerated() {
        let behind = begins.prefix(delivery.fetches).last ?? 0
        #expect(behind <= delivery.offset, "batch \(index) was delivered after the fetch at \(behind)")
      }
      try await eventLoop.submit { consumer.value.close() }.get()
    }
  }

  @Test(
    "a batch with a wrong checksum is told in its place, and reading continues behind it", arguments: [false, true],
    [1, 100, 100_000])
  func damaged(isPaced: Bool, cutAt: Int) async throws {
    var log = try Self.log()
    for index in [3, 19] {
      let bytes = log[index].bytes
      log[index].bytes.setInteger(
        bytes.getInteger(at: bytes.readableBytes - 3, as: UInt8.self)! ^ 1, at: bytes.readableBytes - 3)
    }
    let given = log
    try await withGroup { group in
      let broker = try await FakeBroker.start(on: group) { header, body in
        guard header.apiKey == FetchRequest.api.key else { return FakeBroker.versions(header) }
        var body = body
        let offset = try FetchRequest(reading: &body, version: header.apiVersion).topics[0].partitions[0].fetchOffset
        guard offset < 100 else { return .silence }
        let answer = Self.answer(
          .with {
            $0.highWatermark = 100
            $0.records = Self.serve(given, from: offset, cutAt: cutAt)
          })
        return FakeBroker.reply(answer, to: header)
      }
      let seen = Collected<String>()
      let eventLoop = group.next()
      let consumer = try await Self.consumer(of: broker.endpoint, from: 0, on: eventLoop) { consumer in
        if isPaced { consumer.pauseNs = { _ in 0 } }
        consumer.failed = { seen.add("failed \($0)") }
        consumer.received = { _, batch, _ in seen.add("\(batch.header.baseOffset)") }
        consumer.damaged = { _, header, _ in seen.add("damaged \(header.baseOffset)") }
      }
      let expected = (0..<20).map { [3, 19].contains($0) ? "damaged \($0 * 5)" : "\($0 * 5)" }
      #expect(await seen.first(20) == expected)
      try await eventLoop.submit { consumer.value.close() }.get()
    }
  }

  @Test(
    "after bytes that are no batch nothing more is read, and what was not read is not called read",
    arguments: [false, true])
  func nothingBehindFailure(isPaced: Bool) async throws {
    var log = try Self.log()
    log[3].bytes.setInteger(Int8(9), at: BatchField.magic)
    let given = log
    try await withGroup { group in
      let broker = try await FakeBroker.start(on: group) { header, body in
        guard header.apiKey == FetchRequest.api.key else { return FakeBroker.versions(header) }
        var body = body
        let offset = try FetchRequest(reading: &body, version: header.apiVersion).topics[0].partitions[0].fetchOffset
        return FakeBroker.reply(
          Self.answer(.with { $0.records = Self.serve(given, from: offset, cutAt: 100_000) }), to: header)
      }
      let seen = Collected<String>()
      let eventLoop = group.next()
      let consumer = try await Self.consumer(of: broker.endpoint, from: 0, on: eventLoop) { consumer in
        if isPaced { consumer.pauseNs = { _ in 0 } }
        consumer.failed = { _ in seen.add("failed") }
        consumer.received = { _, batch, _ in seen.add("\(batch.header.baseOffset)") }
      }
      #expect(await seen.first(4) == ["0", "5", "10", "failed"])
      let positions = try await eventLoop.submit {
        consumer.value.close()
        return consumer.value.positions
      }.get()
      #expect(positions == [0: 15])
      #expect(seen.all.count == 4)
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
