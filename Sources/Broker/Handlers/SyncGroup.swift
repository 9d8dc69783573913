import Cluster
import Model
import NIOCore
import Wire

extension LocalBroker {
  /// Takes the leader's assignments, and gives each member its own once they are stored.
  func syncGroup(_ request: SyncGroupRequest, _ context: RequestContext) -> HandlerResult<SyncGroupResponse> {
    guard !request.groupID.isEmpty else { return .now(.init(.init(error: .invalidGroupId))) }
    if context.version >= 5, request.protocolType == nil || request.protocolName == nil {
      return .now(.init(.init(error: .inconsistentGroupProtocol)))
    }
    guard let shard = groups.shard(of: request.groupID) else { return .now(.init(.init(error: .notCoordinator))) }
    let pending = context.pending(SyncGroupResponse.self)
    let answer = shard.sync(request.groupID, Group.Sync(request)) { [loop = context.eventLoop] answer in
      loop.execute { pending.complete(SyncGroupResponse(answer)) }
    }
    switch answer {
    case .now(let answer): return .now(SyncGroupResponse(answer))
    case .later(let forget):
      context.whenClosed(forget)
      return .pending
    }
  }
}

extension Group.Sync {
  init(_ request: SyncGroupRequest) {
    self.init(
      Group.Membership(
        request.memberID, generation: request.generationID, instanceID: request.groupInstanceID))
    protocolType = request.protocolType
    protocolName = request.protocolName
    for assigned in request.assignments {
      assignments[assigned.memberID] = Array(assigned.assignment.readableBytesView)
    }
  }
}

extension SyncGroupResponse {
  init(_ answer: Group.SyncAnswer) {
    self.init()
    errorCode = answer.error
    protocolType = answer.protocolType
    protocolName = answer.protocolName
    assignment = ByteBuffer(bytes: answer.assignment)
  }
}
