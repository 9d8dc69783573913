import Base
import CMillrace
package import Client
import Glibc

/// How a relay is run.
package struct RelaySettings: Sendable, Equatable {
  package var listen: Endpoint
  package var target: Endpoint
  /// One way: a round trip takes twice as long.
  package var delayMs = 0.0
  /// The most bytes that wait in each direction of a connection.
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

/// A delay proxy: accepts TCP connections, opens one to the target for each, and forwards the bytes of either side after the
/// delay. It stands in for netem where the kernel has none.
///
///     client ══ relay ══ target        each byte waits in the relay for `delayMs`, however many follow it
///
/// Worked case: with 25 ms and 12.5 MB/s, 312 KB always wait, which `bufferBytes` must hold. TCP's own windows see only the
/// two short paths, so they limit nothing; for the same reason a real connection's slow start over a long path is missing.
/// Connecting is not delayed.
///
/// One thread serves all connections: it waits for whichever comes first, a socket or the time of a byte. Not Sendable.
final class Relay {
  enum Limits {
    /// The time between two checks whether to stop.
    static let lookNs: UInt64 = 50_000_000
    /// The listening socket is not polled for this long when there is no descriptor or memory for another socket: waiting
    /// clients keep it readable, so a poll that includes it would return at once, again and again.
    static let restNs: UInt64 = 100_000_000
  }

  private let settings: RelaySettings
  private let door: RelayDoor
  private let target: InternetAddress
  private var connections: [RelayConnection] = []
  private var mostHeldBefore = 0
  private let take: (Int32) -> Int32
  private let tell: (String) -> Void
  private var restUntilNs: UInt64 = 0
  private var hasToldOfRest = false

  /// - Parameters:
  ///   - take: accept(2), or a test's replacement.
  ///   - tell: receives messages for the user.
  init(
    _ settings: RelaySettings, at door: RelayDoor,
    taking take: @escaping (Int32) -> Int32 = { Glibc.accept($0, nil, nil) },
    tell: @escaping (String) -> Void
  ) throws(RelayError) {
    self.settings = settings
    self.door = door
    self.take = take
    self.tell = tell
    target = try InternetAddress(settings.target)
  }

  deinit {
    for connection in connections { connection.close() }
  }

  /// The most bytes that one direction ever held.
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
      if polled[0].revents != 0 { accept(nowNs) }
    }
  }

  /// The listener first, then two sockets a connection.
  private func prepare(_ polled: inout [pollfd], _ nowNs: UInt64) {
    polled.removeAll(keepingCapacity: true)
    let mayAccept = connections.count < settings.connectionsMax && nowNs >= restUntilNs
    polled.append(pollfd(fd: mayAccept ? door.socket : -1, events: Int16(POLLIN), revents: 0))
    for connection in connections { polled += connection.interests }
  }

  private func timeToWait(_ nowNs: UInt64) -> Int64 {
    let wake = connections.compactMap(\.wakeNs).min() ?? .max
    return Int64(min(Limits.lookNs, wake > nowNs ? wake - nowNs : 0))
  }

  private func accept(_ nowNs: UInt64) {
    let made: Int32
    do throws(RelayError) {
      // Made before the client is accepted: without a second socket the client had better wait in the listen queue.
      made = try target.make(settings.congestionControl)
    } catch {
      return rest(after: error, nowNs)
    }
    let client = take(door.socket)
    guard client >= 0 else {
      let number = errno
      close(made)
      // A client that gave up while it waited is no reason to pause.
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
    guard !hasToldOfRest else { return }
    hasToldOfRest = true
    tell(
      "\(error): \(connections.count) connections are relayed, two sockets each, and others wait until one ends; raise the "
        + "limit on open files (ulimit -n), or lower --connections")
  }
}

/// Where a relay listens, from its making to its end.
final class RelayDoor: Sendable {
  private static let backlog: Int32 = 128

  let socket: Int32
  /// With port 0, the one it was given.
  let port: Int

  init(_ settings: RelaySettings) throws(RelayError) {
    socket = try InternetAddress(settings.listen).listen(settings.congestionControl, backlog: Self.backlog)
    port = InternetAddress.port(of: socket)
    // A connection that was given up before it was taken must not make anybody wait.
    InternetAddress.prepare(socket)
  }

  deinit { close(socket) }
}

/// Both directions of one connection.
private final class RelayConnection {
  private let client: Int32
  private let server: Int32
  private let lanes: [RelayLane]
  private var hasFailed = false

  init(client: Int32, server: Int32, _ settings: RelaySettings) {
    self.client = client
    self.server = server
    let delayNs = UInt64(settings.delayMs * 1e6)
    lanes = [(client, server), (server, client)].map { source, destination in
      RelayLane(from: source, to: destination, delayNs: delayNs, bufferBytes: settings.bufferBytes)
    }
  }

  var isDone: Bool { hasFailed || lanes.allSatisfy(\.isDone) }
  var mostHeld: Int { lanes.map(\.mostHeld).max() ?? 0 }
  var wakeNs: UInt64? { lanes.compactMap(\.wakeNs).min() }

  /// A socket of which nothing is wanted is left out, or its end would wake us all the time.
  var interests: [pollfd] {
    [client, server].map { socket in
      var events: Int16 = 0
      for lane in lanes {
        if lane.source == socket, lane.canRead { events |= Int16(POLLIN) }
        if lane.destination == socket, lane.isBlocked { events |= Int16(POLLOUT) }
      }
      return pollfd(fd: events == 0 ? -1 : socket, events: events, revents: 0)
    }
  }

  /// What the sockets are ready for, and what is due. An error ends the connection on both sides.
  func pass(_ clientReady: Int16, _ serverReady: Int16, _ nowNs: UInt64) {
    let mayWrite = Int16(POLLOUT | POLLERR | POLLHUP)
    do throws(RelayError) {
      for lane in lanes {
        let (source, destination) =
          lane.source == client ? (clientReady, serverReady) : (serverReady, clientReady)
        if source != 0 { try lane.read(nowNs) }
        if destination & mayWrite != 0 { lane.unblock() }
        try lane.write(nowNs)
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
