import Broker
import Client
import NIOCore
import NIOEmbedded

/// One machine of a simulated cluster, as its node sees the network: connections come from its address, and listeners are bound to it.
final class SimulatedHost: Network, @unchecked Sendable {
  // Used by one thread, that of the simulation.

  /// The IP address.
  let name: String
  let network: SimulatedNetwork
  /// The disks of the cluster's machines, by address.
  var diskOf: (String) -> SimulatedDisk
  /// Whether the node's process runs.
  var isUp = false

  init(_ name: String, _ network: SimulatedNetwork, diskOf: @escaping (String) -> SimulatedDisk) {
    self.name = name
    self.network = network
    self.diskOf = diskOf
  }

  func listen(
    _ listener: Listener, _ options: SocketOptions, on loops: any EventLoopGroup,
    admit: @escaping @Sendable () -> any ChannelHandler,
    setUp: @escaping @Sendable (any Channel) throws -> Void
  ) -> EventLoopFuture<any BoundListener> {
    network.listen(listener, on: name, admit: admit(), setUp: setUp)
  }

  func connect(
    to endpoint: Client.Endpoint, on loop: any EventLoop, receiveAllocator: any RecvByteBufferAllocator
  ) -> EventLoopFuture<any Channel> {
    guard isUp, let port = UInt16(exactly: endpoint.port) else {
      return loop.makeFailedFuture(ClientError.unreachable(endpoint, reason: "this machine is down"))
    }
    let promise = loop.makePromise(of: (any Channel).self)
    var isSettled = false
    let link = network.dial(from: name, to: endpoint.host, port: port, disk: diskOf(endpoint.host))
    func fail(_ reason: String) {
      guard !isSettled else { return }
      isSettled = true
      promise.fail(ClientError.unreachable(endpoint, reason: reason))
    }
    link.onClose = { fail("connection refused") }
    link.onOpen = {
      guard !isSettled else { return }
      isSettled = true
      promise.succeed(ConnectingSocket.makeChannel(link, receiveAllocator))
    }
    network.loop.assumeIsolated().scheduleTask(in: .milliseconds(Limits.peerConnectMs)) {
      guard !isSettled else { return }
      fail("connection timed out")
      link.cut()
    }
    return promise.futureResult
  }
}

/// The socket of a connection's end that connected: a link's client end, under the channel of a node.
private final class ConnectingSocket: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let link: SimulatedLink
  private var allocator: any RecvByteBufferAllocator
  private var context: ChannelHandlerContext?
  private var outbox = ByteBuffer()
  private var promises: [EventLoopPromise<Void>] = []

  private init(_ link: SimulatedLink, _ allocator: any RecvByteBufferAllocator) {
    self.link = link
    self.allocator = allocator
  }

  static func makeChannel(_ link: SimulatedLink, _ allocator: any RecvByteBufferAllocator) -> EmbeddedChannel {
    let socket = ConnectingSocket(link, allocator)
    let channel = EmbeddedChannel(handlers: [socket], loop: link.network.loop)
    if let address = try? SocketAddress(ipAddress: link.server, port: 9092) {
      channel.connect(to: address, promise: nil)
    }
    link.onBytes = { socket.arrived($0) }
    link.onClose = { if channel.isActive { channel.close(promise: nil) } }
    return channel
  }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }
  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  private func arrived(_ bytes: ByteBuffer) {
    var rest = bytes
    while rest.readableBytes > 0, let context, context.channel.isActive {
      var buffer = allocator.buffer(allocator: context.channel.allocator)
      let count = min(max(1, buffer.writableBytes), rest.readableBytes)
      guard let piece = rest.readSlice(length: count) else { return }
      buffer.writeImmutableBuffer(piece)
      _ = allocator.record(actualReadBytes: count)
      context.fireChannelRead(wrapInboundOut(buffer))
      context.fireChannelReadComplete()
    }
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    guard context.channel.isActive else {
      promise?.fail(ChannelError.ioOnClosedChannel)
      return
    }
    outbox.writeImmutableBuffer(unwrapOutboundIn(data))
    if let promise { promises.append(promise) }
  }

  func flush(context: ChannelHandlerContext) {
    let sent = promises
    promises = []
    if outbox.readableBytes > 0 {
      link.send(outbox)
      outbox = ByteBuffer()
    }
    for promise in sent { promise.succeed() }
  }

  func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
    let lost = promises
    promises = []
    for promise in lost { promise.fail(ChannelError.ioOnClosedChannel) }
    link.finish()
    context.close(mode: mode, promise: promise)
  }
}
