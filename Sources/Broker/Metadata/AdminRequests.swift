import Cluster
import Coordination
import Logging
import Model

/// The requests to the controller in the z-nodes of `/admin`. A node that says nothing of sense is removed.
struct AdminRequests {
  var reassignments = RequestedReassignments()
  /// The reassignments that the controller has not answered yet.
  var unanswered: Set<TopicPartition> = []
  /// The preferred elections that the node asks for are under way.
  var isElecting = false
  /// The topics whose deletion was asked for.
  var deleting: Set<String> = []
}

extension ControllerRunner {
  /// Obeys what the z-nodes of `/admin` ask for, and sets watches on them. Does nothing where another broker is the controller.
  func lookAtAdmin(_ state: inout State) throws {
    guard state.controller?.hasResigned == false else { return }
    try lookAtReassignments(&state)
    try lookAtElections(&state)
    try lookAtDeletions(&state)
  }

  // MARK: /admin/reassign_partitions

  private func lookAtReassignments(_ state: inout State) throws {
    guard let data = try adminData(ReassignPartitionsZNode.path, .reassignments, &state) else {
      state.admin.reassignments = RequestedReassignments()
      return
    }
    let node: ReassignPartitionsZNode
    do throws(ZNodeDataError) { node = try ReassignPartitionsZNode(data: data) } catch {
      return try removeSenseless(ReassignPartitionsZNode.path, error, state)
    }
    guard let cluster = state.controller?.cluster else { return }
    let begun = state.admin.reassignments.found(node) { cluster.partition($0) }
    state.admin.unanswered.formUnion(begun.map(\.name))
    guard !begun.isEmpty else { return finishReassignments(&state) }
    ask(.reassign(begun), &state) { outcomes, state in
      var refused: Set<TopicPartition> = []
      for (reassignment, outcome) in zip(begun, outcomes) {
        state.admin.unanswered.remove(reassignment.name)
        guard case .refused(let reason) = outcome else { continue }
        refused.insert(reassignment.name)
        self.log.warning(
          "a reassignment is refused", metadata: ["partition": "\(reassignment.name)", "reason": "\(reason)"])
      }
      state.admin.reassignments.refused(refused)
      self.finishReassignments(&state, isChanged: !refused.isEmpty)
    }
  }

  /// Removes from the node the reassignments that are done, and at last the node.
  func finishReassignments(_ state: inout State, isChanged: Bool = false) {
    guard isChanged || !state.admin.reassignments.isEmpty, let cluster = state.controller?.cluster else { return }
    let unanswered = state.admin.unanswered
    let isFinished = state.admin.reassignments.finish(hasBegun: { !unanswered.contains($0) }) { cluster.partition($0) }
    guard isChanged || isFinished else { return }
    let node = state.admin.reassignments.node
    attemptAdmin(&state) { state in
      try change(
        node.map { .set(path: ReassignPartitionsZNode.path, data: $0.data) }
          ?? .delete(path: ReassignPartitionsZNode.path), state)
    }
  }

  // MARK: /admin/preferred_replica_election

  private func lookAtElections(_ state: inout State) throws {
    guard let data = try adminData(PreferredReplicaElectionZNode.path, .elections, &state), !state.admin.isElecting
    else { return }
    let node: PreferredReplicaElectionZNode
    do throws(ZNodeDataError) { node = try PreferredReplicaElectionZNode(data: data) } catch {
      return try removeSenseless(PreferredReplicaElectionZNode.path, error, state)
    }
    state.admin.isElecting = true
    ask(.elect(node.partitions.map { .init($0, isUnclean: false) }), &state) { outcomes, state in
      state.admin.isElecting = false
      for (name, outcome) in zip(node.partitions, outcomes) {
        guard case .refused(let reason) = outcome, reason.code != .electionNotNeeded else { continue }
        self.log.warning("a preferred replica is not elected", metadata: ["partition": "\(name)", "why": "\(reason)"])
      }
      self.attemptAdmin(&state) { try self.change(.delete(path: PreferredReplicaElectionZNode.path), $0) }
    }
  }

  // MARK: /admin/delete_topics

  private func lookAtDeletions(_ state: inout State) throws {
    let names = try readAdmin(.deletions, &state) { (tree, watch) throws(ZNodeError) in
      try tree.children(of: DeleteTopicZNode.parent, watch: watch)
    }
    guard let cluster = state.controller?.cluster else { return }
    let asked = names.filter { cluster.topics[$0]?.isBeingDeleted != true && !state.admin.deleting.contains($0) }
    for name in asked where cluster.topics[name] == nil {
      log.warning("a topic that is to be deleted does not exist", metadata: ["topic": "\(name)"])
      try change(.delete(path: DeleteTopicZNode.path(name)), state)
    }
    let deleted = asked.filter { cluster.topics[$0] != nil }
    guard !deleted.isEmpty else { return }
    state.admin.deleting.formUnion(deleted)
    ask(.delete(deleted.map { Controller.Deletion($0, isMarked: true) }), &state) { outcomes, state in
      for (name, outcome) in zip(deleted, outcomes) {
        state.admin.deleting.remove(name)
        guard case .refused(let reason) = outcome else { continue }
        self.log.warning("a topic is not deleted", metadata: ["topic": "\(name)", "why": "\(reason)"])
        self.attemptAdmin(&state) { try self.change(.delete(path: DeleteTopicZNode.path(name)), $0) }
      }
    }
  }

  // MARK: What they share

  /// Reads a node that may be absent, and has its next change looked at.
  private func adminData(_ path: String, _ watch: Membership.Watch, _ state: inout State) throws -> [UInt8]? {
    let stat = try readAdmin(watch, &state) { (tree, watch) throws(ZNodeError) in
      try tree.exists(path, watch: watch)
    }
    return stat == nil ? nil : try state.tree.find(path)?.data
  }

  /// Has the controller decide something that no client has asked for.
  ///
  /// - Parameter then: gets the outcomes on the control lane; nothing where this broker's controller has resigned meanwhile.
  private func ask(
    _ request: Controller.Request, _ state: inout State,
    then: @escaping @Sendable ([Controller.Outcome], inout State) -> Void
  ) {
    state.requests += 1
    state.waiting[state.requests] = { outcomes in self.enqueue(.decided(outcomes, then)) }
    state.step(.asked(state.requests, request))
  }

  private func removeSenseless(_ path: String, _ error: ZNodeDataError, _ state: State) throws {
    log.warning("a z-node that says nothing of sense is removed", metadata: ["path": "\(path)", "why": "\(error)"])
    try change(.delete(path: path), state)
  }

  /// Changes a node, under the check that this broker is still the controller. A node that is gone is as good as removed.
  private func change(_ operation: ZNodeOperation, _ state: State) throws {
    guard let controller = state.controller, !controller.hasResigned else { return }
    do throws(ZNodeError) {
      try state.tree.multi([.check(path: ControllerEpochZNode.path, version: controller.epochVersion), operation])
    } catch {
      guard error.code != .noNode else { return }
      throw error
    }
  }
}
