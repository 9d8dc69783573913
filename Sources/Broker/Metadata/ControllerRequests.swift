import Cluster
import Model
import Security
import Wire

/// The controller's requests to brokers as they go over the wire, and their responses as the controller takes them in.
enum ControllerRequests {
  /// Who sends a request, and to which registration of the broker.
  struct Origin: Sendable {
    var controllerID: BrokerID
    var controllerEpoch: Int32
    var brokerEpoch: Int64
  }

  /// Kafka's mark of a topic that is being deleted, in the place of a partition's leader.
  static let leaderDuringDelete: BrokerID = -2

  // MARK: LeaderAndIsr

  static func leaderAndISR(_ states: [Controller.ReplicaState], _ origin: Origin) -> LeaderAndIsrRequest {
    var request = LeaderAndIsrRequest()
    request.controllerID = origin.controllerID
    request.controllerEpoch = origin.controllerEpoch
    request.brokerEpoch = origin.brokerEpoch
    request.type = 1
    for (id, states) in grouped(states, by: \.topicID) {
      var topic = LeaderAndIsrRequest.Topic()
      topic.topicName = states[0].name.topic
      topic.topicID = id
      topic.partitionStates = states.map { state in
        var partition = LeaderAndIsrRequest.Partition()
        partition.partitionIndex = state.name.partition
        partition.controllerEpoch = origin.controllerEpoch
        partition.leader = state.partition.leader
        partition.leaderEpoch = state.partition.leaderEpoch
        partition.isr = state.partition.inSyncReplicas
        partition.partitionEpoch = state.partition.partitionEpoch
        partition.replicas = state.partition.replicas
        partition.addingReplicas = state.partition.addingReplicas
        partition.removingReplicas = state.partition.removingReplicas
        partition.isNew = state.isNew
        partition.leaderRecoveryState = state.partition.isRecovering ? 1 : 0
        return partition
      }
      request.topicStates.append(topic)
    }
    return request
  }

  static func response(
    _ result: Result<LeaderAndIsrResponse, PeerError>, to states: [Controller.ReplicaState]
  ) -> ControllerChannels.Response {
    switch result {
    case .failure(let error): return .failed(error.reason)
    case .success(let answer) where answer.errorCode != .none: return response(answer.errorCode, done: .shown)
    case .success(let answer):
      var names: [TopicID: String] = [:]
      var outcomes: [String: String?] = [:]
      for state in states {
        names[state.topicID] = state.name.topic
        if state.isNew { outcomes[state.name.topic] = .some(nil) }
      }
      var offline: [TopicPartition] = []
      for topic in answer.topics {
        guard let name = names[topic.topicID] else { continue }
        guard outcomes[name] != nil else {
          let failed = topic.partitionErrors.filter { $0.errorCode == .kafkaStorageError }
          offline += failed.map { TopicPartition(name, $0.partitionIndex) }
          continue
        }
        if let failed = topic.partitionErrors.first(where: { $0.errorCode != .none }) {
          outcomes[name] = "partition \(failed.partitionIndex): \(failed.errorCode)"
        }
      }
      return .led(outcomes, offline: offline)
    }
  }

  // MARK: UpdateMetadata

  static func updateMetadata(
    _ brokers: [LiveBroker], _ changed: [ControllerOrder.ChangedTopic], removed: [String], isAll: Bool,
    _ origin: Origin
  ) -> UpdateMetadataRequest {
    var request = UpdateMetadataRequest()
    request.controllerID = origin.controllerID
    request.controllerEpoch = origin.controllerEpoch
    request.brokerEpoch = origin.brokerEpoch
    request.type = isAll ? 2 : 1
    request.topicStates = changed.map { topic in
      var states = UpdateMetadataRequest.Topic()
      states.topicName = topic.name
      states.topicID = topic.id
      states.partitionStates = topic.partitions.map { index, partition in
        var state = UpdateMetadataRequest.Partition()
        state.partitionIndex = index
        state.controllerEpoch = origin.controllerEpoch
        state.leader = partition.leader
        state.leaderEpoch = partition.leaderEpoch
        state.isr = partition.inSyncReplicas
        state.zkVersion = partition.partitionEpoch
        state.replicas = partition.replicas
        state.offlineReplicas = partition.offlineReplicas
        return state
      }
      return states
    }
    request.topicStates += removed.map { name in
      var states = UpdateMetadataRequest.Topic()
      states.topicName = name
      var state = UpdateMetadataRequest.Partition()
      state.leader = leaderDuringDelete
      states.partitionStates = [state]
      return states
    }
    request.liveBrokers = brokers.map { broker in
      var live = UpdateMetadataRequest.Broker()
      live.id = broker.id
      live.rack = broker.rack
      live.endpoints = broker.endpoints.map { endpoint in
        var written = UpdateMetadataRequest.Endpoint()
        written.host = endpoint.host
        written.port = endpoint.port
        written.listener = endpoint.listener
        written.securityProtocol = (SecurityProtocol(rawValue: endpoint.securityProtocol) ?? .plaintext).number
        return written
      }
      return live
    }
    return request
  }

  // MARK: StopReplica

  static func stopReplica(_ stopped: [Controller.StoppedReplica], _ origin: Origin) -> StopReplicaRequest {
    var request = StopReplicaRequest()
    request.controllerID = origin.controllerID
    request.controllerEpoch = origin.controllerEpoch
    request.brokerEpoch = origin.brokerEpoch
    for (name, replicas) in grouped(stopped, by: \.name.topic) {
      var topic = StopReplicaRequest.Topic()
      topic.topicName = name
      topic.partitionStates = replicas.map { replica in
        var partition = StopReplicaRequest.Partition()
        partition.partitionIndex = replica.name.partition
        partition.leaderEpoch = replica.isDeleted ? leaderDuringDelete : -1
        partition.deletePartition = replica.isDeleted
        return partition
      }
      request.topicStates.append(topic)
    }
    return request
  }

  static func response(
    _ result: Result<StopReplicaResponse, PeerError>, to stopped: [Controller.StoppedReplica]
  ) -> ControllerChannels.Response {
    switch result {
    case .failure(let error): return .failed(error.reason)
    case .success(let answer) where answer.errorCode != .none: return response(answer.errorCode, done: .shown)
    case .success(let answer):
      let left = answer.partitionErrors.filter { $0.errorCode != .none }.map(\.topicName)
      return .stopped(topics: Set(stopped.filter(\.isDeleted).map(\.name.topic)), left: Set(left))
    }
  }

  // MARK: What they share

  /// - Parameter done: the response where the broker has obeyed.
  static func response(
    _ result: Result<ErrorCode, PeerError>, done: ControllerChannels.Response
  ) -> ControllerChannels.Response {
    switch result {
    case .failure(let error): .failed(error.reason)
    case .success(let code): response(code, done: done)
    }
  }

  private static func response(_ code: ErrorCode, done: ControllerChannels.Response) -> ControllerChannels.Response {
    switch code {
    case .none: done
    case .staleControllerEpoch: .isFenced
    case .staleBrokerEpoch: .isOfEarlierLife
    default: .failed("\(code)")
    }
  }

  /// Groups elements by a key, the groups in the order of their first elements.
  private static func grouped<Element, Key: Hashable>(
    _ elements: [Element], by key: (Element) -> Key
  ) -> [(Key, [Element])] {
    var places: [Key: Int] = [:]
    var groups: [(Key, [Element])] = []
    for element in elements {
      let key = key(element)
      if let place = places[key] {
        groups[place].1.append(element)
      } else {
        places[key] = groups.count
        groups.append((key, [element]))
      }
    }
    return groups
  }
}
