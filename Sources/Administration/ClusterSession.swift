import Base
import Client
import Model
import Security
import Wire

/// A cluster that administrative commands speak to: a connection to a bootstrap broker and to each broker that a request must
/// reach, and the brokers as the cluster names them.
package struct ClusterSession: Sendable {
  let admin: Admin
  /// The brokers by rising id.
  let brokers: [Metadata.Broker]
  /// Nil where the cluster names none.
  let controller: Metadata.Broker?

  /// Connects, runs `body`, and closes the connections, whatever becomes of it.
  ///
  /// - Parameters:
  ///   - servers: HOST:PORT,HOST:PORT,…
  ///   - commandConfig: the path of a file of client properties, which say how connections are secured.
  package static func with<Value: Sendable>(
    _ servers: String, commandConfig: String? = nil, _ body: (ClusterSession) async throws -> Value
  ) async throws -> Value {
    guard let endpoints = Endpoint.list(servers) else {
      throw AdministrationError.argument("\(servers): HOST:PORT,HOST:PORT,… is needed")
    }
    var options = ConnectionOptions(now: { Clocks.monotonicNs() })
    if let commandConfig {
      do throws(SecurityError) { options.security = try CommandConfig.security(commandConfig) } catch {
        throw AdministrationError.argument("\(error)")
      }
    }
    return try await Admin.with(endpoints, options) { admin -> Result<Value, any Error> in
      do { return .success(try await body(try await ClusterSession(admin))) } catch { return .failure(error) }
    }.get()
  }

  init(_ admin: Admin) async throws(ClientError) {
    self.admin = admin
    var request = MetadataRequest()
    request.topics = []
    request.allowAutoTopicCreation = false
    let answer = try await admin.call(request)
    brokers = answer.brokers.map { Metadata.Broker($0) }.sorted { $0.id < $1.id }
    controller = brokers.first { $0.id == answer.controllerID }
  }

  // MARK: Requests

  /// Sends a request to a broker, or to the bootstrap broker.
  ///
  /// - Parameter limit: the highest version that the caller can fill in.
  func call<R: Request>(
    _ request: R, to broker: Metadata.Broker? = nil, limit: Int16 = .max
  ) async throws(ClientError) -> R.Answer {
    try await admin.call(request, to: broker, limit: limit)
  }

  /// As `call`; nil from a broker that does not have the API.
  func callIfServed<R: Request>(_ request: R, to broker: Metadata.Broker?) async throws(ClientError) -> R.Answer? {
    do throws(ClientError) {
      return try await call(request, to: broker)
    } catch {
      guard case .noCommonVersion = error else { throw error }
      return nil
    }
  }

  /// Sends a change of topics: before KRaft only the controller carries it out.
  func callController<R: Request>(_ request: R) async throws(ClientError) -> R.Answer {
    try await call(request, to: controller)
  }

  func broker(_ id: BrokerID) throws(AdministrationError) -> Metadata.Broker {
    if let broker = brokers.first(where: { $0.id == id }) { return broker }
    let known = brokers.map { "\($0.id)" }.joined(separator: ", ")
    throw AdministrationError("the cluster has no broker \(id): its brokers are \(known)")
  }

  // MARK: Coordinators

  /// Runs `body` with the broker that coordinates `key`, again while the coordinator is starting, loading or moving.
  ///
  /// - Parameter body: throws what the coordinator refused as `ClientError.refused`.
  func withCoordinator<Value>(
    of key: String, _ type: CoordinatorLookup.KeyType, _ body: (Metadata.Broker) async throws -> Value
  ) async throws -> Value {
    for _ in 1..<Limits.coordinatorAttempts {
      do {
        return try await body(try await coordinator(of: key, type))
      } catch ClientError.refused(_, _, let code, _) where Self.isOfCoordinator(code) {
        try await Task.sleep(for: .milliseconds(Limits.coordinatorPauseMs))
      }
    }
    return try await body(try await coordinator(of: key, type))
  }

  private static func isOfCoordinator(_ code: ErrorCode) -> Bool {
    [.coordinatorLoadInProgress, .coordinatorNotAvailable, .notCoordinator].contains(code)
  }

  private func coordinator(of key: String, _ type: CoordinatorLookup.KeyType) async throws(ClientError)
    -> Metadata.Broker
  {
    let answer = try await call(CoordinatorLookup.request(key, type))
    return try CoordinatorLookup.read(answer, key, from: admin.endpoint).get()
  }

  /// Throws what a broker refused.
  func check(
    _ code: ErrorCode, message: String? = nil, _ what: String, by broker: Metadata.Broker? = nil
  ) throws(ClientError) {
    guard code != .none else { return }
    throw .refused(broker?.endpoint ?? admin.endpoint, what: what, code: code, message: message)
  }

  // MARK: Leaders

  /// The partitions of topics by their leaders, in the order of the leaders' ids. Partitions without a leader, and those of
  /// topics that do not exist, are left out.
  func byLeader(
    _ partitions: some Sequence<TopicPartition>
  ) async throws(ClientError) -> [(leader: Metadata.Broker, partitions: [TopicPartition])] {
    let wanted = Set(partitions)
    var request = MetadataRequest()
    request.topics = Set(wanted.map(\.topic)).sorted().map { name in .with { $0.name = name } }
    request.allowAutoTopicCreation = false
    let answer = try await call(request)
    var led: [BrokerID: [TopicPartition]] = [:]
    for topic in answer.topics {
      for partition in topic.partitions {
        let name = TopicPartition(topic.name ?? "", partition.partitionIndex)
        if wanted.contains(name) { led[partition.leaderID, default: []].append(name) }
      }
    }
    let known = answer.brokers.map { Metadata.Broker($0) }.sorted { $0.id < $1.id }
    return known.compactMap { broker in led[broker.id].map { (broker, $0.sorted()) } }
  }
}

extension Metadata.Broker {
  init(_ broker: MetadataResponse.Broker) {
    self.init(id: broker.nodeID, endpoint: Endpoint(host: broker.host, port: Int(broker.port)))
  }
}

/// The partitions of a list by topic, each topic once, in the order of names: requests name topics so.
struct PartitionsByTopic {
  let topics: [(name: String, partitions: [Int32])]

  init(_ partitions: some Sequence<TopicPartition>) {
    topics = Dictionary(grouping: Set(partitions), by: \.topic).sorted { $0.key < $1.key }
      .map { ($0.key, $0.value.map(\.partition).sorted()) }
  }
}
