import Cluster
import Logging
import Model
import Wire

extension ControllerRunner {
  /// Sends a request of this broker itself to the controller on another broker.
  ///
  /// - Parameter then: receives the outcomes on an event loop; each is NOT_CONTROLLER where the controller is not reached.
  func send(_ request: Controller.Request, _ membership: Membership, then: @escaping Then) {
    let controller = membership.controllerID
    guard controller >= 0 else { return then(request.refused("No broker is known to be the controller.")) }
    let refused: @Sendable (String) -> [Controller.Outcome] = { request.refused($0) }
    switch request {
    case .create(let creations, validateOnly: false):
      peers.send(Self.createTopics(creations), to: controller, purpose: .control, limit: 7) { result in
        switch result {
        case .failure(let error): then(refused("\(error)"))
        case .success(let answer): then(Self.outcomes(answer, of: creations))
        }
      }
    case .producerIDs:
      var asked = AllocateProducerIdsRequest()
      asked.brokerID = brokerID
      asked.brokerEpoch = membership.brokerEpoch ?? -1
      peers.send(asked, to: controller, purpose: .control) { result in
        switch result {
        case .failure(let error): then(refused("\(error)"))
        case .success(let answer): then([Self.outcome(answer)])
        }
      }
    case .changeISR(_, _, let changes):
      let asked = Self.alterPartition(changes, by: brokerID, membership.brokerEpoch ?? -1)
      peers.send(asked, to: controller, purpose: .control) { result in
        switch result {
        case .failure(let error): then(refused("\(error)"))
        case .success(let answer): then(Self.outcomes(answer, of: changes))
        }
      }
    case .shutDown:
      var asked = ControlledShutdownRequest()
      asked.brokerID = brokerID
      asked.brokerEpoch = membership.brokerEpoch ?? -1
      peers.send(asked, to: controller, purpose: .control) { result in
        switch result {
        case .failure(let error): then(refused("\(error)"))
        case .success(let answer) where answer.errorCode != .none:
          then([.refused(ApiError(answer.errorCode, "the controller refuses the shutdown"))])
        case .success(let answer):
          then([.remaining(answer.remainingPartitions.map { TopicPartition($0.topicName, $0.partitionIndex) })])
        }
      }
    default: then(refused("This broker is not the controller."))
    }
  }

  // MARK: CreateTopics

  private static func createTopics(_ creations: [Controller.Creation]) -> CreateTopicsRequest {
    var request = CreateTopicsRequest()
    request.timeoutMs = Limits.controllerRequestMs
    request.topics = creations.map { creation in
      var topic = CreateTopicsRequest.Topic()
      topic.name = creation.topic.name
      topic.numPartitions = creation.topic.partitionCount
      topic.replicationFactor = creation.topic.replicationFactor
      topic.configs = ((try? creation.configs.get()) ?? [:]).sorted { $0.key < $1.key }.map { name, value in
        var config = CreateTopicsRequest.Config()
        config.name = name
        config.value = value
        return config
      }
      return topic
    }
    return request
  }

  private static func outcomes(
    _ answer: CreateTopicsResponse, of creations: [Controller.Creation]
  ) -> [Controller.Outcome] {
    creations.map { creation in
      guard let topic = answer.topics.first(where: { $0.name == creation.topic.name }) else { return unanswered }
      return topic.errorCode == .none ? .done : .refused(ApiError(topic.errorCode, topic.errorMessage ?? ""))
    }
  }

  // MARK: AllocateProducerIds

  private static func outcome(_ answer: AllocateProducerIdsResponse) -> Controller.Outcome {
    guard answer.errorCode == .none else { return .refused(ApiError(answer.errorCode, "no producer id")) }
    let (end, overflow) = answer.producerIDStart.addingReportingOverflow(Int64(answer.producerIDLen))
    guard answer.producerIDStart >= 0, answer.producerIDLen > 0, !overflow else { return unanswered }
    return .producerIDs(answer.producerIDStart..<end)
  }

  // MARK: AlterPartition

  private static func alterPartition(
    _ changes: [Controller.ISRChange], by broker: BrokerID, _ brokerEpoch: Int64
  ) -> AlterPartitionRequest {
    var request = AlterPartitionRequest()
    request.brokerID = broker
    request.brokerEpoch = brokerEpoch
    for change in changes {
      var partition = AlterPartitionRequest.Partition()
      partition.partitionIndex = change.name.partition
      partition.leaderEpoch = change.leaderEpoch
      partition.newIsr = change.inSyncReplicas
      partition.newIsrWithEpochs = change.inSyncReplicas.map { id in
        var replica = AlterPartitionRequest.Replica()
        replica.brokerID = id
        replica.brokerEpoch = id == broker ? brokerEpoch : change.brokerEpochs[id] ?? -1
        return replica
      }
      partition.leaderRecoveryState = change.isRecovering ? 1 : 0
      partition.partitionEpoch = change.partitionEpoch
      if let place = request.topics.firstIndex(where: { $0.topicName == change.name.topic }) {
        request.topics[place].partitions.append(partition)
      } else {
        var topic = AlterPartitionRequest.Topic()
        topic.topicName = change.name.topic
        topic.topicID = change.topicID
        topic.partitions = [partition]
        request.topics.append(topic)
      }
    }
    return request
  }

  private static func outcomes(
    _ answer: AlterPartitionResponse, of changes: [Controller.ISRChange]
  ) -> [Controller.Outcome] {
    guard answer.errorCode == .none else {
      return changes.map { _ in .refused(ApiError(answer.errorCode, "the controller refuses the ISR")) }
    }
    return changes.map { change in
      // By id from version 2 on.
      let topic = answer.topics.first {
        $0.topicName.isEmpty ? $0.topicID == change.topicID : $0.topicName == change.name.topic
      }
      guard let partition = topic?.partitions.first(where: { $0.partitionIndex == change.name.partition }) else {
        return unanswered
      }
      guard partition.errorCode == .none else {
        return .refused(ApiError(partition.errorCode, "the controller refuses the ISR"))
      }
      var state = PartitionDescription(
        replicas: [], leader: partition.leaderID, leaderEpoch: partition.leaderEpoch, inSyncReplicas: partition.isr,
        partitionEpoch: partition.partitionEpoch)
      state.isRecovering = partition.leaderRecoveryState == 1
      return .partition(state)
    }
  }

  /// What was asked for is missing in the response.
  private static var unanswered: Controller.Outcome {
    .refused(ApiError(.unknownServerError, "the controller's response lacks what was asked for"))
  }
}
