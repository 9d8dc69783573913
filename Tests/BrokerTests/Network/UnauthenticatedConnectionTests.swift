import Base
import Logging
import Model
import NIOCore
import NIOEmbedded
import Security
import Synchronization
import Testing
import Wire

@testable import Broker

/// Connections of a SASL_PLAINTEXT listener without sockets: what reaches the handlers, and when.
@Suite("A connection that has not authenticated")
struct UnauthenticatedConnectionTests {
  /// One event loop, one door, and the API keys of what has reached the service.
  private final class Stage {
    let loop = StagedConnections.TickingLoop()
    let connections: ConnectionLoop
    let door: ListenerDoor
    let reached = Reached()

    /// What has reached the service.
    final class Reached: Sendable {
      let requests = Mutex<[(key: Int16, who: Principal)]>([])
    }

    struct Service: RequestService {
      let requestBytesMax = 1 << 20
      let stage: @Sendable (Int16, Principal) -> Void

      func serve(_ frame: ByteBuffer, from origin: RequestOrigin, _ slot: ResponseSlot) -> Served {
        stage(frame.getInteger(at: frame.readerIndex, as: Int16.self) ?? -1, origin.principal)
        return .response(.bytes(ByteBuffer(bytes: [0, 0, 0, 0])))
      }
    }

    init(_ settings: [String: String] = [:], unauthenticatedMax: Int = 10) throws {
      var values = [
        "listeners": "SASL_PLAINTEXT://127.0.0.1:0", "log.dirs": "/d", "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config": "M required user_bob=\"builder\";",
      ]
      values.merge(settings) { $1 }
      let config = try Config(overrides: values)
      door = try ListenerDoor(
        config.listeners[0], config, wallMs: { 0 }, random: SplitMix(seed: 1), credential: { _, _ in nil })
      connections = ConnectionLoop(
        eventLoop: loop, receiveBufferBytes: 65536, largeBytesMax: 1 << 20, idleMax: nil, coldReads: nil,
        unauthenticatedMax: unauthenticatedMax)
    }

    func connect(from address: String = "10.0.0.1") throws -> EmbeddedChannel {
      let channel = EmbeddedChannel(loop: loop.base)
      channel.remoteAddress = try SocketAddress(ipAddress: address, port: 5)
      let service = Service { [reached] key, who in reached.requests.withLock { $0.append((key, who)) } }
      let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
      try channel.pipeline.syncOperations.addHandler(
        UnauthenticatedConnection(door, loop: connections, service: service, log: log) { channel, authentication in
          var all: any RequestService = service
          if authentication.lifetimeMs != nil {
            all = SaslSession(authentication, self.door, over: service, on: self.loop)
          }
          try channel.pipeline.syncOperations.addHandler(
            Connection(
              listener: "SASL_PLAINTEXT", principal: authentication.principal, service: all, loop: self.connections,
              received: ReceivedBytes(buffers: self.connections.buffers),
              limits: ConnectionLimits(requestsInFlight: 32, readPath: .sendfile), log: log))
        })
      try channel.connect(to: SocketAddress(ipAddress: address, port: 9092)).wait()
      return channel
    }
  }

  private static func frame<R: Request>(_ request: R, version: Int16) -> ByteBuffer {
    guard case .bytes(let bytes) = Frame.request(request, version: version, correlationID: 7, clientID: "t").parts[0]
    else {
      return ByteBuffer()
    }
    return bytes
  }

  private static func handshake(_ mechanism: String = "PLAIN", version: Int16 = 1) -> ByteBuffer {
    frame(SaslHandshakeRequest.with { $0.mechanism = mechanism }, version: version)
  }

  private static func plain(_ password: String, user: String = "bob") -> ByteBuffer {
    frame(
      SaslAuthenticateRequest.with { $0.authBytes = ByteBuffer(string: "\0\(user)\0\(password)") }, version: 2)
  }

  private static let metadata = frame(MetadataRequest(), version: 9)

