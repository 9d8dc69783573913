package import Model
package import NIOCore
import NIOPosix
package import Wire

/// Sends administrative requests: metadata, topics, offsets, producer ids. Usable from any task.
///
/// An `Admin` holds one connection to the first bootstrap address that answers, and one to each broker that a request names.
package actor Admin {
  /// The bootstrap address that answered.
  package nonisolated let endpoint: Endpoint
  private let options: ConnectionOptions
  private let group: any EventLoopGroup
  private let bootstrap: NIOLoopBound<BrokerConnection>
  private var brokers: [BrokerID: NIOLoopBound<BrokerConnection>] = [:]

  private init(
    _ bootstrap: NIOLoopBound<BrokerConnection>, at endpoint: Endpoint, _ group: any EventLoopGroup,
    _ options: ConnectionOptions
  ) {
    self.bootstrap = bootstrap
    self.endpoint = endpoint
    self.group = group
    self.options = options
  }

  /// Connects to the first of `endpoints` that answers.
  ///
  /// - Throws: the `ClientError` of the last endpoint when none answers.
  package static func connect(
    to endpoints: [Endpoint], on group: any EventLoopGroup, _ options: ConnectionOptions
  ) async throws(ClientError) -> Admin {
    precondition(!endpoints.isEmpty, "no bootstrap address")
    var last: ClientError?
    for endpoint in endpoints {
      do {
        return Admin(try await open(endpoint, on: group.next(), options), at: endpoint, group, options)
      } catch {
        last = error
      }
    }
    throw last!
  }

  /// Runs `body` with a connection to the first of `endpoints` that answers, on an event loop of its own; both have ended when this
  /// returns.
  package static func with<Value: Sendable>(
    _ endpoints: [Endpoint], _ options: ConnectionOptions, _ body: (Admin) async -> Value
  ) async throws(ClientError) -> Value {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let outcome: Result<Value, ClientError>
    do throws(ClientError) {
      let admin = try await connect(to: endpoints, on: group, options)
      outcome = .success(await body(admin))
      await admin.close()
    } catch {
      outcome = .failure(error)
    }
    // A failed shutdown of the event loop loses nothing.
    try? await group.shutdownGracefully()
    return try outcome.get()
  }

  package func close() {
    for connection in [bootstrap] + brokers.values {
      connection.eventLoop.execute { connection.value.close() }
    }
    brokers = [:]
  }

  /// Sends a request to the bootstrap broker, or to `broker`, and awaits the response.
  ///
  /// - Parameter limit: the highest version that the caller can fill in.
  package func call<R: Request>(
    _ request: R, to broker: Metadata.Broker? = nil, limit: Int16 = .max
  ) async throws(ClientError) -> R.Answer {
    let connection: NIOLoopBound<BrokerConnection>
    if let broker {
      connection = try await self.connection(to: broker)
    } else {
      connection = bootstrap
    }
    let result = await withCheckedContinuation { (done: CheckedContinuation<Result<R.Answer, ClientError>, Never>) in
      connection.eventLoop.execute {
        connection.value.send(request, limit: limit) { done.resume(returning: $0) }
        connection.value.flush()
      }
    }
    return try result.get()
  }

  private func connection(to broker: Metadata.Broker) async throws(ClientError) -> NIOLoopBound<BrokerConnection> {
    if let known = brokers[broker.id] { return known }
    let opened = try await Self.open(broker.endpoint, on: group.next(), options)
    brokers[broker.id] = opened
    return opened
  }

  private static func open(
    _ endpoint: Endpoint, on eventLoop: any EventLoop, _ options: ConnectionOptions
  ) async throws(ClientError) -> NIOLoopBound<BrokerConnection> {
    let result = await withCheckedContinuation {
      (done: CheckedContinuation<Result<NIOLoopBound<BrokerConnection>, ClientError>, Never>) in
      eventLoop.execute {
        BrokerConnection.connect(to: endpoint, on: eventLoop, options) { result in
          done.resume(returning: result.map { NIOLoopBound($0, eventLoop: eventLoop) })
        }
      }
    }
    return try result.get()
  }
}

/// Holds the leaders of a topic's partitions, from one Metadata response.
package struct Metadata: Sendable {
  package struct Broker: Hashable, Sendable {
    package var id: BrokerID
    package var endpoint: Endpoint

    package init(id: BrokerID, endpoint: Endpoint) {
      self.id = id
      self.endpoint = endpoint
    }
  }

  package struct Partition: Hashable, Sendable {
    package var index: Int32
    package var leader: Broker
    package var leaderEpoch: LeaderEpoch

    package init(index: Int32, leader: Broker, leaderEpoch: LeaderEpoch) {
      self.index = index
      self.leader = leader
      self.leaderEpoch = leaderEpoch
    }
  }

  package var topic: String
  package var topicID: UUID128
  /// The partitions by index, from 0; each has a leader.
  package var partitions: [Partition]
  /// The brokers that are alive, leaders or not; only the leaders where nobody has said more.
  package private(set) var brokers: [Broker]

  package init(topic: String, topicID: UUID128, partitions: [Partition]) {
    self.topic = topic
    self.topicID = topicID
    self.partitions = partitions
    brokers = partitions.reduce(into: []) { if !$0.contains($1.leader) { $0.append($1.leader) } }
  }

  /// - Throws: `.refused` with the topic's error, or with LEADER_NOT_AVAILABLE when a partition has no leader.
  package init(_ response: MetadataResponse, topic: String, from endpoint: Endpoint) throws(ClientError) {
    let what = "metadata of topic '\(topic)'"
    guard let found = response.topics.first(where: { $0.name == topic }) else {
      throw .refused(endpoint, what: what, code: .unknownTopicOrPartition, message: nil)
    }
    guard found.errorCode == .none else {
      throw .refused(endpoint, what: what, code: found.errorCode, message: nil)
    }
    var brokers: [BrokerID: Broker] = [:]
    for broker in response.brokers {
      brokers[broker.nodeID] = Broker(
        id: broker.nodeID, endpoint: Endpoint(host: broker.host, port: Int(broker.port)))
    }
    var partitions: [Partition] = []
    for partition in found.partitions.sorted(by: { $0.partitionIndex < $1.partitionIndex }) {
      guard let leader = brokers[partition.leaderID] else {
        throw .refused(
          endpoint, what: what, code: .leaderNotAvailable, message: "partition \(partition.partitionIndex)")
      }
      partitions.append(
        Partition(index: partition.partitionIndex, leader: leader, leaderEpoch: partition.leaderEpoch))
    }
    self.init(topic: topic, topicID: found.topicID, partitions: partitions)
    self.brokers = brokers.values.sorted { $0.id < $1.id }
  }

  /// The brokers in an order that begins with another one for each number, so that one that does not answer is not always asked first.
  package func brokers(from number: Int) -> ArraySlice<Broker> {
    let first = number % max(1, brokers.count)
    return brokers[first...] + brokers[..<first]
  }

  package static func request(topic: String, autoCreate: Bool) -> MetadataRequest {
    var request = MetadataRequest()
    request.topics = [.with { $0.name = topic }]
    request.allowAutoTopicCreation = autoCreate
    return request
  }
}
