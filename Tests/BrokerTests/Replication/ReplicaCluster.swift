import Base
import Cluster
import Dispatch
import Model
import NIOCore
import Storage
import Synchronization
import Testing
import Wire

@testable import Broker

/// Brokers in this process that replicate the topic `t` among them. Each has a tree of its own; the test is their controller. Requests
/// between them pass through a `Switchboard`, as bytes, without sockets.
final class ReplicaCluster {
  static let topicID = TopicID(high: 7, low: 7)
  let switchboard = Switchboard()
  private let path: String
  private let keys: [String: String]
  private(set) var nodes: [BrokerID: TestBroker] = [:]
  private var fetchers: [BrokerID: ReplicaFetchers] = [:]
  private let state: Controlled

  /// The controller's state of each partition.
  final class Controlled: Sendable {
    let partitions: Mutex<[Int32: PartitionDescription]>
    /// Whether it refuses every change of an ISR.
    let refusal = Mutex<ErrorCode?>(nil)

    init(_ count: Int32, _ replicas: [BrokerID]) {
      var partitions: [Int32: PartitionDescription] = [:]
      for index in 0..<count {
        partitions[index] = PartitionDescription(
          replicas: replicas, leader: -1, leaderEpoch: 0, inSyncReplicas: replicas)
      }
      self.partitions = Mutex(partitions)
    }

    func change(_ asked: Controller.ISRChange) -> Controller.Outcome {
      if let code = refusal.withLock({ $0 }) { return .refused(ApiError(code, "refused")) }
      return partitions.withLock { partitions in
        guard var partition = partitions[asked.name.partition], partition.leaderEpoch == asked.leaderEpoch else {
          return .refused(ApiError(.fencedLeaderEpoch, "another leader"))
        }
        guard partition.partitionEpoch == asked.partitionEpoch else {
          return .refused(ApiError(.invalidUpdateVersion, "another version"))
        }
        partition.partitionEpoch += 1
        partition.inSyncReplicas = asked.inSyncReplicas
        partitions[asked.name.partition] = partition
        return .partition(partition)
      }
    }
  }

  init(
    in path: String, brokers: Int = 3, partitions: Int32 = 1, _ keys: [String: String] = [:],
    topic configs: [String: String] = [:]
  ) throws {
    self.path = path
    self.keys = [
      "replica.fetch.wait.max.ms": "100", "replica.fetch.backoff.ms": "100", "replica.socket.timeout.ms": "2000",
      "log.retention.check.interval.ms": "100000",
    ].merging(keys) { $1 }
    let ids = (1...brokers).map { BrokerID($0) }
    state = Controlled(partitions, ids)
    for id in ids {
      try start(id)
      try createTopic(on: id, partitions, configs)
    }
  }

  private func createTopic(on id: BrokerID, _ partitions: Int32, _ configs: [String: String]) throws {
    let done = DispatchSemaphore(value: 0)
    let outcome = Mutex<Controller.Outcome?>(nil)
    broker(id).controller.ask({ _ in
      .create(
        [
          Controller.Creation(
            NewTopic(name: "t", partitionCount: partitions, replicationFactor: 1), id: Self.topicID,
            configs: .success(configs))
        ], validateOnly: false)
    }) { outcomes in
      outcome.withLock { $0 = outcomes.first }
      done.signal()
    }
    done.wait()
    guard case .topic? = outcome.withLock({ $0 }) else {
      Issue.record("no topic on \(id): \(String(describing: outcome.withLock { $0 }))")
      return
    }
  }

  func broker(_ id: BrokerID) -> LocalBroker { nodes[id]!.broker }
  func partition(_ id: BrokerID, _ index: Int32 = 0) -> Partition { broker(id).topics.named("t")!.partition(index)! }
  func client(_ id: BrokerID) throws -> TestClient { try nodes[id]!.connect() }
  func inSync(_ index: Int32 = 0) -> [BrokerID] { state.partitions.withLock { $0[index]!.inSyncReplicas.sorted() } }
  func refuse(_ code: ErrorCode?) { state.refusal.withLock { $0 = code } }

  // MARK: Brokers

  func start(_ id: BrokerID) throws {
    let node = try TestBroker.start(in: "\(path)/\(id)", keys.merging(["broker.id": "\(id)"]) { $1 })
    nodes[id] = node
    let broker = node.broker
    switchboard.connect(id, broker)
    let loop = node.loop
    fetchers[id] = ReplicaFetchers(
      broker, peers: Switchboard.Line(from: id, switchboard), brokerEpoch: { 1 }, nextLoop: { loop })
    broker.isrRequests.connect { [state] changes, then in then(changes.map(state.change)) }
  }

