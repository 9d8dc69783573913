import Base
import Broker
import Model
import NIOCore
import NIOEmbedded

/// Simulates a network in memory: listeners, and links that delay, split and lose bytes.
///
/// Used by one thread, that of the simulation.
final class SimulatedNetwork: Network, @unchecked Sendable {
  let loop: EmbeddedEventLoop
  let disk: SimulatedDisk
  private var random: SplitMix
  private var listener: SimulatedListener?
  private(set) var links: [SimulatedLink] = []
  private var nextPort: UInt16 = 9092
  private var linksMade = 0
  /// The peak of bytes in memory that waited for one client to read.
  fileprivate(set) var mostWaitingInMemory = 0
  /// The maximum one-way delay of each piece.
  var delayMicrosecondsMax = 500

  init(loop: EmbeddedEventLoop, disk: SimulatedDisk, seed: UInt64) {
    self.loop = loop
    self.disk = disk
    random = SplitMix(seed: seed)
  }

  func below(_ bound: Int) -> Int { random.below(bound) }

  func delay() -> TimeAmount { .microseconds(Int64(1 + random.below(delayMicrosecondsMax))) }

  func listen(
    _ listener: Listener, _ options: SocketOptions, on loops: any EventLoopGroup,
    admit: @escaping @Sendable () -> any ChannelHandler,
    setUp: @escaping @Sendable (any Channel) throws -> Void
  ) -> EventLoopFuture<any BoundListener> {
    nextPort += 1
    let bound = SimulatedListener(
      name: listener.name, host: listener.host, port: nextPort, network: self, admit: admit(), setUp: setUp)
    self.listener = bound
    return loop.makeSucceededFuture(bound)
  }

  fileprivate func closed(_ listener: SimulatedListener) {
    if self.listener === listener { self.listener = nil }
  }

  /// Connects a client to the listening node; nil without one.
  func connect() -> SimulatedLink? {
    guard let listener else { return nil }
    linksMade += 1
    let link = SimulatedLink(network: self, number: linksMade)
    links.append(link)
    listener.arrived(link)
    return link
  }

  fileprivate func forget(_ link: SimulatedLink) { links.removeAll { $0 === link } }

  /// Breaks all links at once, as a machine failure does.
  func cutAll() { for link in links { link.cut() } }
}

/// Simulates a listening socket. Clients that connect before `accept` wait.
private final class SimulatedListener: BoundListener, @unchecked Sendable {
  let name: String
  let host: String?
  let port: UInt16
  private let network: SimulatedNetwork
  private let channel: EmbeddedChannel
  private var waiting: [SimulatedLink] = []
  private var isAccepting = false
  private var isClosed = false

  init(
    name: String, host: String?, port: UInt16, network: SimulatedNetwork, admit: any ChannelHandler,
    setUp: @escaping @Sendable (any Channel) throws -> Void
  ) {
    self.name = name
    self.host = host
    self.port = port
    self.network = network
    channel = EmbeddedChannel(handlers: [admit, Acceptor(setUp: setUp)], loop: network.loop)
  }

  func accept() -> EventLoopFuture<Void> {
    isAccepting = true
    let links = waiting
    waiting = []
    for link in links { admit(link) }
    return network.loop.makeSucceededVoidFuture()
  }

  func close() -> EventLoopFuture<Void> {
    network.closed(self)
    isClosed = true
    for link in waiting { link.cut() }
    waiting = []
    return channel.close()
  }

  func arrived(_ link: SimulatedLink) {
    if isAccepting { admit(link) } else { waiting.append(link) }
  }

  private func admit(_ link: SimulatedLink) {
    network.loop.scheduleTask(in: network.delay()) {
      guard !link.isCut else { return }
      // As a kernel does with connections that nobody has accepted.
      guard !self.isClosed else { return link.cut() }
      let child = link.makeChannel(port: self.port)
      self.channel.pipeline.syncOperations.fireChannelRead(NIOAny(child as any Channel))
    }
  }
}

/// Sets up each accepted connection, at the end of a listening channel's pipeline.
private final class Acceptor: ChannelInboundHandler {
  typealias InboundIn = any Channel

  private let setUp: @Sendable (any Channel) throws -> Void

  init(setUp: @escaping @Sendable (any Channel) throws -> Void) { self.setUp = setUp }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let child = unwrapInboundIn(data)
    do { try setUp(child) } catch { return child.close(promise: nil) }
    guard let address = child.remoteAddress else { preconditionFailure("a link's channel has an address") }
    child.connect(to: address, promise: nil)
    child.read()
  }
}

