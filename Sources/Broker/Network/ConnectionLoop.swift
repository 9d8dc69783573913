import NIOCore

/// What the connections of one event loop share: receive buffers, the copy path's buffer, and the sweep for idle ones.
///
/// Owned by its event loop; not locked.
final class ConnectionLoop {
  let eventLoop: any EventLoop
  let buffers: ReceiveBuffers
  /// Nil: what is sent is not held by the page cache in any case.
  let coldReads: ColdReads?
  /// The copy path's buffer while no chunk of it is on its way.
  var copyBuffer: ByteBuffer?
  private var connections: [ObjectIdentifier: Connection] = [:]
  /// Those with requests left when their turn was over, oldest first.
  private var queued: [Connection] = []
  private var isTakingTurns = false
  /// `connections.max.idle.ms`.
  private let idleMax: TimeAmount?

  init(
    eventLoop: any EventLoop, receiveBufferBytes: Int, largeBytesMax: Int, idleMax: TimeAmount?, coldReads: ColdReads?
  ) {
    self.eventLoop = eventLoop
    self.coldReads = coldReads
    self.idleMax = idleMax
    buffers = ReceiveBuffers(bufferBytes: receiveBufferBytes, largeBytesMax: largeBytesMax)
  }

  var count: Int { connections.count }

  func add(_ connection: Connection) { connections[ObjectIdentifier(connection)] = connection }

  func remove(_ connection: Connection) { connections[ObjectIdentifier(connection)] = nil }

  /// Lets `connection` go on after the others.
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

  /// The pause is what lets others come: NIO runs tasks until none is due, and only then looks at its sockets.
  private func scheduleTurns() {
    let bound = NIOLoopBound(self, eventLoop: eventLoop)
    eventLoop.scheduleTask(in: .microseconds(Limits.turnPauseMicroseconds)) { bound.value.takeTurns() }
  }

  /// Closes connections without a byte for `connections.max.idle.ms` and no request in flight, and those that stopped
  /// within a request: soon, when they hold memory that others wait for.
  func sweep(now: NIODeadline) {
    for connection in connections.values {
      let idle = now - connection.lastActivity
      let stallMs =
        connection.holdsLargeFrame && buffers.isMemoryWanted ? Limits.largeFrameStallMs : Limits.frameStallMs
      if connection.isStalling, idle > .milliseconds(stallMs) {
        connection.close(because: "stalled within a request")
      } else if connection.requestsInFlight == 0, let idleMax, idle > idleMax {
        connection.close(because: "idle")
      }
    }
  }

  func drainAll() { for connection in connections.values { connection.drain() } }

  func closeAll(because reason: String) { for connection in connections.values { connection.close(because: reason) } }
}
