import Client
import Compression
import Foundation
import Model
import NIOCore
import NIOPosix
import Synchronization
import Testing
import Wire

/// A client as all should be, while others misbehave: again and again it connects, produces a batch and fetches it back.
struct Bystander: Sendable {
  /// Each of its requests must be answered within this, or the broker starves it. (Kafka's own clients wait for 30 s.)
  static let patienceMs = 30_000
  /// Every so many rounds its batch is too large for a shared receive buffer.
  private static let largeEvery = 4, largeBytes = 600_000

  let endpoint: Endpoint
  let group: MultiThreadedEventLoopGroup
  let metadata: Metadata

  /// What it saw.
  struct Service: Sendable {
    var rounds = 0
    var slowestMs = 0.0
  }

  private final class Attack: Sendable {
    let isOver = Atomic(false)
    private let rounds = DispatchSemaphore(value: 0)

    func cameRound() { rounds.signal() }

    /// Returns when the bystander has come round so many times from now on, or comes no more: then it says why itself.
    func hold(forRounds count: Int) {
      while rounds.wait(timeout: .now()) == .success {}
      for _ in 0..<count where rounds.wait(timeout: .now() + .milliseconds(4 * patienceMs)) == .timedOut { return }
    }
  }

  /// So many rounds hold two with a large batch.
  static let roundsHeld = 2 * largeEvery

  static func start(port: UInt16, on group: MultiThreadedEventLoopGroup) async throws -> Bystander {
    let endpoint = Endpoint(host: "127.0.0.1", port: Int(port))
    let admin = try await connect(to: endpoint, on: group)
    _ = try await admin.createTopic("bystander", partitions: 1)
    let metadata = try await admin.metadata(of: "bystander")
    await admin.close()
    return Bystander(endpoint: endpoint, group: group, metadata: metadata)
  }

  /// Goes round while `body` runs and `held` times while what it returns is kept, and once more afterwards.
  func served<T: Sendable>(
    while body: @escaping @Sendable () throws -> T, held: Int
  ) async throws -> (T, Service) {
    let attack = Attack()
    return try await withThrowingTaskGroup(of: Service.self) { tasks in
      tasks.addTask {
        var service = Service()
        var isLast = false
        while !isLast {
          isLast = attack.isOver.load(ordering: .acquiring)
          try await round(&service)
          attack.cameRound()
        }
        return service
      }
      // A thread of its own: what misbehaves blocks in system calls.
      let result: Result<T, any Error> = await withCheckedContinuation { done in
        Thread.detachNewThread {
          let result = Result { try body() }
          if case .success = result { attack.hold(forRounds: held) }
          done.resume(returning: result)
        }
      }
      attack.isOver.store(true, ordering: .releasing)
      let service = try await tasks.next()
      return (try result.get(), try #require(service))
    }
  }

  func round(_ service: inout Service) async throws {
    let clock = ContinuousClock()
    let isLarge = service.rounds % Self.largeEvery == Self.largeEvery - 1
    let value = [UInt8](repeating: UInt8(truncatingIfNeeded: service.rounds), count: isLarge ? Self.largeBytes : 1000)
    let began = clock.now
    let admin = try await Self.connect(to: endpoint, on: group)
    let connected = clock.now
    let produced = try await admin.call(try Self.produce(value, to: metadata.topic)).responses.first?.partitionResponses
      .first
    let acknowledged = clock.now
    let offset = try #require(produced?.baseOffset)
    try #require(produced?.errorCode == ErrorCode.none && offset >= 0, "produce: \(String(describing: produced))")
    let fetched = try await admin.call(fetch(from: offset)).responses.first?.partitions.first
    let answered = clock.now
    let batch = try RecordBatch(viewing: try #require(fetched?.records.bytes))
    #expect(try batch.records().first?.value.map { Array($0.readableBytesView) } == value)
    await admin.close()
    service.rounds += 1
    for (from, to) in [(began, connected), (connected, acknowledged), (acknowledged, answered)] {
      service.slowestMs = max(service.slowestMs, (to - from) / .milliseconds(1))
    }
  }

  static func produce(_ value: [UInt8], to topic: String) throws -> ProduceRequest {
    var builder = RecordBatchBuilder(capacity: value.count + 200)
    value.withUnsafeBytes { builder.append(timestamp: 1_700_000_000_000, key: nil, value: $0) }
    let batch = try builder.finish(codec: .none)
    return .with {
      $0.acks = -1
      $0.timeoutMs = Int32(patienceMs)
      $0.topicData = [
        .with {
          $0.name = topic
          $0.partitionData = [.with { $0.records = .bytes(batch) }]
        }
      ]
    }
  }

  private func fetch(from offset: Offset) -> FetchRequest {
    .with {
      $0.maxBytes = 1 << 20
      $0.topics = [
        .with {
          $0.topic = metadata.topic
          $0.topicID = metadata.topicID
          $0.partitions = [
            .with {
              $0.fetchOffset = offset
              $0.partitionMaxBytes = 1 << 20
            }
          ]
        }
      ]
    }
  }

  static func connect(to endpoint: Endpoint, on group: MultiThreadedEventLoopGroup) async throws -> Admin {
    var options = ConnectionOptions(now: Monotonic.nowNs)
    options.requestTimeoutMs = patienceMs
    options.connectTimeoutMs = patienceMs
    return try await Admin.connect(to: [endpoint], on: group, options)
  }
}
