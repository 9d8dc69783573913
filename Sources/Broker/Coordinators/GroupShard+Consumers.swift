import Cluster
import Model
import NIOCore

/// Groups of the new protocol (KIP-848).
///
/// A group without members changes its protocol with the first member that joins by the other one; its offsets stay. One with members
/// does not.
extension GroupShard {
  typealias Beaten = Result<ConsumerGroup.Response, ApiError>

  /// Handles a member's heartbeat.
  ///
  /// - Returns: nil when `then` receives the outcome, once what has changed is replicated.
  func beat(
    _ id: String, _ heartbeat: ConsumerGroup.Heartbeat, _ catalog: TopicCatalog,
    then: @escaping @Sendable (Beaten) -> Void
  ) -> Beaten? {
    exclusively { state, work in
      if let error = state.error { return .failure(ApiError(error, "The group's partition is not served.")) }
      let before = state.groups[id]
      do throws(ApiError) { try admit(heartbeat, before, id, state.groups.count) } catch { return .failure(error) }
      var group = before?.consumers ?? ConsumerGroup(id: id)
      let effects = group.step(
        .heartbeat(heartbeat), topics: catalog, settings: environment.consumerSettings, nowMs: work.now.ms)
      var records: [CoordinatorRecord] = []
      var response: ConsumerGroup.Response?
      for effect in effects {
        switch effect {
        case .write(let changes):
          records = changes.map { ConsumerGroupRecord(id, $0).record(timestampMs: work.now.wallMs) }
        case .response(.success(let found)): response = found
        case .response(.failure(let error)): return .failure(error)
        }
      }
      guard let response else { preconditionFailure("a heartbeat without a response") }
      if let classic = before, classic.consumers == nil, classic.group.generation > 0 {
        records.insert(GroupRecord.group(id, nil).record(timestampMs: work.now.wallMs), at: 0)
      }
      let outcome = records.isEmpty ? .success(.unknown) : append(records) { then($0.beaten(response)) }
      if case .failure? = outcome { return outcome?.beaten(response) }
      var entry = before ?? Entry(group: Group(id, rules: environment.rules, at: work.now))
      if entry.consumers == nil { entry.group = Group(id, rules: environment.rules, at: work.now) }
      entry.consumers = group
      state.groups[id] = entry
      settle(id, &state, work)
      return outcome?.beaten(response)
    }
  }

  private func admit(
    _ heartbeat: ConsumerGroup.Heartbeat, _ entry: Entry?, _ id: String, _ count: Int
  ) throws(ApiError) {
    guard let entry else {
      guard heartbeat.memberEpoch == 0 else { throw ApiError(.groupIdNotFound, "Group \(id) not found.") }
      guard count < Limits.groupsPerPartition else {
        throw ApiError(
          .coordinatorNotAvailable, "The coordinator has \(Limits.groupsPerPartition) groups of the partition.")
      }
      return
    }
    guard entry.consumers == nil else { return }
    guard heartbeat.memberEpoch == 0, entry.group.isEmpty, entry.group.pendingMemberCount == 0 else {
      throw ApiError(.groupIdNotFound, "Group \(id) is not a consumer group.")
    }
  }

  /// Makes a group of the new protocol that has no members one of the classic protocol, for a member that joins by it.
  ///
  /// - Returns: the error with which the member is refused; nil when the group is a classic one now.
  func makeClassic(_ id: String, _ state: inout State, _ work: Work) -> ErrorCode? {
    guard let consumers = state.groups[id]?.consumers else { return nil }
    guard consumers.members.isEmpty else { return .inconsistentGroupProtocol }
    let outcome = append(tombstones(of: id, work)) { _ in }
    if let outcome, outcome.error != .none { return outcome.error.storingGroup }
    state.groups[id]?.consumers = nil
    return nil
  }

  /// The records that remove a group of the new protocol that has no members.
  func tombstones(of id: String, _ work: Work) -> [CoordinatorRecord] {
    [.targetEpoch(nil), .topics(nil), .epoch(nil)].map {
      ConsumerGroupRecord(id, $0).record(timestampMs: work.now.wallMs)
    }
  }

  /// Takes in a record of a group of the new protocol; any other is skipped.
  func replayConsumers(_ record: CoordinatorRecord) {
    guard let read = ConsumerGroupRecord(reading: record) else { return }
    exclusively { state, work in
      // The group's epoch is the last record that is removed of it, and of one that there is not nothing needs to be removed.
      if read.isRemoval, state.groups[read.group]?.consumers == nil { return }
      var entry = state.groups[read.group] ?? Entry(group: Group(read.group, rules: environment.rules, at: work.now))
      var group = entry.consumers ?? ConsumerGroup(id: read.group)
      group.replay(read.change)
      entry.consumers = read.change == .epoch(nil) ? nil : group
      state.groups[read.group] = entry
    }
  }

  /// Removes the members of a group of the new protocol whose time is over.
  func tickConsumers(of id: String, _ state: inout State, _ work: Work) {
    guard var group = state.groups[id]?.consumers else { return }
    let catalog = environment.catalog()
    for effect in group.step(.tick, topics: catalog, settings: environment.consumerSettings, nowMs: work.now.ms) {
      guard case .write(let changes) = effect else { continue }
      let records = changes.map { ConsumerGroupRecord(id, $0).record(timestampMs: work.now.wallMs) }
      // Without the records the members stay, for a while: a log that takes nothing is not asked again at once.
      if let outcome = append(records, then: { _ in }), outcome.error != .none {
        state.groups[id]?.consumers?.postponeRemovals(until: work.now.ms + Limits.groupRemovalRetryMs)
        return
      }
    }
    state.groups[id]?.consumers = group
  }

  func describeConsumers(_ id: String) -> Result<(ConsumerGroup, ServerAssignor), ApiError> {
    exclusively { state, _ in
      if let error = state.error { return .failure(ApiError(error, "The group's partition is not served.")) }
      guard let entry = state.groups[id] else { return .failure(ApiError(.groupIdNotFound, "Group \(id) not found.")) }
      guard let group = entry.consumers else {
        return .failure(ApiError(.groupIdNotFound, "Group \(id) is not a consumer group."))
      }
      return .success((group, group.assignor(environment.consumerSettings)))
    }
  }
}

extension Result where Success == Offset, Failure == ErrorCode {
  fileprivate func beaten(_ response: ConsumerGroup.Response) -> GroupShard.Beaten {
    switch self {
    case .success: .success(response)
    case .failure(let code):
      .failure(
        ApiError(
          code.storingGroup == .rebalanceInProgress ? .coordinatorNotAvailable : code.storingGroup,
          "The group's change was not stored."))
    }
  }
}
