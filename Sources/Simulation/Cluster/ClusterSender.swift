import Base
import Model
import NIOCore
import Wire

/// A client's way to a cluster: sends each request to the node that serves it, as Kafka's clients do. Produces and fetches go to the
/// partitions' leaders, requests of groups and transactions to their coordinators, all else to any node.
final class ClusterSender: RequestSender {
  /// Identifies a coordinator by the type and key of FindCoordinator.
  private struct Key: Hashable {
    var type: Int8
    var key: String
  }

  let client: ClusterClient
  private let cluster: ClusterSimulation
  private var coordinators: [Key: BrokerID] = [:]
  /// Raised when the client breaks its connections, as a process that ends: what was asked before is answered with nothing.
  private var life = 0

  init(_ name: String, _ cluster: ClusterSimulation, seed: UInt64, timeoutMs: Int64) {
    self.cluster = cluster
    client = ClusterClient(name, cluster, seed: seed, timeoutMs: timeoutMs)
  }

  var name: String { client.name }
  var isConnected: Bool { true }
  func connect() -> Bool { true }

  func breakConnection() {
    life += 1
    coordinators = [:]
    client.breakConnections()
  }

  func leave() { client.leave() }
  func coordinatorIsLost() { coordinators = [:] }

  func ask<R: Request>(_ request: R, version: Int16, then: @escaping (Result<R.Answer, NoAnswer>) -> Void) {
    func give<Answer>(_ result: Result<Answer, NoAnswer>) {
      then(
        result.map { answer in
          guard let answer = answer as? R.Answer else { preconditionFailure("the answer of \(R.name)") }
          return answer
        })
    }
    switch request {
    case let asked as ProduceRequest: produce(asked, version, give)
    case let asked as FetchRequest: fetch(asked, version, give)
    case let asked as ListOffsetsRequest: listOffsets(asked, version, give)
    case let asked as FindCoordinatorRequest: find(asked, version, give)
    default:
      guard let key = Self.key(of: request) else {
        return client.ask(request, to: client.pickNode(), version: version, then: then)
      }
      ask(request, of: key, version, then)
    }
  }

  // MARK: Coordinators

  private static func key(of request: any Request) -> Key? {
    switch request {
    case let asked as JoinGroupRequest: Key(type: 0, key: asked.groupID)
    case let asked as SyncGroupRequest: Key(type: 0, key: asked.groupID)
    case let asked as HeartbeatRequest: Key(type: 0, key: asked.groupID)
    case let asked as LeaveGroupRequest: Key(type: 0, key: asked.groupID)
    case let asked as OffsetCommitRequest: Key(type: 0, key: asked.groupID)
    case let asked as OffsetFetchRequest: Key(type: 0, key: asked.groupID)
    case let asked as TxnOffsetCommitRequest: Key(type: 0, key: asked.groupID)
    case let asked as InitProducerIdRequest: asked.transactionalID.map { Key(type: 1, key: $0) }
    case let asked as AddPartitionsToTxnRequest: Key(type: 1, key: asked.v3AndBelowTransactionalID)
    case let asked as AddOffsetsToTxnRequest: Key(type: 1, key: asked.transactionalID)
    case let asked as EndTxnRequest: Key(type: 1, key: asked.transactionalID)
    default: nil
    }
  }

  private func ask<R: Request>(
    _ request: R, of key: Key, _ version: Int16, _ then: @escaping (Result<R.Answer, NoAnswer>) -> Void
  ) {
    guard let coordinator = coordinators[key] else {
      var asked = FindCoordinatorRequest()
      (asked.key, asked.keyType) = (key.key, key.type)
      let life = life
      return find(asked, 3) { [self] _ in
        guard life == self.life, coordinators[key] != nil else { return then(.failure(.notConnected)) }
        ask(request, of: key, version, then)
      }
    }
    client.ask(request, to: coordinator, version: version) { [self] result in
      if case .failure = result, coordinators[key] == coordinator { coordinators[key] = nil }
      then(result)
    }
  }

  private func find(
    _ request: FindCoordinatorRequest, _ version: Int16,
    _ then: @escaping (Result<FindCoordinatorResponse, NoAnswer>) -> Void
  ) {
    let life = life
    client.ask(request, to: client.pickNode(), version: version) { [self] result in
      if case .success(let answer) = result, answer.errorCode == .none, life == self.life {
        coordinators[Key(type: request.keyType, key: request.key)] = answer.nodeID
      }
      then(result)
    }
  }

  // MARK: Leaders

