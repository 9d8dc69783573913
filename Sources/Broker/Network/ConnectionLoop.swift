import NIOCore

/// What the connections of one event loop share: receive buffers, the copy path's buffer, and the sweep for idle ones.
///
/// Owned by its event loop; not locked.
final class ConnectionLoop {
  let eventLoop: any EventLoop
  let buffers: ReceiveBuffers
  /// The copy path's buffer while no chunk of it is on its way.
  var copyBuffer: ByteBuffer?
  private var connections: [ObjectIdentifier: Connection] = [:]
  /// `connections.max.idle.ms`.
  private let idleMax: TimeAmount?

  init(eventLoop: any EventLoop, receiveBufferBytes: Int, largeBytesMax: Int, idleMax: TimeAmount?) {
    self.eventLoop = eventLoop
    self.idleMax = idleMax
    buffers = ReceiveBuffers(bufferBytes: receiveBufferBytes, largeBytesMax: largeBytesMax)
  }

  var count: Int { connections.count }

  func add(_ connection: Connection) { connections[ObjectIdentifier(connection)] = connection }

  func remove(_ connection: Connection) { connections[ObjectIdentifier(connection)] = nil }

  /// Closes connections without a byte for `connections.max.idle.ms` and no request in flight, and those that stopped
  /// within a frame.
  func sweep(now: NIODeadline) {
    for connection in connections.values where connection.requestsInFlight == 0 {
      let idle = now - connection.lastActivity
      if connection.isWithinFrame, idle > .milliseconds(Limits.frameStallMs) {
        connection.close(because: "stalled within a request")
      } else if let idleMax, idle > idleMax {
        connection.close(because: "idle")
      }
    }
  }

  func drainAll() { for connection in connections.values { connection.drain() } }

  func closeAll(because reason: String) { for connection in connections.values { connection.close(because: reason) } }
}
