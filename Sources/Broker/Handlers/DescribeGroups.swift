import Model
import Security
import Wire

extension LocalBroker {
  /// Describes groups with their members; of a group that there is not, that it is dead.
  func describeGroups(
    _ request: DescribeGroupsRequest, _ context: RequestContext
  ) -> HandlerResult<DescribeGroupsResponse> {
    let pending = context.pending(DescribeGroupsResponse.self)
    offload.submit(.request) {
      var response = DescribeGroupsResponse()
      response.groups = request.groups.map { id in
        var group = self.groups.describe(id)
        if request.includeAuthorizedOperations, group.errorCode == .none {
          group.authorizedOperations = OperationSet.bits(of: .group)
        }
        return group
      }
      pending.complete(response)
    }
    return .pending
  }
}
