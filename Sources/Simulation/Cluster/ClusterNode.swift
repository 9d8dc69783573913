import Base
import Broker
import Coordination
import Logging
import Model
import NIOCore
import NIOEmbedded

/// One machine of a simulated cluster: its disk, its address, and the node that runs on it or does not.
final class ClusterNode: @unchecked Sendable {
  enum Phase {
    case down, starting, running, stopping
    /// The process is gone, and what it had under way in the simulation ends.
    case dying
  }

  let id: BrokerID
  let host: SimulatedHost
  private(set) var disk: SimulatedDisk
  let offload: SimulatedOffload
  private unowned let cluster: ClusterSimulation
  private var random: SplitMix
  private(set) var phase = Phase.down
  private(set) var node: Node?
  /// When the phase began.
  private(set) var since: NIODeadline
  /// The number of starts.
  private(set) var lives = 0
  /// Whether it is not started again.
  var staysDown = false
  /// The node's wall clock is off by this.
  var clockOffsetMs: Int64 = 0 { didSet { clockOffsetMsMost = max(clockOffsetMsMost, clockOffsetMs) } }
  private(set) var clockOffsetMsMost: Int64 = 0

  init(_ id: BrokerID, _ cluster: ClusterSimulation, seed: UInt64) {
    self.id = id
    self.cluster = cluster
    random = SplitMix(seed: seed)
    disk = SimulatedDisk(seed: random.next())
    offload = SimulatedOffload(loop: cluster.loop, seed: random.next())
    since = cluster.now
    host = SimulatedHost(ClusterSimulation.address(of: id), cluster.network) { [unowned cluster] in cluster.disk(of: $0)
    }
  }

  var name: String { "node \(id)" }
  var running: RunningNode? { phase == .running ? node?.running : nil }

  /// The node's replica of a partition, as far as it has heard of it.
  func replica(of name: TopicPartition) -> Partition? {
    running?.broker.image.named(name.topic)?.partition(name.partition)
  }

  private func enter(_ next: Phase) {
    phase = next
    since = cluster.now
    cluster.trace.note("\(name) is \(next)")
  }

  // MARK: Its life

  func start() {
    guard phase == .down, !staysDown else { return }
    lives += 1
    var overrides = cluster.scenario.configuration
    overrides["broker.id"] = "\(id)"
    overrides["listeners"] = "PLAINTEXT://\(host.name):\(ClusterSimulation.port)"
    let config: Config
    do { config = try Config(overrides: overrides) } catch {
      preconditionFailure("the scenario's configuration is refused: \(error)")
    }
    host.isUp = true
    cluster.network.cameUp(host.name)
    let node = Node(makeWorld(), config, log: Logger(label: name) { _ in ClusterLog(self.name, self.cluster) })
    self.node = node
    enter(.starting)
    node.start().assumeIsolated().whenComplete { [self] result in
      switch result {
      case .success: enter(.running)
      case .failure(let error):
        cluster.trace.note("\(name) does not start: \(error)")
        ended()
        startLater(milliseconds: 300)
      }
    }
  }

  private func makeWorld() -> World {
    var world = World(
      loops: cluster.loop, disk: disk.mount(), pageCache: PageCache(isCold: { _ in false }, warm: { _ in }),
      network: host, offload: offload, descriptorsMax: 10_000,
      wallMs: { [unowned self] in cluster.wallMs + clockOffsetMs },
      random: { [unowned self] in SplitMix(seed: random.next()) })
    world.connectTree = { [unowned self] (_, timeoutMs, _) throws(ZNodeError) in
      try cluster.tree.connect(id, timeoutMs: timeoutMs)
    }
    return world
  }

  /// The process is gone.
  private func ended() {
    host.isUp = false
    disk.kill()
    node = nil
    enter(.down)
  }

  private func startLater(milliseconds: Int) {
    guard !cluster.isOver else { return }
    cluster.after(milliseconds: milliseconds) { [self] in start() }
  }

  private func startAgain() {
    startLater(milliseconds: cluster.isHealing ? 1 : 1 + random.below(cluster.scenario.downMsMax))
  }

  /// Stops in order.
  func stop() {
    guard phase == .running, let node else { return }
    enter(.stopping)
    node.stop().assumeIsolated().whenComplete { [self] result in
      if case .failure(let error) = result { cluster.violation("\(name) does not stop: \(error)") }
      cluster.network.wentDown(host.name, isMachine: false)
      cluster.tree.forget(id)
      ended()
      startAgain()
    }
  }

  enum Crash { case process, power, emptyDisk }

  func crash(_ crash: Crash) {
    guard phase == .running, let node else { return }
    enter(.dying)
    host.isUp = false
    cluster.network.wentDown(host.name, isMachine: crash != .process)
    cluster.tree.died(id)
    switch crash {
    case .process: disk.kill()
    case .power: disk.losePower()
    case .emptyDisk: disk.kill()
    }
    node.abandon().assumeIsolated().whenComplete { [self] _ in
      ended()
      if case .emptyDisk = crash { disk = SimulatedDisk(seed: random.next()) }
      startAgain()
    }
  }
}

/// Writes a node's log into the trace.
struct ClusterLog: LogHandler {
  private let name: String
  private let cluster: ClusterSimulation
  var logLevel: Logger.Level = .info
  var metadata: Logger.Metadata = [:]

  init(_ name: String, _ cluster: ClusterSimulation) {
    self.name = name
    self.cluster = cluster
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let details = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    cluster.trace.note("\(name) log \(event.level): \(event.message) \(details.joined(separator: " "))")
  }
}
