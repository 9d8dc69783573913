import Model
import Wire

extension LocalBroker {
  /// Deletes groups without members, and what they have committed.
  func deleteGroups(_ request: DeleteGroupsRequest, _ context: RequestContext) -> HandlerResult<DeleteGroupsResponse> {
    // A group may have any number of offsets, each of which leaves a tombstone.
    let pending = context.pending(DeleteGroupsResponse.self)
    offload.submit(.request) {
      var response = DeleteGroupsResponse()
      response.results = Mentions(request.groupsNames).firsts.map { index in
        let group = request.groupsNames[index]
        return .with {
          $0.groupID = group
          $0.errorCode = self.groups.shard(of: group)?.delete(group) ?? .notCoordinator
        }
      }
      pending.complete(response)
    }
    return .pending
  }
}
