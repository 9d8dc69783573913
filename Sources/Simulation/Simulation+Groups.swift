import Model
import NIOCore
import Wire

/// Checks consumer groups: while faults happen, when they have ended, and after the last restart.
extension Simulation {
  private func members(of group: Scenario.Group) -> [SimulatedGroupMember] {
    members.filter { $0.settings.group == group.name }
  }

  /// Reports a request that has waited for longer than a rebalance may take.
  func checkRebalanceWaits() {
    for group in scenario.groups {
      for member in members(of: group) {
        guard let sent = member.rebalanceSent, now - sent > .milliseconds(Int64(group.answerMs)) else { continue }
        violation("\(member.client.name) waits for \(group.answerMs) ms in a rebalance of \(group.name)")
        member.rebalanceSent = nil
      }
    }
  }

  // MARK: After the faults

  /// Waits until every group is stable and has read everything, and then checks which events lead to a rebalance.
  func settleGroups() {
    for member in members { member.isSettling = true }
    for consumer in consumers { consumer.isResting = true }
    for group in scenario.groups {
      settle(group)
      // A member that has gone may have been in the last generation, without a partition.
      advance(to: now + .milliseconds(Int64(group.answerMs)))
      settle(group)
      checkRebalances(of: group)
    }
  }

  /// - Parameter before: a generation that must not be the last.
  private func settle(_ group: Scenario.Group, after before: Int32? = nil) {
    // As in a cluster: a slow member may have much to read.
    while violations.isEmpty, !isSettled(group, after: before) {
      let committed = committedRecords(of: group)
      advance(
        seconds: max(Self.healingSeconds, group.settlingMs / 1_000 + 1),
        until: { self.isSettled(group, after: before) || self.committedRecords(of: group) > committed },
        orElse: "after the faults, \(group.name) does not become stable, with all partitions owned and read: "
          + "\(self.members(of: group).map { "\($0.client.name) \($0.phase) in \($0.generation) has \($0.owned)" })")
    }
  }

  private func committedRecords(of group: Scenario.Group) -> Int64 {
    groupLedgers[group.name]?.committed.values.reduce(0, +) ?? 0
  }

  /// Whether all members are in one generation, own every partition, and have committed all that is acknowledged.
  private func isSettled(_ group: Scenario.Group, after before: Int32?) -> Bool {
    let present = members(of: group).filter { !$0.staysAway }
    guard let generation = present.first?.generation, generation != before,
      present.allSatisfy({ $0.generation == generation && $0.isCaughtUp })
    else { return false }
    return present.flatMap(\.owned).sorted() == group.partitions
  }

  /// Checks in a group at rest that there is a rebalance where there must be one, and no other: none while nothing happens, one when a
  /// member leaves or its session ends, one when it comes back, and none when a static member does.
  private func checkRebalances(of group: Scenario.Group) {
    let present = members(of: group)
    expectRebalances(0, of: group, "while nothing happens") {}
    if let leaver = present.last(where: { $0.settings.instanceID == nil }), present.count > 1 {
      for (departure, depart) in [("leaves", leaver.leave), ("crashes, and its session ends", leaver.crash)] {
        expectRebalances(1, of: group, "when \(leaver.client.name) \(departure)") {
          leaver.staysAway = true
          depart()
        }
        expectRebalances(1, of: group, "when \(leaver.client.name) joins") { leaver.staysAway = false }
      }
    }
    if let back = present.first(where: { $0.settings.instanceID != nil }) {
      expectRebalances(0, of: group, "when \(back.client.name), a static member, comes back") { back.crash() }
    }
  }

  private func expectRebalances(_ count: Int32, of group: Scenario.Group, _ when: String, _ cause: () -> Void) {
    guard violations.isEmpty, let member = members(of: group).first(where: { !$0.staysAway }) else { return }
    let before = member.generation
    cause()
    settle(group, after: count == 0 ? nil : before)
    // Time for a second.
    advance(to: now + .milliseconds(2 * Int64(group.sessionTimeoutMs)))
    settle(group)
    guard violations.isEmpty, let found = members(of: group).first(where: { !$0.staysAway })?.generation else { return }
    if found - before != count {
      violation("\(group.name) goes from generation \(before) to \(found) \(when); \(count) rebalances are due")
    }
  }

  // MARK: After the last restart

  /// Checks that every committed offset is still there.
  func checkCommittedOffsets() {
    guard violations.isEmpty, !scenario.groups.isEmpty else { return }
    let client = SimulatedClient("offsets", self)
    advance(seconds: 10, until: { client.connect() }, orElse: "nobody can connect")
    for group in scenario.groups {
      guard let ledger = groupLedgers[group.name] else { continue }
      for (partition, offset) in fetchOffsets(of: group.name, group.partitions, client) {
        ledger.fetched(offset, of: partition, floor: ledger.committed[partition])
      }
    }
    client.leave()
  }

  /// Fetches a group's offsets, as often as the coordinator asks for patience.
  ///
  /// - Parameter mayBeMissing: whether there may be no coordinator; then nothing is returned.
  func fetchOffsets(
    of group: String, _ partitions: [TopicPartition], mayBeMissing: Bool = false, _ client: SimulatedClient
  ) -> [(TopicPartition, Int64)] {
    var found: [(TopicPartition, Int64)]?
    var isAsking = false
    advance(
      seconds: 20,
      until: {
        if found != nil { return true }
        guard !isAsking else { return false }
        isAsking = true
        client.ask(OffsetFetchRequest.of(partitions, group: group), version: 7) { result in
          isAsking = false
          guard case .success(let answer) = result else { return self.violation("OffsetFetch is not answered") }
          // Nobody has asked for the coordinator, and there is none before that.
          if answer.errorCode == .notCoordinator, mayBeMissing {
            found = []
            return
          }
          guard answer.errorCode != .coordinatorLoadInProgress else { return }
          if answer.errorCode != .none { self.violation("OffsetFetch of \(group): \(answer.errorCode)") }
          guard !answer.offsets.contains(where: { $0.error == .unstableOffsetCommit }) else { return }
          for (partition, _, error) in answer.offsets where error != .none {
            self.violation("OffsetFetch of \(group) for \(partition): \(error)")
          }
          found = answer.offsets.map { ($0.partition, $0.offset) }
        }
        return false
      }, orElse: "the offsets of \(group) cannot be fetched")
    return found ?? []
  }
}
