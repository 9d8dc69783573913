import ClientSupport
import Compression
import Model
import NIOCore
import NIOPosix
import Synchronization
import Testing
import Wire

@testable import Client

/// Threads that compress when the test says so, in the order that it says.
private final class Waiting: BatchCompression {
  let ahead: Int
  private let works = Mutex<[@Sendable () -> Void]>([])

  init(ahead: Int) { self.ahead = ahead }

  func run(_ work: @escaping @Sendable () -> Void) { works.withLock { $0.append(work) } }

  var count: Int { works.withLock { $0.count } }

  /// Does what is waited for, the last first.
  func work() {
    let waiting = works.withLock { works in
      defer { works = [] }
      return works
    }
    for work in waiting.reversed() { work() }
  }
}

@Suite("Batches that threads compress")
struct CompressionThreadsTests {
  private static func settings(_ codec: Codec = .zstd, level: Int? = nil) -> ProducerSettings {
    var settings = ProducerSettings(topic: "t")
    settings.codec = codec
    settings.level = level
    settings.acks = -1
    settings.identity = ProducerIdentity(id: 7, epoch: 3)
    return settings
  }

  private static let values = (0..<7).map { "\($0)" + String(repeating: "x", count: 500 * $0) }

  /// Runs a producer whose batches the test compresses.
  private func withBench(
    _ settings: ProducerSettings, _ threads: Waiting,
    _ body: (any EventLoop, NIOLoopBound<ProducerBench>) async throws -> Void
  ) async throws {
    try await withGroup { group in
      let eventLoop = group.next()
      let bench = try await eventLoop.submit {
        NIOLoopBound(ProducerBench(settings, threads, on: eventLoop), eventLoop: eventLoop)
      }.get()
      try await body(eventLoop, bench)
    }
  }

  @Test(
    "arrive in the order in which they were sealed, with the bytes that the event loop would make",
    arguments: Codec.allCases)
  func order(codec: Codec) async throws {
    let threads = Waiting(ahead: 4)
    let settings = Self.settings(codec)
    try await withBench(settings, threads) { eventLoop, bench in
      try await eventLoop.submit {
        try bench.value.send(Self.values)
        #expect(threads.count == (codec == .none ? 0 : 7))
        #expect((bench.value.transport.writes > 0) == (codec == .none))
      }.get()
      threads.work()
      try await eventLoop.submit {
        // The same without threads.
        let plain = ProducerBench(settings, on: eventLoop)
        try plain.send(Self.values)
        #expect(bench.value.transport.bytes == plain.transport.bytes)
        // Five are in flight; the others follow when those are answered.
        let (first, answers) = try bench.value.transport.take()
        #expect(first == Self.values.prefix(5).map { [$0] })
        bench.value.connection.received(answers)
        bench.value.producer.flush()
        let (rest, others) = try bench.value.transport.take()
        #expect(rest == Self.values.suffix(2).map { [$0] })
        bench.value.connection.received(others)
        #expect(bench.value.deliveries.map(\.number) == Array(0..<7))
        #expect(bench.value.transport.headers.map(\.baseSequence) == Array(0..<7))
        #expect(bench.value.producer.unacknowledged == 0)
      }.get()
    }
  }

  @Test("are bounded, whether compression or the broker is slow")
  func bounded() async throws {
    let threads = Waiting(ahead: 4)
    try await withBench(Self.settings(), threads) { eventLoop, bench in
      @Sendable func fill() throws -> Int {
        while bench.value.producer.batchesFree(0) > 0 { try bench.value.send(["value"]) }
        #expect(!bench.value.producer.hasFreeBatch)
        return bench.value.producer.unacknowledged
      }
      try await eventLoop.submit {
        let sealed = try fill()
        #expect(sealed == 5 + 4 && !bench.value.producer.awaitsResponses)
      }.get()
      threads.work()
      try await eventLoop.submit {
        let sealed = try fill()
        #expect(sealed == 5 + 4 && bench.value.producer.awaitsResponses)
      }.get()
      #expect(threads.count == 0)
    }
  }

  @Test("keep the identity and sequence that they are given while they are compressed")
  func renumbered() async throws {
    let threads = Waiting(ahead: 4)
    try await withBench(Self.settings(), threads) { eventLoop, bench in
      try await eventLoop.submit {
        try bench.value.send(["a", "b"])
        let (_, nothing) = try bench.value.transport.take()
        #expect(nothing.readableBytes == 0)
        bench.value.producer.renumber(as: ProducerIdentity(id: 9, epoch: 0))
      }.get()
      threads.work()
      try await eventLoop.submit {
        let (arrived, _) = try bench.value.transport.take()
        #expect(arrived == [["a"], ["b"]])
        let headers = bench.value.transport.headers
        #expect(headers.map(\.producerID) == [9, 9] && headers.map(\.producerEpoch) == [0, 0])
        #expect(headers.map(\.baseSequence) == [0, 1])
      }.get()
    }
  }

  @Test("that the codec refuses are told, and the others are sent")
  func refused() async throws {
    let threads = Waiting(ahead: 4)
    try await withBench(Self.settings(.zstd, level: 99), threads) { eventLoop, bench in
      try await eventLoop.submit { try bench.value.send(["a", "b"]) }.get()
      threads.work()
      try await eventLoop.submit {
        let failures = bench.value.deliveries.map(\.result)
        let error = ClientError.notCompressed(codec: "zstd", reason: "99 is no level of zstd")
        #expect(failures == [.failure(error), .failure(error)])
        #expect(bench.value.producer.unacknowledged == 0 && bench.value.transport.writes == 0)
      }.get()
    }
  }

  @Test("that come back to a closed producer are left")
  func closed() async throws {
    let threads = Waiting(ahead: 4)
    try await withBench(Self.settings(), threads) { eventLoop, bench in
      try await eventLoop.submit {
        try bench.value.send(["a"])
        bench.value.producer.close()
      }.get()
      threads.work()
      try await eventLoop.submit { #expect(bench.value.transport.writes == 0) }.get()
    }
  }
}