  /// Splits what is asked of partitions by their leaders, and looks for leaders where one is not known, or was not right.
  private func split<Part>(_ parts: [(TopicPartition, Part)]) -> (
    known: [(BrokerID, [(TopicPartition, Part)])], [TopicPartition]
  ) {
    var known: [BrokerID: [(TopicPartition, Part)]] = [:]
    var unknown: [TopicPartition] = []
    for part in parts {
      if let leader = client.leaders[part.0], leader.broker >= 0 {
        known[leader.broker, default: []].append(part)
      } else {
        unknown.append(part.0)
      }
    }
    return (known.sorted { $0.key < $1.key }, unknown)
  }

  /// Gathers the answers of several leaders; `missing` are the partitions that none has answered for.
  private func gather<R: Request, Part>(
    _ parts: [(TopicPartition, Part)], _ version: Int16, hasLooked: Bool = false,
    request: @escaping ([(TopicPartition, Part)]) -> R,
    then: @escaping (_ answers: [R.Answer], _ missing: [TopicPartition]) -> Void
  ) {
    let (known, unknown) = split(parts)
    guard unknown.isEmpty || hasLooked else {
      return client.refresh { [self] in
        gather(parts, version, hasLooked: true, request: request, then: then)
      }
    }
    var (answers, missing, left) = ([R.Answer](), unknown, known.count)
    guard left > 0 else { return then([], missing) }
    for (leader, group) in known {
      client.ask(request(group), to: leader, version: version) { [self] result in
        switch result {
        case .success(let answer): answers.append(answer)
        case .failure:
          missing += group.map(\.0)
          client.refresh {}
        }
        left -= 1
        if left == 0 { then(answers, missing) }
      }
    }
  }

  /// Looks for leaders after errors that say that there are others.
  private func look(after codes: [ErrorCode]) {
    if codes.contains(where: { $0 != .none }) { client.refresh {} }
  }

  private func produce(
    _ request: ProduceRequest, _ version: Int16, _ then: @escaping (Result<ProduceResponse, NoAnswer>) -> Void
  ) {
    let parts = request.topicData.flatMap { topic in
      topic.partitionData.map { (TopicPartition(topic.name, $0.index), $0) }
    }
    gather(
      parts, version,
      request: { group in
        var part = request
        part.topicData = group.map { name, data in
          .with { ($0.name, $0.partitionData) = (name.topic, [data]) }
        }
        return part
      },
      then: { [self] (answers: [ProduceResponse], missing) in
        guard let first = answers.first else { return then(.failure(.disconnected)) }
        var all = first
        all.responses = answers.flatMap(\.responses)
        look(after: all.responses.flatMap { $0.partitionResponses.map(\.errorCode) })
        for name in missing {
          all.responses.append(
            .with { topic in
              topic.name = name.topic
              topic.partitionResponses = [
                .with { ($0.index, $0.errorCode) = (name.partition, .notLeaderOrFollower) }
              ]
            })
        }
        then(.success(all))
      })
  }

  private func fetch(
    _ request: FetchRequest, _ version: Int16, _ then: @escaping (Result<FetchResponse, NoAnswer>) -> Void
  ) {
    let parts = request.topics.flatMap { topic in
      topic.partitions.map { (TopicPartition(topic.topic, $0.partition), $0) }
    }
    gather(
      parts, version,
      request: { [client] group in
        var part = request
        part.topics = group.map { name, data in
          // As consumers do: a broker that was the leader, and follows now with less, must not say that the offset is out of range.
          var data = data
          data.currentLeaderEpoch = client.leaders[name]?.epoch ?? -1
          return .with { ($0.topic, $0.partitions) = (name.topic, [data]) }
        }
        return part
      },
      then: { [self] (answers: [FetchResponse], _) in
        guard let first = answers.first else { return then(.failure(.disconnected)) }
        var all = first
        all.responses = answers.flatMap(\.responses)
        look(after: all.responses.flatMap { $0.partitions.map(\.errorCode) })
        then(.success(all))
      })
  }

  private func listOffsets(
    _ request: ListOffsetsRequest, _ version: Int16, _ then: @escaping (Result<ListOffsetsResponse, NoAnswer>) -> Void
  ) {
    let parts = request.topics.flatMap { topic in
      topic.partitions.map { (TopicPartition(topic.name, $0.partitionIndex), $0) }
    }
    gather(
      parts, version,
      request: { group in
        var part = request
        part.topics = group.map { name, data in .with { ($0.name, $0.partitions) = (name.topic, [data]) } }
        return part
      },
      then: { [self] (answers: [ListOffsetsResponse], _) in
        guard let first = answers.first else { return then(.failure(.disconnected)) }
        var all = first
        all.topics = answers.flatMap(\.topics)
        look(after: all.topics.flatMap { $0.partitions.map(\.errorCode) })
        then(.success(all))
      })
  }
}
