package import NIOCore

/// What stands behind the connections: takes one request frame, says how it went.
package protocol RequestService: Sendable {
  /// `socket.request.max.bytes`.
  var requestBytesMax: Int { get }

  /// Serves the request in `frame` to its end, or to where it must wait. Called on the connection's event loop, in the
  /// order the requests arrived. Must not keep slices of `frame` beyond the call.
  func serve(_ frame: ByteBuffer, _ slot: ConnectionMachine<OutgoingReply>.Slot, on connection: Connection) -> Served
}

/// How serving a request went.
package enum Served: Sendable {
  case reply(OutgoingReply)
  /// The client asked for no reply.
  case silent
  /// A `PendingReply` will be completed.
  case later
  /// The connection closes when this request's turn comes.
  case close
  /// The same, because these bytes are no request we know: nothing behind them is served, and the log says why.
  case refuse(String)
}

/// Where a reply that could not be given at once is to go. Complete it exactly once, from any thread; nothing happens
/// when the connection is gone.
package struct PendingReply: Sendable {
  private let connection: NIOLoopBound<Connection>
  private let slot: ConnectionMachine<OutgoingReply>.Slot
  package let eventLoop: any EventLoop

  /// On the connection's event loop.
  init(_ connection: Connection, _ slot: ConnectionMachine<OutgoingReply>.Slot) {
    eventLoop = connection.eventLoop
    self.connection = NIOLoopBound(connection, eventLoop: eventLoop)
    self.slot = slot
  }

  package func complete(_ outcome: ConnectionMachine<OutgoingReply>.Outcome) {
    if eventLoop.inEventLoop {
      connection.value.finish(slot, outcome)
    } else {
      eventLoop.execute { connection.value.finish(slot, outcome) }
    }
  }

  /// Runs `body`, on the event loop, when the connection goes before the reply was given.
  package func whenClosed(_ body: @escaping @Sendable () -> Void) {
    connection.value.whenClosed(slot, body)
  }
}
