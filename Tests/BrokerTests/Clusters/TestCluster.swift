import Base
import Cluster
import Coordination
import Model
import Storage
import Synchronization
import Testing
import Wire

@testable import Broker

/// Brokers of one cluster in this process, with real sockets and directories, and a z-node tree in memory.
final class TestCluster {
  let tree = SharedTree(now: Clocks.wallMs)
  private let directory: String
  private let overrides: [String: String]
  private let own: (BrokerID) -> [String: String]
  private(set) var brokers: [BrokerID: TestBroker] = [:]
  /// The session of each broker, the last one.
  private let sessions = Sessions()

  private final class Sessions: Sendable {
    let last = Mutex<[BrokerID: SharedSession]>([:])
  }

  /// - Parameter own: returns the values of one broker alone.
  init(in directory: String, _ overrides: [String: String], own: @escaping (BrokerID) -> [String: String]) {
    self.directory = directory
    self.overrides = overrides
    self.own = own
  }

  /// How long a state is waited for that the brokers reach by themselves.
  private static let patienceMs: Int64 = 30_000

  func start(_ id: BrokerID, disk: any Disk = RealDisk()) throws {
    let tree = tree
    var values = [
      "broker.id": "\(id)", "zookeeper.connect": "memory", "controlled.shutdown.retry.backoff.ms": "100",
      "replica.fetch.wait.max.ms": "100", "replica.fetch.backoff.ms": "50", "replica.lag.time.max.ms": "2000",
      "offsets.topic.replication.factor": "3", "transaction.state.log.replication.factor": "3",
    ]
    values.merge(overrides) { $1 }
    values.merge(own(id)) { $1 }
    // Given as names: each broker has directories of its own.
    if let names = values["log.dirs"]?.split(separator: ",") {
      values["log.dirs"] = names.map { "\(directory)/\(id)/\($0)" }.joined(separator: ",")
    }
    brokers[id] = try TestBroker.start(in: "\(directory)/\(id)", values, disk: disk) { [sessions] _, _, _ in
      let session = tree.connect()
      sessions.last.withLock { $0[id] = session }
      return session
    }
  }

  /// Stops a broker in order.
  func stop(_ id: BrokerID) { brokers.removeValue(forKey: id)?.running.stop() }

  /// Ends a broker as a crash does; its session ends at once.
  func crash(_ id: BrokerID) { brokers.removeValue(forKey: id)?.running.abandon() }

  func stopAll() { for id in brokers.keys.sorted() { stop(id) } }

  /// Cuts a broker from the tree, or mends that; the session lasts.
  func cutFromTree(_ id: BrokerID, _ isCut: Bool) {
    guard let session = sessions.last.withLock({ $0[id] }) else { return }
    isCut ? tree.cut(session) : tree.mend(session)
  }

  /// Ends a broker's session, as the ensemble does when it has not heard of the broker for too long.
  func expireSession(of id: BrokerID) {
    if let session = sessions.last.withLock({ $0[id] }) { tree.expire(session) }
  }

  /// Cuts a broker off from the tree, until its session ends: its calls fail, and it hears of nothing.
  func cut(_ id: BrokerID) {
    if let session = sessions.last.withLock({ $0[id] }) { tree.cut(session) }
  }

  func broker(_ id: BrokerID) throws -> TestBroker { try #require(brokers[id], "broker \(id) does not run") }
  func connect(to id: BrokerID) throws -> TestClient { try broker(id).connect() }

  /// The broker that is the controller as every other one knows it too.
  func controller() throws -> BrokerID {
    var found: Set<BrokerID> = []
    try waitUntil("all agree on the controller") {
      found = Set(brokers.values.map(\.broker.image.controllerID))
      return found.count == 1 && !found.contains(-1)
    }
    return try #require(found.first)
  }

  /// The leader of a partition as one broker knows it; -1 for none.
  func leader(of topic: String, _ partition: Int = 0, at id: BrokerID) throws -> BrokerID {
    let states = try broker(id).broker.image.named(topic)?.description.partitions ?? []
    return states.indices.contains(partition) ? states[partition].leader : -1
  }

  /// The in-sync replicas of a partition as one broker knows them, rising.
  func inSync(_ topic: String, _ partition: Int = 0, at id: BrokerID) throws -> [BrokerID] {
    let states = try broker(id).broker.image.named(topic)?.description.partitions ?? []
    return states.indices.contains(partition) ? states[partition].inSyncReplicas.sorted() : []
  }

  /// Creates a topic by way of the controller.
  func createTopic(_ name: String, partitions: Int32, replicas: Int16, _ configs: [String: String] = [:]) throws {
    var topic = CreateTopicsRequest.Topic()
    topic.name = name
    topic.numPartitions = partitions
    topic.replicationFactor = replicas
    topic.configs = configs.map { name, value in .with { ($0.name, $0.value) = (name, value) } }
    var request = CreateTopicsRequest()
    request.topics = [topic]
    let answer = try connect(to: try controller()).ask(request, version: 7)
    try #require(answer.topics.first?.errorCode == ErrorCode.none, "\(answer.topics.first?.errorMessage ?? "")")
    try waitUntil("every broker shows \(name)") {
      brokers.values.allSatisfy { $0.broker.image.named(name)?.partitions.count == Int(partitions) }
    }
  }

  func waitUntil(_ what: String, _ isTrue: () throws -> Bool) throws {
    let deadline = Clocks.wallMs() + Self.patienceMs
    while try !isTrue() {
      let lines = brokers.sorted { $0.key < $1.key }.flatMap { id, broker in
        broker.lines.all.suffix(15).map { "\(id): \($0)" }
      }
      try #require(
        Clocks.wallMs() < deadline, "not within \(Self.patienceMs) ms: \(what)\n\(lines.joined(separator: "\n"))")
      Clocks.nap(milliseconds: 5)
    }
  }
}

/// Runs `body` with a cluster of brokers 1 to `count`, which are stopped afterwards.
///
/// - Parameter own: returns the values of one broker alone.
func withCluster(
  _ count: Int, _ overrides: [String: String] = [:], own: @escaping (BrokerID) -> [String: String] = { _ in [:] },
  disk: (BrokerID) -> any Disk = { _ in RealDisk() },
  _ body: (TestCluster) throws -> Void
) throws {
  try withDirectory { directory in
    let cluster = TestCluster(in: directory, overrides, own: own)
    defer { cluster.stopAll() }
    for id in 1...BrokerID(count) { try cluster.start(id, disk: disk(id)) }
    try cluster.waitUntil("every broker knows every other one") {
      cluster.brokers.values.allSatisfy { $0.broker.image.brokers.count == count }
    }
    try body(cluster)
  }
}
