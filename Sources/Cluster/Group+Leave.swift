import Model

/// LeaveGroup.
extension Group {
  /// Removes members, each by its member id or, from an administrator, by its instance id.
  mutating func leave(_ request: RequestID, _ leavers: [Leaver]) {
    guard state != .dead else {
      return effects.append(.left(request, LeaveAnswer(error: .coordinatorNotAvailable)))
    }
    let errors = leavers.map { removeLeaver($0) }
    effects.append(.left(request, LeaveAnswer(errors: errors)))
  }

  private mutating func removeLeaver(_ leaver: Leaver) -> ErrorCode {
    if leaver.memberID.isEmpty {
      guard let memberID = leaver.instanceID.flatMap({ staticMembers[$0] }) else { return .unknownMemberId }
      leave(memberID, leaver)
    } else if pendingMembers[leaver.memberID] != nil {
      removePending(leaver.memberID)
    } else {
      let error = check(leaver.memberID, instanceID: leaver.instanceID)
      guard error == .none else { return error }
      leave(leaver.memberID, leaver)
    }
    return .none
  }

  private mutating func leave(_ memberID: String, _ leaver: Leaver) {
    let words = leaver.reason.isEmpty ? "" : ": \(leaver.reason)"
    removeAndRebalance(memberID, "member \(memberID) leaves\(words)")
  }
}
