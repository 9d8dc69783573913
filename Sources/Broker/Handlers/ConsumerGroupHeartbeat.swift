import Cluster
import Model
import Wire

extension LocalBroker {
  /// Joins, keeps or leaves the membership of a group of the new protocol (KIP-848).
  func consumerGroupHeartbeat(
    _ request: ConsumerGroupHeartbeatRequest, _ context: RequestContext
  ) -> HandlerResult<ConsumerGroupHeartbeatResponse> {
    guard image.config.rebalanceProtocols.contains("consumer") else {
      let reason = "The consumer protocol is not among group.coordinator.rebalance.protocols."
      return .now(.init(.failure(ApiError(.unsupportedVersion, reason))))
    }
    if request.groupID.isEmpty {
      return .now(.init(.failure(ApiError(.invalidRequest, "GroupId can't be empty."))))
    }
    guard let shard = groups.shard(of: request.groupID) else {
      return .now(.init(.failure(ApiError(.notCoordinator, "This broker does not coordinate the group."))))
    }
    var heartbeat = ConsumerGroup.Heartbeat(request, context)
    // Before version 1 the coordinator chooses the id of a new member.
    if heartbeat.memberID.isEmpty, context.version == 0, request.memberEpoch == 0 {
      heartbeat.memberID = groups.randomID()
    }
    let pending = context.pending(ConsumerGroupHeartbeatResponse.self)
    let answer = shard.beat(request.groupID, heartbeat, groups.catalog) { pending.complete(.init($0)) }
    return answer.map { .now(.init($0)) } ?? .pending
  }
}

extension ConsumerGroup.Heartbeat {
  init(_ request: ConsumerGroupHeartbeatRequest, _ context: RequestContext) {
    self.init(memberID: request.memberID, memberEpoch: request.memberEpoch)
    instanceID = request.instanceID
    rackID = request.rackID
    clientID = context.clientID ?? ""
    // As Java writes an address without a name.
    clientHost = "/\(context.origin.peerAddress)"
    rebalanceTimeoutMs = request.rebalanceTimeoutMs
    subscription = request.subscribedTopicNames
    pattern = request.subscribedTopicRegex
    serverAssignor = request.serverAssignor
    owned = request.topicPartitions.map(\.partitions)
  }
}

extension ConsumerGroupHeartbeatResponse {
  init(_ outcome: Result<ConsumerGroup.Response, ApiError>) {
    self.init()
    switch outcome {
    case .failure(let error):
      errorCode = error.code
      errorMessage = error.message
    case .success(let response):
      memberID = response.memberID
      memberEpoch = response.memberEpoch
      heartbeatIntervalMs = response.heartbeatIntervalMs
      assignment = response.assignment.map { partitions in
        .with { $0.topicPartitions = .init(partitions) }
      }
    }
  }
}
