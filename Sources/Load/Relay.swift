import Base
import CMillrace
package import Client
import Glibc

/// Holds a relay's settings.
package struct RelaySettings: Sendable, Equatable {
  package var listen: Endpoint
  package var target: Endpoint
  /// The one-way delay; a round trip takes twice as long.
  package var delayMs = 0.0
  /// The most bytes buffered in each direction of a connection.
  package var bufferBytes = 64 << 20
  package var connectionsMax = 64
  package var congestionControl: String?

  package init(listen: Endpoint, target: Endpoint) {
    self.listen = listen
    self.target = target
  }
}

package enum RelayError: Error, Equatable, CustomStringConvertible {
  case call(String, Int32)
  case address(Endpoint, String)

  package var description: String {
    switch self {
    case .call(let name, let number): "\(name): \(String(cString: strerror(number)))"
    case .address(let endpoint, let reason): "\(endpoint): \(reason)"
    }
  }
}

/// Runs a delay proxy: accepts TCP connections, opens one to the target for each, and forwards the bytes of either side after
/// the delay. Replaces netem where the kernel lacks it.
///
///     client ══ relay ══ target        each byte waits in the relay for `delayMs`
///
/// Worked case: with 25 ms and 12.5 MB/s, 312 KB always wait, which `bufferBytes` must hold. TCP's own windows cover only the
/// two short paths, so they limit nothing, and slow start over a long path is not modelled.
/// Connecting is not delayed.
///
/// One thread serves all connections: it polls the sockets until the next byte is due. Not Sendable.
final class Relay {
  enum Limits {
    /// The time between two checks of `isEnded`.
    static let lookNs: UInt64 = 50_000_000
    /// The time for which the listening socket is not polled after a lack of descriptors or memory: waiting clients keep it
    /// readable, so each poll would return at once.
    static let restNs: UInt64 = 100_000_000
  }

  private let settings: RelaySettings
  private let listener: RelayListener
  private let target: InternetAddress
  private var connections: [RelayConnection] = []
  private var mostHeldBefore = 0
  private let accept: (Int32) -> Int32
  private let log: (String) -> Void
  private var restUntilNs: UInt64 = 0
  private var hasLoggedRest = false

  /// - Parameters:
  ///   - accept: accept(2), or a test's replacement.
  ///   - log: gets messages for the user.
  init(
    _ settings: RelaySettings, at listener: RelayListener,
    taking accept: @escaping (Int32) -> Int32 = { Glibc.accept($0, nil, nil) },
    log: @escaping (String) -> Void
  ) throws(RelayError) {
    self.settings = settings
    self.listener = listener
    self.accept = accept
    self.log = log
    target = try InternetAddress(settings.target)
  }

  deinit {
    for connection in connections { connection.close() }
  }

  /// The peak of bytes buffered in one direction.
  var mostHeld: Int { max(mostHeldBefore, connections.map(\.mostHeld).max() ?? 0) }

  func run(until isEnded: () -> Bool) throws(RelayError) {
    var polled: [pollfd] = []
    while !isEnded() {
      let beginNs = Clocks.monotonicNs()
      prepare(&polled, beginNs)
      let wait = timeToWait(beginNs)
      let ready = polled.withUnsafeMutableBufferPointer { fds in
        fds.baseAddress.map { millrace_poll($0, fds.count, wait) } ?? 0
      }
      guard ready >= 0 || errno == EINTR else { throw .call("poll", errno) }
      let nowNs = Clocks.monotonicNs()
      for (index, connection) in connections.enumerated() {
        connection.pass(polled[1 + 2 * index].revents, polled[2 + 2 * index].revents, nowNs)
      }
      for connection in connections where connection.isDone {
        mostHeldBefore = max(mostHeldBefore, connection.mostHeld)
        connection.close()
      }
      connections.removeAll(where: \.isDone)
      if polled[0].revents != 0 { acceptClient(nowNs) }
    }
  }

