package import Client
import Glibc
package import Logging
import Model
package import NIOCore
import NIOPosix

/// The machine's TCP sockets.
package struct RealNetwork: Network {
  private let acceptor: any EventLoopGroup
  private let log: Logger

  /// - Parameter acceptor: has the listening sockets, and no connection. The kernel drops the SYN of a client that comes while a listener's backlog is
  ///   full, and the client tries again after a second: so whatever the loops of the connections are busy with, accepting does not wait for it.
  package init(acceptor: any EventLoopGroup, log: Logger) {
    self.acceptor = acceptor
    self.log = log
  }

  /// A listener without a host takes clients of both IP families, as Kafka's does: one socket for each family, on the same
  /// port, so that an IPv4 client is given IPv4 addresses. A machine without IPv6 has the one of IPv4 alone.
  package func listen(
    _ listener: Listener, _ options: SocketOptions, on loops: any EventLoopGroup,
    admit: @escaping @Sendable () -> any ChannelHandler,
    setUp: @escaping @Sendable (any Channel) throws -> Void
  ) -> EventLoopFuture<any BoundListener> {
    let first = bootstrap(options, on: loops, admit: admit, setUp: setUp)
    return bind(first, listener, listener.host ?? "0.0.0.0", Int(listener.port)).flatMap { channel in
      setCongestionControl(options.congestionControl, on: channel)
      let port = UInt16(channel.localAddress?.port ?? 0)
      guard listener.host == nil else {
        return channel.eventLoop.makeSucceededFuture(
          RealListener(name: listener.name, host: listener.host, port: port, channels: [channel]))
      }
      let sixOnly = bootstrap(options, on: loops, admit: admit, setUp: setUp).serverChannelOption(
        ChannelOptions.socket(SocketOptionLevel(IPPROTO_IPV6), SocketOptionName(IPV6_V6ONLY)), value: 1)
      return bind(sixOnly, listener, "::", Int(port)).map { (six: any Channel) -> [any Channel] in
        setCongestionControl(options.congestionControl, on: six)
        return [channel, six]
      }.flatMapErrorThrowing { error in
        log.info("no IPv6 for a listener", metadata: ["listener": "\(listener.name)", "reason": "\(error)"])
        return [channel]
      }.map { RealListener(name: listener.name, host: nil, port: port, channels: $0) }
    }
  }

  package func connect(
    to endpoint: Client.Endpoint, on loop: any EventLoop, receiveAllocator: any RecvByteBufferAllocator
  ) -> EventLoopFuture<any Channel> {
    ClientBootstrap(group: loop)
      .channelOption(ChannelOptions.tcpOption(.tcp_nodelay), value: 1)
      .channelOption(ChannelOptions.recvAllocator, value: receiveAllocator)
      .channelOption(ChannelOptions.maxMessagesPerRead, value: 1)
      .connectTimeout(.milliseconds(Limits.peerConnectMs))
      .connect(host: endpoint.host, port: endpoint.port)
  }

  private func bind(
    _ bootstrap: ServerBootstrap, _ listener: Listener, _ host: String, _ port: Int
  ) -> EventLoopFuture<any Channel> {
    bootstrap.bind(host: host, port: port).flatMapErrorThrowing { error in
      let shown = host.contains(":") ? "[\(host)]" : host
      throw ListenError(listener: listener.name, address: "\(shown):\(port)", reason: SocketFailure.reason(error))
    }
  }

  private func bootstrap(
    _ options: SocketOptions, on loops: any EventLoopGroup,
    admit: @escaping @Sendable () -> any ChannelHandler,
    setUp: @escaping @Sendable (any Channel) throws -> Void
  ) -> ServerBootstrap {
    var bootstrap = ServerBootstrap(group: acceptor, childGroup: loops)
      .serverChannelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
      .serverChannelOption(ChannelOptions.autoRead, value: false)
      .serverChannelOption(ChannelOptions.backlog, value: Int32(clamping: options.backlog))
      .serverChannelOption(ChannelOptions.maxMessagesPerRead, value: UInt(max(1, options.acceptsPerTurn)))
      .childChannelOption(ChannelOptions.tcpOption(.tcp_nodelay), value: 1)
      .childChannelOption(ChannelOptions.maxMessagesPerRead, value: 1)
      .childChannelOption(
        ChannelOptions.writeBufferWaterMark,
        value: .init(low: Limits.responseBytesWaiting / 2, high: Limits.responseBytesWaiting))
    if let bytes = options.sendBufferBytes {
      bootstrap = bootstrap.childChannelOption(
        ChannelOptions.socketOption(.so_sndbuf), value: SocketOptionValue(bytes))
    }
    if let bytes = options.receiveBufferBytes {
      bootstrap = bootstrap.childChannelOption(
        ChannelOptions.socketOption(.so_rcvbuf), value: SocketOptionValue(bytes))
    }
    return
      bootstrap
      .serverChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(admit()) }
      }
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try setUp(channel) }
      }
  }

  /// Sets the algorithm that accepted connections inherit. Where the kernel lacks it, its default stays, and the log says so.
  private func setCongestionControl(_ name: String?, on channel: any Channel) {
    guard let name, let socket = channel as? any SocketOptionProvider else { return }
    CongestionControl.set(name, on: socket).whenFailure { error in
      log.warning("congestion control not set", metadata: ["algorithm": "\(name)", "error": "\(error)"])
    }
  }
}

/// The listening sockets of one listener: one, or one for each IP family.
private struct RealListener: BoundListener {
  let name: String
  let host: String?
  let port: UInt16
  let channels: [any Channel]

  func accept() -> EventLoopFuture<Void> {
    EventLoopFuture.andAllSucceed(
      channels.map { $0.setOption(ChannelOptions.autoRead, value: true) }, on: channels[0].eventLoop)
  }

  func close() -> EventLoopFuture<Void> {
    EventLoopFuture.andAllComplete(channels.map { $0.close() }, on: channels[0].eventLoop)
  }
}