  func stop(_ id: BrokerID, isOrderly: Bool = true) {
    switchboard.disconnect(id)
    fetchers.removeValue(forKey: id)?.stop()
    let node = nodes.removeValue(forKey: id)
    if isOrderly { node?.running.stop() } else { node?.running.abandon() }
  }

  func stopAll() { for id in nodes.keys.sorted() { stop(id) } }

  // MARK: Elections

  /// Elects a leader, of which the brokers in `telling` hear; nil for all.
  func elect(_ leader: BrokerID, partition index: Int32 = 0, inSync: [BrokerID]? = nil, telling: [BrokerID]? = nil) {
    state.partitions.withLock { partitions in
      partitions[index]!.leader = leader
      partitions[index]!.leaderEpoch += 1
      partitions[index]!.partitionEpoch += 1
      if let inSync { partitions[index]!.inSyncReplicas = inSync }
    }
    for id in telling ?? nodes.keys.sorted() where nodes[id] != nil { tell(id, partition: index) }
  }

  /// Tells a broker the partition's leader, as LeaderAndIsr does.
  func tell(_ id: BrokerID, partition index: Int32 = 0) {
    let told = state.partitions.withLock { $0[index]! }
    let own = partition(id, index)
    guard told.leader == id else {
      for waiter in own.follow(leaderEpoch: told.leaderEpoch) { waiter.wake(.released) }
      fetchers[id]?.follow(own, leader: told.leader, epoch: told.leaderEpoch)
      return
    }
    fetchers[id]?.stopFollowing(own.name)
    let now = broker(id).uptimeMs()
    let advanced = own.advance {
      $0.lead(
        .init(
          leaderEpoch: told.leaderEpoch, partitionEpoch: told.partitionEpoch, replicas: told.replicas,
          inSync: told.inSyncReplicas), nowMs: now)
    }
    broker(id).isrRequests.take(advanced, of: own)
  }

  // MARK: Waiting

  /// Waits until a condition holds; one that never does fails the test.
  func eventually(_ what: String, _ isTrue: () throws -> Bool) throws {
    for _ in 0..<10_000 {
      if try isTrue() { return }
      Clocks.nap(milliseconds: 2)
    }
    let lines = nodes.sorted { $0.key < $1.key }.flatMap { id, node in node.lines.all.suffix(12).map { "\(id): \($0)" }
    }
    try #require(Bool(false), "never: \(what)\n\(lines.joined(separator: "\n"))")
  }

  /// Waits until every broker that runs has what the leader has, and knows that all have.
  func level(_ leader: BrokerID, partition index: Int32 = 0) throws {
    try eventually("all have what \(leader) has") {
      let end = try partition(leader, index).withLog { log, _ in log.logEndOffset }
      return try nodes.keys.allSatisfy { id in
        try partition(id, index).withLog { log, marks in log.logEndOffset == end && marks.highWatermark == end }
      }
    }
    let batches = try ReplicaLog.batches(of: partition(leader, index))
    for id in nodes.keys.sorted() {
      #expect(try ReplicaLog.batches(of: partition(id, index)) == batches, "broker \(id)")
    }
  }
}

/// Runs `body` with brokers that replicate a topic; they are stopped afterwards.
func withCluster(
  brokers: Int = 3, partitions: Int32 = 1, _ keys: [String: String] = [:], topic configs: [String: String] = [:],
  _ body: (ReplicaCluster) throws -> Void
) throws {
  try withDirectory { path in
    let cluster = try ReplicaCluster(in: path, brokers: brokers, partitions: partitions, keys, topic: configs)
    defer { cluster.stopAll() }
    try body(cluster)
  }
}

/// Passes requests from broker to broker. A line can be cut: requests that wait get no response, and no other is sent.
final class Switchboard: Sendable {
  fileprivate struct State {
    var tables: [BrokerID: HandlerTable] = [:]
    var cut: Set<[BrokerID]> = []
    /// Requests without a response yet, with the brokers that they are between.
    var open: [(between: [BrokerID], call: Call)] = []
    /// The number of requests of each API.
    var counts: [Int16: Int] = [:]
  }

  private let state = Mutex(State())

  struct Unreachable: Error {}

  func connect(_ id: BrokerID, _ broker: LocalBroker) {
    let table = broker.makeHandlerTable()
    state.withLock { $0.tables[id] = table }
  }