  /// Fills `polled`: the listening socket first, then two sockets per connection.
  private func prepare(_ polled: inout [pollfd], _ nowNs: UInt64) {
    polled.removeAll(keepingCapacity: true)
    let mayAccept = connections.count < settings.connectionsMax && nowNs >= restUntilNs
    polled.append(pollfd(fd: mayAccept ? listener.socket : -1, events: Int16(POLLIN), revents: 0))
    for connection in connections { polled += connection.interests }
  }

  private func timeToWait(_ nowNs: UInt64) -> Int64 {
    let wake = connections.compactMap(\.wakeNs).min() ?? .max
    return Int64(min(Limits.lookNs, wake > nowNs ? wake - nowNs : 0))
  }

  private func acceptClient(_ nowNs: UInt64) {
    let made: Int32
    do throws(RelayError) {
      // The second socket is made first: without it the client should stay in the listen queue.
      made = try target.make(settings.congestionControl)
    } catch {
      return rest(after: error, nowNs)
    }
    let client = accept(listener.socket)
    guard client >= 0 else {
      let number = errno
      close(made)
      // A client that has disconnected meanwhile is no reason to pause.
      if [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(number) { rest(after: .call("accept", number), nowNs) }
      return
    }
    InternetAddress.prepare(client)
    do throws(RelayError) {
      let server = try target.connect(made)
      connections.append(RelayConnection(client: client, server: server, settings))
    } catch {
      close(client)
    }
  }

  private func rest(after error: RelayError, _ nowNs: UInt64) {
    restUntilNs = nowNs + Limits.restNs
    guard !hasLoggedRest else { return }
    hasLoggedRest = true
    log(
      "\(error): \(connections.count) connections are relayed, two sockets each, and others wait until one ends; raise the "
        + "limit on open files (ulimit -n), or lower --connections")
  }
}

/// Owns a relay's listening socket.
final class RelayListener: Sendable {
  private static let backlog: Int32 = 128

  let socket: Int32
  /// The port, also where the system chose it.
  let port: Int

  init(_ settings: RelaySettings) throws(RelayError) {
    socket = try InternetAddress(settings.listen).listen(settings.congestionControl, backlog: Self.backlog)
    port = InternetAddress.port(of: socket)
    // A client that disconnects before `accept` must not block the relay.
    InternetAddress.prepare(socket)
  }

  deinit { close(socket) }
}

/// Relays both directions of one connection.
private final class RelayConnection {
  private let client: Int32
  private let server: Int32
  private let directions: [RelayDirection]
  private var hasFailed = false

  init(client: Int32, server: Int32, _ settings: RelaySettings) {
    self.client = client
    self.server = server
    let delayNs = UInt64(settings.delayMs * 1e6)
    directions = [(client, server), (server, client)].map { source, destination in
      RelayDirection(from: source, to: destination, delayNs: delayNs, bufferBytes: settings.bufferBytes)
    }
  }

  var isDone: Bool { hasFailed || directions.allSatisfy(\.isDone) }
  var mostHeld: Int { directions.map(\.mostHeld).max() ?? 0 }
  var wakeNs: UInt64? { directions.compactMap(\.wakeNs).min() }

  /// The sockets to poll. One without interest is left out, or its end of stream would wake each poll.
  var interests: [pollfd] {
    [client, server].map { socket in
      var events: Int16 = 0
      for direction in directions {
        if direction.source == socket, direction.canRead { events |= Int16(POLLIN) }
        if direction.destination == socket, direction.isBlocked { events |= Int16(POLLOUT) }
      }
      return pollfd(fd: events == 0 ? -1 : socket, events: events, revents: 0)
    }
  }

  /// Reads and writes as the sockets are ready and bytes are due. An error closes both sides.
  func pass(_ clientReady: Int16, _ serverReady: Int16, _ nowNs: UInt64) {
    let mayWrite = Int16(POLLOUT | POLLERR | POLLHUP)
    do throws(RelayError) {
      for direction in directions {
        let (source, destination) =
          direction.source == client ? (clientReady, serverReady) : (serverReady, clientReady)
        if source != 0 { try direction.read(nowNs) }
        if destination & mayWrite != 0 { direction.unblock() }
        try direction.write(nowNs)
      }
    } catch {
      hasFailed = true
    }
  }

  func close() {
    Glibc.close(client)
    Glibc.close(server)
  }
}