  /// The frames that the channel was given to send.
  private static func sent(_ channel: EmbeddedChannel) throws -> [ByteBuffer] {
    var all: [ByteBuffer] = []
    while let bytes = try channel.readOutbound(as: ByteBuffer.self) { if bytes.readableBytes > 0 { all.append(bytes) } }
    return all
  }

  @Test("is a connection of its client's principal once the client is known")
  func passes() throws {
    let stage = try Stage()
    let channel = try stage.connect()
    try channel.writeInbound(Self.frame(ApiVersionsRequest(), version: 3))
    try channel.writeInbound(Self.handshake())
    try channel.writeInbound(Self.plain("builder"))
    stage.loop.base.run()
    #expect(stage.connections.count == 1)
    try channel.writeInbound(Self.metadata)
    stage.loop.base.run()
    let served = stage.reached.requests.withLock { $0 }
    #expect(served.map(\.key) == [Api.apiVersionsKey, MetadataRequest.api.key])
    #expect(served.map(\.who) == [.anonymous, Principal(name: "bob")])
    _ = try? channel.finish()
  }

  @Test(
    "lets no request through that stands behind its authentication, whether that succeeds or not",
    arguments: [true, false])
  func pipelined(isRight: Bool) throws {
    let stage = try Stage()
    let channel = try stage.connect()
    var all = Self.handshake()
    all.writeImmutableBuffer(Self.plain(isRight ? "builder" : "wrong"))
    all.writeImmutableBuffer(Self.metadata)
    try channel.writeInbound(all)
    stage.loop.base.advanceTime(by: .seconds(1))
    #expect(!channel.isActive)
    #expect(stage.reached.requests.withLock { $0.isEmpty })
    #expect(stage.connections.count == 0)
    _ = try? channel.finish()
  }

  @Test("is told of a failure after the delay, and closed")
  func delays() throws {
    let stage = try Stage(["connection.failed.authentication.delay.ms": "250"])
    let channel = try stage.connect()
    try channel.writeInbound(Self.handshake())
    _ = try Self.sent(channel)
    try channel.writeInbound(Self.plain("wrong"))
    stage.loop.base.advanceTime(by: .milliseconds(249))
    #expect(try Self.sent(channel).isEmpty && channel.isActive)
    stage.loop.base.advanceTime(by: .milliseconds(1))
    #expect(try Self.sent(channel).count == 1)
    #expect(!channel.isActive)
    _ = try? channel.finish()
  }

  @Test("is closed when its time is over")
  func times() throws {
    let stage = try Stage()
    let channel = try stage.connect()
    stage.loop.tick(.milliseconds(Limits.authenticationMs))
    stage.connections.sweep(now: stage.loop.now)
    #expect(channel.isActive)
    stage.loop.tick(.milliseconds(1))
    stage.connections.sweep(now: stage.loop.now)
    #expect(!channel.isActive)
    _ = try? channel.finish()
  }

  @Test("gives way to others when its address has the most")
  func crowded() throws {
    let stage = try Stage(unauthenticatedMax: 5)
    let own = try stage.connect(from: "10.0.0.9")
    let strangers = try (0..<20).map { _ in try stage.connect(from: "10.0.0.1") }
    #expect(own.isActive, "strangers from one address drove another's client out")
    #expect(strangers.filter(\.isActive).count == 5 / Limits.unauthenticatedShare, "the share of one address")
    #expect(strangers.last?.isActive == true)
    for channel in strangers + [own] { _ = try? channel.finish() }
  }

