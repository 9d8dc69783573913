import Dispatch
import Model
import NIOCore
import Storage
import Synchronization
import Testing
import Wire

@testable import Broker

/// A page cache that has nothing from the moment on that the test says so, and a disk that is as slow as it wants.
private final class StagedCache: Sendable {
  private let isEmpty = Atomic(false)
  private let read = Mutex<[Range<Int>]>([])
  private let begun = DispatchSemaphore(value: 0)
  private let gate = DispatchSemaphore(value: 0)

  var cache: PageCache {
    PageCache(
      isCold: { _ in self.isEmpty.load(ordering: .sequentiallyConsistent) },
      warm: { range in
        self.read.withLock { $0.append(range.position..<range.position + range.length) }
        self.begun.signal()
        self.gate.wait()
        self.gate.signal()
      })
  }

  /// What was read, in order.
  var pieces: [Range<Int>] { read.withLock { $0 } }

  func empty() { isEmpty.store(true, ordering: .sequentiallyConsistent) }

  func awaitRead() throws {
    try #require(begun.wait(timeout: .now() + 60) == .success, "nothing was read off the loop")
  }

  /// From now on every read ends at once.
  func letThrough() { gate.signal() }
}

@Suite("Ranges that are not in the page cache")
struct ColdReadsTests {
  private static let oneLoop = ["num.network.threads": "1"]
  private static let partitionMaxBytes: Int32 = 4 << 20

  private func fill(_ client: TestClient) throws {
    try client.createTopic("t")
    for index in 0..<3 {
      let batch = try Batches.of([String(repeating: "\(index)", count: 1_000_000)])
      #expect(try client.produce(batch, to: "t").errorCode == .none)
    }
  }

  @Test(
    "while one is read, the event loop serves its other connections; then every byte arrives, before the next response",
    arguments: ["sendfile", "mmap"])
  func others(path: String) throws {
    let staged = StagedCache()
    try withBroker(Self.oneLoop.merging(["millrace.read.path": path]) { $1 }, cache: staged.cache) { broker in
      let client = try broker.connect()
      try fill(client)
      let warm = try client.fetch("t", from: 0, partitionMaxBytes: Self.partitionMaxBytes)
      #expect(staged.pieces.isEmpty)
      staged.empty()
      let request = FetchRequest.from("t", 0, 0, partitionMaxBytes: Self.partitionMaxBytes)
      let late = try client.send(request, version: 11)
      let behind = try client.send(ApiVersionsRequest.named("test"), version: 3)
      try staged.awaitRead()

      let other = try broker.connect()
      #expect(try other.produce(try Batches.of(["meanwhile"]), to: "t").baseOffset == 3)

      staged.letThrough()
      let answer = try client.receive(FetchRequest.self, version: 11, correlationID: late)
      let cold = try #require(answer.responses.first?.partitions.first)
      #expect(cold.records.bytes == warm.records.bytes && cold.records.bytes?.readableBytes ?? 0 > 3_000_000)
      _ = try client.receive(ApiVersionsRequest.self, version: 3, correlationID: behind)
      // A piece of which the socket took a part is begun again where that part ends: pieces may overlap, and miss nothing.
      #expect(staged.pieces.count >= 3 && staged.pieces.allSatisfy { $0.count <= Limits.coldPieceBytes })
      #expect(staged.pieces.first?.lowerBound == 0)
      for (piece, next) in zip(staged.pieces, staged.pieces.dropFirst()) {
        #expect(piece.lowerBound < next.lowerBound && next.lowerBound <= piece.upperBound)
      }
      #expect(staged.pieces.last?.upperBound == warm.records.bytes?.readableBytes)
    }
  }

  @Test("a client that leaves while its range is read takes nothing with it")
  func leaves() throws {
    let staged = StagedCache()
    try withBroker(Self.oneLoop, cache: staged.cache) { broker in
      let other = try broker.connect()
      try fill(other)
      staged.empty()
      do {
        let client = try broker.connect()
        client.resetAtEnd()
        try client.send(FetchRequest.from("t", 0, 0, partitionMaxBytes: Self.partitionMaxBytes), version: 11)
        try staged.awaitRead()
      }
      #expect(try other.produce(try Batches.of(["after"]), to: "t").baseOffset == 3)
      staged.letThrough()
      let found = try other.fetch("t", from: 3)
      #expect(try Batches.values(in: found.records).map(\.1) == ["after"])
    }
  }

  @Test("a broker stops while a range is read, once that has ended")
  func stops() throws {
    let staged = StagedCache()
    try withBroker(Self.oneLoop, cache: staged.cache) { broker in
      let client = try broker.connect()
      try fill(client)
      staged.empty()
      try client.send(FetchRequest.from("t", 0, 0, partitionMaxBytes: Self.partitionMaxBytes), version: 11)
      try staged.awaitRead()
      DispatchQueue.global().asyncAfter(deadline: .now() + 0.05) { staged.letThrough() }
    }
  }
}
