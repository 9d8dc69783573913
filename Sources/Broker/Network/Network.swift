package import Client
package import NIOCore

/// Listening sockets, and connections to other brokers: what a node needs of a network.
package protocol Network: Sendable {
  /// Binds a listener's address. Clients that connect wait until `BoundListener.accept`.
  ///
  /// - Parameters:
  ///   - loops: each connection lives on one of them for good.
  ///   - admit: makes the handler that every listening channel gets, through which accepted connections pass.
  ///   - setUp: prepares a connection on its event loop, before its first byte is read.
  /// - Returns: fails with `ListenError`, which names the listener and its address.
  func listen(
    _ listener: Listener, _ options: SocketOptions, on loops: any EventLoopGroup,
    admit: @escaping @Sendable () -> any ChannelHandler,
    setUp: @escaping @Sendable (any Channel) throws -> Void
  ) -> EventLoopFuture<any BoundListener>

  /// Connects to another broker.
  ///
  /// - Parameters:
  ///   - loop: the connection lives on it.
  ///   - receiveAllocator: makes the buffers that the socket receives into.
  func connect(
    to endpoint: Client.Endpoint, on loop: any EventLoop, receiveAllocator: any RecvByteBufferAllocator
  ) -> EventLoopFuture<any Channel>
}

/// A listener whose address is bound.
package protocol BoundListener: Sendable {
  var name: String { get }
  /// The configured host; nil for every address.
  var host: String? { get }
  /// The port that was bound: never 0.
  var port: UInt16 { get }

  /// Begins to accept connections.
  func accept() -> EventLoopFuture<Void>
  /// Accepts no more, and gives the address back.
  func close() -> EventLoopFuture<Void>
}

/// How sockets are set up.
package struct SocketOptions: Sendable {
  package var backlog: Int
  /// The most connections that a listener accepts before its event loop looks at other sockets.
  package var acceptsPerTurn = 4
  /// TCP_CONGESTION; nil leaves the machine's default.
  package var congestionControl: String?
  /// Bytes; nil leaves the machine's default.
  package var sendBufferBytes: Int?
  /// Bytes; nil leaves the machine's default.
  package var receiveBufferBytes: Int?

  package init(
    backlog: Int = 50, congestionControl: String? = nil, sendBufferBytes: Int? = nil, receiveBufferBytes: Int? = nil
  ) {
    self.backlog = backlog
    self.congestionControl = congestionControl
    self.sendBufferBytes = sendBufferBytes
    self.receiveBufferBytes = receiveBufferBytes
  }
}

/// A listener's address cannot be bound.
package struct ListenError: Error, Equatable, CustomStringConvertible {
  package var listener: String
  package var address: String
  /// The system's words.
  package var reason: String

  package init(listener: String, address: String, reason: String) {
    self.listener = listener
    self.address = address
    self.reason = reason
  }

  package var description: String { "listener \(listener) cannot listen on \(address): \(reason)" }
}
