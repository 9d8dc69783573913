import Base
import Logging
import NIOCore
import NIOEmbedded
import Testing

@testable import Broker

/// Which handshakes go on, counted by turns of the event loop.
@Suite("Handshakes")
struct HandshakeTurnsTests {
  @Test("go on at once while a turn has room and nobody waits")
  func atOnce() {
    var turns = HandshakeTurns<Int>(most: 2)
    #expect((0..<3).map { _ in turns.mayGoOn() } == [true, true, false])
    turns.wait(1, of: "a")
    turns.begin()
    let overtakes = turns.mayGoOn()
    #expect(!overtakes, "it would overtake one that waits")
    #expect(turns.next { _ in true } == 1)
    let goesOn = turns.mayGoOn()
    #expect(goesOn)
  }

  @Test("of an address that has begun a thousand keep one of another waiting for one turn")
  func fair() {
    var turns = HandshakeTurns<Int>(most: 2)
    for number in 0..<1_000 { turns.wait(number, of: "stranger") }
    turns.wait(-1, of: "client")
    turns.begin()
    #expect([turns.next { _ in true }, turns.next { _ in true }, turns.next { _ in true }] == [0, -1, nil])
    turns.begin()
    #expect([turns.next { _ in true }, turns.next { _ in true }] == [1, 2])
    #expect(turns.count == 997)
  }

  @Test("that were given up cost a turn nothing")
  func givenUp() {
    var turns = HandshakeTurns<Int>(most: 2)
    for number in 0..<1_000 { turns.wait(number, of: number % 2 == 0 ? "a" : "b") }
    turns.begin()
    #expect([turns.next { $0 >= 998 }, turns.next { $0 >= 998 }] == [998, 999])
    #expect(turns.next { _ in true } == nil && turns.count == 0)
    // An address that had none left begins anew.
    turns.wait(1, of: "a")
    turns.begin()
    #expect(turns.next { _ in true } == 1)
  }

  @Test("of a client wait for no more turns than there are addresses", arguments: 0..<20)
  func bound(seed: Int) {
    let faults = Self.waits(seed: seed)
    #expect(faults.isEmpty, "\(faults)")
  }

  #if DEBUG
  @Test("in the order of their arrival would be seen to wait for longer")
  func planted() {
    let finds = PlantedFault.planted(.takesHandshakesInOrder) { (0..<20).contains { !Self.waits(seed: $0).isEmpty } }
    #expect(finds, "no seed of 20 finds it")
  }
  #endif

  /// Strangers come from a few addresses, each with a flood of his own; a client from its own. Its two messages wait for no more turns than there are
  /// addresses, whatever the floods are.
  ///
  /// - Returns: which waited for longer.
  private static func waits(seed: Int) -> [String] {
    var faults: [String] = []
    var random = SplitMix(seed: UInt64(seed))
    let most = Int.random(in: 1...4, using: &random), addresses = Int.random(in: 1...10, using: &random)
    var turns = HandshakeTurns<Int>(most: most)
    var waitedFor = 0
    for turn in 0..<2_000 {
      for _ in 0..<Int.random(in: 0...8, using: &random) {
        turns.wait(turn, of: "stranger \(Int.random(in: 0..<addresses, using: &random))")
      }
      if turn % 50 == 10 {
        turns.wait(-1, of: "client")
        waitedFor = 0
      }
      turns.begin()
      waitedFor += 1
      while let next = turns.next({ _ in true }) {
        guard next == -1 else { continue }
        guard waitedFor > (addresses + most) / most else { continue }
        faults.append("seed \(seed): \(waitedFor) turns of \(most) with \(addresses) other addresses")
      }
    }
    return faults
  }
}

@Suite("Connections whose clients are not known")
struct UnauthenticatedConnectionsTests {
  private final class One {
    let name: String
    init(_ name: String) { self.name = name }
  }

  @Test("of one address have their share; beyond it the oldest of the address goes")
  func share() {
    var all = UnauthenticatedConnections<One>(most: 10, ofAddress: 3)
    #expect((0..<3).allSatisfy { all.add(One("s\($0)"), of: "stranger") == nil })
    #expect(all.add(One("c"), of: "client") == nil)
    #expect((3..<100).map { all.add(One("s\($0)"), of: "stranger")?.name } == (0..<97).map { "s\($0)" })
    #expect(all.count == 4 && all.displaced == 97)
    #expect(all.all.map(\.name) == ["c", "s97", "s98", "s99"])
  }