  @Test("that must authenticate again is served until then, and afterwards only once it has")
  func again() throws {
    let stage = try Stage(["listener.name.sasl_plaintext.plain.connections.max.reauth.ms": "1000"])
    let channel = try stage.connect()
    try channel.writeInbound(Self.handshake())
    try channel.writeInbound(Self.plain("builder"))
    stage.loop.base.run()
    stage.loop.tick(.milliseconds(1500))
    try channel.writeInbound(Self.handshake())
    try channel.writeInbound(Self.plain("builder"))
    stage.loop.base.run()
    try channel.writeInbound(Self.metadata)
    stage.loop.base.run()
    #expect(stage.reached.requests.withLock { $0.map(\.key) } == [MetadataRequest.api.key])
    stage.loop.tick(.milliseconds(1000))
    try channel.writeInbound(Self.metadata)
    stage.loop.base.run()
    #expect(!channel.isActive)
    #expect(stage.reached.requests.withLock { $0.count } == 1)
    _ = try? channel.finish()
  }

  @Test("never lets anything through by whatever bytes", arguments: 0..<40)
  func fuzz(seed: Int) throws {
    let faults = try Self.letThrough(seed: seed)
    #expect(faults.isEmpty, "\(faults)")
  }

  #if DEBUG
  @Test(
    "would be seen to let something through if it did", arguments: [PlantedFault.servesStrangers, .acceptsAnyPassword])
  func planted(fault: PlantedFault) throws {
    let finds = try PlantedFault.planted(fault) { try (0..<40).contains { try !Self.letThrough(seed: $0).isEmpty } }
    #expect(finds, "no seed of 40 finds \(fault)")
  }
  #endif

  /// Draws what a client sends, in pieces of any size, with damage now and then. Nothing but ApiVersions may reach the service before the right
  /// password has been sent in its place, and nothing traps.
  ///
  /// - Returns: what was let through, and by which round.
  private static func letThrough(seed: Int) throws -> [String] {
    var random = SplitMix(seed: UInt64(seed))
    var faults: [String] = []
    for round in 0..<25 {
      let stage = try Stage()
      let channel = try stage.connect()
      var parts: [ByteBuffer] = []
      var isRight = false
      var kind = 0
      for _ in 0..<Int.random(in: 1...5, using: &random) {
        var part: ByteBuffer
        // Often what has its place behind the part before: a password behind a handshake, a request behind a password.
        let next = [1: 4, 2: 6, 4: 5, 6: 5][kind]
        kind = Bool.random(using: &random) ? next ?? 1 : Int.random(in: 0..<7, using: &random)
        switch kind {
        case 0: part = Self.frame(ApiVersionsRequest(), version: Int16.random(in: 0...4, using: &random))
        case 1, 2:
          part = Self.handshake(["PLAIN", "PLAIN", "SCRAM-SHA-256", "X"].randomElement(using: &random)!, version: 1)
        case 3: part = Self.handshake(version: 0)
        case 4: part = Self.plain("wrong")
        case 5: part = Self.metadata
        default:
          part = Self.plain("builder")
          isRight = true
        }
        if Int.random(in: 0..<4, using: &random) == 0, part.readableBytes > 0 {
          let place = part.readerIndex + Int.random(in: 0..<part.readableBytes, using: &random)
          part.setInteger(UInt8.random(in: .min ... .max, using: &random), at: place)
        }
        parts.append(part)
      }
      // In pieces of any size, or each part by itself: what comes with the last message of an authentication is never served.
      let areWhole = Bool.random(using: &random)
      if !areWhole { parts = [parts.dropFirst().reduce(into: parts[0]) { $0.writeImmutableBuffer($1) }] }
      for var bytes in parts {
        while bytes.readableBytes > 0, channel.isActive {
          let count = areWhole ? bytes.readableBytes : Int.random(in: 1...bytes.readableBytes, using: &random)
          try channel.writeInbound(bytes.readSlice(length: count)!)
          stage.loop.base.run()
        }
      }
      stage.loop.base.advanceTime(by: .seconds(1))
      let served = stage.reached.requests.withLock { $0 }
      let others = served.filter { $0.key != Api.apiVersionsKey }
      if !others.isEmpty, !isRight || others.contains(where: { $0.who != Principal(name: "bob") }) {
        faults.append("seed \(seed) round \(round) let \(others) through")
      }
      _ = try? channel.finish()
    }
    return faults
  }
}
