import Base
import CMillrace
import Client
import Glibc
import NIOPosix
import Synchronization

/// Measures the relay's own rate: a sender and a receiver over loopback, with the relay between them.
struct RelaySelfTest: Sendable {
  enum Limits {
    /// The number of time stamps sent one by one before the bulk.
    static let probes = 10
    static let bufferBytes = 256 << 10
    /// A transfer that stalls for this long has failed.
    static let stallSeconds = 30
  }

  let settings: RelaySettings
  let seconds: Double

  struct Result: Sendable {
    var delayMs: Double
    var received = Received()
    /// The peak of bytes buffered in the relay.
    var mostHeld = 0

    var mbPerSecond: Double { received.seconds > 0 ? Double(received.bytes) / 1e6 / received.seconds : 0 }

    var fields: [(name: String, value: JSON)] {
      let sorted = received.oneWayMs.sorted()
      return [
        ("delay_ms", .figure(delayMs)), ("bytes", .count(received.bytes)), ("seconds", .figure(received.seconds)),
        ("mb_per_s", .figure(mbPerSecond)),
        ("one_way_p50_ms", sorted.isEmpty ? .null : .figure(sorted[sorted.count / 2])),
        ("one_way_min_ms", sorted.first.map { .figure($0) } ?? .null),
        ("one_way_max_ms", sorted.last.map { .figure($0) } ?? .null), ("held_max_bytes", .count(mostHeld)),
      ]
    }
  }

  struct Received: Sendable {
    /// The bytes of the bulk.
    var bytes = 0
    /// The time from the bulk's first byte to its last.
    var seconds = 0.0
    /// The one-way delays of the time stamps sent before the bulk.
    var oneWayMs: [Double] = []
  }

  init(_ settings: RelaySettings, seconds: Double) {
    self.settings = settings
    self.seconds = seconds
  }

  /// Runs the test in three threads: sender, relay, receiver.
  func run() async throws -> Result {
    let pool = NIOThreadPool(numberOfThreads: 3)
    pool.start()
    let result: Swift.Result<Result, any Error>
    do {
      result = .success(try await run(on: pool))
    } catch {
      result = .failure(error)
    }
    try await pool.shutdownGracefully()
    return try result.get()
  }

  private func run(on pool: NIOThreadPool) async throws -> Result {
    let sink = try InternetAddress(settings.listen).listen(settings.congestionControl, backlog: 1)
    defer { close(sink) }
    Self.limitStalls(sink)
    let settings = aimed(at: InternetAddress.port(of: sink))
    let listener = try RelayListener(settings)
    let isEnded = Ended()
    async let held = pool.runIfActive {
      let relay = try Relay(settings, at: listener, log: LoadCommand.complain)
      try relay.run { isEnded.value }
      return relay.mostHeld
    }
    async let received = pool.runIfActive { try Self.receive(at: sink) }
    let sending = Swift.Result { try Self.connect(to: listener.port, settings) }
    let sent: Swift.Result<Void, any Error>
    switch sending {
    case .success(let socket):
      sent = await Self.outcome(of: pool) { [seconds] in
        try Self.send(over: socket, seconds: seconds, pauseMs: settings.delayMs + 1)
      }
    case .failure(let error): sent = .failure(error)
    }
    do {
      let arrived = try await received
      isEnded.set()
      let result = Result(delayMs: settings.delayMs, received: arrived, mostHeld: try await held)
      try sent.get()
      return result
    } catch {
      isEnded.set()
      throw error
    }
  }

  private func aimed(at port: Int) -> RelaySettings {
    var settings = settings
    settings.target = Endpoint(host: settings.listen.host, port: port)
    return settings
  }

  private final class Ended: Sendable {
    private let flag = Atomic<Bool>(false)
    var value: Bool { flag.load(ordering: .relaxed) }
    func set() { flag.store(true, ordering: .relaxed) }
  }

  private static func outcome(
    of pool: NIOThreadPool, _ body: @escaping @Sendable () throws -> Void
  ) async -> Swift.Result<Void, any Error> {
    do { return .success(try await pool.runIfActive(body)) } catch { return .failure(error) }
  }

  private static func connect(to port: Int, _ settings: RelaySettings) throws(RelayError) -> Int32 {
    let address = try InternetAddress(Endpoint(host: settings.listen.host, port: port))
    let socket = try address.connect(settings.congestionControl)
    InternetAddress.setBlocking(socket)
    limitStalls(socket)
    return socket
  }

  private static func limitStalls(_ socket: Int32) {
    var limit = timeval(tv_sec: Limits.stallSeconds, tv_usec: 0)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      setsockopt(socket, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
    }
  }

  // MARK: The two ends

  private static func send(over socket: Int32, seconds: Double, pauseMs: Double) throws(RelayError) {
    defer { close(socket) }
    for _ in 0..<Limits.probes {
      var stamp = Clocks.monotonicNs()
      try withUnsafeBytes(of: &stamp) { (bytes) throws(RelayError) in try sendAll(bytes, over: socket) }
      usleep(UInt32(pauseMs * 1000))
    }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Limits.bufferBytes, alignment: 4096)
    defer { buffer.deallocate() }
    buffer.initializeMemory(as: UInt8.self, repeating: 7)
    let endNs = Clocks.monotonicNs() + UInt64(seconds * 1e9)
    while Clocks.monotonicNs() < endNs { try sendAll(UnsafeRawBufferPointer(buffer), over: socket) }
    shutdown(socket, Int32(SHUT_WR))
    // The relay closes the connection when both directions have ended.
    while recv(socket, buffer.baseAddress, buffer.count, 0) > 0 {}
  }

  private static func sendAll(_ bytes: UnsafeRawBufferPointer, over socket: Int32) throws(RelayError) {
    var done = 0
    while done < bytes.count {
      let count = Glibc.send(
        socket, bytes.baseAddress.map { $0 + done }, bytes.count - done, Int32(MSG_NOSIGNAL))
      guard count > 0 else { throw .call("send", errno) }
      done += count
    }
  }

  private static func receive(at listener: Int32) throws(RelayError) -> Received {
    let socket = accept(listener, nil, nil)
    guard socket >= 0 else { throw .call("accept", errno) }
    defer { close(socket) }
    limitStalls(socket)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Limits.bufferBytes, alignment: 4096)
    defer { buffer.deallocate() }
    var received = Received()
    for _ in 0..<Limits.probes {
      let count = recv(socket, buffer.baseAddress, MemoryLayout<UInt64>.size, Int32(MSG_WAITALL))
      guard count == MemoryLayout<UInt64>.size else { throw .call("recv", count < 0 ? errno : ECONNRESET) }
      let sentNs = buffer.load(as: UInt64.self)
      received.oneWayMs.append(Double(Clocks.monotonicNs() - min(sentNs, Clocks.monotonicNs())) / 1e6)
    }
    var firstNs: UInt64?
    while true {
      let count = recv(socket, buffer.baseAddress, buffer.count, 0)
      guard count >= 0 else { throw .call("recv", errno) }
      if count == 0 { return received }
      let nowNs = Clocks.monotonicNs()
      firstNs = firstNs ?? nowNs
      received.bytes += count
      received.seconds = Double(nowNs - (firstNs ?? nowNs)) / 1e9
    }
  }
}
