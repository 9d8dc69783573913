import Cluster
import Model
import Security
import Wire

// The requests of another broker's controller. They are carried out on the control lane, in the order in which they came.

extension LocalBroker {
  /// Makes partitions leader or follower, as the controller says.
  func leaderAndISR(_ request: LeaderAndIsrRequest, _ context: RequestContext) -> HandlerResult<LeaderAndIsrResponse> {
    let pending = context.pending(LeaderAndIsrResponse.self)
    let order = ControllerOrder(
      controllerID: request.controllerID, controllerEpoch: request.controllerEpoch, brokerEpoch: request.brokerEpoch,
      content: .lead(request.topicStates.flatMap(\.replicaStates)))
    controller.obey(order) { outcome in
      var response = LeaderAndIsrResponse()
      switch outcome {
      case .refused(let code): response.errorCode = code
      case .led(let failures, let offline):
        response.topics = request.topicStates.map { Self.outcome($0, failures, offline) }
      case .stopped, .shown: break
      }
      pending.complete(response)
    }
    return .pending
  }

  private static func outcome(
    _ topic: LeaderAndIsrRequest.Topic, _ failures: [String: String?], _ offline: Set<TopicPartition>
  ) -> LeaderAndIsrResponse.Topic {
    let code: ErrorCode = failures[topic.topicName].flatMap { $0 } == nil ? .none : .kafkaStorageError
    var outcome = LeaderAndIsrResponse.Topic()
    outcome.topicID = topic.topicID
    outcome.partitionErrors = topic.partitionStates.map { state in
      var partition = LeaderAndIsrResponse.Partition()
      partition.partitionIndex = state.partitionIndex
      let isOffline = offline.contains(TopicPartition(topic.topicName, state.partitionIndex))
      partition.errorCode = isOffline ? .kafkaStorageError : code
      return partition
    }
    return outcome
  }

  /// Stops replicas, and deletes those that the controller names so.
  func stopReplica(_ request: StopReplicaRequest, _ context: RequestContext) -> HandlerResult<StopReplicaResponse> {
    let pending = context.pending(StopReplicaResponse.self)
    let image = image
    let stopped = request.topicStates.flatMap { topic in
      topic.partitionStates.map { state in
        Controller.StoppedReplica(
          name: TopicPartition(topic.topicName, state.partitionIndex),
          topicID: image.named(topic.topicName)?.id ?? .zero, isDeleted: state.deletePartition)
      }
    }
    let order = ControllerOrder(
      controllerID: request.controllerID, controllerEpoch: request.controllerEpoch, brokerEpoch: request.brokerEpoch,
      content: .stop(stopped))
    controller.obey(order) { outcome in
      var response = StopReplicaResponse()
      switch outcome {
      case .refused(let code): response.errorCode = code
      case .stopped(let left):
        response.partitionErrors = stopped.map { replica in
          var partition = StopReplicaResponse.Partition()
          partition.topicName = replica.name.topic
          partition.partitionIndex = replica.name.partition
          partition.errorCode = left.contains(replica.name.topic) ? .kafkaStorageError : .none
          return partition
        }
      case .led, .shown: break
      }
      pending.complete(response)
    }
    return .pending
  }

  /// Shows clients the brokers and topics that the controller names.
  func updateMetadata(
    _ request: UpdateMetadataRequest, _ context: RequestContext
  ) -> HandlerResult<UpdateMetadataResponse> {
    let pending = context.pending(UpdateMetadataResponse.self)
    let order = ControllerOrder(
      controllerID: request.controllerID, controllerEpoch: request.controllerEpoch, brokerEpoch: request.brokerEpoch,
      content: .show(ControllerOrder.ClusterUpdate(request)))
    controller.obey(order) { outcome in
      var response = UpdateMetadataResponse()
      if case .refused(let code) = outcome { response.errorCode = code }
      pending.complete(response)
    }
    return .pending
  }
}

extension LeaderAndIsrRequest.Topic {
  fileprivate var replicaStates: [Controller.ReplicaState] {
    partitionStates.compactMap { state in
      guard state.partitionIndex >= 0 else { return nil }
      var partition = PartitionDescription(
        replicas: state.replicas, leader: state.leader, leaderEpoch: state.leaderEpoch, inSyncReplicas: state.isr,
        partitionEpoch: state.partitionEpoch)
      partition.addingReplicas = state.addingReplicas
      partition.removingReplicas = state.removingReplicas
      partition.isRecovering = state.leaderRecoveryState == 1
      return Controller.ReplicaState(
        name: TopicPartition(topicName, state.partitionIndex), topicID: topicID, partition: partition,
        isNew: state.isNew)
    }
  }
}

extension ControllerOrder.ClusterUpdate {
  fileprivate init(_ request: UpdateMetadataRequest) {
    let isDeleted: (UpdateMetadataRequest.Topic) -> Bool = { topic in
      topic.partitionStates.contains { $0.leader == ControllerRequests.leaderDuringDelete }
    }
    self.init(
      brokers: request.liveBrokers.map { LiveBroker($0) }.sorted { $0.id < $1.id },
      changed: request.topicStates.filter { !isDeleted($0) }.map { topic in
        ControllerOrder.ChangedTopic(
          name: topic.topicName, id: topic.topicID,
          partitions: topic.partitionStates.map { state in
            (
              state.partitionIndex,
              PartitionDescription(shown: state)
            )
          })
      },
      removed: request.topicStates.filter(isDeleted).map(\.topicName), isAll: request.type == 2)
  }
}

extension PartitionDescription {
  fileprivate init(shown state: UpdateMetadataRequest.Partition) {
    self.init(
      replicas: state.replicas, leader: state.leader, leaderEpoch: state.leaderEpoch, inSyncReplicas: state.isr,
      partitionEpoch: state.zkVersion)
    offlineReplicas = state.offlineReplicas
  }
}

extension LiveBroker {
  fileprivate init(_ broker: UpdateMetadataRequest.Broker) {
    self.init(
      id: broker.id, epoch: -1,
      endpoints: broker.endpoints.map {
        BrokerZNode.Endpoint(
          listener: $0.listener,
          securityProtocol: (SecurityProtocol(number: $0.securityProtocol) ?? .plaintext).rawValue, host: $0.host,
          port: $0.port)
      }, rack: broker.rack)
  }
}
