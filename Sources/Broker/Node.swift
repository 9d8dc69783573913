import Coordination
package import Logging
import Model
package import NIOCore
import Storage
import Synchronization

/// Runs one broker in one world, which its creator owns; can be started again after a stop.
///
/// Start: lock the directories, read the tree, recover the logs (in parallel), then listen. Stop: listen no more, let
/// requests in flight finish, flush and close every log, write the checkpoints, and last the
/// clean-shutdown files (`.kafka_cleanshutdown`).
///
/// No call waits: each returns a future. Any thread may call.
package final class Node: Sendable {
  package let config: Config
  private let world: World
  private let log: Logger
  /// Nil without `millrace.metrics.listener`.
  private let metrics: MetricsEndpoint?
  private let phase = Mutex(Phase.stopped)

  private enum Phase {
    case stopped
    case starting
    case running(RunningNode)
    case stopping
  }

  package init(_ world: World, _ config: Config, log: Logger) {
    self.world = world
    self.config = config
    self.log = log
    metrics = config.metricsListener.map { MetricsEndpoint($0, world: world, log: log) }
  }

  /// The port of the metrics listener; nil without one.
  package var metricsPort: UInt16? { metrics?.port }

  /// The parts of a node that runs; nil before the end of its start, and from the beginning of its stop.
  package var running: RunningNode? {
    phase.withLock { if case .running(let running) = $0 { running } else { nil } }
  }

  /// Starts the broker.
  ///
  /// - Returns: completes when connections are accepted; fails when the directories, the tree or a listener cannot be used,
  ///   and then nothing is held any more.
  /// - Precondition: the node is stopped.
  package func start() -> EventLoopFuture<RunningNode> {
    phase.withLock { phase in
      guard case .stopped = phase else { preconditionFailure("a node is started that has not stopped") }
      phase = .starting
    }
    let loop = world.loops.next()
    let offload = NodeOffload(world.offload)
    return openMetrics(on: loop)
      .flatMap { self.onControlLane(loop) { try self.open(offload) } }
      .flatMap { opened in
        self.serve(opened, on: loop)
          .flatMapError { error in
            self.onControlLane(loop) { self.release(opened) }.flatMapThrowing { throw error }
          }
      }
      .flatMapError { error in self.closeMetrics(on: loop).flatMapThrowing { throw error } }
      .always { outcome in
        self.phase.withLock { phase in
          switch outcome {
          case .success(let running): phase = .running(running)
          case .failure: phase = .stopped
          }
        }
      }
  }

  /// Stops in order.
  ///
  /// - Returns: completes when nothing of the broker is under way any more.
  /// - Precondition: the node runs.
  package func stop() -> EventLoopFuture<Void> {
    let running = beginStop()
    let loop = world.loops.next()
    return running.broker.controller.moveLeadershipsAway(on: loop)
      .flatMap { running.server.stop(releasing: running.broker.beginStop).hop(to: loop) }
      .flatMap {
        running.housekeeper.stop()
        running.cleaner.stop()
        return running.offload.whenIdle(on: loop)
      }
      .flatMap {
        self.onControlLane(loop) {
          running.broker.closeLogs()
          running.broker.controller.closeTree()
        }
      }
      .flatMap { self.closeMetrics(on: loop) }
      .always { _ in self.phase.withLock { $0 = .stopped } }
  }

  /// Stops as a crash would, as far as a process can do that to itself: connections end in the midst of what they do, and
  /// neither a checkpoint nor `.kafka_cleanshutdown` is written.
  ///
  /// - Returns: completes when nothing of the broker is under way any more.
  /// - Precondition: the node runs.
  package func abandon() -> EventLoopFuture<Void> {
    let running = beginStop()
    let loop = world.loops.next()
    running.housekeeper.stop()
    running.cleaner.stop()
    running.broker.abandonCoordinators()
    return running.server.abandon().hop(to: loop)
      .flatMap { running.offload.whenIdle(on: loop) }
      .flatMap { self.onControlLane(loop) { self.release(running.opened) } }
      .flatMap { self.closeMetrics(on: loop) }
      .always { _ in self.phase.withLock { $0 = .stopped } }
  }

  private func openMetrics(on loop: any EventLoop) -> EventLoopFuture<Void> {
    metrics?.open(on: loop) ?? loop.makeSucceededVoidFuture()
  }

  private func closeMetrics(on loop: any EventLoop) -> EventLoopFuture<Void> {
    metrics?.close(on: loop) ?? loop.makeSucceededVoidFuture()
  }

  private func beginStop() -> RunningNode {
    metrics?.stopping()
    return phase.withLock { phase in
      guard case .running(let running) = phase else { preconditionFailure("a node is stopped that does not run") }
      phase = .stopping
      return running
    }
  }

  // MARK: Steps of a start

  /// Locks and reads everything on disk and in the tree; waits for both.
  private func open(_ offload: NodeOffload) throws -> OpenedNode {
    let directories = try LogDirectories(config, disk: world.disk, arms: world.arms)
    do {
      let check = StartCheck(reports: directories.reports)
      let before = ElectedController.Identity(
        brokerID: check.identity?.brokerID, clusterID: check.identity?.clusterID)
      guard let servers = config.zooKeeperConnect, !servers.isEmpty else {
        return try openAlone(directories, check, before, offload)
      }
      return try join(servers, directories, check, before, offload)
    } catch {
      for directory in directories.all { directory.unlock() }
      if case LogDirectoryError.disk(let cause) = error { throw StartRefusal(cause) }
      throw error
    }
  }

  /// Opens a broker that keeps the tree itself, and so is the controller.
  private func openAlone(
    _ directories: LogDirectories, _ check: StartCheck, _ before: ElectedController.Identity, _ offload: NodeOffload
  ) throws -> OpenedNode {
    let tree = try openTree(in: try check.journalDirectory())
    do {
      let elected = try ElectedController(
        tree: tree, config: config, before: before, nowMs: world.wallMs(), random: world.random(),
        accept: check.checkOwner)
      let plan = try directories.accept(elected, check, random: world.random())
      return try open(elected.starting, plan, tree, directories, offload, reconnect: nil)
    } catch {
      tree.close()
      throw error
    }
  }

  /// Opens a broker of a cluster, whose tree is in ZooKeeper.
  private func join(
    _ servers: String, _ directories: LogDirectories, _ check: StartCheck, _ before: ElectedController.Identity,
    _ offload: NodeOffload
  ) throws -> OpenedNode {
    let sessionTimeoutMs = config.zooKeeperSessionTimeoutMs
    let connectTimeoutMs = config.zooKeeperConnectionTimeoutMs ?? sessionTimeoutMs
    let connect = { @Sendable [world] () throws(ZNodeError) -> any ZNodeTree in
      try world.connectTree(servers, sessionTimeoutMs, connectTimeoutMs)
    }
    let tree: any ZNodeTree
    do throws(ZNodeError) { tree = try connect() } catch {
      throw RegistryError("zookeeper.connect=\(servers): \(error)")
    }
    do {
      let starting = try StartingBroker(joining: tree, config: config, before: before, random: world.random())
      let plan = try directories.accept(starting, check, log: log, nowMs: world.wallMs(), random: world.random())
      return try open(starting, plan, tree, directories, offload, reconnect: connect)
    } catch {
      tree.close()
      throw error
    }
  }

  private func open(
    _ starting: StartingBroker, _ plan: StartPlan, _ tree: any ZNodeTree, _ directories: LogDirectories,
    _ offload: NodeOffload, reconnect: (@Sendable () throws(ZNodeError) -> any ZNodeTree)?
  ) throws -> OpenedNode {
    let broker = LocalBroker(
      starting, config: config, tree: tree, directories: directories, network: world.network, loops: world.loops,
      offload: offload, loop: world.loops.next(), log: log, nowMs: world.wallMs, random: world.random(),
      reconnect: reconnect)
    try broker.openDoors(world.random)
    try broker.readAcls(tree)
    try broker.readQuotas(tree)
    try broker.openTopics(starting.cluster, plan, offload)
    return OpenedNode(broker: broker, directories: directories, offload: offload)
  }

  private func openTree(in directory: String) throws(StartRefusal) -> EmbeddedTree {
    do { return try EmbeddedTree(disk: world.disk, directory: directory, now: world.wallMs) } catch {
      throw StartRefusal(error)
    }
  }

  private func serve(_ opened: OpenedNode, on loop: any EventLoop) -> EventLoopFuture<RunningNode> {
    // The broker's own cache is read past the page cache: nothing would ever be in it.
    let coldReads = config.cache == .page ? ColdReads(world.pageCache, offload: opened.offload) : nil
    var settings = BrokerServer.Settings(config, descriptorsMax: world.descriptorsMax)
    settings.refusalsMax = world.refusalsMax
    settings.hasDescriptors = world.hasDescriptors
    settings.doors = opened.broker.doors
    settings.connectionWaitMs = opened.broker.quotas.connectionWaitMs
    let quotas = opened.broker.quotas
    let rates = ConnectionRates(config: { quotas.image.config }, nowMs: { quotas.nowMs })
    settings.acceptWaitMs = rates.accepted
    // On the world's own offload: a stop does not wait for whoever reads the log.
    let requestLog = RequestLog(
      config, wallMs: world.wallMs, offload: world.offload, write: world.writeRequestLog)
    if metrics != nil || requestLog != nil { settings.makeMeter = { RequestMeter(log: requestLog) } }
    let handlers = opened.broker.makeHandlerTable()
    let service: any RequestService = world.witness.map { WitnessedService(service: handlers, witness: $0) } ?? handlers
    return BrokerServer.bind(
      settings, on: world.loops, network: world.network, service: service, coldReads: coldReads, log: log
    ).hop(to: loop).flatMap { server in
      opened.broker.advertise(server.listeners, on: loop)
        .flatMap { server.accept() }
        .hop(to: loop)
        .map {
          let housekeeper = Housekeeper(opened.broker, loop: loop, offload: opened.offload)
          housekeeper.start()
          let cleaner = LogCleaner(
            opened.broker, loop: loop, offload: opened.offload, random: self.world.random)
          cleaner.start()
          opened.offload.submit(.housekeeping) { opened.broker.continueMoves() }
          self.metrics?.serve(
            MetricsEndpoint.Serving(
              broker: opened.broker, server: server, cleaner: cleaner, requestLog: requestLog))
          return RunningNode(opened: opened, server: server, housekeeper: housekeeper, cleaner: cleaner)
        }
        .flatMapError { error in server.abandon().hop(to: loop).flatMapThrowing { throw error } }
    }
  }

  /// Closes the tree and unlocks the directories, and writes nothing, as a crash would.
  private func release(_ opened: OpenedNode) {
    opened.broker.abandonCoordinators()
    opened.broker.controller.closeTree()
    for directory in opened.directories.all { directory.unlock() }
  }

  private func onControlLane<Result: Sendable>(
    _ loop: any EventLoop, _ body: @escaping @Sendable () throws -> Result
  ) -> EventLoopFuture<Result> {
    let promise = loop.makePromise(of: Result.self)
    world.offload.submit(.control) { promise.completeWith(Swift.Result { try body() }) }
    return promise.futureResult
  }
}

/// A node's disk, locked and read.
struct OpenedNode: Sendable {
  let broker: LocalBroker
  let directories: LogDirectories
  let offload: NodeOffload
}

/// A node that serves clients.
package struct RunningNode: Sendable {
  let opened: OpenedNode
  package let server: BrokerServer
  let housekeeper: Housekeeper
  let cleaner: LogCleaner

  package var broker: LocalBroker { opened.broker }
  package var listeners: [any BoundListener] { server.listeners }
  var offload: NodeOffload { opened.offload }
}