/// Simulates one connection: the client's end, and the socket under the node's channel.
final class SimulatedLink: @unchecked Sendable {
  let number: Int
  let network: SimulatedNetwork
  /// Whether the connection is broken: no byte passes, and both ends are notified.
  private(set) var isCut = false
  private var socket: SimulatedSocket?
  private var channel: EmbeddedChannel?
  /// Bytes that arrived before the node accepted.
  private var early = ByteBuffer()
  private var lastToServer: NIODeadline
  private var lastToClient: NIODeadline
  private var isFinished = false

  /// Called with bytes for the client.
  var onBytes: (ByteBuffer) -> Void = { _ in }
  var onClose: () -> Void = {}
  /// Whether the client reads. Otherwise the node's bytes stay in the network, up to `window`.
  var isReading = true { didSet { if isReading { drain() } } }
  var window = 64 << 10
  private var unread = ByteBuffer()
  /// Bytes sent by the node and not yet read by the client.
  fileprivate private(set) var inFlight = 0

  init(network: SimulatedNetwork, number: Int) {
    self.network = network
    self.number = number
    lastToServer = network.loop.now
    lastToClient = network.loop.now
  }

  fileprivate func makeChannel(port: UInt16) -> EmbeddedChannel {
    let socket = SimulatedSocket(self)
    let channel = EmbeddedChannel(handlers: [socket], loop: network.loop)
    channel.localAddress = try? SocketAddress(ipAddress: "10.0.0.1", port: Int(port))
    channel.remoteAddress = try? SocketAddress(ipAddress: "10.0.1.\(number % 250 + 1)", port: 10_000 + number % 50_000)
    self.socket = socket
    self.channel = channel
    socket.arrived(early)
    early.clear()
    if isFinished { socket.endOfStream() }
    return channel
  }

  // MARK: The client's end

  /// Sends bytes to the node, in pieces.
  func send(_ bytes: ByteBuffer) {
    var rest = bytes
    while rest.readableBytes > 0, !isCut {
      let most = network.below(4) == 0 ? 64 : 32 << 10
      guard let piece = rest.readSlice(length: min(rest.readableBytes, 1 + network.below(most))) else { return }
      lastToServer = max(lastToServer + .nanoseconds(1), network.loop.now + network.delay())
      network.loop.scheduleTask(deadline: lastToServer) {
        guard !self.isCut else { return }
        if let socket = self.socket { socket.arrived(piece) } else { self.early.writeImmutableBuffer(piece) }
      }
    }
  }

  /// Closes the client's end in order: bytes already sent still arrive.
  func finish() {
    guard !isCut else { return }
    onBytes = { _ in }
    onClose = {}
    lastToServer = max(lastToServer + .nanoseconds(1), network.loop.now + network.delay())
    network.loop.scheduleTask(deadline: lastToServer) {
      guard !self.isCut else { return }
      self.isFinished = true
      self.socket?.endOfStream()
    }
  }

  /// Breaks the connection: bytes in flight in both directions are lost.
  func cut() {
    guard !isCut else { return }
    isCut = true
    network.forget(self)
    let told = onClose
    onClose = {}
    onBytes = { _ in }
    network.loop.execute { told() }
    guard let channel else { return }
    network.loop.scheduleTask(in: network.delay()) { if channel.isActive { channel.close(promise: nil) } }
  }

  // MARK: The node's end

  fileprivate func sendToClient(_ bytes: ByteBuffer) {
    inFlight += bytes.readableBytes
    lastToClient = max(lastToClient + .nanoseconds(1), network.loop.now + network.delay())
    network.loop.scheduleTask(deadline: lastToClient) {
      guard !self.isCut else { return }
      self.unread.writeImmutableBuffer(bytes)
      self.drain()
    }
  }

  private func drain() {
    guard isReading, unread.readableBytes > 0 else { return }
    let bytes = unread
    unread = ByteBuffer()
    inFlight -= bytes.readableBytes
    onBytes(bytes)
    network.loop.execute { self.socket?.transmit() }
  }

  /// Handles the close of the node's end, which the client sees after the bytes in flight.
  fileprivate func closedByNode() {
    guard !isCut else { return }
    lastToClient = max(lastToClient + .nanoseconds(1), network.loop.now + network.delay())
    network.loop.scheduleTask(deadline: lastToClient) { self.cut() }
  }
}

