import Model
import Wire

/// Heartbeats of the new protocol (KIP-848), by which a member joins, says what it has, is told what it is to have, and leaves.
extension GroupConsumer {
  /// The epoch of a heartbeat that leaves, and of a static member's that keeps its place.
  private enum LeaveEpoch {
    static let leaves: Int32 = -1, keepsItsPlace: Int32 = -2
  }

  var isJoining: Bool { membership.phase == .joining }

  func beat(_ heartbeat: GroupMembership.Heartbeat) {
    guard !isHeartbeatInFlight, hasCoordinator else { return }
    isHeartbeatInFlight = true
    var request = heartbeatRequest(in: membership.generation)
    if heartbeat == .full {
      request.rebalanceTimeoutMs = Int32(settings.rebalanceTimeoutMs)
      request.subscribedTopicNames = [metadata.topic]
      if case .consumer(_, let assignor) = settings.membership { request.serverAssignor = assignor }
    }
    if heartbeat != .plain { request.topicPartitions = owned }
    let epoch = membership.generation
    send(request) { group, answer in group.answered(answer, to: epoch) }
  }

  private func heartbeatRequest(in epoch: Int32) -> ConsumerGroupHeartbeatRequest {
    var request = ConsumerGroupHeartbeatRequest()
    request.groupID = settings.groupID
    request.memberID = membership.memberID
    request.memberEpoch = epoch
    request.instanceID = settings.instanceID
    return request
  }

  private var owned: [TopicIDPartitions] {
    let owned = partitions
    guard !owned.isEmpty else { return [] }
    return [
      .with {
        $0.topicID = metadata.topicID
        $0.partitions = owned
      }
    ]
  }

  private func answered(_ answer: ConsumerGroupHeartbeatResponse, to epoch: Int32) {
    isHeartbeatInFlight = false
    guard epoch == membership.generation else {
      // It was sent before the member began to join again.
      if isJoining { beat(.full) }
      return
    }
    if answer.errorCode == .none {
      beat(everyMs: Int(answer.heartbeatIntervalMs))
      carryOut(.answered(epoch: answer.memberEpoch, answer.assignment.map(assigned)))
    } else {
      refused(.heartbeat, answer.errorCode)
    }
    _ = leaveIfAsked()
  }

  /// The first answer, or one that says another interval, starts the timer anew.
  private func beat(everyMs interval: Int) {
    guard interval > 0, interval != askedIntervalMs else { return }
    askedIntervalMs = interval
    keepTime()
  }

  /// The assigned partitions of our topic.
  private func assigned(_ assignment: ConsumerGroupHeartbeatResponse.Assignment) -> [TopicPartition] {
    let known = Set(metadata.partitions.map(\.index))
    return assignment.topicPartitions.filter { $0.topicID == metadata.topicID }.flatMap(\.partitions)
      .filter(known.contains).map { TopicPartition(metadata.topic, $0) }
  }

  func sendLastHeartbeat() {
    let epoch = settings.instanceID == nil ? LeaveEpoch.leaves : LeaveEpoch.keepsItsPlace
    send(heartbeatRequest(in: epoch)) { _, _ in }
  }
}