  @Test("of all addresses together are bounded; the oldest goes of the address that has the most")
  func crowd() {
    var all = UnauthenticatedConnections<One>(most: 4, ofAddress: 4)
    for name in ["a1", "b1", "b2", "c1"] { #expect(all.add(One(name), of: String(name.first!)) == nil) }
    #expect(all.add(One("d1"), of: "d")?.name == "b1")
    #expect(all.add(One("e1"), of: "e")?.name == "a1", "all have one: the oldest")
    let last = all.all[0]
    all.remove(last, of: "b")
    all.remove(last, of: "b")
    #expect(all.all.map(\.name) == ["c1", "d1", "e1"] && all.count == 3)
  }
}

/// A TLS listener's connection before its handshake, without sockets; what stands for TLS counts what reaches it.
@Suite("At the gate of a TLS listener")
struct HandshakeGateTests {
  private final class Stage {
    let loop = EmbeddedEventLoop()
    lazy var pace = HandshakePace(loop)
    var refused: [String] = []
    var made = 0

    final class TLS: ChannelInboundHandler {
      typealias InboundIn = ByteBuffer
      var bytes: [UInt8] = []
      var arrived: Int { bytes.count }
      func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        bytes += unwrapInboundIn(data).readableBytesView
      }
    }

    func connect(from address: String) throws -> (channel: EmbeddedChannel, gate: HandshakeGate, tls: TLS) {
      let channel = EmbeddedChannel(loop: loop)
      channel.remoteAddress = try SocketAddress(ipAddress: address, port: 1)
      let tls = TLS()
      let gate = HandshakeGate(
        pace, refuse: { self.refused.append($0) },
        makeTLS: {
          self.made += 1
          return tls
        })
      try channel.pipeline.syncOperations.addHandler(gate)
      try channel.connect(to: SocketAddress(ipAddress: address, port: 9093)).wait()
      return (channel, gate, tls)
    }

    func turn() { loop.advanceTime(by: .microseconds(Limits.turnPauseMicroseconds)) }
  }

  /// The header of a handshake record, and something behind it.
  private static let hello = ByteBuffer(bytes: [0x16, 3, 1, 0, 2, 1, 0])

  @Test(
    "a thousand handshakes of a stranger go on a few a turn, and a client's with the next turn; the silent cost no TLS")
  func paced() throws {
    let stage = Stage()
    let strangers = try (0..<1_000).map { _ in try stage.connect(from: "10.0.0.1") }
    for stranger in strangers[..<500] { try stranger.channel.writeInbound(Self.hello) }
    #expect(stage.made == Limits.handshakesPerTurn)
    let client = try stage.connect(from: "10.0.0.2")
    try client.channel.writeInbound(Self.hello)
    #expect(client.tls.arrived == 0)
    stage.turn()
    #expect(client.tls.arrived == Self.hello.readableBytes, "the client waits for more than one turn")
    #expect(stage.made == 2 * Limits.handshakesPerTurn, "a turn had more than \(Limits.handshakesPerTurn) handshakes")
    client.gate.open()
    try client.channel.writeInbound(Self.hello)
    #expect(client.tls.arrived == 2 * Self.hello.readableBytes, "what comes after the handshake waits for nothing")
    // Those that leave give their places to nobody.
    for stranger in strangers { stranger.gate.cut() }
    stage.loop.run()
    stage.turn()
    #expect(stage.pace.waiting == 0 && stage.made == 2 * Limits.handshakesPerTurn)
    for one in strangers + [client] { _ = try? one.channel.finish() }
  }

  @Test("a plaintext client, one of HTTP and garbage are turned away before there is any TLS, and told apart")
  func foreign() throws {
    let stage = Stage()
    let request: [UInt8] = [0, 0, 0, 20, 0, 18, 0, 3, 0, 0, 0, 1]
    for bytes in [request, Array("GET / HTTP/1.1\r\n".utf8), [9, 9, 9]] {
      let one = try stage.connect(from: "10.0.0.1")
      try one.channel.writeInbound(ByteBuffer(bytes: bytes))
      #expect(!one.channel.isActive)
      _ = try? one.channel.finish()
    }
    #expect(stage.made == 0 && stage.refused.count == 3)
    #expect(stage.refused[0].contains("plaintext") && stage.refused[0].contains("security.protocol"))
    #expect(stage.refused[1].contains("HTTP"))
  }

  @Test("whatever is sent in whatever pieces reaches TLS in its order, or nothing of it does", arguments: 0..<20)
  func fuzz(seed: Int) throws {
    let faults = try Self.outOfOrder(seed: seed)
    #expect(faults.isEmpty, "\(faults)")
  }

  #if DEBUG
  @Test("what overtakes what is held would be seen")
  func planted() throws {
    let finds = try PlantedFault.planted(.overtakesWhatIsHeld) {
      try (0..<20).contains { try !Self.outOfOrder(seed: $0).isEmpty }
    }
    #expect(finds, "no seed of 20 finds it")
  }
  #endif

