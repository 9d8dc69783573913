import Logging
import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@testable import Broker

@Suite("At a listening socket")
struct AdmitterTests {
  /// Counts what reaches the socket.
  private final class Reads: ChannelOutboundHandler {
    typealias OutboundIn = Never
    var count = 0

    func read(context: ChannelHandlerContext) { count += 1 }
  }

  @Test("no connection is accepted while too many refused ones still hold their descriptors")
  func refusals() throws {
    let reads = Reads()
    let channel = EmbeddedChannel()
    try channel.pipeline.syncOperations.addHandler(reads)
    let admission = Admission(max: 1, perIPMax: .max, overrides: [:])
    try channel.pipeline.syncOperations.addHandler(Admitter(admission, log: Logger(label: "test")))
    let first = EmbeddedChannel()
    try channel.writeInbound(first as any Channel)
    #expect(try channel.readInbound(as: (any Channel).self) === first, "the first goes through")
    #expect(admission.count == 1)

    var refused: [EmbeddedChannel] = []
    for index in 0..<Limits.refusalsInProgress {
      channel.pipeline.read()
      #expect(reads.count == index + 1)
      refused.append(EmbeddedChannel())
      try channel.writeInbound(refused[index] as any Channel)
      #expect(try channel.readInbound(as: (any Channel).self) == nil, "refused")
    }
    channel.pipeline.read()
    #expect(reads.count == Limits.refusalsInProgress, "what was refused has not been closed yet, as far as we know")
    for refused in refused { refused.embeddedEventLoop.run() }
    channel.embeddedEventLoop.run()
    #expect(reads.count == Limits.refusalsInProgress + 1, "the read that was owed")
    #expect(admission.count == 1)
    _ = try? channel.finish()
  }

  @Test("a connection that would leave too few descriptors is closed at once; one line tells of those within a second")
  func descriptors() throws {
    let lines = CapturedLog()
    let hasDescriptors = Mutex(false)
    let channel = EmbeddedChannel()
    let admission = Admission(
      max: .max, perIPMax: .max, overrides: [:], hasDescriptors: { hasDescriptors.withLock { $0 } })
    let log = Logger(label: "test") { _ in lines.handler }
    try channel.pipeline.syncOperations.addHandler(Admitter(admission, log: log))
    func refuse(_ count: Int) throws {
      for _ in 0..<count {
        let refused = EmbeddedChannel()
        try channel.writeInbound(refused as any Channel)
        #expect(try channel.readInbound(as: (any Channel).self) == nil)
        #expect(!refused.isActive)
      }
    }
    try refuse(10)
    #expect(lines.all.count == 1, "\(lines.all)")
    channel.embeddedEventLoop.advanceTime(by: .milliseconds(Limits.refusalsToldMs))
    try refuse(5)
    #expect(lines.all.count == 2 && lines.all[1].contains("9"), "\(lines.all)")
    hasDescriptors.withLock { $0 = true }
    let accepted = EmbeddedChannel()
    try channel.writeInbound(accepted as any Channel)
    #expect(try channel.readInbound(as: (any Channel).self) === accepted)
    _ = try? channel.finish()
  }

  @Test("a connection of an address that connects too often is kept for a while and then closed; only so many are kept")
  func tooOften() throws {
    let channel = EmbeddedChannel()
    let admission = Admission(max: .max, perIPMax: .max, overrides: [:], refusalsMax: 3, waitMs: { _ in 500 })
    try channel.pipeline.syncOperations.addHandler(Admitter(admission, log: Logger(label: "test")))
    let refused = (0..<5).map { _ in EmbeddedChannel() }
    for one in refused {
      // A listener's connections are open when they are accepted.
      try one.connect(to: SocketAddress(ipAddress: "10.0.0.1", port: 1)).wait()
      try channel.writeInbound(one as any Channel)
      #expect(try channel.readInbound(as: (any Channel).self) == nil)
    }
    #expect(refused.map(\.isActive) == [true, true, true, false, false])
    channel.embeddedEventLoop.advanceTime(by: .milliseconds(499))
    #expect(refused[0].isActive)
    channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
    #expect(refused.allSatisfy { !$0.isActive })
    #expect(admission.count == 0 && admission.refusals.tooOften == 5)
    _ = try? channel.finish()
  }

  @Test("no connection is accepted while the rate of connections is exceeded")
  func paced() throws {
    let reads = Reads()
    let channel = EmbeddedChannel()
    try channel.pipeline.syncOperations.addHandler(reads)
    let wait = Mutex<Int64?>(nil)
    let admission = Admission(max: .max, perIPMax: .max, overrides: [:])
    try channel.pipeline.syncOperations.addHandler(
      Admitter(admission, acceptWaitMs: { wait.withLock { $0 } }, log: Logger(label: "test")))
    func accept() throws {
      channel.pipeline.read()
      try channel.writeInbound(EmbeddedChannel() as any Channel)
      #expect(try channel.readInbound(as: (any Channel).self) != nil, "it was accepted, and is served")
    }
    try accept()
    wait.withLock { $0 = 0 }
    try accept()
    wait.withLock { $0 = 250 }
    try accept()
    #expect(reads.count == 3)
    channel.pipeline.read()
    channel.embeddedEventLoop.advanceTime(by: .milliseconds(249))
    #expect(reads.count == 3, "the rate is exceeded")
    channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
    #expect(reads.count == 4)
    _ = try? channel.finish()
  }
}

@Suite("max.connection.creation.rate")
struct ConnectionRatesTests {
  private static let listeners = [
    "listeners": "INSIDE://127.0.0.1:1,OUTSIDE://127.0.0.1:2", "log.dirs": "/d", "inter.broker.listener.name": "INSIDE",
    "listener.security.protocol.map": "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT",
  ]

  /// Lets a listener accept for ten seconds; returns how many connections it has accepted.
  private static func accepted(_ settings: [String: String], on listener: String) throws -> Int {
    let config = try Config(overrides: listeners.merging(settings) { $1 })
    let box = NowBox()
    let rates = ConnectionRates(config: { config }, nowMs: { box.ms.withLock { $0 } })
    var count = 0
    while box.ms.withLock({ $0 }) < 10_000, count < 100_000 {
      count += 1
      guard let wait = rates.accepted(on: listener) else { return .max }
      box.ms.withLock { $0 += wait }
    }
    return count
  }

  private final class NowBox: Sendable {
    let ms = Mutex<Int64>(0)
  }

  @Test("holds every listener to the broker's rate, but not the one between brokers")
  func ofBroker() throws {
    let settings = ["max.connection.creation.rate": "20"]
    let count = try Self.accepted(settings, on: "OUTSIDE")
    // The window allows what ten seconds have at once.
    #expect((200...420).contains(count), "\(count)")
    #expect(try Self.accepted(settings, on: "INSIDE") == .max)
  }

  @Test("holds a listener to its own rate, also the one between brokers")
  func ofListener() throws {
    let settings = ["listener.name.inside.max.connection.creation.rate": "5"]
    let count = try Self.accepted(settings, on: "INSIDE")
    #expect((50...110).contains(count), "\(count)")
    #expect(try Self.accepted(settings, on: "OUTSIDE") == .max)
    #expect(try Self.accepted([:], on: "OUTSIDE") == .max)
  }
}
