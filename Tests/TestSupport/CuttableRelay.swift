import Glibc
import Synchronization

/// A relay between clients and a port of this machine, whose connections can be cut.
package final class CuttableRelay: Sendable {
  /// Where it listens, at 127.0.0.1.
  package let port: UInt16
  private let target: UInt16
  private let listener: Int32
  private let state = Mutex(State())

  private struct State {
    var isCut = false
    var isStopped = false
    /// Descriptors of both sides of each connection.
    var open: Set<Int32> = []
  }

  package init(to target: UInt16) throws {
    self.target = target
    port = try BrokerProcess.freePort()
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard RawSocket.atLoopback(port, { [listener] in bind(listener, $0, $1) }) == 0, listen(listener, 16) == 0 else {
      throw BrokerProcess.Failure("a relay cannot listen at \(port): \(errnoText)")
    }
    try Self.run { self.accept() }
  }

  /// Ends all connections; until `mend` every new one ends at once.
  package func cut() {
    state.withLock { state in
      state.isCut = true
      for descriptor in state.open { shutdown(descriptor, Int32(SHUT_RDWR)) }
    }
  }

  package func mend() { state.withLock { $0.isCut = false } }

  /// Ends it for good. Without it the relay lasts as long as the process.
  package func stop() {
    cut()
    state.withLock { $0.isStopped = true }
    shutdown(listener, Int32(SHUT_RDWR))
  }

  private func accept() {
    while true {
      let client = Glibc.accept(listener, nil, nil)
      guard client >= 0 else {
        if state.withLock({ $0.isStopped }) { break }
        usleep(10_000)
        continue
      }
      let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      let isConnected = RawSocket.atLoopback(target) { connect(server, $0, $1) } == 0
      let isOpen = state.withLock { state -> Bool in
        guard isConnected, !state.isCut else { return false }
        state.open.formUnion([client, server])
        return true
      }
      guard isOpen, (try? Self.run { self.forward(client, server) }) != nil else {
        finish(client, server)
        continue
      }
    }
    close(listener)
  }

  private func forward(_ client: Int32, _ server: Int32) {
    var descriptors = [client, server].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while poll(&descriptors, 2, -1) > 0 {
      for (from, to) in [(0, 1), (1, 0)] where descriptors[from].revents != 0 {
        let count = recv(descriptors[from].fd, &chunk, chunk.count, 0)
        guard count > 0 else { return finish(client, server) }
        var sent = 0
        while sent < count {
          let more = chunk.withUnsafeBytes { bytes in
            Glibc.send(descriptors[to].fd, bytes.baseAddress! + sent, count - sent, Int32(MSG_NOSIGNAL))
          }
          guard more > 0 else { return finish(client, server) }
          sent += more
        }
      }
    }
    finish(client, server)
  }

  private func finish(_ client: Int32, _ server: Int32) {
    state.withLock { state in
      state.open.subtract([client, server])
      close(client)
      close(server)
    }
  }

  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Runs `body` on a thread of its own.
  package static func run(_ body: @escaping @Sendable () -> Void) throws {
    let argument = Unmanaged.passRetained(Body(body))
    var thread = pthread_t()
    let code = pthread_create(
      &thread, nil,
      { argument in
        if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
        return nil
      }, argument.toOpaque())
    guard code == 0 else {
      argument.release()
      throw BrokerProcess.Failure("no thread: \(String(cString: strerror(code)))")
    }
    pthread_detach(thread)
  }
}
