import Cluster
import Model
import Wire

// The requests of other brokers to this one as the controller.

extension LocalBroker {
  /// Changes the in-sync replicas of partitions on the request of their leader.
  func alterPartition(
    _ request: AlterPartitionRequest, _ context: RequestContext
  ) -> HandlerResult<AlterPartitionResponse> {
    let pending = context.pending(AlterPartitionResponse.self)
    let changes: [Controller.ISRChange] = request.topics.flatMap { topic in
      topic.partitions.map { partition in
        let replicas = partition.newIsrWithEpochs
        var change = Controller.ISRChange(
          TopicPartition(topic.topicName, partition.partitionIndex), leaderEpoch: partition.leaderEpoch,
          partitionEpoch: partition.partitionEpoch,
          inSyncReplicas: context.version >= 3 ? replicas.map(\.brokerID) : partition.newIsr,
          isRecovering: partition.leaderRecoveryState == 1)
        change.topicID = topic.topicID
        change.brokerEpochs = Dictionary(replicas.map { ($0.brokerID, $0.brokerEpoch) }) { first, _ in first }
        return change
      }
    }
    controller.ask({ _ in .changeISR(by: request.brokerID, brokerEpoch: request.brokerEpoch, changes) }) { outcomes in
      pending.complete(Self.response(to: request, outcomes))
    }
    return .pending
  }

  private static func response(
    to request: AlterPartitionRequest, _ outcomes: [Controller.Outcome]
  ) -> AlterPartitionResponse {
    var response = AlterPartitionResponse()
    // Such an error is of the whole request.
    if let code = outcomes.first?.refusal?.code, code == .notController || code == .staleBrokerEpoch {
      response.errorCode = code
      return response
    }
    var outcomes = outcomes[...]
    response.topics = request.topics.map { asked in
      var topic = AlterPartitionResponse.Topic()
      topic.topicName = asked.topicName
      topic.topicID = asked.topicID
      topic.partitions = asked.partitions.map { asked in
        var partition = AlterPartitionResponse.Partition()
        partition.partitionIndex = asked.partitionIndex
        switch outcomes.popFirst() {
        case .partition(let state):
          partition.leaderID = state.leader
          partition.leaderEpoch = state.leaderEpoch
          partition.isr = state.inSyncReplicas
          partition.leaderRecoveryState = state.isRecovering ? 1 : 0
          partition.partitionEpoch = state.partitionEpoch
        case .refused(let refusal): partition.errorCode = refusal.code
        default: partition.errorCode = .unknownServerError
        }
        return partition
      }
      return topic
    }
    return response
  }

  /// Moves the leaderships of a broker that is about to stop to other replicas in sync.
  func controlledShutdown(
    _ request: ControlledShutdownRequest, _ context: RequestContext
  ) -> HandlerResult<ControlledShutdownResponse> {
    let pending = context.pending(ControlledShutdownResponse.self)
    controller.ask({ _ in .shutDown(request.brokerID, brokerEpoch: request.brokerEpoch) }) { outcomes in
      var response = ControlledShutdownResponse()
      switch outcomes.first {
      case .remaining(let left):
        response.remainingPartitions = left.map { name in
          var partition = ControlledShutdownResponse.Partition()
          partition.topicName = name.topic
          partition.partitionIndex = name.partition
          return partition
        }
      case .refused(let refusal): response.errorCode = refusal.code
      default: response.errorCode = .unknownServerError
      }
      pending.complete(response)
    }
    return .pending
  }

  /// Gives a broker a block of producer ids.
  func allocateProducerIDs(
    _ request: AllocateProducerIdsRequest, _ context: RequestContext
  ) -> HandlerResult<AllocateProducerIdsResponse> {
    let pending = context.pending(AllocateProducerIdsResponse.self)
    controller.ask({ _ in .producerIDs(for: request.brokerID) }) { outcomes in
      var response = AllocateProducerIdsResponse()
      switch outcomes.first {
      case .producerIDs(let block):
        response.producerIDStart = block.lowerBound
        response.producerIDLen = Int32(clamping: block.count)
      case .refused(let refusal): response.errorCode = refusal.code
      default: response.errorCode = .unknownServerError
      }
      pending.complete(response)
    }
    return .pending
  }
}
