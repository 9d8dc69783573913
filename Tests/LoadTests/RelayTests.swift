import Base
import Client
import Glibc
import Model
import NIOPosix
import Synchronization
import Testing

@testable import Load

@Suite("One direction of the relay")
struct RelayLaneTests {
  /// Two socket pairs with a lane between them: what goes into `entry` comes out of `exit`.
  final class Pipe {
    let entry: Int32
    let exit: Int32
    let lane: RelayDirection
    private let inner: [Int32]

    init(delayNs: UInt64, bufferBytes: Int) throws {
      let (first, second) = (try Self.pair(), try Self.pair())
      (entry, exit) = (first[0], second[1])
      inner = [first[1], second[0]]
      for socket in inner + [exit] { InternetAddress.prepare(socket) }
      lane = RelayDirection(from: inner[0], to: inner[1], delayNs: delayNs, bufferBytes: bufferBytes)
    }

    deinit { for socket in inner + [entry, exit] { close(socket) } }

    private static func pair() throws -> [Int32] {
      var sockets: [Int32] = [0, 0]
      try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &sockets) == 0)
      return sockets
    }

    func give(_ bytes: [UInt8]) { #expect(send(entry, bytes, bytes.count, 0) == bytes.count) }

    /// What has come out and was not taken yet; nil at the end of the stream.
    func take() -> [UInt8]? {
      var bytes = [UInt8](repeating: 0, count: 1 << 16)
      let count = recv(exit, &bytes, bytes.count, 0)
      return count == 0 ? nil : Array(bytes[..<max(0, count)])
    }
  }

  @Test("a byte comes out when its delay is over, not a nanosecond before, and says when that will be")
  func delays() throws {
    let pipe = try Pipe(delayNs: 5_000_000, bufferBytes: 1000)
    pipe.give([1, 2, 3])
    try pipe.lane.read(1000)
    pipe.give([4])
    try pipe.lane.read(2_001_000)
    #expect(pipe.lane.wakeNs == 5_001_000)
    try pipe.lane.write(5_000_999)
    #expect(pipe.take() == [])
    try pipe.lane.write(5_001_000)
    #expect(pipe.take() == [1, 2, 3])
    #expect(pipe.lane.wakeNs == 7_001_000)
    try pipe.lane.write(7_001_000)
    #expect(pipe.take() == [4])
    #expect(pipe.lane.wakeNs == nil && pipe.lane.held == 0)
  }

  @Test("what comes within 20 us leaves together with its last byte, and not later than that")
  func merges() throws {
    let pipe = try Pipe(delayNs: 1_000_000, bufferBytes: 1000)
    for nowNs: UInt64 in [0, 15_000, 19_999, 20_000] {
      pipe.give([UInt8(nowNs / 1000)])
      try pipe.lane.read(nowNs)
    }
    try pipe.lane.write(1_019_998)
    #expect(pipe.take() == [])
    try pipe.lane.write(1_019_999)
    #expect(pipe.take() == [0, 15, 19])
    try pipe.lane.write(1_020_000)
    #expect(pipe.take() == [20])
  }

  @Test("a full buffer reads no more until something has left, and goes round its end")
  func bounds() throws {
    let pipe = try Pipe(delayNs: 10, bufferBytes: 1000)
    let bytes = (0..<2500).map { UInt8(truncatingIfNeeded: $0 / 7) }
    pipe.give(bytes)
    var nowNs: UInt64 = 0
    var out: [UInt8] = []
    try pipe.lane.read(nowNs)
    #expect(pipe.lane.held == 1000 && !pipe.lane.canRead)
    try pipe.lane.read(nowNs)
    #expect(pipe.lane.held == 1000)
    while out.count < bytes.count {
      nowNs += 10
      try pipe.lane.write(nowNs)
      out += pipe.take() ?? []
      try pipe.lane.read(nowNs)
    }
    #expect(out == bytes)
    #expect(pipe.lane.mostHeld == 1000)
  }

  @Test("the end of a stream is delayed like a byte, and comes after all of them")
  func ends() throws {
    let pipe = try Pipe(delayNs: 100, bufferBytes: 1000)
    pipe.give([9])
    try pipe.lane.read(0)
    shutdown(pipe.entry, Int32(SHUT_WR))
    try pipe.lane.read(50)
    #expect(!pipe.lane.canRead && !pipe.lane.isDone)
    try pipe.lane.write(100)
    #expect(pipe.take() == [9])
    #expect(!pipe.lane.isDone && pipe.lane.wakeNs == 150)
    #expect(pipe.take() == [], "not ended yet")
    try pipe.lane.write(150)
    #expect(pipe.lane.isDone)
    #expect(pipe.take() == nil)
  }

  @Test("a receiver that is gone is an error, not a signal")
  func gone() throws {
    let pipe = try Pipe(delayNs: 0, bufferBytes: 1000)
    shutdown(pipe.exit, Int32(SHUT_RDWR))
    pipe.give([1])
    try pipe.lane.read(0)
    #expect(throws: RelayError.call("send", EPIPE)) { try pipe.lane.write(0) }
  }
}

