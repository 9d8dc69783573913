import Base
import Broker
import Client
import Model
import NIOCore
import NIOEmbedded

/// Simulates a network in memory: listeners, and links that delay, split and lose bytes.
///
/// Used by one thread, that of the simulation.
final class SimulatedNetwork: Network, @unchecked Sendable {
  let loop: EmbeddedEventLoop
  let disk: SimulatedDisk
  fileprivate var random: SplitMix
  private var listener: SimulatedListener?
  /// The listeners of a cluster's hosts.
  fileprivate var listeners: [Address: SimulatedListener] = [:]
  fileprivate var blocked: Set<Path> = []
  /// When each path was last blocked or opened.
  fileprivate var changed: [Path: NIODeadline] = [:]
  /// The maximum one-way delays of paths that are slow.
  fileprivate var slow: [Path: Int] = [:]
  private(set) var links: [SimulatedLink] = []
  private var nextPort: UInt16 = 9092
  private var linksMade = 0
  /// The peak of bytes in memory that waited for one client to read.
  private(set) var mostWaitingInMemory = 0
  /// The maximum one-way delay of each piece.
  var delayMicrosecondsMax = 500

  init(loop: EmbeddedEventLoop, disk: SimulatedDisk, seed: UInt64) {
    self.loop = loop
    self.disk = disk
    random = SplitMix(seed: seed)
  }

  func below(_ bound: Int) -> Int { random.below(bound) }

  func delay() -> TimeAmount { .microseconds(Int64(1 + random.below(delayMicrosecondsMax))) }

  func waits(inMemory bytes: Int) { mostWaitingInMemory = max(mostWaitingInMemory, bytes) }

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

  /// Binds an address of one of a cluster's hosts.
  func listen(
    _ listener: Listener, on host: String, admit: any ChannelHandler,
    setUp: @escaping @Sendable (any Channel) throws -> Void
  ) -> EventLoopFuture<any BoundListener> {
    let address = Address(host: host, port: listener.port)
    guard listeners[address] == nil else {
      return loop.makeFailedFuture(
        ListenError(listener: listener.name, address: "\(host):\(listener.port)", reason: "Address already in use"))
    }
    let bound = SimulatedListener(
      name: listener.name, host: listener.host, port: listener.port, network: self, admit: admit, setUp: setUp)
    listeners[address] = bound
    return loop.makeSucceededFuture(bound)
  }

  func connect(
    to endpoint: Client.Endpoint, on loop: any EventLoop, receiveAllocator: any RecvByteBufferAllocator
  ) -> EventLoopFuture<any Channel> {
    loop.makeFailedFuture(ClientError.unreachable(endpoint, reason: "there is no other broker"))
  }

  fileprivate func closed(_ listener: SimulatedListener) {
    if self.listener === listener { self.listener = nil }
    listeners = listeners.filter { $0.value !== listener }
  }

  /// Connects a client to the listening node; nil without one.
  func connect() -> SimulatedLink? {
    guard let listener else { return nil }
    linksMade += 1
    let link = SimulatedLink(network: self, number: linksMade, disk: disk)
    links.append(link)
    listener.arrived(link)
    return link
  }

  /// Begins a connection of `client`, a host or a client's name, to a host's listener.
  ///
  /// - Parameter disk: that of the listening host.
  func dial(from client: String, to host: String, port: UInt16, disk: SimulatedDisk) -> SimulatedLink {
    linksMade += 1
    let link = SimulatedLink(network: self, number: linksMade, disk: disk, client: client, server: host)
    links.append(link)
    link.open { [self] in listeners[Address(host: host, port: port)] }
    return link
  }

  func forget(_ link: SimulatedLink) { links.removeAll { $0 === link } }

  /// Breaks all links at once, as a machine failure does.
  func cutAll() { for link in links { link.cut() } }
}

/// The paths between the hosts of a cluster, its clients and its tree.
extension SimulatedNetwork {
  struct Path: Hashable {
    var from: String
    var to: String
  }

  fileprivate struct Address: Hashable {
    var host: String
    var port: UInt16
  }

  func isBlocked(_ from: String, _ to: String) -> Bool {
    !blocked.isEmpty && blocked.contains(Path(from: from, to: to))
  }

  /// Lets no byte pass from one to the other: connections wait, as those of TCP do.
  func block(_ from: String, _ to: String) {
    if blocked.insert(Path(from: from, to: to)).inserted { changed[Path(from: from, to: to)] = loop.now }
  }

  /// Whether a path has been blocked, or open, for a time.
  func has(been isBlocked: Bool, _ from: String, _ to: String, for time: TimeAmount) -> Bool {
    guard self.isBlocked(from, to) == isBlocked else { return false }
    return changed[Path(from: from, to: to)].map { loop.now - $0 > time } ?? !isBlocked
  }

  func unblock(_ from: String, _ to: String) {
    guard blocked.remove(Path(from: from, to: to)) != nil else { return }
    changed[Path(from: from, to: to)] = loop.now
    for link in links { link.pathOpened() }
  }

  func slow(_ from: String, _ to: String, delayMicrosecondsMax: Int?) {
    slow[Path(from: from, to: to)] = delayMicrosecondsMax
  }

  func delay(_ from: String, _ to: String) -> TimeAmount {
    guard !slow.isEmpty, let most = slow[Path(from: from, to: to)] else { return delay() }
    return .microseconds(Int64(1 + random.below(most)))
  }

  /// Ends all slowness and opens all paths.
  func heal() {
    slow = [:]
    blocked = []
    for link in links { link.pathOpened() }
  }

  /// Handles the end of a host: of its process alone, so that the kernel closes its connections, or of the whole machine, and then its
  /// peers are told nothing until it is up again.
  func wentDown(_ host: String, isMachine: Bool) {
    listeners = listeners.filter { $0.key.host != host }
    for link in links where link.client == host || link.server == host {
      if isMachine { link.goDark() } else { link.cut() }
    }
  }

  /// Handles the start of a machine, which knows of no connection of before.
  func cameUp(_ host: String) {
    for link in links where link.isDark && (link.client == host || link.server == host) { link.cut() }
  }
}

/// Simulates a listening socket. Clients that connect before `accept` wait.
final class SimulatedListener: BoundListener, @unchecked Sendable {
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
