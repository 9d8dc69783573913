import Wire

extension LocalBroker {
  /// Lists the groups that this broker coordinates.
  func listGroups(_ request: ListGroupsRequest, _ context: RequestContext) -> HandlerResult<ListGroupsResponse> {
    let pending = context.pending(ListGroupsResponse.self)
    offload.submit(.request) {
      // The names of states and types in filters may be in any case.
      let states = Set(request.statesFilter.map { $0.lowercased() })
      let types = Set(request.typesFilter.map { $0.lowercased() })
      pending.complete(self.groups.list(states: states, types: types))
    }
    return .pending
  }
}