  func disconnect(_ id: BrokerID) {
    let ended = state.withLock { state in
      state.tables[id] = nil
      return state.end { $0.contains(id) }
    }
    for call in ended { call.answer(nil) }
  }

  /// Requests from one broker to another get lost from now on.
  func cut(from: BrokerID, to: BrokerID) {
    let ended = state.withLock { state in
      state.cut.insert([from, to])
      return state.end { $0 == [from, to] }
    }
    for call in ended { call.answer(nil) }
  }

  func mend() { state.withLock { $0.cut = [] } }

  /// The number of Fetch requests so far.
  var fetches: Int { state.withLock { $0.counts[FetchRequest.api.key] ?? 0 } }

  /// One request: takes one response.
  final class Call: Sendable {
    private let then: Mutex<(@Sendable (OutgoingResponse?) -> Void)?>

    init(_ then: @escaping @Sendable (OutgoingResponse?) -> Void) { self.then = Mutex(then) }

    func answer(_ response: OutgoingResponse?) {
      let then = then.withLock { then in
        defer { then = nil }
        return then
      }
      then?(response)
    }

    var isAnswered: Bool { then.withLock { $0 == nil } }
  }

  private final class Port: ResponsePort {
    let eventLoop: any EventLoop
    let call: Call

    init(_ eventLoop: any EventLoop, _ call: Call) {
      self.eventLoop = eventLoop
      self.call = call
    }

    func finish(_ slot: UInt64, _ outcome: ConnectionMachine<OutgoingResponse>.Outcome) {
      if case .response(let response) = outcome { call.answer(response) } else { call.answer(nil) }
    }

    func whenClosed(_ slot: UInt64, _ body: @escaping @Sendable () -> Void) {}
    func hold(for slot: UInt64) {}
    func release(_ slot: UInt64) {}
    func mute(for time: TimeAmount) {}
  }

  /// What one broker sees of it.
  struct Line: PeerRequests {
    let from: BrokerID
    let switchboard: Switchboard

    init(from: BrokerID, _ switchboard: Switchboard) {
      self.from = from
      self.switchboard = switchboard
    }

    func send<R: Request>(
      _ request: R, to broker: BrokerID, fetcher: Int, on loop: any EventLoop, timeoutMs: Int,
      then: @escaping @Sendable (Result<R.Answer, any Error>) -> Void
    ) {
      let between = [from, broker]
      let table = switchboard.state.withLock { state -> HandlerTable? in
        state.counts[R.api.key, default: 0] += 1
        return state.cut.contains(between) ? nil : state.tables[broker]
      }
      guard let table, let handler = table.handlers.first(where: { $0.api.key == R.api.key }) else {
        return loop.execute { then(.failure(Unreachable())) }
      }
      let version = min(handler.served.upperBound, R.api.versions.upperBound)
      let call = Call { response in
        then(
          Result {
            guard let response else { throw Unreachable() }
            return try Switchboard.read(response, version: version)
          })
      }
      switchboard.state.withLock { state in
        state.open.removeAll { $0.call.isAnswered }
        state.open.append((between, call))
      }
      loop.execute {
        guard var frame = Frame.request(request, version: version, correlationID: 1, clientID: "peer").joined else {
          return call.answer(nil)
        }
        frame.moveReaderIndex(forwardBy: Frame.prefixBytes)
        let origin = RequestOrigin(listener: "PLAINTEXT", localAddress: nil, peerAddress: nil)
        switch table.serve(frame, from: origin, ResponseSlot(port: Port(loop, call), slot: 0)) {
        case .response(let response): call.answer(response)
        case .pending: break
        case .silent, .close, .refuse: call.answer(nil)
        }
      }
    }
  }

  private static func read<A: Response>(_ response: OutgoingResponse, version: Int16) throws -> A {
    var bytes = ByteBuffer()
    switch response {
    case .bytes(let whole): bytes.writeImmutableBuffer(whole)
    case .parts(let parts):
      for part in parts {
        switch part {
        case .bytes(let piece): bytes.writeImmutableBuffer(piece)
        case .file(let range): _ = try range.read(into: &bytes)
        }
      }
    }
    bytes.moveReaderIndex(forwardBy: Frame.prefixBytes)
    _ = try ResponseHeader(reading: &bytes, version: A.api.responseHeaderVersion(version))
    return try A(reading: &bytes, version: version)
  }
}

extension Switchboard.State {
  fileprivate mutating func end(_ isMeant: ([BrokerID]) -> Bool) -> [Switchboard.Call] {
    let ended = open.filter { isMeant($0.between) }.map(\.call)
    open.removeAll { isMeant($0.between) }
    return ended
  }
}