@Suite("The relay", .serialized)
struct RelayTests {
  static let anywhere = Endpoint(host: "127.0.0.1", port: 0)

  static func settings(delayMs: Double = 0, bufferBytes: Int = 64 << 20, target port: Int = 0) -> RelaySettings {
    var settings = RelaySettings(listen: anywhere, target: Endpoint(host: "127.0.0.1", port: port))
    settings.delayMs = delayMs
    settings.bufferBytes = bufferBytes
    settings.congestionControl = "cubic"
    return settings
  }

  @Test("all arrives, none of it early, and no more lies in it than its buffer holds", arguments: [0.0, 4.0])
  func bounded(delayMs: Double) async throws {
    let result = try await RelaySelfTest(Self.settings(delayMs: delayMs, bufferBytes: 1 << 16), seconds: 0.1).run()
    #expect(result.received.bytes > 1 << 18, "more went through than the buffer holds")
    #expect(result.mostHeld <= 1 << 16)
    #expect(result.received.oneWayMs.count == RelaySelfTest.Limits.probes)
    #expect(result.received.oneWayMs.allSatisfy { $0 >= delayMs })
  }

  @Test("what is under way is not limited to what TCP sends without an answer")
  func windows() async throws {
    let result = try await RelaySelfTest(Self.settings(delayMs: 200), seconds: 0.2).run()
    #expect(result.mostHeld > 8 << 20, "TCP's own buffers hold 4 MiB of the sender's and less")
  }

  /// A relay on a thread of the pool for the length of `body`, which is given its port.
  private func relaying(
    to port: Int, taking take: @escaping @Sendable (Int32) -> Int32 = { accept($0, nil, nil) },
    log: @escaping @Sendable (String) -> Void = { Issue.record("the relay says: \($0)") },
    _ body: (Int, NIOThreadPool) async throws -> Void
  ) async throws {
    let pool = NIOThreadPool(numberOfThreads: 2)
    pool.start()
    let settings = Self.settings(delayMs: 1, bufferBytes: 1 << 16, target: port)
    let door = try RelayListener(settings)
    let isEnded = Flag()
    async let ended: Void = pool.runIfActive {
      try Relay(settings, at: door, taking: take, log: log).run { isEnded.value.load(ordering: .relaxed) }
    }
    do {
      try await body(door.port, pool)
    } catch {
      isEnded.value.store(true, ordering: .relaxed)
      throw error
    }
    isEnded.value.store(true, ordering: .relaxed)
    try await ended
    try await pool.shutdownGracefully()
  }

  private final class Flag: Sendable { let value = Atomic<Bool>(false) }

  private static func connect(to port: Int) throws -> Int32 {
    let socket = try InternetAddress(Endpoint(host: "127.0.0.1", port: port)).connect("cubic")
    InternetAddress.setBlocking(socket)
    return socket
  }

