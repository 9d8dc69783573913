import Model
import NIOCore
import Wire

/// Joins the group, synchronises with it, keeps the membership alive, and leaves.
extension GroupConsumer {
  func join() {
    var request = JoinGroupRequest()
    request.groupID = settings.groupID
    request.sessionTimeoutMs = Int32(settings.sessionTimeoutMs)
    request.rebalanceTimeoutMs = Int32(settings.rebalanceTimeoutMs)
    request.memberID = membership.memberID
    request.groupInstanceID = settings.instanceID
    request.protocolType = ConsumerGroup.protocolType
    request.protocols = [
      .with {
        $0.name = settings.assignor.rawValue
        $0.metadata = subscription.prefixed(version: ConsumerProtocolSubscription.versions.upperBound)
      }
    ]
    send(request) { group, answer in group.joined(answer) }
  }

  var subscription: ConsumerProtocolSubscription {
    var subscription = ConsumerProtocolSubscription()
    subscription.topics = [metadata.topic]
    subscription.generationID = membership.generation
    if !membership.owned.isEmpty {
      subscription.ownedPartitions = [
        .with {
          $0.topic = metadata.topic
          $0.partitions = partitions
        }
      ]
    }
    return subscription
  }

  func joined(_ answer: JoinGroupResponse) {
    switch answer.errorCode {
    case .none:
      // Only the leader of the group is told the members; a leader that is to skip the assignment is not asked for one.
      members = answer.leader == answer.memberID && !answer.skipAssignment ? answer.members : []
      protocolName = answer.protocolName
      carryOut(.joined(memberID: answer.memberID, generation: answer.generationID))
    case .memberIdRequired: carryOut(.memberIDGiven(answer.memberID))
    case let code: refused(.join, code)
    }
  }

  func synchronise() {
    var request = SyncGroupRequest()
    request.groupID = settings.groupID
    request.generationID = membership.generation
    request.memberID = membership.memberID
    request.groupInstanceID = settings.instanceID
    request.protocolType = ConsumerGroup.protocolType
    request.protocolName = protocolName
    request.assignments = ConsumerGroup.assign(
      members, by: settings.assignor, [metadata.topic: Int32(metadata.partitions.count)])
    send(request) { group, answer in group.synchronised(answer) }
  }

  func synchronised(_ answer: SyncGroupResponse) {
    guard answer.errorCode == .none else { return refused(.synchronise, answer.errorCode) }
    guard let partitions = ConsumerGroup.partitions(in: answer.assignment) else {
      return fail(.malformed(endpoint, what: "a group's assignment"))
    }
    let known = Set(metadata.partitions.map(\.index))
    carryOut(.synchronised(partitions.filter { $0.topic == metadata.topic && known.contains($0.partition) }))
  }

  func leave(_ memberID: String) {
    guard membership.isClassic else { return sendLastHeartbeat() }
    var request = LeaveGroupRequest()
    request.groupID = settings.groupID
    request.memberID = memberID
    request.members = [.with { $0.memberID = memberID }]
    send(request) { _, _ in }
  }

  // MARK: Heartbeats

  /// Before the coordinator of the new protocol has said how often, a member tries to join as often as it may.
  private var heartbeatIntervalMs: Int {
    membership.isClassic ? settings.heartbeatIntervalMs : askedIntervalMs ?? ClientLimits.retryBackoffMs
  }

  /// Begins to send heartbeats at intervals of which the first may be shorter.
  func keepTime() { scheduleHeartbeat(afterMs: Int(Double(heartbeatIntervalMs) * settings.heartbeatPhase)) }

  private func scheduleHeartbeat(afterMs milliseconds: Int) {
    heartbeatTimer += 1
    let timer = heartbeatTimer
    after(milliseconds) { group in
      guard timer == group.heartbeatTimer else { return }
      if group.membership.isClassic { group.heartbeat() } else { group.beat(group.isJoining ? .full : .plain) }
      group.scheduleHeartbeat(afterMs: group.heartbeatIntervalMs)
    }
  }

  func heartbeat() {
    guard membership.phase == .member, !isHeartbeatInFlight, hasCoordinator else { return }
    isHeartbeatInFlight = true
    var request = HeartbeatRequest()
    request.groupID = settings.groupID
    request.generationID = membership.generation
    request.memberID = membership.memberID
    request.groupInstanceID = settings.instanceID
    let generation = membership.generation
    send(request) { group, answer in
      group.isHeartbeatInFlight = false
      guard answer.errorCode != .none, generation == group.membership.generation else { return }
      group.refused(.heartbeat, answer.errorCode)
    }
  }
}
