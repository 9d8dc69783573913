import Cluster
import Model
import Wire

extension LocalBroker {
  /// Renews a member's session, and tells the member of a rebalance.
  func heartbeat(_ request: HeartbeatRequest, _ context: RequestContext) -> HandlerResult<HeartbeatResponse> {
    .now(.with { $0.errorCode = renewSession(request) })
  }

  private func renewSession(_ request: HeartbeatRequest) -> ErrorCode {
    guard !request.groupID.isEmpty else { return .invalidGroupId }
    guard let shard = groups.shard(of: request.groupID) else { return .notCoordinator }
    return shard.heartbeat(
      request.groupID,
      Group.Membership(request.memberID, generation: request.generationID, instanceID: request.groupInstanceID))
  }
}
