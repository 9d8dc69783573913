import CMillrace
import Glibc
import Model
package import NIOCore
import NIOPosix
import TLS
import Wire

/// Holds the options of new connections.
package struct ConnectionOptions: Sendable {
  package var clientID = "millrace"
  /// TCP_CONGESTION; nil leaves the kernel's default, which can be the bottleneck on loopback (BBR paces it).
  package var congestionControl: String?
  /// The IP address of this machine that connections come from; nil leaves the choice to the kernel.
  package var sourceAddress: String?
  /// The most bytes read from the socket at a time.
  package var receiveBytes = 64 << 10
  package var requestTimeoutMs = 30_000
  package var connectTimeoutMs = ClientLimits.connectTimeoutMs
  /// TLS and SASL; nil for neither.
  package var security: ConnectionSecurity?
  /// CLOCK_MONOTONIC in nanoseconds.
  package var now: @Sendable () -> UInt64

  package init(now: @escaping @Sendable () -> UInt64) { self.now = now }
}

extension BrokerConnection {
  /// Connects by `dial` and negotiates API versions. Called on `eventLoop`, as is `then`.
  ///
  /// - Parameter dial: makes the channel, on `eventLoop`; its socket receives into buffers of the allocator that it is given.
  package static func connect(
    to endpoint: Endpoint, on eventLoop: any EventLoop, _ options: ConnectionOptions,
    dial: (_ receiveAllocator: any RecvByteBufferAllocator) -> EventLoopFuture<any Channel>,
    then: @escaping (Result<BrokerConnection, ClientError>) -> Void
  ) {
    eventLoop.preconditionInEventLoop()
    let frames = FrameReader(readBytes: options.receiveBytes)
    // Behind TLS the socket's bytes are not a response's: it has NIO's own buffers.
    let buffers: any RecvByteBufferAllocator =
      options.security?.tls == nil
      ? frames : AdaptiveRecvByteBufferAllocator(minimum: 2048, initial: 16_384, maximum: 65_536)
    dial(buffers).hop(to: eventLoop).assumeIsolated().whenComplete { result in
      switch result {
      case .failure(let error): then(.failure(Self.connectError(error, endpoint, options)))
      case .success(let channel): greet(channel, frames, endpoint, on: eventLoop, options, then: then)
      }
    }
  }

  /// Connects, sets the socket's options and negotiates API versions. Called on `eventLoop`, as is `then`.
  package static func connect(
    to endpoint: Endpoint, on eventLoop: any EventLoop, _ options: ConnectionOptions,
    then: @escaping (Result<BrokerConnection, ClientError>) -> Void
  ) {
    connect(
      to: endpoint, on: eventLoop, options, dial: { socket(to: endpoint, on: eventLoop, options, $0) }, then: then)
  }

  private static func socket(
    to endpoint: Endpoint, on eventLoop: any EventLoop, _ options: ConnectionOptions,
    _ frames: any RecvByteBufferAllocator
  ) -> EventLoopFuture<any Channel> {
    var bootstrap = ClientBootstrap(group: eventLoop)
    if let source = options.sourceAddress {
      do {
        bootstrap = bootstrap.bind(to: try SocketAddress(ipAddress: source, port: 0))
      } catch {
        return eventLoop.makeFailedFuture(
          ClientError.unreachable(endpoint, reason: "\(source) is no IP address to connect from"))
      }
    }
    return
      bootstrap
      .channelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
      .channelOption(ChannelOptions.tcpOption(.tcp_nodelay), value: 1)
      .channelOption(
        ChannelOptions.recvAllocator, value: frames
      )
      .channelOption(ChannelOptions.maxMessagesPerRead, value: 1)
      // Writability is not consulted: requests in flight bound what is queued.
      .channelOption(ChannelOptions.writeSpin, value: 16)
      .connectTimeout(.milliseconds(Int64(options.connectTimeoutMs)))
      .channelInitializer { channel in SocketTransport.setCongestionControl(options.congestionControl, of: channel) }
      .connect(host: endpoint.host, port: endpoint.port)
  }

  private static func connectError(
    _ error: any Error, _ endpoint: Endpoint, _ options: ConnectionOptions
  ) -> ClientError {
    switch error {
    case let error as ClientError: error
    case let error as IOError where error.errnoCode == EPERM && options.congestionControl != nil:
      // Connecting itself is refused otherwise; only root may set an algorithm that is not among the allowed.
      .socketOption(
        endpoint, name: "TCP_CONGESTION \(options.congestionControl ?? "")",
        reason: "this user may not: run as root, or add it to net.ipv4.tcp_allowed_congestion_control")
    case let error as NIOConnectionError:
      .unreachable(
        endpoint,
        reason: error.connectionErrors.first.map { describe($0.error) } ?? error.dnsAError.map { describe($0) }
          ?? "no address")
    default: .unreachable(endpoint, reason: describe(error))
    }
  }

  private static func describe(_ error: any Error) -> String {
    // In the midst of a sentence.
    let words = SocketFailure.reason(error)
    return words.prefix(1).lowercased() + words.dropFirst()
  }

