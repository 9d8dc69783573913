import Cluster
import Coordination
package import Logging
import Model
import NIOCore
import NIOPosix
import Storage
import Synchronization

/// A broker from its configuration to its end: the order of things at start and stop.
///
/// Start: lock the directories, read the tree, recover the logs (in parallel), then listen. Stop: listen no more, let
/// requests in flight finish, flush and close every log, write the checkpoints, and last the clean mark.
package final class RunningBroker: Sendable {
  package let broker: LocalBroker
  package let server: BrokerServer
  package let listeners: [BrokerServer.Bound]
  private let tree: EmbeddedTree
  private let group: MultiThreadedEventLoopGroup
  private let flushPool: NIOThreadPool
  private let coldReads: ColdReads?
  private let housekeeper: Housekeeper
  private let directories: LogDirectories
  private let log: Logger

  private init(
    broker: LocalBroker, server: BrokerServer, listeners: [BrokerServer.Bound], tree: EmbeddedTree,
    group: MultiThreadedEventLoopGroup, flushPool: NIOThreadPool, coldReads: ColdReads?, housekeeper: Housekeeper,
    directories: LogDirectories, log: Logger
  ) {
    self.broker = broker
    self.server = server
    self.listeners = listeners
    self.tree = tree
    self.group = group
    self.flushPool = flushPool
    self.coldReads = coldReads
    self.housekeeper = housekeeper
    self.directories = directories
    self.log = log
  }

  /// Starts a broker and returns when it accepts connections.
  ///
  /// - Parameter cache: the page cache, or what stands for it in a test.
  package static func start(
    _ config: Config, log: Logger, cache: ColdReads.Cache = ColdReads.Cache()
  ) throws -> RunningBroker {
    let directories = try LogDirectories(config)
    let tree = try EmbeddedTree(directory: config.logDirs[0], now: WallClock.nowMs)
    let before = directories.all.compactMap(\.identity).first
    let registry = try TopicRegistry(
      tree: tree, config: config,
      before: TopicRegistry.Identity(brokerID: before?.brokerID, clusterID: before?.clusterID),
      nowMs: WallClock.nowMs, random: SystemRandomNumberGenerator())
    for directory in directories.all {
      try directory.confirm(LogDirectory.Identity(brokerID: registry.brokerID, clusterID: registry.clusterID))
    }
    let flushPool = NIOThreadPool(numberOfThreads: Limits.flushThreads)
    flushPool.start()
    // The broker's own cache is read past the page cache: nothing would ever be in it.
    let coldReads = config.cache == .page ? ColdReads(cache) : nil
    let group = MultiThreadedEventLoopGroup(numberOfThreads: config.numNetworkThreads)
    do {
      let broker = LocalBroker(
        config: config, registry: registry, directories: directories, flushPool: flushPool, log: log,
        nowMs: WallClock.nowMs)
      try broker.openTopics()
      let server = try BrokerServer(
        settings: BrokerServer.Settings(config), group: group, service: broker.makeHandlerTable(),
        coldReads: coldReads, log: log)
      let listeners = try server.bind()
      try broker.advertise(listeners)
      try server.accept()
      let housekeeper = Housekeeper(broker)
      housekeeper.start()
      return RunningBroker(
        broker: broker, server: server, listeners: listeners, tree: tree, group: group, flushPool: flushPool,
        coldReads: coldReads, housekeeper: housekeeper, directories: directories, log: log)
    } catch {
      coldReads?.stop()
      try? group.syncShutdownGracefully()
      try? flushPool.syncShutdownGracefully()
      for directory in directories.all { directory.unlock() }
      throw error
    }
  }

  /// Stops in order; returns when nothing of the broker runs any more. Call once.
  package func stop() {
    server.stop(releasing: broker.releaseParkedFetches)
    coldReads?.stop()
    housekeeper.stop()
    try? group.syncShutdownGracefully()
    try? flushPool.syncShutdownGracefully()
    broker.closeLogs()
    tree.close()
  }

  /// Stops as a crash would, as far as a process can do that to itself: no checkpoint, no mark. For tests.
  package func abandon() {
    server.stop(releasing: broker.releaseParkedFetches)
    coldReads?.stop()
    housekeeper.stop()
    try? group.syncShutdownGracefully()
    try? flushPool.syncShutdownGracefully()
    tree.close()
    for directory in directories.all { directory.unlock() }
  }
}

extension BrokerServer.Settings {
  package init(_ config: Config) {
    self.init(
      listeners: config.listeners, backlog: config.socketListenBacklog,
      connection: ConnectionLimits(
        requestsInFlight: config.requestsInFlightMax, readPath: ReadPath(config)),
      connectionsMax: min(config.connectionsMax, DescriptorLimit.connectionsMax),
      connectionsPerIPMax: config.connectionsPerIPMax,
      connectionsPerIPOverrides: config.connectionsPerIPOverrides, idleMaxMs: config.connectionsIdleMaxMs,
      receiveBufferBytes: config.receiveBufferBytes,
      largeFrameBytesMax: config.queuedRequestBytesMax ?? Limits.largeFrameBytes,
      congestionControl: config.congestionControl,
      sendBufferBytes: config.given["socket.send.buffer.bytes"] == nil ? nil : config.socketSendBufferBytes,
      socketReceiveBufferBytes: config.given["socket.receive.buffer.bytes"] == nil
        ? nil : config.socketReceiveBufferBytes)
  }
}

