import Model

/// The rebalance: it waits for members to join, and ends in a new generation.
extension Group {
  mutating func prepareRebalanceIfAllowed(_ reason: String) {
    switch state {
    case .empty, .completingRebalance, .stable: prepareRebalance(reason)
    case .preparingRebalance, .dead: break
    }
  }

  /// Begins a rebalance. Members that wait for their assignment are sent to join again.
  mutating func prepareRebalance(_ reason: String) {
    effects.append(.rebalance(reason: reason))
    if state == .completingRebalance { refuseAssignment(.rebalanceInProgress) }
    syncDeadlineMs = nil
    let wasEmpty = state == .empty
    transition(to: .preparingRebalance)
    hasNewMember = false
    if wasEmpty {
      wait(
        rules.initialRebalanceDelayMs, extensibleMs: max(0, rebalanceTimeoutMs - rules.initialRebalanceDelayMs))
    } else {
      wait(rebalanceTimeoutMs, extensibleMs: nil)
      completeJoinIfReady()
    }
  }

  private mutating func wait(_ delayMs: Int64, extensibleMs: Int64?) {
    joinWait = JoinWait(deadlineMs: now.ms + delayMs, extensibleMs: extensibleMs)
    arm(now.ms + delayMs)
  }

  /// The largest rebalance timeout of the members.
  var rebalanceTimeoutMs: Int64 { members.values.reduce(0) { max($0, Int64($1.rebalanceTimeoutMs)) } }

  /// Completes the wait for members when all have joined, also those that were given an id. A new group waits for its delay to pass.
  mutating func completeJoinIfReady() {
    guard state == .preparingRebalance, let joinWait, joinWait.extensibleMs == nil else { return }
    if awaitingJoin == members.count, pendingMembers.isEmpty { completeJoin() }
  }

  /// The time of a wait is over. That of a new group is extended if members have come meanwhile: they tend to start together.
  mutating func endWait(_ ended: JoinWait) {
    guard let extensibleMs = ended.extensibleMs, extensibleMs > 0, hasNewMember else { return completeJoin() }
    hasNewMember = false
    let delayMs = min(rules.initialRebalanceDelayMs, extensibleMs)
    wait(delayMs, extensibleMs: extensibleMs - delayMs)
  }

  /// Ends the wait for members. Dynamic members that have not joined are removed; static ones keep their places until their sessions
  /// end.
  private mutating func completeJoin() {
    joinWait = nil
    for member in membersInOrder where !member.isAwaitingJoin && !member.isStatic { remove(member.id) }
    if !members.isEmpty, !electJoinedLeader() {
      // Nobody has joined: the static members that are left have their sessions' time.
      return wait(max(GroupLimits.postponedRebalanceMs, rebalanceTimeoutMs), extensibleMs: nil)
    }
    beginGeneration()
  }

  /// Makes a member the leader that has joined; returns false when none has.
  private mutating func electJoinedLeader() -> Bool {
    if let leader, members[leader]?.isAwaitingJoin == true { return true }
    guard let joined = membersInOrder.first(where: \.isAwaitingJoin) else { return false }
    leader = joined.id
    return true
  }

  private mutating func beginGeneration() {
    // What a damaged record may say must not trap; the number after the largest is 1.
    generation = generation == .max ? 1 : generation + 1
    protocolName = members.isEmpty ? nil : selectProtocol()
    subscribedTopics = findSubscribedTopics()
    guard !members.isEmpty else {
      transition(to: .empty)
      return store(.emptied, assignments: [:])
    }
    transition(to: .completingRebalance)
    for member in membersInOrder {
      members[member.id]?.assignment = []
      answerJoin(of: member.id, presentGeneration(for: member.id, isForLeader: leader == member.id))
      renewSession(of: member.id)
      members[member.id]?.isNew = false
      setOwesSync(member.id, true)
    }
    syncDeadlineMs = now.ms + max(0, rebalanceTimeoutMs)
    arm(now.ms + max(0, rebalanceTimeoutMs))
  }
}
