import Wire

/// Every layout the module has, by Kafka's name for it.
let messageTypes: [String: any WireVersioned.Type] = {
  var types: [String: any WireVersioned.Type] = [
    "RequestHeader": RequestHeader.self,
    "ResponseHeader": ResponseHeader.self,
    "ConsumerProtocolSubscription": ConsumerProtocolSubscription.self,
    "ConsumerProtocolAssignment": ConsumerProtocolAssignment.self,
    "OffsetCommitKey": OffsetCommitKey.self,
    "OffsetCommitValue": OffsetCommitValue.self,
    "GroupMetadataKey": GroupMetadataKey.self,
    "GroupMetadataValue": GroupMetadataValue.self,
    "ConsumerGroupMetadataKey": ConsumerGroupMetadataKey.self,
    "ConsumerGroupMetadataValue": ConsumerGroupMetadataValue.self,
    "ConsumerGroupPartitionMetadataKey": ConsumerGroupPartitionMetadataKey.self,
    "ConsumerGroupPartitionMetadataValue": ConsumerGroupPartitionMetadataValue.self,
    "ConsumerGroupMemberMetadataKey": ConsumerGroupMemberMetadataKey.self,
    "ConsumerGroupMemberMetadataValue": ConsumerGroupMemberMetadataValue.self,
    "ConsumerGroupTargetAssignmentMetadataKey": ConsumerGroupTargetAssignmentMetadataKey.self,
    "ConsumerGroupTargetAssignmentMetadataValue": ConsumerGroupTargetAssignmentMetadataValue.self,
    "ConsumerGroupTargetAssignmentMemberKey": ConsumerGroupTargetAssignmentMemberKey.self,
    "ConsumerGroupTargetAssignmentMemberValue": ConsumerGroupTargetAssignmentMemberValue.self,
    "ConsumerGroupCurrentMemberAssignmentKey": ConsumerGroupCurrentMemberAssignmentKey.self,
    "ConsumerGroupCurrentMemberAssignmentValue": ConsumerGroupCurrentMemberAssignmentValue.self,
    "TransactionLogKey": TransactionLogKey.self,
    "TransactionLogValue": TransactionLogValue.self,
  ]
  for request in Messages.requests {
    types["\(request)"] = request
    types["\(answer(to: request))"] = answer(to: request)
  }
  return types
}()

private func answer<R: Request>(to request: R.Type) -> any WireVersioned.Type { R.Answer.self }