  /// Many connections send what they like in pieces of any size, some leave, and turns pass in between. What reaches TLS is what was sent, in its order,
  /// whole once all turns are over; and no turn has more handshakes than it may.
  ///
  /// - Returns: what was otherwise.
  private static func outOfOrder(seed: Int) throws -> [String] {
    var faults: [String] = []
    var random = SplitMix(seed: UInt64(seed))
    let stage = Stage()
    var all: [(channel: EmbeddedChannel, gate: HandshakeGate, tls: Stage.TLS, sent: [UInt8])] = []
    for _ in 0..<200 {
      let made = stage.made
      switch Int.random(in: 0..<5, using: &random) {
      case 0 where all.count < 30:
        let one = try stage.connect(from: "10.0.0.\(Int.random(in: 1...3, using: &random))")
        all.append((one.channel, one.gate, one.tls, []))
      case 1:
        stage.turn()
        if stage.made - made > Limits.handshakesPerTurn { faults.append("seed \(seed): too many in a turn") }
      case 2 where !all.isEmpty && Int.random(in: 0..<4, using: &random) == 0:
        all.randomElement(using: &random)?.gate.cut()
      default:
        guard let index = all.indices.randomElement(using: &random), all[index].channel.isActive else { continue }
        var bytes = (0..<Int.random(in: 1...40, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        if all[index].sent.isEmpty, Int.random(in: 0..<4, using: &random) > 0 { bytes[0] = 0x16 }
        all[index].sent += bytes
        try all[index].channel.writeInbound(ByteBuffer(bytes: bytes))
        if Int.random(in: 0..<10, using: &random) == 0 { all[index].gate.open() }
      }
    }
    for _ in 0..<400 { stage.turn() }
    for one in all {
      if !one.sent.starts(with: one.tls.bytes) { faults.append("seed \(seed): bytes out of order") }
      if one.channel.isActive, one.tls.bytes != one.sent { faults.append("seed \(seed): bytes are held for ever") }
      if let first = one.sent.first, first != 0x16, !one.tls.bytes.isEmpty || one.channel.isActive {
        faults.append("seed \(seed): what is no TLS was let through")
      }
      _ = try? one.channel.finish()
    }
    return faults
  }

  @Test("no more than a small frame is held")
  func memory() throws {
    let stage = Stage()
    for _ in 0..<Limits.handshakesPerTurn {
      try stage.connect(from: "10.0.0.1").channel.writeInbound(Self.hello)
    }
    let one = try stage.connect(from: "10.0.0.1")
    try one.channel.writeInbound(Self.hello)
    try one.channel.writeInbound(ByteBuffer(repeating: 0, count: Limits.unauthenticatedFrameBytes))
    #expect(!one.channel.isActive)
  }
}

@Suite("The log of clients that speak another protocol")
struct ForeignProtocolLogTests {
  @Test("has each address once a minute, and few addresses")
  func bounded() {
    let lines = CapturedLog()
    let log = Logger(label: "test") { _ in lines.handler }
    let foreign = ForeignProtocolLog()
    let start = NIODeadline.uptimeNanoseconds(0)
    for second in 0..<60 { foreign.tell(log, listener: "L", "10.0.0.1", "TLS", start + .seconds(Int64(second))) }
    #expect(lines.all.count == 1, "\(lines.all)")
    foreign.tell(log, listener: "L", "10.0.0.1", "TLS", start + .seconds(60))
    #expect(lines.all.count == 2)
    for number in 0..<1_000 { foreign.tell(log, listener: "L", "10.1.0.\(number)", "TLS", start + .seconds(61)) }
    #expect(lines.all.count == 1 + Limits.foreignProtocolAddresses)
    foreign.tell(log, listener: "L", "10.2.0.1", "TLS", start + .seconds(200))
    #expect(lines.all.last?.contains("901") == true, "\(lines.all.last ?? "")")
  }

  @Test("knows TLS at a plaintext listener by its first bytes, and takes a request for none")
  func recognised() {
    #expect(ForeignProtocol.insteadOfPlaintext(ByteBuffer(bytes: [0x16, 3, 1, 2, 0, 1]))?.contains("TLS") == true)
    #expect(ForeignProtocol.insteadOfPlaintext(ByteBuffer(string: "GET / HTTP"))?.contains("HTTP") == true)
    #expect(ForeignProtocol.insteadOfPlaintext(ByteBuffer(bytes: [0, 0, 0, 20, 0, 18, 0, 3])) == nil)
    #expect(ForeignProtocol.insteadOfPlaintext(ByteBuffer(bytes: [0x16])) == nil)
    #expect(ForeignProtocol.insteadOfTLS(ByteBuffer(bytes: [0x16, 3, 3])) == nil)
  }
}
