import Model

/// JoinGroup.
extension Group {
  mutating func join(_ request: RequestID, _ join: Join) {
    if join.sessionTimeoutMs < rules.sessionTimeoutMsMin || join.sessionTimeoutMs > rules.sessionTimeoutMsMax {
      refuse(request, .invalidSessionTimeout, join.memberID)
    } else if !hasRoom(for: join.memberID) {
      remove(join.memberID)
      refuse(request, .groupMaxSizeReached, "")
    } else if state == .dead {
      refuse(request, .coordinatorNotAvailable, join.memberID)
    } else if !supports(join.protocolType, join.protocols) {
      refuse(request, .inconsistentGroupProtocol, join.memberID)
    } else if Self.byteCount(of: join.protocols) > GroupLimits.memberProtocolBytes {
      refuse(request, .unknownServerError, join.memberID)
    } else if join.memberID.isEmpty {
      joinAnew(request, join)
    } else if pendingMembers[join.memberID] != nil {
      joinWithGivenID(request, join)
    } else {
      joinAgain(request, join)
    }
    completeJoinIfReady()
  }

  private mutating func refuse(_ request: RequestID, _ error: ErrorCode, _ memberID: String) {
    effects.append(.joined(request, JoinAnswer(error: error, memberID: memberID)))
  }

  /// Says whether group.max.size allows the member. In a rebalance the members count that have joined it: the last to do so must go
  /// where the group was larger before.
  private func hasRoom(for memberID: String) -> Bool {
    switch state {
    case .empty, .dead: true
    case .preparingRebalance: members[memberID]?.isAwaitingJoin == true || awaitingJoin < rules.sizeMax
    case .completingRebalance, .stable: members[memberID] != nil || members.count < rules.sizeMax
    }
  }

  private static func byteCount(of protocols: [GroupProtocol]) -> Int {
    protocols.reduce(0) { $0 + $1.name.utf8.count + $1.metadata.count }
  }

  /// A client without a member id joins.
  private mutating func joinAnew(_ request: RequestID, _ join: Join) {
    if let instanceID = join.instanceID {
      if let oldID = staticMembers[instanceID] {
        replace(oldID, request, join)
      } else {
        addAndRebalance(request, join, id: join.newMemberID)
      }
    } else if !join.requiresKnownID {
      addAndRebalance(request, join, id: join.newMemberID)
    } else if pendingMembers.count >= GroupLimits.pendingMembers {
      refuse(request, .coordinatorNotAvailable, "")
    } else {
      let deadlineMs = now.ms + Int64(join.sessionTimeoutMs)
      pendingMembers[join.newMemberID] = deadlineMs
      arm(deadlineMs)
      refuse(request, .memberIdRequired, join.newMemberID)
    }
  }

  /// A client joins with the id that it was given. Static members are given none.
  private mutating func joinWithGivenID(_ request: RequestID, _ join: Join) {
    guard join.instanceID == nil else { return refuse(request, .unknownMemberId, join.memberID) }
    addAndRebalance(request, join, id: join.memberID)
  }

  private mutating func addAndRebalance(_ request: RequestID, _ join: Join, id memberID: String) {
    // The wait of a new group is extended while members come.
    if state == .preparingRebalance, generation == 0 { hasNewMember = true }
    add(request, join, id: memberID)
    prepareRebalanceIfAllowed("member \(memberID) joins\(Self.words(join.reason))")
  }

  /// A member joins that the group has.
  private mutating func joinAgain(_ request: RequestID, _ join: Join) {
    let error = check(join.memberID, instanceID: join.instanceID)
    guard error == .none, let member = members[join.memberID] else { return refuse(request, error, join.memberID) }
    let isUnchanged = member.protocols == Self.distinct(join.protocols)
    switch state {
    case .preparingRebalance:
      updateAndRebalance(request, join, "member \(member.id) joins again")
    case .completingRebalance:
      // The member may have missed the response.
      if isUnchanged {
        effects.append(.joined(request, presentGeneration(for: member.id, isForLeader: leader == member.id)))
      } else {
        updateAndRebalance(request, join, "member \(member.id) joins with other protocols")
      }
    case .stable:
      // The leader joins when it wants to assign anew: its topics may have changed, which its metadata does not tell.
      if leader == member.id {
        updateAndRebalance(request, join, "the leader \(member.id) joins again")
      } else if !isUnchanged {
        updateAndRebalance(request, join, "member \(member.id) joins with other protocols")
      } else {
        effects.append(.joined(request, presentGeneration(for: member.id, isForLeader: false)))
      }
    case .empty, .dead:
      refuse(request, .unknownMemberId, join.memberID)
    }
  }

  private mutating func updateAndRebalance(_ request: RequestID, _ join: Join, _ reason: String) {
    update(join.memberID, join)
    awaitJoin(request, of: join.memberID)
    prepareRebalanceIfAllowed(reason + Self.words(join.reason))
  }

  private static func words(_ reason: String) -> String { reason.isEmpty ? "" : ": \(reason)" }

  /// The answer to a member of the present generation.
  ///
  /// - Parameter isForLeader: the member is to assign, and is told of all members.
  func presentGeneration(for memberID: String, isForLeader: Bool) -> JoinAnswer {
    var answer = JoinAnswer(error: .none, memberID: memberID)
    answer.generation = generation
    answer.protocolType = protocolType
    answer.protocolName = protocolName
    answer.leader = leader ?? ""
    if isForLeader {
      answer.members = membersInOrder.map {
        JoinedMember(id: $0.id, instanceID: $0.instanceID, metadata: $0.metadata(for: protocolName))
      }
    }
    return answer
  }
}
