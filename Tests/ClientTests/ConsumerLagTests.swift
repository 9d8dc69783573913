import ClientSupport
import Model
import NIOCore
import NIOPosix
import Synchronization
import Testing
import Wire

@testable import Client

@Suite("Consumer at a distance")
struct ConsumerLagTests {
  /// The answer to ListOffsets: each partition's end.
  private static func ends(
    _ body: inout ByteBuffer, _ header: RequestHeader, _ end: (_ partition: Int32) -> Int64
  ) throws -> FakeBroker.Reply {
    let request = try ListOffsetsRequest(reading: &body, version: header.apiVersion)
    var response = ListOffsetsResponse()
    response.topics = [
      .with {
        $0.name = "t"
        $0.partitions = request.topics[0].partitions.map { asked in
          .with {
            $0.partitionIndex = asked.partitionIndex
            $0.offset = Offset(end(asked.partitionIndex))
          }
        }
      }
    ]
    return FakeBroker.reply(response, to: header)
  }

  /// A broker of one partition whose end is where the test says.
  private static func broker(
    end: Atomic64, fetched: Collected<Int64>, on group: any EventLoopGroup
  ) async throws -> FakeBroker {
    let log = try ConsumerTests.log()
    return try await FakeBroker.start(on: group) { header, body in
      var body = body
      switch header.apiKey {
      case ListOffsetsRequest.api.key:
        return try Self.ends(&body, header) { _ in end.value }
      case FetchRequest.api.key:
        let request = try FetchRequest(reading: &body, version: header.apiVersion)
        let offset = request.topics[0].partitions[0].fetchOffset
        fetched.add(offset.rawValue)
        // One batch of five records an answer.
        return FakeBroker.reply(
          ConsumerTests.answer(
            .with {
              $0.highWatermark = Offset(end.value)
              $0.records = ConsumerTests.serve(log, from: offset, cutAt: 1)
            }), to: header)
      default: return FakeBroker.versions(header)
      }
    }
  }

  final class Atomic64: Sendable {
    private let number: Mutex<Int64>
    init(_ value: Int64) { number = Mutex(value) }
    var value: Int64 { number.withLock { $0 } }
    func set(_ value: Int64) { number.withLock { $0 = value } }
    func advance(_ by: Int64) -> UInt64 {
      number.withLock {
        $0 += by
        return UInt64($0)
      }
    }
  }

  @Test("a partition is read until it is as near to its end as it may be, and on when the end has moved")
  func lag() async throws {
    try await withGroup { group in
      let end = Atomic64(40)
      let fetched = Collected<Int64>()
      let broker = try await Self.broker(end: end, fetched: fetched, on: group)
      let eventLoop = group.next()
      let seen = Collected<Int64>()
      let consumer = try await Self.consumer(of: broker.endpoint, lag: 20, on: eventLoop) { consumer in
        consumer.received = { _, batch, _ in seen.add(batch.header.baseOffset.rawValue) }
      }
      #expect(await seen.first(4) == [0, 5, 10, 15])
      // Nothing is asked for until the end has moved; then as much as it moved by.
      #expect(fetched.all == [0, 5, 10, 15])
      end.set(58)
      #expect(await seen.first(8) == [0, 5, 10, 15, 20, 25, 30, 35])
      let lag = try await eventLoop.submit { consumer.value.lagSeen }.get()
      // At the start it was 40 behind; the last batch, whole as it came, brought it to 58 - 40.
      #expect(lag == 18...40)
      #expect(fetched.all.max() == 35)
      try await eventLoop.submit { consumer.value.close() }.get()
    }
  }

