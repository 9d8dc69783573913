import Base
import Model

/// Static members that come back: their client has lost its member id, and keeps its place in the group by the instance id.
///
/// In a stable group such a member gets its old assignment, without a rebalance. The new member id is in the log before the member
/// knows it; requests with the old id are fenced from then on.
extension Group {
  /// A static member under a new member id, and what it was under the old one.
  struct Replacement {
    var old: GroupMember
    var memberID: String
    /// The leader that the others know.
    var leader: String?
    var request: RequestID
    var supportsSkippingAssignment: Bool
  }

  mutating func replace(_ oldID: String, _ request: RequestID, _ join: Join) {
    guard let old = members[oldID] else { return }
    let replacement = Replacement(
      old: old, memberID: join.newMemberID, leader: leader, request: request,
      supportsSkippingAssignment: join.supportsSkippingAssignment)
    rename(oldID, to: join.newMemberID)
    update(join.newMemberID, join)
    awaitJoin(request, of: join.newMemberID)
    renewSession(of: join.newMemberID)
    let instance = old.instanceID ?? ""
    switch state {
    case .stable:
      #if DEBUG
      if PlantedFault.rebalancesForStaticMembers.isPlanted { return prepareRebalance("planted") }
      #endif
      guard selectProtocol() == protocolName else {
        return prepareRebalance("static member \(instance) is back, and another protocol is preferred now")
      }
      store(.replacement(replacement), assignments: members.mapValues(\.assignment))
    case .completingRebalance:
      // The leader may assign to the old id.
      prepareRebalance("static member \(instance) is back before the assignment")
    case .preparingRebalance, .empty, .dead: break
    }
  }

  /// The record of a replacement is in the log, or cannot be.
  mutating func replaced(_ replacement: Replacement, _ error: ErrorCode) {
    // A rebalance that has begun meanwhile answers the member, or another replacement has.
    guard state == .stable, members[replacement.memberID]?.joinRequest == replacement.request else { return }
    guard error == .none else { return takeBack(replacement, error) }
    var answer = presentGeneration(for: replacement.memberID, isForLeader: false)
    if !replacement.supportsSkippingAssignment {
      // Such a client assigns whenever it is named as the leader, which a stable group would ignore. It is told of the leader of
      // before, which it may have been itself, under another id.
      answer.leader = replacement.leader ?? ""
    } else if leader == replacement.memberID {
      answer = presentGeneration(for: replacement.memberID, isForLeader: true)
      answer.skipsAssignment = true
    }
    answerJoin(of: replacement.memberID, answer)
    renewSession(of: replacement.memberID)
  }

  private mutating func takeBack(_ replacement: Replacement, _ error: ErrorCode) {
    var answer = presentGeneration(for: "", isForLeader: false)
    answer.error = error
    answer.leader = replacement.leader ?? ""
    answerJoin(of: replacement.memberID, answer)
    rename(replacement.memberID, to: replacement.old.id)
    var join = Join()
    join.protocols = replacement.old.protocols
    join.rebalanceTimeoutMs = replacement.old.rebalanceTimeoutMs
    join.sessionTimeoutMs = replacement.old.sessionTimeoutMs
    update(replacement.old.id, join)
    renewSession(of: replacement.old.id)
  }

  /// Gives a member another id; requests under the old one that wait are fenced.
  private mutating func rename(_ oldID: String, to newID: String) {
    answerJoin(of: oldID, JoinAnswer(error: .fencedInstanceId, memberID: oldID))
    answerSync(of: oldID, SyncAnswer(error: .fencedInstanceId))
    guard var member = members.removeValue(forKey: oldID) else { return }
    member.id = newID
    members[newID] = member
    if leader == oldID { leader = newID }
    if let instanceID = member.instanceID { staticMembers[instanceID] = newID }
  }
}
