import Cluster
import Coordination
import Logging
import Model
import Synchronization

/// Which broker of a cluster is the controller, and which brokers it knows to be alive.
extension ControllerRunner {
  /// Becomes controller where there is none, and otherwise waits for the present one to go. A controller whose node was deleted resigns.
  func elect(_ state: inout State) throws {
    guard state.membership.brokerEpoch != nil else { return }
    let found = try read(.controller, .controllerChanged, &state) { (tree, watch) throws(ZNodeError) in
      try tree.exists(ControllerZNode.path, watch: watch)
    }
    if state.controller?.hasResigned == false {
      if let found, found.ephemeralOwner == state.tree.sessionID { return }
      resign(&state)
    }
    if let stat = found {
      let node = try ControllerZNode(data: try state.tree.get(ControllerZNode.path).data)
      // Ours is left from an attempt whose response was lost; without its controller it must go.
      if stat.ephemeralOwner == state.tree.sessionID { return try state.tree.delete(ControllerZNode.path) }
      state.membership.controllerID = node.brokerID
      return state.orders.show(controllerID: node.brokerID)
    }
    var start = RegistryStart(tree: state.tree, brokerID: brokerID, isShared: true)
    let (epoch, version) = try start.becomeController(nowMs: nowMs())
    do throws(ZNodeError) { try state.tree.multi(start.operations) } catch {
      // Another broker was faster: the watch tells when it goes.
      if error.code == .nodeExists || error.code == .badVersion { return enqueue(.membership(.controllerChanged)) }
      throw error
    }
    log.info("this broker is the controller", metadata: ["epoch": "\(epoch)"])
    try lead(epoch: epoch, version: version, &start, &state)
    try lookAtFailures(&state)
    try lookAtAdmin(&state)
  }

  /// Reads the cluster and becomes its controller.
  private func lead(epoch: Int32, version: Int32, _ start: inout RegistryStart, _ state: inout State) throws {
    do {
      let cluster = try start.cluster(ofAllBrokers: true)
      let completion = try start.completion(controllerEpoch: epoch)
      if !completion.isEmpty {
        let check = TreeOperation.check(path: ControllerEpochZNode.path, version: version)
        guard case .writeFinished = state.tree.carryOut([check] + completion) else {
          throw RegistryError("a change that another controller has begun cannot be completed")
        }
      }
      state.controller = Controller(
        id: brokerID, epoch: epoch, epochVersion: version, cluster: cluster, rules: configs.rules)
      state.membership.controllerEpoch = epoch
      state.membership.controllerID = brokerID
      beginRebalancing()
      state.channels.removeAll()
      state.orders.overrides = cluster.topics.mapValues(\.overrides)
      state.orders.values = cluster.brokerValues
      state.orders.metadata.setClientValues(cluster.clientValues)
      let shown = state.controller?.shownTopics ?? []
      state.orders.show(
        shown.map { TopicUpdate($0) }, removed: [], brokers: nil, controllerID: brokerID, isAll: true)
      state.membership.writtenAt = start.writtenAt
      try lookAtBrokers(&state)
    } catch {
      // Not a controller that does not know its cluster: another one, or this one again.
      state.controller = nil
      try? state.tree.delete(ControllerZNode.path)
      throw error
    }
  }

  /// Tells the controller which brokers have come and gone since.
  func lookAtBrokers(_ state: inout State) throws {
    guard let before = state.controller?.cluster.brokers, state.controller?.hasResigned == false else { return }
    let names = try read(.brokers, .brokersChanged, &state) { (tree, watch) throws(ZNodeError) in
      try tree.children(of: BrokerZNode.parent, watch: watch)
    }
    var alive: [BrokerID: LiveBroker] = [:]
    for name in names {
      guard let id = BrokerID(name), let node = try state.tree.find(BrokerZNode.path(id)) else { continue }
      let broker = try BrokerZNode(id: id, data: node.data)
      alive[id] = LiveBroker(id: id, epoch: node.stat.czxid, endpoints: broker.endpoints, rack: broker.rack)
    }
    // A new controller knows none of them yet.
    guard !before.isEmpty else {
      state.step(
        .began(alive.keys.sorted().compactMap { alive[$0] }, writtenAt: state.membership.writtenAt))
      if !alive.isEmpty { state.membership.writtenAt = [:] }
      return
    }
    for id in before.keys.sorted() where alive[id]?.epoch != before[id]?.epoch {
      peers.forget(id)
      state.step(.brokerWent(id))
    }
    state.channels.keep { alive[$0]?.epoch == $1 }
    state.settleIfAnswered()
    for id in alive.keys.sorted() where alive[id]?.epoch != before[id]?.epoch {
      if let broker = alive[id] { state.step(.brokerCame(broker)) }
    }
  }

  /// Ends this broker's controller, if it has one: its requests are refused, and what it has decided and not done is dropped.
  func resign(_ state: inout State) {
    state.step(.sessionLost)
    let effects = state.effects
    state.effects = []
    for case .response(let request, let outcomes) in effects { state.waiting.removeValue(forKey: request)?(outcomes) }
    if state.controller != nil { resigned(&state) }
  }

  /// Takes in that this broker's controller has resigned.
  func resigned(_ state: inout State) {
    // The logs that were created are adopted, and the deletions continued, by the next controller.
    state.orders.chores.forgetOwn()
    state.channels.removeAll()
    state.isSettling = false
    state.admin = AdminRequests()
    rebalanceDueMs.store(.max, ordering: .relaxed)
    state.controller = nil
    log.warning("this broker is no longer the controller")
    if state.membership.controllerID == brokerID {
      state.membership.controllerID = -1
      state.orders.show(controllerID: -1)
    }
    guard reconnect != nil else { return }
    enqueue(.membership(.controllerChanged))
  }
}
