import Client
import Model
import NIOCore
import Wire

/// Sends requests to one broker over one connection, which it makes when there is something to send and none is open.
///
/// Its state is confined to its event loop; any thread may call.
final class PeerConnection: Sendable {
  private typealias Ready = (Result<BrokerConnection, PeerError>) -> Void

  private enum State {
    case idle
    /// The requests that wait for the connection, oldest first.
    case connecting([Ready])
    case open(BrokerConnection)
    case closed
  }

  private let broker: BrokerID
  private let loop: any EventLoop
  private let network: any Network
  private let options: ConnectionOptions
  private let security: @Sendable () -> ConnectionSecurity?
  private let address: @Sendable () -> Client.Endpoint?
  private let state: NIOLoopBoundBox<State>

  /// - Parameters:
  ///   - receiveBytes: the most bytes read from the socket at a time.
  ///   - security: of the inter-broker listener; asked for each connection.
  ///   - address: returns the broker's present address; nil while it is not known to be alive.
  init(
    to broker: BrokerID, on loop: any EventLoop, network: any Network, clientID: String, requestTimeoutMs: Int,
    receiveBytes: Int, security: @escaping @Sendable () -> ConnectionSecurity?,
    address: @escaping @Sendable () -> Client.Endpoint?
  ) {
    self.broker = broker
    self.loop = loop
    self.network = network
    self.address = address
    self.security = security
    var options = ConnectionOptions(now: { loop.now.uptimeNanoseconds })
    options.clientID = clientID
    options.requestTimeoutMs = requestTimeoutMs
    options.receiveBytes = receiveBytes
    self.options = options
    state = .makeBoxSendingValue(.idle, eventLoop: loop)
  }

  /// - Parameter isAtOnce: whether a caller on the event loop of this connection is served within the call, before what other threads have sent
  ///   and the loop has not come to. Otherwise requests keep the order in which they were sent.
  func send<R: Request>(
    _ request: R, limit: Int16, isAtOnce: Bool, then: @escaping @Sendable (Result<R.Answer, PeerError>) -> Void
  ) where R: Sendable, R.Answer: Sendable {
    if isAtOnce, loop.inEventLoop {
      sendHere(request, limit: limit, then: then)
    } else {
      loop.execute { self.sendHere(request, limit: limit, then: then) }
    }
  }

  /// Called on the event loop.
  private func sendHere<R: Request>(
    _ request: R, limit: Int16, then: @escaping @Sendable (Result<R.Answer, PeerError>) -> Void
  ) where R: Sendable, R.Answer: Sendable {
    whenOpen { [broker] ready in
      switch ready {
      case .failure(let error): then(.failure(error))
      case .success(let connection):
        connection.send(request, limit: limit) { result in
          then(result.mapError { PeerError(broker, "\($0)") })
        }
        connection.flush()
      }
    }
  }

  func close() {
    loop.execute {
      let before = self.state.value
      self.state.value = .closed
      switch before {
      case .idle, .closed: break
      case .connecting(let waiting): self.fail(waiting, "this broker stops")
      case .open(let connection): connection.close()
      }
    }
  }

  private func whenOpen(_ ready: @escaping Ready) {
    switch state.value {
    case .open(let connection) where connection.isOpen: ready(.success(connection))
    case .connecting(let waiting): state.value = .connecting(waiting + [ready])
    case .closed: fail([ready], "this broker stops")
    case .idle, .open: connect(ready)
    }
  }

  private func connect(_ ready: @escaping Ready) {
    guard let endpoint = address() else { return fail([ready], "it is not known to be alive") }
    state.value = .connecting([ready])
    var options = options
    options.security = security()
    BrokerConnection.connect(
      to: endpoint, on: loop, options,
      dial: { [network, loop] frames in network.connect(to: endpoint, on: loop, receiveAllocator: frames) }
    ) { result in self.connected(result) }
  }

  private func connected(_ result: Result<BrokerConnection, ClientError>) {
    guard case .connecting(let waiting) = state.value else {
      // Closed meanwhile: those that waited have been told.
      if case .success(let connection) = result { connection.close() }
      return
    }
    switch result {
    case .failure(let error):
      state.value = .idle
      fail(waiting, "\(error)")
    case .success(let connection):
      state.value = .open(connection)
      for ready in waiting { ready(.success(connection)) }
    }
  }

  private func fail(_ waiting: [Ready], _ reason: String) {
    for ready in waiting { ready(.failure(PeerError(broker, reason))) }
  }
}
