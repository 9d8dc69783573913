import Base
import Cluster
import Model

/// The answer to a request: now, or later to the closure that was given, unless the request is forgotten.
enum GroupAnswer<Answer: Sendable>: Sendable {
  case now(Answer)
  case later(forget: @Sendable () -> Void)
}

/// Requests of members.
extension GroupShard {
  func join(
    _ id: String, _ join: Group.Join, then: @escaping @Sendable (Group.JoinAnswer) -> Void
  ) -> GroupAnswer<Group.JoinAnswer> {
    exclusively { state, work in
      if let error = state.error { return .now(.init(error: error, memberID: join.memberID)) }
      if state.groups[id] == nil {
        // A member that the coordinator does not know cannot be of a group that it does not know.
        guard join.memberID.isEmpty else { return .now(.init(error: .unknownMemberId, memberID: join.memberID)) }
        guard state.groups.count < Limits.groupsPerPartition else {
          return .now(.init(error: .coordinatorNotAvailable, memberID: ""))
        }
        state.groups[id] = Entry(group: Group(id, rules: environment.rules, at: work.now))
      }
      if let error = makeClassic(id, &state, work) { return .now(.init(error: error, memberID: join.memberID)) }
      let request = state.wait(.join(then))
      work.request = request
      step(.join(request, join), of: id, &state, &work)
      settle(id, &state, work)
      if let answer = work.joined { return .now(answer) }
      return .later(forget: { [weak self] in self?.forget(request) })
    }
  }

  func sync(
    _ id: String, _ sync: Group.Sync, then: @escaping @Sendable (Group.SyncAnswer) -> Void
  ) -> GroupAnswer<Group.SyncAnswer> {
    exclusively { state, work in
      if let error = state.error {
        // The rebalance that the member is in is lost: it has to join again. Older clients know no other error for that.
        return .now(.init(error: error == .coordinatorLoadInProgress ? .rebalanceInProgress : error))
      }
      guard state.groups[id] != nil else { return .now(.init(error: .unknownMemberId)) }
      let request = state.wait(.sync(then))
      work.request = request
      step(.sync(request, sync), of: id, &state, &work)
      settle(id, &state, work)
      if let answer = work.synced { return .now(answer) }
      return .later(forget: { [weak self] in self?.forget(request) })
    }
  }

  /// The client of a waiting request has gone. The member stays: its client may come back, and otherwise its session ends.
  private func forget(_ request: Group.RequestID) {
    exclusively { state, _ in state.waiting[request] = nil }
  }

  func heartbeat(_ id: String, _ membership: Group.Membership) -> ErrorCode {
    exclusively { state, work in
      // The members' sessions begin anew when the log is read.
      if let error = state.error { return error == .coordinatorLoadInProgress ? .none : error }
      guard state.groups[id] != nil else { return .unknownMemberId }
      step(.heartbeat(0, membership), of: id, &state, &work)
      settle(id, &state, work)
      return work.heartbeat
    }
  }

  func leave(_ id: String, _ leavers: [Group.Leaver]) -> Group.LeaveAnswer {
    exclusively { state, work in
      if let error = state.error { return Group.LeaveAnswer(error: error) }
      guard state.groups[id] != nil else {
        return Group.LeaveAnswer(errors: leavers.map { _ in .unknownMemberId })
      }
      step(.leave(0, leavers), of: id, &state, &work)
      settle(id, &state, work)
      return work.left
    }
  }
}

extension GroupShard.State {
  /// The error that requests get; nil when they are served.
  var error: ErrorCode? {
    #if DEBUG
    if PlantedFault.servesBeforeLoading.isPlanted, status == .loading { return nil }
    #endif
    return switch status {
    case .active: nil
    case .loading: .coordinatorLoadInProgress
    case .refusing(let error): error
    }
  }

  mutating func wait(_ waiting: GroupShard.Waiting) -> Group.RequestID {
    requests += 1
    self.waiting[requests] = waiting
    return requests
  }
}
