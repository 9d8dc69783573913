import Base
import Client
import Cluster
import Coordination
import Foundation
import Glibc
import Model
import Runner
import Wire

/// Says why a trial could not be carried out; what the cluster did wrong is a figure and no error.
struct TrialError: Error, CustomStringConvertible {
  let description: String
}

/// A cluster of a trial: ZooKeeper and brokers on loopback, fresh, with a session that looks at the z-nodes.
final class TrialCluster {
  private enum Limits {
    static let lookMs = 30_000
    static let answerMs = 120_000
    static let settleSeconds = 180.0
  }

  let local: LocalCluster
  let tree: ZooKeeperTree
  let programs: ProcessRunner.Programs
  let directory: String
  private var connections: [BrokerID: BlockingConnection] = [:]

  /// Starts a cluster, runs `body` and stops what is left of it.
  ///
  /// - Parameter overrides: `key=value` of every broker.
  static func with<Value>(
    brokers: Int, directory: String, overrides: [String], _ body: (TrialCluster) throws -> Value
  ) throws -> Value {
    let programs = ProcessRunner.Programs.beside(OwnProgram.path)
    let place = "\(directory)/cluster"
    // By default as short as the session, which trials make short.
    let patience = ["zookeeper.connection.timeout.ms=\(Limits.lookMs)"]
    let local = try LocalCluster(
      LocalCluster.Settings(
        brokers: brokers, directory: place, hasNamespaces: false, overrides: patience + overrides),
      program: programs.broker, tell: { _ in }, stopRequested: { false })
    // The data are thrown away: nobody waits for brokers that give each other partitions before they end.
    defer {
      for id in local.ids { local.kill(id) }
      local.stop()
    }
    try local.start()
    let tree = try ZooKeeperTree(
      connect: local.zooKeeperAddress, sessionTimeoutMs: Limits.lookMs, makesChroot: false)
    defer { tree.close() }
    let cluster = TrialCluster(local, tree, programs, place)
    try cluster.waitForBrokers(Set(local.ids.map { BrokerID($0) }))
    return try body(cluster)
  }

  private init(_ local: LocalCluster, _ tree: ZooKeeperTree, _ programs: ProcessRunner.Programs, _ directory: String) {
    (self.local, self.tree, self.programs, self.directory) = (local, tree, programs, directory)
  }

  var ids: [BrokerID] { local.ids.map { BrokerID($0) } }
  var living: [BrokerID] { local.ids.filter { local.pid(of: $0) != nil }.map { BrokerID($0) } }

  func endpoint(of id: BrokerID) throws -> Endpoint {
    guard let endpoint = Endpoint(local.address(of: Int(id))) else {
      throw TrialError(description: "broker \(id) has no address")
    }
    return endpoint
  }

  // MARK: Requests

  /// Sends a request to a broker over a connection that is kept; one that broke is made anew by the next call.
  func call<R: Request>(_ request: R, to id: BrokerID, limit: Int16 = .max) throws -> R.Answer {
    let connection: BlockingConnection
    if let kept = connections[id] {
      connection = kept
    } else {
      connection = try BlockingConnection(to: try endpoint(of: id), patienceMs: Limits.answerMs)
    }
    connections[id] = nil
    let answer = try connection.call(request, limit: limit)
    connections[id] = connection
    return answer
  }

  /// What a broker knows of a topic; by default the first that lives.
  func metadata(of topic: String, from id: BrokerID? = nil) throws -> MetadataResponse {
    guard let asked = id ?? living.first else { throw TrialError(description: "no broker lives") }
    return try call(Metadata.request(topic: topic, autoCreate: false), to: asked)
  }

  /// The partitions of a topic by number, as a broker knows them.
  func partitions(of topic: String, from id: BrokerID? = nil) throws -> [MetadataResponse.Partition] {
    let found = try metadata(of: topic, from: id).topics.first { $0.name == topic }
    return (found?.partitions ?? []).sorted { $0.partitionIndex < $1.partitionIndex }
  }

  /// Creates a topic whose replicas are as given, the preferred leader first; returns when all of them are in sync.
  ///
  /// - Returns: milliseconds until then.
  @discardableResult
  func create(_ topic: String, replicas: [[BrokerID]], configs: [(String, String)] = []) throws -> Double {
    try create(
      .with {
        $0.name = topic
        $0.numPartitions = -1
        $0.replicationFactor = -1
        $0.assignments = replicas.enumerated().map { index, brokers in
          .with {
            $0.partitionIndex = Int32(index)
            $0.brokerIDs = brokers
          }
        }
      }, count: replicas.count, configs)
  }

