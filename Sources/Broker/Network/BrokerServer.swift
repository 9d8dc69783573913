package import Logging
package import NIOCore
import Security
import Synchronization

/// Runs the listeners and their event loops.
///
/// A connection stays on one event loop. Produce and Fetch run there, except large batches that must be unpacked; these and
/// requests that touch files or name many things run on `Offload`. Owned by its `Node`.
package final class BrokerServer: Sendable {
  package struct Settings: Sendable {
    package var listeners: [Listener]
    package var sockets: SocketOptions
    package var connection: ConnectionLimits
    package var connectionsMax: Int
    package var connectionsPerIPMax: Int
    package var connectionsPerIPOverrides: [String: Int]
    package var idleMaxMs: Int64?
    package var receiveBufferBytes: Int
    package var largeFrameBytesMax: Int
    package var refusalsMax = Limits.refusalsInProgress
    package var hasDescriptors: @Sendable () -> Bool = { true }
    /// Of the secured listeners, by their names.
    package var doors: [String: ListenerDoor] = [:]
    /// What `Admission` asks.
    package var connectionWaitMs: @Sendable (_ address: String) -> Int64 = { _ in 0 }
    package var acceptWaitMs: @Sendable (_ listener: String) -> Int64? = { _ in nil }
    /// Makes what counts the requests of one event loop; nil where nobody wants to know.
    package var makeMeter: @Sendable () -> RequestMeter? = { nil }
  }

  private let loops: [NIOLoopBound<ConnectionLoop>]
  private let settings: Settings
  private let service: any RequestService
  private let log: Logger
  private let admission: Admission
  private let bound = Mutex<[any BoundListener]>([])
  private let sweeps = Mutex<[RepeatedTask]>([])

  private init(
    settings: Settings, loops: [NIOLoopBound<ConnectionLoop>], service: any RequestService, log: Logger
  ) {
    self.settings = settings
    self.loops = loops
    self.service = service
    self.log = log
    admission = Admission(
      max: settings.connectionsMax, perIPMax: settings.connectionsPerIPMax,
      overrides: settings.connectionsPerIPOverrides, refusalsMax: settings.refusalsMax,
      hasDescriptors: settings.hasDescriptors, waitMs: settings.connectionWaitMs)
  }

  /// Prepares the event loops and binds every listener; clients that connect wait until `accept`.
  ///
  /// - Parameter coldReads: nil when the page cache does not hold what is sent.
  /// - Returns: completes on the first loop; fails with the `ListenError` of the first listener that cannot be bound, and
  ///   then nothing is bound.
  package static func bind(
    _ settings: Settings, on group: any EventLoopGroup, network: any Network, service: any RequestService,
    coldReads: ColdReads?, log: Logger
  ) -> EventLoopFuture<BrokerServer> {
    let eventLoops = Array(group.makeIterator())
    let made = eventLoops.map { eventLoop in
      eventLoop.submit {
        let meter = settings.makeMeter()
        // A log of every request wants each by itself.
        let runs = meter?.log?.writesAll == true ? nil : service.makeRuns(on: eventLoop)
        return NIOLoopBound(
          ConnectionLoop(
            eventLoop: eventLoop, receiveBufferBytes: settings.receiveBufferBytes,
            largeBytesMax: settings.largeFrameBytesMax / eventLoops.count,
            idleMax: settings.idleMaxMs.map { .milliseconds($0) }, coldReads: coldReads, runs: runs,
            unauthenticatedMax: max(
              1, min(Limits.unauthenticatedConnections, settings.connectionsMax / 2) / eventLoops.count),
            meter: meter),
          eventLoop: eventLoop)
      }
    }
    return EventLoopFuture.whenAllSucceed(made, on: eventLoops[0]).flatMap { loops in
      let server = BrokerServer(settings: settings, loops: loops, service: service, log: log)
      return server.bind(settings.listeners[...], on: group, network)
        .map {
          server.beginSweeps()
          return server
        }
        .flatMapError { error in server.closeListeners().flatMapThrowing { throw error } }
    }
  }

  /// Binds one listener after the other.
  private func bind(
    _ listeners: ArraySlice<Listener>, on group: any EventLoopGroup, _ network: any Network
  ) -> EventLoopFuture<Void> {
    guard let listener = listeners.first else { return loops[0].eventLoop.makeSucceededVoidFuture() }
    let (admission, log, acceptWaitMs, name) = (admission, log, settings.acceptWaitMs, listener.name)
    var sockets = settings.sockets
    sockets.acceptsPerTurn = settings.refusalsMax
    let acceptsPerTurn = sockets.acceptsPerTurn
    return network.listen(
      listener, sockets, on: group,
      admit: { Admitter(admission, batch: acceptsPerTurn, acceptWaitMs: { acceptWaitMs(name) }, log: log) },
      setUp: { channel in try self.setUp(channel, listener: listener.name) }
    ).hop(to: loops[0].eventLoop).flatMap { bound in
      self.bound.withLock { $0.append(bound) }
      return self.bind(listeners.dropFirst(), on: group, network)
    }
  }

  private func beginSweeps() {
    let interval = TimeAmount.milliseconds(Limits.sweepIntervalMs)
    let tasks = loops.map { loop in
      loop.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
        loop.value.sweep(now: loop.eventLoop.now)
      }
    }
    sweeps.withLock { $0 = tasks }
  }

  /// The bound listeners, in the configured order.
  package var listeners: [any BoundListener] { bound.withLock { $0 } }

  package var connectionCount: Int { admission.count }
  var refusals: Admission.Refusals { admission.refusals }

  /// The memory that connections hold for requests which have arrived in part, over all event loops.
  package func heldByRequests() -> EventLoopFuture<ReceiveMemory> {
    let each = loops.map { loop in loop.eventLoop.submit { loop.value.buffers.memory } }
    return EventLoopFuture.whenAllSucceed(each, on: loops[0].eventLoop).map { held in
      ReceiveMemory(
        sharedBuffers: held.reduce(0) { $0 + $1.sharedBuffers },
        largeFrameBytes: held.reduce(0) { $0 + $1.largeFrameBytes })
    }
  }

  /// What each event loop's meter has counted, with the time that the loop took to say so.
  func meters() -> EventLoopFuture<[LoopFigures]> {
    let each = loops.map { loop in
      let asked = loop.eventLoop.now
      return loop.eventLoop.submit {
        LoopFigures(
          snapshot: loop.value.meter?.snapshot ?? RequestMeter.Snapshot(), strangers: loop.value.strangers,
          delay: loop.eventLoop.now - asked)
      }
    }
    return EventLoopFuture.whenAllSucceed(each, on: loops[0].eventLoop)
  }

  /// Begins to accept: clients may now be told where to connect, and the listeners' settings are made.
  package func accept() -> EventLoopFuture<Void> {
    EventLoopFuture.andAllSucceed(listeners.map { $0.accept() }, on: loops[0].eventLoop)
  }

  /// Stops accepting, lets requests in flight finish for up to `Limits.drainMs`, then closes what is left.
  ///
  /// - Parameter release: called when no connection starts a request any more, to complete the requests that wait.
  package func stop(releasing release: @escaping @Sendable () -> Void) -> EventLoopFuture<Void> {
    let loop = loops[0].eventLoop
    return closeListeners()
      .flatMap { self.onEachLoop { $0.drainAll() } }
      .flatMap {
        release()
        return self.awaitDrained(until: loop.now + .milliseconds(Limits.drainMs))
      }
      .flatMap { self.closeConnections(because: "the broker stops") }
  }

  /// Closes every listener and connection at once, whatever is under way.
  package func abandon() -> EventLoopFuture<Void> {
    closeListeners().flatMap { self.closeConnections(because: "the broker was abandoned") }
  }

  private func closeListeners() -> EventLoopFuture<Void> {
    EventLoopFuture.andAllComplete(listeners.map { $0.close() }, on: loops[0].eventLoop)
  }

  private func closeConnections(because reason: String) -> EventLoopFuture<Void> {
    for sweep in sweeps.withLock({ $0 }) { sweep.cancel() }
    return onEachLoop { $0.closeAll(because: reason) }
  }

  private func awaitDrained(until deadline: NIODeadline) -> EventLoopFuture<Void> {
    let loop = loops[0].eventLoop
    guard admission.count > 0, loop.now < deadline else { return loop.makeSucceededVoidFuture() }
    return loop.scheduleTask(in: .milliseconds(Limits.drainLookMs)) {}.futureResult
      .flatMap { self.awaitDrained(until: deadline) }
  }

  private func onEachLoop(_ body: @escaping @Sendable (ConnectionLoop) -> Void) -> EventLoopFuture<Void> {
    EventLoopFuture.andAllSucceed(
      loops.map { loop in loop.eventLoop.submit { body(loop.value) } }, on: loops[0].eventLoop)
  }

  /// Sets up an admitted connection on its event loop.
  private func setUp(_ channel: any Channel, listener: String) throws {
    guard let loop = loops.first(where: { $0.eventLoop === channel.eventLoop })?.value else {
      preconditionFailure("a connection came on an event loop that is not ours")
    }
    guard let door = settings.doors[listener] else {
      return try begin(on: channel, listener: listener, as: nil, door: nil, loop)
    }
    let gate = door.security.isEncrypted ? makeGate(door, channel, loop) : nil
    if let gate { try channel.pipeline.syncOperations.addHandler(gate) }
    try channel.pipeline.syncOperations.addHandler(
      UnauthenticatedConnection(door, gate: gate, loop: loop, service: service, log: log) { channel, authentication in
        try self.begin(on: channel, listener: listener, as: authentication, door: door, loop)
      })
  }

  private func makeGate(_ door: ListenerDoor, _ channel: any Channel, _ loop: ConnectionLoop) -> HandshakeGate {
    let address = channel.remoteAddress?.plainIPAddress ?? "?"
    return HandshakeGate(
      loop.handshakes,
      refuse: { [log, unowned loop] reason in
        loop.foreignProtocols.tell(log, listener: door.listener, address, reason, loop.eventLoop.now)
      },
      makeTLS: { door.makeTLSHandler() })
  }

  /// Puts a connection whose client is known behind the handlers that the channel has.
  private func begin(
    on channel: any Channel, listener: String, as authentication: Authentication?, door: ListenerDoor?,
    _ loop: ConnectionLoop
  ) throws {
    let isEncrypted = door?.security.isEncrypted ?? false
    let received = ReceivedBytes(buffers: loop.buffers)
    // Behind TLS the socket's bytes are not a request's: it has NIO's own buffers.
    if !isEncrypted { try channel.syncOptions?.setOption(ChannelOptions.recvAllocator, value: received) }
    var session: SaslSession?
    if let door, let authentication, authentication.lifetimeMs != nil {
      session = SaslSession(authentication, door, over: service, on: loop.eventLoop)
    }
    let connection = Connection(
      listener: listener, principal: authentication?.principal ?? .anonymous, service: session ?? service, loop: loop,
      received: received, limits: settings.connection, isEncrypted: isEncrypted, mayServeTogether: session == nil,
      log: log)
    try channel.pipeline.syncOperations.addHandler(connection)
  }
}

/// What one event loop says of itself at one time.
struct LoopFigures: Sendable {
  var snapshot = RequestMeter.Snapshot()
  var strangers = StrangerFigures()
  /// The time that the loop took to say so.
  var delay = TimeAmount.zero
}
