import Cluster
import Coordination
import Logging
import Model
import NIOCore
import Security
import Storage
import Synchronization

extension BrokerServer.Settings {
  /// - Parameter descriptorsMax: of the process. Half of them are left to the logs: a broker without a descriptor left cannot
  ///   roll a segment, and its partitions would go offline because clients opened connections.
  package init(_ config: Config, descriptorsMax: Int) {
    self.init(
      listeners: config.listeners,
      sockets: SocketOptions(
        backlog: config.given[Keys.limits.socketListenBacklog.name] == nil
          ? Limits.listenBacklog : config.socketListenBacklog,
        congestionControl: config.congestionControl,
        sendBufferBytes: config.given["socket.send.buffer.bytes"] == nil ? nil : config.socketSendBufferBytes,
        receiveBufferBytes: config.given["socket.receive.buffer.bytes"] == nil
          ? nil : config.socketReceiveBufferBytes),
      connection: ConnectionLimits(
        requestsInFlight: config.requestsInFlightMax, readPath: ReadPath(config),
        copyBufferBytes: config.readCopyBufferBytes),
      connectionsMax: min(config.connectionsMax, max(1, descriptorsMax / 2)),
      connectionsPerIPMax: config.connectionsPerIPMax,
      connectionsPerIPOverrides: config.connectionsPerIPOverrides, idleMaxMs: config.connectionsIdleMaxMs,
      receiveBufferBytes: config.receiveBufferBytes,
      largeFrameBytesMax: config.queuedRequestBytesMax ?? Limits.largeFrameBytes)
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
  /// Opens every log the tree knows, several at a time, and recovers those that need it; makes those that are not there yet.
  ///
  /// - Parameters:
  ///   - cluster: what the tree says.
  ///   - offload: runs several recoveries at once.
  func openTopics(_ cluster: ClusterState, _ plan: StartPlan, _ offload: any Offload) throws {
    tellOffline(plan)
    tellDamaged()
    tellStrays()
    let known = cluster.topics.values.filter { !$0.isBeingDeleted }.sorted { $0.name < $1.name }
    let configs = Dictionary(
      uniqueKeysWithValues: known.map { topic in
        (topic.name, LogConfig(effectiveConfig(of: topic), flushBeforeAck: config.flushBeforeAck))
      })
    let opened = Mutex<[TopicPartition: Partition]>([:])
    let exhausted = Mutex<DiskError?>(nil)
    let states = Dictionary(uniqueKeysWithValues: known.map { ($0.name, $0) })
    try continueDeletions(plan, cluster)
    for directory in directories.all {
      try directory.openAll(
        threads: config.recoveryThreadsPerDataDir, nowMs: nowMs(),
        parallel: { offload.parallel($0, threads: $1, $2) },
        config: { configs[$0.topic]! },
        lost: { name, path, offsets in
          self.log.error(
            "records are missing: the log ends before what was acknowledged, for its files were lost or damaged",
            metadata: [
              "partition": "\(name)", "file": "\(path)", "first": "\(offsets.lowerBound)",
              "count": "\(offsets.upperBound - offsets.lowerBound)",
            ])
        },
        damaged: { name, damage in
          self.log.warning(
            "a checkpoint of leader epochs is damaged: they are read from the batches",
            metadata: damage.metadata.merging(["partition": "\(name)"]) { $1 })
        },
        hole: { name, hole in
          self.log.error(
            "records are missing: the log skips them, for a file of it was cut, damaged or removed; reads continue behind them",
            metadata: [
              "partition": "\(name)", "file": "\(hole.path)", "first": "\(hole.offsets.lowerBound)",
              "count": "\(hole.offsets.upperBound - hole.offsets.lowerBound)",
            ])
        },
        opened: { log, highWatermark in
          let name = log.partition
          let topic = states[name.topic]!
          let state = topic.partitions[Int(name.partition)]
          let partition = Partition(
            name, topicID: topic.id, log: log, directory: directory, brokerID: self.brokerID,
            replicas: state.replicas, leaderEpoch: state.leaderEpoch, highWatermark: highWatermark)
          opened.withLock { $0[name] = partition }
        },
        failed: { name, error in
          if case .disk(let cause) = error, cause.isOfProcess { return exhausted.withLock { $0 = cause } }
          self.log.error("a partition cannot be opened", metadata: ["partition": "\(name)", "error": "\(error)"])
          let topic = states[name.topic]!
          let state = topic.partitions[Int(name.partition)]
          let partition = Partition(
            name, topicID: topic.id, log: nil, directory: directory, brokerID: self.brokerID,
            replicas: state.replicas, leaderEpoch: state.leaderEpoch)
          opened.withLock { $0[name] = partition }
        })
    }
    // A broker that served what it could open would be short of descriptors at the next segment, too.
    if let cause = exhausted.withLock({ $0 }) {
      let partitions = known.reduce(0) { $0 + $1.partitions.count }
      throw StartRefusal.exhausted(cause, partitions: partitions, descriptors: segmentDescriptors)
    }
    var partitions = opened.withLock { $0 }
    for name in plan.offline { partitions[name] = offlinePartition(name, states[name.topic]!, removed: plan.removed) }
    replicas.adopt(partitions)
    controller.start()
    tellDescriptors()
  }

  /// Tells clients where to connect, by registering this broker in the tree: the advertised address of each listener, with the port it
  /// really got.
  func advertise(_ bound: [any BoundListener], on loop: any EventLoop) -> EventLoopFuture<Void> {
    var announced: [BrokerZNode.Endpoint] = []
    for listener in bound {
      let advertised = config.advertisedListeners.first { $0.name == listener.name }
      let port = advertised.map { $0.port == 0 ? listener.port : $0.port } ?? listener.port
      endpoints.withLock { $0[listener.name] = Endpoint(host: advertised?.host, port: port) }
      announced.append(
        BrokerZNode.Endpoint(
          listener: listener.name,
          securityProtocol: (config.listeners.first { $0.name == listener.name }?.security ?? .plaintext).rawValue,
          host: advertised?.host ?? listener.host ?? "127.0.0.1",
          port: Int32(port)))
    }
    let promise = loop.makePromise(of: Void.self)
    // Kafka waits no longer than a session lasts, either: what is there then is another broker's.
    let waitingMs = Int64(config.zooKeeperSessionTimeoutMs) * 2
    controller.announce(announced, rack: config.rack, waitingMs: waitingMs) { promise.completeWith($0) }
    return promise.futureResult
  }

  /// Closes every log, writes the checkpoints, and marks each directory whose logs all closed well.
  func closeLogs() {
    let now = nowMs()
    let failures = Mutex<[(Partition, PartitionError)]>([])
    checkpoint()
    let partitions = replicas.all.filter { $0.directory?.failure == nil }
    offload.parallel(partitions.count, threads: Limits.flushThreads) { index in
      let partition = partitions[index]
      do throws(PartitionError) {
        try partition.withLog { log, _ throws(PartitionError) in
          do throws(DiskError) { try log.close(nowMs: now) } catch { throw .append(.diskFailed(error)) }
        }
      } catch { failures.withLock { $0.append((partition, error)) } }
    }
    let unclosed = failures.withLock { $0 }.sorted { $0.0.name < $1.0.name }
    tellUnclosed(unclosed)
    let failed = Set(unclosed.compactMap { $0.0.directory?.path })
    checkpoint()
    reportCache()
    for directory in directories.online where !failed.contains(directory.path) {
      do { try directory.closeCleanly() } catch {
        log.error(
          "writing .kafka_cleanshutdown failed", metadata: ["directory": "\(directory.path)", "error": "\(error)"])
      }
    }
    for directory in directories.all { directory.unlock() }
  }

  /// One line for all logs that did not close: with a full disk they are many, for one reason.
  private func tellUnclosed(_ unclosed: [(Partition, PartitionError)]) {
    guard let (first, error) = unclosed.first else { return }
    log.error(
      "logs did not close: the next start of the broker recovers what is in their directories",
      metadata: ["count": "\(unclosed.count)", "first": "\(first.name)", "error": "\(error)"])
  }
}

extension LocalBroker {
  /// Reads the certificates and users of the secured listeners; waits for the disk.
  func openDoors(_ random: @Sendable () -> any RandomNumberGenerator & Sendable) throws(StartRefusal) {
    var doors: [String: ListenerDoor] = [:]
    for listener in config.listeners where listener.security != .plaintext {
      doors[listener.name] = try ListenerDoor(
        listener, config, wallMs: nowMs, random: random(),
        credential: { [metadata] hash, user in
          metadata.clientValues(ConfigZNode.entityPath(.user(user)))[hash.mechanism.rawValue]
            .flatMap { ScramCredential(hash, text: $0) }
        })
    }
    self.doors = doors
    guard !doors.isEmpty else { return }
    do { try peerSecurity.begin(config, Nonces(random())) } catch {
      throw StartRefusal("connections to other brokers: \(error)")
    }
  }

  /// Reads again what has changed of certificates, key sets and users.
  func refreshDoors() {
    for (_, door) in doors.sorted(by: { $0.key < $1.key }) { door.refresh(image.config, log) }
    do { try peerSecurity.refresh(image.config) } catch {
      log.error("connections to other brokers keep their certificates", metadata: ["reason": "\(error)"])
    }
  }
}