  private static func readToEnd(_ socket: Int32) -> [UInt8] {
    var all: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = recv(socket, &chunk, chunk.count, 0)
      guard count > 0 else { return all }
      all += chunk[..<count]
    }
  }

  private static func sendAll(_ bytes: [UInt8], _ socket: Int32) {
    var done = 0
    while done < bytes.count {
      let count = bytes[done...].withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      guard count > 0 else { return }
      done += count
    }
  }

  @Test("bytes come out as they went in, both ways, and each end of a stream after them")
  func bothWays() async throws {
    let sink = try InternetAddress(Self.anywhere).listen("cubic", backlog: 1)
    defer { close(sink) }
    var generator = SplitMix(seed: 5)
    let question = (0..<1_000_000).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    try await relaying(to: InternetAddress.port(of: sink)) { port, pool in
      // Reads to the end before it answers: the relay must pass on that end alone.
      async let echoed: Void = pool.runIfActive {
        let peer = accept(sink, nil, nil)
        Self.sendAll(Self.readToEnd(peer).reversed(), peer)
        close(peer)
      }
      let client = try Self.connect(to: port)
      Self.sendAll(question, client)
      shutdown(client, Int32(SHUT_WR))
      let answer = Self.readToEnd(client)
      close(client)
      try await echoed
      #expect(answer == question.reversed())
    }
  }

  @Test("a target that is not there ends the client's connection, and the relay goes on")
  func nobody() async throws {
    let sink = try InternetAddress(Self.anywhere).listen("cubic", backlog: 1)
    let port = InternetAddress.port(of: sink)
    close(sink)
    try await relaying(to: port) { port, _ in
      for _ in 0..<2 {
        let client = try Self.connect(to: port)
        #expect(Self.readToEnd(client).isEmpty)
        close(client)
      }
    }
  }

  @Test("when there is no descriptor for another socket the door is left alone for a while, and that is said once")
  func exhausted() async throws {
    let sink = try InternetAddress(Self.anywhere).listen("cubic", backlog: 1)
    defer { close(sink) }
    let asked = Mutex<[UInt64]>([])
    let told = Mutex<[String]>([])
    let refusals = 3
    try await relaying(
      to: InternetAddress.port(of: sink),
      taking: { door in
        let count = asked.withLock {
          $0.append(Clocks.monotonicNs())
          return $0.count
        }
        guard count <= refusals else { return accept(door, nil, nil) }
        errno = EMFILE
        return -1
      },
      log: { words in told.withLock { $0.append(words) } }
    ) { port, pool in
      async let answered: Void = pool.runIfActive {
        let peer = accept(sink, nil, nil)
        Self.sendAll([7], peer)
        close(peer)
      }
      let client = try Self.connect(to: port)
      let answer = Self.readToEnd(client)
      close(client)
      try await answered
      #expect(answer == [7], "who waited is served when there are descriptors again")
    }
    let times = asked.withLock { $0 }
    #expect(times.count == refusals + 1)
    for (before, after) in zip(times, times.dropFirst()) { #expect(after - before > Relay.Limits.restNs / 2) }
    let words = told.withLock { $0 }
    #expect(words.count == 1 && words[0].contains("accept: Too many open files: 0 connections are relayed"))
  }

  @Test(
    "a plan that cannot be run says what is wrong",
    arguments: [
      (["--to", "h:1"], "--listen HOST:PORT is missing"),
      (["--listen", "h:0", "--to", "h:0"], "--to 'h:0' is invalid"),
      (["--listen", "h:0", "--to", "h:1", "--delay-ms", "-1"], "--delay-ms '-1' is invalid"),
      (["--listen", "h:0", "--to", "h:1", "--buffer-mib", "0"], "--buffer-mib '0' is invalid"),
      (["--listen", "h:0", "--to"], "--to needs a value"), (["--dealy-ms", "5"], "unknown setting '--dealy-ms'"),
      (["--self-test=false"], "--self-test takes no value: leave out 'false'"),
      (["--self-test", "--to", "h:1"], "leave out --listen and --to"),
      (["--listen", "h:0", "--to", "h:1", "--seconds", "1"], "--seconds needs --self-test"),
    ])
  func refuses(arguments: [String], words: String) {
    let error = #expect(throws: PlanError.self) { try RelayPlan(arguments: arguments) }
    #expect(error?.description.contains(words) == true, "\(String(describing: error))")
  }

  @Test("flags set what they name")
  func plan() throws {
    let plan = try RelayPlan(arguments: [
      "--listen", "127.0.0.1:0", "--to=10.77.0.1:9092", "--delay-ms", "2.5", "--buffer-mib", "8", "--connections", "3",
      "--congestion-control", "cubic",
    ])
    #expect(plan.settings.listen.port == 0 && plan.settings.target == Endpoint(host: "10.77.0.1", port: 9092))
    #expect(plan.settings.delayMs == 2.5 && plan.settings.bufferBytes == 8 << 20)
    #expect(plan.settings.connectionsMax == 3 && plan.settings.congestionControl == "cubic")
    #expect(plan.selfTestSeconds == nil)
    #expect(try RelayPlan(arguments: ["--self-test"]).selfTestSeconds == 0.3)
  }
}
