package import NIOCore
package import Security

/// Serves the requests of all connections, one frame at a time.
package protocol RequestService: Sendable {
  /// `socket.request.max.bytes`.
  var requestBytesMax: Int { get }

  /// Serves the request in `frame` to its end, or to where it must wait. Called on the connection's event loop, in the
  /// order the requests arrived. Must not keep slices of `frame` beyond the call.
  func serve(_ frame: ByteBuffer, from origin: RequestOrigin, _ slot: ResponseSlot) -> Served

  /// Makes what serves requests of one event loop together; nil where each is served by itself.
  func makeRuns(on eventLoop: any EventLoop) -> (any RequestRuns)?
}

extension RequestService {
  package func makeRuns(on eventLoop: any EventLoop) -> (any RequestRuns)? { nil }
}

/// What a request's handler may know of the connection by which the request came: plain values, which outlive the
/// connection. All requests of a connection share one object, because copying three strings for each was noticeable.
package final class RequestOrigin: Sendable {
  /// The name of the listener that accepted the connection: Metadata returns the addresses of that listener.
  package let listener: String
  /// The IP address by which the client came, without a port.
  package let localAddress: String
  /// The client's IP address, without its port.
  package let peerAddress: String
  /// Who speaks over the connection, and from where. A connection that authenticates gets another origin: requests that began before keep
  /// theirs.
  package let requester: Requester
  package var principal: Principal { requester.principal }

  /// - Parameters:
  ///   - localAddress: nil on a channel that has none.
  ///   - peerAddress: nil on a channel that has none.
  package init(listener: String, localAddress: String?, peerAddress: String?, principal: Principal = .anonymous) {
    self.listener = listener
    self.localAddress = localAddress ?? "127.0.0.1"
    let peerAddress = peerAddress ?? "127.0.0.1"
    self.peerAddress = peerAddress
    requester = Requester(principal, host: peerAddress)
  }
}

/// The outcome of serving a request.
package enum Served: Sendable {
  case response(OutgoingResponse)
  /// The client asked for no response.
  case silent
  /// The response follows when the `ResponseSlot` is completed.
  case pending
  /// The connection closes when this request's turn comes.
  case close
  /// The connection closes when this request's turn comes, because the bytes are not a valid request: nothing behind them is
  /// served, and the log has the reason.
  case refuse(String)
}

/// The connection as a pending response sees it: it puts the response in its place in the order. Used on the connection's event
/// loop only.
package protocol ResponsePort: AnyObject, Sendable {
  var eventLoop: any EventLoop { get }

  /// Ends the request of `slot`.
  func finish(_ slot: ConnectionMachine<OutgoingResponse>.Slot, _ outcome: ConnectionMachine<OutgoingResponse>.Outcome)

  /// Calls `body` later, when the connection ends before the request of `slot` does or has ended. A second call for a slot
  /// replaces the first.
  func whenClosed(_ slot: ConnectionMachine<OutgoingResponse>.Slot, _ body: @escaping @Sendable () -> Void)

  /// Lets no later request start until `release`.
  func hold(for slot: ConnectionMachine<OutgoingResponse>.Slot)
  func release(_ slot: ConnectionMachine<OutgoingResponse>.Slot)

  /// Starts no further request, and reads nothing, for that time.
  func mute(for time: TimeAmount)

  /// Tells the event loop's meter, where there is one.
  func note(_ note: RequestMeter.Note)
}

extension ResponsePort {
  package func note(_ note: RequestMeter.Note) {}
}

/// The place of one request's response in the order of its connection. A request whose response is pending completes it exactly
/// once, from any thread; nothing happens when the connection has ended meanwhile.
package struct ResponseSlot: Sendable {
  private let port: any ResponsePort
  private let slot: ConnectionMachine<OutgoingResponse>.Slot

  package init(port: any ResponsePort, slot: ConnectionMachine<OutgoingResponse>.Slot) {
    self.port = port
    self.slot = slot
  }

  /// The event loop of the connection.
  package var eventLoop: any EventLoop { port.eventLoop }

  package func complete(_ outcome: ConnectionMachine<OutgoingResponse>.Outcome) {
    let eventLoop = port.eventLoop
    if eventLoop.inEventLoop {
      port.finish(slot, outcome)
    } else {
      eventLoop.execute { port.finish(slot, outcome) }
    }
  }

  /// Lets no later request of the connection start until `releaseConnection`: what this request does elsewhere is to be done
  /// before. Called on the event loop, by the request's handler.
  package func holdConnection() { port.hold(for: slot) }

  /// Lets the connection's later requests start. From any thread, before or after the response is given.
  package func releaseConnection() { onEventLoop { port.release(slot) } }

  /// Mutes the connection of a client that has exceeded its quota. From any thread, before or after the response is given.
  func muteConnection(for time: TimeAmount) { onEventLoop { port.mute(for: time) } }

  /// Tells the meter of the event loop something about the request. From any thread, before or after the response is given.
  func note(_ note: RequestMeter.Note) { onEventLoop { port.note(note) } }

  /// Runs `body` on the event loop: at once when called there.
  package func onEventLoop(_ body: @escaping @Sendable () -> Void) {
    if port.eventLoop.inEventLoop { body() } else { port.eventLoop.execute(body) }
  }

  /// Runs `body` later, on the event loop, when the connection ends before the response was given or has ended. Called on the
  /// event loop.
  package func whenClosed(_ body: @escaping @Sendable () -> Void) { port.whenClosed(slot, body) }
}
