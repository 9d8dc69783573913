package import Logging
import NIOCore
package import NIOPosix
import Synchronization

/// The listening sockets and the event loops behind them.
///
/// Each connection lives on one event loop for good, and requests run on it to their end: no request changes threads.
/// Owned by whoever started it; `stop` must have finished before it goes.
package final class BrokerServer: Sendable {
  package struct Settings: Sendable {
    package var listeners: [Listener]
    package var backlog: Int
    package var connection: ConnectionLimits
    package var connectionsMax: Int
    package var connectionsPerIPMax: Int
    package var connectionsPerIPOverrides: [String: Int]
    package var idleMaxMs: Int64?
    package var receiveBufferBytes: Int
    package var largeFrameBytesMax: Int
    package var congestionControl: String?
    package var sendBufferBytes: Int?
    package var socketReceiveBufferBytes: Int?
  }

  /// A listener with the port it really got.
  package struct Bound: Sendable {
    package let name: String
    package let host: String?
    package let port: UInt16
    let channel: any Channel
  }

  private let group: MultiThreadedEventLoopGroup
  private let loops: [NIOLoopBound<ConnectionLoop>]
  private let settings: Settings
  private let service: any RequestService
  private let log: Logger
  private let admission: Admission
  private let bound = Mutex<[Bound]>([])

  /// - Parameter coldReads: for who has the page cache hold what is sent. Stopped by who made it, after the server.
  package init(
    settings: Settings, group: MultiThreadedEventLoopGroup, service: any RequestService, coldReads: ColdReads?,
    log: Logger
  ) throws {
    self.settings = settings
    self.group = group
    self.service = service
    self.log = log
    admission = Admission(
      max: settings.connectionsMax, perIPMax: settings.connectionsPerIPMax,
      overrides: settings.connectionsPerIPOverrides)
    let eventLoops = Array(group.makeIterator())
    loops = try eventLoops.map { eventLoop in
      try eventLoop.submit {
        let loop = ConnectionLoop(
          eventLoop: eventLoop, receiveBufferBytes: settings.receiveBufferBytes,
          largeBytesMax: settings.largeFrameBytesMax / eventLoops.count,
          idleMax: settings.idleMaxMs.map { .milliseconds($0) }, coldReads: coldReads)
        let swept = NIOLoopBound(loop, eventLoop: eventLoop)
        let interval = TimeAmount.milliseconds(Limits.sweepIntervalMs)
        eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
          swept.value.sweep(now: .now())
        }
        return swept
      }.wait()
    }
  }

  /// Binds every listener; connections wait in the kernel's backlog until `accept`. What went wrong names the listener.
  package func bind() throws -> [Bound] {
    var all: [Bound] = []
    for listener in settings.listeners {
      let channel = try bootstrap(for: listener.name).bind(
        host: listener.host ?? "0.0.0.0", port: Int(listener.port)
      ).wait()
      setCongestionControl(on: channel)
      all.append(
        Bound(
          name: listener.name, host: listener.host, port: UInt16(channel.localAddress?.port ?? 0), channel: channel))
    }
    bound.withLock { $0 = all }
    return all
  }

  /// Begins to accept: clients may now be told where to connect, and the listeners' settings are made.
  package func accept() throws {
    for listener in bound.withLock({ $0 }) {
      try listener.channel.setOption(ChannelOptions.autoRead, value: true).wait()
    }
  }

  /// Stops accepting, lets requests in flight finish for up to `Limits.drainMs`, then closes what is left.
  ///
  /// - Parameter release: called when no connection starts a request any more: what waits is to be answered now.
  package func stop(releasing release: () -> Void) {
    for listener in bound.withLock({ $0 }) { try? listener.channel.close().wait() }
    for loop in loops { try? loop.eventLoop.submit { loop.value.drainAll() }.wait() }
    release()
    let deadline = NIODeadline.now() + .milliseconds(Limits.drainMs)
    while admission.count > 0, NIODeadline.now() < deadline { nap(milliseconds: 5) }
    for loop in loops { try? loop.eventLoop.submit { loop.value.closeAll(because: "the broker stops") }.wait() }
  }

  package var connectionCount: Int { admission.count }

  private func bootstrap(for listener: String) -> ServerBootstrap {
    var bootstrap = ServerBootstrap(group: group)
      .serverChannelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
      .serverChannelOption(ChannelOptions.autoRead, value: false)
      .serverChannelOption(ChannelOptions.backlog, value: Int32(clamping: settings.backlog))
      .childChannelOption(ChannelOptions.tcpOption(.tcp_nodelay), value: 1)
      .childChannelOption(ChannelOptions.maxMessagesPerRead, value: 1)
      .childChannelOption(
        ChannelOptions.writeBufferWaterMark,
        value: .init(low: Limits.replyBytesWaiting / 2, high: Limits.replyBytesWaiting))
    if let bytes = settings.sendBufferBytes {
      bootstrap = bootstrap.childChannelOption(
        ChannelOptions.socketOption(.so_sndbuf), value: SocketOptionValue(bytes))
    }
    if let bytes = settings.socketReceiveBufferBytes {
      bootstrap = bootstrap.childChannelOption(
        ChannelOptions.socketOption(.so_rcvbuf), value: SocketOptionValue(bytes))
    }
    return
      bootstrap
      .serverChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(Admitter(self.admission, log: self.log))
        }
      }
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try self.setUp(channel, listener: listener) }
      }
  }

  /// Sets up an admitted connection on its event loop.
  private func setUp(_ channel: any Channel, listener: String) throws {
    guard let loop = loops.first(where: { $0.eventLoop === channel.eventLoop })?.value else {
      preconditionFailure("a connection came on an event loop that is not ours")
    }
    let received = ReceivedBytes(buffers: loop.buffers)
    let options = channel.syncOptions
    try options?.setOption(ChannelOptions.recvAllocator, value: received)
    try channel.pipeline.syncOperations.addHandler(
      Connection(
        listener: listener, service: service, loop: loop, received: received, limits: settings.connection, log: log))
  }

  /// Accepted connections inherit it. Where the kernel lacks the algorithm its default stays, and the log says so.
  private func setCongestionControl(on channel: any Channel) {
    guard let name = settings.congestionControl, let socket = channel as? any SocketOptionProvider else { return }
    do {
      try CongestionControl.set(name, on: socket)
    } catch {
      log.warning("congestion control not set", metadata: ["algorithm": "\(name)", "error": "\(error)"])
    }
  }
}
