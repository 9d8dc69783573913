import Client
import Foundation
import Model
import NIOCore
import NIOPosix
import TestSupport
import Testing

@Suite("A broker killed again and again under load", .serialized)
struct CrashTests {
  static let kills = 20

  /// What the broker does besides appending, so that kills fall into that too.
  enum Work: String, CaseIterable, CustomTestStringConvertible {
    /// Segments of some ten batches: rolls write snapshots and close indexes. All else stays in the page cache, and a restart
    /// reads the whole log.
    case rolling
    /// Logs are flushed and recovery points written down all the time: a restart reads what lies behind them, and trusts
    /// snapshots for what lies before.
    case flushing

    var settings: [String] {
      ["log.segment.bytes=16384", "log.index.interval.bytes=512"]
        + (self == .rolling
          ? []
          : [
            "log.flush.interval.messages=200", "log.flush.interval.ms=20", "log.flush.scheduler.interval.ms=10",
            "log.flush.offset.checkpoint.interval.ms=20", "num.recovery.threads.per.data.dir=2",
          ])
    }

    var testDescription: String { rawValue }
  }

  @Test(
    "has every acknowledged record once, in order, after each of 20 restarts", .timeLimit(.minutes(15)),
    arguments: Work.allCases, [Seed.fresh])
  func kills(work: Work, seed: Seed) async throws {
    try await withBroker(work.settings) { broker in
      let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
      let run = try await CrashRun.start(broker, on: group, seed)
      do {
        for round in 1...Self.kills {
          try await run.killUnderLoad(round)
          try await run.check("after kill \(round)")
        }
        try await run.finish()
      } catch is ExpectationFailedError {
        // Said already.
      } catch {
        Issue.record("\(seed): \(error)")
      }
      await run.close()
      try await group.shutdownGracefully()
    }
  }
}

/// Two producers of one topic, and the broker they write to while it dies under them.
private final class CrashRun {
  private let broker: BrokerProcess
  private let group: MultiThreadedEventLoopGroup
  private let metadata: Metadata
  private let loads: [NIOLoopBound<SteadyLoad>]
  private let ledger: SharedLedger
  private var seed: Seed
  private let seedValue: String
  private var reader = LogReader()
  /// Batches a producer may send beyond those after which the kill comes, so that it never falls on an idle one.
  private static let batchesBeyondKill = 40

  static func start(_ broker: BrokerProcess, on group: MultiThreadedEventLoopGroup, _ seed: Seed) async throws
    -> CrashRun
  {
    let admin = try await Self.admin(broker, group)
    _ = try await admin.createTopic("t", partitions: 3)
    let metadata = try await admin.metadata(of: "t")
    let ledger = SharedLedger()
    var loads: [NIOLoopBound<SteadyLoad>] = []
    for index in 0..<2 {
      let identity = try await admin.producerID()
      let eventLoop = group.next()
      let load = try await eventLoop.submit {
        NIOLoopBound(
          SteadyLoad(index: index, identity, metadata, on: eventLoop, ledger, seed: Seed(seed.value &+ UInt64(index))),
          eventLoop: eventLoop)
      }.get()
      let started = await withCheckedContinuation { done in
        eventLoop.execute { load.value.producer.start { done.resume(returning: $0) } }
      }
      try started.get()
      loads.append(load)
    }
    await admin.close()
    return CrashRun(broker, group, metadata, loads, ledger, seed)
  }

  private init(
    _ broker: BrokerProcess, _ group: MultiThreadedEventLoopGroup, _ metadata: Metadata,
    _ loads: [NIOLoopBound<SteadyLoad>], _ ledger: SharedLedger, _ seed: Seed
  ) {
    self.broker = broker
    self.group = group
    self.metadata = metadata
    self.loads = loads
    self.ledger = ledger
    self.seed = seed
    seedValue = "\(seed)"
  }

  /// Lets the load run, kills the broker at some moment with requests under way, and starts it again. Sometimes it is
  /// killed once more while it recovers.
  func killUnderLoad(_ round: Int) async throws {
    let batches = Int.random(in: 10...120, using: &seed)
    let pauseUs = UInt32.random(in: 0...1500, using: &seed)
    let pid = broker.pid
    ledger.afterAcknowledged(batches) {
      usleep(pauseUs)
      kill(pid, SIGKILL)
    }
    for load in loads { load.eventLoop.execute { load.value.allow(batches / 2 + Self.batchesBeyondKill) } }
    try await wait("kill \(round) to come") { kill(pid, 0) != 0 || Self.isZombie(pid) }
    try mustBeKilled(try broker.waitUntilEnded())
    if Int.random(in: 0..<4, using: &seed) == 0 {
      try broker.launch()
      try await Task.sleep(for: .milliseconds(Int.random(in: 0...60, using: &seed)))
      try mustBeKilled(try broker.end(by: SIGKILL))
    }
    try broker.restart()
  }

  private func mustBeKilled(_ status: Int32) throws {
    let log = try broker.logText()
    #expect(status == -SIGKILL, "\(seedValue): the broker ended by itself: \(log)")
  }

  /// Reads what came since the check before.
  func check(_ moment: String) async throws {
    let admin = try await Self.admin(broker, group)
    try await reader.read(metadata, by: admin, against: ledger)
    await admin.close()
    try #require(reader.check.faults.isEmpty, "\(seedValue), \(moment): \(reader.check.faults)")
    try #require(ledger.failures.isEmpty, "\(seedValue), \(moment), given up: \(ledger.failures)")
  }

  /// Lets the producers finish, and reads all of it from the beginning.
  func finish() async throws {
    try await wait("the producers to finish") {
      try loads.allSatisfy { load in try load.eventLoop.submit { load.value.isDone }.wait() }
    }
    let ledger = ledger.ledger
    #expect(ledger.acknowledged == ledger.given, "\(seedValue)")
    reader = LogReader()
    try await check("at the end")
    #expect(reader.check.recordCount == ledger.given.values.reduce(0, +), "\(seedValue)")
    let retries = try loads.reduce(0) { sum, load in
      try sum + load.eventLoop.submit { load.value.producer.retries }.wait()
    }
    #expect(retries > 0, "\(seedValue): no kill fell on a batch under way")
    print(
      "kill -9, \(seedValue): \(self.ledger.acknowledged) batches, \(reader.check.recordCount) records, \(retries) batches sent again"
    )
  }

  func close() async {
    for load in loads { load.eventLoop.execute { load.value.producer.close() } }
  }

  private func wait(_ what: String, until condition: () throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(300)
    while try !condition(), .now < deadline { try await Task.sleep(for: .milliseconds(10)) }
    try #require(try condition(), "\(seedValue): waited a minute for \(what); acknowledged \(ledger.acknowledged)")
  }

  private static func isZombie(_ pid: pid_t) -> Bool {
    let status = (try? String(readingFile: "/proc/\(pid)/stat")) ?? ""
    return status.split(separator: ")").last?.hasPrefix(" Z") == true
  }

  private static func admin(_ broker: BrokerProcess, _ group: MultiThreadedEventLoopGroup) async throws -> Admin {
    try await Admin.connect(
      to: [Endpoint(host: "127.0.0.1", port: Int(broker.port))], on: group, ConnectionOptions(now: Monotonic.nowNs))
  }
}
