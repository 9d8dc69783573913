import Cluster
import Model
import Security
import Wire

extension LocalBroker {
  /// Describes groups of the new protocol (KIP-848) with their members.
  func consumerGroupDescribe(
    _ request: ConsumerGroupDescribeRequest, _ context: RequestContext
  ) -> HandlerResult<ConsumerGroupDescribeResponse> {
    let pending = context.pending(ConsumerGroupDescribeResponse.self)
    offload.submit(.request) {
      let image = self.image
      var response = ConsumerGroupDescribeResponse()
      response.groups = request.groupIDs.map { id in
        var described = self.describe(id, image)
        if request.includeAuthorizedOperations, described.errorCode == .none {
          described.authorizedOperations = OperationSet.bits(of: .group)
        }
        return described
      }
      pending.complete(response)
    }
    return .pending
  }

  private func describe(_ id: String, _ image: MetadataImage) -> ConsumerGroupDescribeResponse.Group {
    let found =
      groups.shard(of: id)?.describeConsumers(id)
      ?? .failure(ApiError(.notCoordinator, "This broker does not coordinate the group."))
    var described = ConsumerGroupDescribeResponse.Group()
    described.groupID = id
    switch found {
    case .failure(let error):
      described.errorCode = error.code
      described.errorMessage = error.message
    case .success((let group, let assignor)):
      described.groupState = group.phase.rawValue
      described.groupEpoch = group.epoch
      described.assignmentEpoch = group.assignmentEpoch
      described.assignorName = assignor.rawValue
      described.members = group.memberIDs.compactMap { member in
        group.members[member].map { .init(member, $0, group.target[member] ?? [], image) }
      }
    }
    return described
  }
}

extension ConsumerGroupDescribeResponse.Member {
  fileprivate init(
    _ id: String, _ member: ConsumerGroupMember, _ target: Set<GroupPartition>, _ image: MetadataImage
  ) {
    self.init()
    memberID = id
    instanceID = member.description.instanceID
    rackID = member.description.rackID
    memberEpoch = member.current.epoch
    clientID = member.description.clientID
    clientHost = member.description.clientHost
    subscribedTopicNames = member.description.subscription
    subscribedTopicRegex = member.description.pattern
    assignment = .init(member.current.assigned, image)
    targetAssignment = .init(target, image)
  }
}

extension ConsumerGroupDescribeResponse.Assignment {
  /// Topics that were deleted are left out: they have no name.
  fileprivate init(_ partitions: Set<GroupPartition>, _ image: MetadataImage) {
    self.init()
    for partition in partitions.sorted() {
      guard let topic = image.withID(partition.topic) else { continue }
      if topicPartitions.last?.topicID != partition.topic {
        topicPartitions.append(
          .with {
            $0.topicID = partition.topic
            $0.topicName = topic.name
          })
      }
      topicPartitions[topicPartitions.endIndex - 1].partitions.append(partition.number)
    }
  }
}