  /// Creates a topic whose replicas the controller places.
  func create(
    _ topic: String, partitions: Int, replicationFactor: Int, configs: [(String, String)] = []
  ) throws {
    try create(
      .with {
        $0.name = topic
        $0.numPartitions = Int32(partitions)
        $0.replicationFactor = Int16(replicationFactor)
      }, count: partitions, configs)
  }

  @discardableResult
  private func create(
    _ topic: CreateTopicsRequest.Topic, count: Int, _ configs: [(String, String)]
  ) throws -> Double {
    var topic = topic
    topic.configs = configs.map { config in
      .with {
        $0.name = config.0
        $0.value = config.1
      }
    }
    var request = CreateTopicsRequest()
    request.timeoutMs = Int32(Limits.answerMs)
    request.topics = [topic]
    let start = Moment.nowMs
    var answer: CreateTopicsResponse.Topic?
    // The broker whose z-node it is may not have read the tree yet.
    _ = try Moment.wait(seconds: 60, everyMs: 50) {
      answer = try call(request, to: try controller()).topics.first
      return answer?.errorCode != .notController
    }
    guard let answer, answer.errorCode == .none else {
      let why = answer.map { "\($0.errorCode) \($0.errorMessage ?? "")" } ?? "no answer"
      throw TrialError(description: "creating \(topic.name): \(why)")
    }
    try waitUntilInSync(topic.name, count: count)
    return Moment.nowMs - start
  }

  /// Returns when every broker knows a leader of each partition of the topic, and all of its replicas as in sync.
  func waitUntilInSync(_ topic: String, count: Int) throws {
    for id in living {
      // Large topics are long answers: no more often than needed.
      let everyMs: Int64 = count > 1000 ? 250 : 20
      let isDone = try Moment.wait(seconds: Limits.settleSeconds, everyMs: everyMs) {
        let found = try partitions(of: topic, from: id)
        return found.count == count
          && found.allSatisfy { $0.leaderID >= 0 && Set($0.isrNodes) == Set($0.replicaNodes) }
      }
      guard isDone else {
        throw TrialError(
          description:
            "broker \(id) does not know \(topic)'s partitions as in sync after \(Int(Limits.settleSeconds)) s")
      }
    }
  }

  // MARK: Z-nodes

  /// The broker that is the controller, as the z-node says.
  func controller() throws -> BrokerID {
    var found: BrokerID?
    let isThere = Moment.wait(seconds: 60) {
      found =
        (try? tree.get(ControllerZNode.path, watch: nil)).flatMap { try? ControllerZNode(data: $0.data) }?
        .brokerID
      return found != nil
    }
    guard isThere, let found else { throw TrialError(description: "there is no controller after 60 s") }
    return found
  }

  /// Returns when these brokers, and no others, are registered, and each knows all of them.
  func waitForBrokers(_ wanted: Set<BrokerID>) throws {
    let isDone = try Moment.wait(seconds: Limits.settleSeconds, everyMs: 20) {
      let registered = Set(try tree.children(of: BrokerZNode.parent, watch: nil).compactMap { BrokerID($0) })
      guard registered == wanted else { return false }
      return try wanted.allSatisfy { id in
        var request = MetadataRequest()
        request.topics = []
        return Set(try call(request, to: id).brokers.map(\.nodeID)) == wanted
      }
    }
    guard isDone else { throw TrialError(description: "the brokers \(wanted.sorted()) do not all live") }
  }

  // MARK: Harm

  /// Kills a broker (-9), and forgets the connection to it.
  func kill(_ id: BrokerID) {
    connections[id] = nil
    local.kill(Int(id))
  }

  /// Has a broker stop in order, and waits for its end.
  func stop(_ id: BrokerID) {
    connections[id] = nil
    local.stop(Int(id))
  }

  /// Starts a broker that has ended; returns when it is registered and takes clients.
  func start(_ id: BrokerID, overrides: [String]? = nil) throws {
    connections[id] = nil
    try local.startAgain(Int(id), overrides: overrides)
    try waitForBrokers(Set(living))
  }

  func signal(_ id: BrokerID, _ number: Int32) {
    if let pid = local.pid(of: Int(id)) { Glibc.kill(pid, number) }
  }
}
