import Cluster
import Model
import Wire

extension LocalBroker {
  /// Removes members from a group: the one that asks, or those that an administrator names.
  func leaveGroup(_ request: LeaveGroupRequest, _ context: RequestContext) -> HandlerResult<LeaveGroupResponse> {
    let leavers =
      context.version >= 3
      ? request.members.map {
        Group.Leaver($0.memberID, instanceID: $0.groupInstanceID, reason: $0.reason ?? "")
      }
      : [Group.Leaver(request.memberID)]
    let answer = leave(request.groupID, leavers)
    var response = LeaveGroupResponse()
    response.errorCode = answer.error
    guard context.version >= 3 else {
      if answer.error == .none { response.errorCode = answer.errors.first ?? .none }
      return .now(response)
    }
    response.members = zip(leavers, answer.errors).map { leaver, error in
      .with {
        $0.memberID = leaver.memberID
        $0.groupInstanceID = leaver.instanceID
        $0.errorCode = error
      }
    }
    return .now(response)
  }

  private func leave(_ group: String, _ leavers: [Group.Leaver]) -> Group.LeaveAnswer {
    guard !group.isEmpty else { return .init(error: .invalidGroupId) }
    guard let shard = groups.shard(of: group) else { return .init(error: .notCoordinator) }
    return shard.leave(group, leavers)
  }
}
