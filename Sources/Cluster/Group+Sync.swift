import Base
import Model

/// SyncGroup: the leader's assignment is stored and handed out.
extension Group {
  mutating func sync(_ request: RequestID, _ sync: Sync) {
    let memberID = sync.membership.memberID
    let error = check(sync)
    guard error == .none, let member = members[memberID] else {
      return effects.append(.synced(request, SyncAnswer(error: error)))
    }
    switch state {
    case .empty, .dead: effects.append(.synced(request, SyncAnswer(error: .unknownMemberId)))
    case .preparingRebalance: effects.append(.synced(request, SyncAnswer(error: .rebalanceInProgress)))
    case .completingRebalance:
      // As with JoinGroup, one request of a member waits.
      answerSync(of: memberID, SyncAnswer(error: .rebalanceInProgress))
      members[memberID]?.syncRequest = request
      synced(memberID)
      guard leader == memberID else { return }
      let assignments = members.mapValues { sync.assignments[$0.id] ?? [] }
      store(.assignment(generation: generation, assignments), assignments: assignments)
    case .stable:
      synced(memberID)
      effects.append(.synced(request, assignment(of: member)))
      renewSession(of: memberID)
    }
  }

  private func check(_ sync: Sync) -> ErrorCode {
    let error = check(sync.membership)
    guard error == .none else { return error }
    if let type = sync.protocolType, type != protocolType { return .inconsistentGroupProtocol }
    if let name = sync.protocolName, name != protocolName { return .inconsistentGroupProtocol }
    return .none
  }

  private mutating func synced(_ memberID: String) {
    setOwesSync(memberID, false)
    if owingSync == 0 { syncDeadlineMs = nil }
  }

  private func assignment(of member: GroupMember) -> SyncAnswer {
    var answer = SyncAnswer(error: .none)
    answer.protocolType = protocolType
    answer.protocolName = protocolName
    answer.assignment = member.assignment
    return answer
  }

  /// The assignments of a generation are stored, or cannot be. A later generation may have begun meanwhile.
  mutating func assigned(_ assignments: [String: [UInt8]], of assigned: Int32, _ error: ErrorCode) {
    guard state == .completingRebalance, generation == assigned else { return }
    guard error == .none else {
      refuseAssignment(error)
      return prepareRebalance("the assignment cannot be stored: \(error)")
    }
    for memberID in assignments.keys { members[memberID]?.assignment = assignments[memberID] ?? [] }
    #if DEBUG
    if PlantedFault.assignsToAllWhatIsTheFirsts.isPlanted, let first = membersInOrder.first?.assignment {
      for memberID in members.keys { members[memberID]?.assignment = first }
    }
    #endif
    transition(to: .stable)
    for member in membersInOrder where member.isAwaitingSync {
      answerSync(of: member.id, assignment(of: member))
      renewSession(of: member.id)
    }
  }

  /// Drops the assignments of this generation, and answers the members that wait for them with an error.
  mutating func refuseAssignment(_ error: ErrorCode) {
    for member in membersInOrder {
      members[member.id]?.assignment = []
      guard member.isAwaitingSync else { continue }
      answerSync(of: member.id, SyncAnswer(error: error))
      renewSession(of: member.id)
    }
  }

  /// Removes members that have not asked for their assignment in time.
  mutating func expireSyncs() {
    syncDeadlineMs = nil
    guard state == .completingRebalance || state == .stable, owingSync > 0 else { return }
    let late = membersInOrder.filter(\.owesSync).map(\.id)
    for memberID in late {
      // A static member that is back waits for its new id to be stored.
      answerJoin(of: memberID, JoinAnswer(error: .unknownMemberId, memberID: ""))
      remove(memberID)
    }
    prepareRebalance("\(late.joined(separator: ", ")) did not ask for the assignment in time")
  }
}
