package import Client
package import Model
package import NIOCore
import Synchronization
package import Wire

/// Sends requests from this broker to the other brokers of the cluster, over connections that it makes when they are needed. (Kafka:
/// the controller's channel manager, the replica fetchers' and the coordinators' network clients.)
///
/// Any thread may call.
package final class Peers: Sendable {
  /// What a connection is for. The requests on one connection are answered in their order, so a fetch that waits for records
  /// must not hold up the controller.
  package enum Purpose: Hashable, Sendable {
    /// Requests of the controller to brokers, and of brokers to the controller.
    case control
    /// Fetches of followers, by one of several fetchers.
    case fetch(Int)
    /// Checks of transactions.
    case coordination
    /// Transaction markers, on one of several connections: a marker whose partition's replicas are slow holds up those on its own alone.
    case markers(Int)

    /// Returns the purpose of a producer's markers, which stay in order.
    static func markers(of producerID: Int64) -> Purpose {
      .markers(Int(producerID.magnitude % UInt64(Limits.markerConnections)))
    }

    /// The most bytes read from the socket at a time.
    fileprivate var receiveBytes: Int {
      if case .fetch = self { Limits.fetcherReceiveBytes } else { Limits.peerReceiveBytes }
    }

    fileprivate var order: Int {
      switch self {
      case .control: 0
      case .coordination: 1
      case .markers(let number): 2 &+ number
      case .fetch(let number): 2 &+ Limits.markerConnections &+ number
      }
    }
  }

  private struct Key: Hashable {
    var broker: BrokerID
    var purpose: Purpose

    /// The order in which connections are closed, so that a simulation is the same each time.
    static func precedes(_ one: Key, _ other: Key) -> Bool {
      (one.broker, one.purpose.order) < (other.broker, other.purpose.order)
    }
  }

  private struct State {
    var connections: [Key: PeerConnection] = [:]
    var isStopped = false
  }

  private let network: any Network
  private let loops: any EventLoopGroup
  private let clientID: String
  private let requestTimeoutMs: Int
  private let security: @Sendable () -> ConnectionSecurity?
  private let address: @Sendable (BrokerID) -> Client.Endpoint?
  private let state = Mutex(State())

  /// - Parameters:
  ///   - clientID: how this broker names itself in its requests.
  ///   - requestTimeoutMs: after how long without a response a connection is given up.
  ///   - security: how connections to the inter-broker listener are secured; asked for each.
  ///   - address: returns the address of a broker's inter-broker listener; nil while the broker is not known to be alive.
  package init(
    network: any Network, loops: any EventLoopGroup, clientID: String, requestTimeoutMs: Int,
    security: @escaping @Sendable () -> ConnectionSecurity? = { nil },
    address: @escaping @Sendable (BrokerID) -> Client.Endpoint?
  ) {
    self.network = network
    self.loops = loops
    self.clientID = clientID
    self.requestTimeoutMs = requestTimeoutMs
    self.security = security
    self.address = address
  }

  /// Sends a request to a broker, on the connection for `purpose`, which is made first where there is none. Nothing is sent twice:
  /// a caller that wants to try again does so itself, after a pause.
  ///
  /// - Parameters:
  ///   - limit: the highest version that the caller fills in.
  ///   - loop: the event loop of the connection, if it has to be made; a caller on it is served within the call. nil for any, and for requests that
  ///     keep the order in which they were sent, from whatever thread.
  ///   - then: receives the response or the error, on the connection's event loop; called once.
  package func send<R: Request>(
    _ request: R, to broker: BrokerID, purpose: Purpose, limit: Int16 = .max, on loop: (any EventLoop)? = nil,
    then: @escaping @Sendable (Result<R.Answer, PeerError>) -> Void
  ) where R: Sendable, R.Answer: Sendable {
    guard let connection = connection(to: broker, purpose, on: loop) else {
      return then(.failure(PeerError(broker, "this broker stops")))
    }
    connection.send(request, limit: limit, isAtOnce: loop != nil, then: then)
  }

  private func connection(to broker: BrokerID, _ purpose: Purpose, on loop: (any EventLoop)?) -> PeerConnection? {
    state.withLock { state in
      guard !state.isStopped else { return nil }
      let key = Key(broker: broker, purpose: purpose)
      if let known = state.connections[key] { return known }
      let made = PeerConnection(
        to: broker, on: loop ?? loops.next(), network: network, clientID: clientID, requestTimeoutMs: requestTimeoutMs,
        receiveBytes: purpose.receiveBytes, security: security
      ) { [address] in address(broker) }
      state.connections[key] = made
      return made
    }
  }

  /// Closes every connection to a broker, so that the next request goes to the address that it has then.
  func forget(_ broker: BrokerID) {
    let closed = state.withLock { state in
      let keys = state.connections.keys.filter { $0.broker == broker }.sorted(by: Key.precedes)
      return keys.compactMap { state.connections.removeValue(forKey: $0) }
    }
    for connection in closed { connection.close() }
  }

  /// Closes every connection. Requests without a response fail, and so does every later one.
  func stop() {
    let closed = state.withLock { state in
      state.isStopped = true
      defer { state.connections = [:] }
      return state.connections.sorted { Key.precedes($0.key, $1.key) }.map(\.value)
    }
    for connection in closed { connection.close() }
  }
}

/// Says why another broker has not responded.
package struct PeerError: Error, Equatable, CustomStringConvertible {
  package var broker: BrokerID
  package var reason: String

  package init(_ broker: BrokerID, _ reason: String) {
    self.broker = broker
    self.reason = reason
  }

  package var description: String { "broker \(broker): \(reason)" }
}
