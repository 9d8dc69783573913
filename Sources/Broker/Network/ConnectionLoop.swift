import Logging
import NIOCore

/// Holds what the connections of one event loop share: receive buffers, the copy path's buffer, the turns of connections
/// that pipeline much, and the sweep for connections that are idle.
///
/// Owned by its event loop; not locked.
final class ConnectionLoop {
  let eventLoop: any EventLoop
  let buffers: ReceiveBuffers
  /// Serves requests together; nil when each is served by itself.
  private(set) var runs: (any RequestRuns)?
  /// Counts the requests of this event loop; nil where nobody wants to know.
  let meter: RequestMeter?
  /// Reads ranges that are not in the page cache; nil when responses are not sent from the page cache.
  let coldReads: ColdReads?
  /// The copy path's buffer while no chunk of it is on its way.
  var copyBuffer: ByteBuffer?
  /// In the order of their numbers, so that whatever is done to all of them is done in the same order each time.
  private var connections: [Connection] = []
  /// Connections with requests left when their turn was over, oldest first.
  private var queued: [Connection] = []
  private var isTakingTurns = false
  private var unauthenticated: UnauthenticatedConnections<UnauthenticatedConnection>
  /// Lets TLS handshakes go on, a few in each turn.
  let handshakes: HandshakePace
  /// What the log is told of clients that were not let in.
  let failures = FailureLog()
  let foreignProtocols = ForeignProtocolLog()
  /// `connections.max.idle.ms`.
  private let idleMax: TimeAmount?

  init(
    eventLoop: any EventLoop, receiveBufferBytes: Int, largeBytesMax: Int, idleMax: TimeAmount?, coldReads: ColdReads?,
    runs: (any RequestRuns)? = nil, unauthenticatedMax: Int = Limits.unauthenticatedConnections,
    meter: RequestMeter? = nil
  ) {
    unauthenticated = UnauthenticatedConnections(
      most: unauthenticatedMax, ofAddress: max(1, unauthenticatedMax / Limits.unauthenticatedShare))
    handshakes = HandshakePace(eventLoop)
    self.runs = runs
    self.meter = meter
    self.eventLoop = eventLoop
    self.coldReads = coldReads
    self.idleMax = idleMax
    buffers = ReceiveBuffers(bufferBytes: receiveBufferBytes, largeBytesMax: largeBytesMax)
  }

  /// Connections that are open.
  var count: Int { connections.count }

  func add(_ connection: Connection) { connections.insert(connection, at: place(of: connection.number)) }

  /// Removes `connection`, if present.
  func remove(_ connection: Connection) {
    let place = place(of: connection.number)
    guard place < connections.count, connections[place] === connection else { return }
    connections.remove(at: place)
  }

  /// Takes in a connection whose client is not known yet, and closes another where there are too many.
  func add(_ connection: UnauthenticatedConnection) {
    unauthenticated.add(connection, of: connection.peerAddress)?
      .close(because: "too many connections that have not authenticated")
  }

  func remove(_ connection: UnauthenticatedConnection) {
    unauthenticated.remove(connection, of: connection.peerAddress)
  }

  /// What strangers do here.
  var strangers: StrangerFigures {
    StrangerFigures(
      connections: unauthenticated.count, displaced: unauthenticated.displaced, handshakesWaiting: handshakes.waiting)
  }

  /// Tells the log what a plaintext listener's client speaks, if its bytes, which are no frame, are recognised.
  func tellForeign(_ bytes: ByteBuffer, _ log: Logger, _ listener: String, _ address: String?) -> Bool {
    guard let reason = ForeignProtocol.insteadOfPlaintext(bytes) else { return false }
    foreignProtocols.tell(log, listener: listener, address ?? "?", reason, eventLoop.now)
    return true
  }

  /// Returns the index of the connection with this number, or its insertion point.
  private func place(of number: Int) -> Int {
    var low = 0
    var high = connections.count
    while low < high {
      let middle = low + (high - low) / 2
      if connections[middle].number < number { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Queues the next time slice of `connection` behind the other connections.
  func queueTurn(of connection: Connection) {
    queued.append(connection)
    if queued.count == 1, !isTakingTurns { scheduleTurns() }
  }

  private func takeTurns() {
    let turns = queued
    queued = []
    isTakingTurns = true
    for connection in turns { connection.takeTurn() }
    isTakingTurns = false
    if !queued.isEmpty { scheduleTurns() }
  }

  /// Schedules the queued turns after a pause, in which NIO polls its sockets: NIO does so only when no task is due.
  private func scheduleTurns() {
    let bound = NIOLoopBound(self, eventLoop: eventLoop)
    eventLoop.scheduleTask(in: .microseconds(Limits.turnPauseMicroseconds)) { bound.value.takeTurns() }
  }

  /// Closes connections that are
  ///
  /// - idle: silent for `connections.max.idle.ms` with no request in flight;
  /// - stalled within a request, sooner if they hold memory that others wait for;
  /// - being sent a file that has been truncated;
  /// - open for `Limits.authenticationMs` and not authenticated.
  func sweep(now: NIODeadline) {
    for connection in unauthenticated.all where now - connection.began > .milliseconds(Limits.authenticationMs) {
      connection.close(because: "not authenticated in time")
    }
    for connection in connections {
      let idle = now - connection.lastActivity
      let stallMs =
        connection.holdsLargeFrame && buffers.isMemoryWanted ? Limits.largeFrameStallMs : Limits.frameStallMs
      if connection.isStalling, idle > .milliseconds(stallMs) {
        connection.close(because: "stalled within a request")
      } else if connection.requestsInFlight == 0, let idleMax, idle > idleMax {
        connection.close(because: "idle")
      } else {
        connection.closeIfCut()
      }
    }
  }

  /// Drains every connection: requests in flight finish, no further one starts, and the connection closes.
  func drainAll() {
    for connection in unauthenticated.all { connection.close() }
    for connection in connections { connection.drain() }
  }

  /// Closes every connection at once. No request is served any more.
  func closeAll(because reason: String) {
    for connection in unauthenticated.all { connection.close() }
    for connection in connections { connection.close(because: reason) }
    runs = nil
  }
}

/// Connections of one event loop whose clients are not known.
struct StrangerFigures: Sendable {
  var connections = 0
  /// Those that were closed to make room for others, since the start.
  var displaced = 0
  var handshakesWaiting = 0
}
