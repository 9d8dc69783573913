import Base
import Model
import NIOCore
import Wire

/// Joining, and staying: JoinGroup, SyncGroup, Heartbeat.
extension SimulatedGroupMember {
  private static let protocolType = "consumer", protocolName = "range"

  func join() {
    var request = JoinGroupRequest()
    request.groupID = settings.group
    request.sessionTimeoutMs = settings.sessionTimeoutMs
    request.rebalanceTimeoutMs = settings.rebalanceTimeoutMs
    request.memberID = memberID
    request.groupInstanceID = settings.instanceID
    request.protocolType = Self.protocolType
    let subscription = ConsumerProtocolSubscription.with {
      $0.topics = Array(Set(settings.partitions.map(\.topic))).sorted()
    }
    request.protocols = [.with { ($0.name, $0.metadata) = (Self.protocolName, subscription.prefixed(version: 1)) }]
    simulation.trace.note("\(client.name) joins as \(memberID.isEmpty ? "a new member" : memberID)")
    session.ask(request, version: settings.joinVersion) { [self] result in
      rebalanceSent = nil
      guard case .success(let answer) = result else { return enterLater() }
      joined(answer)
    }
    rebalanceSent = client.isConnected ? simulation.now : nil
  }

  private func joined(_ answer: JoinGroupResponse) {
    switch answer.errorCode {
    case .none:
      if !memberID.isEmpty, settings.instanceID == nil, answer.memberID != memberID {
        simulation.violation("\(client.name): \(memberID) has joined, and is called \(answer.memberID)")
      }
      memberID = answer.memberID
      generation = answer.generationID
      let isLeader = answer.leader == answer.memberID
      simulation.trace.note(
        "\(client.name) is \(memberID) in generation \(generation)\(isLeader ? ", of which it is the leader" : "")")
      sync(isLeader && !answer.skipAssignment ? assignments(to: answer.members) : [:])
    case .memberIdRequired:
      memberID = answer.memberID
      join()
    default: goOn(after: answer.errorCode, "JoinGroup")
    }
  }

  /// Of each topic, consecutive partitions to each member, as Kafka's range assignor does it.
  private func assignments(to members: [JoinGroupResponse.Member]) -> [String: [TopicPartition]] {
    let ids = members.map(\.memberID).sorted()
    guard !ids.isEmpty else {
      simulation.violation("\(client.name) leads a generation of no members")
      return [:]
    }
    var assigned = Dictionary(uniqueKeysWithValues: ids.map { ($0, [TopicPartition]()) })
    for topic in Set(settings.partitions.map(\.topic)).sorted() {
      let partitions = settings.partitions.filter { $0.topic == topic }
      let (each, more) = partitions.count.quotientAndRemainder(dividingBy: ids.count)
      var next = 0
      for (index, id) in ids.enumerated() {
        let count = each + (index < more ? 1 : 0)
        assigned[id]?.append(contentsOf: partitions[next..<next + count])
        next += count
      }
    }
    let names = Dictionary(members.map { ($0.memberID, $0.groupInstanceID ?? $0.memberID) }) { first, _ in first }
    ledger.giving(Dictionary(uniqueKeysWithValues: assigned.map { (names[$0] ?? $0, $1) }), in: generation)
    return assigned
  }

  private func sync(_ assignments: [String: [TopicPartition]]) {
    var request = SyncGroupRequest()
    request.groupID = settings.group
    request.generationID = generation
    request.memberID = memberID
    request.groupInstanceID = settings.instanceID
    (request.protocolType, request.protocolName) = (Self.protocolType, Self.protocolName)
    request.assignments = assignments.sorted { $0.key < $1.key }.map { id, partitions in
      .with { ($0.memberID, $0.assignment) = (id, ConsumerProtocolAssignment.of(partitions).prefixed(version: 1)) }
    }
    let latest = ledger.generation
    session.ask(request, version: settings.syncVersion) { [self] result in
      rebalanceSent = nil
      guard case .success(let answer) = result else { return enterLater() }
      guard answer.errorCode == .none else { return goOn(after: answer.errorCode, "SyncGroup") }
      synced(answer.assignment, latest: latest)
    }
    rebalanceSent = client.isConnected ? simulation.now : nil
  }

  private func synced(_ assignment: ByteBuffer, latest: Int32) {
    var bytes = assignment
    var partitions: [TopicPartition] = []
    // A member that the leader has given nothing gets nothing.
    if bytes.readableBytes > 0 {
      do { partitions = try ConsumerProtocolAssignment(prefixed: &bytes).partitions } catch {
        simulation.violation("\(client.name): its assignment cannot be read: \(error)")
      }
    }
    ledger.assigned(partitions, to: identity, in: generation, latest: latest)
    begin(partitions)
  }

  // MARK: Heartbeats

  func beatLater() { session.later(milliseconds: settings.heartbeatIntervalMs) { [self] in beat() } }

  func beat() {
    var request = HeartbeatRequest()
    request.groupID = settings.group
    request.generationID = generation
    request.memberID = memberID
    request.groupInstanceID = settings.instanceID
    session.ask(request, version: 3) { [self] result in
      guard case .success(let answer) = result else {
        return session.later(20_000 + random.below(60_000)) { [self] in beat() }
      }
      switch answer.errorCode {
      case .none:
        if !isRestless() { beatLater() }
      case .rebalanceInProgress where random.below(2) == 0 && !positions.isEmpty:
        commit { [self] in rejoin() }
      default: goOn(after: answer.errorCode, "Heartbeat")
      }
    }
  }

  // MARK: Errors

  /// Does what Kafka's client does after an error of the coordinator.
  func goOn(after code: ErrorCode, _ what: String) {
    switch code {
    case .rebalanceInProgress, .illegalGeneration: rejoin()
    case .unknownMemberId, .fencedInstanceId: joinAnew()
    default:
      expect(code, what)
      enterLater()
    }
  }

  /// Reports an error that a coordinator with a sound disk has no reason for.
  func expect(_ code: ErrorCode, _ what: String) {
    switch code {
    case .none: return
    case .coordinatorLoadInProgress, .coordinatorNotAvailable, .notCoordinator: client.coordinatorIsLost()
    default:
      if !simulation.diskMayFail { simulation.violation("\(client.name): \(what) is answered with \(code)") }
    }
  }
}

extension ConsumerProtocolAssignment {
  /// - Parameter partitions: those of one topic follow each other.
  static func of(_ partitions: [TopicPartition]) -> ConsumerProtocolAssignment {
    var assignment = ConsumerProtocolAssignment()
    for partition in partitions {
      if assignment.assignedPartitions.last?.topic != partition.topic {
        assignment.assignedPartitions.append(.with { $0.topic = partition.topic })
      }
      assignment.assignedPartitions[assignment.assignedPartitions.count - 1].partitions.append(partition.partition)
    }
    return assignment
  }

  var partitions: [TopicPartition] {
    assignedPartitions.flatMap { topic in topic.partitions.map { TopicPartition(topic.topic, $0) } }
  }
}