  private static func greet(
    _ channel: any Channel, _ frames: FrameReader, _ endpoint: Endpoint, on eventLoop: any EventLoop,
    _ options: ConnectionOptions,
    then: @escaping (Result<BrokerConnection, ClientError>) -> Void
  ) {
    let transport = SocketTransport(channel)
    let connection = BrokerConnection(
      endpoint, on: eventLoop, transport: transport, clientID: options.clientID,
      requestTimeoutMs: options.requestTimeoutMs, frames: frames, now: options.now)
    transport.connection = connection
    do {
      try channel.pipeline.syncOperations.addHandler(transport)
      try options.security?.tls?.addClientHandler(to: channel, host: endpoint.host)
    } catch {
      return then(.failure(.unreachable(endpoint, reason: "\(error)")))
    }
    connection.watchForTimeouts()
    SocketTransport.congestionControl(of: channel).assumeIsolated().whenSuccess { connection.congestionControl = $0 }
    func end(_ error: ClientError) {
      connection.close()
      then(.failure(error))
    }
    connection.negotiate { result in
      if case .failure(let error) = result {
        return end(ProtocolHint.explain(error, isEncrypted: options.security?.tls != nil))
      }
      connection.authenticate(options.security) { result in
        switch result {
        case .success: then(.success(connection))
        case .failure(let error): end(error)
        }
      }
    }
  }

  /// Negotiates API versions: sends our highest version of ApiVersions, and then the broker's if that is older.
  ///
  /// A broker that does not support the version sent responds in the layout of version 0 with UNSUPPORTED_VERSION, so the
  /// error code is read before the response is decoded.
  func negotiate(then: @escaping (Result<Void, ClientError>) -> Void) {
    negotiate(version: ApiVersionsRequest.api.versions.upperBound, mayRetry: true, then: then)
    flush()
  }

  private func negotiate(version: Int16, mayRetry: Bool, then: @escaping (Result<Void, ClientError>) -> Void) {
    var request = ApiVersionsRequest()
    request.clientSoftwareName = "millrace"
    request.clientSoftwareVersion = "1.0"
    let endpoint = endpoint
    sendRaw(request, version: version) { [self] result in
      switch result.flatMap({ Self.readVersions($0, asked: version, endpoint) }) {
      case .failure(let error): then(.failure(error))
      case .success(let answer) where answer.errorCode == .unsupportedVersion && mayRetry:
        let theirs = answer.apiKeys.first { $0.apiKey == Api.apiVersionsKey }?.maxVersion ?? 0
        negotiate(version: max(0, min(theirs, version - 1)), mayRetry: false, then: then)
        flush()
      case .success(let answer) where answer.errorCode != .none:
        then(.failure(.refused(endpoint, what: "ApiVersions", code: answer.errorCode, message: nil)))
      case .success(let answer):
        versions = ApiVersionTable(answer)
        then(.success(()))
      }
    }
  }

  private static func readVersions(
    _ frame: ByteBuffer, asked version: Int16, _ endpoint: Endpoint
  ) -> Result<ApiVersionsResponse, ClientError> {
    var body = frame
    do {
      _ = try ResponseHeader(reading: &body, version: 0)
      let code = body.getInteger(at: body.readerIndex, as: Int16.self)
      let layout = code == ErrorCode.unsupportedVersion.rawValue ? 0 : version
      return .success(try ApiVersionsResponse(reading: &body, version: layout))
    } catch {
      return .failure(.malformed(endpoint, what: "the response to ApiVersions: \(error)"))
    }
  }
}

/// Adapts a NIO channel to `Transport`: writes are gathered until `flush`.
final class SocketTransport: ChannelInboundHandler, Transport {
  typealias InboundIn = ByteBuffer

  weak var connection: BrokerConnection?
  private let channel: any Channel

  init(_ channel: any Channel) { self.channel = channel }

  func write(_ bytes: ByteBuffer) { channel.write(bytes, promise: nil) }

  func flush(written: (() -> Void)?) {
    guard let written else { return channel.flush() }
    let promise = channel.eventLoop.makePromise(of: Void.self)
    // Success or not: a failed connection calls `onEnd`.
    promise.futureResult.assumeIsolated().whenComplete { _ in written() }
    channel.writeAndFlush(ByteBuffer(), promise: promise)
  }

  func close() {
    connection = nil
    channel.close(promise: nil)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    connection?.received(unwrapInboundIn(data))
  }

  func channelInactive(context: ChannelHandlerContext) {
    connection?.ended(reason: "end of stream")
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if let connection {
      if let reason = TLSContext.reason(error), !TLSContext.isEndOfStream(error) {
        connection.end(.notAuthenticated(connection.endpoint, reason: reason))
      } else {
        connection.ended(reason: TLSContext.reason(error) ?? SocketFailure.reason(error))
      }
    }
    context.close(promise: nil)
  }
}

extension BrokerConnection {
  /// Makes one connection for each leader.
  ///
  /// - Parameters:
  ///   - connect: makes the connection of one leader, on the caller's event loop.
  ///   - adopt: gets each connection when it is made.
  ///   - then: is called once, when all connections are made or with the first error.
  static func toAll<Leader>(
    _ leaders: [Leader], by connect: (Leader, @escaping (Result<BrokerConnection, ClientError>) -> Void) -> Void,
    adopt: @escaping (Leader, BrokerConnection) -> Void, then: @escaping (Result<Void, ClientError>) -> Void
  ) {
    var missing = leaders.count
    guard missing > 0 else { return then(.success(())) }
    for leader in leaders {
      connect(leader) { result in
        guard missing > 0 else { return }
        switch result {
        case .failure(let error):
          missing = 0
          then(.failure(error))
        case .success(let connection):
          adopt(leader, connection)
          missing -= 1
          if missing == 0 { then(.success(())) }
        }
      }
    }
  }
}