  @Test("the end of a partition that rests is asked for while another is read")
  func restingBesideRead() async throws {
    try await withGroup { group in
      let log = try ConsumerTests.log()
      let restingEnd = Atomic64(20)
      let fetched = Collected<[Int32]>()
      // Partition 0 is long and always behind; 1 is as near to its end as it may be, until the first is half read.
      let broker = try await FakeBroker.start(on: group) { header, body in
        var body = body
        switch header.apiKey {
        case ListOffsetsRequest.api.key:
          return try Self.ends(&body, header) { $0 == 0 ? 1000 : restingEnd.value }
        case FetchRequest.api.key:
          let request = try FetchRequest(reading: &body, version: header.apiVersion)
          let asked = request.topics[0].partitions
          fetched.add(asked.map(\.partition).sorted())
          guard let long = asked.first(where: { $0.partition == 0 }), long.fetchOffset < 100 else { return .silence }
          if long.fetchOffset == 50 { restingEnd.set(25) }
          var response = ConsumerTests.answer(
            .with {
              $0.highWatermark = 1000
              $0.records = ConsumerTests.serve(log, from: long.fetchOffset, cutAt: 1)
            })
          for resting in asked where resting.partition == 1 {
            response.responses[0].partitions.append(
              .with {
                $0.partitionIndex = 1
                $0.highWatermark = Offset(restingEnd.value)
                $0.records = ConsumerTests.serve(log, from: resting.fetchOffset, cutAt: 1)
              })
          }
          return FakeBroker.reply(response, to: header)
        default: return FakeBroker.versions(header)
        }
      }
      let eventLoop = group.next()
      // Each look at this clock comes ten milliseconds after the last: a pause between two questions is over by then.
      let clock = Atomic64(0)
      let consumer = try await Self.consumer(
        of: broker.endpoint, lag: 20, partitions: 2, now: { clock.advance(10_000_000) }, on: eventLoop
      ) { _ in }
      let all = await fetched.first(21)
      // Twenty answers bring the first hundred records of 0. Those of 1 came among them, when its end had moved, and once.
      #expect(all.filter { $0.contains(0) }.count == 21)
      #expect(all.filter { $0.contains(1) }.count == 1)
      #expect(all.prefix(11).allSatisfy { $0 == [0] })
      try await eventLoop.submit { consumer.value.close() }.get()
    }
  }

  @Test("with a place of its own for each request a consumer reads there, and not on")
  func place() async throws {
    try await withGroup { group in
      let fetched = Collected<Int64>()
      let broker = try await Self.broker(end: Atomic64(100), fetched: fetched, on: group)
      let eventLoop = group.next()
      let places: [Int64] = [50, 5, 95, 5]
      let consumer = try await Self.consumer(of: broker.endpoint, lag: 0, on: eventLoop) { consumer in
        var asked = 0
        consumer.nextOffset = { _ in
          defer { asked += 1 }
          return Offset(places[asked % places.count])
        }
      }
      #expect(await fetched.first(8).prefix(8) == [50, 5, 95, 5, 50, 5, 95, 5])
      try await eventLoop.submit { consumer.value.close() }.get()
    }
  }

  private static func consumer(
    of endpoint: Endpoint, lag: Int64, partitions: Int32 = 1, now: @escaping @Sendable () -> UInt64 = TestClock.nowNs,
    on eventLoop: any EventLoop, _ prepare: @escaping @Sendable (Consumer) -> Void
  ) async throws -> NIOLoopBound<Consumer> {
    let leader = Metadata.Broker(id: 1, endpoint: endpoint)
    let metadata = Metadata(
      topic: "t", topicID: .zero,
      partitions: (0..<partitions).map { .init(index: $0, leader: leader, leaderEpoch: 0) })
    let offsets = Dictionary(uniqueKeysWithValues: (0..<partitions).map { ($0, Offset(0)) })
    return try await eventLoop.submit {
      var settings = ConsumerSettings(topic: "t")
      settings.lagRecords = lag
      let consumer = Consumer(settings, metadata, from: offsets, on: eventLoop, now: now) { broker, then in
        BrokerConnection.connect(to: broker.endpoint, on: eventLoop, TestClock.options(), then: then)
      }
      prepare(consumer)
      consumer.start { _ in consumer.fetch() }
      return NIOLoopBound(consumer, eventLoop: eventLoop)
    }.get()
  }
}
