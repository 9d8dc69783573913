import ClientSupport
import Model
import NIOCore
import NIOPosix
import Testing
import Wire

@testable import Client

@Suite("Requests that are ready together")
struct GatheredRequestsTests {
  private func withBench(
    _ settings: ProducerSettings = ProducerSettings(topic: "t"),
    _ body: @escaping @Sendable (ProducerBench) throws -> Void
  ) async throws {
    try await withGroup { group in
      let eventLoop = group.next()
      try await eventLoop.submit { try body(ProducerBench(settings, on: eventLoop)) }.get()
    }
  }

  @Test("leave in one write, and the responses of one read are settled once")
  func together() async throws {
    try await withBench { bench in
      // Memory of acknowledged batches is used again: later rounds must not show earlier bytes.
      for round in 0..<4 {
        let values = (0..<5).map {
          "\(round).\($0)" + String(repeating: "x", count: 100 * ((round + $0) % 3))
        }
        (bench.transport.writes, bench.transport.flushes) = (0, 0)
        try bench.send(values)
        #expect((bench.transport.writes, bench.transport.flushes) == (1, 1))
        let (arrived, answers) = try bench.transport.take()
        #expect(arrived == values.map { [$0] })
        bench.connection.received(answers)
        #expect(bench.deliveries.count == 5 * (round + 1))
        #expect(
          bench.settlings.last == bench.deliveries.count && bench.settlings.count == round + 1)
        // They came with one read, at one time.
        #expect(Set(bench.deliveries.suffix(5).map(\.doneNs)).count == 1)
        #expect(bench.deliveries.allSatisfy { $0.sentNs <= $0.doneNs && $0.attempts == 1 })
      }
      #expect(bench.producer.unacknowledged == 0)
    }
  }

  @Test(
    "keep their order where large ones are sent from where they lie",
    arguments: [7_000, 9_000, 70_000])
  func large(size: Int) async throws {
    try await withBench { bench in
      for round in 0..<3 {
        let values = (0..<5).map {
          "\(round).\($0)" + String(repeating: "y", count: $0 % 2 == 0 ? size : 10)
        }
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

  @Test("are settled once a read too over a connection whose first response made it the producer's")
  func newConnection() async throws {
    try await withBench { bench in
      let listener = bench.connection.reading
      bench.connection.reading = nil
      // As when the response to ApiVersions ends the making of a connection.
      bench.producer.delivered = { [unowned bench] in
        bench.deliveries.append($0)
        bench.connection.reading = listener
      }
      try bench.send(["first"])
      bench.connection.received(try bench.transport.take().answers)
      for round in 1...3 {
        try bench.send(["a", "b"])
        bench.connection.received(try bench.transport.take().answers)
        #expect(bench.deliveries.count == 1 + 2 * round)
        #expect(bench.settlings == (0...round).map { 1 + 2 * $0 })
      }
    }
  }
}
