import Cluster
import Model
import NIOCore
import Wire

extension LocalBroker {
  /// Adds a member to a group, and answers when the rebalance that follows has completed. The wait ends with the connection; the
  /// member stays until its session ends.
  func joinGroup(_ request: JoinGroupRequest, _ context: RequestContext) -> HandlerResult<JoinGroupResponse> {
    guard !request.groupID.isEmpty else {
      return .now(.init(.init(error: .invalidGroupId, memberID: request.memberID)))
    }
    guard let shard = groups.shard(of: request.groupID) else {
      return .now(.init(.init(error: .notCoordinator, memberID: request.memberID)))
    }
    let pending = context.pending(JoinGroupResponse.self)
    let join = Group.Join(request, context, newMemberID: newMemberID(request, context))
    let answer = shard.join(request.groupID, join) { [loop = context.eventLoop] answer in
      // Never in the midst of another connection's request: its answer may let further requests start, which answer others.
      loop.execute { pending.complete(JoinGroupResponse(answer)) }
    }
    switch answer {
    case .now(let answer): return .now(JoinGroupResponse(answer))
    case .later(let forget):
      context.whenClosed(forget)
      return .pending
    }
  }

  /// Draws the id that a new member gets: who does not know it cannot speak for the member.
  private func newMemberID(_ request: JoinGroupRequest, _ context: RequestContext) -> String {
    guard request.memberID.isEmpty else { return "" }
    let name = request.groupInstanceID ?? context.clientID ?? ""
    return "\(name.utf8.count <= Limits.memberNameBytes ? name : "")-\(groups.randomID())"
  }
}

extension Group.Join {
  init(_ request: JoinGroupRequest, _ context: RequestContext, newMemberID: String) {
    self.init()
    memberID = request.memberID
    instanceID = request.groupInstanceID
    clientID = context.clientID ?? ""
    // As Java writes an address without a name.
    clientHost = "/\(context.origin.peerAddress)"
    rebalanceTimeoutMs = context.version == 0 ? request.sessionTimeoutMs : request.rebalanceTimeoutMs
    sessionTimeoutMs = request.sessionTimeoutMs
    protocolType = request.protocolType
    protocols = request.protocols.map { GroupProtocol($0.name, Array($0.metadata.readableBytesView)) }
    reason = request.reason ?? ""
    self.newMemberID = newMemberID
    // Older clients take the error for a failure (kafka-go stops at it).
    requiresKnownID = context.version >= 4 && request.groupInstanceID == nil
    supportsSkippingAssignment = context.version >= 9
  }
}

extension JoinGroupResponse {
  init(_ answer: Group.JoinAnswer) {
    self.init()
    errorCode = answer.error
    generationID = answer.generation
    protocolType = answer.protocolType
    protocolName = answer.protocolName
    leader = answer.leader
    skipAssignment = answer.skipsAssignment
    memberID = answer.memberID
    members = answer.members.map { member in
      .with {
        $0.memberID = member.id
        $0.groupInstanceID = member.instanceID
        $0.metadata = ByteBuffer(bytes: member.metadata)
      }
    }
  }
}
