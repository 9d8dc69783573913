/// The group's record, and the group as clients see it.
extension Group {
  /// Makes a group of its record: of its members nobody waits, and their sessions begin with `Event.loaded`.
  package init(_ id: String, reading stored: StoredGroup, rules: Rules, at now: Instant) {
    self.init(id, rules: rules, at: now)
    generation = stored.generation
    protocolType = stored.protocolType.isEmpty ? nil : stored.protocolType
    protocolName = stored.members.isEmpty ? nil : stored.protocolName ?? ""
    for read in stored.members {
      var member = GroupMember(
        id: read.id, instanceID: read.instanceID, clientID: read.clientID, clientHost: read.clientHost,
        rebalanceTimeoutMs: read.rebalanceTimeoutMs, sessionTimeoutMs: read.sessionTimeoutMs,
        protocols: [GroupProtocol(protocolName ?? "", read.subscription)])
      member.assignment = read.assignment
      member.isNew = false
      // A damaged record may name a member twice.
      remove(read.id)
      if let doubled = read.instanceID.flatMap({ staticMembers[$0] }) { remove(doubled) }
      insert(member, protocolType: stored.protocolType)
    }
    if let leading = stored.leader, members[leading] != nil { leader = leading }
    restore(members.isEmpty ? .empty : .stable)
    stateTimestampMs = stored.stateTimestampMs
    subscribedTopics = findSubscribedTopics()
  }

  /// The record of the present generation, with these assignments by member id.
  func record(_ assignments: [String: [UInt8]]) -> StoredGroup {
    StoredGroup(
      protocolType: protocolType ?? "", generation: generation, protocolName: protocolName, leader: leader,
      stateTimestampMs: stateTimestampMs,
      members: membersInOrder.map { member in
        StoredGroup.Member(
          id: member.id, instanceID: member.instanceID, clientID: member.clientID, clientHost: member.clientHost,
          rebalanceTimeoutMs: member.rebalanceTimeoutMs, sessionTimeoutMs: member.sessionTimeoutMs,
          subscription: member.metadata(for: protocolName), assignment: assignments[member.id] ?? [])
      })
  }

  /// The record with which the group is as it is now.
  package var record: StoredGroup { record(members.mapValues(\.assignment)) }
}
