import Model
import NIOCore
import NIOEmbedded
import Synchronization
import Testing
import Wire

@testable import Broker

@Suite("The connections of one event loop, without sockets")
struct StagedConnectionTests {
  @Test("a hot connection has one turn at a time: the others are served between, and nothing of anyone is lost")
  func turns() throws {
    let served = Mutex("")
    let ticking = Mutex<StagedConnections.TickingLoop?>(nil)
    let staged = StagedConnections { frame, _, _ in
      // Five requests are a turn.
      ticking.withLock { $0?.tick(.microseconds(Limits.turnMicroseconds / 5)) }
      served.withLock { $0 += String(buffer: frame) }
      return .response(.bytes(frame))
    }
    ticking.withLock { $0 = staged.loop }
    func taken() -> String {
      served.withLock { text in
        defer { text = "" }; return text
      }
    }

    let first = try staged.connect(), second = try staged.connect(), third = try staged.connect()
    try first.writeInbound(StagedConnections.frames("a", 17))
    try second.writeInbound(StagedConnections.frames("b", 12))
    #expect(taken() == "aaaaabbbbb", "one turn each, within the read")
    try third.writeInbound(StagedConnections.frames("c", 1))
    #expect(taken() == "c", "whoever has little to ask is served at once")

    var turns: [String] = []
    for _ in 0..<4 {
      staged.loop.base.advanceTime(by: .microseconds(Limits.turnPauseMicroseconds))
      turns.append(taken())
    }
    #expect(turns == ["aaaaabbbbb", "aaaaabb", "aa", ""])
    #expect(try responses(of: first) == 17)
    #expect(try responses(of: second) == 12)
    for channel in [first, second, third] { _ = try channel.finish(acceptAlreadyClosed: true) }
  }

  private func responses(of channel: EmbeddedChannel) throws -> Int {
    var count = 0
    while case .byteBuffer(let bytes)? = try channel.readOutbound(as: IOData.self) { count += bytes.readableBytes }
    return count
  }

  @Test("late responses bring a connection that waits for its turn no other turn")
  func lateReplies() throws {
    let waiting = Mutex<[ResponseSlot]>([])
    let ticking = Mutex<StagedConnections.TickingLoop?>(nil)
    let staged = StagedConnections { _, _, slot in
      ticking.withLock { $0?.tick(.microseconds(Limits.turnMicroseconds / 5)) }
      waiting.withLock { $0.append(slot) }
      return .pending
    }
    ticking.withLock { $0 = staged.loop }
    let channel = try staged.connect()
    try channel.writeInbound(StagedConnections.frames("a", 20))
    #expect(waiting.withLock { $0.count } == 5)
    for slot in waiting.withLock({ $0 }) { slot.complete(.response(.bytes(ByteBuffer(string: "r")))) }
    #expect(try responses(of: channel) == 5)
    #expect(waiting.withLock { $0.count } == 5, "the queued turn comes first")
    staged.loop.base.advanceTime(by: .microseconds(Limits.turnPauseMicroseconds))
    #expect(waiting.withLock { $0.count } == 10)
    _ = try channel.finish(acceptAlreadyClosed: true)
  }

  @Test("whatever is done to all connections is done in the order of accepting")
  func order() throws {
    let staged = StagedConnections { _, _, _ in .silent }
    var channels: [EmbeddedChannel] = []
    let closed = Mutex<[Int]>([])
    func connect() throws {
      let index = channels.count
      channels.append(try staged.connect())
      channels[index].closeFuture.whenComplete { _ in closed.withLock { $0.append(index) } }
    }
    for _ in 0..<20 { try connect() }
    let early = [7, 0, 12, 3]
    for index in early { _ = try channels[index].finish() }
    for _ in 0..<5 { try connect() }
    #expect(staged.connections.count == 21)
    staged.connections.drainAll()
    staged.loop.base.run()
    #expect(closed.withLock { $0 } == early + (0..<25).filter { !early.contains($0) })
    #expect(staged.connections.count == 0)
  }

  @Test("requests that wait when their connection ends are told in the order in which they came")
  func ends() throws {
    let told = Mutex<[Int]>([])
    let count = Mutex(0)
    let staged = StagedConnections { _, origin, slot in
      #expect(origin.listener == "PLAINTEXT")
      let index = count.withLock { count in
        defer { count += 1 }
        return count
      }
      slot.whenClosed { told.withLock { $0.append(index) } }
      return .pending
    }
    let channel = try staged.connect()
    try channel.writeInbound(StagedConnections.frames("a", 30))
    _ = try channel.finish()
    #expect(told.withLock { $0 } == Array(0..<30))
  }

  @Test("a connection that has ended is freed when its last response has come")
  func freed() throws {
    let waiting = Mutex<[ResponseSlot]>([])
    let staged = StagedConnections { _, _, slot in
      waiting.withLock { $0.append(slot) }
      return .pending
    }
    let channel = try staged.connect()
    try channel.writeInbound(StagedConnections.frames("a", 2))
    _ = try channel.finish()
    staged.loop.base.run()
    #expect(staged.newest != nil, "two responses are to come")
    let isTold = Mutex(false)
    waiting.withLock { $0 }[0].whenClosed { isTold.withLock { $0 = true } }
    staged.loop.base.run()
    #expect(isTold.withLock { $0 }, "who asks late is told that the connection has ended")
    for slot in waiting.withLock({ $0 }) { slot.complete(.silent) }
    waiting.withLock { $0.removeAll() }
    #expect(staged.newest == nil)
  }

  /// Takes responses where no connection is.
  private final class Port: ResponsePort {
    let loop: EmbeddedEventLoop
    let finished = Mutex<[UInt64]>([])

    var eventLoop: any EventLoop { loop }

    init(_ loop: EmbeddedEventLoop) { self.loop = loop }

    func finish(_ slot: UInt64, _ outcome: ConnectionMachine<OutgoingResponse>.Outcome) {
      finished.withLock { $0.append(slot) }
    }

    func whenClosed(_ slot: UInt64, _ body: @escaping @Sendable () -> Void) {}
    func hold(for slot: UInt64) {}
    func release(_ slot: UInt64) {}
    func mute(for time: TimeAmount) {}
  }

  @Test("a handler needs no connection: a long poll is answered through the port that its request names")
  func port() throws {
    try withBroker { broker in
      try broker.connect().createTopic("t")
      let port = Port(EmbeddedEventLoop())
      let context = RequestContext(
        version: 11, correlationID: 1, clientID: "test",
        origin: RequestOrigin(listener: "PLAINTEXT", localAddress: "192.0.2.1", peerAddress: "192.0.2.2"),
        slot: ResponseSlot(port: port, slot: 41))
      guard case .now(let metadata) = broker.broker.metadata(MetadataRequest(), context) else {
        Issue.record("metadata waits for nothing")
        return
      }
      #expect(metadata.brokers.map(\.port) == [Int32(broker.port)])
      guard
        case .pending = broker.broker.fetch(FetchRequest.from("t", 0, 0, maxWaitMs: 300, minBytes: 1), context)
      else {
        Issue.record("a fetch of an empty partition waits")
        return
      }
      port.loop.advanceTime(by: .milliseconds(299))
      #expect(port.finished.withLock { $0 }.isEmpty)
      port.loop.advanceTime(by: .milliseconds(1))
      #expect(port.finished.withLock { $0 } == [41])
    }
  }
}