/// Simulates a channel's socket: delivers bytes when the channel reads, and takes as many as fit the link's window.
///
/// The socket is the first handler of the pipeline, so that nothing reaches `EmbeddedChannel`'s own buffers.
private final class SimulatedSocket: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = IOData
  typealias OutboundOut = IOData

  private let link: SimulatedLink
  private var context: ChannelHandlerContext?
  private var inbox = ByteBuffer()
  private var wantsRead = false
  private var isReadScheduled = false
  private var hasEnded = false
  /// Whether the client closed before its connection was accepted.
  private var endsWhenActive = false
  private var outbox: [(data: IOData, promise: EventLoopPromise<Void>?)] = []
  private var flushed = 0
  private var waitingBytes = 0
  /// The part of `waitingBytes` that is in memory, not in files.
  private var waitingInMemory = 0

  init(_ link: SimulatedLink) { self.link = link }

  private var channel: EmbeddedChannel? { context?.channel as? EmbeddedChannel }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }
  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func channelActive(context: ChannelHandlerContext) {
    context.fireChannelActive()
    if endsWhenActive { context.eventLoop.assumeIsolated().execute { self.endOfStream() } }
  }

  // MARK: Reading

  func read(context: ChannelHandlerContext) {
    wantsRead = true
    scheduleRead()
  }

  func arrived(_ bytes: ByteBuffer) {
    inbox.writeImmutableBuffer(bytes)
    scheduleRead()
  }

  private func scheduleRead() {
    guard wantsRead, inbox.readableBytes > 0, !isReadScheduled, let context else { return }
    isReadScheduled = true
    context.eventLoop.assumeIsolated().execute {
      self.isReadScheduled = false
      guard self.wantsRead, self.inbox.readableBytes > 0 else { return }
      self.bringBytes()
    }
  }

  private func bringBytes() {
    guard let context, context.channel.isActive else { return }
    wantsRead = false
    guard var allocator = try? context.channel.syncOptions?.getOption(ChannelOptions.recvAllocator) else { return }
    var buffer = allocator.buffer(allocator: context.channel.allocator)
    let count = min(buffer.writableBytes, inbox.readableBytes)
    guard let bytes = inbox.readSlice(length: count) else { return }
    buffer.writeImmutableBuffer(bytes)
    inbox.discardReadBytes()
    _ = allocator.record(actualReadBytes: count)
    context.fireChannelRead(wrapInboundOut(buffer))
    context.fireChannelReadComplete()
    if context.channel.isActive { context.channel.read() }
  }

  /// Handles the client's orderly close: as NIO does, all bytes are read, requested or not, and then the channel closes.
  func endOfStream() {
    guard !hasEnded, let context else { return }
    guard context.channel.isActive else { return endsWhenActive = true }
    hasEnded = true
    while inbox.readableBytes > 0, context.channel.isActive { bringBytes() }
    if context.channel.isActive { context.channel.close(promise: nil) }
  }

  // MARK: Writing

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    guard context.channel.isActive else {
      promise?.fail(ChannelError.ioOnClosedChannel)
      return
    }
    let data = unwrapOutboundIn(data)
    outbox.append((data, promise))
    waitingBytes += data.readableBytes
    if case .byteBuffer(let bytes) = data { waitingInMemory += bytes.readableBytes }
    link.network.mostWaitingInMemory = max(link.network.mostWaitingInMemory, waitingInMemory)
    noteWritability()
  }

  func flush(context: ChannelHandlerContext) {
    flushed = outbox.count
    transmit()
  }

  /// Sends flushed bytes while the link takes them.
  func transmit() {
    while flushed > 0, let context, context.channel.isActive, link.inFlight < link.window {
      let room = link.window - link.inFlight
      var piece = ByteBuffer()
      switch outbox[0].data {
      case .byteBuffer(var bytes):
        guard let taken = bytes.readSlice(length: min(room, bytes.readableBytes)) else { return }
        piece = taken
        waitingInMemory -= taken.readableBytes
        outbox[0].data = .byteBuffer(bytes)
      case .fileRegion(var region):
        let wanted = min(room, region.readableBytes)
        let read = try? region.fileHandle.withUnsafeFileDescriptor { descriptor in
          link.network.disk.read(descriptor: descriptor, at: region.readerIndex, count: wanted)
        }
        guard let found = read ?? nil, !found.isEmpty || wanted == 0 else {
          // The file is shorter than the region: sendfile sends nothing, and never will.
          return context.channel.close(promise: nil)
        }
        piece.writeBytes(found)
        region.moveReaderIndex(forwardBy: found.count)
        outbox[0].data = .fileRegion(region)
      }
      waitingBytes -= piece.readableBytes
      if piece.readableBytes > 0 { link.sendToClient(piece) }
      guard outbox[0].data.readableBytes == 0 else { continue }
      let promise = outbox.removeFirst().promise
      flushed -= 1
      promise?.succeed()
    }
    noteWritability()
  }

  private func noteWritability() {
    guard let channel, channel.isActive else { return }
    let isWritable =
      channel.isWritable ? waitingBytes <= Limits.responseBytesWaiting : waitingBytes < Limits.responseBytesWaiting / 2
    guard isWritable != channel.isWritable else { return }
    channel.isWritable = isWritable
    context?.fireChannelWritabilityChanged()
  }

  func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
    let lost = outbox
    outbox = []
    flushed = 0
    for write in lost { write.promise?.fail(ChannelError.ioOnClosedChannel) }
    link.closedByNode()
    context.close(mode: mode, promise: promise)
  }
}
