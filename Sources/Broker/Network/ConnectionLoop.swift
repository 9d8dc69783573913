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
  /// Connections whose clients are not known yet, oldest first.
  private var unauthenticated: [UnauthenticatedConnection] = []
  private let unauthenticatedMax: Int
  /// What the log is told of clients that were not let in.
  let failures = FailureLog()
  /// `connections.max.idle.ms`.
  private let idleMax: TimeAmount?

  init(
    eventLoop: any EventLoop, receiveBufferBytes: Int, largeBytesMax: Int, idleMax: TimeAmount?, coldReads: ColdReads?,
    runs: (any RequestRuns)? = nil, unauthenticatedMax: Int = Limits.unauthenticatedConnections,
    meter: RequestMeter? = nil
  ) {
    self.unauthenticatedMax = unauthenticatedMax
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

  /// Takes in a connection whose client is not known yet. Where there are too many, the oldest goes of the address that has the most: strangers
  /// from one address keep nobody else out, and a client that authenticates without delay is seldom the oldest.
  func add(_ connection: UnauthenticatedConnection) {
    if unauthenticated.count >= unauthenticatedMax {
      var counts: [String: Int] = [:]
      for other in unauthenticated { counts[other.peerAddress, default: 0] += 1 }
      let most = counts.values.max() ?? 0
      unauthenticated.first { counts[$0.peerAddress] == most }?
        .close(because: "too many connections that have not authenticated")
    }
    unauthenticated.append(connection)
  }

  func remove(_ connection: UnauthenticatedConnection) {
    guard let index = unauthenticated.firstIndex(where: { $0 === connection }) else { return }
    unauthenticated.remove(at: index)
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
    for connection in unauthenticated where now - connection.began > .milliseconds(Limits.authenticationMs) {
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
    for connection in unauthenticated { connection.close() }
    for connection in connections { connection.drain() }
  }

  /// Closes every connection at once. No request is served any more.
  func closeAll(because reason: String) {
    for connection in unauthenticated { connection.close() }
    for connection in connections { connection.close(because: reason) }
    runs = nil
  }
}