extension ReadPath {
  init(_ config: Config) {
    switch config.readPath {
    case .sendfile: self = .sendfile
    case .copy: self = .copy(bufferBytes: config.readCopyBufferBytes)
    case .mmap: self = .mmap
    }
  }
}

extension LocalBroker {
  /// Opens every log the tree knows, several at a time, and recovers those that need it. A directory of a topic that the
  /// tree does not know (deleted while the rename failed) is set aside, never opened.
  func openTopics() throws {
    let known = registry.topics
    let configs = Dictionary(
      uniqueKeysWithValues: known.map { topic in
        (topic.name, LogConfig(effectiveConfig(of: topic), flushBeforeAck: config.flushBeforeAck))
      })
    let opened = Mutex<[TopicPartition: Partition]>([:])
    let states = Dictionary(uniqueKeysWithValues: known.map { ($0.name, $0) })
    for directory in directories.all {
      try setAsideStrays(in: directory, states)
      try directory.openAll(
        threads: config.recoveryThreadsPerDataDir, nowMs: nowMs(),
        config: { configs[$0.topic]! },
        opened: { log, _ in
          let name = log.partition
          let topic = states[name.topic]!
          let partition = Partition(
            name, topicID: topic.id, log: log, directory: directory,
            leaderEpoch: topic.partitions[Int(name.partition)].leaderEpoch)
          opened.withLock { $0[name] = partition }
        },
        failed: { name, error in
          self.log.error("a partition cannot be opened", metadata: ["partition": "\(name)", "error": "\(error)"])
          let topic = states[name.topic]!
          let partition = Partition(
            name, topicID: topic.id, log: nil, directory: directory,
            leaderEpoch: topic.partitions[Int(name.partition)].leaderEpoch)
          opened.withLock { $0[name] = partition }
        })
    }
    let partitions = opened.withLock { $0 }
    for topic in known { install(topic, reusing: partitions) }
    for topic in registry.unfinishedDeletions { try registry.finishDelete(topic.name) }
  }

  /// A deletion that was begun goes on; anything else that the tree does not know is set aside, never removed.
  private func setAsideStrays(in directory: LogDirectory, _ known: [String: TopicDescription]) throws {
    let deleted = Dictionary(uniqueKeysWithValues: registry.unfinishedDeletions.map { ($0.name, $0) })
    for name in try directory.list() {
      if let topic = known[name.topic], Int(name.partition) < topic.partitions.count { continue }
      if let topic = deleted[name.topic] {
        let delayMs = effectiveConfig(of: topic).fileDeleteDelayMs
        try directory.delete(name, delayMs: delayMs, nowMs: nowMs())
      } else if let kept = try directory.setAside(name, nowMs: nowMs()) {
        log.warning(
          "a partition of no known topic is set aside", metadata: ["partition": "\(name)", "kept": "\(kept)"])
      }
    }
  }

  /// Tells clients where to connect: the advertised address of each listener, with the port it really got.
  func advertise(_ bound: [BrokerServer.Bound]) throws {
    var announced: [BrokerZNode.Endpoint] = []
    for listener in bound {
      let advertised = config.advertisedListeners.first { $0.name == listener.name }
      let port = advertised.map { $0.port == 0 ? listener.port : $0.port } ?? listener.port
      endpoints.withLock { $0[listener.name] = Endpoint(host: advertised?.host, port: port) }
      announced.append(
        BrokerZNode.Endpoint(
          listener: listener.name, securityProtocol: "PLAINTEXT",
          host: advertised?.host ?? listener.host ?? "127.0.0.1",
          port: Int32(port)))
    }
    try registry.announce(announced)
  }

  /// Closes every log, writes the checkpoints, and marks each directory whose logs all closed well.
  func closeLogs() {
    let now = nowMs()
    var failed: Set<String> = []
    checkpoint()
    for topic in topics.all {
      for partition in topic.partitions {
        do throws(PartitionError) {
          try partition.withLog { log, _ throws(PartitionError) in
            do throws(DiskError) { try log.close(nowMs: now) } catch { throw .append(.diskFailed(error)) }
          }
        } catch {
          log.error("a log did not close", metadata: ["partition": "\(partition.name)", "error": "\(error)"])
          if let directory = partition.directory { failed.insert(directory.path) }
        }
      }
    }
    checkpoint()
    reportCache()
    for directory in directories.all where !failed.contains(directory.path) {
      do { try directory.closeCleanly() } catch {
        log.error("no clean mark", metadata: ["directory": "\(directory.path)", "error": "\(error)"])
      }
    }
    for directory in directories.all { directory.unlock() }
  }
}
