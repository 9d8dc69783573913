import NIOCore
import NIOEmbedded

/// Simulates one connection: the client's end, and the socket under the node's channel.
final class SimulatedLink: @unchecked Sendable {
  private enum Way: Int { case toServer, toClient }

  let number: Int
  let network: SimulatedNetwork
  /// The disk of the listening node.
  let disk: SimulatedDisk
  /// The host, or name, of each end in a cluster.
  let client: String
  let server: String
  /// Whether the connection is broken: no byte passes, and both ends are notified.
  private(set) var isCut = false
  /// Whether the machine of one end is gone: no byte passes, and the other end does not know.
  private(set) var isDark = false
  private var socket: SimulatedSocket?
  private var channel: EmbeddedChannel?
  /// Bytes that arrived before the node accepted.
  private var early = ByteBuffer()
  /// When the last piece of each way arrives.
  private var last: [NIODeadline]
  /// What has come to a blocked path, by way.
  private var held: [[() -> Void]] = [[], []]
  private var isFinished = false

  /// Called with bytes for the client.
  var onBytes: (ByteBuffer) -> Void = { _ in }
  var onClose: () -> Void = {}
  /// Called when the listener's kernel has taken the connection that `dial` began.
  var onOpen: () -> Void = {}
  /// Whether the client reads. Otherwise the node's bytes stay in the network, up to `window`.
  var isReading = true { didSet { if isReading { drain() } } }
  var window = 64 << 10
  private var unread = ByteBuffer()
  /// Bytes sent by the node and not yet read by the client.
  private(set) var inFlight = 0

  init(network: SimulatedNetwork, number: Int, disk: SimulatedDisk, client: String = "", server: String = "10.0.0.1") {
    self.network = network
    self.number = number
    self.disk = disk
    self.client = client
    self.server = server
    last = [network.loop.now, network.loop.now]
  }

  func makeChannel(port: UInt16) -> EmbeddedChannel {
    let socket = SimulatedSocket(self)
    let channel = EmbeddedChannel(handlers: [socket], loop: network.loop)
    // A socket's own, until the node sets another: before a client has authenticated it sets none.
    try? channel.syncOptions?.setOption(
      ChannelOptions.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 2_048))
    channel.localAddress = try? SocketAddress(ipAddress: server, port: Int(port))
    channel.remoteAddress =
      (try? SocketAddress(ipAddress: client, port: 10_000 + number % 50_000))
      ?? (try? SocketAddress(ipAddress: "10.0.1.\(number % 250 + 1)", port: 10_000 + number % 50_000))
    self.socket = socket
    self.channel = channel
    socket.arrived(early)
    early.clear()
    if isFinished { socket.endOfStream() }
    return channel
  }

  // MARK: The way

  /// Has `body` happen at the other end, after all that was sent that way before.
  private func carry(_ way: Way, _ body: @escaping () -> Void) {
    let (from, to) = ends(of: way)
    last[way.rawValue] = max(last[way.rawValue] + .nanoseconds(1), network.loop.now + network.delay(from, to))
    network.loop.assumeIsolated().scheduleTask(deadline: last[way.rawValue]) {
      guard !self.isCut, !self.isDark else { return }
      guard self.held[way.rawValue].isEmpty, !self.network.isBlocked(from, to) else {
        return self.held[way.rawValue].append(body)
      }
      body()
    }
  }

  private func ends(of way: Way) -> (from: String, to: String) {
    way == .toServer ? (client, server) : (server, client)
  }

  /// Handles the end of a block: what was held arrives.
  func pathOpened() {
    for way in [Way.toServer, .toClient] where !held[way.rawValue].isEmpty {
      let (from, to) = ends(of: way)
      guard !network.isBlocked(from, to) else { continue }
      network.loop.assumeIsolated().scheduleTask(in: network.delay(from, to)) {
        guard !self.network.isBlocked(from, to) else { return }
        let due = self.held[way.rawValue]
        self.held[way.rawValue] = []
        for body in due where !self.isCut && !self.isDark { body() }
      }
    }
  }

  func goDark() {
    isDark = true
    held = [[], []]
  }

  /// Asks the listener for a connection.
  func open(_ listener: @escaping () -> SimulatedListener?) {
    carry(.toServer) {
      guard let listener = listener() else { return self.cut() }
      listener.arrived(self)
      self.carry(.toClient) { self.onOpen() }
    }
  }

  // MARK: The client's end

  /// Sends bytes to the node, in pieces.
  func send(_ bytes: ByteBuffer) {
    var rest = bytes
    while rest.readableBytes > 0, !isCut {
      let most = network.below(4) == 0 ? 64 : 32 << 10
      guard let piece = rest.readSlice(length: min(rest.readableBytes, 1 + network.below(most))) else { return }
      carry(.toServer) {
        if let socket = self.socket { socket.arrived(piece) } else { self.early.writeImmutableBuffer(piece) }
      }
    }
  }

  /// Closes the client's end in order: bytes already sent still arrive.
  func finish() {
    guard !isCut else { return }
    onBytes = { _ in }
    onClose = {}
    carry(.toServer) {
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
    onOpen = {}
    held = [[], []]
    network.loop.assumeIsolated().execute { told() }
    guard let channel else { return }
    network.loop.scheduleTask(in: network.delay()) { if channel.isActive { channel.close(promise: nil) } }
  }

  // MARK: The node's end

  func sendToClient(_ bytes: ByteBuffer) {
    inFlight += bytes.readableBytes
    carry(.toClient) {
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
    network.loop.assumeIsolated().execute { self.socket?.transmit() }
  }

  /// Handles the close of the node's end, which the client sees after the bytes in flight.
  func closedByNode() {
    guard !isCut else { return }
    carry(.toClient) { self.cut() }
  }
}
