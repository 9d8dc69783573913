import Base
import Broker
import Model
import NIOCore
import Wire

/// A client of a simulated cluster: knows the partitions' leaders from Metadata, and has a connection to each node that it needs.
final class ClusterClient: @unchecked Sendable {
  struct Leader: Equatable {
    var broker: BrokerID
    var epoch: LeaderEpoch
  }

  let name: String
  private let cluster: ClusterSimulation
  private var random: SplitMix
  private var connections: [BrokerID: SimulatedClient] = [:]
  private(set) var leaders: [TopicPartition: Leader] = [:]
  private var isAsking = false
  private var whenAsked: [() -> Void] = []

  /// Milliseconds after which a connection whose oldest request has no response is given up.
  private let timeoutMs: Int64

  init(_ name: String, _ cluster: ClusterSimulation, seed: UInt64, timeoutMs: Int64 = 4_000) {
    self.name = name
    self.timeoutMs = timeoutMs
    self.cluster = cluster
    random = SplitMix(seed: seed)
  }

  private func connection(to broker: BrokerID) -> SimulatedClient {
    if let known = connections[broker] { return known }
    let made = SimulatedClient("\(name) at \(broker)", cluster) { [cluster] in
      let host = ClusterSimulation.address(of: broker)
      return cluster.network.dial(
        from: ClusterSimulation.clients, to: host, port: ClusterSimulation.port, disk: cluster.disk(of: host))
    }
    connections[broker] = made
    return made
  }

  /// Asks one node.
  func ask<R: Request>(
    _ request: R, to broker: BrokerID, version: Int16, then: @escaping (Result<R.Answer, NoAnswer>) -> Void
  ) {
    let connection = connection(to: broker)
    guard connection.connect() else { return then(.failure(.notConnected)) }
    connection.ask(request, version: version, then: then)
  }

  /// A node to ask about the others.
  func pickNode() -> BrokerID { BrokerID(1 + random.below(ClusterScenario.brokers)) }

  /// Asks a node for the partitions' leaders. As Kafka's clients do, it keeps what it knows of a later leader epoch.
  func refresh(then: @escaping () -> Void) {
    whenAsked.append(then)
    guard !isAsking else { return }
    isAsking = true
    var request = MetadataRequest()
    request.topics = cluster.scenario.topics.map { topic in
      var wanted = MetadataRequest.Topic()
      wanted.name = topic.name
      return wanted
    }
    request.allowAutoTopicCreation = false
    ask(request, to: pickNode(), version: 9) { [self] result in
      if case .success(let answer) = result { take(answer) }
      isAsking = false
      let told = whenAsked
      whenAsked = []
      for body in told { body() }
    }
  }

  private func take(_ answer: MetadataResponse) {
    for topic in answer.topics where topic.errorCode == .none {
      for found in topic.partitions {
        let partition = TopicPartition(topic.name ?? "", found.partitionIndex)
        if let known = leaders[partition], known.epoch > found.leaderEpoch { continue }
        leaders[partition] = Leader(broker: found.leaderID, epoch: found.leaderEpoch)
      }
    }
  }

  /// Gives up connections whose requests get no response.
  func checkTimeouts() {
    for broker in connections.keys.sorted() {
      guard let connection = connections[broker], let sent = connection.oldestSent,
        cluster.now - sent > .milliseconds(timeoutMs)
      else { continue }
      cluster.trace.note("\(connection.name) gets no response")
      connection.breakConnection()
    }
  }

  func breakConnections() { for broker in connections.keys.sorted() { connections[broker]?.breakConnection() } }

  func leave() { for broker in connections.keys.sorted() { connections[broker]?.leave() } }
}
